-- cache_differences: Parts in which the key of a miss differs from the key asked for before it in the same cache; of the last 20 misses.
-- :run  name of a run; all runs when not given
WITH asked AS (
  SELECT e.id, e.cache, e.outcome, e.compile, f.name AS log, f.rank,
    lag(e.id) OVER (PARTITION BY f.run, e.cache ORDER BY e.id) AS before
  FROM cache_event e
  JOIN source_file f ON f.id = e.source
  LEFT JOIN run r ON r.id = f.run
  WHERE (:run IS NULL OR r.name = :run) AND EXISTS (SELECT 1 FROM cache_component k WHERE k.cache_event = e.id)
), missed AS (
  SELECT * FROM asked WHERE outcome = 'miss' AND before IS NOT NULL ORDER BY id DESC LIMIT 20
), part AS (
  SELECT m.id, k.name, min(k.position) AS position, max(CASE k.cache_event WHEN m.before THEN k.digest END) AS old,
    max(CASE k.cache_event WHEN m.id THEN k.digest END) AS new
  FROM missed m
  JOIN cache_component k ON k.cache_event IN (m.id, m.before)
  GROUP BY m.id, k.name
)
SELECT m.cache, c.compile_id, m.rank, (SELECT text FROM string WHERE id = p.name) AS component,
  (SELECT text FROM string WHERE id = p.old) AS digest_before, (SELECT text FROM string WHERE id = p.new) AS digest, m.log
FROM part p
JOIN missed m ON m.id = p.id
LEFT JOIN compile c ON c.id = m.compile
WHERE p.old IS NOT p.new
ORDER BY m.id, p.position
LIMIT 500;
