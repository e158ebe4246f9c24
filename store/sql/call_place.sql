-- call_place: Of a stack the innermost frame that is not PyTorch's: where in the program a call was made.
-- :stack  needed: row id of a stack
WITH RECURSIVE up(id, n) AS (
  SELECT :stack, 0 UNION ALL SELECT s.parent, n + 1 FROM up JOIN stack s ON s.id = up.id WHERE s.parent IS NOT NULL AND n < 400
)
SELECT f.text AS file, s.line, (SELECT text FROM string WHERE id = s.name) AS function, (SELECT text FROM string WHERE id = s.loc) AS code
FROM up
JOIN stack s ON s.id = up.id
JOIN string f ON f.id = s.file
ORDER BY instr(f.text, '-packages/torch/') > 0, up.n
LIMIT 1;
