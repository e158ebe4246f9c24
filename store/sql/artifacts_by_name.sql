-- artifacts_by_name: Artifacts and their bytes per name.
-- :run  name of a run; all runs when not given
SELECT (SELECT text FROM string WHERE id = a.name) AS name, (SELECT text FROM string WHERE id = a.key) AS key,
  count(*) AS artifacts, sum(a.size) AS bytes, count(DISTINCT a.md5) AS contents
FROM artifact a
WHERE :run IS NULL OR a.source IN (SELECT source FROM logs WHERE run = :run)
GROUP BY a.key, a.name
ORDER BY bytes DESC;
