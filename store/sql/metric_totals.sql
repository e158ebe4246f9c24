-- metric_totals: Numbers of the metrics added up over all compiles, per field.
-- :run  name of a run; all runs when not given
SELECT s.text AS name, count(*) AS records, total(v.value) AS sum, min(v.value) AS min, max(v.value) AS max
FROM compile_metric v
JOIN string s ON s.id = v.name
JOIN metric_record m ON m.id = v.record
JOIN source_file f ON f.id = m.source
LEFT JOIN run r ON r.id = f.run
WHERE v.type IN (1, 2, 3) AND (:run IS NULL OR r.name = :run)
GROUP BY s.text
ORDER BY s.text;
