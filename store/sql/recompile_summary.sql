-- recompile_summary: Recompiles of a run in one row.
-- :run  name of a run; all runs when not given
WITH again AS (
  SELECT c.id, c.source, c.frame_id, c.occurrence, c.total_ns
  FROM compile c JOIN source_file f ON f.id = c.source LEFT JOIN run r ON r.id = f.run
  WHERE c.id IN (SELECT compile FROM recompile) AND (:run IS NULL OR r.name = :run)
)
SELECT count(*) AS recompiles,
  (SELECT count(*) FROM (SELECT DISTINCT source, frame_id, occurrence FROM again)) AS functions,
  sum(total_ns) AS cost_ns,
  (SELECT sum(c.total_ns) FROM compile c JOIN source_file f ON f.id = c.source LEFT JOIN run r ON r.id = f.run
    WHERE :run IS NULL OR r.name = :run) AS all_ns,
  (SELECT count(*) FROM compile c JOIN source_file f ON f.id = c.source LEFT JOIN run r ON r.id = f.run
    WHERE :run IS NULL OR r.name = :run) AS compiles,
  (SELECT count(*) FROM recompile_reasons WHERE position = 0 AND kind IN ('number', 'bool', 'string')
    AND (:run IS NULL OR run = :run)) AS from_values,
  (SELECT count(*) FROM failure x WHERE x.compile IN (SELECT id FROM again) AND x.reason GLOB '*recompile limit*') AS limits
FROM again;
