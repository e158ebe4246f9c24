-- chromium_self_time: Time in spans per name, with and without the spans inside.
-- :run    name of a run; all runs when not given
-- :limit  how many; 100 when not given
WITH inner_time(parent, ns) AS (
  SELECT parent, sum(dur) FROM event WHERE parent IS NOT NULL GROUP BY parent
), span(name, ns, self_ns) AS (
  SELECT e.name, e.dur, e.dur - coalesce(i.ns, 0)
  FROM event e
  LEFT JOIN inner_time i ON i.parent = e.id
  WHERE e.kind = 1 AND (:run IS NULL OR e.track IN (SELECT track FROM tracks WHERE run = :run))
), summed AS (
  SELECT name, count(*) AS spans, sum(ns) AS ns, sum(self_ns) AS self_ns, max(ns) AS longest_ns
  FROM span GROUP BY name
)
SELECT (SELECT text FROM string WHERE id = name) AS name, spans, self_ns / 1e6 AS self_ms, ns / 1e6 AS total_ms,
  longest_ns / 1e6 AS longest_ms
FROM summed
ORDER BY self_ns DESC
LIMIT coalesce(:limit, 100);
