-- counter_names: Values over time, by name: how many, the last, the range.
-- :run  name of a run; all runs when not given
SELECT (SELECT text FROM string WHERE id = t.name) AS name, p.rank, count(*) AS n, count(c.value) AS finite,
  (SELECT value FROM counter WHERE track = t.id ORDER BY ts DESC LIMIT 1) AS last, min(c.value) AS low, max(c.value) AS high,
  min(c.ts) AS first_ts, max(c.ts) AS last_ts, t.id AS track
FROM track t
JOIN counter c ON c.track = t.id
LEFT JOIN process p ON p.id = t.process
LEFT JOIN run r ON r.id = p.run
WHERE t.kind = 4 AND (:run IS NULL OR r.name = :run)
GROUP BY t.id
ORDER BY name, p.rank, t.id;
