-- compile_spans: Compiles in time, for a drawing: one lane per function.
-- :run   name of a run; all runs when not given
-- :rank  rank; all when not given
SELECT c.compile_id, c.occurrence, c.outcome, (SELECT text FROM string WHERE id = c.name) AS function, f.rank,
  c.start_ts, coalesce(c.total_ns, c.end_ts - c.start_ts) AS ns,
  EXISTS (SELECT 1 FROM recompile p WHERE p.compile = c.id) AS recompile, f.name AS log
FROM compile c JOIN source_file f ON f.id = c.source
WHERE c.start_ts IS NOT NULL AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  AND (:rank IS NULL OR f.rank = :rank)
ORDER BY c.start_ts, c.id;
