-- plumb's trace format, version 0.1
--
-- A trace is one SQLite file: `application_id` is 0x706c6d62 ("plmb"), `user_version` is
-- major*1000+minor. Until 1.0 a reader refuses any other version than its own and says what to do.
-- Times are signed 64-bit nanoseconds of CLOCK_REALTIME (UTC). Ids are local to the file, begin
-- at 1 and are never an operating system's ids. A column marked "-> table" holds the id of a row
-- there or NULL. Text that repeats lives once in `string`; long text lives in the compressed streams of
-- `text_frame`, of which an `artifact` is a byte range. No foreign keys, no triggers, no JSON in hot tables.
--
-- This file is read by the program that generates the typed appends (one struct and one function
-- per table), the documentation of the format, and by SQLite itself. One column stands on one line.

-- @recorded
-- What was written while recording or importing. Never dropped, never rewritten.

-- ## Identity

-- One fact about the file per row: `format` (always "plumb trace"), `plumb_version`, `state` (live, closed,
-- recovered, packed), `created_ts`, `import_command`; in a packed file `cut.<what>` rows name what was left out,
-- `redacted` is 1 where words were replaced by tokens.
CREATE TABLE meta (
  key TEXT PRIMARY KEY,             -- name of the fact
  value TEXT                        -- its value as text
) WITHOUT ROWID;

-- One recorded program run, or one folder of logs. Several ranks of one job are one run.
CREATE TABLE run (
  id INTEGER PRIMARY KEY,           -- local id; a later row of the same id replaces it
  name TEXT,                        -- folder or command it is known by; unique in the file
  command TEXT,                     -- command line as one shell-quoted text, NULL when not recorded
  cwd TEXT,                         -- folder it ran in
  start_ts INTEGER,                 -- ns, first time known
  end_ts INTEGER,                   -- ns, last time known
  ended TEXT,                       -- 'exit', 'signal', 'interrupted' (recorder was stopped first), or NULL: not known
  exit_code INTEGER,                -- exit status or signal number, NULL when not known
  torch_version TEXT,               -- from the torch_version record or the metrics
  torch_commit TEXT,                -- git commit of that PyTorch
  python_version TEXT,              -- sys.version as recorded in the metrics
  cuda_version TEXT,                -- from the metrics
  triton_version TEXT,              -- from the metrics
  seed INTEGER,                     -- random seed, NULL when not recorded
  determinism TEXT,                 -- 'off', 'run', 'exact'; NULL when not recorded
  world INTEGER                     -- number of ranks seen or declared
);

-- Environment of a run: only keys of an allow-list (TORCH*, CUDA*, OMP_*, RANK, WORLD_SIZE, ...).
CREATE TABLE run_env (
  run INTEGER,                      -- -> run
  key TEXT,                         -- name of the variable
  value TEXT                        -- its value
);

-- A machine, as far as it is known.
CREATE TABLE host (
  id INTEGER PRIMARY KEY,           -- local id
  name TEXT,                        -- host name
  boot_id TEXT,                     -- kernel's boot id, the key for merging clocks
  kernel TEXT,                      -- uname -sr
  cpu TEXT,                         -- processor model
  n_cpus INTEGER                    -- processors online
);

-- A process that wrote something. An imported log is one process.
CREATE TABLE process (
  id INTEGER PRIMARY KEY,           -- local id (pids repeat, this does not); a later row of the same id replaces it
  run INTEGER,                      -- -> run
  host INTEGER,                     -- -> host
  pid INTEGER,                      -- operating system's id as the log prefix says it, NULL unknown
  rank INTEGER,                     -- rank in the job, NULL when there is none
  world INTEGER,                    -- number of ranks declared, NULL unknown
  start_ts INTEGER,                 -- ns, first record
  end_ts INTEGER                    -- ns, last record
);

