-- logs: The logs that were taken in.
-- :run  name of a run; all runs when not given
SELECT * FROM logs WHERE :run IS NULL OR run = :run ORDER BY run, rank, log;
