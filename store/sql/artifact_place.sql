-- artifact_place: Where the bytes of an artifact of a row id are, for reading it.
-- :id  needed: row id
SELECT a.source, a.offset, a.stored, a.indented, f.crlf, f.name AS log, (SELECT text FROM string WHERE id = a.name) AS name
FROM artifact a
JOIN source_file f ON f.id = a.source
WHERE a.id = :id;