-- A lane of a timeline: a thread, a stream, or chromium's (pid, tid) of one log.
CREATE TABLE track (
  id INTEGER PRIMARY KEY,           -- local id
  process INTEGER,                  -- -> process
  kind INTEGER,                     -- 1 chromium lane, 2 thread, 3 stream, 4 counter (capture/events.def)
  name INTEGER,                     -- -> string
  pid INTEGER,                      -- as the source says it
  tid INTEGER                       -- as the source says it
);

-- A pair of clock readings, never thrown away: how the times of a source were set.
CREATE TABLE clock (
  source INTEGER,                   -- -> source_file
  ts INTEGER,                       -- ns, CLOCK_REALTIME
  local_ts INTEGER,                 -- ns, the source's own reading (log prefix read as UTC in the chosen year)
  kind TEXT                         -- 'chromium' (epoch time in a payload beside the prefix), 'file' (date of the file), 'given'
);

-- ## Words

-- Interned text: names, keys, paths. A text may occur twice in very large files.
CREATE TABLE string (
  id INTEGER PRIMARY KEY,           -- local id
  text TEXT                         -- UTF-8; bytes that were not are U+FFFD
);

-- A trie of stack frames, outermost first: walking `parent` goes to the caller. stack_text(id) prints it.
CREATE TABLE stack (
  id INTEGER PRIMARY KEY,           -- local id
  parent INTEGER,                   -- -> stack, NULL at the outermost frame
  file INTEGER,                     -- -> string, path of the source file
  line INTEGER,                     -- 1-based; 0 unknown
  name INTEGER,                     -- -> string, function
  loc INTEGER                       -- -> string, text of the line, NULL when not recorded
);

