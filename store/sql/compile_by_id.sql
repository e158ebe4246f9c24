-- compile_by_id: A compile of a row id, for links.
-- :id  needed: row id
SELECT c.compile_id, c.occurrence, c.outcome, f.name AS log, r.name AS run
FROM compile c
JOIN source_file f ON f.id = c.source
LEFT JOIN run r ON r.id = f.run
WHERE c.id = :id;
