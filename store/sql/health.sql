-- health: What to know before trusting the file; no row when all is well.
-- :run  name of a run; all runs when not given
SELECT severity, subject, count, message, run, log
FROM health
WHERE :run IS NULL OR run IS NULL OR run = :run
ORDER BY severity DESC, subject, run, log;
