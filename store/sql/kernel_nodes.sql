-- kernel_nodes: Which graph node a line of the code that a kernel stands in computes.
-- :id  needed: row id of the kernel
SELECT p.line, w.text AS node, p.to_line, f.name AS log, a.offset
FROM kernel k
JOIN provenance_map m ON m.compile = k.compile AND m.code = k.artifact
JOIN provenance p ON p.map = m.id AND p.relation IN (3, 5)
JOIN artifact a ON a.id = m.post
JOIN source_file f ON f.id = a.source
JOIN graph g ON g.artifact = m.post
JOIN node n ON n.id BETWEEN g.first_node AND g.first_node + g.n_nodes - 1 AND n.line = p.to_line
JOIN string w ON w.id = n.name
WHERE k.id = :id AND (k.line IS NULL OR p.line >= k.line) AND (k.last_line IS NULL OR p.line <= k.last_line)
ORDER BY p.line, p.position;
