-- cache_summary: What was asked of caches in a run, in one row.
-- :run  name of a run; all runs when not given
SELECT count(*) AS asked, sum(outcome = 'hit') AS hits, sum(outcome = 'miss') AS misses, sum(outcome = 'bypass') AS bypassed,
  sum(saved_ns) AS saved_ns
FROM cache
WHERE :run IS NULL OR run = :run;
