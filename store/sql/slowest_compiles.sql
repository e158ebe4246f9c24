-- slowest_compiles: The compiles that took longest.
-- :limit  how many; 10 when not given
-- :run    name of a run; all runs when not given
SELECT rank, compile_id, occurrence, outcome, function, file, line, total_ns / 1e6 AS total_ms,
  backend_ns / 1e6 AS backend_ms, inductor_ns / 1e6 AS inductor_ms, codegen_ns / 1e6 AS codegen_ms,
  n_ops, n_guards, run, log
FROM compiles
WHERE total_ns IS NOT NULL AND (:run IS NULL OR run = :run)
ORDER BY total_ns DESC
LIMIT coalesce(:limit, 10);
