-- graph_breaks: Graph breaks one by one, with the text as it was recorded.
-- :run  name of a run; all runs when not given
SELECT b.file, b.line, b.reason, b.detail, b.rank, b.compile_id, b.occurrence, b.attempt, b.function,
  (SELECT outcome FROM compile WHERE id = b.compile) AS outcome, b.run, b.log,
  (SELECT offset FROM artifact WHERE id = b.artifact) AS at
FROM graph_breaks b
WHERE :run IS NULL OR run = :run
ORDER BY b.file, b.line, b.id;
