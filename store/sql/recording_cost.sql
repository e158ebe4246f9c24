-- recording_cost: What recording and importing cost.
SELECT origin AS place, kind AS what, sum(count) AS times, sum(cost_ns) AS cost_ns, sum(cost_ns) AS bar
FROM overhead
GROUP BY origin, kind
UNION ALL
SELECT 'program', 'writing TORCH_TRACE, as PyTorch measured it', count(*), CAST(1e9 * sum(v.value) AS INTEGER),
  CAST(1e9 * sum(v.value) AS INTEGER)
FROM metric_record m
JOIN compile_metric v ON v.record = m.id
WHERE v.name IN (SELECT id FROM string WHERE text = 'structured_logging_overhead_s') AND v.type IN (2, 3)
HAVING count(*) > 0
ORDER BY cost_ns DESC;
