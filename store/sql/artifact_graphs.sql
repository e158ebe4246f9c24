-- artifact_graphs: Graphs in the text of an artifact.
-- :at   needed: first byte of the artifact in its log
-- :log  base name of the log; any log when not given
-- :run  name of a run; any run when not given
SELECT (SELECT text FROM string WHERE id = g.module) AS module, g.n_nodes, g.n_lines,
  (SELECT count(*) FROM node n WHERE n.id BETWEEN g.first_node AND g.first_node + g.n_nodes - 1 AND n.op = 1) AS n_inputs,
  (SELECT count(*) FROM node n WHERE n.id BETWEEN g.first_node AND g.first_node + g.n_nodes - 1
    AND n.op IN (3, 4, 5)) AS n_calls
FROM graph g
WHERE g.artifact = (SELECT a.id FROM source_file f JOIN artifact a ON a.source = f.id AND a.offset = :at LEFT JOIN run r ON r.id = f.run
    WHERE (:log IS NULL OR f.name = :log) AND (:run IS NULL OR r.name = :run) LIMIT 1)
ORDER BY g.id;
