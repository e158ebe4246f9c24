-- coverage: What the file holds of each kind of fact, and how to record what it lacks.
SELECT 'Compiles' AS what, 'TORCH_TRACE' AS source, (SELECT count(*) FROM compile) AS rows,
  'set TORCH_TRACE, or run the program under `plumb record`' AS how
UNION ALL SELECT 'Metrics of compiles', 'TORCH_TRACE', (SELECT count(*) FROM metric_record), 'written when a compile ends'
UNION ALL SELECT 'Texts (graphs, code, guards)', 'TORCH_TRACE', (SELECT count(*) FROM artifact), 'written by each compile'
UNION ALL SELECT 'Nodes of graphs', 'texts of graphs', (SELECT count(*) FROM graph), 'a compile without operators has none'
UNION ALL SELECT 'Guards', 'guard trees', (SELECT coalesce(max(id), 0) FROM guard), 'written when a compile succeeds'
UNION ALL SELECT 'Symbols', 'create_symbol', (SELECT count(*) FROM symbol), 'only with dynamic shapes'
UNION ALL SELECT 'Tensors described', 'describe_tensor', (SELECT count(*) FROM tensor_desc), 'written for the inputs of a compile'
UNION ALL SELECT 'Spans of compiles', 'chromium_event', (SELECT coalesce(max(id), 0) FROM event)
  - (SELECT coalesce(sum(calls), 0) FROM call_log), 'PyTorch 2.5 or newer'
UNION ALL SELECT 'Calls of operators', 'DebugMode', (SELECT coalesce(sum(calls), 0) FROM call_log), '`plumb record --debug-mode -- ...`, or import DebugMode''s own log'
UNION ALL SELECT 'Launches', 'the runtime', (SELECT count(*) FROM event WHERE launch IS NOT NULL), '`plumb run`'
UNION ALL SELECT 'Values over time', 'the runtime', (SELECT count(*) FROM counter), '`plumb run`'
UNION ALL SELECT 'Kernels', 'generated code', (SELECT count(*) FROM kernel), 'only with the backend inductor'
UNION ALL SELECT 'Lines that belong together', 'provenance tracking', (SELECT count(*) FROM provenance_map),
  'set TORCH_COMPILE_DEBUG=1 or INDUCTOR_PROVENANCE=1'
UNION ALL SELECT 'Caches', 'cache artifacts', (SELECT count(*) FROM cache_event), 'only with the caches of inductor'
UNION ALL SELECT 'Collectives', 'inductor_collective_schedule', (SELECT count(*) FROM collective), 'only in jobs of several ranks'
UNION ALL SELECT 'Findings of exports', 'torch.export', (SELECT count(*) FROM export_finding), 'only in runs that export';
