-- compile_phases: Time of a compile per kind of span, with and without the spans inside.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
WITH span AS (
  SELECT e.id, e.name, e.dur,
    (SELECT sum(i.dur) FROM event i WHERE i.corr = e.corr AND i.parent = e.id AND i.kind = 1) AS inside
  FROM event e
  WHERE e.kind = 1 AND e.dur IS NOT NULL AND e.corr = (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1)
)
SELECT (SELECT text FROM string WHERE id = s.name) AS name, count(*) AS spans, sum(s.dur - coalesce(s.inside, 0)) AS self_ns,
  sum(s.dur) AS total_ns, max(s.dur) AS longest_ns
FROM span s
GROUP BY s.name
ORDER BY self_ns DESC;
