-- kernel_args: Arguments of a kernel in order; what made the values that it reads, and what reads those that it writes.
-- :id  needed: row id of the kernel; a combo kernel without arguments of its own has those of its members
WITH it AS (SELECT id, compile, phase, coalesce(combo, id) AS launched FROM kernel WHERE id = :id),
part(id, member, name, position, compile, phase) AS (
  SELECT k.id, CASE WHEN k.id = it.id THEN NULL ELSE k.member END, CASE WHEN k.id = it.id THEN NULL ELSE k.name END,
    coalesce((SELECT position FROM kernel WHERE id = it.launched), k.position), k.compile, k.phase
  FROM it JOIN kernel k ON k.id = it.id OR (k.combo = it.id AND NOT EXISTS (SELECT 1 FROM kernel_arg a WHERE a.kernel = it.id))
), mine(kernel, member, lane, at, compile, phase, position, name, value, type, bytes, written) AS MATERIALIZED (
  SELECT p.id, p.member, p.name, p.position, p.compile, p.phase, a.position, a.name, a.value, a.type, a.bytes, a.written
  FROM part p JOIN kernel_arg a ON a.kernel = p.id
), other(value, written, at, away, id, launched) AS MATERIALIZED (
  SELECT a.value, a.written, coalesce((SELECT position FROM kernel WHERE id = k.combo), k.position), k.phase IS NOT it.phase, k.id, coalesce(k.combo, k.id)
  FROM it JOIN kernel k ON k.compile = it.compile AND k.id <> it.id AND coalesce(k.combo, k.id) <> it.launched
  JOIN kernel_arg a ON a.kernel = k.id
  WHERE a.value IS NOT NULL
), found AS (
  SELECT m.*, CASE WHEN m.written
      THEN (SELECT o.id FROM other o WHERE o.value = m.value AND NOT o.written AND (o.away OR o.at > m.at)
        ORDER BY o.away, o.at, o.id DESC LIMIT 1)
      ELSE (SELECT o.id FROM other o WHERE o.value = m.value AND o.written AND (o.away OR o.at < m.at)
        ORDER BY o.away, o.at DESC, o.id DESC LIMIT 1) END AS other,
    CASE WHEN m.written THEN (SELECT count(DISTINCT o.launched) FROM other o WHERE o.value = m.value AND NOT o.written
      AND (o.away OR o.at > m.at)) END AS readers
  FROM mine m
)
SELECT (SELECT text FROM string WHERE id = d.lane) AS lane, d.position, (SELECT text FROM string WHERE id = d.name) AS name, d.written,
  (SELECT text FROM string WHERE id = d.value) AS value, (SELECT text FROM string WHERE id = d.type) AS type, d.bytes,
  (SELECT w.text FROM kernel o JOIN string w ON w.id = o.name WHERE o.id = d.other) AS other_name,
  (SELECT coalesce(o.role, o.kind) FROM kernel o WHERE o.id = d.other) AS other_role, (SELECT o.phase FROM kernel o WHERE o.id = d.other) AS other_phase, d.phase, d.readers, d.other, d.kernel
FROM found d
ORDER BY d.member IS NOT NULL, d.member, d.position;
