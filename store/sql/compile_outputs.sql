-- compile_outputs: Artifacts of a compile in the order they were written, with what they hold.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
SELECT a.number, (SELECT text FROM string WHERE id = a.name) AS name, (SELECT text FROM string WHERE id = a.key) AS key,
  a.attempt, (SELECT text FROM string WHERE id = a.subgraph) AS subgraph, a.size,
  (SELECT sum(g.n_nodes) FROM graph g WHERE g.artifact = a.id) AS nodes,
  (SELECT count(*) FROM kernel k WHERE k.compile = a.compile AND k.artifact = a.id) AS kernels,
  (SELECT text FROM string WHERE id = a.file_name) AS file_name, a.flags, a.ts, f.name AS log, a.offset
FROM artifact a JOIN source_file f ON f.id = a.source
WHERE a.compile = (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1)
ORDER BY a.id;
