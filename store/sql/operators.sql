-- operators: Operators called in graphs of a stage, with how often.
-- :stage  name of the graphs; aot_inference_graph, aot_forward_graph and aot_backward_graph when not given
-- :run    name of a run; all runs when not given
WITH chosen AS (
  SELECT b.first_node, b.n_nodes FROM graphs g JOIN graph b ON b.id = g.graph
  WHERE (:run IS NULL OR g.run = :run) AND (g.name = :stage OR :stage IS NULL
    AND g.name IN ('aot_inference_graph', 'aot_forward_graph', 'aot_backward_graph'))
)
SELECT (SELECT text FROM string WHERE id = n.target) AS target, count(*) AS calls, count(DISTINCT n.graph) AS graphs
FROM chosen c
JOIN node n ON n.id BETWEEN c.first_node AND c.first_node + c.n_nodes - 1
WHERE n.op IN (3, 4, 5)
GROUP BY n.target
ORDER BY calls DESC, target;
