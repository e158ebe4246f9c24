-- kernel_calls: Single launches of a kernel in order of time, with the call that each belongs to; the first 10 000.
-- :id  needed: row id of the kernel; of a member of a combo kernel the launches of that
WITH it AS (
  SELECT l.site, f.process FROM kernel k JOIN kernel_site l ON l.kernel = k.id
  LEFT JOIN compile c ON c.id = k.compile LEFT JOIN source_file f ON f.id = c.source
  WHERE k.id = (SELECT coalesce(combo, id) FROM kernel WHERE id = :id)
)
SELECT e.ts, e.dur, (SELECT text FROM string WHERE id = v.variant) AS variant, v.threads,
  (SELECT (SELECT text FROM string WHERE id = o.name) FROM event i JOIN event o ON o.id = coalesce(i.parent, i.id) WHERE i.id = e.parent) AS within,
  c.position AS call, s.name AS log, e.id
FROM it CROSS JOIN launch_site l ON l.site = it.site AND (l.process = it.process OR l.process IS NULL OR it.process IS NULL)
CROSS JOIN launch v ON v.id = l.launch
CROSS JOIN event e ON e.launch = l.launch
LEFT JOIN call c ON c.event = e.parent
LEFT JOIN source_file s ON s.id = c.source
ORDER BY e.id
LIMIT 10000;
