-- kernel_launches: Launches of a kernel by variant and shape: how many, how long, how fast.
-- :id  needed: row id of the kernel; of a member of a combo kernel the launches of that
WITH it AS (
  SELECT l.site, k.id, f.process, coalesce(k.bytes_read + k.bytes_written, (SELECT sum(m.bytes_read + m.bytes_written) FROM kernel m WHERE m.combo = k.id)) AS bytes
  FROM kernel k JOIN kernel_site l ON l.kernel = k.id LEFT JOIN compile c ON c.id = k.compile LEFT JOIN source_file f ON f.id = c.source
  WHERE k.id = (SELECT coalesce(combo, id) FROM kernel WHERE id = :id)
), one AS (
  SELECT l.launch, e.dur, row_number() OVER (PARTITION BY l.launch ORDER BY e.dur IS NULL, e.dur) AS n,
    count(e.dur) OVER (PARTITION BY l.launch) AS ended, count(*) OVER (PARTITION BY l.launch) AS launches
  FROM it CROSS JOIN launch_site l ON l.site = it.site AND (l.process = it.process OR l.process IS NULL OR it.process IS NULL)
  CROSS JOIN event e ON e.launch = l.launch
)
SELECT (SELECT text FROM string WHERE id = l.variant) AS variant, l.items, l.threads, l.grid_x || ' x ' || l.grid_y || ' x ' || l.grid_z AS grid,
  l.block_x || ' x ' || l.block_y || ' x ' || l.block_z AS block, max(o.launches) AS launches, iif(max(o.ended), cast(total(o.dur) AS INTEGER), NULL) AS total_ns, min(o.dur) AS least_ns,
  max(CASE WHEN o.n = (o.ended + 1) / 2 THEN o.dur END) AS median_ns, max(CASE WHEN o.n = (o.ended * 95 + 99) / 100 THEN o.dur END) AS p95_ns,
  max(o.dur) AS longest_ns, coalesce(l.bytes_read + l.bytes_written, (SELECT bytes FROM it)) AS bytes,
  1.0 * max(o.ended) * coalesce(l.bytes_read + l.bytes_written, (SELECT bytes FROM it)) / nullif(total(o.dur), 0) AS bytes_per_ns,
  1.0 * max(o.ended) * l.flops / nullif(total(o.dur), 0) AS flops_per_ns, l.registers, l.shared, l.id AS launch
FROM one o JOIN launch l ON l.id = o.launch
GROUP BY o.launch
ORDER BY total_ns DESC, o.launch;
