-- compile_outcomes: Compiles, functions and times per outcome.
-- :run   name of a run; all runs when not given
-- :rank  rank; all when not given
SELECT c.outcome, count(*) AS compiles, count(DISTINCT c.name) AS functions, sum(c.total_ns) AS total_ns,
  sum(c.lost_ns) AS lost_ns, sum(c.attempts > 1) AS begun_again
FROM compile c
WHERE c.source IN (SELECT f.id FROM source_file f
  WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)) AND (:rank IS NULL OR f.rank = :rank))
GROUP BY c.outcome
ORDER BY CASE c.outcome WHEN 'ok' THEN 1 WHEN 'restarted' THEN 2 WHEN 'empty' THEN 3 WHEN 'failed' THEN 4 ELSE 5 END;
