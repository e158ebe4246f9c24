-- call_neighbours: Where the tensors of a call come from and go to: the nearest call before it that made each argument, the nearest
-- behind it that reads each result, within 20 000 calls. By number of the tensor; by digest where there are no numbers.
-- :call  needed: its place in the log
-- :log   name of a log of calls; the one with the most calls when not given
-- :run   name of a run; all runs when not given
WITH log(id) AS (
  SELECT f.id FROM call_log l JOIN source_file f ON f.id = l.source
  WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)) AND (:log IS NULL OR f.name = :log)
  ORDER BY l.calls DESC, f.id LIMIT 1
), me(event) AS (
  SELECT event FROM call WHERE source = (SELECT id FROM log) AND position = :call
), mine AS (
  SELECT u.*, u.tensor IS NULL AND u.hash_kind IN (2, 4, 5) AS by_hash FROM tensor_use u WHERE u.event = (SELECT event FROM me)
    AND u.phase < 2 AND ((u.tensor IS NOT NULL OR u.hash_kind IN (2, 4, 5)) AND coalesce(u.part, 0) = 0
      OR u.tensor IS NULL AND u.hash_kind = 5 AND NOT EXISTS (SELECT 1 FROM tensor_use o WHERE o.event = u.event AND o.phase = u.phase
        AND o.arg = u.arg AND o.hash_kind IN (2, 4))) ORDER BY u.position LIMIT 40
), found AS (
  SELECT m.phase, m.arg, m.tensor, m.by_hash, m.position,
    CASE m.phase WHEN 0 THEN (SELECT u.event FROM tensor_use u CROSS JOIN call c ON c.event = u.event
      WHERE u.event < m.event AND u.event > m.event - 20000 AND u.phase <> 0 AND c.source = (SELECT id FROM log)
        AND CASE WHEN m.by_hash THEN u.digest = m.digest AND u.hash_kind = m.hash_kind ELSE u.tensor = m.tensor END
      ORDER BY u.event DESC LIMIT 1)
    ELSE (SELECT u.event FROM tensor_use u CROSS JOIN call c ON c.event = u.event
      WHERE u.event > m.event AND u.event < m.event + 20000 AND u.phase = 0 AND c.source = (SELECT id FROM log)
        AND CASE WHEN m.by_hash THEN u.digest = m.digest AND u.hash_kind = m.hash_kind ELSE u.tensor = m.tensor END
      ORDER BY u.event LIMIT 1) END AS other
  FROM mine m
)
SELECT CASE f.phase WHEN 0 THEN 'before' ELSE 'result' END AS phase, (SELECT text FROM string WHERE id = f.arg) AS arg, f.tensor, f.by_hash,
  c.position AS place, (SELECT w.text FROM event e JOIN string w ON w.id = e.name WHERE e.id = f.other) AS name
FROM found f
LEFT JOIN call c ON c.event = f.other
ORDER BY f.position;
