-- compiles_by_outcome: Compiles per outcome.
-- :run  name of a run; all runs when not given
SELECT outcome, count(*) AS compiles, sum(total_ns) / 1e6 AS total_ms, sum(lost_ns) / 1e6 AS lost_ms
FROM compiles
WHERE :run IS NULL OR run = :run
GROUP BY outcome
ORDER BY compiles DESC, outcome;
