-- fusion_kernels: Kernels that a program of a compile launches, in order, with what they read, write and take.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
-- :phase       forward, backward, inference; the first that the compile has when not given
WITH it(id) AS MATERIALIZED (
  SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1
), code(id, phase) AS MATERIALIZED (
  SELECT a.id, CASE WHEN instr(head, '_backward') THEN 'backward' WHEN instr(head, '_forward') THEN 'forward' ELSE 'inference' END
  FROM (SELECT id, substr(artifact_text(id), 1, 120) AS head FROM artifact WHERE id IN (SELECT k.artifact FROM it JOIN kernel k ON k.compile = it.id WHERE k.phase IS NULL)) a
), one(phase) AS MATERIALIZED (
  SELECT coalesce(:phase, (SELECT min(CASE coalesce(k.phase, o.phase) WHEN 'backward' THEN 'z' ELSE coalesce(k.phase, o.phase) END)
    FROM it JOIN kernel k ON k.compile = it.id LEFT JOIN code o ON o.id = k.artifact))
), time AS MATERIALIZED (
  SELECT k.id AS kernel, e.id AS event, e.dur, row_number() OVER (PARTITION BY k.id ORDER BY e.dur IS NULL, e.dur) AS n,
    count(e.dur) OVER (PARTITION BY k.id) AS ended, count(*) OVER (PARTITION BY k.id) AS launches
  FROM kernel k
  CROSS JOIN string w ON w.id = k.site
  LEFT JOIN compile c ON c.id = k.compile
  LEFT JOIN source_file f ON f.id = c.source
  CROSS JOIN launch_site l ON l.site = w.text AND (l.process = f.process OR l.process IS NULL OR f.process IS NULL)
  CROSS JOIN event e ON e.launch = l.launch
  WHERE k.compile = (SELECT id FROM it) AND k.phase IS (SELECT phase FROM one)
), taken AS MATERIALIZED (
  SELECT kernel, max(launches) AS launches, sum(dur) AS total, max(CASE WHEN n = (ended + 1) / 2 THEN dur END) AS p50,
    min(event) AS first FROM time GROUP BY kernel
), told AS MATERIALIZED (
  SELECT t.kernel, count(*) AS results, count(u.hash_kind) AS digests, sum(u.nans > 0 OR u.infs > 0) AS nonfinite
  FROM taken t JOIN event e ON e.id = t.first JOIN tensor_use u ON u.event IN (e.id, e.parent) AND u.phase >= 1 GROUP BY t.kernel
), made AS MATERIALIZED (
  SELECT k.*, coalesce(k.phase, o.phase) AS program,
    coalesce(k.bytes_read, (SELECT cast(sum(1.0 * m.bytes_read) AS INTEGER) FROM kernel m WHERE m.combo = k.id),
      (SELECT cast(sum(1.0 * a.bytes) AS INTEGER) FROM kernel_arg a WHERE a.kernel = k.id AND NOT a.written)) AS reads,
    coalesce(k.bytes_written, (SELECT cast(sum(1.0 * m.bytes_written) AS INTEGER) FROM kernel m WHERE m.combo = k.id),
      (SELECT cast(sum(1.0 * a.bytes) AS INTEGER) FROM kernel_arg a WHERE a.kernel = k.id AND a.written)) AS writes
  FROM it JOIN kernel k ON k.compile = it.id AND k.combo IS NULL LEFT JOIN code o ON o.id = k.artifact
)
SELECT k.position, (SELECT text FROM string WHERE id = k.name) AS name, k.kind, coalesce(k.role, k.kind) AS role, k.program AS phase,
  (SELECT count(*) FROM kernel_op o WHERE o.kernel IN (SELECT id FROM kernel WHERE id = k.id OR combo = k.id)) AS n_ops,
  (SELECT count(*) FROM kernel m WHERE m.combo = k.id) AS lanes, k.reads, k.writes, t.launches, t.total AS total_ns, t.p50 AS p50_ns,
  1.0 * (k.reads + k.writes) / nullif(t.p50, 0) AS bytes_per_ns, d.results, d.digests, d.nonfinite,
  (SELECT (SELECT text FROM string WHERE id = a.type) FROM kernel m JOIN kernel_arg a ON a.kernel = m.id
    WHERE (m.id = k.id OR m.combo = k.id) AND a.written AND a.type IS NOT NULL ORDER BY m.id, a.position LIMIT 1) AS type, k.line, k.artifact, k.id
FROM made k
LEFT JOIN taken t ON t.kernel = k.id
LEFT JOIN told d ON d.kernel = k.id
WHERE k.program IS (SELECT phase FROM one)
ORDER BY k.position, k.id;
