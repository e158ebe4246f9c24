-- timeline_clocks: How the times of each log were set, and how far the readings of its clock lie apart.
-- :run  name of a run; all runs when not given
SELECT f.name AS log, f.rank, c.kind, count(*) AS readings, iif(c.kind = 'ticks', NULL, max(c.ts - c.local_ts) - min(c.ts - c.local_ts)) AS spread_ns
FROM clock c JOIN source_file f ON f.id = c.source
WHERE :run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)
GROUP BY c.source, c.kind
ORDER BY f.rank, f.name, c.kind;
