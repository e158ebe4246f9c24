-- call_logs: Logs of calls, the longest first.
-- :run  name of a run; all runs when not given
SELECT f.name AS log, f.rank, f.id AS source, l.format,
  coalesce(nullif(l.calls, 0), (SELECT max(position) + 1 FROM call WHERE source = l.source), 0) AS calls,
  (SELECT w.text FROM track t JOIN string w ON w.id = t.name WHERE t.process = f.process AND t.kind = 2 LIMIT 1) AS thread,
  (SELECT coalesce(sum(count), 0) FROM loss WHERE source = f.id) AS lost, f.state,
  EXISTS (SELECT 1 FROM (SELECT event FROM call WHERE source = l.source AND position < 2000) c
    JOIN tensor_use u ON u.event = c.event WHERE u.hash_kind IS NOT NULL) AS hashed,
  r.name AS run
FROM call_log l
JOIN source_file f ON f.id = l.source
LEFT JOIN run r ON r.id = f.run
WHERE :run IS NULL OR r.name = :run
ORDER BY calls DESC, f.id;
