-- kernel_roles: Kernels by role (of PyTorch's: by what compiles them), with launches and time.
-- :run  name of a run; all runs when not given
SELECT coalesce(k.role, k.kind) AS role, count(*) AS kernels, count(t.launches) AS launched, sum(t.launches) AS launches, iif(count(t.total), cast(total(t.total) AS INTEGER), NULL) AS total_ns,
  count(DISTINCT k.compile) AS compiles, sum(k.spill_bytes > 0) AS spill, count(k.combo) AS members,
  sum(t.launches IS NULL AND k.combo IS NULL AND k.kind IS NOT 'extern') AS idle, sum(k.kind IS 'extern' AND t.launches IS NULL) AS library,
  count(k.registers) + count(k.spill_bytes) AS resources
FROM kernel k
LEFT JOIN kernel_times t ON t.kernel = k.id
LEFT JOIN artifact a ON a.id = k.artifact
LEFT JOIN compile c ON c.id = k.compile
LEFT JOIN source_file f ON f.id = coalesce(c.source, a.source)
WHERE :run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)
GROUP BY coalesce(k.role, k.kind)
ORDER BY kernels DESC, role;
