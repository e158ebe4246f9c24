-- rail: Counts beside the pages of a run: how many, and whether it needs a look (2 bad, 1 warning).
-- :run  name of a run; the whole file when not given
WITH log(id) AS (
  SELECT f.id FROM source_file f WHERE :run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)
), made(id, outcome) AS (
  SELECT c.id, c.outcome FROM compile c WHERE c.source IN (SELECT id FROM log)
)
SELECT 'compiles' AS page, (SELECT count(*) FROM made) AS n, 0 AS severity
UNION ALL
SELECT 'recompiles', (SELECT count(DISTINCT compile) FROM recompile WHERE compile IN (SELECT id FROM made)), 1
UNION ALL
SELECT 'failures', failed + restarted, CASE WHEN failed THEN 2 ELSE 1 END
FROM (SELECT (SELECT count(*) FROM failure WHERE compile IN (SELECT id FROM made)) AS failed,
    (SELECT count(*) FROM made WHERE outcome = 'restarted') AS restarted)
UNION ALL
SELECT 'breaks', (SELECT count(*) FROM graph_break WHERE source IN (SELECT id FROM log)), 1
UNION ALL
SELECT 'artifacts', (SELECT count(*) FROM artifact WHERE source IN (SELECT id FROM log)), 0
UNION ALL
SELECT 'kernels', (SELECT count(*) FROM kernel WHERE compile IN (SELECT id FROM made)), 0
UNION ALL
SELECT 'fusion', (SELECT count(*) FROM kernel WHERE compile IN (SELECT id FROM made) AND combo IS NULL), 0
UNION ALL
SELECT 'caches', (SELECT count(*) FROM cache_event WHERE source IN (SELECT id FROM log)), 0
UNION ALL
SELECT 'provenance', (SELECT count(*) FROM provenance_map WHERE compile IN (SELECT id FROM made)), 0
UNION ALL
SELECT 'exports', (SELECT count(*) FROM export_finding WHERE source IN (SELECT id FROM log)), 1
UNION ALL
SELECT 'operators', (SELECT coalesce(sum(coalesce(nullif(l.calls, 0), (SELECT max(position) + 1 FROM call WHERE source = l.source))), 0)
  FROM call_log l WHERE l.source IN (SELECT id FROM log)), 0
UNION ALL
SELECT 'nonfinite', (SELECT count(DISTINCT event) FROM (SELECT u.event FROM tensor_use u CROSS JOIN call c ON c.event = u.event
  WHERE (u.nans > 0 OR u.infs > 0 OR (u.hash_kind = 1 AND (u.digest & 0x7ff0000000000000) = 0x7ff0000000000000))
    AND c.source IN (SELECT id FROM log) ORDER BY u.event LIMIT 1000)), 2
UNION ALL
SELECT 'divergence', sum(iif(verdict IN (2, 4, 5, 6, 7, 8), n, 0)), 2 FROM pair_kind
UNION ALL
SELECT 'health', (SELECT coalesce(sum(count), 0) FROM loss WHERE source IN (SELECT id FROM log)), 1;
