-- compile_instances: Sizes that a compile with symbols served after its first, and what each cost.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
SELECT i.number, w.text AS sizes, i.ns, i.n_launches, i.n_texts, i.n_shared, d.text AS dropped
FROM compile_instance i
LEFT JOIN string w ON w.id = i.sizes
LEFT JOIN string d ON d.id = i.dropped
WHERE i.compile = (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1)
ORDER BY i.number, i.rowid;
