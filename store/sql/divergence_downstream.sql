-- divergence_downstream: What a pair taints: the pairs that read what it made different, and what they made, at most 2000.
-- :at  number of a pair; the first difference when not given
WITH RECURSIVE me(id) AS (
  SELECT id FROM pair WHERE id >= min(coalesce(:at, (SELECT first_pair FROM comparison), 0), (SELECT max(id) FROM pair)) ORDER BY id LIMIT 1
), cone(id) AS (
  SELECT id FROM me
  UNION
  SELECT t.pair FROM cone c JOIN pair_tensor t ON t.producer = c.id WHERE t.phase = 0
  LIMIT 2001
)
SELECT d.verdict, d.name, d.step, d.phase, d.module, coalesce(d.a_position, d.b_position) AS position, d.relative,
  (SELECT verdict FROM pair WHERE id = d.id) AS number, d.id
FROM cone c CROSS JOIN divergence d ON d.id = c.id
WHERE c.id <> (SELECT id FROM me)
ORDER BY d.id;
