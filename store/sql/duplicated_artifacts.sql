-- duplicated_artifacts: Artifacts of equal content, by the bytes they repeat.
-- :limit  how many contents; 100 when not given
SELECT (count(*) - 1) * size AS repeated_bytes, count(*) AS copies, size, count(DISTINCT source) AS logs,
  (SELECT text FROM string WHERE id = a.name) AS name, lower(hex(md5)) AS md5, min(id) AS first
FROM artifact a
WHERE size > 0
GROUP BY md5, size
HAVING count(*) > 1
ORDER BY repeated_bytes DESC
LIMIT coalesce(:limit, 100);
