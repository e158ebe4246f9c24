-- call_children: What a call encloses at the next level: calls, launches, copies; up to 51; of long arguments the first 4000 characters.
-- :call  needed: its place in the log
-- :log   name of a log of calls; the one with the most calls when not given
-- :run   name of a run; all runs when not given
WITH log(id) AS (
  SELECT f.id FROM call_log l JOIN source_file f ON f.id = l.source
  WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)) AND (:log IS NULL OR f.name = :log)
  ORDER BY l.calls DESC, f.id LIMIT 1
), me(event) AS (
  SELECT event FROM call WHERE source = (SELECT id FROM log) AND position = :call
)
SELECT e.kind, coalesce((SELECT text FROM string WHERE id = l.kernel), (SELECT text FROM string WHERE id = e.name)) AS name,
  (SELECT text FROM string WHERE id = l.variant) AS variant, e.ts, e.dur, l.items, l.threads, l.bytes_read, l.bytes_written, l.flops,
  c.position, (SELECT substr(text, 1, 4000) FROM string WHERE id = c.args) AS args
FROM event e
LEFT JOIN launch l ON l.id = e.launch
LEFT JOIN call c ON c.event = e.id
WHERE e.kind >= 3 AND e.parent = (SELECT event FROM me)
ORDER BY e.id
LIMIT 51;
