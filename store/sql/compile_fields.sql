-- compile_fields: Every field of every metrics record of a compile; type 0 is null.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
SELECT (SELECT text FROM string WHERE id = m.key) AS key, m.attempt, (SELECT text FROM string WHERE id = v.name) AS name, v.type,
  CASE WHEN v.type >= 4 THEN (SELECT text FROM string WHERE id = v.value) ELSE v.value END AS value, m.id AS record
FROM metric_record m JOIN compile_metric v ON v.record = m.id
WHERE m.compile = (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1)
ORDER BY m.id, name;
