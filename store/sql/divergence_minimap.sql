-- divergence_minimap: The verdicts that occur in each stretch of a lane, worst first within it; stretches in which all is the same have none.
-- :lane    number of a lane; that of the first difference when not given
-- :buckets stretches, 604 when not given
WITH RECURSIVE it(lane) AS (
  SELECT coalesce(:lane, (SELECT lane FROM pair WHERE id = (SELECT first_pair FROM comparison)), (SELECT min(id) FROM lane))
), ends(lane, low, high) AS (
  SELECT lane, (SELECT min(id) FROM pair WHERE lane = it.lane), (SELECT max(id) FROM pair WHERE lane = it.lane) FROM it
), size(lane, low, n, buckets) AS (
  SELECT lane, low, high - low + 1, max(1, min(coalesce(:buckets, 604), 100000)) FROM ends
), kind(verdict) AS (VALUES (1), (2), (3), (4), (5), (6), (7), (8)),
hit(verdict, id) AS (
  SELECT k.verdict, (SELECT p.id FROM pair p WHERE p.verdict = k.verdict AND p.lane = s.lane ORDER BY p.id LIMIT 1)
  FROM kind k CROSS JOIN size s
  UNION ALL
  SELECT h.verdict, (SELECT p.id FROM pair p WHERE p.verdict = h.verdict AND p.lane = s.lane
      AND p.id >= s.low + (((h.id - s.low) * s.buckets / s.n + 1) * s.n + s.buckets - 1) / s.buckets ORDER BY p.id LIMIT 1)
  FROM hit h CROSS JOIN size s
  WHERE h.id IS NOT NULL
)
SELECT (h.id - s.low) * s.buckets / s.n AS bucket, h.verdict, h.id AS first
FROM hit h CROSS JOIN size s
WHERE h.id IS NOT NULL
ORDER BY bucket, h.verdict DESC;
