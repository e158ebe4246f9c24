-- collective_divergence: Ranks grouped by their collective schedules; several rows of a run can mean a hang.
-- :run  name of a run; all runs when not given
WITH schedules AS (
  SELECT run, rank, count(*) AS n_ops, group_concat(op, ', ') AS ops
  FROM (SELECT run, rank, op FROM collectives WHERE rank IS NOT NULL AND (:run IS NULL OR run = :run)
    ORDER BY run, rank, log, artifact, position)
  GROUP BY run, rank
), ranks AS (
  SELECT DISTINCT l.run, l.rank, coalesce(s.n_ops, 0) AS n_ops, coalesce(s.ops, '') AS ops
  FROM logs l LEFT JOIN schedules s ON s.run IS l.run AND s.rank = l.rank
  WHERE l.rank IS NOT NULL AND l.run IN (SELECT run FROM schedules)
)
SELECT run, group_concat(rank, ', ') AS ranks, count(*) AS n_ranks,
  count(*) OVER (PARTITION BY run) > 1 AS diverges, n_ops, ops
FROM (SELECT * FROM ranks ORDER BY run, rank)
GROUP BY run, ops
ORDER BY run, min(rank);
