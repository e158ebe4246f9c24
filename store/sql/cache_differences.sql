-- cache_differences: Components in which the key of a miss differs from the key asked for before it in the same cache.
-- :run  name of a run; all runs when not given
WITH asked AS (
  SELECT e.id, e.cache, e.outcome, e.compile_id, e.log, e.rank,
    (SELECT max(p.id) FROM cache p WHERE p.cache = e.cache AND p.id < e.id AND p.n_components > 0 AND p.run IS e.run) AS before
  FROM cache e
  WHERE e.n_components > 0 AND e.outcome = 'miss' AND (:run IS NULL OR e.run = :run)
)
SELECT a.cache, a.compile_id, a.rank, n.text AS component, (SELECT text FROM string WHERE id = o.digest) AS digest_before,
  (SELECT text FROM string WHERE id = k.digest) AS digest, a.log
FROM asked a
JOIN cache_component k ON k.cache_event = a.id
JOIN string n ON n.id = k.name
LEFT JOIN cache_component o ON o.cache_event = a.before AND o.name = k.name
WHERE a.before IS NOT NULL AND k.digest IS NOT o.digest
ORDER BY a.id, k.position
LIMIT 500;
