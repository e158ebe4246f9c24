-- word_uses: Rows that refer to one interned word, up to 1000 of each kind.
-- :word  needed: row id of the word
WITH found AS (
  SELECT * FROM (SELECT 'kernel' AS used_as, k.compile, k.artifact, k.line FROM kernel k WHERE k.name = :word LIMIT 1000)
  UNION ALL
  SELECT * FROM (SELECT 'node', g.compile, g.artifact, n.line FROM node n JOIN graph g ON g.id = n.graph
    WHERE n.name = :word LIMIT 1000)
  UNION ALL
  SELECT * FROM (SELECT 'operator', g.compile, g.artifact, n.line FROM node n JOIN graph g ON g.id = n.graph
    WHERE n.target = :word LIMIT 1000)
  UNION ALL
  SELECT * FROM (SELECT 'guard', compile, artifact, line FROM guard WHERE code = :word OR parent = :word OR origin = :word
    LIMIT 1000)
  UNION ALL
  SELECT * FROM (SELECT 'compile', id, NULL, line FROM compile WHERE name = :word OR file = :word LIMIT 1000)
  UNION ALL
  SELECT * FROM (SELECT 'frame of a stack', NULL, NULL, line FROM stack WHERE name = :word OR file = :word OR loc = :word
    LIMIT 1000)
  UNION ALL
  SELECT * FROM (SELECT 'event', corr, NULL, NULL FROM event WHERE name = :word LIMIT 1000)
  UNION ALL
  SELECT * FROM (SELECT 'artifact', compile, id, NULL FROM artifact WHERE name = :word OR file_name = :word LIMIT 1000)
)
SELECT u.used_as, (SELECT text FROM string WHERE id = :word) AS word, c.compile_id, u.line,
  (SELECT text FROM string WHERE id = a.name) AS artifact, u.artifact AS artifact_id, u.compile, f.name AS log
FROM found u
LEFT JOIN compile c ON c.id = u.compile
LEFT JOIN artifact a ON a.id = u.artifact
LEFT JOIN source_file f ON f.id = coalesce(a.source, c.source);
