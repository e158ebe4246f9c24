-- graph_breaks_by_line: Graph breaks per line of the user's source.
-- :run  name of a run; all runs when not given
SELECT file, line, count(*) AS breaks, count(DISTINCT compile) AS compiles, count(DISTINCT rank) AS ranks,
  min(reason) AS reason, group_concat(DISTINCT compile_id) AS compile_ids, run
FROM graph_breaks
WHERE :run IS NULL OR run = :run
GROUP BY run, file, line
ORDER BY breaks DESC, file, line;
