-- call_end: The place behind a call and all that it encloses; the end of the log when nothing follows.
-- :at    needed: place of the call
-- :log   name of a log of calls; the one with the most calls when not given
-- :run   name of a run; all runs when not given
-- What follows is the next event inside one of those that enclose the call; steps (kind 13) stand in no log, but on its track.
WITH RECURSIVE log(id) AS (
  SELECT f.id FROM call_log l JOIN source_file f ON f.id = l.source
  WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)) AND (:log IS NULL OR f.name = :log)
  ORDER BY l.calls DESC, f.id LIMIT 1
), me(event, track, parent) AS (
  SELECT e.id, e.track, e.parent FROM call c JOIN event e ON e.id = c.event WHERE c.source = (SELECT id FROM log) AND c.position = :at
), up(parent, n) AS (
  SELECT parent, 0 FROM me
  UNION ALL
  SELECT e.parent, n + 1 FROM up JOIN event e ON e.id = up.parent WHERE n < 64
), after(event) AS (
  SELECT min(CASE WHEN up.parent IS NULL THEN (SELECT e.id FROM event e
      WHERE e.kind >= 3 AND e.parent IS NULL AND e.id > (SELECT event FROM me)
        AND (EXISTS (SELECT 1 FROM call c WHERE c.event = e.id AND c.source = (SELECT id FROM log))
          OR e.kind = 13 AND e.track IS (SELECT track FROM me)) ORDER BY e.id LIMIT 1)
    ELSE (SELECT e.id FROM event e WHERE e.kind >= 3 AND e.parent = up.parent AND e.id > (SELECT event FROM me) ORDER BY e.id LIMIT 1) END)
  FROM up
)
SELECT coalesce((SELECT c.position FROM call c WHERE c.event >= (SELECT event FROM after) AND +c.source = (SELECT id FROM log) ORDER BY c.event LIMIT 1),
  (SELECT max(position) + 1 FROM call WHERE source = (SELECT id FROM log))) AS place;
