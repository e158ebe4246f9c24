-- artifact_equal: Other artifacts of the same content, at most 20.
-- :at   needed: first byte of the artifact in its log
-- :log  base name of the log; any log when not given
-- :run  name of a run; any run when not given
SELECT b.id, (SELECT text FROM string WHERE id = b.name) AS name, c.compile_id, c.occurrence, c.outcome, f.rank,
  r.name AS run, f.name AS log, b.offset
FROM artifact o
JOIN artifact b ON b.size = o.size AND b.md5 = o.md5 AND b.id <> o.id
JOIN source_file f ON f.id = b.source
LEFT JOIN run r ON r.id = f.run
LEFT JOIN compile c ON c.id = b.compile
WHERE o.size > 0 AND o.id = (SELECT a.id FROM source_file f JOIN artifact a ON a.source = f.id AND a.offset = :at LEFT JOIN run r ON r.id = f.run
    WHERE (:log IS NULL OR f.name = :log) AND (:run IS NULL OR r.name = :run) LIMIT 1)
ORDER BY b.id
LIMIT 20;
