-- decisions_by_reason: Decisions of fusing and combining by verdict and reason, with the bytes that they save or would.
-- :compile_id  as compiles shows it; all compiles when not given
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; all runs when not given
SELECT d.kind, d.fused, d.reason, count(*) AS decisions, cast(sum(1.0 * d.bytes_saved) AS INTEGER) AS bytes_saved, count(DISTINCT d.compile) AS compiles, min(d.detail) AS detail
FROM fusion_decision d
JOIN compile c ON c.id = d.compile
JOIN source_file f ON f.id = c.source
WHERE (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  AND (:compile_id IS NULL OR d.compile = (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1))
GROUP BY d.kind, d.fused, d.reason
ORDER BY d.kind DESC, d.fused DESC, decisions DESC, d.reason;
