-- cache_list: What was asked of caches, one by one.
-- :run  name of a run; all runs when not given
SELECT e.compile_id, e.occurrence, (SELECT outcome FROM compile WHERE id = e.compile) AS compile_outcome, e.cache, e.outcome,
  e.cache_key, e.reason, e.saved_ns, e.n_components, e.log, e.rank, (SELECT offset FROM artifact WHERE id = e.artifact) AS at, e.ts
FROM cache e
WHERE :run IS NULL OR e.run = :run
ORDER BY e.id;
