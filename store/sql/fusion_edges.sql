-- fusion_edges: What the kernels of a program read and write: each value with the kernel that made it, views traced to what they show.
-- A value that no kernel of the program made is an input. Columns writer and reader are rows of kernel; reader is NULL for a value that none of them reads.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
-- :phase       forward, backward, inference; the first that the compile has when not given
WITH it(id) AS MATERIALIZED (
  SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1
), code(id, phase) AS MATERIALIZED (
  SELECT a.id, CASE WHEN instr(head, '_backward') THEN 'backward' WHEN instr(head, '_forward') THEN 'forward' ELSE 'inference' END
  FROM (SELECT id, substr(artifact_text(id), 1, 120) AS head FROM artifact WHERE id IN (SELECT k.artifact FROM it JOIN kernel k ON k.compile = it.id WHERE k.phase IS NULL)) a
), one(phase) AS MATERIALIZED (
  SELECT coalesce(:phase, (SELECT min(CASE coalesce(k.phase, o.phase) WHEN 'backward' THEN 'z' ELSE coalesce(k.phase, o.phase) END)
    FROM it JOIN kernel k ON k.compile = it.id LEFT JOIN code o ON o.id = k.artifact))
), part(id, launched, at) AS MATERIALIZED (
  SELECT k.id, coalesce(k.combo, k.id), coalesce(l.position, k.position) FROM it JOIN kernel k ON k.compile = it.id LEFT JOIN kernel l ON l.id = k.combo
  WHERE k.phase IS (SELECT phase FROM one)
    AND NOT EXISTS (SELECT 1 FROM kernel m JOIN kernel_arg a ON a.kernel = k.combo WHERE m.id = k.combo)
), arg(launched, at, value, written, both, bytes, type) AS MATERIALIZED (
  SELECT p.launched, p.at, a.value, a.written, instr(w.text, 'in_out') = 1, a.bytes, a.type
  FROM part p JOIN kernel_arg a ON a.kernel = p.id LEFT JOIN string w ON w.id = a.name WHERE a.value IS NOT NULL
), named(name, id, op, first) AS MATERIALIZED (
  SELECT n.name, n.id, n.op, min(iif(w.text = 'aot_' || (SELECT phase FROM one) || '_graph', 0, 1)) FROM it
  JOIN graph g ON g.compile = it.id JOIN string w ON w.id = g.name
  JOIN node n ON n.id BETWEEN g.first_node AND g.first_node + g.n_nodes - 1
  WHERE w.text IN ('aot_' || (SELECT phase FROM one) || '_graph', 'after_post_grad_graph', 'inductor_post_grad_graph')
  GROUP BY n.name
), maker(name, source) AS MATERIALIZED (
  SELECT n.name, s.name FROM named n JOIN edge e ON e.dst = n.id AND e.arg = 0 JOIN node s ON s.id = e.src WHERE n.op = 3
), seen(value, node, root, depth) AS (
  SELECT DISTINCT a.value, n.id, a.value, 0 FROM arg a LEFT JOIN named n ON n.name = a.value WHERE NOT a.written OR a.both
  UNION
  SELECT s.value, src.id, src.name, s.depth + 1 FROM seen s CROSS JOIN node cur ON cur.id = s.node AND cur.op = 3 CROSS JOIN edge e ON e.dst = s.node AND e.arg = 0
  CROSS JOIN node src ON src.id = e.src WHERE s.depth < 64 AND s.root NOT IN (SELECT value FROM arg WHERE written)
), base(value, root) AS MATERIALIZED (
  SELECT value, root FROM (SELECT value, root, max(depth) FROM seen GROUP BY value)
), use(root, value, at, launched, made, bytes, type) AS (
  SELECT value, value, at, launched, 1, max(bytes), max(type) FROM arg WHERE written GROUP BY value, launched
  UNION ALL
  SELECT b.root, a.value, a.at, a.launched, 0, max(a.bytes), max(a.type) FROM arg a JOIN base b ON b.value = a.value WHERE NOT a.written OR a.both
  GROUP BY a.launched, a.value
), counted AS MATERIALIZED (
  SELECT *, sum(made) OVER (PARTITION BY root ORDER BY at, made, launched ROWS UNBOUNDED PRECEDING) AS nth FROM use
), known AS MATERIALIZED (
  SELECT *, max(iif(made, launched, NULL)) OVER same AS writer, max(iif(made, bytes, NULL)) OVER same AS size, sum(NOT made) OVER same AS readers
  FROM counted WINDOW same AS (PARTITION BY root, nth)
)
SELECT u.writer, iif(u.made, NULL, u.launched) AS reader, (SELECT text FROM string WHERE id = u.root) AS value,
  iif(u.made, NULL, (SELECT text FROM string WHERE id = u.value)) AS read_as, coalesce(u.size, u.bytes) AS bytes, iif(u.made, NULL, u.bytes) AS bytes_read,
  (SELECT text FROM string WHERE id = u.type) AS type, (SELECT text FROM string WHERE id = k.source) AS made_by, u.at
FROM known u
LEFT JOIN maker k ON k.name = u.root
WHERE NOT u.made OR u.readers = 0
ORDER BY u.at, reader, value;
