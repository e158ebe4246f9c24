-- artifact_kinds: Artifacts and their bytes per name.
-- :run  name of a run; all runs when not given
SELECT (SELECT text FROM string WHERE id = a.name) AS name, count(*) AS artifacts, sum(a.size) AS bytes
FROM artifact a
WHERE :run IS NULL OR a.source IN (SELECT f.id FROM source_file f JOIN run r ON r.id = f.run WHERE r.name = :run)
GROUP BY a.name
ORDER BY artifacts DESC, name;
