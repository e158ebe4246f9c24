-- kernel: One kernel: what it computes, what it needs, how often it ran, what stands beside it.
-- :id  needed: row id of the kernel
WITH time AS MATERIALIZED (
  SELECT k.id AS kernel, count(*) AS launches, count(e.dur) AS ended, iif(count(e.dur), cast(total(e.dur) AS INTEGER), NULL) AS total,
    min(e.dur) AS least, max(e.dur) AS longest
  FROM kernel k
  CROSS JOIN string w ON w.id = k.site
  LEFT JOIN compile c ON c.id = k.compile
  LEFT JOIN source_file f ON f.id = c.source
  CROSS JOIN launch_site l ON l.site = w.text AND (l.process = f.process OR l.process IS NULL OR f.process IS NULL)
  CROSS JOIN event e ON e.launch = l.launch
  WHERE k.id = (SELECT coalesce(combo, id) FROM kernel WHERE id = :id)
  GROUP BY k.id
)
SELECT k.id, (SELECT text FROM string WHERE id = k.name) AS name, k.kind, k.role, k.phase, k.position, k.line, k.last_line,
  (SELECT text FROM string WHERE id = k.info) AS info, (SELECT text FROM string WHERE id = k.site) AS site,
  k.combo, k.member, k.first_block, k.blocks, k.outer_points, k.inner_points,
  coalesce(k.bytes_read, (SELECT cast(sum(1.0 * m.bytes_read) AS INTEGER) FROM kernel m WHERE m.combo = k.id)) AS bytes_read,
  coalesce(k.bytes_written, (SELECT cast(sum(1.0 * m.bytes_written) AS INTEGER) FROM kernel m WHERE m.combo = k.id)) AS bytes_written,
  coalesce(k.flops, (SELECT cast(sum(1.0 * m.flops) AS INTEGER) FROM kernel m WHERE m.combo = k.id)) AS flops,
  k.registers, k.shared_bytes, k.spill_bytes, k.build_ns,
  (SELECT text FROM string WHERE id = x.name) AS combo_name,
  (SELECT count(*) FROM kernel m WHERE m.combo = k.id) AS combined,
  (SELECT count(*) FROM kernel m WHERE m.combo = k.combo) AS companions,
  (SELECT count(*) FROM kernel_op o WHERE o.kernel IN (SELECT id FROM kernel WHERE id = k.id OR combo = k.id)) AS n_ops,
  (SELECT sum(o.recomputed <> 0) FROM kernel_op o WHERE o.kernel IN (SELECT id FROM kernel WHERE id = k.id OR combo = k.id)) AS recomputed,
  (SELECT count(*) FROM kernel p WHERE p.compile = k.compile AND p.phase IS k.phase AND p.combo IS NULL) AS of,
  t.launches, t.ended, t.total AS total_ns, t.total / nullif(t.ended, 0) AS mean_ns, t.least AS least_ns, t.longest AS longest_ns,
  1.0 * t.ended * coalesce(k.bytes_read + k.bytes_written, (SELECT sum(m.bytes_read + m.bytes_written) FROM kernel m WHERE m.combo = k.id))
    / nullif(t.total, 0) AS bytes_per_ns,
  (SELECT count(*) FROM kernel o WHERE o.compile = k.compile AND o.artifact = k.artifact AND o.line = k.line AND o.id <> k.id) AS sharers,
  EXISTS (SELECT 1 FROM event e WHERE e.launch IS NOT NULL) AS launches_recorded,
  a.offset AS code_at, a.source AS code_source, a.stored AS code_stored, a.indented AS code_indented,
  (SELECT text FROM string WHERE id = a.name) AS code_name, a.flags AS code_flags, s.crlf AS code_crlf, s.name AS code_log,
  c.compile_id, c.occurrence, c.outcome, (SELECT text FROM string WHERE id = c.name) AS function, f.name AS log, f.rank, r.name AS run,
  k.artifact, k.compile
FROM kernel k
LEFT JOIN time t ON t.kernel = coalesce(k.combo, k.id)
LEFT JOIN kernel x ON x.id = k.combo
LEFT JOIN artifact a ON a.id = k.artifact
LEFT JOIN source_file s ON s.id = a.source
LEFT JOIN compile c ON c.id = k.compile
LEFT JOIN source_file f ON f.id = coalesce(c.source, a.source)
LEFT JOIN run r ON r.id = f.run
WHERE k.id = :id;
