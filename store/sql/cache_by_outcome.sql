-- cache_by_outcome: What was asked of the caches, per cache and outcome.
-- :run  name of a run; all runs when not given
SELECT cache, outcome, count(*) AS asked, sum(saved_ns) / 1e6 AS saved_ms, count(DISTINCT rank) AS ranks,
  min(reason) AS first_reason, run
FROM cache
WHERE :run IS NULL OR run = :run
GROUP BY run, cache, outcome
ORDER BY run, cache, outcome;
