-- compile_kernels: Kernels of a compile in order of its programs, with members, resources and times.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
WITH it(id) AS MATERIALIZED (
  SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1
), time AS MATERIALIZED (
  SELECT k.id AS kernel, count(*) AS launches, count(e.dur) AS ended, iif(count(e.dur), cast(total(e.dur) AS INTEGER), NULL) AS total,
    min(e.dur) AS least, max(e.dur) AS longest
  FROM kernel k
  CROSS JOIN string w ON w.id = k.site
  LEFT JOIN compile c ON c.id = k.compile
  LEFT JOIN source_file f ON f.id = c.source
  CROSS JOIN launch_site l ON l.site = w.text AND (l.process = f.process OR l.process IS NULL OR f.process IS NULL)
  CROSS JOIN event e ON e.launch = l.launch
  WHERE k.compile = (SELECT id FROM it)
  GROUP BY k.id
)
SELECT k.phase, k.position, k.member, (SELECT text FROM string WHERE id = k.name) AS name, k.kind, coalesce(k.role, k.kind) AS role,
  (SELECT count(*) FROM kernel_op o WHERE o.kernel IN (SELECT id FROM kernel WHERE id = k.id OR combo = k.id)) AS n_ops,
  (SELECT group_concat(text, ' ') FROM (SELECT w.text FROM kernel_op o JOIN string w ON w.id = o.node
    WHERE o.kernel IN (SELECT id FROM kernel WHERE id = k.id OR combo = k.id) ORDER BY o.kernel, o.position)) AS nodes,
  k.bytes_read, k.bytes_written, k.bytes_read + k.bytes_written AS bytes, k.flops, k.registers, k.spill_bytes, k.shared_bytes, k.build_ns,
  t.launches, t.total AS total_ns, t.total / nullif(t.ended, 0) AS mean_ns,
  1.0 * t.ended * (k.bytes_read + k.bytes_written) / nullif(t.total, 0) AS bytes_per_ns,
  (SELECT count(*) FROM kernel m WHERE m.combo = k.id) AS combined, k.combo, k.line, k.artifact, k.id
FROM kernel k
LEFT JOIN kernel l ON l.id = k.combo
LEFT JOIN time t ON t.kernel = k.id
WHERE k.compile = (SELECT id FROM it)
ORDER BY k.phase LIKE 'backward%', k.phase, coalesce(l.position, k.position), coalesce(k.combo, k.id), k.combo IS NOT NULL,
  k.member, k.id;
