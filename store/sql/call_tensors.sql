-- call_tensors: The tensors that a call read and made, with what is known of their values.
-- :call  needed: its place in the log
-- :log   name of a log of calls; the one with the most calls when not given
-- :run   name of a run; all runs when not given
WITH log(id) AS (
  SELECT f.id FROM call_log l JOIN source_file f ON f.id = l.source
  WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)) AND (:log IS NULL OR f.name = :log)
  ORDER BY l.calls DESC, f.id LIMIT 1
)
SELECT CASE u.phase WHEN 0 THEN 'before' WHEN 1 THEN 'result' ELSE 'after' END AS phase,
  (SELECT text FROM string WHERE id = u.arg) AS arg, u.tensor, (SELECT text FROM string WHERE id = u.form) AS form,
  (SELECT text FROM string WHERE id = u.dtype) AS dtype, (SELECT text FROM string WHERE id = u.shape) AS shape,
  (SELECT text FROM string WHERE id = u.stride) AS stride, (SELECT text FROM string WHERE id = u.device) AS device,
  (SELECT text FROM string WHERE id = u.detail) AS detail, u.version, u.hash_kind, hash_value(u.hash_kind, u.digest) AS hash,
  u.nans, u.infs, u.low, u.high, u.total, u.magnitude, sqrt(u.squares) AS l2, a.offset AS artifact,
  (SELECT name FROM source_file WHERE id = a.source) AS artifact_log, (u.nans > 0 OR u.infs > 0 OR (u.hash_kind = 1 AND (u.digest & 0x7ff0000000000000) = 0x7ff0000000000000)) AS nonfinite, u.position
FROM tensor_use u
LEFT JOIN artifact a ON a.id = u.artifact
WHERE u.event = (SELECT event FROM call WHERE source = (SELECT id FROM log) AND position = :call)
ORDER BY u.phase = 1, u.phase, u.position
LIMIT 400;
