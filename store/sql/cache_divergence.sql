-- cache_divergence: Ranks grouped by what their caches answered, in order; several rows of a run are a divergence.
-- :run  name of a run; all runs when not given
WITH answers AS (
  SELECT run, rank, group_concat(outcome, ' ') AS answers
  FROM (SELECT run, rank, outcome FROM cache WHERE rank IS NOT NULL AND (:run IS NULL OR run = :run)
    ORDER BY run, rank, log, id)
  GROUP BY run, rank
)
SELECT run, group_concat(rank, ', ') AS ranks, count(*) AS n_ranks,
  count(*) OVER (PARTITION BY run) > 1 AS diverges, answers
FROM (SELECT * FROM answers ORDER BY run, rank)
GROUP BY run, answers
ORDER BY run, min(rank);
