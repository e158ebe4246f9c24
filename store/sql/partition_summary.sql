-- partition_summary: What a compile saves and computes again: values and bytes by fate.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
SELECT p.fate, count(*) AS n, cast(sum(1.0 * p.bytes) AS INTEGER) AS bytes
FROM partition_decision p
WHERE p.compile = (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1)
GROUP BY p.fate
ORDER BY CASE p.fate WHEN 'saved' THEN 0 WHEN 'recomputed' THEN 1 WHEN 'input' THEN 2 ELSE 3 END;
