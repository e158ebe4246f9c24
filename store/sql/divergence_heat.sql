-- divergence_heat: Pairs by step, phase and module: how many, how many differ, the worst verdict and its first pair.
-- :at    number of a pair: its lane, from the step before its own on; the first difference when not given
-- :steps how many steps, 3 when not given
WITH me(id, lane, step) AS (
  SELECT p.id, p.lane, s.step FROM pair p LEFT JOIN pair_scope s ON s.id = p.scope
  WHERE p.id >= min(coalesce(:at, (SELECT first_pair FROM comparison), 0), (SELECT max(id) FROM pair)) ORDER BY p.id LIMIT 1
), steps(step, first) AS (
  SELECT step, min(id) FROM pair_scope GROUP BY step
), shown(step, first) AS (
  SELECT step, first FROM steps WHERE first >= coalesce((SELECT max(first) FROM steps
    WHERE first < (SELECT first FROM steps WHERE step IS (SELECT step FROM me))), 0) ORDER BY first LIMIT coalesce(:steps, 3)
), part(scope) AS MATERIALIZED (
  SELECT s.id FROM pair_scope s WHERE coalesce(s.step, 0) IN (SELECT coalesce(step, 0) FROM shown)
)
SELECT (SELECT text FROM string WHERE id = s.step) AS step,
  CASE s.phase WHEN 1 THEN 'forward' WHEN 2 THEN 'backward' WHEN 3 THEN 'optimizer' END AS phase,
  (SELECT text FROM string WHERE id = s.module) AS module, sum(p.n) AS n, sum(p.n) FILTER (WHERE p.verdict NOT IN (0, 1)) AS differing,
  max(p.verdict) AS worst, p.first
FROM pair_place p
CROSS JOIN pair_scope s ON s.id = p.scope
WHERE p.lane = (SELECT lane FROM me) AND p.scope IN (SELECT scope FROM part)
GROUP BY s.step, s.phase, s.module
ORDER BY min(p.first);
