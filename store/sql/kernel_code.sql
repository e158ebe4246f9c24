-- kernel_code: Lines of the generated code of a kernel, as far as its first and last line are known.
-- :id  needed: row id of the kernel
SELECT l.key + 1 AS line, l.value AS text
FROM kernel k
JOIN json_each('[' || replace(json_quote(replace(artifact_text(k.artifact), char(10), char(57344))), char(57344), '","') || ']') l
WHERE k.id = :id AND k.line > 0 AND l.key + 1 BETWEEN k.line AND k.last_line
ORDER BY l.key;
