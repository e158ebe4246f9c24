-- artifact: One artifact, by its place in a log.
-- :at   needed: first byte of the artifact in its log
-- :log  base name of the log; any log when not given
-- :run  name of a run; any run when not given
SELECT a.id, a.source, f.name AS log, f.rank, a.offset, a.stored, a.indented, f.crlf, a.size, lower(hex(a.md5)) AS md5,
  (SELECT text FROM string WHERE id = a.name) AS name, (SELECT text FROM string WHERE id = a.key) AS key,
  (SELECT text FROM string WHERE id = a.encoding) AS encoding, (SELECT text FROM string WHERE id = a.subgraph) AS subgraph,
  (SELECT text FROM string WHERE id = a.file_name) AS file_name, a.attempt, a.number, a.flags, a.ts, a.stack,
  c.compile_id, c.occurrence, c.outcome, c.attempts, (SELECT text FROM string WHERE id = c.name) AS function, a.compile,
  (SELECT count(*) FROM artifact b WHERE b.compile = a.compile AND b.id <= a.id) AS position,
  (SELECT count(*) FROM artifact b WHERE b.compile = a.compile) AS of
FROM source_file f
JOIN artifact a ON a.source = f.id AND a.offset = :at
LEFT JOIN run r ON r.id = f.run
LEFT JOIN compile c ON c.id = a.compile
WHERE (:log IS NULL OR f.name = :log) AND (:run IS NULL OR r.name = :run)
LIMIT 1;
