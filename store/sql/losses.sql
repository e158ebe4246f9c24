-- losses: What was lost or was not as it should be.
-- :run  name of a run; all runs when not given
SELECT kind, count, bytes, message, line, offset, ts, rank, run, log, id
FROM losses
WHERE :run IS NULL OR run = :run
ORDER BY run, log, id;
