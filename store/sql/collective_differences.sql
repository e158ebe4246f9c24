-- collective_differences: Places of collective schedules where the ranks of a run do not agree.
-- :run  name of a run; all runs when not given
WITH placed AS (
  SELECT run, rank, compile_id, op,
    row_number() OVER (PARTITION BY run, rank ORDER BY log, artifact, position) - 1 AS place
  FROM collectives WHERE rank IS NOT NULL AND (:run IS NULL OR run = :run)
), counted AS (
  SELECT run, place, op, count(*) AS n_ranks, group_concat(rank, ', ') AS ranks, min(compile_id) AS compile_id
  FROM (SELECT * FROM placed ORDER BY run, place, op, rank)
  GROUP BY run, place, op
)
SELECT c.run, c.place, c.op, c.ranks, c.compile_id
FROM counted c
WHERE c.n_ranks < (SELECT count(DISTINCT rank) FROM logs l WHERE l.run IS c.run AND l.rank IS NOT NULL)
ORDER BY c.run, c.place, c.op;
