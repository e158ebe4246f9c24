-- call_next: The next place of a log, from one on, where a call of such a name stands.
-- :from  first place looked at, 0 when not given
-- :op    needed: part of the name
-- :log   name of a log of calls; the one with the most calls when not given
-- :run   name of a run; all runs when not given
WITH RECURSIVE log(id) AS (
  SELECT f.id FROM call_log l JOIN source_file f ON f.id = l.source
  WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)) AND (:log IS NULL OR f.name = :log)
  ORDER BY l.calls DESC, f.id LIMIT 1
), names(id) AS (
  SELECT min(name) FROM event WHERE kind >= 3
  UNION ALL
  SELECT (SELECT min(name) FROM event WHERE kind >= 3 AND name > names.id) FROM names WHERE names.id IS NOT NULL
), first(event) AS (
  SELECT event FROM call WHERE source = (SELECT id FROM log) AND position >= coalesce(:from, 0) ORDER BY position LIMIT 1
)
SELECT min((SELECT c.position FROM event e JOIN call c ON c.event = e.id
  WHERE e.kind >= 3 AND e.name = n.id AND e.id >= (SELECT event FROM first) AND c.source = (SELECT id FROM log)
  ORDER BY e.id LIMIT 1)) AS place
FROM names n
JOIN string w ON w.id = n.id
WHERE instr(lower(w.text), lower(:op));
