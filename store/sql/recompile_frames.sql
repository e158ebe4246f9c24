-- recompile_frames: Functions that were compiled again, with what it cost and what changed.
-- :run  name of a run; all runs when not given
SELECT (SELECT text FROM string WHERE id = c.name) AS function, (SELECT text FROM string WHERE id = c.file) AS file, c.line,
  count(*) AS recompiles, sum(c.total_ns) AS cost_ns, sum(c.total_ns) AS bar,
  sum(c.outcome = 'failed') AS failed,
  sum(EXISTS (SELECT 1 FROM failure x WHERE x.compile = c.id AND x.reason GLOB '*recompile limit*')) AS limits,
  (SELECT group_concat(DISTINCT kind) FROM recompile_reasons k WHERE k.position = 0 AND k.compile IN
    (SELECT id FROM compile d WHERE d.source = c.source AND d.frame_id IS c.frame_id AND d.occurrence = c.occurrence)) AS kinds,
  f.rank, f.name || ':' || coalesce(c.frame_id, '') || ':' || c.occurrence AS frame, f.name AS log, c.frame_id, c.occurrence
FROM compile c
JOIN source_file f ON f.id = c.source
LEFT JOIN run r ON r.id = f.run
WHERE c.id IN (SELECT compile FROM recompile) AND (:run IS NULL OR r.name = :run)
GROUP BY c.source, c.frame_id, c.occurrence
ORDER BY cost_ns DESC, frame;
