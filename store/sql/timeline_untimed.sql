-- timeline_untimed: What a run has without times: calls and compiles that stand on no timeline.
-- :run  name of a run; the whole file when not given
WITH log(id) AS (
  SELECT f.id FROM source_file f WHERE :run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)
)
SELECT coalesce((SELECT sum(coalesce(nullif(l.calls, 0), (SELECT max(position) + 1 FROM call WHERE source = l.source)))
    FROM call_log l WHERE l.source IN (SELECT id FROM log) AND l.format <> 'live'), 0) AS calls,
  (SELECT count(*) FROM compile c WHERE c.source IN (SELECT id FROM log)) AS compiles,
  (SELECT count(*) FROM loss l WHERE l.source IN (SELECT id FROM log) AND l.ts IS NULL) AS losses;
