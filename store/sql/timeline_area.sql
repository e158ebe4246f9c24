-- timeline_area: What ran in a stretch of time, by name and track: events with their parts inside, and whole.
-- :t0   first time, ns; the whole run when not given
-- :t1   last time, ns
-- :run  name of a run; all runs when not given
SELECT (SELECT text FROM string WHERE id = e.name) AS name, e.kind, k.name AS track, count(*) AS n,
  sum(max(min(e.ts + coalesce(e.dur, 0), coalesce(CAST(:t1 AS INTEGER), e.ts + coalesce(e.dur, 0))) - max(e.ts, coalesce(CAST(:t0 AS INTEGER), e.ts)), 0)) AS within_ns,
  CAST(avg(coalesce(e.dur, 0)) AS INTEGER) AS mean_ns, min(coalesce(e.dur, 0)) AS least_ns, max(coalesce(e.dur, 0)) AS longest_ns, k.track AS track_id
FROM event e JOIN tracks k ON k.track = e.track
WHERE (:run IS NULL OR k.run = :run) AND e.ts IS NOT NULL AND (:t1 IS NULL OR e.ts < CAST(:t1 AS INTEGER))
  AND (:t0 IS NULL OR e.ts >= CAST(:t0 AS INTEGER) OR e.ts + e.dur > CAST(:t0 AS INTEGER))
GROUP BY e.name, e.kind, e.track
ORDER BY within_ns DESC, name, track_id;
