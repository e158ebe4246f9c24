-- call_rows: Calls of a log in its order, up to 51 from a place on; of long texts the first 4000 characters.
-- :from  place of the first, 0 when not given
-- :count how many, 51 when not given
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
WHERE c.source = (SELECT id FROM log) AND c.position >= coalesce(:from, 0)
ORDER BY c.position
LIMIT coalesce(:count, 51);
