-- artifact_previous: The artifact of the same name that the same function wrote before, best the one of its last version.
-- :at   needed: first byte of the artifact in its log
-- :log  base name of the log; any log when not given
-- :run  name of a run; any run when not given
SELECT b.id, f.name AS log, b.offset, d.compile_id, d.occurrence, b.attempt, b.size, b.md5 = o.md5 AS equal,
  b.source, b.stored, b.indented, f.crlf
FROM artifact o
JOIN compile c ON c.id = o.compile
JOIN compile d ON d.source = c.source AND d.frame_id IS c.frame_id AND d.name IS c.name AND d.id <= c.id
JOIN artifact b ON b.compile = d.id AND b.name = o.name AND b.subgraph IS o.subgraph AND b.id < o.id
JOIN source_file f ON f.id = b.source
WHERE o.id = (SELECT a.id FROM source_file f JOIN artifact a ON a.source = f.id AND a.offset = :at LEFT JOIN run r ON r.id = f.run
    WHERE (:log IS NULL OR f.name = :log) AND (:run IS NULL OR r.name = :run) LIMIT 1)
ORDER BY d.id <> c.id AND
    (SELECT count(*) FROM artifact n WHERE n.compile = d.id AND n.name = o.name AND n.id <= b.id) =
    (SELECT count(*) FROM artifact n WHERE n.compile = c.id AND n.name = o.name AND n.id <= o.id) DESC,
  b.id DESC
LIMIT 1;