-- One log or stream of text that was taken in. Its bytes are in text_frame.
CREATE TABLE source_file (
  id INTEGER PRIMARY KEY,           -- local id, also the stream of text_frame; a later row of the same id replaces it
  run INTEGER,                      -- -> run
  process INTEGER,                  -- -> process
  path TEXT,                        -- as given to the import, without the folder that all have in common
  name TEXT,                        -- base name without .gz, what --torch-trace writes
  size INTEGER,                     -- bytes of the (inflated) log
  rank INTEGER,                     -- rank, NULL none
  rank_from TEXT,                   -- 'name' (file name), 'record', NULL
  compressed INTEGER,               -- 1 when it came as gzip
  crlf INTEGER,                     -- 1 when its lines end in CR LF
  year INTEGER,                     -- year added to the prefix's month and day
  year_from TEXT,                   -- 'chromium', or 'file' (guessed from the file's date)
  zone_ns INTEGER,                  -- local time minus UTC, ns; NULL unknown (prefix taken as UTC)
  n_records INTEGER,                -- log records read
  n_payloads INTEGER,               -- payloads read
  state TEXT                        -- 'reading', 'complete', 'interrupted'
);

-- Compressed text, in order. Frame boundaries mean nothing; at most 1 MiB of text each.
CREATE TABLE text_frame (
  stream INTEGER,                   -- -> source_file
  offset INTEGER,                   -- bytes of the stream before this frame
  size INTEGER,                     -- bytes of text in it
  codec INTEGER,                    -- 0 stored, 1 zstd
  data BLOB,                        -- compressed bytes
  PRIMARY KEY (stream, offset)
) WITHOUT ROWID;

-- A text with a meaning of its own: graph, code, guards, configuration. artifact_text(id) gives the content.
CREATE TABLE artifact (
  id INTEGER PRIMARY KEY,           -- local id, in order of the log
  source INTEGER,                   -- -> source_file (the stream that holds it)
  offset INTEGER,                   -- first stored byte of it in the stream
  stored INTEGER,                   -- bytes it takes in the stream
  indented INTEGER,                 -- 1: each line has a leading tab in the stream, and no final newline of its own
  size INTEGER,                     -- bytes of content
  md5 BLOB,                         -- 16 bytes, of the content; equal content has equal md5
  key INTEGER,                      -- -> string, envelope key ('artifact', 'aot_forward_graph', ...)
  name INTEGER,                     -- -> string, its name (for key 'artifact' the name there, else the key)
  encoding INTEGER,                 -- -> string, 'string', 'json', NULL
  compile INTEGER,                  -- -> compile, NULL when it belongs to none
  attempt INTEGER,                  -- attempt of the compile, NULL unknown
  subgraph INTEGER,                 -- -> string, subgraph_name
  file_name INTEGER,                -- -> string, file it was written to (inductor_output_code)
  stack INTEGER,                    -- -> stack, context of a record without compile id
  ts INTEGER,                       -- ns, time of its record
  number INTEGER,                   -- running number of the outputs of its log as tlparse 0.4.3 counts them, NULL not counted
  flags INTEGER                     -- 1 md5 differs from the record's, 2 said to be JSON and is not, 4 has invalid UTF-8
);

-- A link to elsewhere that the program recorded.
CREATE TABLE external_link (
  source INTEGER,                   -- -> source_file
  compile INTEGER,                  -- -> compile
  name TEXT,                        -- text of the link
  url TEXT                          -- address; shown, never followed
);

-- ## What ran

-- Spans and instants. Nesting is stored, never recomputed. Names: `string`; kinds: capture/events.def.
CREATE TABLE event (
  id INTEGER PRIMARY KEY,           -- local id
  ts INTEGER,                       -- ns, begin
  dur INTEGER,                      -- ns; 0 for an instant; NULL when it was never closed
  track INTEGER,                    -- -> track
  kind INTEGER,                     -- 1 span, 2 instant (capture/events.def)
  name INTEGER,                     -- -> string
  parent INTEGER,                   -- -> event that encloses it on its track
  corr INTEGER,                     -- -> compile it belongs to
  flags INTEGER                     -- 1 begin without end, 2 end without begin (ts is the end), 4 closed out of order
);

-- Arguments of events.
CREATE TABLE arg (
  event INTEGER,                    -- -> event
  key INTEGER,                      -- -> string
  type INTEGER,                     -- 0 null, 1 bool, 2 int, 3 real, 4 string, 5 JSON text
  value ANY                         -- number, or for types 4 and 5 the id of a string
);

-- ## What was compiled

-- One row per compile id and occurrence: ids begin again after torch._dynamo.reset(). Attempts are folded in.
CREATE TABLE compile (
  id INTEGER PRIMARY KEY,           -- local id; a later row of the same id replaces it
  source INTEGER,                   -- -> source_file
  compile_id TEXT,                  -- '0/1', '!0', '!0/1/0': no attempt, no brackets
  autograd_id INTEGER,              -- compiled autograd id, NULL none
  frame_id INTEGER,                 -- frame, NULL none
  frame_compile_id INTEGER,         -- n-th compile of the frame, NULL none
  occurrence INTEGER,               -- 1 for the first time this id is used in its log
  attempts INTEGER,                 -- attempts seen (highest attempt + 1)
  outcome TEXT,                     -- ok, empty (no operator in the graph), restarted (ok after a restart), failed, unknown (no metrics)
  name INTEGER,                     -- -> string, function compiled (co_name)
  file INTEGER,                     -- -> string, its file
  line INTEGER,                     -- its first line
  stack INTEGER,                    -- -> stack of dynamo_start, convert_frame suffix removed
  start_ts INTEGER,                 -- ns, first record
  end_ts INTEGER,                   -- ns, last record
  total_ns INTEGER,                 -- entire_frame_compile_time_s, NULL not recorded
  backend_ns INTEGER,               -- backend_compile_time_s
  inductor_ns INTEGER,              -- inductor_compile_time_s
  codegen_ns INTEGER,               -- code_gen_time_s
  lost_ns INTEGER,                  -- dynamo_time_before_restart_s
  n_ops INTEGER,                    -- graph_op_count
  n_nodes INTEGER,                  -- graph_node_count
  n_inputs INTEGER,                 -- graph_input_count
  n_guards INTEGER                  -- guard_count as PyTorch counts
);

-- One record of metrics: compilation_metrics, bwd_compilation_metrics, the runtime ones and so on.
CREATE TABLE metric_record (
  id INTEGER PRIMARY KEY,           -- local id
  source INTEGER,                   -- -> source_file
  compile INTEGER,                  -- -> compile, NULL when the record names none
  key INTEGER,                      -- -> string, envelope key
  attempt INTEGER,                  -- NULL unknown
  ts INTEGER                        -- ns
);

-- Every field of every metrics record, null fields included.
CREATE TABLE compile_metric (
  record INTEGER,                   -- -> metric_record
  name INTEGER,                     -- -> string
  type INTEGER,                     -- as arg.type
  value ANY,                        -- as arg.value
  PRIMARY KEY (record, name)
) WITHOUT ROWID;

-- A recorded reason for compiling a frame again.
CREATE TABLE recompile (
  compile INTEGER,                  -- -> compile that was made
  position INTEGER,                 -- 0-based order in the record
  previous TEXT,                    -- compile id whose guard failed, as the reason says it
  reason TEXT                       -- failed guard, without the id before it
);

-- A recorded break of a graph.
CREATE TABLE graph_break (
  id INTEGER PRIMARY KEY,           -- local id
  source INTEGER,                   -- -> source_file
  compile INTEGER,                  -- -> compile
  attempt INTEGER,                  -- NULL unknown
  reason TEXT,                      -- first line or sentence of the reason
  detail TEXT,                      -- whole text as recorded
  file TEXT,                        -- user's file, NULL unknown
  line INTEGER,                     -- user's line, NULL unknown
  stack INTEGER,                    -- -> stack, NULL unknown
  artifact INTEGER                  -- -> artifact it was recorded in
);

-- A failure that ended a compile (fail_type in its last metrics). Restarts are not failures.
CREATE TABLE failure (
  compile INTEGER,                  -- -> compile
  type TEXT,                        -- fail_type
  reason TEXT,                      -- fail_reason, NULL when absent
  file TEXT,                        -- fail_user_frame_filename
  line INTEGER                      -- fail_user_frame_lineno
);

-- A restart of an attempt, one row per entry of restart_reasons.
CREATE TABLE restart (
  compile INTEGER,                  -- -> compile
  position INTEGER,                 -- 0-based
  reason TEXT                       -- as recorded
);

-- What was asked of a cache.
CREATE TABLE cache_event (
  id INTEGER PRIMARY KEY,           -- local id
  source INTEGER,                   -- -> source_file
  compile INTEGER,                  -- -> compile
  cache TEXT,                       -- 'fx_graph', 'aotautograd', ...
  outcome TEXT,                     -- hit, miss, bypass
  cache_key TEXT,                   -- key, NULL when not recorded
  reason TEXT,                      -- why it was bypassed, NULL
  saved_ns INTEGER,                 -- time saved as recorded, NULL
  artifact INTEGER,                 -- -> artifact
  ts INTEGER                        -- ns
);

-- Components that a cache key was made of, so that two keys can be compared.
CREATE TABLE cache_component (
  cache_event INTEGER,              -- -> cache_event
  position INTEGER,                 -- 0-based
  name INTEGER,                     -- -> string, what was hashed
  digest INTEGER,                   -- -> string, hash of it
  PRIMARY KEY (cache_event, position)
) WITHOUT ROWID;

-- What must hold for a compiled frame to be used, or was assumed about its shapes.
CREATE TABLE guard (
  id INTEGER PRIMARY KEY,           -- local id
  source INTEGER,                   -- -> source_file
  compile INTEGER,                  -- -> compile
  attempt INTEGER,                  -- NULL unknown
  kind INTEGER,                     -- -> string: leaf of the tree (TENSOR_MATCH, ...), or the envelope key guard_added, guard_added_fast, dynamo_guards
  parent INTEGER,                   -- -> string, source the guard manager holds (L['x']), NULL none
  code INTEGER,                     -- -> string, what is checked
  origin INTEGER,                   -- -> string, where it was made (comment of the line), NULL
  result INTEGER,                   -- 1 true, 0 false, NULL not recorded
  stack INTEGER,                    -- -> stack, framework
  user_stack INTEGER,               -- -> stack, user
  artifact INTEGER,                 -- -> artifact that holds the tree, NULL
  line INTEGER                      -- line in that artifact
);

-- Symbols of dynamic shapes.
CREATE TABLE symbol (
  id INTEGER PRIMARY KEY,           -- local id
  source INTEGER,                   -- -> source_file
  compile INTEGER,                  -- -> compile
  kind TEXT,                        -- backed (create_symbol), unbacked (create_unbacked_symbol), specialization
  symbol TEXT,                      -- s77, u0
  value TEXT,                       -- hint when created, or the value it was fixed to
  range TEXT,                       -- value range
  origin TEXT,                      -- sources, comma separated
  reason TEXT,                      -- of a specialization
  node INTEGER,                     -- node_id of an unbacked symbol, NULL
  stack INTEGER,                    -- -> stack
  user_stack INTEGER                -- -> stack
);

-- Nodes of the trees of symbolic expressions (expression_created), for export findings.
CREATE TABLE expression (
  id INTEGER PRIMARY KEY,           -- local id
  source INTEGER,                   -- -> source_file
  node INTEGER,                     -- result_id, unique while the process lives
  method TEXT,                      -- operator
  result TEXT,                      -- printed expression
  stack INTEGER,                    -- -> stack
  user_stack INTEGER                -- -> stack
);

-- Arguments of an expression.
CREATE TABLE expression_arg (
  expression INTEGER,               -- -> expression
  position INTEGER,                 -- 0-based
  node INTEGER,                     -- expression.node of the argument in the same source, NULL for a constant
  text TEXT,                        -- printed argument
  PRIMARY KEY (expression, position)
) WITHOUT ROWID;

-- What an export reported.
CREATE TABLE export_finding (
  id INTEGER PRIMARY KEY,           -- local id
  source INTEGER,                   -- -> source_file
  compile INTEGER,                  -- -> compile
  kind TEXT,                        -- guard_added, propagate_real_tensors, propagate_real_tensors_provenance, guard_on_data_dependent_error, missing_fake_kernel, mismatched_fake_kernel
  op TEXT,                          -- operator concerned, NULL
  reason TEXT,                      -- reason or expression
  result TEXT,                      -- what the expression was evaluated to, NULL
  expression_node INTEGER,          -- expression.node in the same source, NULL
  locals TEXT,                      -- frame_locals as JSON, NULL
  symbol_sources TEXT,              -- symbol_to_sources as JSON, NULL
  stack INTEGER,                    -- -> stack
  user_stack INTEGER                -- -> stack
);

-- Tensors that were described (describe_tensor).
CREATE TABLE tensor_desc (
  id INTEGER PRIMARY KEY,           -- local id
  source INTEGER,                   -- -> source_file
  compile INTEGER,                  -- -> compile
  describer INTEGER,                -- describer_id, NULL in old logs
  tensor INTEGER,                   -- id within the describer
  storage INTEGER,                  -- storage id within the describer, NULL
  ndim INTEGER,                     -- dimensions
  dtype INTEGER,                    -- -> string, torch.float32
  device INTEGER,                   -- -> string, cpu, cuda:0
  size INTEGER,                     -- -> string, JSON list; symbols as text
  stride INTEGER,                   -- -> string, JSON list
  flags INTEGER,                    -- 1 leaf, 2 requires_grad, 4 parameter, 8 view, 16 has dynamic indices
  base INTEGER,                     -- tensor it is a view of, NULL
  rest INTEGER                      -- -> string, remaining fields as JSON, NULL none
);

-- Storages that were described (describe_storage).
CREATE TABLE storage_desc (
  source INTEGER,                   -- -> source_file
  compile INTEGER,                  -- -> compile
  describer INTEGER,                -- describer_id
  storage INTEGER,                  -- id within the describer
  size INTEGER                      -- bytes
);

-- Where in the program a described tensor stands (describe_source).
CREATE TABLE tensor_source (
  source INTEGER,                   -- -> source_file
  compile INTEGER,                  -- -> compile
  describer INTEGER,                -- describer_id
  tensor INTEGER,                   -- id within the describer
  name INTEGER                      -- -> string, L['x']
);

-- A graph in FX text form. Equal texts of one compile share their nodes: `same_as` names the graph that has them.
CREATE TABLE graph (
  id INTEGER PRIMARY KEY,           -- local id
  artifact INTEGER,                 -- -> artifact
  compile INTEGER,                  -- -> compile
  name INTEGER,                     -- -> string, stage (dynamo_output_graph, aot_joint_graph, before_pre_grad_graph, ...)
  module INTEGER,                   -- -> string, class name in the text; several modules in one text give several graphs
  n_nodes INTEGER,                  -- nodes, placeholders and output included
  n_lines INTEGER,                  -- lines that could not be read as a node, comment or frame of the text
  same_as INTEGER                   -- -> graph
);

-- Nodes of graphs in order.
CREATE TABLE node (
  id INTEGER PRIMARY KEY,           -- local id, ascending within a graph
  graph INTEGER,                    -- -> graph
  line INTEGER,                     -- 1-based line in the artifact
  op INTEGER,                       -- 1 placeholder, 2 get_attr, 3 call_function, 4 call_method, 5 call_module, 6 output
  name INTEGER,                     -- -> string
  target INTEGER,                   -- -> string, torch.ops.aten.add.Tensor
  type INTEGER,                     -- -> string, f32[8, 32][32, 1]cpu as written, NULL none
  stack INTEGER                     -- -> stack, from the '# File:' comment above, NULL none
);

-- Data flow: argument number `arg` of node `dst` is node `src`.
CREATE TABLE edge (
  dst INTEGER,                      -- -> node
  arg INTEGER,                      -- 0-based count of node arguments
  src INTEGER,                      -- -> node
  PRIMARY KEY (dst, arg)
) WITHOUT ROWID;

-- Sizes of values that the output graph of Dynamo recorded beside its text.
CREATE TABLE graph_size (
  graph INTEGER,                    -- -> graph
  name INTEGER,                     -- -> string, value
  size INTEGER                      -- -> string, JSON list
);

-- Kernels named in generated code or in triton_kernel_info.
CREATE TABLE kernel (
  id INTEGER PRIMARY KEY,           -- local id
  compile INTEGER,                  -- -> compile
  artifact INTEGER,                 -- -> artifact that names it
  name INTEGER,                     -- -> string
  kind TEXT,                        -- cpp, triton, extern
  line INTEGER,                     -- first line in the artifact, NULL
  info INTEGER                      -- -> string, JSON recorded for it (triton_kernel_info), NULL
);

-- Graph nodes that a kernel computes, in order.
CREATE TABLE kernel_op (
  kernel INTEGER,                   -- -> kernel
  position INTEGER,                 -- 0-based
  node INTEGER,                     -- -> string, name of the post-grad node
  PRIMARY KEY (kernel, position)
) WITHOUT ROWID;

-- A set of line maps between graphs and generated code of one compile.
CREATE TABLE provenance_map (
  id INTEGER PRIMARY KEY,           -- local id
  compile INTEGER,                  -- -> compile
  mapping INTEGER,                  -- -> artifact with the node mappings
  pre INTEGER,                      -- -> artifact, pre-grad graph
  post INTEGER,                     -- -> artifact, post-grad graph
  code INTEGER,                     -- -> artifact, generated Python or C++
  version REAL                      -- version field of the mappings
);

-- Lines that belong together; both directions of each relation are stored.
CREATE TABLE provenance (
  map INTEGER,                      -- -> provenance_map
  relation INTEGER,                 -- 1 preToPost, 2 postToPre, 3 pyCodeToPost, 4 postToPyCode, 5 cppCodeToPost, 6 postToCppCode
  line INTEGER,                     -- 1-based line on the left
  position INTEGER,                 -- order among the linked lines
  to_line INTEGER,                  -- 1-based line on the right
  PRIMARY KEY (map, relation, line, position)
) WITHOUT ROWID;

-- Which source line or stack a kernel came from (inductor_provenance_tracking_kernel_stack_traces).
CREATE TABLE kernel_stack (
  compile INTEGER,                  -- -> compile
  artifact INTEGER,                 -- -> artifact
  kernel INTEGER,                   -- -> string, name with handle
  position INTEGER,                 -- 0-based
  text INTEGER                      -- -> string, stack as recorded
);

-- Collective operations in the order of a compile's schedule.
CREATE TABLE collective (
  compile INTEGER,                  -- -> compile
  artifact INTEGER,                 -- -> artifact
  position INTEGER,                 -- 0-based
  op INTEGER                        -- -> string, torch.ops._c10d_functional.all_reduce_.default
);

-- Estimated run times and outputs (inductor_runtime_and_tensor_meta).
CREATE TABLE op_estimate (
  compile INTEGER,                  -- -> compile
  artifact INTEGER,                 -- -> artifact
  position INTEGER,                 -- 0-based
  name INTEGER,                     -- -> string
  type INTEGER,                     -- -> string, compute, collective
  ns REAL,                          -- estimated run time
  outputs INTEGER                   -- -> string, JSON list of shapes, strides, dtypes
);

-- Order in which compiled graphs were executed (graph_execution*).
CREATE TABLE graph_execution (
  source INTEGER,                   -- -> source_file
  artifact INTEGER,                 -- -> artifact
  position INTEGER,                 -- 0-based
  compile_id TEXT                   -- as recorded
);

-- ## Honesty

-- What was lost or was not as it should be, one row per finding (or per run of equal findings).
CREATE TABLE loss (
  id INTEGER PRIMARY KEY,           -- local id
  source INTEGER,                   -- -> source_file
  kind TEXT,                        -- malformed, json, md5, mixed_rank, guards, schema, truncated, encoding, payload, unknown_key, ... (capture/envelopes.def)
  ts INTEGER,                       -- ns, NULL unknown
  offset INTEGER,                   -- byte in the source, NULL
  line INTEGER,                     -- 1-based line in the source, NULL
  count INTEGER,                    -- findings this row stands for
  bytes INTEGER,                    -- bytes concerned
  message TEXT                      -- one sentence: what, where, what was expected
);

-- Diagnostics about recording itself.
CREATE TABLE diag (
  ts INTEGER,                       -- ns
  severity INTEGER,                 -- 1 note, 2 warning, 3 error
  origin TEXT,                      -- provider or importer
  message TEXT                      -- one sentence
);

-- What recording cost.
CREATE TABLE overhead (
  ts INTEGER,                       -- ns
  origin TEXT,                      -- provider or importer
  kind TEXT,                        -- what was done
  cost_ns INTEGER,                  -- time it took
  count INTEGER                     -- times it was done
);

-- Records with a key that this version does not know. The text stays in the stream; nothing is thrown away.
CREATE TABLE unknown_record (
  id INTEGER PRIMARY KEY,           -- local id
  source INTEGER,                   -- -> source_file
  key INTEGER,                      -- -> string
  compile INTEGER,                  -- -> compile
  offset INTEGER,                   -- first byte of the record in the stream
  stored INTEGER,                   -- bytes of the record with its payload
  artifact INTEGER,                 -- -> artifact of its payload, NULL none
  ts INTEGER                        -- ns
);

-- Records per source and key.
CREATE TABLE envelope_count (
  source INTEGER,                   -- -> source_file
  key TEXT,                         -- envelope key that is not context; 'stack' or '(none)' if there is no other
  records INTEGER,                  -- records with this key
  payloads INTEGER,                 -- of these, with a payload
  md5_mismatches INTEGER,           -- of these, with a payload of another md5
  PRIMARY KEY (source, key)
) WITHOUT ROWID;

-- @derived
-- Indices and views; `plumb doctor --rebuild` drops and makes them again.
