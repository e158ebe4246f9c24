-- tensor_meta_divergence: Ranks grouped by the operators and shapes recorded; several rows of a run are a divergence.
-- :run  name of a run; all runs when not given
WITH metas AS (
  SELECT run, rank, count(*) AS n_ops,
    group_concat(name || ' ' || coalesce(type, '') || ' ' || coalesce(outputs, ''), char(10)) AS meta
  FROM (SELECT * FROM op_estimates WHERE rank IS NOT NULL AND (:run IS NULL OR run = :run)
    ORDER BY run, rank, compile_id, occurrence, artifact, position)
  GROUP BY run, rank
)
SELECT run, group_concat(rank, ', ') AS ranks, count(*) AS n_ranks,
  count(*) OVER (PARTITION BY run) > 1 AS diverges, n_ops, substr(meta, 1, 200) AS begins
FROM (SELECT * FROM metas ORDER BY run, rank)
GROUP BY run, meta
ORDER BY run, min(rank);
