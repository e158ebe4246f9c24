-- failures: Failures that ended a compile.
-- :run  name of a run; all runs when not given
SELECT rank, compile_id, type, reason, file, line, function, occurrence, run, log
FROM failures
WHERE :run IS NULL OR run = :run
ORDER BY run, rank, compile;
