-- counter_values: A value over time.
-- :counter  its name; all when not given
-- :track    row id of its track; all of that name when not given
-- :run      name of a run; all runs when not given
SELECT name, rank, ts, value, within, run
FROM counters
WHERE (:run IS NULL OR run = :run) AND (:counter IS NULL OR name = :counter) AND (:track IS NULL OR track = :track)
ORDER BY name, track, ts;
