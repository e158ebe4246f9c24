-- artifact_nodes: Which graph node a line of generated code computes.
-- :at   needed: first byte of the artifact in its log
-- :log  base name of the log; any log when not given
-- :run  name of a run; any run when not given
SELECT p.line, w.text AS node, p.to_line, f.name AS log, a.offset
FROM provenance_map m
JOIN provenance p ON p.map = m.id AND p.relation IN (3, 5)
JOIN artifact a ON a.id = m.post
JOIN source_file f ON f.id = a.source
JOIN graph g ON g.artifact = m.post
JOIN node n ON n.id BETWEEN g.first_node AND g.first_node + g.n_nodes - 1 AND n.line = p.to_line
JOIN string w ON w.id = n.name
WHERE m.compile = (SELECT compile FROM artifact WHERE id = (SELECT a.id FROM source_file f JOIN artifact a ON a.source = f.id AND a.offset = :at LEFT JOIN run r ON r.id = f.run
    WHERE (:log IS NULL OR f.name = :log) AND (:run IS NULL OR r.name = :run) LIMIT 1)) AND m.code = (SELECT a.id FROM source_file f JOIN artifact a ON a.source = f.id AND a.offset = :at LEFT JOIN run r ON r.id = f.run
    WHERE (:log IS NULL OR f.name = :log) AND (:run IS NULL OR r.name = :run) LIMIT 1)
ORDER BY p.line, p.position;
