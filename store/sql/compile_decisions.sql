-- compile_decisions: Decisions of fusing and combining of a compile: refused ones first, by what fusing would have saved.
-- :kind        vertical or combo; both when not given
-- :fused       1 yes, 0 no; both when not given
-- :phase       forward, backward, inference; all when not given
-- :reason      as decisions_by_reason shows it; all when not given
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
WITH it(id) AS MATERIALIZED (
  SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1
), owner(kind, word, phase, kernel) AS MATERIALIZED (
  SELECT 'vertical', o.node, k.phase, min(k.id) FROM it JOIN kernel k ON k.compile = it.id JOIN kernel_op o ON o.kernel = k.id GROUP BY o.node, k.phase
  UNION ALL
  SELECT 'combo', k.name, k.phase, min(k.id) FROM it JOIN kernel k ON k.compile = it.id GROUP BY k.name, k.phase
)
SELECT d.phase, d.kind, (SELECT text FROM string WHERE id = d.a) AS a, (SELECT text FROM string WHERE id = d.b) AS b, d.fused, d.reason, d.detail,
  d.bytes_saved, d.score, d.a_ns, d.b_ns, d.together_ns, d.apart_ns, (SELECT text FROM string WHERE id = k.name) AS kernel_name,
  coalesce(d.kernel, o.kernel) AS kernel, d.id
FROM it
JOIN fusion_decision d ON d.compile = it.id
LEFT JOIN kernel k ON k.id = d.kernel
LEFT JOIN owner o ON o.word = d.a AND o.kind = d.kind AND o.phase IS d.phase
WHERE (:kind IS NULL OR d.kind = :kind) AND (:fused IS NULL OR d.fused = :fused) AND (:phase IS NULL OR d.phase = :phase) AND (:reason IS NULL OR d.reason = :reason)
ORDER BY d.fused, d.bytes_saved IS NULL, d.bytes_saved DESC, d.score DESC, d.id;
