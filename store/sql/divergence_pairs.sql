-- divergence_pairs: Pairs of a lane in order, from the one before a cursor on, or those of one verdict or place; of long texts the beginning.
-- :at      number of a pair; the first difference when not given
-- :before  how many before it, 3 when not given
-- :count   how many, 80 when not given; 51 of those chosen
-- :verdict origin, receiver, ...: of all lanes, of the cursor's with a place
-- :step    name of a step, - none
-- :phase   forward, backward, optimizer, - none
-- :module  name of a module, - none
-- :after   number of a pair behind which those chosen begin; the first when not given
WITH known(name, number) AS (
  VALUES ('same', 0), ('artefact', 1), ('masked', 2), ('unknown', 3), ('receiver', 4), ('structure', 5), ('argument', 6), ('origin', 7),
    ('input', 8)
), want(number) AS (SELECT number FROM known WHERE name = :verdict),
me(id, lane) AS (
  SELECT id, lane FROM pair
  WHERE id >= min(coalesce(:at, (SELECT first_pair FROM comparison), 0), (SELECT max(id) FROM pair)) ORDER BY id LIMIT 1
), start(id) AS (
  SELECT coalesce(min(id), (SELECT id FROM me)) FROM (SELECT id FROM pair
    WHERE lane = (SELECT lane FROM me) AND id < (SELECT id FROM me) ORDER BY id DESC LIMIT max(0, coalesce(:before, 3)))
), place(id) AS (
  SELECT s.id FROM pair_scope s WHERE coalesce(:step, :phase, :module) IS NOT NULL
    AND (:step IS NULL OR coalesce((SELECT text FROM string WHERE id = s.step), '-') = :step)
    AND (:module IS NULL OR coalesce((SELECT text FROM string WHERE id = s.module), '-') = :module)
    AND (:phase IS NULL OR CASE s.phase WHEN 1 THEN 'forward' WHEN 2 THEN 'backward' WHEN 3 THEN 'optimizer' ELSE '-' END = :phase)
), found(id) AS (
  SELECT id FROM (SELECT id FROM pair WHERE coalesce(:verdict, :step, :phase, :module) IS NULL
    AND lane = (SELECT lane FROM me) AND id >= (SELECT id FROM start) ORDER BY id LIMIT coalesce(:count, 80))
  UNION ALL
  SELECT id FROM (SELECT id FROM pair WHERE verdict = (SELECT number FROM want) AND coalesce(:step, :phase, :module) IS NULL
    AND lane >= coalesce((SELECT lane FROM pair WHERE id = :after), 0) AND id > coalesce(:after, 0)
    ORDER BY lane, id LIMIT coalesce(:count, 51))
  UNION ALL
  SELECT id FROM (SELECT p.id FROM place s CROSS JOIN pair p ON p.scope = s.id WHERE (:verdict IS NULL OR p.verdict = (SELECT number FROM want))
    AND +p.lane = (SELECT lane FROM me) AND +p.id > coalesce(:after, 0) ORDER BY +p.id LIMIT coalesce(:count, 51))
)
SELECT p.id, p.verdict AS number, p.flags, p.method, p.confidence, p.a_position, p.b_position, p.relative,
  (SELECT substr(text, 1, 400) FROM string WHERE id = coalesce(x.name, y.name)) AS name,
  (SELECT substr(text, 1, 400) FROM string WHERE id = x.name) AS a_name, (SELECT substr(text, 1, 400) FROM string WHERE id = y.name) AS b_name,
  (SELECT substr(text, 1, 4000) FROM string WHERE id = x.args) AS a_args, (SELECT substr(text, 1, 4000) FROM string WHERE id = y.args) AS b_args,
  (SELECT substr(text, 1, 4000) FROM string WHERE id = x.kwargs) AS a_kwargs,
  (SELECT substr(text, 1, 4000) FROM string WHERE id = y.kwargs) AS b_kwargs,
  (SELECT substr(text, 1, 4000) FROM string WHERE id = x.output) AS a_output,
  (SELECT substr(text, 1, 4000) FROM string WHERE id = y.output) AS b_output,
  (SELECT substr(text, 1, 400) FROM string WHERE id = x.kernel) AS a_kernel, (SELECT substr(text, 1, 400) FROM string WHERE id = y.kernel) AS b_kernel,
  hash_value(p.hash_kind, p.a_digest) AS a_hash, hash_value(p.hash_kind, p.b_digest) AS b_hash,
  (SELECT substr(text, 1, 400) FROM string WHERE id = s.step) AS step, s.phase, (SELECT substr(text, 1, 400) FROM string WHERE id = s.module) AS module,
  (SELECT substr(text, 1, 400) FROM string WHERE id = s.annotation) AS annotation, p.a_text, p.b_text, p.scope, p.lane
FROM pair p
LEFT JOIN pair_text x ON x.id = p.a_text
LEFT JOIN pair_text y ON y.id = p.b_text
LEFT JOIN pair_scope s ON s.id = p.scope
WHERE p.id IN (SELECT id FROM found)
ORDER BY p.id;
