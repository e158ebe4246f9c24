-- compile_caches: What a compile asked of the caches.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
SELECT e.cache, e.outcome, e.cache_key, e.reason, e.saved_ns, (SELECT count(*) FROM cache_component k WHERE k.cache_event = e.id) AS components,
  a.offset, f.name AS log
FROM cache_event e JOIN source_file f ON f.id = e.source LEFT JOIN artifact a ON a.id = e.artifact
WHERE e.compile = (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1)
ORDER BY e.id;
