-- recompile_called: What the call that made a compile had as the value of one of its sources, and how that is known.
-- :of       needed: row id of the compile
-- :subject  needed: the source as guards name it (L['x'])
SELECT value, 'value of ' || symbol || ' when created' AS known_from, range, symbol
FROM symbol
WHERE compile = :of AND origin = :subject AND kind = 'backed'
UNION ALL
SELECT trim(substr(w.text, length(:subject) + 5)), 'its own guard, made from this call', NULL, NULL
FROM guard g
JOIN string w ON w.id = g.code
WHERE g.compile = :of AND substr(w.text, 1, length(:subject) + 4) = :subject || ' == '
LIMIT 1;
