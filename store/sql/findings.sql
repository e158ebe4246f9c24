-- findings: What needs a look in a run, worst first: one row per thing found by a rule. `back-ticks` mark code.
-- :run  name of a run; all runs when not given
-- Each SELECT below is a rule; columns that are not summed are those of the row with min(id). `page` is where it is
-- explained, `compile` the row id of the compile it is about (if one).
WITH log AS (
  SELECT f.id, f.name, f.rank, f.state FROM source_file f WHERE :run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)
), made AS NOT MATERIALIZED (
  SELECT c.* FROM compile c WHERE c.source IN (SELECT id FROM log)
), total AS (
  SELECT sum(total_ns) AS ns, count(*) AS n FROM made
), failed AS (
  SELECT m.id, m.name, m.file AS of_file, m.line AS of_line, m.compile_id, m.total_ns, x.type, x.file, x.line,
    x.reason LIKE '%recompile%limit%' OR x.reason LIKE '%cache_size_limit%' AS limited,
    CASE WHEN NOT instr(x.reason, char(10)) THEN x.reason
      WHEN substr(x.reason, instr(x.reason, char(10)) - 1, 1) = ':' THEN replace(substr(x.reason, 1, 200), char(10), ' ')
      ELSE substr(x.reason, 1, instr(x.reason, char(10)) - 1) END AS reason
  FROM failure x JOIN made m ON m.id = x.compile
), found(severity, mark, finding, what, name, file, line, compiles, cost_ns, page, compile) AS (
  -- A function was compiled as often as allowed. name: -> string; its text stands before `what`.
  SELECT 3, 'F', 'Recompile limit reached', ' was compiled as often as allowed; from here on it runs uncompiled.', name,
    coalesce(file, (SELECT text FROM string WHERE id = of_file)), coalesce(line, of_line), group_concat('[' || compile_id || ']', ' '),
    sum(total_ns), CASE count(*) WHEN 1 THEN 'compile' ELSE 'recompiles' END, min(id)
  FROM failed WHERE limited GROUP BY name, of_file, of_line
  UNION ALL
  -- A compile failed.
  SELECT 3, 'F', coalesce(type, 'Failed'),
    CASE WHEN count(*) > 1 THEN ' failed ' || count(*) || ' times: ' ELSE ': ' END || coalesce(reason, 'no reason was recorded'), name,
    coalesce(file, (SELECT text FROM string WHERE id = of_file)), coalesce(line, of_line), group_concat('[' || compile_id || ']', ' '),
    sum(total_ns), CASE count(*) WHEN 1 THEN 'compile' ELSE 'failures' END, min(id)
  FROM failed WHERE NOT limited GROUP BY name, type, file, line
  UNION ALL
  -- A value that is not finite; the first says where it comes from.
  SELECT 3, 'N', 'NaN or infinity', 'first seen in call ' || c.position || ', `' || (SELECT text FROM string WHERE id = e.name) || '`.',
    NULL, NULL, NULL, NULL, NULL, 'nonfinite', NULL
  FROM (SELECT u.event FROM tensor_use u CROSS JOIN call c ON c.event = u.event WHERE (u.nans > 0 OR u.infs > 0 OR (u.hash_kind = 1 AND (u.digest & 0x7ff0000000000000) = 0x7ff0000000000000))
    AND c.source IN (SELECT id FROM log) ORDER BY u.event LIMIT 1) x
  JOIN event e ON e.id = x.event JOIN call c ON c.event = x.event
  UNION ALL
  -- Ranks would wait for each other.
  SELECT 3, 'D', 'Ranks differ in their collectives', count(DISTINCT ops) || ' different orders among ' || count(*) || ' ranks: this can hang or time out.',
    NULL, NULL, NULL, NULL, NULL, 'sql?named=collective_divergence', NULL
  FROM (SELECT k.rank, group_concat(k.op) AS ops FROM
      (SELECT l.rank, o.op FROM collective o JOIN artifact a ON a.id = o.artifact
        JOIN log l ON l.id = a.source WHERE l.rank IS NOT NULL ORDER BY l.rank, o.artifact, o.position) k GROUP BY k.rank)
  HAVING count(DISTINCT ops) > 1
  UNION ALL
  SELECT 3, 'D', 'Ranks compiled different things', count(*) || ' compile ids are missing on some ranks.', NULL, NULL, NULL,
    group_concat('[' || compile_id || ']', ' '), NULL, 'sql?named=compile_id_divergence', NULL
  FROM (SELECT m.compile_id FROM made m JOIN log l ON l.id = m.source WHERE l.rank IS NOT NULL GROUP BY m.compile_id
    HAVING count(DISTINCT l.rank) < (SELECT count(DISTINCT rank) FROM log))
  HAVING count(*) > 0
  UNION ALL
  -- What was not read, or not as it was written.
  SELECT 2, 'T', 'A log that was not read to its end', '`' || name || '` is ' || CASE state WHEN 'reading' THEN 'still being read.'
      WHEN 'interrupted' THEN 'cut short: the reading was interrupted.' ELSE 'of unknown state.' END,
    NULL, NULL, NULL, NULL, NULL, 'health', NULL
  FROM log WHERE state IS NOT 'complete'
  UNION ALL
  SELECT 2, 'L', 'Lost while reading: ' || o.kind, sum(o.count) || CASE sum(o.count) WHEN 1 THEN ' time' ELSE ' times' END || ', for instance: ' || min(o.message),
    NULL, NULL, NULL, NULL, NULL, 'health', NULL
  FROM loss o WHERE o.source IN (SELECT id FROM log) GROUP BY o.kind
  UNION ALL
  -- Breaks, by place.
  SELECT 2, 'B', 'Graph break', b.reason || CASE WHEN count(*) > 1 THEN ' (' || count(*) || ' times)' ELSE '' END,
    NULL, b.file, b.line, group_concat('[' || m.compile_id || ']', ' '), sum(m.lost_ns), 'breaks', min(m.id)
  FROM graph_break b JOIN made m ON m.id = b.compile GROUP BY b.file, b.line
  UNION ALL
  -- Recompiles, by function.
  SELECT 2, 'R', CASE count(*) WHEN 1 THEN 'A recompile' ELSE count(*) || ' recompiles' END,
    ' again, because `' || CASE WHEN instr(p.reason, char(10)) THEN substr(p.reason, 1, instr(p.reason, char(10)) - 1) ELSE p.reason END || '`',
    m.name, (SELECT text FROM string WHERE id = m.file), m.line, group_concat('[' || m.compile_id || ']', ' '), sum(m.total_ns), 'recompiles', min(m.id)
  FROM recompile p JOIN made m ON m.id = p.compile WHERE p.position = 0 GROUP BY m.name, m.file, m.line
  UNION ALL
  -- Work that was thrown away.
  SELECT 2, 'R', 'Time lost to restarts', count(*) || CASE count(*) WHEN 1 THEN ' compile was' ELSE ' compiles were' END
      || ' begun again; what had been done before was thrown away.',
    NULL, NULL, NULL, group_concat('[' || compile_id || ']', ' '), sum(lost_ns), 'compiles?outcome=restarted', NULL
  FROM made WHERE lost_ns > 0 AND attempts > 1 HAVING sum(lost_ns) > 0.05 * (SELECT ns FROM total)
  UNION ALL
  SELECT 2, 'X', 'Export: ' || replace(x.kind, '_', ' '), coalesce(x.op || ': ', '') || coalesce(x.reason, '') || CASE WHEN count(*) > 1 THEN ' (' || count(*) || ' times)' ELSE '' END,
    NULL, NULL, NULL, NULL, NULL, 'exports', NULL
  FROM export_finding x WHERE x.source IN (SELECT id FROM log) GROUP BY x.kind, x.op, x.reason
  UNION ALL
  -- One compile is most of the time.
  SELECT 1, 'S', 'One compile takes ' || cast(round(100.0 * m.total_ns / t.ns) AS INTEGER) || ' % of the time', ' is most of what this run spent on compiling.',
    m.name, (SELECT text FROM string WHERE id = m.file), m.line, '[' || m.compile_id || ']', m.total_ns, 'compile', m.id
  FROM total t JOIN made m ON m.total_ns > 0.5 * t.ns WHERE t.n > 2 AND m.total_ns > 500000000
  UNION ALL
  -- Tracing that gave nothing.
  SELECT 1, 'E', 'Nothing to compile', count(*) || CASE count(*) WHEN 1 THEN ' compile has an empty graph' ELSE ' compiles have an empty graph' END || ': tracing it cost time and gave nothing.',
    NULL, NULL, NULL, group_concat('[' || compile_id || ']', ' '), sum(total_ns), 'compiles?outcome=empty', NULL
  FROM made WHERE outcome = 'empty' HAVING count(*) > 0
  UNION ALL
  SELECT 1, 'C', 'Cache bypassed: ' || e.cache, coalesce(max(e.reason), 'no reason was recorded') || CASE WHEN count(*) > 1 THEN ' (' || count(*) || ' times)' ELSE '' END,
    NULL, NULL, NULL, replace(group_concat(DISTINCT '[' || c.compile_id || ']'), ',', ' '), NULL, CASE count(e.compile) WHEN 0 THEN 'caches' ELSE 'compile' END, min(c.id)
  FROM cache_event e LEFT JOIN compile c ON c.id = e.compile
  WHERE e.outcome = 'bypass' AND e.source IN (SELECT id FROM log) GROUP BY e.cache
  UNION ALL
  SELECT 1, 'U', 'Outcome not known', count(*) || CASE count(*) WHEN 1 THEN ' compile has' ELSE ' compiles have' END || ' no metrics: the program ended, or the log does, before they were done.',
    NULL, NULL, NULL, group_concat('[' || compile_id || ']', ' '), NULL, 'compiles?outcome=unknown', NULL
  FROM made WHERE outcome = 'unknown' HAVING count(*) > 0
)
SELECT f.severity, f.mark, f.finding,
  CASE WHEN f.what GLOB '[ :]*' THEN '`' || coalesce((SELECT text FROM string WHERE id = f.name), '?') || '`' ELSE '' END || f.what AS what,
  f.file, f.line, f.compiles, f.cost_ns, f.page, c.compile_id, c.occurrence, (SELECT name FROM source_file WHERE id = c.source) AS log
FROM found f LEFT JOIN compile c ON c.id = f.compile
ORDER BY f.severity DESC, f.cost_ns DESC, f.finding, f.what;
