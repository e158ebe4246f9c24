-- decisions_by_reason: Decisions of fusing and combining by verdict and reason, with the bytes that they save or would.
-- :compile_id  as compiles shows it; all compiles when not given
-- :occurrence  of the id in its log; any when not given
-- :log         base name of the log; any when not given
-- :run         name of a run; all runs when not given
SELECT d.kind, d.fused, d.reason, count(*) AS decisions, sum(d.bytes_saved) AS bytes_saved, count(DISTINCT d.compile) AS compiles, min(d.detail) AS detail
FROM fusion_decision d
JOIN compile c ON c.id = d.compile
JOIN source_file f ON f.id = c.source
WHERE (:compile_id IS NULL OR c.compile_id = :compile_id) AND (:occurrence IS NULL OR c.occurrence = :occurrence)
  AND (:log IS NULL OR f.name = :log) AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
GROUP BY d.kind, d.fused, d.reason
ORDER BY d.kind DESC, d.fused DESC, decisions DESC, d.reason;
