-- artifact_by_id: Where an artifact of a row id stands, for links.
-- :id  needed: row id
SELECT f.name AS log, a.offset, (SELECT text FROM string WHERE id = a.name) AS name,
  (SELECT text FROM string WHERE id = a.key) AS key, c.compile_id, c.occurrence, c.outcome, r.name AS run
FROM artifact a
JOIN source_file f ON f.id = a.source
LEFT JOIN run r ON r.id = f.run
LEFT JOIN compile c ON c.id = a.compile
WHERE a.id = :id;
