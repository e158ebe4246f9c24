-- timeline_event: One event with what else is known of it.
-- :id  needed: row id of the event
SELECT e.ts, e.dur, e.kind, e.flags, (SELECT text FROM string WHERE id = e.name) AS name, t.id AS track,
  (SELECT text FROM string WHERE id = p.name) AS parent, p.ts AS parent_ts, p.id AS parent_id, p.track AS parent_track,
  c.compile_id, c.occurrence, c.outcome, f.name AS log,
  l.items, l.threads, l.grid_x || ' x ' || l.grid_y || ' x ' || l.grid_z AS grid, l.block_x || ' x ' || l.block_y || ' x ' || l.block_z AS block,
  l.registers, l.shared, l.bytes_read, l.bytes_written, l.flops, (SELECT text FROM string WHERE id = l.variant) AS variant,
  (SELECT text FROM string WHERE id = l.site) AS site, (SELECT min(kernel) FROM kernel_site WHERE site = (SELECT text FROM string WHERE id = l.site)) AS kernel,
  y.kind AS copy_kind, y.bytes AS copy_bytes, s.kind AS sync_kind,
  a.position, (SELECT name FROM source_file WHERE id = a.source) AS call_log, (SELECT text FROM string WHERE id = a.args) AS args,
  (SELECT text FROM string WHERE id = a.kwargs) AS kwargs, (SELECT text FROM string WHERE id = a.output) AS output, stack_text(a.stack) AS stack_text
FROM event e LEFT JOIN track t ON t.id = e.track LEFT JOIN event p ON p.id = e.parent
LEFT JOIN compile c ON c.id = e.corr LEFT JOIN source_file f ON f.id = c.source
LEFT JOIN launch l ON l.id = e.launch LEFT JOIN copy y ON y.event = e.id LEFT JOIN sync s ON s.event = e.id
LEFT JOIN call a ON a.event = e.id
WHERE e.id = :id;
