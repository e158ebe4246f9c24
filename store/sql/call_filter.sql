-- call_filter: Calls of a stretch of a log that a filter lets through, up to 51; of long texts the first 4000 characters.
-- :from       place of the first, 0 when not given
-- :until      place before which the stretch ends; 20 000 calls when not given
-- :op         part of the name of an operator, kernel or module
-- :module     name of a module or range that encloses them
-- :dtype      of one of their tensors: f32, i64
-- :hash       beginning of a digest of one of their tensors as it is shown: 0x30d2, 49.37
-- :nonfinite  only those with a NaN or an infinity, when given
-- :log   name of a log of calls; the one with the most calls when not given
-- :run   name of a run; all runs when not given
WITH log(id) AS (
  SELECT f.id FROM call_log l JOIN source_file f ON f.id = l.source
  WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)) AND (:log IS NULL OR f.name = :log)
  ORDER BY l.calls DESC, f.id LIMIT 1
)
SELECT c.position, c.depth, e.kind, (SELECT substr(text, 1, 4000) FROM string WHERE id = e.name) AS name,
  (SELECT substr(text, 1, 4000) FROM string WHERE id = c.args) AS args, (SELECT substr(text, 1, 4000) FROM string WHERE id = c.kwargs) AS kwargs,
  (SELECT substr(text, 1, 4000) FROM string WHERE id = c.output) AS output, (SELECT substr(text, 1, 4000) FROM string WHERE id = c.rest) AS rest,
  (SELECT (SELECT text FROM string WHERE id = d.from_placement) || ' -> ' || (SELECT text FROM string WHERE id = d.to_placement)
    FROM redistribute d WHERE d.event = c.event) AS placements,
  (SELECT group_concat(hash_value(hash_kind, digest), ' ') FROM (SELECT hash_kind, digest FROM tensor_use u
    WHERE u.event = c.event AND u.phase = 0 AND u.hash_kind IS NOT NULL ORDER BY u.position LIMIT 8)) AS hashes_in,
  (SELECT group_concat(hash_value(hash_kind, digest), ' ') FROM (SELECT hash_kind, digest FROM tensor_use u
    WHERE u.event = c.event AND u.phase <> 0 AND u.hash_kind IS NOT NULL ORDER BY u.position LIMIT 8)) AS hashes_out,
  (SELECT count(*) FROM tensor_use u WHERE u.event = c.event AND u.hash_kind IS NOT NULL) AS hashes,
  (SELECT max(u.phase = 0) + 2 * max(u.phase <> 0) FROM tensor_use u WHERE u.event = c.event AND (u.nans > 0 OR u.infs > 0 OR (u.hash_kind = 1 AND (u.digest & 0x7ff0000000000000) = 0x7ff0000000000000))) AS nonfinite,
  coalesce(c.fwd_stack, c.stack) AS stack, c.flags, e.ts, e.dur, c.event AS id, e.parent,
  (SELECT (SELECT text FROM string WHERE id = p.name) FROM event p WHERE p.id = e.parent AND p.kind = 13) AS step
FROM call c
JOIN event e ON e.id = c.event
WHERE c.source = (SELECT id FROM log) AND c.position >= coalesce(:from, 0) AND c.position < coalesce(:until, coalesce(:from, 0) + 20000)
  AND (:op IS NULL OR instr(lower((SELECT text FROM string WHERE id = e.name)), lower(:op)))
  AND (:dtype IS NULL OR EXISTS (SELECT 1 FROM tensor_use u WHERE u.event = c.event
    AND (SELECT text FROM string WHERE id = u.dtype) = :dtype))
  AND (:hash IS NULL OR EXISTS (SELECT 1 FROM tensor_use u WHERE u.event = c.event AND u.hash_kind IS NOT NULL
    AND substr(hash_value(u.hash_kind, u.digest), 1, length(:hash)) = :hash))
  AND (:nonfinite IS NULL OR EXISTS (SELECT 1 FROM tensor_use u WHERE u.event = c.event AND (u.nans > 0 OR u.infs > 0 OR (u.hash_kind = 1 AND (u.digest & 0x7ff0000000000000) = 0x7ff0000000000000))))
  AND (:module IS NULL OR EXISTS (WITH RECURSIVE up(id, n) AS (SELECT e.parent, 0
      UNION ALL SELECT p.parent, n + 1 FROM up JOIN event p ON p.id = up.id WHERE n < 64)
    SELECT 1 FROM up JOIN event p ON p.id = up.id JOIN string w ON w.id = p.name WHERE w.text = :module))
ORDER BY c.position
LIMIT 51;
