-- failures_by_type: Failures per exception.
-- :run  name of a run; all runs when not given
SELECT type, count(*) AS failures, count(DISTINCT compile) AS compiles, min(reason) AS first_reason
FROM failures
WHERE :run IS NULL OR run = :run
GROUP BY type
ORDER BY failures DESC, type;
