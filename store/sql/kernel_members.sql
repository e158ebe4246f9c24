-- kernel_members: Operators that a kernel computes, in order; of a combo kernel those of its members, one after another.
-- :id  needed: row id of the kernel
WITH it AS (SELECT id, compile, phase FROM kernel WHERE id = :id),
part(id, compile, phase, member, name) AS (
  SELECT k.id, k.compile, k.phase, CASE WHEN k.id = it.id THEN NULL ELSE k.member END, CASE WHEN k.id = it.id THEN NULL ELSE k.name END
  FROM it JOIN kernel k ON k.id = it.id OR k.combo = it.id
), typed(node, type, target, stack) AS MATERIALIZED (
  SELECT w.text, max(t.text), max(n.target), max(n.stack) FROM it
  JOIN graph g ON g.compile = it.compile
  JOIN node n ON n.id BETWEEN g.first_node AND g.first_node + g.n_nodes - 1 AND n.op BETWEEN 3 AND 5
  JOIN string w ON w.id = n.name
  LEFT JOIN string t ON t.id = n.type
  WHERE (SELECT text FROM string WHERE id = g.name) IN ('inductor_post_grad_graph', 'aot_inference_graph', 'aot_forward_graph', 'aot_backward_graph')
  GROUP BY w.text
)
SELECT p.member, (SELECT text FROM string WHERE id = p.name) AS lane, o.position, w.text AS node,
  (SELECT text FROM string WHERE id = coalesce(o.op, t.target)) AS op, o.role, o.part, o.recomputed, t.type,
  coalesce((SELECT text FROM string WHERE id = o.source), (SELECT (SELECT text FROM string WHERE id = k.file) || ':' || k.line FROM stack k
    WHERE k.id = t.stack)) AS source,
  (SELECT min(i.id) FROM kernel i JOIN kernel_op d ON d.kernel = i.id WHERE i.compile = p.compile AND i.phase IS p.phase
    AND i.id <> p.id AND d.node = o.node AND d.part IS o.part) AS also_id,
  (SELECT (SELECT text FROM string WHERE id = i.name) FROM kernel i JOIN kernel_op d ON d.kernel = i.id WHERE i.compile = p.compile
    AND i.phase IS p.phase AND i.id <> p.id AND d.node = o.node AND d.part IS o.part ORDER BY i.id LIMIT 1) AS also_name,
  p.id AS kernel
FROM part p
JOIN kernel_op o ON o.kernel = p.id
LEFT JOIN string w ON w.id = o.node
LEFT JOIN typed t ON t.node = w.text
ORDER BY p.member IS NOT NULL, p.member, o.position;
