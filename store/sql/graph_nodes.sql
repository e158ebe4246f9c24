-- graph_nodes: Nodes of a graph in order.
-- :graph  row id of the graph; needed
SELECT line, op, name, target, type, file, source_line, id
FROM nodes
WHERE graph = :graph
ORDER BY id;
