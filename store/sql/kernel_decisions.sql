-- kernel_decisions: What was decided about a kernel and its operators: joined, or kept apart and why.
-- :id  needed: row id of the kernel
WITH it AS (SELECT id, compile, phase, name, combo FROM kernel WHERE id = :id),
own(id, name) AS MATERIALIZED (SELECT k.id, k.name FROM it JOIN kernel k ON k.id IN (it.id, it.combo) OR k.combo = it.id),
node(word) AS MATERIALIZED (SELECT DISTINCT o.node FROM it JOIN kernel k ON k.id = it.id OR k.combo = it.id JOIN kernel_op o ON o.kernel = k.id),
said AS MATERIALIZED (
  SELECT d.*, CASE WHEN d.kind = 'combo' THEN d.a IN (SELECT name FROM own) ELSE d.a IN (SELECT word FROM node) END AS a_here,
    CASE WHEN d.kind = 'combo' THEN d.b IN (SELECT name FROM own) ELSE d.b IN (SELECT word FROM node) END AS b_here
  FROM it JOIN fusion_decision d ON d.compile = it.compile AND d.phase IS it.phase
)
SELECT d.kind, (SELECT text FROM string WHERE id = d.a) AS a, (SELECT text FROM string WHERE id = d.b) AS b, d.fused, d.reason, d.detail,
  d.bytes_saved, d.score, d.a_ns, d.b_ns, d.together_ns, d.apart_ns, d.a_here, d.b_here,
  CASE WHEN d.a_here AND (d.b_here OR d.b IS NULL) THEN NULL
    WHEN d.kind = 'combo' THEN (SELECT k.id FROM it JOIN kernel k ON k.compile = it.compile AND k.phase IS it.phase
      AND k.name = CASE WHEN d.a_here THEN d.b ELSE d.a END ORDER BY k.id LIMIT 1)
    ELSE (SELECT k.id FROM it JOIN kernel k ON k.compile = it.compile AND k.phase IS it.phase JOIN kernel_op o ON o.kernel = k.id
      WHERE o.node = CASE WHEN d.a_here THEN d.b ELSE d.a END ORDER BY k.id LIMIT 1) END AS other, d.id
FROM said d
WHERE d.a_here OR d.b_here OR d.kernel IN (SELECT id FROM own WHERE id <> (SELECT coalesce(combo, 0) FROM it))
ORDER BY d.fused, d.bytes_saved IS NULL, d.bytes_saved DESC, d.score DESC, d.id;
