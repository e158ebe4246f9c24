-- call_kernel: The compiled kernel that a call launched.
-- :call  needed: its place in the log
-- :log   name of a log of calls; the one with the most calls when not given
-- :run   name of a run; all runs when not given
WITH log(id) AS (
  SELECT f.id FROM call_log l JOIN source_file f ON f.id = l.source
  WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)) AND (:log IS NULL OR f.name = :log)
  ORDER BY l.calls DESC, f.id LIMIT 1
), me(event, process) AS (
  SELECT c.event, f.process FROM call c JOIN source_file f ON f.id = c.source WHERE c.source = (SELECT id FROM log) AND c.position = :call
), launched(launch) AS (
  SELECT launch FROM event WHERE id = (SELECT event FROM me) AND launch IS NOT NULL
  UNION
  SELECT launch FROM event WHERE parent = (SELECT event FROM me) AND kind >= 3 AND launch IS NOT NULL
)
SELECT (SELECT text FROM string WHERE id = k.name) AS name, k.role, k.phase, s.site, c.compile_id, c.occurrence, f.name AS log, k.id
FROM launched d
JOIN launch l ON l.id = d.launch
JOIN string w ON w.id = l.site
JOIN kernel_site s ON s.site = w.text
JOIN kernel k ON k.id = s.kernel
LEFT JOIN compile c ON c.id = k.compile
LEFT JOIN source_file f ON f.id = c.source
WHERE f.process IS NULL OR f.process = (SELECT process FROM me)
ORDER BY k.id
LIMIT 1;
