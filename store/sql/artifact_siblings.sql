-- artifact_siblings: The artifacts of the compile of one artifact, in the order they were written.
-- :at   needed: first byte of the artifact in its log
-- :log  base name of the log; any log when not given
-- :run  name of a run; any run when not given
SELECT a.id, (SELECT text FROM string WHERE id = a.name) AS name, a.size, a.attempt,
  (SELECT text FROM string WHERE id = a.subgraph) AS subgraph, f.name AS log, a.offset
FROM artifact a
JOIN source_file f ON f.id = a.source
WHERE a.compile = (SELECT compile FROM artifact WHERE id = (SELECT a.id FROM source_file f JOIN artifact a ON a.source = f.id AND a.offset = :at LEFT JOIN run r ON r.id = f.run
    WHERE (:log IS NULL OR f.name = :log) AND (:run IS NULL OR r.name = :run) LIMIT 1))
ORDER BY a.id;
