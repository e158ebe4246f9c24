-- artifact_list: Artifacts in the order of their logs, up to 51 from one on.
-- :kind        only those of this name
-- :compile_id  only those of compiles of this id
-- :text        only those whose name contains this
-- :from        row id of the first, that of the first of all when not given
-- :run         name of a run; all runs when not given
SELECT a.id, (SELECT text FROM string WHERE id = a.name) AS name, (SELECT text FROM string WHERE id = a.key) AS key,
  a.size, a.attempt, (SELECT text FROM string WHERE id = a.subgraph) AS subgraph, a.number, a.flags, a.ts,
  c.compile_id, c.occurrence, c.outcome, (SELECT text FROM string WHERE id = c.name) AS function, f.rank,
  r.name AS run, f.name AS log, a.offset
FROM artifact a
JOIN source_file f ON f.id = a.source
LEFT JOIN run r ON r.id = f.run
LEFT JOIN compile c ON c.id = a.compile
WHERE a.id >= coalesce(:from, 0)
  AND (:run IS NULL OR r.name = :run)
  AND (:kind IS NULL OR a.name IN (SELECT id FROM string WHERE text = :kind AND length(text) <= 48
    UNION ALL SELECT id FROM string WHERE length(:kind) > 48 AND text = :kind))
  AND (:compile_id IS NULL OR a.compile IN (SELECT id FROM compile WHERE compile_id = :compile_id))
  AND (:text IS NULL OR a.name IN (SELECT id FROM string WHERE id IN (SELECT DISTINCT name FROM artifact)
    AND instr(lower(text), lower(:text))))
ORDER BY a.id
LIMIT 51;
