-- compile_stack: Frames of the call that was compiled, outermost first.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
WITH RECURSIVE up(depth, id) AS (
  SELECT 0, c.stack FROM compile c WHERE c.id = (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1) AND c.stack IS NOT NULL
  UNION ALL
  SELECT depth + 1, s.parent FROM up JOIN stack s ON s.id = up.id WHERE s.parent IS NOT NULL AND depth < 1000
)
SELECT (SELECT text FROM string WHERE id = s.file) AS file, s.line, (SELECT text FROM string WHERE id = s.name) AS name,
  (SELECT text FROM string WHERE id = s.loc) AS loc
FROM up JOIN stack s ON s.id = up.id
ORDER BY up.depth DESC;
