-- guard_list: Guards of a run, up to 201 from one on.
-- :kind  only those of this kind
-- :text  only those whose check contains this
-- :from  row id of the first, that of the first of all when not given
-- :run   name of a run; all runs when not given
SELECT g.id, (SELECT text FROM string WHERE id = g.kind) AS kind, (SELECT text FROM string WHERE id = g.code) AS code,
  (SELECT text FROM string WHERE id = g.origin) AS origin, c.compile_id, c.occurrence, c.outcome, f.name AS log, f.rank,
  (SELECT offset FROM artifact WHERE id = g.artifact) AS at, g.line
FROM guard g
JOIN source_file f ON f.id = g.source
LEFT JOIN run r ON r.id = f.run
LEFT JOIN compile c ON c.id = g.compile
WHERE g.id >= coalesce(:from, 0)
  AND (:run IS NULL OR r.name = :run)
  AND (:kind IS NULL OR g.kind IN (SELECT id FROM string WHERE text = :kind AND length(text) <= 48
    UNION ALL SELECT id FROM string WHERE length(:kind) > 48 AND text = :kind))
  AND (:text IS NULL OR instr((SELECT text FROM string WHERE id = g.code), :text))
ORDER BY g.id
LIMIT 201;
