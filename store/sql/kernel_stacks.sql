-- kernel_stacks: Stacks of the program's source that were recorded for a kernel.
-- :id  needed: row id of the kernel
SELECT w.text AS handle, s.position, (SELECT text FROM string WHERE id = s.text) AS stack
FROM kernel k
JOIN kernel_stack s ON s.compile = k.compile
JOIN string w ON w.id = s.kernel
JOIN string n ON n.id = k.name
WHERE k.id = :id AND (w.text = n.text OR substr(w.text, 1, length(n.text) + 1) = n.text || ':')
ORDER BY w.text, s.position;
