-- fusion_phases: Programs of a run that have kernels: compiles and their phases, with how many are launched.
-- :run  name of a run; all runs when not given
WITH code(id, phase) AS MATERIALIZED (
  SELECT a.id, CASE WHEN instr(head, '_backward') THEN 'backward' WHEN instr(head, '_forward') THEN 'forward' ELSE 'inference' END
  FROM (SELECT id, substr(artifact_text(id), 1, 120) AS head FROM artifact WHERE id IN (SELECT artifact FROM kernel WHERE phase IS NULL)) a
)
SELECT c.compile_id, c.occurrence, f.name AS log, f.rank, coalesce(k.phase, o.phase) AS phase, count(*) AS kernels,
  (SELECT text FROM string WHERE id = c.name) AS function, c.id AS compile
FROM source_file f
JOIN compile c ON c.source = f.id
JOIN kernel k ON k.compile = c.id AND k.combo IS NULL
LEFT JOIN code o ON o.id = k.artifact
WHERE :run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run)
GROUP BY c.id, coalesce(k.phase, o.phase)
ORDER BY c.id, coalesce(k.phase, o.phase) = 'backward', phase;
