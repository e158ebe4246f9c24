-- export_trees: Expression trees of what exports reported: each expression above its arguments.
-- :finding  row id of one finding; all when not given
-- :run      name of a run; all runs when not given
WITH RECURSIVE tree(finding, source, node, text, depth, path) AS (
  SELECT id, source, expression_node, reason, 0, '' FROM export_findings
  WHERE expression_node IS NOT NULL AND (:finding IS NULL OR id = :finding) AND (:run IS NULL OR run = :run)
  UNION ALL
  SELECT t.finding, t.source, a.node, a.text, t.depth + 1, t.path || printf('/%05d', a.position)
  FROM tree t
  -- A node may be recorded several times; the last one counts.
  JOIN expression e ON e.id = (SELECT max(id) FROM expression x WHERE x.source = t.source AND x.node = t.node)
  JOIN expression_arg a ON a.expression = e.id
  WHERE t.depth < 64
  LIMIT 100000
)
SELECT t.finding, t.depth, replace(hex(zeroblob(t.depth)), '00', '  ') || t.text AS expression,
  (SELECT method FROM expression e WHERE e.source = t.source AND e.node = t.node ORDER BY id DESC LIMIT 1) AS method, t.node, t.path
FROM tree t
ORDER BY t.finding, t.path;
