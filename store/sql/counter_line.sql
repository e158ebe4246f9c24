-- counter_line: A value over time in 300 columns: the range of the values in each.
-- :track  needed: row id of the track of the value
WITH span AS (
  SELECT min(ts) AS t0, max(max(ts) - min(ts), 1) AS length FROM counter WHERE track = :track
)
SELECT min(299, CAST(299.0 * (c.ts - s.t0) / s.length AS INTEGER)) AS place, min(c.value) AS low, max(c.value) AS high
FROM span s JOIN counter c ON c.track = :track
GROUP BY place
ORDER BY place;
