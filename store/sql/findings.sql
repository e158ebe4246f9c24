-- findings: What needs a look in a run, worst first: one row per thing found by a rule. `back-ticks` mark code.
-- :run  name of a run; all runs when not given
-- Each SELECT below is a rule; columns that are not summed are those of the row with min(id); page is where it is explained, compile the row id of the compile it is about (if one).
WITH log AS (
  SELECT f.id, f.name, f.rank, f.state FROM source_file f WHERE :run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)
), made AS (
  SELECT c.id, c.compile_id, c.occurrence, c.outcome, c.total_ns, c.lost_ns, c.line, c.source,
    coalesce((SELECT text FROM string WHERE id = c.name), '?') AS function, (SELECT text FROM string WHERE id = c.file) AS file
  FROM compile c WHERE c.source IN (SELECT id FROM log)
), total AS (
  SELECT sum(total_ns) AS ns, count(*) AS n FROM made
), failed AS (
  SELECT m.*, x.type, x.reason, coalesce(x.file, m.file) AS at_file, coalesce(x.line, m.line) AS at_line,
    x.reason LIKE '%recompile_limit%' OR x.reason LIKE '%recompile limit%' OR x.reason LIKE '%cache_size_limit%' AS limited,
    CASE WHEN instr(x.reason, char(10)) THEN substr(x.reason, 1, instr(x.reason, char(10)) - 1) ELSE x.reason END AS first_line
  FROM failure x JOIN made m ON m.id = x.compile
), again AS (
  SELECT m.*, (SELECT reason FROM recompile p WHERE p.compile = m.id ORDER BY position LIMIT 1) AS reason
  FROM made m WHERE m.id IN (SELECT compile FROM recompile)
), found(severity, mark, finding, what, file, line, compiles, cost_ns, page, compile) AS (
  -- a function was compiled as often as allowed
  SELECT 3, 'F', 'Recompile limit reached',
    '`' || function || '` was compiled as often as allowed; from here on it runs uncompiled.',
    at_file, at_line, '[' || compile_id || ']', total_ns, 'compile', id
  FROM failed WHERE limited
  UNION ALL
  -- a compile failed
  SELECT 3, 'F', coalesce(max(type), 'Failed'),
    '`' || function || '`' || CASE WHEN count(*) > 1 THEN ' failed ' || count(*) || ' times: ' ELSE ': ' END || coalesce(max(first_line), 'no reason was recorded'),
    at_file, at_line, group_concat('[' || compile_id || ']', ' '), sum(total_ns), CASE count(*) WHEN 1 THEN 'compile' ELSE 'failures' END, min(id)
  FROM failed WHERE NOT limited GROUP BY function, type, at_file, at_line
  UNION ALL
  -- ranks would wait for each other
  SELECT 3, 'D', 'Ranks differ in their collectives',
    count(DISTINCT ops) || ' different orders among ' || count(*) || ' ranks: this can hang or time out.',
    NULL, NULL, NULL, NULL, 'sql?named=collective_divergence', NULL
  FROM (SELECT k.rank, group_concat(k.op) AS ops FROM
      (SELECT l.rank, (SELECT text FROM string WHERE id = o.op) AS op FROM collective o JOIN artifact a ON a.id = o.artifact
        JOIN log l ON l.id = a.source WHERE l.rank IS NOT NULL ORDER BY l.rank, o.artifact, o.position) k GROUP BY k.rank)
  HAVING count(DISTINCT ops) > 1
  UNION ALL
  SELECT 3, 'D', 'Ranks compiled different things',
    count(*) || ' compile ids are missing on some ranks.', NULL, NULL, group_concat('[' || compile_id || ']', ' '), NULL,
    'sql?named=compile_id_divergence', NULL
  FROM (SELECT m.compile_id FROM made m JOIN log l ON l.id = m.source WHERE l.rank IS NOT NULL GROUP BY m.compile_id
    HAVING count(DISTINCT l.rank) < (SELECT count(DISTINCT rank) FROM log))
  HAVING count(*) > 0
  UNION ALL
  -- a log that did not end
  SELECT 2, 'T', 'A log that was not read to its end', '`' || name || '` is ' || coalesce(state, 'of unknown state') || '.',
    NULL, NULL, NULL, NULL, 'health', NULL
  FROM log WHERE state IS NOT 'complete'
  UNION ALL
  SELECT 2, 'L', 'Lost while reading: ' || kind, count || CASE count WHEN 1 THEN ' time' ELSE ' times' END || ', for instance: ' || message,
    NULL, NULL, NULL, NULL, 'health', NULL
  FROM (SELECT o.kind, sum(o.count) AS count, min(o.message) AS message FROM loss o WHERE o.source IN (SELECT id FROM log) GROUP BY o.kind)
  UNION ALL
  -- breaks, by place
  SELECT 2, 'B', 'Graph break', min(b.reason) || CASE WHEN count(*) > 1 THEN ' (' || count(*) || ' times)' ELSE '' END,
    b.file, b.line, group_concat('[' || m.compile_id || ']', ' '), sum(m.lost_ns), 'breaks', min(m.id)
  FROM graph_break b JOIN made m ON m.id = b.compile GROUP BY b.file, b.line
  UNION ALL
  -- recompiles, by function
  SELECT 2, 'R', CASE count(*) WHEN 1 THEN 'A recompile' ELSE count(*) || ' recompiles' END,
    '`' || function || '` again, because `' || CASE WHEN instr(reason, char(10)) THEN substr(reason, 1, instr(reason, char(10)) - 1) ELSE reason END || '`',
    file, line, group_concat('[' || compile_id || ']', ' '), sum(total_ns), 'recompiles', min(id)
  FROM again a GROUP BY function, file, line
  UNION ALL
  -- work that was thrown away
  SELECT 2, 'R', 'Time lost to restarts', count(*) || ' compiles were begun again; what they had done before was thrown away.',
    NULL, NULL, group_concat('[' || compile_id || ']', ' '), sum(lost_ns), 'failures', NULL
  FROM made, total WHERE lost_ns > 0 HAVING sum(lost_ns) > 0.05 * max(total.ns)
  UNION ALL
  -- one compile is most of the time
  SELECT 1, 'S', 'One compile takes ' || cast(round(100.0 * m.total_ns / total.ns) AS INTEGER) || ' % of the time',
    '`' || m.function || '` is most of what this run spent on compiling.', m.file, m.line, '[' || m.compile_id || ']', m.total_ns, 'compile', m.id
  FROM made m, total WHERE total.n > 2 AND m.total_ns > 0.5 * total.ns AND m.total_ns > 500000000
  UNION ALL
  SELECT 1, 'E', 'Nothing to compile', count(*) || CASE count(*) WHEN 1 THEN ' compile has an empty graph' ELSE ' compiles have an empty graph' END || ': tracing it cost time and gave nothing.',
    NULL, NULL, group_concat('[' || compile_id || ']', ' '), sum(total_ns), 'compiles?outcome=empty', NULL
  FROM made WHERE outcome = 'empty' HAVING count(*) > 0
  UNION ALL
  SELECT 1, 'C', 'Cache bypassed: ' || e.cache, coalesce(max(e.reason), 'no reason was recorded') || CASE WHEN count(*) > 1 THEN ' (' || count(*) || ' times)' ELSE '' END,
    NULL, NULL, group_concat('[' || m.compile_id || ']', ' '), NULL, 'compile', min(m.id)
  FROM cache_event e LEFT JOIN made m ON m.id = e.compile
  WHERE e.outcome = 'bypass' AND e.source IN (SELECT id FROM log) GROUP BY e.cache
  UNION ALL
  SELECT 2, 'X', 'Export: ' || replace(x.kind, '_', ' '), coalesce(x.op || ': ', '') || coalesce(x.reason, ''), NULL, NULL, NULL, NULL, 'sql?named=export_findings', NULL
  FROM export_finding x WHERE x.source IN (SELECT id FROM log)
  UNION ALL
  SELECT 1, 'U', 'Outcome not known', count(*) || CASE count(*) WHEN 1 THEN ' compile has' ELSE ' compiles have' END || ' no metrics: the program ended, or the log does, before they were done.',
    NULL, NULL, group_concat('[' || compile_id || ']', ' '), NULL, 'compiles?outcome=unknown', NULL
  FROM made WHERE outcome = 'unknown' HAVING count(*) > 0
)
SELECT f.severity, f.mark, f.finding, f.what, f.file, f.line, f.compiles, f.cost_ns, f.page, c.compile_id, c.occurrence,
  (SELECT name FROM source_file WHERE id = c.source) AS log
FROM found f LEFT JOIN compile c ON c.id = f.compile
ORDER BY f.severity DESC, f.cost_ns DESC, f.finding, f.what;
