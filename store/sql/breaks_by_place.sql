-- breaks_by_place: Graph breaks per line of the user's source and reason, with one whole text each.
-- :run  name of a run; all runs when not given
SELECT b.file, b.line, b.reason, count(*) AS breaks, count(DISTINCT b.compile) AS compiles,
  max(b.detail) AS detail, b.function, (SELECT w.text FROM stack s JOIN string w ON w.id = s.loc WHERE s.id = b.stack) AS loc
FROM graph_breaks b
WHERE :run IS NULL OR b.run = :run
GROUP BY b.file, b.line, b.reason
ORDER BY breaks DESC, b.file, b.line
LIMIT 100;
