-- compile_partition: What the forward keeps for the backward, and what that computes again, with the reason.
-- :fate        saved, recomputed, input, not needed; all when not given
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
SELECT p.position, (SELECT text FROM string WHERE id = p.value) AS value, p.fate, p.reason, p.bytes
FROM partition_decision p
WHERE p.compile = (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1)
  AND (:fate IS NULL OR p.fate = :fate)
ORDER BY CASE p.fate WHEN 'saved' THEN 0 WHEN 'recomputed' THEN 1 WHEN 'input' THEN 2 ELSE 3 END, p.bytes DESC, p.position;
