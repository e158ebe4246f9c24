-- kernel_neighbours: Kernels around one: launched before and after it, those that made what it reads and that read what it writes.
-- :id  needed: row id of the kernel
WITH it AS (
  SELECT k.id, k.compile, k.phase, l.id AS launched, coalesce(l.position, l.id) AS position FROM kernel k JOIN kernel l ON l.id = coalesce(k.combo, k.id) WHERE k.id = :id
), mine(value, written) AS MATERIALIZED (
  SELECT DISTINCT a.value, a.written FROM it JOIN kernel k ON k.id = it.id OR k.combo = it.id JOIN kernel_arg a ON a.kernel = k.id
  WHERE a.value IS NOT NULL
), near(relation, id, value, bytes) AS (
  SELECT 'previous', (SELECT p.id FROM kernel p WHERE p.compile = it.compile AND p.phase IS it.phase AND p.combo IS NULL
    AND coalesce(p.position, p.id) < it.position ORDER BY coalesce(p.position, p.id) DESC LIMIT 1), NULL, NULL FROM it
  UNION ALL
  SELECT 'next', (SELECT p.id FROM kernel p WHERE p.compile = it.compile AND p.phase IS it.phase AND p.combo IS NULL
    AND coalesce(p.position, p.id) > it.position ORDER BY coalesce(p.position, p.id) LIMIT 1), NULL, NULL FROM it
  UNION ALL
  SELECT CASE WHEN m.written THEN 'reader' ELSE 'maker' END, k.id, m.value, a.bytes
  FROM it JOIN kernel k ON k.compile = it.compile AND coalesce(k.combo, k.id) <> it.launched
  JOIN kernel l ON l.id = coalesce(k.combo, k.id)
  JOIN kernel_arg a ON a.kernel = k.id
  JOIN mine m ON m.value = a.value AND m.written <> a.written
  WHERE NOT EXISTS (SELECT 1 FROM kernel p JOIN kernel_arg x ON x.kernel = p.id WHERE p.combo = k.id)
    AND (k.phase IS NOT it.phase OR (m.written AND l.position > it.position) OR (NOT m.written AND l.position < it.position))
)
SELECT n.relation, (SELECT text FROM string WHERE id = k.name) AS name, k.phase, k.position, (SELECT text FROM string WHERE id = n.value) AS value,
  n.bytes, k.id
FROM near n JOIN kernel k ON k.id = n.id
ORDER BY CASE n.relation WHEN 'previous' THEN 0 WHEN 'maker' THEN 1 WHEN 'reader' THEN 2 ELSE 3 END, k.position, k.id;
