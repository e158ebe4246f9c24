-- divergence_runs: Runs with recorded calls, which can be compared: how many logs and calls each has.
SELECT r.name AS run, count(*) AS logs, sum(l.calls) AS calls
FROM call_log l
JOIN source_file f ON f.id = l.source
JOIN run r ON r.id = f.run
GROUP BY r.id
ORDER BY r.start_ts IS NULL, r.start_ts, r.id
LIMIT 12;
