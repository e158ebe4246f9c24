-- kernel_list: Kernels of all compiles with members, resources, launches and times.
-- :run    name of a run; all runs when not given
-- :role   pointwise, reduction, persistent, combo, extern, or as kernel_roles shows it; all when not given
-- :phase  forward, backward, inference; all when not given
-- :launched  1 only those that were launched; 0 only those that could have been and were not: no members of combo kernels,
--            whose launches are those of the combo, no library's kernels, which run as calls of their operators; all when not given
-- :spills    only those that spill registers, when given
SELECT (SELECT text FROM string WHERE id = k.name) AS name, k.kind, coalesce(k.role, k.kind) AS role, k.phase, k.position,
  (SELECT count(*) FROM kernel_op o WHERE o.kernel IN (SELECT id FROM kernel WHERE id = k.id OR combo = k.id)) AS n_ops,
  (SELECT group_concat(text, ' ') FROM (SELECT w.text FROM kernel_op o JOIN string w ON w.id = o.node
    WHERE o.kernel IN (SELECT id FROM kernel WHERE id = k.id OR combo = k.id) ORDER BY o.kernel, o.position LIMIT 40)) AS nodes,
  t.launches, t.total AS total_ns, t.total / nullif(t.ended, 0) AS mean_ns, k.bytes,
  1.0 * t.ended * k.bytes / nullif(t.total, 0) AS bytes_per_ns,
  k.registers, k.spill_bytes, k.shared_bytes, k.build_ns, (SELECT count(*) FROM kernel m WHERE m.combo = k.id) AS combined,
  (SELECT w.text FROM kernel x JOIN string w ON w.id = x.name WHERE x.id = k.combo) AS combo_name, k.combo,
  c.compile_id, c.occurrence, c.outcome, f.rank, f.name AS log, r.name AS run, k.line, a.offset, k.id
FROM (SELECT *, coalesce(bytes_read + bytes_written, (SELECT sum(m.bytes_read + m.bytes_written) FROM kernel m WHERE m.combo = kernel.id)) AS bytes
  FROM kernel) k
LEFT JOIN kernel_times t ON t.kernel = k.id
LEFT JOIN artifact a ON a.id = k.artifact
LEFT JOIN compile c ON c.id = k.compile
LEFT JOIN source_file f ON f.id = coalesce(c.source, a.source)
LEFT JOIN run r ON r.id = f.run
WHERE (:run IS NULL OR r.name = :run) AND (:role IS NULL OR coalesce(k.role, k.kind) = :role) AND (:phase IS NULL OR k.phase = :phase)
  AND (:launched IS NULL OR iif(:launched, t.launches IS NOT NULL, t.launches IS NULL AND k.combo IS NULL AND k.kind IS NOT 'extern')) AND (:spills IS NULL OR k.spill_bytes > 0)
ORDER BY t.total IS NULL, t.total DESC, k.id;
