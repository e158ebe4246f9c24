-- fusion_members: Operators of the kernels that a program launches, in order, with their lane in a combo kernel; a lane once even without operators.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
-- :phase       forward, backward, inference; the first that the compile has when not given
WITH it(id) AS MATERIALIZED (
  SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1
), code(id, phase) AS MATERIALIZED (
  SELECT a.id, CASE WHEN instr(head, '_backward') THEN 'backward' WHEN instr(head, '_forward') THEN 'forward' ELSE 'inference' END
  FROM (SELECT id, substr(artifact_text(id), 1, 120) AS head FROM artifact WHERE id IN (SELECT k.artifact FROM it JOIN kernel k ON k.compile = it.id WHERE k.phase IS NULL)) a
), one(phase) AS MATERIALIZED (
  SELECT coalesce(:phase, (SELECT min(CASE coalesce(k.phase, o.phase) WHEN 'backward' THEN 'z' ELSE coalesce(k.phase, o.phase) END)
    FROM it JOIN kernel k ON k.compile = it.id LEFT JOIN code o ON o.id = k.artifact))
), part(id, launched, at, member, first_block, blocks, reads, writes, name) AS MATERIALIZED (
  SELECT k.id, coalesce(k.combo, k.id), coalesce(l.position, k.position), CASE WHEN k.combo IS NULL THEN NULL ELSE k.member END, k.first_block, k.blocks,
    k.bytes_read, k.bytes_written, k.name
  FROM it JOIN kernel k ON k.compile = it.id LEFT JOIN kernel l ON l.id = k.combo LEFT JOIN code o ON o.id = k.artifact
  WHERE coalesce(k.phase, o.phase) IS (SELECT phase FROM one)
), twice(node, part, kernels) AS MATERIALIZED (
  SELECT o.node, o.part, count(DISTINCT p.launched) FROM part p JOIN kernel_op o ON o.kernel = p.id GROUP BY o.node, o.part HAVING count(DISTINCT p.launched) > 1
)
SELECT p.launched, p.member, (SELECT text FROM string WHERE id = p.name) AS lane, p.first_block, p.blocks, p.reads, p.writes, o.position,
  (SELECT text FROM string WHERE id = o.node) AS node, (SELECT text FROM string WHERE id = o.op) AS op, o.role, o.part, o.recomputed,
  (SELECT text FROM string WHERE id = o.source) AS source,
  CASE WHEN t.node IS NOT NULL THEN (SELECT x.launched FROM part x JOIN kernel_op y ON y.kernel = x.id
    WHERE y.node = o.node AND y.part IS o.part AND x.launched <> p.launched ORDER BY x.at, x.id LIMIT 1) END AS also, p.id AS kernel
FROM part p
LEFT JOIN kernel_op o ON o.kernel = p.id
LEFT JOIN twice t ON t.node = o.node AND t.part IS o.part
WHERE o.kernel IS NOT NULL OR p.member IS NOT NULL
ORDER BY p.at, p.launched, p.member, o.position;
