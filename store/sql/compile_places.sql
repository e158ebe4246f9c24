-- compile_places: Compiles in order of start with the stack each was reached by.
-- :run      name of a run; all runs when not given
-- :outcome  outcome; all when not given
-- :rank     rank; all when not given
SELECT c.compile_id, c.occurrence, c.outcome, (SELECT text FROM string WHERE id = c.name) AS function, c.line,
  c.stack, c.total_ns, f.rank, f.name AS log, c.id AS compile
FROM compile c JOIN source_file f ON f.id = c.source
WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)) AND (:outcome IS NULL OR c.outcome = :outcome)
  AND (:rank IS NULL OR f.rank = :rank)
ORDER BY c.start_ts IS NULL, c.start_ts, c.id;
