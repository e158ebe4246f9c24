-- divergence_pairs: Pairs of a lane in order, from the one before a cursor on; of long texts the first 4000 characters.
-- :at     number of a pair; the first difference when not given
-- :before how many before it, 3 when not given
-- :count  how many, 80 when not given
WITH me(id, lane) AS (
  SELECT id, lane FROM pair WHERE id >= coalesce(:at, (SELECT first_pair FROM comparison), 0) ORDER BY id LIMIT 1
), start(id) AS (
  SELECT coalesce(min(id), (SELECT id FROM me)) FROM (SELECT id FROM pair
    WHERE lane = (SELECT lane FROM me) AND id < (SELECT id FROM me) ORDER BY id DESC LIMIT max(0, coalesce(:before, 3)))
)
SELECT p.id, p.verdict AS number, p.flags, p.method, p.confidence, p.a_position, p.b_position, p.relative,
  (SELECT text FROM string WHERE id = coalesce(x.name, y.name)) AS name,
  (SELECT text FROM string WHERE id = x.name) AS a_name, (SELECT text FROM string WHERE id = y.name) AS b_name,
  (SELECT substr(text, 1, 4000) FROM string WHERE id = x.args) AS a_args, (SELECT substr(text, 1, 4000) FROM string WHERE id = y.args) AS b_args,
  (SELECT substr(text, 1, 4000) FROM string WHERE id = x.kwargs) AS a_kwargs,
  (SELECT substr(text, 1, 4000) FROM string WHERE id = y.kwargs) AS b_kwargs,
  (SELECT substr(text, 1, 4000) FROM string WHERE id = x.output) AS a_output,
  (SELECT substr(text, 1, 4000) FROM string WHERE id = y.output) AS b_output,
  hash_value(p.hash_kind, p.a_digest) AS a_hash, hash_value(p.hash_kind, p.b_digest) AS b_hash,
  (SELECT text FROM string WHERE id = s.step) AS step, s.phase, (SELECT text FROM string WHERE id = s.module) AS module,
  (SELECT text FROM string WHERE id = s.annotation) AS annotation, p.a_text, p.b_text, p.scope, p.lane
FROM pair p
LEFT JOIN pair_text x ON x.id = p.a_text
LEFT JOIN pair_text y ON y.id = p.b_text
LEFT JOIN pair_scope s ON s.id = p.scope
WHERE p.lane = (SELECT lane FROM me) AND p.id >= (SELECT id FROM start)
ORDER BY p.id
LIMIT coalesce(:count, 80);
