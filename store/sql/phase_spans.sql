-- phase_spans: Spans of a compile in order of time: what its drawing is made of.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
SELECT e.id, e.parent, (SELECT text FROM string WHERE id = e.name) AS name, e.ts, e.dur, e.track, e.flags
FROM event e
WHERE e.kind = 1 AND e.corr = (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1)
ORDER BY e.ts, e.dur DESC, e.id;
