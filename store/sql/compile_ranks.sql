-- compile_ranks: Compiles and failures per rank.
-- :run  name of a run; all runs when not given
SELECT rank, count(*) AS compiles, sum(outcome = 'failed') AS failed
FROM compiles
WHERE rank IS NOT NULL AND (:run IS NULL OR run = :run)
GROUP BY rank
ORDER BY rank;
