-- largest_artifacts: The largest artifacts.
-- :limit  how many; 20 when not given
-- :run    name of a run; all runs when not given
SELECT size, name, key, rank, compile_id, attempt, run, log, id
FROM artifacts
WHERE :run IS NULL OR run = :run
ORDER BY size DESC
LIMIT coalesce(:limit, 20);
