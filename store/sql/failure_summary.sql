-- failure_summary: Failures and restarts of a run in one row.
-- :run  name of a run; all runs when not given
SELECT (SELECT count(*) FROM compile c JOIN source_file f ON f.id = c.source LEFT JOIN run r ON r.id = f.run
    WHERE :run IS NULL OR r.name = :run) AS compiles,
  (SELECT count(*) FROM failures WHERE :run IS NULL OR run = :run) AS failures,
  (SELECT count(DISTINCT type) FROM failures WHERE :run IS NULL OR run = :run) AS types,
  (SELECT type FROM failures WHERE :run IS NULL OR run = :run GROUP BY type ORDER BY count(*) DESC, type LIMIT 1) AS first_type,
  (SELECT count(*) FROM restarts WHERE :run IS NULL OR run = :run) AS restarts,
  (SELECT count(DISTINCT compile) FROM restarts WHERE :run IS NULL OR run = :run) AS restarted,
  (SELECT sum(lost_ns) FROM (SELECT max(lost_ns) AS lost_ns FROM restarts WHERE :run IS NULL OR run = :run
    GROUP BY compile)) AS lost_ns;
