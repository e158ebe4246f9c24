-- compile_reasons: Why a compile was made, broke, began again or failed.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
WITH it(id) AS (SELECT (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1))
SELECT 1 AS place, 'recompile' AS kind, p.reason, NULL AS detail, NULL AS file, NULL AS line, p.previous, NULL AS log, NULL AS offset
FROM recompile p WHERE p.compile = (SELECT id FROM it)
UNION ALL
SELECT 2, 'restart', t.reason, NULL, NULL, NULL, NULL, NULL, NULL FROM restart t WHERE t.compile = (SELECT id FROM it)
UNION ALL
SELECT 3, 'break', b.reason, b.detail, b.file, b.line, NULL, f.name, a.offset
FROM graph_break b LEFT JOIN artifact a ON a.id = b.artifact LEFT JOIN source_file f ON f.id = b.source
WHERE b.compile = (SELECT id FROM it)
UNION ALL
SELECT 4, coalesce('failure: ' || x.type, 'failure'), x.reason, NULL, x.file, x.line, NULL, NULL, NULL FROM failure x WHERE x.compile = (SELECT id FROM it)
ORDER BY place;
