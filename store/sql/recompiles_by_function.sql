-- recompiles_by_function: Recompiles per function, with what they cost.
-- :run  name of a run; all runs when not given
SELECT function, file, line, count(*) AS recompiles, sum(total_ns) / 1e6 AS total_ms,
  sum(outcome = 'failed') AS failed, min(reasons) AS first_reason, run
FROM recompiles
WHERE :run IS NULL OR run = :run
GROUP BY run, file, line, function
ORDER BY total_ms DESC;
