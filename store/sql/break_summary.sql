-- break_summary: Graph breaks of a run in one row.
-- :run  name of a run; all runs when not given
SELECT count(*) AS breaks, count(DISTINCT coalesce(file, '') || ':' || coalesce(line, '')) AS places,
  count(DISTINCT reason) AS reasons, count(DISTINCT compile) AS compiles,
  (SELECT count(*) FROM compile c JOIN source_file f ON f.id = c.source LEFT JOIN run r ON r.id = f.run
    WHERE :run IS NULL OR r.name = :run) AS of,
  (SELECT reason FROM graph_breaks WHERE :run IS NULL OR run = :run GROUP BY reason ORDER BY count(*) DESC, reason LIMIT 1)
    AS first_reason,
  (SELECT count(*) FROM graph_breaks WHERE :run IS NULL OR run = :run GROUP BY reason ORDER BY count(*) DESC LIMIT 1)
    AS first_count
FROM graph_breaks
WHERE :run IS NULL OR run = :run;
