-- timeline_events: Events of a stretch of time, by time.
-- :t0     first time, ns; the begin of the run when not given
-- :t1     last time, ns; the end when not given
-- :run    name of a run; all runs when not given
-- :limit  how many; all when not given
SELECT e.ts, e.dur, (SELECT text FROM string WHERE id = e.name) AS name, e.kind, k.rank, k.name AS track, k.kind AS track_kind, k.tid, e.flags
FROM event e JOIN tracks k ON k.track = e.track
WHERE (:run IS NULL OR k.run = :run) AND e.ts IS NOT NULL AND (:t1 IS NULL OR e.ts < CAST(:t1 AS INTEGER))
  AND (:t0 IS NULL OR e.ts >= CAST(:t0 AS INTEGER) OR e.ts + e.dur > CAST(:t0 AS INTEGER))
ORDER BY e.ts, e.id
LIMIT coalesce(:limit, -1);
