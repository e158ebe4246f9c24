-- metric_by_compile: One metric over all compiles, largest first.
-- :name   field of the metrics; needed
-- :run    name of a run; all runs when not given
-- :limit  how many; 100 when not given
SELECT v.value, f.rank, c.compile_id, (SELECT text FROM string WHERE id = m.key) AS key, c.occurrence,
  r.name AS run, f.name AS log
FROM metric_record m
JOIN metric_value v ON v.record = m.id AND v.name IN (SELECT id FROM string WHERE text = :name)
LEFT JOIN compile c ON c.id = m.compile
LEFT JOIN source_file f ON f.id = m.source
LEFT JOIN run r ON r.id = f.run
WHERE v.value IS NOT NULL AND (:run IS NULL OR r.name = :run)
ORDER BY v.value DESC
LIMIT coalesce(:limit, 100);
