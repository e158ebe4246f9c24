-- divergence_upstream: Where the difference in a pair comes from: the pairs that made what differs, up to the first, at most 500.
-- :at  number of a pair; the first difference when not given
WITH RECURSIVE me(id) AS (
  SELECT id FROM pair WHERE id >= min(coalesce(:at, (SELECT first_pair FROM comparison), 0), (SELECT max(id) FROM pair)) ORDER BY id LIMIT 1
), cone(id) AS (
  SELECT id FROM me
  UNION
  SELECT t.producer FROM cone c JOIN pair_tensor t ON t.pair = c.id WHERE t.phase = 0 AND t.producer IS NOT NULL
  LIMIT 501
)
SELECT d.verdict, d.name, d.step, d.phase, d.module, coalesce(d.a_position, d.b_position) AS position, d.relative,
  (SELECT verdict FROM pair WHERE id = d.id) AS number, d.id
FROM cone c CROSS JOIN divergence d ON d.id = c.id
WHERE c.id <> (SELECT id FROM me)
ORDER BY d.id;
