-- compile_stacks: Frames from which compiles were reached, callers before what they call.
-- :run      name of a run; all runs when not given
-- :outcome  outcome of the compiles; all when not given
-- :rank     rank; all when not given
WITH RECURSIVE reached(id, parent) AS (
  SELECT s.id, s.parent FROM compile c JOIN stack s ON s.id = c.stack
  WHERE c.source IN (SELECT f.id FROM source_file f
    WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)) AND (:rank IS NULL OR f.rank = :rank))
    AND (:outcome IS NULL OR c.outcome = :outcome)
  UNION
  SELECT s.id, s.parent FROM reached r JOIN stack s ON s.id = r.parent
)
SELECT r.id, r.parent, (SELECT text FROM string WHERE id = s.file) AS file, s.line,
  (SELECT text FROM string WHERE id = s.name) AS name, (SELECT text FROM string WHERE id = s.loc) AS loc
FROM reached r JOIN stack s ON s.id = r.id
ORDER BY r.id;
