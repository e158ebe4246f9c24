-- divergence_layers: Layers that differ alike: modules whose names differ in a number only and whose pairs have the same verdicts.
WITH counted(module, verdict, n, first) AS (
  SELECT s.module, p.verdict, sum(p.n), min(p.first) FROM pair_place p JOIN pair_scope s ON s.id = p.scope
  WHERE s.module IS NOT NULL GROUP BY s.module, p.verdict
), module(name, first, verdicts, input, origin, argument, structure, receiver, masked, same) AS (
  SELECT (SELECT text FROM string WHERE id = c.module), coalesce(min(c.first) FILTER (WHERE c.verdict > 3), min(c.first)),
    group_concat(c.verdict || ':' || c.n, ' '), sum(c.n) FILTER (WHERE c.verdict = 8), sum(c.n) FILTER (WHERE c.verdict = 7),
    sum(c.n) FILTER (WHERE c.verdict = 6), sum(c.n) FILTER (WHERE c.verdict = 5), sum(c.n) FILTER (WHERE c.verdict = 4),
    sum(c.n) FILTER (WHERE c.verdict = 2), sum(c.n) FILTER (WHERE c.verdict = 0)
  FROM (SELECT * FROM counted ORDER BY module, verdict) c
  GROUP BY c.module HAVING max(c.verdict) > 1
), alike AS (
  SELECT layer_name(name) AS modules, count(*) AS layers, min(first) AS first, max(first) AS last, input, origin, argument, structure,
    receiver, masked, same
  FROM module GROUP BY layer_name(name), verdicts
)
SELECT modules, layers, (SELECT name FROM module WHERE first = a.first) AS from_module,
  iif(layers > 1, (SELECT name FROM module WHERE first = a.last), NULL) AS to_module, input, origin, argument, structure, receiver,
  masked, same, first
FROM alike a
ORDER BY first;
