-- artifact_guards: Guards of a guard tree per kind.
-- :at   needed: first byte of the artifact in its log
-- :log  base name of the log; any log when not given
-- :run  name of a run; any run when not given
SELECT (SELECT text FROM string WHERE id = g.kind) AS kind, count(*) AS guards, min(g.line) AS line
FROM guard g
WHERE g.compile = (SELECT compile FROM artifact WHERE id = (SELECT a.id FROM source_file f JOIN artifact a ON a.source = f.id AND a.offset = :at LEFT JOIN run r ON r.id = f.run
    WHERE (:log IS NULL OR f.name = :log) AND (:run IS NULL OR r.name = :run) LIMIT 1)) AND g.artifact = (SELECT a.id FROM source_file f JOIN artifact a ON a.source = f.id AND a.offset = :at LEFT JOIN run r ON r.id = f.run
    WHERE (:log IS NULL OR f.name = :log) AND (:run IS NULL OR r.name = :run) LIMIT 1)
GROUP BY g.kind
ORDER BY guards DESC, kind;
