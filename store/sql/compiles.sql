-- compiles: Every compile with its outcome, times and why its graph ends.
-- :run      name of a run; all runs when not given
-- :outcome  ok, empty, restarted, failed, unknown; all when not given
-- :rank     rank; all when not given
SELECT c.compile_id, c.outcome, c.function, c.file, c.line, c.attempts, c.n_ops, c.n_guards, c.lost_ns, c.backend_ns,
  c.total_ns,
  coalesce((SELECT reason FROM failure f WHERE f.compile = c.compile LIMIT 1),
    (SELECT reason FROM graph_break b WHERE b.compile = c.compile ORDER BY b.id LIMIT 1)) AS reason,
  coalesce((SELECT line FROM failure f WHERE f.compile = c.compile LIMIT 1),
    (SELECT line FROM graph_break b WHERE b.compile = c.compile ORDER BY b.id LIMIT 1)) AS reason_line,
  c.rank, c.occurrence, c.start_ts, c.run, c.log, c.compile
FROM compiles c
WHERE (:run IS NULL OR c.run = :run) AND (:outcome IS NULL OR c.outcome = :outcome)
  AND (:rank IS NULL OR c.rank = :rank)
ORDER BY c.start_ts IS NULL, c.start_ts, c.compile;
