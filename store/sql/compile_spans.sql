-- compile_spans: Compiles in time, for a drawing with one lane per function: the longest when there are many.
-- :run    name of a run; all runs when not given
-- :rank   rank; all when not given
-- :limit  how many; all when not given
SELECT c.compile_id, c.occurrence, c.outcome, (SELECT text FROM string WHERE id = c.name) AS function, f.rank,
  c.start_ts, coalesce(c.total_ns, c.end_ts - c.start_ts) AS ns,
  EXISTS (SELECT 1 FROM recompile p WHERE p.compile = c.id) AS recompile, f.name AS log
FROM compile c JOIN source_file f ON f.id = c.source
WHERE c.id IN (SELECT m.id FROM compile m
  WHERE m.start_ts IS NOT NULL AND m.source IN (SELECT s.id FROM source_file s
    WHERE (:run IS NULL OR s.run = (SELECT id FROM run WHERE name = :run)) AND (:rank IS NULL OR s.rank = :rank))
  ORDER BY coalesce(m.total_ns, m.end_ts - m.start_ts) DESC, m.id LIMIT coalesce(:limit, -1))
ORDER BY c.start_ts, c.id;
