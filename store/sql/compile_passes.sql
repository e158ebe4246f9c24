-- compile_passes: Passes over the graphs of a compile in order: what each changed, what it took, the graph after it.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
SELECT p.position, p.phase, p.name, p.changed, p.n_nodes, p.ns, a.offset, f.name AS log
FROM compile_pass p
LEFT JOIN artifact a ON a.id = p.artifact
LEFT JOIN source_file f ON f.id = a.source
WHERE p.compile = (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1)
ORDER BY p.position, p.rowid;
