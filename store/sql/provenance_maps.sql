-- provenance_maps: Line maps between graphs and generated code, one per generated code.
-- :run         name of a run; all runs when not given
-- :compile_id  only those of this compile; all when not given
-- :log         base name of its log; any log when not given
-- :occurrence  of the compile id; any when not given
SELECT c.compile_id, c.occurrence, c.outcome, f.name AS log,
  row_number() OVER (PARTITION BY m.compile ORDER BY m.id) AS n,
  (SELECT text FROM string WHERE id = c.name) AS function,
  (SELECT count(DISTINCT line) FROM provenance p WHERE p.map = m.id AND p.relation IN (3, 5)) AS code_lines,
  (SELECT count(DISTINCT line) FROM provenance p WHERE p.map = m.id AND p.relation = 2) AS post_lines,
  (SELECT count(DISTINCT line) FROM provenance p WHERE p.map = m.id AND p.relation = 1) AS pre_lines,
  m.pre, m.post, m.code, m.id AS map
FROM provenance_map m
JOIN compile c ON c.id = m.compile
JOIN source_file f ON f.id = c.source
LEFT JOIN run r ON r.id = f.run
WHERE (:run IS NULL OR r.name = :run) AND (:compile_id IS NULL OR c.compile_id = :compile_id)
  AND (:log IS NULL OR f.name = :log) AND (:occurrence IS NULL OR c.occurrence = :occurrence)
ORDER BY m.id;
