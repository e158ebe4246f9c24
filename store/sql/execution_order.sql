-- execution_order: Places where ranks ran different graphs, or graphs of other schedules or cache answers.
-- :run  name of a run; all runs when not given
-- :all  1: also the places where nothing differs
WITH last AS (
  SELECT source, max(artifact) AS artifact FROM graph_execution GROUP BY source
), placed AS (
  SELECT x.run, x.rank, x.position, x.compile_id,
    (SELECT c.compile FROM compiles c WHERE c.source = x.source
      AND c.compile_id = trim(x.compile_id, '[]') LIMIT 1) AS compile
  FROM graph_executions x JOIN last l ON l.source = x.source AND l.artifact IS x.artifact
  WHERE x.rank IS NOT NULL AND (:run IS NULL OR x.run = :run)
), described AS (
  SELECT p.*, coalesce((SELECT group_concat(op) FROM (SELECT o.op FROM collective o WHERE o.compile = p.compile
      ORDER BY o.artifact, o.position)), '') AS schedule,
    (SELECT CASE WHEN sum(outcome = 'miss') THEN 'miss' WHEN sum(outcome = 'hit') THEN 'hit'
      WHEN sum(outcome = 'bypass') THEN 'bypass' ELSE '' END FROM cache_event e WHERE e.compile = p.compile) AS cached
  FROM placed p
), places AS (
  SELECT run, position, count(*) < (SELECT count(DISTINCT rank) FROM placed q WHERE q.run IS d.run)
      OR count(DISTINCT compile_id) > 1 AS order_differs,
    count(DISTINCT schedule) > 1 AS schedule_differs, count(DISTINCT cached) > 1 AS cache_differs,
    group_concat('Rank ' || rank || ' ' || compile_id, ', ') AS graphs
  FROM (SELECT * FROM described ORDER BY run, position, rank) d
  GROUP BY run, position
)
SELECT * FROM places
WHERE :all = 1 OR order_differs OR schedule_differs OR cache_differs
ORDER BY run, position;
