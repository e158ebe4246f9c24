-- collective_parity: Compiles whose generated code calls other collectives than scheduled, or waits too little.
-- :run  name of a run; all runs when not given
-- :all  1: also the compiles where nothing differs
WITH scheduled AS (
  SELECT compile, rank, compile_id, run, log, op FROM collectives
  WHERE compile IS NOT NULL AND (:run IS NULL OR run = :run)
), code AS (
  SELECT id, compile, artifact_text(id) AS text FROM artifact
  WHERE key IN (SELECT id FROM string WHERE text = 'inductor_output_code' AND length(text) <= 48)
    AND compile IN (SELECT compile FROM scheduled)
), lines AS (
  SELECT c.compile, j.value AS text
  FROM code c, json_each('[' || replace(replace(json_quote(c.text), '\\', '\u005c'), '\n', '","') || ']') j
  WHERE instr(j.value, 'c10d_functional.') > 0 AND ltrim(j.value) NOT LIKE '#%'
), calls(compile, rest, name) AS (
  SELECT compile, substr(text, instr(text, 'c10d_functional.') + 16), NULL FROM lines
  UNION ALL
  SELECT compile, substr(rest, instr(rest, 'c10d_functional.') + 16), NULL
  FROM calls WHERE instr(rest, 'c10d_functional.') > 0
), called AS (
  SELECT compile, substr(rest, 1, instr(rest, '.default(') - 1) AS name FROM calls
  WHERE instr(rest, '.default(') BETWEEN 2 AND 64
), both(compile, op, n) AS (
  SELECT compile, name, 1 FROM called
  UNION ALL
  SELECT compile, replace(substr(op, instr(op, 'c10d_functional.') + 16), '.default', ''), -1 FROM scheduled
), kinds AS (
  SELECT compile, n, CASE
    WHEN op LIKE 'wait%' THEN 'wait'
    WHEN op LIKE 'all_reduce%' THEN 'all_reduce' WHEN op LIKE 'reduce_scatter%' THEN 'reduce_scatter'
    WHEN op LIKE 'all_gather%' THEN 'all_gather' WHEN op LIKE 'broadcast%' THEN 'broadcast'
    WHEN op LIKE 'all_to_all%' THEN 'all_to_all' WHEN op LIKE 'reduce%' THEN 'reduce' END AS kind
  FROM both
), offsets AS (
  SELECT compile, kind, abs(sum(n)) AS offset FROM kinds
  WHERE kind IS NOT NULL AND kind <> 'wait'
  GROUP BY compile, kind
), graphs AS (
  SELECT compile, max(rank) AS rank, max(compile_id) AS compile_id, max(run) AS run, max(log) AS log,
    (SELECT count(*) FROM kinds k WHERE k.compile = s.compile AND k.n < 0 AND k.kind <> 'wait') AS scheduled,
    (SELECT count(*) FROM kinds k WHERE k.compile = s.compile AND k.n > 0 AND k.kind <> 'wait') AS called,
    (SELECT count(*) FROM kinds k WHERE k.compile = s.compile AND k.n > 0 AND k.kind = 'wait') AS waits,
    (SELECT sum(offset) FROM offsets o WHERE o.compile = s.compile) AS offset
  FROM scheduled s
  GROUP BY compile
)
SELECT run, rank, compile_id, scheduled, called, waits, coalesce(offset, 0) AS offset,
  max(called - waits, 0) AS missing_waits, log, compile
FROM graphs
WHERE :all = 1 OR offset <> 0 OR called > waits
ORDER BY run, rank, compile;
