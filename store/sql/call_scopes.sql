-- call_scopes: What encloses a call, outermost first.
-- :call  needed: its place in the log
-- :log   name of a log of calls; the one with the most calls when not given
-- :run   name of a run; all runs when not given
WITH RECURSIVE log(id) AS (
  SELECT f.id FROM call_log l JOIN source_file f ON f.id = l.source
  WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)) AND (:log IS NULL OR f.name = :log)
  ORDER BY l.calls DESC, f.id LIMIT 1
), up(id, n) AS (
  SELECT e.parent, 0 FROM call c JOIN event e ON e.id = c.event WHERE c.source = (SELECT id FROM log) AND c.position = :call
  UNION ALL
  SELECT e.parent, n + 1 FROM up JOIN event e ON e.id = up.id WHERE n < 64
)
SELECT e.id, c.position, e.kind, (SELECT text FROM string WHERE id = e.name) AS name, (SELECT text FROM string WHERE id = c.args) AS header
FROM up
JOIN event e ON e.id = up.id
LEFT JOIN call c ON c.event = e.id
ORDER BY up.n DESC;
