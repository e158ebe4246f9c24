-- timeline_flow: What leads to an event and where it leads: launched, waited for, backward of, compiled.
-- :id  needed: row id of the event
SELECT l.kind, 'to' AS direction, e.id, e.ts, e.dur, e.track, (SELECT text FROM string WHERE id = e.name) AS name
FROM (SELECT kind, dst FROM link WHERE src = :id ORDER BY kind, dst LIMIT 200) l JOIN event e ON e.id = l.dst
UNION ALL
SELECT l.kind, 'from', e.id, e.ts, e.dur, e.track, (SELECT text FROM string WHERE id = e.name)
FROM (SELECT kind, src FROM link WHERE dst = :id ORDER BY kind, src LIMIT 200) l JOIN event e ON e.id = l.src
UNION ALL
SELECT 2, 'from', p.id, p.ts, p.dur, p.track, (SELECT text FROM string WHERE id = p.name)
FROM event e JOIN event p ON p.id = e.parent AND p.track <> e.track
WHERE e.id = :id
ORDER BY 2, 4;
