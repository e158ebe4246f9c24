-- restarts: Restarts of compiles.
-- :run  name of a run; all runs when not given
SELECT rank, compile_id, position, reason, outcome, lost_ns, lost_ns / 1e6 AS lost_ms, function, occurrence, run, log
FROM restarts
WHERE :run IS NULL OR run = :run
ORDER BY run, rank, compile, position;
