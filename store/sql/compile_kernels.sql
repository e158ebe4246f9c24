-- compile_kernels: Kernels of a compile.
-- :compile_id  as compiles shows it; all when not given
-- :rank        rank; all when not given
-- :occurrence  of the compile id; all when not given
-- :run         name of a run; all runs when not given
-- :compile     row id of the compile, instead of the four above
SELECT name, kind, n_ops, nodes, line, rank, compile_id, occurrence, run, log, artifact, id
FROM kernels
WHERE compile IN
  (SELECT compile FROM compiles WHERE (:compile IS NULL OR compile = :compile)
    AND (:compile_id IS NULL OR compile_id = :compile_id) AND (:rank IS NULL OR rank = :rank)
    AND (:occurrence IS NULL OR occurrence = :occurrence) AND (:run IS NULL OR run = :run))
ORDER BY compile, id;
