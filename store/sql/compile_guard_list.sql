-- compile_guard_list: Guards of a compile, of one kind or all.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
-- :guard       kind; all when not given
SELECT (SELECT text FROM string WHERE id = g.kind) AS kind, (SELECT text FROM string WHERE id = g.code) AS code,
  (SELECT text FROM string WHERE id = g.parent) AS parent, (SELECT text FROM string WHERE id = g.origin) AS origin, g.result, g.attempt, g.line
FROM guard g
WHERE g.compile = (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1)
  AND (:guard IS NULL OR g.kind IN (SELECT id FROM string WHERE text = :guard))
ORDER BY g.id;
