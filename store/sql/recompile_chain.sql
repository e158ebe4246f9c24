-- recompile_chain: The versions of functions that were compiled again, each with the guards that refused.
-- :frame  only this function: log:frame:occurrence as recompile_frames shows it
-- :run    name of a run; all runs when not given
WITH frames AS (
  SELECT c.source, c.frame_id, c.occurrence, sum(c.total_ns) AS cost_ns
  FROM compile c JOIN source_file f ON f.id = c.source LEFT JOIN run r ON r.id = f.run
  WHERE c.id IN (SELECT compile FROM recompile) AND (:run IS NULL OR r.name = :run)
    AND (:frame IS NULL OR f.name || ':' || coalesce(c.frame_id, '') || ':' || c.occurrence = :frame)
  GROUP BY c.source, c.frame_id, c.occurrence
  ORDER BY cost_ns DESC
  LIMIT 12
)
SELECT f.name || ':' || coalesce(c.frame_id, '') || ':' || c.occurrence AS frame,
  (SELECT text FROM string WHERE id = c.name) AS function, (SELECT text FROM string WHERE id = c.file) AS file, c.line,
  c.compile_id, c.occurrence, c.outcome, c.total_ns, c.n_guards, c.n_ops, p.position, p.previous, p.reason, p.origin,
  (SELECT reason FROM failure x WHERE x.compile = c.id) AS failure, f.rank, f.name AS log, c.id AS compile
FROM frames k
JOIN compile c ON c.source = k.source AND c.frame_id IS k.frame_id AND c.occurrence = k.occurrence
JOIN source_file f ON f.id = c.source
LEFT JOIN recompile p ON p.compile = c.id
ORDER BY k.cost_ns DESC, c.source, c.frame_id, c.frame_compile_id, c.id, p.position;
