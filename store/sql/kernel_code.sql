-- kernel_code: Lines of the generated code of a kernel, as far as its first and last line are known.
-- :id  needed: row id of the kernel
WITH RECURSIVE it(first, last, text) AS MATERIALIZED (
  SELECT line, last_line, artifact_text(artifact) || char(10) FROM kernel WHERE id = :id AND line > 0 AND last_line >= line
), cut(n, line, rest) AS (
  SELECT 0, NULL, text FROM it
  UNION ALL
  SELECT n + 1, substr(rest, 1, instr(rest, char(10)) - 1), substr(rest, instr(rest, char(10)) + 1)
  FROM cut WHERE instr(rest, char(10)) AND n < (SELECT last FROM it)
)
SELECT n AS line, line AS text FROM cut WHERE n >= (SELECT first FROM it) AND n > 0;
