-- recompile_frames: Functions that were compiled again, with what it cost and what changed.
-- :run  name of a run; all runs when not given
SELECT (SELECT text FROM string WHERE id = c.name) AS function, (SELECT text FROM string WHERE id = c.file) AS file, c.line,
  count(*) AS recompiles, sum(c.total_ns) AS cost_ns, sum(c.total_ns) AS bar, sum(c.outcome = 'failed') AS failed,
  sum(EXISTS (SELECT 1 FROM failure x WHERE x.compile = c.id AND x.reason GLOB '*recompile limit*')) AS limits,
  group_concat(DISTINCT k.kind) AS kinds, f.rank,
  f.name || ':' || coalesce(c.frame_id, '') || ':' || c.occurrence AS frame, f.name AS log, c.frame_id, c.occurrence
FROM recompile_reasons k
JOIN compile c ON c.id = k.compile
JOIN source_file f ON f.id = c.source
WHERE k.position = 0 AND (:run IS NULL OR k.run = :run)
GROUP BY c.source, c.frame_id, c.occurrence
ORDER BY cost_ns DESC, frame;
