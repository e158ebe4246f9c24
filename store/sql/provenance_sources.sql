-- provenance_sources: Lines of the user's source that nodes of a graph come from.
-- :artifact  needed: row id of the graph's text
SELECT DISTINCT n.line, w.text AS file, s.line AS at_line, l.text AS loc
FROM graph g
JOIN node n ON n.graph = coalesce(g.same_as, g.id)
JOIN stack s ON s.id = n.stack
LEFT JOIN string w ON w.id = s.file
LEFT JOIN string l ON l.id = s.loc
WHERE g.artifact = :artifact AND s.line > 0
ORDER BY w.text, s.line, n.line;
