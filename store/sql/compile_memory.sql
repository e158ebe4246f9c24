-- compile_memory: Where the temporaries of a compile lie, and while which launches: what the drawing of its memory shows.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
WITH it(id) AS MATERIALIZED (
  SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1
), maker(phase, position, kernel) AS MATERIALIZED (
  SELECT phase, position, min(id) FROM kernel WHERE compile = (SELECT id FROM it) AND combo IS NULL GROUP BY phase, position
)
SELECT m.phase, m.size AS plan_size, m.peak, m.total, b.position, (SELECT text FROM string WHERE id = b.value) AS value, b.size, b.offset,
  b.first, b.last, b.reuses, (SELECT (SELECT text FROM string WHERE id = o.value) FROM memory_buffer o WHERE o.plan = m.id AND o.position = b.reuses) AS reused,
  (SELECT w.text FROM kernel k JOIN string w ON w.id = k.name WHERE k.id = a.kernel) AS made_by, a.kernel, m.id AS plan
FROM it
JOIN memory_plan m ON m.compile = it.id
LEFT JOIN memory_buffer b ON b.plan = m.id
LEFT JOIN maker a ON a.position = b.first AND a.phase IS m.phase
ORDER BY m.id, b.position;
