-- compile: One compile: what it is, how it ended, what came before and after it.
-- :compile_id  needed: as compiles shows it, 0/1
-- :occurrence  of the id in its log; 1 when not given
-- :log         base name of the log; the first that has the id when not given
-- :run         name of a run; any when not given
WITH it AS (SELECT * FROM compile WHERE id = (SELECT c.id FROM source_file f JOIN compile c ON c.source = f.id
  WHERE c.compile_id = :compile_id AND c.occurrence = coalesce(:occurrence, 1) AND (:log IS NULL OR f.name = :log)
    AND (:run IS NULL OR f.run = (SELECT id FROM run WHERE name = :run))
  ORDER BY f.id LIMIT 1))
SELECT it.compile_id, it.occurrence, it.attempts, it.outcome, (SELECT text FROM string WHERE id = it.name) AS function,
  (SELECT text FROM string WHERE id = it.file) AS file, it.line, it.stack, it.start_ts, it.end_ts, it.total_ns,
  it.backend_ns, it.inductor_ns, it.codegen_ns, it.lost_ns, it.n_ops, it.n_nodes, it.n_inputs, it.n_guards, it.frame_id,
  f.rank, f.name AS log, r.name AS run,
  (SELECT count(*) FROM recompile p WHERE p.compile = it.id) AS recompile_reasons,
  (SELECT previous FROM recompile p WHERE p.compile = it.id ORDER BY position LIMIT 1) AS previous,
  (SELECT reason FROM recompile p WHERE p.compile = it.id ORDER BY position LIMIT 1) AS recompile_reason,
  (SELECT count(*) FROM kernel k WHERE k.compile = it.id AND k.combo IS NULL) AS kernels,
  (SELECT count(*) FROM guard g WHERE g.compile = it.id) AS guard_leaves,
  (SELECT count(*) FROM graph g JOIN node d ON d.id BETWEEN g.first_node AND g.first_node + g.n_nodes - 1 WHERE d.op BETWEEN 3 AND 5
    AND g.compile = it.id AND g.name IN (SELECT id FROM string WHERE text = 'inductor_post_grad_graph' AND length(text) <= 48))
    AS lowered_nodes,
  (SELECT count(DISTINCT c.id) FROM compile c WHERE c.source = it.source AND c.frame_id IS it.frame_id) AS versions,
  b.compile_id AS before_id, b.occurrence AS before_occurrence, n.compile_id AS next_id, n.occurrence AS next_occurrence,
  (SELECT a.offset FROM artifact a WHERE a.compile = it.id AND a.key = (SELECT id FROM string WHERE text = 'inductor_output_code' AND length(text) <= 48)
    ORDER BY a.id DESC LIMIT 1) AS code_offset,
  it.id AS compile
FROM it JOIN source_file f ON f.id = it.source LEFT JOIN run r ON r.id = f.run
LEFT JOIN compile b ON b.id = (SELECT max(c.id) FROM compile c WHERE c.source = it.source AND c.id < it.id)
LEFT JOIN compile n ON n.id = (SELECT min(c.id) FROM compile c WHERE c.source = it.source AND c.id > it.id);
