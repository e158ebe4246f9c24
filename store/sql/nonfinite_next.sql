-- nonfinite_next: The next place of a log, from one on, where a call has a NaN or an infinity.
-- :from  first place looked at, 0 when not given
-- :log   name of a log of calls; the one with the most calls when not given
-- :run   name of a run; all runs when not given
WITH log(id) AS (
  SELECT f.id FROM call_log l JOIN source_file f ON f.id = l.source
  WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)) AND (:log IS NULL OR f.name = :log)
  ORDER BY l.calls DESC, f.id LIMIT 1
), first(event) AS (
  SELECT event FROM call WHERE source = (SELECT id FROM log) AND position >= coalesce(:from, 0) ORDER BY position LIMIT 1
)
SELECT c.position AS place
FROM tensor_use u
CROSS JOIN call c ON c.event = u.event
WHERE (u.nans > 0 OR u.infs > 0 OR (u.hash_kind = 1 AND (u.digest & 0x7ff0000000000000) = 0x7ff0000000000000))
  AND u.event >= (SELECT event FROM first) AND c.source = (SELECT id FROM log)
ORDER BY u.event
LIMIT 1;
