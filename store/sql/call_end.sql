-- call_end: The place behind a call and all that it encloses; the end of the log when nothing follows.
-- :at    needed: place of the call
-- :log   name of a log of calls; the one with the most calls when not given
-- :run   name of a run; all runs when not given
WITH RECURSIVE log(id) AS (
  SELECT f.id FROM call_log l JOIN source_file f ON f.id = l.source
  WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)) AND (:log IS NULL OR f.name = :log)
  ORDER BY l.calls DESC, f.id LIMIT 1
), me(event) AS (
  SELECT event FROM call WHERE source = (SELECT id FROM log) AND position = :at
), up(parent, n) AS (
  SELECT e.parent, 0 FROM me JOIN event e ON e.id = me.event
  UNION ALL
  SELECT e.parent, n + 1 FROM up JOIN event e ON e.id = up.parent WHERE n < 64
)
SELECT coalesce(min(CASE WHEN up.parent IS NULL THEN (SELECT c.position FROM event e CROSS JOIN call c ON c.event = e.id
      WHERE e.kind >= 3 AND e.parent IS NULL AND e.id > (SELECT event FROM me) AND c.source = (SELECT id FROM log) ORDER BY e.id LIMIT 1)
    ELSE (SELECT c.position FROM event e CROSS JOIN call c ON c.event = e.id
      WHERE e.kind >= 3 AND e.parent = up.parent AND e.id > (SELECT event FROM me) ORDER BY e.id LIMIT 1) END),
  (SELECT max(position) + 1 FROM call WHERE source = (SELECT id FROM log))) AS place
FROM up;
