-- kernels: Kernels per name, with the nodes they compute.
-- :run    name of a run; all runs when not given
-- :limit  how many; 200 when not given
SELECT name, kind, count(*) AS times, count(DISTINCT compile) AS compiles, max(n_ops) AS n_ops,
  min(nodes) AS nodes, min(id) AS first
FROM kernels
WHERE :run IS NULL OR run = :run
GROUP BY name, kind
ORDER BY times DESC, name
LIMIT coalesce(:limit, 200);
