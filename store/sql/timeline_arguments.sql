-- timeline_arguments: Arguments of an event.
-- :id  needed: row id of the event
SELECT (SELECT text FROM string WHERE id = a.key) AS key,
  CASE a.type WHEN 0 THEN 'null' WHEN 1 THEN iif(a.value, 'true', 'false') WHEN 4 THEN (SELECT text FROM string WHERE id = a.value)
    WHEN 5 THEN (SELECT text FROM string WHERE id = a.value) WHEN 6 THEN '(long: in the log)' ELSE a.value END AS value
FROM arg a
WHERE a.event = :id
ORDER BY a.rowid
LIMIT 100;
