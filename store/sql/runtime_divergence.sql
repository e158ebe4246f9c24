-- runtime_divergence: Estimated run time of each graph on the fastest and on the slowest rank.
-- :run  name of a run; all runs when not given
WITH graphs AS (
  SELECT run, rank, compile_id, artifact, sum(ns) AS ns,
    row_number() OVER (PARTITION BY run, rank ORDER BY compile_id, artifact) AS place
  FROM op_estimates WHERE rank IS NOT NULL AND (:run IS NULL OR run = :run)
  GROUP BY run, rank, compile_id, artifact
), counts AS (
  SELECT run, min(n) = max(n) AS equal
  FROM (SELECT run, rank, count(*) AS n FROM graphs GROUP BY run, rank) GROUP BY run
)
SELECT g.run, g.place, min(g.compile_id) AS compile_id, round((max(g.ns) - min(g.ns)) / 1e6, 3) AS delta_ms,
  (SELECT rank FROM graphs x WHERE x.run IS g.run AND x.place = g.place ORDER BY ns, rank LIMIT 1) AS fastest_rank,
  (SELECT rank FROM graphs x WHERE x.run IS g.run AND x.place = g.place ORDER BY ns DESC, rank LIMIT 1) AS slowest_rank,
  count(*) AS ranks, c.equal AS comparable
FROM graphs g
JOIN counts c ON c.run IS g.run
GROUP BY g.run, g.place
ORDER BY g.run, g.place;
