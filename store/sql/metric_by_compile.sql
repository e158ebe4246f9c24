-- metric_by_compile: One metric over all compiles, largest first.
-- :name   field of the metrics; needed
-- :run    name of a run; all runs when not given
-- :limit  how many; 100 when not given
SELECT value, rank, compile_id, key, occurrence, run, log
FROM metrics
WHERE name = :name AND type <> 0 AND (:run IS NULL OR run = :run)
ORDER BY value DESC
LIMIT coalesce(:limit, 100);
