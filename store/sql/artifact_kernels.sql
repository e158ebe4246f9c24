-- artifact_kernels: Kernels that a generated code names, by line.
-- :at   needed: first byte of the artifact in its log
-- :log  base name of the log; any log when not given
-- :run  name of a run; any run when not given
SELECT (SELECT text FROM string WHERE id = k.name) AS kernel, k.kind, k.line,
  (SELECT count(*) FROM kernel_op o WHERE o.kernel = k.id) AS n_nodes, k.id
FROM kernel k
WHERE k.compile = (SELECT compile FROM artifact WHERE id = (SELECT a.id FROM source_file f JOIN artifact a ON a.source = f.id AND a.offset = :at LEFT JOIN run r ON r.id = f.run
    WHERE (:log IS NULL OR f.name = :log) AND (:run IS NULL OR r.name = :run) LIMIT 1)) AND k.artifact = (SELECT a.id FROM source_file f JOIN artifact a ON a.source = f.id AND a.offset = :at LEFT JOIN run r ON r.id = f.run
    WHERE (:log IS NULL OR f.name = :log) AND (:run IS NULL OR r.name = :run) LIMIT 1)
ORDER BY k.line, k.id;
