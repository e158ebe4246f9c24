-- plumb's trace format, version 0.4
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
-- recovered, packed), `created_ts`, `import_command`; in a packed file `packed_from` is the state it
-- had, `cut.<what>` rows name what was left out,
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
  kind TEXT                         -- 'chromium' (epoch time in a payload beside the prefix), 'file' (date of the file), 'given', 'ticks' (local_ts is the counter that a program's threads read)
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

-- Stacks of records that stand in no compile.
CREATE TABLE loose_stack (
  source INTEGER,                   -- -> source_file
  key INTEGER,                      -- -> string, envelope key
  stack INTEGER,                    -- -> stack
  ts INTEGER,                       -- ns
  line INTEGER                      -- 1-based line in the source
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
  year_from TEXT,                   -- 'chromium', or 'file' (guessed from the file's date), or 'given' (plumb's own log)
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
  packed INTEGER,                   -- bytes of data: asking data itself would read it
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
  flags INTEGER                     -- 1 md5 differs from the record's, 2 said to be JSON and is not, 4 has invalid UTF-8, 8 cut: a pack left its bytes out (stored is 0, size and md5 stay)
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
  ts INTEGER,                       -- ns, begin; NULL: the source has no times
  dur INTEGER,                      -- ns; 0 for an instant; NULL when it was never closed, or the source has no times
  track INTEGER,                    -- -> track, NULL when the source names none
  kind INTEGER,                     -- 1 span, 2 instant; with a row in call: 3 operator, 4 redistribute, 5 output placement, 6 Triton or compiled kernel, 7 annotation, 8 module scope, 9 text that is no call; 10 launch, 11 copy, 12 sync, 13 step, 14 error
  name INTEGER,                     -- -> string; of a launch the kernel, of an error its message
  parent INTEGER,                   -- -> event that encloses it on its track
  corr INTEGER,                     -- -> compile it belongs to
  launch INTEGER,                   -- -> launch, what a launch launched; NULL for all other kinds
  flags INTEGER                     -- 1 begin without end, 2 end without begin (ts is the end), 4 closed out of order
);

-- What is launched: kernel, shape and work. The same few rows serve millions of launches (event.launch).
CREATE TABLE launch (
  id INTEGER PRIMARY KEY,           -- local id
  kernel INTEGER,                   -- -> string, its name
  variant INTEGER,                  -- -> string, instruction set, interpreter or provider that ran it
  site INTEGER,                     -- -> string, kernel.site of a compiled kernel; NULL of all others
  items INTEGER,                    -- points of the outer space, or elements; NULL unknown
  threads INTEGER,                  -- threads of the host that share it; NULL on a device
  grid_x INTEGER,                   -- blocks; NULL on the host
  grid_y INTEGER,                   -- blocks
  grid_z INTEGER,                   -- blocks
  block_x INTEGER,                  -- threads of a block; NULL on the host
  block_y INTEGER,                  -- threads of a block
  block_z INTEGER,                  -- threads of a block
  registers INTEGER,                -- per thread; NULL unknown
  shared INTEGER,                   -- bytes of shared memory per block, fixed and asked for; NULL unknown
  bytes_read INTEGER,               -- bytes it must read, by the rule of its operator; NULL unknown
  bytes_written INTEGER,            -- bytes it must write; NULL unknown
  flops INTEGER                     -- operations by the rule of its operator; NULL unknown
);

-- What a copy of memory has besides its event.
CREATE TABLE copy (
  event INTEGER PRIMARY KEY,        -- -> event
  kind INTEGER,                     -- 1 host to device, 2 device to host, 3 device to device (capture/events.def)
  bytes INTEGER                     -- bytes copied
);

-- What waiting for a device has besides its event.
CREATE TABLE sync (
  event INTEGER PRIMARY KEY,        -- -> event
  kind INTEGER,                     -- 1 for the device, 2 for a stream, 3 for an event of a stream (capture/events.def)
  stream INTEGER                    -- -> track that was waited for, NULL not known
);

-- Memory that was taken or given back.
CREATE TABLE alloc (
  id INTEGER PRIMARY KEY,           -- local id
  ts INTEGER,                       -- ns
  track INTEGER,                    -- -> track of the thread
  parent INTEGER,                   -- -> event that was open, NULL none
  address INTEGER,                  -- address, as signed 64 bits: the same address is the same memory until it is given back
  bytes INTEGER                     -- bytes taken; below 0: bytes given back
);

-- What leads from one event to another beside nesting.
CREATE TABLE link (
  src INTEGER,                      -- -> event
  kind INTEGER,                     -- 1 dst is the backward of src, 2 dst was launched by src, 3 dst waits for src, 4 dst uses what src compiled (capture/events.def)
  dst INTEGER,                      -- -> event
  PRIMARY KEY (src, kind, dst)
) WITHOUT ROWID;

-- Values over time: loss, learning rate, memory in use. Times of a track rise strictly.
CREATE TABLE counter (
  track INTEGER,                    -- -> track of kind 4, whose name is that of the counter
  ts INTEGER,                       -- ns
  value REAL,                       -- its value, NULL not a number
  event INTEGER,                    -- -> event that was open: the step, say; NULL none
  PRIMARY KEY (track, ts)
) WITHOUT ROWID;

-- Arguments of events.
CREATE TABLE arg (
  event INTEGER,                    -- -> event
  key INTEGER,                      -- -> string
  type INTEGER,                     -- 0 null, 1 bool, 2 int, 3 real, 4 string, 5 JSON text, 6 long JSON text (of an event; value is the byte of the log where its record begins)
  value ANY                         -- number, or for types 4 and 5 the id of a string
);

-- ## What was called

-- A log of calls as PyTorch's DebugMode records them: taken in as a whole, or what one thread of a program that plumb runs
-- calls (its source_file has the thread's name and no text).
CREATE TABLE call_log (
  source INTEGER PRIMARY KEY,       -- -> source_file; a later row of the same source replaces it
  format TEXT,                      -- 'json' (saved log, version 1), 'text' (what debug_string printed), 'live' (recorded by plumb)
  calls INTEGER,                    -- calls in it
  rest INTEGER,                     -- -> string, JSON object of the saved log's other members, NULL none
  flags INTEGER                     -- 1 a text without a final newline
);

-- A recorded call: what an event of kind 3 to 9 has besides. event.name is the operator, kernel or tag; event.parent the
-- nearest earlier call of less depth, in a live log what was open. Texts are as the log has them.
CREATE TABLE call (
  event INTEGER PRIMARY KEY,        -- -> event
  source INTEGER,                   -- -> source_file, its log
  position INTEGER,                 -- 0-based place in its log
  depth INTEGER,                    -- indentation in steps of two spaces, less one step
  args INTEGER,                     -- -> string, positional arguments; of a redistribute the tensor, of an output its placements, of annotations and modules the header
  kwargs INTEGER,                   -- -> string, keyword arguments with their leading ", " (Triton: without); NULL where the kind has none
  output INTEGER,                   -- -> string, result with its arrow, NULL when not recorded
  log INTEGER,                      -- -> string, remarks as a Python literal; each ? is the hash of the next tensor_use that has one
  stack INTEGER,                    -- -> stack of the call
  fwd_stack INTEGER,                -- -> stack of the forward operator that this one belongs to
  rest INTEGER,                     -- -> string, the call as read where the columns do not say all of it, NULL: they do
  flags INTEGER                     -- 1 stack is only the frame that a text shows, 2 no tensor_hash_leaves member, 4 hashes before, 8 hashes after (kernels), 16 rest is JSON, 32 a kernel that plumb compiled
);

-- How a tensor changes its placement, beside its call.
CREATE TABLE redistribute (
  event INTEGER PRIMARY KEY,        -- -> event
  from_placement INTEGER,           -- -> string, as printed
  to_placement INTEGER,             -- -> string, as printed
  transform INTEGER,                -- -> string, steps as printed, NULL none
  explicit INTEGER,                 -- 1 asked for by the program, 0 not, NULL not recorded
  outermost INTEGER                 -- 1 an operator's own and the outermost, 0 not, NULL not recorded
);

-- A tensor that a call read or made. With several hashes of one tensor, a row for each.
CREATE TABLE tensor_use (
  event INTEGER,                    -- -> event
  position INTEGER,                 -- 0-based: those with a hash in the order of the log, then the others
  phase INTEGER,                    -- 0 argument before the call, 1 result, 2 argument after the call
  arg INTEGER,                      -- -> string, where it stands: [0][1] second positional argument, [1]['out'] keyword, '' the only result; of a Triton kernel the parameter
  tensor INTEGER,                   -- number of the tensor in its log (t$3), NULL not recorded
  form INTEGER,                     -- -> string: t, dt (distributed), ft (fake), lt (local); NULL only a hash is known
  dtype INTEGER,                    -- -> string, as DebugMode prints it: f32, bf16, i64, b8, ...
  shape INTEGER,                    -- -> string, [3, 8]
  stride INTEGER,                   -- -> string, as shape, in elements; NULL not recorded
  device INTEGER,                   -- -> string, cpu, cuda:0; NULL not recorded
  detail INTEGER,                   -- -> string, placements or attributes behind the shape, NULL none
  hash_kind INTEGER,                -- 1 real number (norm, or a function of the program), 2 unsigned integer (hash_tensor), 3 negative integer, 4 PKM64, 5 SHA-256 (first 64 bits); NULL no hash
  digest INTEGER NOT NULL,          -- 64 bits of it, signed, those of a double for kind 1; 0 without a hash
  part INTEGER,                     -- 0-based place among several hashes of this tensor, NULL single
  nans INTEGER,                     -- elements that are NaN, NULL not counted
  infs INTEGER,                     -- elements that are infinite, NULL not counted
  low REAL,                         -- smallest finite element, NULL not recorded
  high REAL,                        -- largest finite element, NULL not recorded
  total REAL,                       -- sum of the elements, NULL not recorded
  magnitude REAL,                   -- sum of the absolute values, NULL not recorded
  squares REAL,                     -- sum of the squares (its root is the L2 norm), NULL not recorded
  version INTEGER,                  -- writes to its storage before, NULL not recorded
  artifact INTEGER,                 -- -> artifact with its elements as bytes, row-major, little-endian; NULL not kept
  PRIMARY KEY (event, position)
) WITHOUT ROWID;

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
  reason TEXT,                      -- failed guard, without the id before it
  origin TEXT,                      -- where the guard was made (comment behind it), NULL
  artifact INTEGER                  -- -> artifact that holds the whole text, NULL
);

-- A recorded break of a graph.
CREATE TABLE graph_break (
  id INTEGER PRIMARY KEY,           -- local id
  source INTEGER,                   -- -> source_file
  compile INTEGER,                  -- -> compile
  attempt INTEGER,                  -- NULL unknown
  reason TEXT,                      -- first line or sentence of the reason
  detail TEXT,                      -- text as recorded, without PyTorch's own traceback (the artifact has it)
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
  same_as INTEGER,                  -- -> graph
  first_node INTEGER                -- -> node; the nodes are the n_nodes ids from here on, also for a graph that shares them
);

-- Nodes of graphs in order.
CREATE TABLE node (
  id INTEGER PRIMARY KEY,           -- local id, consecutive within a graph (graph.first_node)
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

-- Kernels named in generated code or in triton_kernel_info; of plumb's own compiles with all that is known of them.
CREATE TABLE kernel (
  id INTEGER PRIMARY KEY,           -- local id; a later row of the same id replaces it
  compile INTEGER,                  -- -> compile
  artifact INTEGER,                 -- -> artifact that names it
  name INTEGER,                     -- -> string
  kind TEXT,                        -- cpp, triton, cuda, ... by what compiles it, other; extern for a library's; plumb's own: c, cuda, opencl
  line INTEGER,                     -- first line in the artifact, NULL
  info INTEGER,                     -- -> string, JSON recorded for it (triton_kernel_info), NULL
  phase TEXT,                       -- forward, backward, inference; backward_1, ... of some results; NULL not recorded, as all that follows
  role TEXT,                        -- pointwise, reduction, persistent, combo, extern
  position INTEGER,                 -- 0-based order in the program of its phase
  combo INTEGER,                    -- -> kernel, the combo kernel it is a member of; NULL launched by itself
  member INTEGER,                   -- 0-based place in that combo
  first_block INTEGER,              -- of its range in that combo
  blocks INTEGER,                   -- blocks it needs
  last_line INTEGER,                -- last line in the artifact
  outer_points INTEGER,             -- points of its outer space
  inner_points INTEGER,             -- points of each row that it reduces; 1 pointwise
  bytes_read INTEGER,               -- that it must read
  bytes_written INTEGER,            -- that it must write
  flops INTEGER,                    -- operations by the rules of its operators
  registers INTEGER,                -- per thread, as the compiler told
  shared_bytes INTEGER,             -- per block
  spill_bytes INTEGER,              -- per thread
  build_ns INTEGER,                 -- what building it took, 0 from a cache
  site INTEGER                      -- -> string, what its launches are known by: '0/1 forward pl_poi_fused_add_0'
);

-- Graph nodes that a kernel computes, in order.
CREATE TABLE kernel_op (
  kernel INTEGER,                   -- -> kernel
  position INTEGER,                 -- 0-based
  node INTEGER,                     -- -> string, name of the post-grad node
  op INTEGER,                       -- -> string, aten::add.Tensor; NULL not recorded, as all that follows
  role TEXT,                        -- main, prologue (feeds the reduction or the product), epilogue (takes its result)
  part INTEGER,                     -- which loop nest of an operator that has several, from 0
  recomputed INTEGER,               -- 1 computed here a second time instead of being saved
  source INTEGER,                   -- -> string, module or source line it comes from
  PRIMARY KEY (kernel, position)
) WITHOUT ROWID;

-- What an array of a kernel is: its arguments in order.
CREATE TABLE kernel_arg (
  kernel INTEGER,                   -- -> kernel
  position INTEGER,                 -- 0-based
  name INTEGER,                     -- -> string, in_ptr0, out_ptr0, in_out_ptr0
  value INTEGER,                    -- -> string, name of the value in the graph, NULL scratch
  type INTEGER,                     -- -> string, f32[8, 32][32, 1]cpu
  bytes INTEGER,                    -- that it reads or writes of it
  written INTEGER,                  -- 1 it is written
  node INTEGER,                     -- -> string, the node that made what is in it afterwards, NULL not written, scratch, of an extern kernel or a combo's member
  result INTEGER,                   -- which result of that node it is, NULL none
  argument INTEGER,                 -- which tensor argument of that node it is, written in place (0-based, lists spread, absent ones not counted), NULL none
  part INTEGER,                     -- 1 some elements of its value only, or in another order; NULL whole
  PRIMARY KEY (kernel, position)
) WITHOUT ROWID;

-- Pairs that a compiler looked at for fusing, and single ones that were ruled out, each with its verdict.
CREATE TABLE fusion_decision (
  id INTEGER PRIMARY KEY,           -- local id
  compile INTEGER,                  -- -> compile
  phase TEXT,                       -- forward, backward, inference
  kind TEXT,                        -- vertical (operators into a kernel), combo (kernels into a launch)
  a INTEGER,                        -- -> string, node (vertical) or kernel (combo)
  b INTEGER,                        -- -> string, likewise; NULL about a alone
  fused INTEGER,                    -- 1 yes, 0 no
  reason TEXT,                      -- one word or two, the same for all decisions of this kind
  detail TEXT,                      -- sentence
  bytes_saved INTEGER,              -- of memory that need not be read or written
  score REAL,                       -- candidates are taken in order of it, highest first
  a_ns REAL,                        -- measured time of a alone, NULL not measured
  b_ns REAL,                        -- of b alone, NULL not measured
  together_ns REAL,                 -- of one launch with all that stand beside a, NULL not measured
  apart_ns REAL,                    -- of all those one after the other, NULL not measured
  kernel INTEGER                    -- -> kernel that holds both, NULL none
);

-- What becomes of the values of a forward graph that its backward graph needs.
CREATE TABLE partition_decision (
  compile INTEGER,                  -- -> compile
  position INTEGER,                 -- 0-based
  value INTEGER,                    -- -> string, name in the joint graph
  fate TEXT,                        -- saved, recomputed, input, not needed
  reason TEXT,                      -- why
  bytes INTEGER                     -- of the value
);

-- Passes over a graph, in order. Their graphs are artifacts named after them.
CREATE TABLE compile_pass (
  compile INTEGER,                  -- -> compile
  position INTEGER,                 -- 0-based
  phase TEXT,                       -- joint, forward, backward, inference
  name TEXT,                        -- cse, dce, ...
  changed INTEGER,                  -- nodes rewritten or removed
  n_nodes INTEGER,                  -- nodes afterwards
  ns INTEGER,                       -- time it took
  artifact INTEGER                  -- -> artifact with the graph afterwards, NULL unchanged
);

-- Where the temporaries of a program lie in its block of memory.
CREATE TABLE memory_plan (
  id INTEGER PRIMARY KEY,           -- local id
  compile INTEGER,                  -- -> compile
  phase TEXT,                       -- forward, backward, inference
  size INTEGER,                     -- bytes of the block
  peak INTEGER,                     -- most bytes alive at once
  total INTEGER                     -- bytes without any reuse
);
-- Buffers of such a plan.
CREATE TABLE memory_buffer (
  plan INTEGER,                     -- -> memory_plan
  position INTEGER,                 -- 0-based
  value INTEGER,                    -- -> string, name in the graph, NULL scratch
  size INTEGER,                     -- bytes
  offset INTEGER,                   -- bytes into the block
  first INTEGER,                    -- launch that writes it first, 0-based
  last INTEGER,                     -- launch that uses it last
  reuses INTEGER,                   -- position of the buffer whose bytes it takes, NULL none
  PRIMARY KEY (plan, position)
) WITHOUT ROWID;

-- Sizes that a compile with symbols served after its first: each was traced and planned anew, for the kernels
-- that there were.
CREATE TABLE compile_instance (
  compile INTEGER,                  -- -> compile
  number INTEGER,                   -- from 1, in the order in which they came
  sizes INTEGER,                    -- -> string, s0 = 9, s1 = 4
  n_launches INTEGER,               -- of its programs
  n_texts INTEGER,                  -- texts of its kernels
  n_shared INTEGER,                 -- of them, those that were built for other sizes
  ns INTEGER,                       -- time it took
  dropped INTEGER                   -- -> string, sizes that were forgotten for it, NULL none
);

-- A set of line maps between graphs and generated code of one compile.
CREATE TABLE provenance_map (
  id INTEGER PRIMARY KEY,           -- local id
  compile INTEGER,                  -- -> compile
  mapping INTEGER,                  -- -> artifact with the node mappings
  pre INTEGER,                      -- -> artifact, pre-grad graph
  post INTEGER,                     -- -> artifact, post-grad graph
  code INTEGER,                     -- -> artifact, generated Python or C++
  version REAL,                     -- version field of the mappings
  code_line INTEGER                 -- line of the code that tlparse counts as line 1 (the maps here count from 1), NULL no code
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

-- ## Where two runs part

-- A comparison of two runs (`plumb diff -o`). A file with a row here is a comparison: it holds no calls of its own, but what is
-- needed to read it alone. `a` and `b` are the two sides throughout.
CREATE TABLE comparison (
  id INTEGER PRIMARY KEY,           -- local id
  a_file TEXT,                      -- path as it was given
  b_file TEXT,                      -- path as it was given
  a_run TEXT,                       -- name of the run
  b_run TEXT,                       -- name of the run
  verdict TEXT,                     -- 'same', 'different', 'not comparable'
  answer TEXT,                      -- the sentence; operators, modules and values in back-ticks
  notes TEXT,                       -- what could not be seen, one sentence per line; NULL nothing
  hash_kind INTEGER,                -- kind of hash that decided (tensor_use.hash_kind), NULL none in common
  first_pair INTEGER,               -- -> pair, the first difference; NULL none
  origin_pair INTEGER,              -- -> pair, the first origin; NULL none
  before INTEGER                    -- pairs of its lane before the first difference, all same
);

-- A log of A beside the log of B that belongs to it.
CREATE TABLE lane (
  id INTEGER PRIMARY KEY,           -- local id
  comparison INTEGER,               -- -> comparison
  a_rank INTEGER,                   -- rank of the process, NULL unknown
  b_rank INTEGER,                   -- rank of the process, NULL unknown
  a_log TEXT,                       -- name of the log or thread; NULL A has none here
  b_log TEXT,                       -- name of the log or thread; NULL B has none here
  a_calls INTEGER,                  -- calls compared
  b_calls INTEGER,                  -- calls compared
  a_lines INTEGER,                  -- lines that are no calls: modules, annotations, text
  b_lines INTEGER,                  -- lines that are no calls: modules, annotations, text
  first_pair INTEGER,               -- -> pair, NULL none
  origin_pair INTEGER               -- -> pair, NULL none
);

-- What is called: equal calls are one row.
CREATE TABLE pair_text (
  id INTEGER PRIMARY KEY,           -- local id
  kind INTEGER,                     -- as event.kind: 3 operator, 4 redistribute, 5 output placement, 6 Triton kernel
  name INTEGER,                     -- -> string, operator or kernel
  args INTEGER,                     -- -> string, positional arguments, without numbers of tensors
  kwargs INTEGER,                   -- -> string, keyword arguments
  output INTEGER,                   -- -> string, result with its arrow
  kernel INTEGER                    -- -> string, compiled kernel that it is an operator of; '' a view of a compiled program, which nothing launches; NULL a call as recorded
);

-- Where calls stand.
CREATE TABLE pair_scope (
  id INTEGER PRIMARY KEY,           -- local id
  step INTEGER,                     -- -> string, 'step 3'; NULL none
  phase INTEGER,                    -- 1 forward, 2 backward, 3 optimizer; NULL not known
  module INTEGER,                   -- -> string, 'Gpt.h.0.attn'; NULL none
  annotation INTEGER,               -- -> string, innermost annotation or profiler range; NULL none
  inferred INTEGER                  -- 1 step or phase follow from the order of the calls
);

-- A call of A and the call of B that belongs to it, or a call of one of them alone. Ids go up in the order of the lane.
CREATE TABLE pair (
  id INTEGER PRIMARY KEY,           -- local id
  lane INTEGER,                     -- -> lane
  a INTEGER,                        -- event.id in A's file, NULL only in B
  b INTEGER,                        -- event.id in B's file, NULL only in A
  a_position INTEGER,               -- call.position in A's log
  b_position INTEGER,               -- call.position in B's log
  verdict INTEGER,                  -- 0 same, 1 artefact, 2 masked, 3 unknown, 4 receiver, 5 structure, 6 argument, 7 origin, 8 input
  flags INTEGER,                    -- 1 an argument that is no tensor differs, 2 a result is not hashed, 4 arguments are not hashed, 8 an origin that only moves data, 16 contains calls, 32 an operator of a kernel that did not store its result, or a view
  method INTEGER,                   -- how it was aligned (store/diff/align.h): 0 alone, 1 position, 2 key, 3 key without arguments, 4 key without modules, 5 variant, 6 fusion, 7 tensors, 8 moved, 9 equal results, 10 by hand, 11 given up
  confidence INTEGER,               -- of the alignment, percent
  a_text INTEGER,                   -- -> pair_text
  b_text INTEGER,                   -- -> pair_text
  scope INTEGER,                    -- -> pair_scope, of A's call; of B's where A has none
  hash_kind INTEGER,                -- of the two digests, NULL none
  a_digest INTEGER,                 -- of the first result, signed; NULL none
  b_digest INTEGER,                 -- of the first result, signed; NULL none
  relative REAL                     -- largest relative difference of its results by hash or statistics, NULL not known, 0 equal
);

-- Tensors of pairs that differ, or of which it is not known.
CREATE TABLE pair_tensor (
  pair INTEGER,                     -- -> pair
  position INTEGER,                 -- 0-based within the pair
  phase INTEGER,                    -- 0 argument before the call, 1 result, 2 argument after the call
  path INTEGER,                     -- -> string, where it stands: [0][1], [1]['out'], '' the only result
  class INTEGER,                    -- 1 values, 2 dtype, shape or stride, 3 only one run has it, 4 not hashed, 5 hashed by other kinds, 6 cannot tell
  artefact INTEGER,                 -- 1 of no account by rule: memory that nothing was written to, or that is overwritten
  external INTEGER,                 -- 1 an argument that no earlier call made
  producer INTEGER,                 -- -> pair that made it, NULL from outside or not known
  dtype INTEGER,                    -- -> string, in A (in B where A has none)
  shape INTEGER,                    -- -> string, likewise
  hash_kind INTEGER,                -- NULL none in common
  a_digest INTEGER,                 -- signed, NULL none
  b_digest INTEGER,                 -- signed, NULL none
  a_nans INTEGER,                   -- elements that are NaN, NULL not counted
  b_nans INTEGER,                   -- elements that are NaN, NULL not counted
  a_infs INTEGER,                   -- elements that are infinite, NULL not counted
  b_infs INTEGER,                   -- elements that are infinite, NULL not counted
  relative REAL,                    -- relative difference of the norms or sums of magnitudes, NULL not known
  elements INTEGER,                 -- elements that differ, where both runs kept the values; else NULL
  ulp INTEGER,                      -- largest difference in units of the last place, likewise
  PRIMARY KEY (pair, position)
) WITHOUT ROWID;

-- Arguments that are no tensors and differ.
CREATE TABLE pair_argument (
  pair INTEGER,                     -- -> pair
  path INTEGER,                     -- -> string, [0][2] or [1]['alpha']
  a INTEGER,                        -- -> string as printed, NULL absent
  b INTEGER                         -- -> string as printed, NULL absent
);

-- Pairs counted by what is called: of a comparison of millions this is read in a millisecond.
CREATE TABLE pair_kind (
  lane INTEGER,                     -- -> lane
  a_text INTEGER,                   -- -> pair_text, NULL only in B
  b_text INTEGER,                   -- -> pair_text, NULL only in A
  verdict INTEGER,                  -- as pair.verdict
  flags INTEGER,                    -- as pair.flags
  method INTEGER,                   -- as pair.method
  n INTEGER,                        -- pairs
  first INTEGER                     -- -> pair, the first of them
);

-- Pairs counted by where they stand.
CREATE TABLE pair_place (
  lane INTEGER,                     -- -> lane
  scope INTEGER,                    -- -> pair_scope
  verdict INTEGER,                  -- as pair.verdict; 0 of unknown ones inside kernels (flag 32), of which nothing is known to differ
  n INTEGER,                        -- pairs
  first INTEGER                     -- -> pair, the first of them
);

-- ## Honesty

-- What was lost or was not as it should be, one row per finding (or per run of equal findings).
CREATE TABLE loss (
  id INTEGER PRIMARY KEY,           -- local id
  source INTEGER,                   -- -> source_file
  kind TEXT,                        -- malformed, json, md5, mixed_rank, guards, schema, truncated, encoding, payload, unknown_key, ... (capture/envelopes.def, capture/torch_loss.h); of a program that plumb ran ring, thread, torn, log, disk
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
-- Indices and views; `plumb doctor --rebuild` drops and makes them again. An index is here because a named
-- query needs it on a large trace; each costs bytes and time at the end of an import.

-- ## Indices

-- The compiles of a log, and one of them by its id.
CREATE INDEX compile_by_source ON compile(source, compile_id, occurrence);
-- The compiles of one frame: what was compiled again, and before.
CREATE INDEX compile_by_frame ON compile(source, frame_id, occurrence);
-- Artifacts of a compile in the order of the log.
CREATE INDEX artifact_by_compile ON artifact(compile);
-- Artifacts per name, with their bytes.
CREATE INDEX artifact_by_name ON artifact(name, source, size);
-- The artifact at a byte of a log: search results, unknown records.
CREATE INDEX artifact_by_offset ON artifact(source, offset);
-- Metrics records of a compile.
CREATE INDEX metric_record_by_compile ON metric_record(compile);
-- Words by their text: names of metrics, envelope keys, event names.
CREATE INDEX string_by_text ON string(text) WHERE length(text) <= 48;
-- Facts of a compile.
CREATE INDEX recompile_by_compile ON recompile(compile, position);
CREATE INDEX graph_break_by_compile ON graph_break(compile, source);
CREATE INDEX failure_by_compile ON failure(compile);
CREATE INDEX restart_by_compile ON restart(compile, position);
CREATE INDEX cache_event_by_compile ON cache_event(compile);
CREATE INDEX guard_by_compile ON guard(compile);
-- Guards per kind without reading them.
CREATE INDEX guard_by_kind ON guard(kind, source, compile);
-- Facts of a compile.
CREATE INDEX symbol_by_compile ON symbol(compile);
CREATE INDEX tensor_desc_by_compile ON tensor_desc(compile);
CREATE INDEX storage_desc_by_compile ON storage_desc(compile, storage);
CREATE INDEX tensor_source_by_compile ON tensor_source(compile, tensor);
CREATE INDEX kernel_by_compile ON kernel(compile);
-- The kernel that a launch names; members of a combo kernel.
CREATE INDEX kernel_by_site ON kernel(site) WHERE site IS NOT NULL;
CREATE INDEX kernel_by_combo ON kernel(combo) WHERE combo IS NOT NULL;
-- Facts of a compile.
CREATE INDEX fusion_decision_by_compile ON fusion_decision(compile);
CREATE INDEX partition_decision_by_compile ON partition_decision(compile);
CREATE INDEX compile_pass_by_compile ON compile_pass(compile);
CREATE INDEX memory_plan_by_compile ON memory_plan(compile);
CREATE INDEX compile_instance_by_compile ON compile_instance(compile);
CREATE INDEX kernel_stack_by_compile ON kernel_stack(compile);
CREATE INDEX collective_by_compile ON collective(compile, position);
CREATE INDEX op_estimate_by_compile ON op_estimate(compile, position);
CREATE INDEX provenance_map_by_compile ON provenance_map(compile);
CREATE INDEX graph_by_compile ON graph(compile);
CREATE INDEX graph_by_artifact ON graph(artifact);
-- An expression by the number that findings and arguments know it by.
CREATE INDEX expression_by_node ON expression(source, node);
-- Events of a compile.
CREATE INDEX event_by_compile ON event(corr);

-- Calls of a log in its order; calls of an operator.
CREATE INDEX call_by_source ON call(source, position);
CREATE INDEX event_by_name ON event(name) WHERE kind >= 3;
-- What a call encloses, and where that ends.
CREATE INDEX event_by_parent ON event(parent) WHERE kind >= 3;
-- Errors, and spans that were not closed: there are few, in a run of millions.
CREATE INDEX event_error ON event(parent) WHERE kind = 14;
CREATE INDEX event_flagged ON event(flags) WHERE flags <> 0;
-- Launches of a kernel.
CREATE INDEX event_by_launch ON event(launch, dur) WHERE launch IS NOT NULL;
-- Uses with a NaN or an infinity: there are few, in a run of millions.
CREATE INDEX tensor_use_nonfinite ON tensor_use(event) WHERE nans > 0 OR infs > 0 OR (hash_kind = 1 AND (digest & 0x7ff0000000000000) = 0x7ff0000000000000);

-- Pairs of one verdict, lane or place in their order; what the tensors of a pair taint; arguments of a pair.
CREATE INDEX pair_by_verdict ON pair(verdict, lane);
CREATE INDEX pair_by_lane ON pair(lane);
CREATE INDEX pair_by_scope ON pair(scope, verdict);
CREATE INDEX pair_place_by_lane ON pair_place(lane, scope);
CREATE INDEX pair_tensor_by_producer ON pair_tensor(producer) WHERE producer IS NOT NULL;
CREATE INDEX pair_argument_by_pair ON pair_argument(pair);

-- ## Views
--
-- The views are the public contract: names and leading columns stay, columns may be added at the end. In all of them `rank`,
-- `run` and `log` (base name of the log) say where a row comes from; `rank` is NULL in a job without ranks, `compile_id` is NULL where
-- the record named none, and `compile` is the row id of the compile. Times are ns.

-- One row per log and envelope key.
CREATE VIEW envelope_counts (
  file,                             -- base name of the log
  key,                              -- envelope key that is not context; 'stack' or '(none)' if there is no other
  records,                          -- records with this key
  payloads,                         -- of these, with a payload
  md5_mismatches,                   -- of these, with a payload of another md5 than announced
  rank,                             -- rank of the log
  run,                              -- name of the run
  source                            -- -> source_file
) AS
SELECT f.name, e.key, e.records, e.payloads, e.md5_mismatches, f.rank, r.name, e.source
FROM envelope_count e
LEFT JOIN source_file f ON f.id = e.source
LEFT JOIN run r ON r.id = f.run;

-- One row per run: what it was, what came of it.
CREATE VIEW runs (
  run,                              -- name
  command,                          -- command line, NULL when not recorded
  start_ts,                         -- first time known
  end_ts,                           -- last time known
  ended,                            -- exit, signal, interrupted; NULL not known
  exit_code,                        -- exit status or signal number
  torch_version,                    -- version of PyTorch
  python_version,                   -- version of Python
  world,                            -- number of ranks seen or declared
  logs,                             -- logs taken in
  log_bytes,                        -- their bytes, inflated
  records,                          -- their records
  compiles,                         -- rows of compiles
  ok,                               -- of these, outcome ok
  empty,                            -- outcome empty
  restarted,                        -- outcome restarted
  failed,                           -- outcome failed
  unknown,                          -- outcome unknown
  recompiles,                       -- compiles that carry a recompile reason
  graph_breaks,                     -- break reasons recorded
  compile_ns,                       -- sum of compiles.total_ns
  artifacts,                        -- artifacts
  losses,                           -- findings in losses
  id                                -- -> run
) AS
SELECT r.name, r.command, r.start_ts, r.end_ts, r.ended, r.exit_code, r.torch_version,
  r.python_version, r.world, coalesce(l.n, 0), l.size, l.records, coalesce(k.n, 0), coalesce(k.ok, 0), coalesce(k.empty, 0),
  coalesce(k.restarted, 0), coalesce(k.failed, 0), coalesce(k.unknown, 0),
  (SELECT count(DISTINCT p.compile) FROM recompile p JOIN compile c ON c.id = p.compile
    JOIN source_file f ON f.id = c.source WHERE f.run = r.id),
  (SELECT count(*) FROM graph_break b WHERE b.source IN (SELECT id FROM source_file f WHERE f.run = r.id)),
  k.total_ns,
  (SELECT count(*) FROM source_file f JOIN artifact a ON a.source = f.id WHERE f.run = r.id),
  (SELECT sum(l.count) FROM loss l JOIN source_file f ON f.id = l.source WHERE f.run = r.id),
  r.id
FROM run r
LEFT JOIN (SELECT run, count(*) AS n, sum(size) AS size, sum(n_records) AS records FROM source_file GROUP BY run) l
  ON l.run = r.id
LEFT JOIN (SELECT f.run, count(*) AS n, sum(c.outcome = 'ok') AS ok, sum(c.outcome = 'empty') AS empty,
    sum(c.outcome = 'restarted') AS restarted, sum(c.outcome = 'failed') AS failed,
    sum(c.outcome = 'unknown') AS unknown, sum(c.total_ns) AS total_ns
  FROM compile c JOIN source_file f ON f.id = c.source GROUP BY f.run) k ON k.run = r.id;

-- One row per log taken in.
CREATE VIEW logs (
  run,                              -- name of the run
  rank,                             -- rank, NULL none
  log,                              -- base name
  path,                             -- path as given, without the folder that all have in common
  size,                             -- bytes, inflated
  records,                          -- log records read
  payloads,                         -- payloads read
  state,                            -- reading, complete, interrupted
  rank_from,                        -- name, record, NULL
  year,                             -- year added to the prefix
  year_from,                        -- chromium, or file (guessed)
  pid,                              -- process id as the log says it
  start_ts,                         -- first record
  end_ts,                           -- last record
  text_stored,                      -- bytes its text takes in this file, compressed
  source                            -- -> source_file
) AS
SELECT r.name, f.rank, f.name, f.path, f.size, f.n_records, f.n_payloads, f.state, f.rank_from,
  f.year, f.year_from, p.pid, p.start_ts, p.end_ts,
  t.packed, f.id
FROM source_file f
LEFT JOIN (SELECT stream, sum(packed) AS packed FROM text_frame GROUP BY stream) t ON t.stream = f.id
LEFT JOIN run r ON r.id = f.run
LEFT JOIN process p ON p.id = f.process;

-- One row per compile id and occurrence; attempts are folded in.
CREATE VIEW compiles (
  rank,                             -- rank of the log
  compile_id,                       -- 0/1, !0, !0/1/0
  occurrence,                       -- 1 for the first time the id is used in its log
  attempts,                         -- attempts seen
  outcome,                          -- ok, empty, restarted, failed, unknown
  run,                              -- name of the run
  log,                              -- base name of the log
  function,                         -- function compiled
  file,                             -- its source file
  line,                             -- its first line
  start_ts,                         -- first record
  end_ts,                           -- last record
  total_ns,                         -- whole compile, NULL not recorded
  backend_ns,                       -- of it, the backend
  inductor_ns,                      -- of it, Inductor
  codegen_ns,                       -- of it, code generation
  lost_ns,                          -- time of attempts that were thrown away
  n_ops,                            -- operators in the graph
  n_nodes,                          -- nodes in the graph
  n_inputs,                         -- inputs of the graph
  n_guards,                         -- guards as PyTorch counts them
  autograd_id,                      -- compiled autograd id, NULL none
  frame_id,                         -- frame, NULL none
  frame_compile_id,                 -- n-th compile of the frame
  stack,                            -- -> stack of the call
  compile,                          -- -> compile
  source                            -- -> source_file
) AS
SELECT f.rank, c.compile_id, c.occurrence, c.attempts, c.outcome, r.name, f.name,
  (SELECT text FROM string WHERE id = c.name), (SELECT text FROM string WHERE id = c.file), c.line,
  c.start_ts, c.end_ts, c.total_ns, c.backend_ns, c.inductor_ns, c.codegen_ns, c.lost_ns,
  c.n_ops, c.n_nodes, c.n_inputs, c.n_guards, c.autograd_id, c.frame_id, c.frame_compile_id,
  c.stack, c.id, c.source
FROM compile c
LEFT JOIN source_file f ON f.id = c.source
LEFT JOIN run r ON r.id = f.run;

-- One row per compile that carries a recompile reason.
CREATE VIEW recompiles (
  rank,                             -- rank of the log
  compile_id,                       -- compile that was made
  previous,                         -- compile whose guard failed first, as the reason says it
  reasons,                          -- all reasons in their order, one per line (a reason may have several lines itself)
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  log,                              -- base name of the log
  n_reasons,                        -- how many
  outcome,                          -- of the compile
  function,                         -- function compiled
  file,                             -- its source file
  line,                             -- its first line
  total_ns,                         -- what the recompile cost
  compile                           -- -> compile
) AS
SELECT f.rank, c.compile_id,
  (SELECT previous FROM recompile p WHERE p.compile = c.id ORDER BY position LIMIT 1),
  (SELECT group_concat(reason, char(10)) FROM
    (SELECT reason FROM recompile p WHERE p.compile = c.id ORDER BY position)),
  c.occurrence, r.name, f.name,
  (SELECT count(*) FROM recompile p WHERE p.compile = c.id),
  c.outcome, (SELECT text FROM string WHERE id = c.name), (SELECT text FROM string WHERE id = c.file),
  c.line, c.total_ns, c.id
FROM compile c
LEFT JOIN source_file f ON f.id = c.source
LEFT JOIN run r ON r.id = f.run
WHERE c.id IN (SELECT compile FROM recompile);

-- One row per recorded reason for a recompile, with the kind of guard that failed.
CREATE VIEW recompile_reasons (
  rank,                             -- rank of the log
  compile_id,                       -- compile that was made
  position,                         -- 0-based order in the record, newest version first
  previous,                         -- compile whose guard failed
  reason,                           -- failed guard as recorded
  kind,                             -- size, stride, rank, dtype, device, requires_grad, dispatch keys, symbol, program, number, bool, string, length, type, object, global state, other
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  log,                              -- base name of the log
  total_ns,                         -- cost of the compile, in its first row only (so that sums are right)
  compile                           -- -> compile
) AS
SELECT f.rank, c.compile_id, p.position, p.previous, p.reason,
  CASE
    WHEN p.reason GLOB 'tensor ''*'' size mismatch*' THEN 'size'
    WHEN p.reason GLOB 'tensor ''*'' stride mismatch*' THEN 'stride'
    WHEN p.reason GLOB 'tensor ''*'' rank mismatch*' THEN 'rank'
    WHEN p.reason GLOB 'tensor ''*'' dtype mismatch*' THEN 'dtype'
    WHEN p.reason GLOB 'tensor ''*'' requires_grad mismatch*' THEN 'requires_grad'
    WHEN p.reason GLOB 'tensor ''*'' dispatch key set mismatch*' THEN 'dispatch keys'
    WHEN p.reason GLOB 'tensor ''*device*mismatch*' THEN 'device'
    WHEN p.reason GLOB 'GLOBAL_STATE changed*' THEN 'global state'
    WHEN p.reason GLOB 'another program at *' THEN 'program'
    WHEN p.reason GLOB '[0-9]* <= L[[]*' OR p.reason GLOB 'L[[]*.size()[[]*] == *' OR p.reason GLOB 'L[[]*.stride()[[]*] == *' THEN 'symbol'
    WHEN p.reason GLOB '*check_type_id(*' THEN 'type'
    WHEN p.reason GLOB '*check_obj_id(*' OR p.reason GLOB '* is *' THEN 'object'
    WHEN p.reason GLOB 'len(*' THEN 'length'
    WHEN p.reason GLOB '* == True' OR p.reason GLOB '* == False' THEN 'bool'
    WHEN p.reason GLOB '* == [''"]*' THEN 'string'
    WHEN p.reason GLOB '* == [-0-9]*' THEN 'number'
    ELSE 'other' END,
  c.occurrence, r.name, f.name, CASE p.position WHEN 0 THEN c.total_ns END, p.compile
FROM recompile p
JOIN compile c ON c.id = p.compile
LEFT JOIN source_file f ON f.id = c.source
LEFT JOIN run r ON r.id = f.run;

-- One row per recorded break reason.
CREATE VIEW graph_breaks (
  rank,                             -- rank of the log
  compile_id,                       -- compile that broke
  file,                             -- user's source file, NULL unknown
  line,                             -- user's line, NULL unknown
  reason,                           -- first line or sentence
  occurrence,                       -- of the compile id
  attempt,                          -- attempt that broke
  detail,                           -- whole text as recorded
  run,                              -- name of the run
  log,                              -- base name of the log
  function,                         -- function compiled
  stack,                            -- -> stack
  artifact,                         -- -> artifact it was recorded in
  compile,                          -- -> compile
  id                                -- -> graph_break
) AS
SELECT f.rank, c.compile_id, b.file, b.line, b.reason, c.occurrence, b.attempt, b.detail, r.name,
  f.name, (SELECT text FROM string WHERE id = c.name), b.stack, b.artifact, b.compile, b.id
FROM graph_break b
LEFT JOIN compile c ON c.id = b.compile
LEFT JOIN source_file f ON f.id = b.source
LEFT JOIN run r ON r.id = f.run;

-- One row per failure that ended a compile; restarts are apart.
CREATE VIEW failures (
  rank,                             -- rank of the log
  compile_id,                       -- compile that failed
  type,                             -- exception
  reason,                           -- its text
  file,                             -- user's source file, NULL unknown
  line,                             -- user's line, NULL unknown
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  log,                              -- base name of the log
  function,                         -- function compiled
  compile                           -- -> compile
) AS
SELECT f.rank, c.compile_id, x.type, x.reason, x.file, x.line, c.occurrence, r.name, f.name,
  (SELECT text FROM string WHERE id = c.name), x.compile
FROM failure x
LEFT JOIN compile c ON c.id = x.compile
LEFT JOIN source_file f ON f.id = c.source
LEFT JOIN run r ON r.id = f.run;

-- One row per restart of an attempt.
CREATE VIEW restarts (
  rank,                             -- rank of the log
  compile_id,                       -- compile that was begun again
  position,                         -- 0-based count within the compile
  reason,                           -- why
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  log,                              -- base name of the log
  function,                         -- function compiled
  outcome,                          -- of the compile in the end
  lost_ns,                          -- time of all thrown away attempts of the compile
  compile                           -- -> compile
) AS
SELECT f.rank, c.compile_id, x.position, x.reason, c.occurrence, r.name, f.name,
  (SELECT text FROM string WHERE id = c.name), c.outcome, c.lost_ns, x.compile
FROM restart x
LEFT JOIN compile c ON c.id = x.compile
LEFT JOIN source_file f ON f.id = c.source
LEFT JOIN run r ON r.id = f.run;

-- One row per artifact: artifact_text(id) gives its content.
CREATE VIEW artifacts (
  rank,                             -- rank of the log
  compile_id,                       -- compile it belongs to, NULL none
  name,                             -- its name
  key,                              -- envelope key
  size,                             -- bytes of content
  encoding,                         -- string, json, NULL
  occurrence,                       -- of the compile id
  attempt,                          -- attempt of the compile
  subgraph,                         -- subgraph it belongs to
  file_name,                        -- file it was written to
  run,                              -- name of the run
  log,                              -- base name of the log
  ts,                               -- time of its record
  number,                           -- running number as tlparse counts
  md5,                              -- of the content, hexadecimal
  flags,                            -- 1 md5 differs from the record's, 2 said to be JSON and is not, 4 has invalid UTF-8, 8 cut: a pack left its bytes out (stored is 0, size and md5 stay)
  offset,                           -- first byte in the log
  stack,                            -- -> stack of a record without compile id
  compile,                          -- -> compile
  source,                           -- -> source_file
  id                                -- -> artifact
) AS
SELECT f.rank, c.compile_id, (SELECT text FROM string WHERE id = a.name),
  (SELECT text FROM string WHERE id = a.key), a.size, (SELECT text FROM string WHERE id = a.encoding),
  c.occurrence, a.attempt, (SELECT text FROM string WHERE id = a.subgraph),
  (SELECT text FROM string WHERE id = a.file_name), r.name, f.name, a.ts, a.number, lower(hex(a.md5)),
  a.flags, a.offset, a.stack, a.compile, a.source, a.id
FROM artifact a
LEFT JOIN compile c ON c.id = a.compile
LEFT JOIN source_file f ON f.id = a.source
LEFT JOIN run r ON r.id = f.run;

-- One row per guard: a leaf of a guard tree, or a guard added while tracing.
CREATE VIEW guards (
  rank,                             -- rank of the log
  compile_id,                       -- compile it protects
  kind,                             -- TENSOR_MATCH, ..., or guard_added, guard_added_fast, dynamo_guards
  code,                             -- what is checked
  parent,                           -- source the guard manager holds (L['x'])
  origin,                           -- where it was made
  result,                           -- 1 true, 0 false, NULL not recorded
  occurrence,                       -- of the compile id
  attempt,                          -- attempt of the compile
  run,                              -- name of the run
  log,                              -- base name of the log
  line,                             -- line in the artifact
  artifact,                         -- -> artifact with the tree
  stack,                            -- -> stack, framework
  user_stack,                       -- -> stack, user
  compile,                          -- -> compile
  id                                -- -> guard
) AS
SELECT f.rank, c.compile_id, (SELECT text FROM string WHERE id = g.kind),
  (SELECT text FROM string WHERE id = g.code), (SELECT text FROM string WHERE id = g.parent),
  (SELECT text FROM string WHERE id = g.origin), g.result, c.occurrence, g.attempt, r.name, f.name,
  g.line, g.artifact, g.stack, g.user_stack, g.compile, g.id
FROM guard g
LEFT JOIN compile c ON c.id = g.compile
LEFT JOIN source_file f ON f.id = g.source
LEFT JOIN run r ON r.id = f.run;

-- One row per symbol that was created or fixed to a value.
CREATE VIEW symbols (
  rank,                             -- rank of the log
  compile_id,                       -- compile it belongs to
  symbol,                           -- s77, u0
  kind,                             -- backed, unbacked, specialization
  value,                            -- hint when created, or the value it was fixed to
  range,                            -- value range
  origin,                           -- sources, comma separated
  reason,                           -- of a specialization
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  log,                              -- base name of the log
  node,                             -- node id of an unbacked symbol
  stack,                            -- -> stack, framework
  user_stack,                       -- -> stack, user
  compile,                          -- -> compile
  id                                -- -> symbol
) AS
SELECT f.rank, c.compile_id, s.symbol, s.kind, s.value, s.range, s.origin, s.reason, c.occurrence,
  r.name, f.name, s.node, s.stack, s.user_stack, s.compile, s.id
FROM symbol s
LEFT JOIN compile c ON c.id = s.compile
LEFT JOIN source_file f ON f.id = s.source
LEFT JOIN run r ON r.id = f.run;

-- One row per question asked of a cache.
CREATE VIEW cache (
  rank,                             -- rank of the log
  compile_id,                       -- compile that asked
  cache,                            -- fx_graph, aotautograd, ...
  outcome,                          -- hit, miss, bypass
  cache_key,                        -- key, NULL when not recorded
  reason,                           -- why it was bypassed
  saved_ns,                         -- time saved as recorded
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  log,                              -- base name of the log
  ts,                               -- time of the record
  n_components,                     -- components of the key that were recorded
  artifact,                         -- -> artifact
  compile,                          -- -> compile
  id                                -- -> cache_event
) AS
SELECT f.rank, c.compile_id, e.cache, e.outcome, e.cache_key, e.reason, e.saved_ns, c.occurrence,
  r.name, f.name, e.ts, (SELECT coalesce(max(position) + 1, 0) FROM cache_component k WHERE k.cache_event = e.id),
  e.artifact, e.compile, e.id
FROM cache_event e
LEFT JOIN compile c ON c.id = e.compile
LEFT JOIN source_file f ON f.id = e.source
LEFT JOIN run r ON r.id = f.run;

-- One row per thing that was lost or not as it should be (or per run of equal ones: see count).
CREATE VIEW losses (
  rank,                             -- rank of the log
  kind,                             -- malformed, json, md5, mixed_rank, guards, schema, truncated, encoding, ...
  count,                            -- findings this row stands for
  bytes,                            -- bytes concerned
  message,                          -- what, where, what was expected
  run,                              -- name of the run
  log,                              -- base name of the log
  line,                             -- line in the log
  offset,                           -- byte in the log
  ts,                               -- time, NULL unknown
  source,                           -- -> source_file
  id                                -- -> loss
) AS
SELECT f.rank, l.kind, l.count, l.bytes, l.message, r.name, f.name, l.line, l.offset, l.ts, l.source, l.id
FROM loss l
LEFT JOIN source_file f ON f.id = l.source
LEFT JOIN run r ON r.id = f.run;

-- One row per record whose key this version does not know.
CREATE VIEW unknown_records (
  rank,                             -- rank of the log
  compile_id,                       -- compile it names
  key,                              -- envelope key
  stored,                           -- bytes of record and payload
  run,                              -- name of the run
  log,                              -- base name of the log
  ts,                               -- time of the record
  offset,                           -- first byte in the log
  artifact,                         -- -> artifact of the payload
  compile,                          -- -> compile
  source,                           -- -> source_file
  id                                -- -> unknown_record
) AS
SELECT f.rank, c.compile_id, (SELECT text FROM string WHERE id = u.key), u.stored, r.name, f.name,
  u.ts, u.offset, u.artifact, u.compile, u.source, u.id
FROM unknown_record u
LEFT JOIN compile c ON c.id = u.compile
LEFT JOIN source_file f ON f.id = u.source
LEFT JOIN run r ON r.id = f.run;

-- One row per lane of a timeline.
CREATE VIEW tracks (
  rank,                             -- rank of the process
  name,                             -- name of the lane
  kind,                             -- 1 chromium lane, 2 thread, 3 stream, 4 counter
  pid,                              -- as the source says it
  tid,                              -- as the source says it
  run,                              -- name of the run
  track,                            -- -> track
  process                           -- -> process
) AS
SELECT p.rank, (SELECT text FROM string WHERE id = t.name), t.kind, t.pid, t.tid, r.name, t.id, t.process
FROM track t
LEFT JOIN process p ON p.id = t.process
LEFT JOIN run r ON r.id = p.run;

-- One row per event: span or instant.
CREATE VIEW events (
  rank,                             -- rank of the process
  compile_id,                       -- compile it belongs to
  name,                             -- what happened
  ts,                               -- begin
  dur,                              -- ns; 0 instant, NULL never closed
  kind,                             -- 1 span, 2 instant, 3 to 9 see calls, 10 launch, 11 copy, 12 sync, 13 step, 14 error
  flags,                            -- 1 begin without end, 2 end without begin, 4 closed out of order
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  track,                            -- -> track
  parent,                           -- -> event that encloses it
  compile,                          -- -> compile
  id                                -- -> event
) AS
SELECT p.rank, c.compile_id, (SELECT text FROM string WHERE id = e.name), e.ts, e.dur, e.kind, e.flags,
  c.occurrence, r.name, e.track, e.parent, e.corr, e.id
FROM event e
LEFT JOIN compile c ON c.id = e.corr
LEFT JOIN track t ON t.id = e.track
LEFT JOIN process p ON p.id = t.process
LEFT JOIN run r ON r.id = p.run;

-- One row per argument of an event.
CREATE VIEW event_args (
  event,                            -- -> event
  key,                              -- name
  value                             -- number or text; JSON text for lists and objects
) AS
SELECT a.event, (SELECT text FROM string WHERE id = a.key),
  CASE WHEN a.type IN (4, 5) THEN (SELECT text FROM string WHERE id = a.value)
    WHEN a.type = 6 THEN '(long JSON, in the record at byte ' || a.value || ' of the log)' ELSE a.value END
FROM arg a;

-- One row per recorded call, in the order of its log by `position`.
CREATE VIEW calls (
  rank,                             -- rank of the process
  position,                         -- 0-based place in its log
  depth,                            -- nesting as printed
  kind,                             -- operator, redistribute, output, triton, annotation, module, text
  name,                             -- operator, kernel, tag
  args,                             -- positional arguments; header of annotations and modules
  kwargs,                           -- keyword arguments
  output,                           -- result, NULL when not recorded
  log,                              -- remarks; each ? is the hash of the next of the call's tensor_uses that has one
  ts,                               -- ns, NULL when the log has no times
  dur,                              -- ns, NULL not recorded
  run,                              -- name of the run
  log_file,                         -- base name of the log; of a program that plumb ran, the thread
  parent,                           -- -> calls.id of the enclosing call
  stack,                            -- -> stack of the call
  fwd_stack,                        -- -> stack of the forward operator
  source,                           -- -> source_file
  id                                -- -> event
) AS
SELECT p.rank, c.position, c.depth,
  CASE e.kind WHEN 3 THEN 'operator' WHEN 4 THEN 'redistribute' WHEN 5 THEN 'output' WHEN 6 THEN 'triton'
    WHEN 7 THEN 'annotation' WHEN 8 THEN 'module' ELSE 'text' END,
  (SELECT text FROM string WHERE id = e.name), (SELECT text FROM string WHERE id = c.args),
  (SELECT ltrim(text, ', ') FROM string WHERE id = c.kwargs), (SELECT ltrim(text, ' ->') FROM string WHERE id = c.output),
  (SELECT text FROM string WHERE id = c.log), e.ts, e.dur, r.name, f.name, e.parent, c.stack, c.fwd_stack, c.source, e.id
FROM call c
LEFT JOIN event e ON e.id = c.event
LEFT JOIN source_file f ON f.id = c.source
LEFT JOIN track t ON t.id = e.track
LEFT JOIN process p ON p.id = coalesce(f.process, t.process)
LEFT JOIN run r ON r.id = p.run;

-- One row per tensor that a call read or made and per hash of it.
CREATE VIEW tensor_uses (
  call,                             -- -> calls.id
  position,                         -- 0-based within the call
  name,                             -- operator or kernel
  phase,                            -- before, result, after
  arg,                              -- where the tensor stands, '' the only result
  tensor,                           -- number of the tensor in its log, NULL not recorded
  dtype,                            -- f32, i64, ...
  shape,                            -- [3, 8]
  stride,                           -- in elements, NULL not recorded
  device,                           -- NULL not recorded
  hash_kind,                        -- 1 real, 2 unsigned, 3 negative integer, 4 PKM64, 5 SHA-256, NULL no hash; hash_value(hash_kind, digest) gives it
  digest,                           -- 64 bits of the hash, signed
  part,                             -- 0-based place among several hashes of one tensor, NULL single
  nans,                             -- elements that are NaN
  infs,                             -- elements that are infinite
  low,                              -- smallest finite element
  high,                             -- largest finite element
  total,                            -- sum
  magnitude,                        -- sum of absolute values
  form,                             -- t, dt, ft, lt
  detail,                           -- placements or attributes
  squares,                          -- sum of squares
  version,                          -- writes to its storage before
  artifact                          -- -> artifact with its elements, NULL not kept
) AS
SELECT u.event, u.position, (SELECT text FROM string WHERE id = e.name),
  CASE u.phase WHEN 0 THEN 'before' WHEN 1 THEN 'result' ELSE 'after' END,
  (SELECT text FROM string WHERE id = u.arg), u.tensor, (SELECT text FROM string WHERE id = u.dtype),
  (SELECT text FROM string WHERE id = u.shape), (SELECT text FROM string WHERE id = u.stride),
  (SELECT text FROM string WHERE id = u.device), u.hash_kind, iif(u.hash_kind IS NULL, NULL, u.digest),
  u.part, u.nans, u.infs, u.low, u.high, u.total, u.magnitude,
  (SELECT text FROM string WHERE id = u.form), (SELECT text FROM string WHERE id = u.detail),
  u.squares, u.version, u.artifact
FROM tensor_use u
LEFT JOIN event e ON e.id = u.event;

-- One row per call where a NaN or an infinity comes up: a result, or an argument after the call, has one and no argument
-- before the call had; or an argument has one that no earlier call of the log made. Where arguments were not hashed, that they
-- had none is not known, and every call with such a result has a row.
CREATE VIEW nonfinite (
  rank,                             -- rank of the process
  name,                             -- operator or kernel
  phase,                            -- result, after: made by the call; before: came in from outside
  arg,                              -- where the tensor stands, '' the only result
  tensor,                           -- number of the tensor in its log, NULL not recorded
  dtype,                            -- f32, bf16, ...
  shape,                            -- [3, 8]
  nans,                             -- elements that are NaN, NULL not counted
  infs,                             -- elements that are infinite, NULL not counted
  run,                              -- name of the run
  log,                              -- base name of the log
  call_position,                    -- 0-based place of the call in its log
  position,                         -- of the tensor within the call
  ts,                               -- begin of the call, NULL when the log has no times
  run_id,                           -- -> run
  source,                           -- -> source_file
  call                              -- -> calls.id
) AS
SELECT p.rank, (SELECT text FROM string WHERE id = e.name),
  CASE u.phase WHEN 0 THEN 'before' WHEN 1 THEN 'result' ELSE 'after' END,
  (SELECT text FROM string WHERE id = u.arg), u.tensor, (SELECT text FROM string WHERE id = u.dtype),
  (SELECT text FROM string WHERE id = u.shape), u.nans, u.infs, r.name, f.name, c.position, u.position, e.ts, r.id, c.source,
  u.event
FROM tensor_use u
JOIN call c ON c.event = u.event
JOIN event e ON e.id = u.event
LEFT JOIN source_file f ON f.id = c.source
LEFT JOIN process p ON p.id = f.process
LEFT JOIN run r ON r.id = f.run
WHERE (u.nans > 0 OR u.infs > 0 OR (u.hash_kind = 1 AND (u.digest & 0x7ff0000000000000) = 0x7ff0000000000000))
  AND CASE u.phase
    WHEN 0 THEN NOT EXISTS (SELECT 1 FROM tensor_use b JOIN call d ON d.event = b.event
      WHERE (b.nans > 0 OR b.infs > 0 OR (b.hash_kind = 1 AND (b.digest & 0x7ff0000000000000) = 0x7ff0000000000000))
        AND b.event < u.event AND (u.tensor IS NULL OR b.tensor = u.tensor) AND d.source = c.source)
    ELSE NOT EXISTS (SELECT 1 FROM tensor_use a WHERE a.event = u.event AND a.phase = 0
      AND (a.nans > 0 OR a.infs > 0 OR (a.hash_kind = 1 AND (a.digest & 0x7ff0000000000000) = 0x7ff0000000000000))) END;

-- One row per run: the first row of nonfinite, by time and then in the order of the log.
CREATE VIEW first_nonfinite (
  rank,                             -- rank of the process
  name,                             -- operator or kernel
  phase,                            -- result, after: made by the call; before: came in from outside
  arg,                              -- where the tensor stands, '' the only result
  tensor,                           -- number of the tensor in its log, NULL not recorded
  dtype,                            -- f32, bf16, ...
  shape,                            -- [3, 8]
  nans,                             -- elements that are NaN, NULL not counted
  infs,                             -- elements that are infinite, NULL not counted
  run,                              -- name of the run
  log,                              -- base name of the log
  call_position,                    -- 0-based place of the call in its log
  position,                         -- of the tensor within the call
  ts,                               -- begin of the call, NULL when the log has no times
  run_id,                           -- -> run
  source,                           -- -> source_file
  call                              -- -> calls.id
) AS
SELECT rank, name, phase, arg, tensor, dtype, shape, nans, infs, run, log, call_position, position, ts, run_id, source, call
FROM (SELECT n.*, row_number() OVER (PARTITION BY n.run_id ORDER BY n.ts, n.call, n.position) AS nth FROM nonfinite n)
WHERE nth = 1;

-- One row per launch of a kernel.
CREATE VIEW launches (
  rank,                             -- rank of the process
  kernel,                           -- name
  variant,                          -- instruction set, interpreter or provider
  ts,                               -- begin
  dur,                              -- ns; NULL never ended
  items,                            -- points of the outer space, or elements
  threads,                          -- of the host
  grid,                             -- 4 x 1 x 1, NULL on the host
  block,                            -- 128 x 1 x 1, NULL on the host
  bytes_read,                       -- by the rule of its operator
  bytes_written,                    -- by the rule of its operator
  flops,                            -- by the rule of its operator
  operator,                         -- event that it belongs to
  site,                             -- of a compiled kernel: kernel_launches.site, kernels.site
  run,                              -- name of the run
  track,                            -- -> track
  parent,                           -- -> event that it belongs to
  launch,                           -- -> launch
  id                                -- -> event
) AS
SELECT p.rank, (SELECT text FROM string WHERE id = l.kernel), (SELECT text FROM string WHERE id = l.variant), e.ts, e.dur,
  l.items, l.threads, l.grid_x || ' x ' || l.grid_y || ' x ' || l.grid_z,
  l.block_x || ' x ' || l.block_y || ' x ' || l.block_z, l.bytes_read, l.bytes_written, l.flops,
  (SELECT w.text FROM event o JOIN string w ON w.id = o.name WHERE o.id = e.parent),
  (SELECT text FROM string WHERE id = l.site), r.name, e.track, e.parent, e.launch, e.id
FROM event e
JOIN launch l ON l.id = e.launch
LEFT JOIN track t ON t.id = e.track
LEFT JOIN process p ON p.id = t.process
LEFT JOIN run r ON r.id = p.run
WHERE e.launch IS NOT NULL;

-- One row per kernel that plumb compiled and run that launched it: what it is beside what it took. A combo kernel has its
-- members' nodes.
CREATE VIEW kernel_launches (
  rank,                             -- rank of the process
  compile_id,                       -- compile it belongs to
  phase,                            -- forward, backward, inference
  position,                         -- 0-based order in the program of its phase
  kernel,                           -- name
  role,                             -- pointwise, reduction, persistent, combo, extern
  variant,                          -- instruction set, interpreter or provider
  members,                          -- operators it computes, blank separated, in order
  launches,                         -- times it was launched
  total,                            -- ns, of all that ended
  mean,                             -- ns
  longest,                          -- ns
  bytes,                            -- read and written by all launches
  flops,                            -- of all launches; NULL unknown
  bytes_per_ns,                     -- GB/s, over launches that ended
  site,                             -- what its launches are known by
  run,                              -- name of the run
  compile,                          -- -> compile
  id                                -- -> kernel
) AS
SELECT p.rank, c.compile_id, k.phase, k.position, (SELECT text FROM string WHERE id = k.name), k.role,
  (SELECT text FROM string WHERE id = l.variant),
  (SELECT group_concat(text, ' ') FROM (SELECT w.text FROM kernel m JOIN kernel_op o ON o.kernel = m.id
    JOIN string w ON w.id = o.op WHERE m.id = k.id OR m.combo = k.id ORDER BY m.member, o.position)),
  sum(e.launches), sum(e.total), sum(e.total) / nullif(sum(e.ended), 0), max(e.longest),
  sum(e.launches * (coalesce(l.bytes_read, 0) + coalesce(l.bytes_written, 0))), sum(e.launches * l.flops),
  1.0 * sum(e.ended * (coalesce(l.bytes_read, 0) + coalesce(l.bytes_written, 0))) / nullif(sum(e.total), 0),
  (SELECT text FROM string WHERE id = k.site), r.name, k.compile, k.id
FROM (SELECT launch, track, count(*) AS launches, count(dur) AS ended, sum(dur) AS total, max(dur) AS longest FROM event
  WHERE launch IS NOT NULL GROUP BY launch, track) e
JOIN launch l ON l.id = e.launch AND l.site IS NOT NULL
JOIN track t ON t.id = e.track
JOIN process p ON p.id = t.process
JOIN run r ON r.id = p.run
JOIN kernel k ON k.site = l.site
JOIN compile c ON c.id = k.compile
JOIN source_file f ON f.id = c.source AND f.process = p.id
GROUP BY k.id, l.variant;

-- One row per kernel, variant and site that was launched, over all runs.
CREATE VIEW top_kernels (
  kernel,                           -- name
  variant,                          -- instruction set, interpreter or provider
  launches,                         -- times it was launched
  total,                            -- ns, of all that ended
  mean,                             -- ns
  longest,                          -- ns
  bytes,                            -- read and written, by the rule of its operator; NULL unknown
  flops,                            -- by the rule of its operator; NULL unknown
  bytes_per_ns,                     -- GB/s, over launches that ended; NULL unknown
  phase,                            -- of a kernel that plumb compiled: forward, backward, inference
  role,                             -- likewise: pointwise, reduction, persistent, combo, extern
  site                              -- likewise: what its launches are known by
) AS
SELECT (SELECT text FROM string WHERE id = l.kernel), (SELECT text FROM string WHERE id = l.variant), sum(k.launches),
  sum(k.total), sum(k.total) / sum(k.ended), max(k.longest), sum(k.launches * (l.bytes_read + l.bytes_written)),
  sum(k.launches * l.flops), 1.0 * sum(k.ended * (l.bytes_read + l.bytes_written)) / nullif(sum(k.total), 0),
  (SELECT phase FROM kernel WHERE site = l.site), (SELECT role FROM kernel WHERE site = l.site),
  (SELECT text FROM string WHERE id = l.site)
FROM (SELECT launch, count(*) AS launches, count(dur) AS ended, sum(dur) AS total, max(dur) AS longest FROM event
  WHERE launch IS NOT NULL GROUP BY launch) k
JOIN launch l ON l.id = k.launch
GROUP BY l.kernel, l.variant, l.site;

-- One row per copy of memory.
CREATE VIEW copies (
  rank,                             -- rank of the process
  kind,                             -- host to device, device to host, device to device
  ts,                               -- begin
  dur,                              -- ns
  bytes,                            -- bytes copied
  bytes_per_ns,                     -- GB/s
  run,                              -- name of the run
  track,                            -- -> track
  parent,                           -- -> event that was open
  id                                -- -> event
) AS
SELECT p.rank, CASE c.kind WHEN 1 THEN 'host to device' WHEN 2 THEN 'device to host' WHEN 3 THEN 'device to device' END,
  e.ts, e.dur, c.bytes, 1.0 * c.bytes / nullif(e.dur, 0), r.name, e.track, e.parent, e.id
FROM copy c
JOIN event e ON e.id = c.event
LEFT JOIN track t ON t.id = e.track
LEFT JOIN process p ON p.id = t.process
LEFT JOIN run r ON r.id = p.run;

-- One row per time that a thread waited for a device.
CREATE VIEW syncs (
  rank,                             -- rank of the process
  kind,                             -- device, stream, event
  ts,                               -- begin
  dur,                              -- ns
  run,                              -- name of the run
  track,                            -- -> track
  parent,                           -- -> event that was open
  id                                -- -> event
) AS
SELECT p.rank, CASE s.kind WHEN 1 THEN 'device' WHEN 2 THEN 'stream' WHEN 3 THEN 'event' END, e.ts, e.dur, r.name, e.track,
  e.parent, e.id
FROM sync s
JOIN event e ON e.id = s.event
LEFT JOIN track t ON t.id = e.track
LEFT JOIN process p ON p.id = t.process
LEFT JOIN run r ON r.id = p.run;

-- One row per piece of memory that was taken or given back, with what is in use after it.
CREATE VIEW allocations (
  rank,                             -- rank of the process
  ts,                               -- when
  bytes,                            -- taken; below 0 given back
  in_use,                           -- bytes in use in its process afterwards, as far as recorded
  address,                          -- as signed 64 bits
  operator,                         -- event that was open
  run,                              -- name of the run
  track,                            -- -> track
  parent,                           -- -> event that was open
  id                                -- -> alloc
) AS
SELECT p.rank, a.ts, a.bytes, sum(a.bytes) OVER (PARTITION BY t.process ORDER BY a.ts, a.id), a.address,
  (SELECT w.text FROM event o JOIN string w ON w.id = o.name WHERE o.id = a.parent), r.name, a.track, a.parent, a.id
FROM alloc a
LEFT JOIN track t ON t.id = a.track
LEFT JOIN process p ON p.id = t.process
LEFT JOIN run r ON r.id = p.run;

-- One row per value of a counter, in order of time per counter.
CREATE VIEW counters (
  rank,                             -- rank of the process
  name,                             -- loss, learning rate, ...
  ts,                               -- when
  value,                            -- NULL not a number
  within,                           -- event that was open
  run,                              -- name of the run
  track,                            -- -> track
  event                             -- -> event that was open: the step, say
) AS
SELECT p.rank, (SELECT text FROM string WHERE id = t.name), c.ts, c.value,
  (SELECT w.text FROM event o JOIN string w ON w.id = o.name WHERE o.id = c.event), r.name, c.track, c.event
FROM counter c
LEFT JOIN track t ON t.id = c.track
LEFT JOIN process p ON p.id = t.process
LEFT JOIN run r ON r.id = p.run;

-- One row per link between events.
CREATE VIEW links (
  kind,                             -- backward, launch, wait, compile
  src,                              -- -> event
  src_name,                         -- its name
  dst,                              -- -> event
  dst_name                          -- its name
) AS
SELECT CASE l.kind WHEN 1 THEN 'backward' WHEN 2 THEN 'launch' WHEN 3 THEN 'wait' WHEN 4 THEN 'compile' END, l.src,
  (SELECT w.text FROM event e JOIN string w ON w.id = e.name WHERE e.id = l.src), l.dst,
  (SELECT w.text FROM event e JOIN string w ON w.id = e.name WHERE e.id = l.dst)
FROM link l;

-- One row per error that a program reported.
CREATE VIEW errors (
  rank,                             -- rank of the process
  operator,                         -- event that was open
  message,                          -- what was wrong
  ts,                               -- when
  run,                              -- name of the run
  track,                            -- -> track
  parent,                           -- -> event that was open
  id                                -- -> event
) AS
SELECT p.rank, (SELECT w.text FROM event o JOIN string w ON w.id = o.name WHERE o.id = e.parent),
  (SELECT text FROM string WHERE id = e.name), e.ts, r.name, e.track, e.parent, e.id
FROM event e
LEFT JOIN track t ON t.id = e.track
LEFT JOIN process p ON p.id = t.process
LEFT JOIN run r ON r.id = p.run
WHERE e.kind = 14;

-- One row per field of a metrics record, null fields included.
CREATE VIEW metrics (
  rank,                             -- rank of the log
  compile_id,                       -- compile measured, NULL when the record names none
  name,                             -- field
  value,                            -- number or text; JSON text for lists and objects; NULL
  type,                             -- 0 null, 1 bool, 2 int, 3 real, 4 string, 5 JSON text
  key,                              -- compilation_metrics, bwd_compilation_metrics, ...
  occurrence,                       -- of the compile id
  attempt,                          -- attempt of the compile
  run,                              -- name of the run
  log,                              -- base name of the log
  ts,                               -- time of the record
  record,                           -- -> metric_record
  compile                           -- -> compile
) AS
SELECT f.rank, c.compile_id, (SELECT text FROM string WHERE id = v.name),
  CASE WHEN v.type IN (4, 5) THEN (SELECT text FROM string WHERE id = v.value) ELSE v.value END,
  v.type, (SELECT text FROM string WHERE id = m.key), c.occurrence, m.attempt, r.name, f.name, m.ts,
  m.id, m.compile
FROM metric_record m
JOIN compile_metric v ON v.record = m.id
LEFT JOIN compile c ON c.id = m.compile
LEFT JOIN source_file f ON f.id = m.source
LEFT JOIN run r ON r.id = f.run;

-- One row per field of a metrics record, with the word of its name instead of the name: what the other two are made of.
CREATE VIEW metric_value (
  record,                           -- -> metric_record
  name,                             -- -> string
  value                             -- number or text; JSON text for lists and objects; NULL
) AS
SELECT v.record, v.name,
  CASE WHEN v.type IN (4, 5) THEN (SELECT text FROM string WHERE id = v.value) ELSE v.value END
FROM compile_metric v;

-- One row per metrics record, the fields most asked for as columns (all fields: metrics); NULL where null or absent.
CREATE VIEW metrics_wide (
  rank,                             -- rank of the log
  compile_id,                       -- compile measured
  key,                              -- compilation_metrics, bwd_compilation_metrics, ...
  entire_frame_compile_time_s,                  -- field of that name
  backend_compile_time_s,                       -- field of that name
  inductor_compile_time_s,                      -- field of that name
  code_gen_time_s,                              -- field of that name
  dynamo_time_before_restart_s,                 -- field of that name
  guard_count,                                  -- field of that name
  shape_env_guard_count,                        -- field of that name
  cache_size,                                   -- field of that name
  accumulated_cache_size,                       -- field of that name
  graph_op_count,                               -- field of that name
  graph_node_count,                             -- field of that name
  graph_input_count,                            -- field of that name
  ir_count,                                     -- field of that name
  num_graph_breaks,                             -- field of that name
  has_guarded_code,                             -- field of that name
  is_forward,                                   -- field of that name
  is_runtime,                                   -- field of that name
  fail_type,                                    -- field of that name
  recompile_reason,                             -- field of that name
  start_time_us,                                -- field of that name
  end_time_us,                                  -- field of that name
  duration_us,                                  -- field of that name
  dynamo_cumulative_compile_time_us,            -- field of that name
  aot_autograd_cumulative_compile_time_us,      -- field of that name
  inductor_cumulative_compile_time_us,          -- field of that name
  inductor_code_gen_cumulative_compile_time_us, -- field of that name
  triton_compile_time_us,                       -- field of that name
  backward_cumulative_compile_time_us,          -- field of that name
  pre_grad_pass_time_us,                        -- field of that name
  joint_graph_pass_time_us,                     -- field of that name
  post_grad_pass_time_us,                       -- field of that name
  gc_time_us,                                   -- field of that name
  guard_latency_us,                             -- field of that name
  structured_logging_overhead_us,               -- field of that name
  runtime_cudagraphify_time_us,                 -- field of that name
  runtime_triton_autotune_time_us,              -- field of that name
  remote_fx_graph_cache_get_time_us,            -- field of that name
  remote_fx_graph_cache_put_time_us,            -- field of that name
  remote_cache_time_saved_s,                    -- field of that name
  param_numel,                                  -- field of that name
  param_bytes,                                  -- field of that name
  param_count,                                  -- field of that name
  num_triton_bundles,                           -- field of that name
  cudagraph_skip_reason,                        -- field of that name
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  log,                              -- base name of the log
  ts,                               -- time of the record
  record,                           -- -> metric_record
  compile                           -- -> compile
) AS
SELECT f.rank, c.compile_id, (SELECT text FROM string WHERE id = m.key),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'entire_frame_compile_time_s' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'backend_compile_time_s' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'inductor_compile_time_s' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'code_gen_time_s' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'dynamo_time_before_restart_s' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'guard_count' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'shape_env_guard_count' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'cache_size' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'accumulated_cache_size' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'graph_op_count' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'graph_node_count' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'graph_input_count' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'ir_count' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'num_graph_breaks' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'has_guarded_code' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'is_forward' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'is_runtime' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'fail_type' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'recompile_reason' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'start_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'end_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'duration_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'dynamo_cumulative_compile_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'aot_autograd_cumulative_compile_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'inductor_cumulative_compile_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'inductor_code_gen_cumulative_compile_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'triton_compile_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'backward_cumulative_compile_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'pre_grad_pass_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'joint_graph_pass_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'post_grad_pass_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'gc_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'guard_latency_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'structured_logging_overhead_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'runtime_cudagraphify_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'runtime_triton_autotune_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'remote_fx_graph_cache_get_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'remote_fx_graph_cache_put_time_us' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'remote_cache_time_saved_s' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'param_numel' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'param_bytes' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'param_count' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'num_triton_bundles' AND length(text) <= 48)),
  (SELECT value FROM metric_value v WHERE v.record = m.id AND v.name IN
    (SELECT id FROM string WHERE text = 'cudagraph_skip_reason' AND length(text) <= 48)),
  c.occurrence, r.name, f.name, m.ts, m.id, m.compile
FROM metric_record m
LEFT JOIN compile c ON c.id = m.compile
LEFT JOIN source_file f ON f.id = m.source
LEFT JOIN run r ON r.id = f.run;

-- One row per graph in text form.
CREATE VIEW graphs (
  rank,                             -- rank of the log
  compile_id,                       -- compile it belongs to
  name,                             -- stage
  module,                           -- class name in the text
  n_nodes,                          -- nodes, placeholders and output included
  n_lines,                          -- lines that could not be read
  same_as,                          -- -> graph of the same compile with the same text, NULL none before it
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  log,                              -- base name of the log
  artifact,                         -- -> artifact
  compile,                          -- -> compile
  graph                             -- -> graph
) AS
SELECT f.rank, c.compile_id, (SELECT text FROM string WHERE id = g.name),
  (SELECT text FROM string WHERE id = g.module), g.n_nodes, g.n_lines, g.same_as, c.occurrence, r.name,
  f.name, g.artifact, g.compile, g.id
FROM graph g
LEFT JOIN artifact a ON a.id = g.artifact
LEFT JOIN compile c ON c.id = g.compile
LEFT JOIN source_file f ON f.id = a.source
LEFT JOIN run r ON r.id = f.run;

-- One row per graph and node in it. A graph that is the same as another lists the nodes it shares.
CREATE VIEW nodes (
  graph,                            -- -> graph
  line,                             -- line in the artifact
  op,                               -- placeholder, get_attr, call_function, call_method, call_module, output
  name,                             -- name of the value
  target,                           -- what is called
  type,                             -- f32[8, 32][32, 1]cpu as written
  file,                             -- source file of the innermost user frame, NULL none
  source_line,                      -- its line
  stack,                            -- -> stack
  id                                -- -> node
) AS
SELECT g.id, n.line,
  CASE n.op WHEN 1 THEN 'placeholder' WHEN 2 THEN 'get_attr' WHEN 3 THEN 'call_function'
    WHEN 4 THEN 'call_method' WHEN 5 THEN 'call_module' WHEN 6 THEN 'output' END,
  (SELECT text FROM string WHERE id = n.name), (SELECT text FROM string WHERE id = n.target),
  (SELECT text FROM string WHERE id = n.type),
  (SELECT w.text FROM stack s JOIN string w ON w.id = s.file WHERE s.id = n.stack),
  (SELECT s.line FROM stack s WHERE s.id = n.stack), n.stack, n.id
FROM graph g
JOIN node n ON n.id BETWEEN g.first_node AND g.first_node + g.n_nodes - 1;

-- One row per graph and use of a value by a node of it.
CREATE VIEW edges (
  graph,                            -- -> graph
  dst,                              -- -> node that uses
  dst_name,                         -- its name
  arg,                              -- 0-based count of node arguments
  src,                              -- -> node that is used
  src_name                          -- its name
) AS
SELECT g.id, e.dst, (SELECT text FROM string WHERE id = d.name), e.arg, e.src,
  (SELECT w.text FROM node s JOIN string w ON w.id = s.name WHERE s.id = e.src)
FROM graph g
JOIN node d ON d.id BETWEEN g.first_node AND g.first_node + g.n_nodes - 1
JOIN edge e ON e.dst = d.id;

-- One row per kernel named in generated code or in triton_kernel_info.
CREATE VIEW kernels (
  rank,                             -- rank of the log
  compile_id,                       -- compile it belongs to
  name,                             -- kernel
  kind,                             -- cpp, triton, extern; plumb's own: c, cuda, opencl
  n_ops,                            -- graph nodes it computes
  nodes,                            -- their names, blank separated
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  log,                              -- base name of the log
  line,                             -- first line in the artifact
  info,                             -- JSON recorded for it
  phase,                            -- forward, backward, inference; NULL not recorded
  role,                             -- pointwise, reduction, persistent, combo, extern; NULL not recorded
  position,                         -- 0-based order in the program of its phase
  combo,                            -- name of the combo kernel it is a member of
  bytes_read,                       -- that it must read
  bytes_written,                    -- that it must write
  site,                             -- what its launches are known by
  artifact,                         -- -> artifact that names it
  compile,                          -- -> compile
  id                                -- -> kernel
) AS
SELECT f.rank, c.compile_id, (SELECT text FROM string WHERE id = k.name), k.kind,
  (SELECT count(*) FROM kernel_op o WHERE o.kernel = k.id),
  (SELECT group_concat(text, ' ') FROM (SELECT w.text FROM kernel_op o JOIN string w ON w.id = o.node
    WHERE o.kernel = k.id ORDER BY o.position)),
  c.occurrence, r.name, f.name, k.line, (SELECT text FROM string WHERE id = k.info),
  k.phase, k.role, k.position, (SELECT w.text FROM kernel o JOIN string w ON w.id = o.name WHERE o.id = k.combo),
  k.bytes_read, k.bytes_written, (SELECT text FROM string WHERE id = k.site), k.artifact, k.compile, k.id
FROM kernel k
LEFT JOIN artifact a ON a.id = k.artifact
LEFT JOIN compile c ON c.id = k.compile
LEFT JOIN source_file f ON f.id = a.source
LEFT JOIN run r ON r.id = f.run;

-- One row per kernel with a site, by text: words may occur twice in very large files.
CREATE VIEW kernel_site (
  site,                             -- '0/1 forward pl_poi_fused_add_0'
  kernel                            -- -> kernel
) AS
SELECT w.text, k.id FROM kernel k JOIN string w ON w.id = k.site;

-- One row per launch of a compiled kernel: which site, and whose process.
CREATE VIEW launch_site (
  site,                             -- '0/1 forward pl_poi_fused_add_0'
  process,                          -- -> process that launched it first, NULL not known
  launch                            -- -> launch
) AS
WITH named AS MATERIALIZED (
  SELECT w.text AS site, (SELECT t.process FROM event e JOIN track t ON t.id = e.track WHERE e.launch = l.id LIMIT 1) AS process, l.id AS launch
  FROM launch l JOIN string w ON w.id = l.site
)
SELECT site, process, launch FROM named;

-- One row per kernel that was launched, with the times of its launches.
CREATE VIEW kernel_times (
  kernel,                           -- -> kernel
  launches,                         -- times it was launched
  ended,                            -- of them with an end
  total,                            -- ns, of those that ended
  least,                            -- ns
  longest                           -- ns
) AS
SELECT k.id, count(*), count(e.dur), iif(count(e.dur), cast(total(e.dur) AS INTEGER), NULL), min(e.dur), max(e.dur)
FROM kernel k
CROSS JOIN string w ON w.id = k.site
LEFT JOIN compile c ON c.id = k.compile
LEFT JOIN source_file f ON f.id = c.source
CROSS JOIN launch_site l ON l.site = w.text AND (l.process = f.process OR l.process IS NULL OR f.process IS NULL)
CROSS JOIN event e ON e.launch = l.launch
GROUP BY k.id;

-- One row per linked pair of lines of a provenance map and relation.
CREATE VIEW provenance_lines (
  rank,                             -- rank of the log
  compile_id,                       -- compile it belongs to
  relation,                         -- preToPost, postToPre, pyCodeToPost, postToPyCode, cppCodeToPost, postToCppCode
  line,                             -- 1-based line on the left
  position,                         -- order among the linked lines
  to_line,                          -- 1-based line on the right
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  log,                              -- base name of the log
  pre,                              -- -> artifact, pre-grad graph
  post,                             -- -> artifact, post-grad graph
  code,                             -- -> artifact, generated code
  compile,                          -- -> compile
  map                               -- -> provenance_map
) AS
SELECT f.rank, c.compile_id,
  CASE p.relation WHEN 1 THEN 'preToPost' WHEN 2 THEN 'postToPre' WHEN 3 THEN 'pyCodeToPost'
    WHEN 4 THEN 'postToPyCode' WHEN 5 THEN 'cppCodeToPost' WHEN 6 THEN 'postToCppCode' END,
  p.line, p.position, p.to_line, c.occurrence, r.name, f.name, m.pre, m.post, m.code, m.compile, m.id
FROM provenance_map m
JOIN provenance p ON p.map = m.id
LEFT JOIN artifact a ON a.id = m.mapping
LEFT JOIN compile c ON c.id = m.compile
LEFT JOIN source_file f ON f.id = a.source
LEFT JOIN run r ON r.id = f.run;

-- One row per collective operation of a compile's schedule.
CREATE VIEW collectives (
  rank,                             -- rank of the log
  compile_id,                       -- compile it belongs to
  position,                         -- 0-based place in the schedule
  op,                               -- torch.ops._c10d_functional.all_reduce_.default
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  log,                              -- base name of the log
  artifact,                         -- -> artifact
  compile                           -- -> compile
) AS
SELECT f.rank, c.compile_id, o.position, (SELECT text FROM string WHERE id = o.op), c.occurrence, r.name,
  f.name, o.artifact, o.compile
FROM collective o
LEFT JOIN artifact a ON a.id = o.artifact
LEFT JOIN compile c ON c.id = o.compile
LEFT JOIN source_file f ON f.id = a.source
LEFT JOIN run r ON r.id = f.run;

-- One row per operator whose run time was estimated.
CREATE VIEW op_estimates (
  rank,                             -- rank of the log
  compile_id,                       -- compile it belongs to
  position,                         -- 0-based place
  name,                             -- operator
  type,                             -- compute, collective
  ns,                               -- estimated run time
  outputs,                          -- JSON list of shapes, strides, dtypes
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  log,                              -- base name of the log
  artifact,                         -- -> artifact
  compile                           -- -> compile
) AS
SELECT f.rank, c.compile_id, o.position, (SELECT text FROM string WHERE id = o.name),
  (SELECT text FROM string WHERE id = o.type), o.ns, (SELECT text FROM string WHERE id = o.outputs),
  c.occurrence, r.name, f.name, o.artifact, o.compile
FROM op_estimate o
LEFT JOIN artifact a ON a.id = o.artifact
LEFT JOIN compile c ON c.id = o.compile
LEFT JOIN source_file f ON f.id = a.source
LEFT JOIN run r ON r.id = f.run;

-- One row per graph that was executed, in order.
CREATE VIEW graph_executions (
  rank,                             -- rank of the log
  position,                         -- 0-based place in the order
  compile_id,                       -- as recorded
  run,                              -- name of the run
  log,                              -- base name of the log
  artifact,                         -- -> artifact
  source                            -- -> source_file
) AS
SELECT f.rank, x.position, x.compile_id, r.name, f.name, x.artifact, x.source
FROM graph_execution x
LEFT JOIN source_file f ON f.id = x.source
LEFT JOIN run r ON r.id = f.run;

-- One row per thing an export reported.
CREATE VIEW export_findings (
  rank,                             -- rank of the log
  compile_id,                       -- compile, usually NULL
  kind,                             -- guard_added, propagate_real_tensors_provenance, missing_fake_kernel, ...
  op,                               -- operator concerned
  reason,                           -- reason or expression
  result,                           -- what the expression was evaluated to
  run,                              -- name of the run
  log,                              -- base name of the log
  locals,                           -- local variables, JSON
  symbol_sources,                   -- sources of the symbols, JSON
  expression_node,                  -- expressions.node of the expression in the same source
  stack,                            -- -> stack, framework
  user_stack,                       -- -> stack, user
  source,                           -- -> source_file
  id                                -- -> export_finding
) AS
SELECT f.rank, c.compile_id, x.kind, x.op, x.reason, x.result, r.name, f.name, x.locals, x.symbol_sources,
  x.expression_node, x.stack, x.user_stack, x.source, x.id
FROM export_finding x
LEFT JOIN compile c ON c.id = x.compile
LEFT JOIN source_file f ON f.id = x.source
LEFT JOIN run r ON r.id = f.run;

-- One row per argument of a symbolic expression; one with argument NULL for an expression without arguments.
CREATE VIEW expressions (
  source,                           -- -> source_file
  node,                             -- number of the expression within its process
  method,                           -- operator
  result,                           -- printed expression
  position,                         -- 0-based count of the argument
  argument,                         -- printed argument
  argument_node,                    -- expressions.node of the argument, NULL a constant
  stack,                            -- -> stack, framework
  user_stack,                       -- -> stack, user
  id                                -- -> expression
) AS
SELECT e.source, e.node, e.method, e.result, a.position, a.text, a.node, e.stack, e.user_stack, e.id
FROM expression e
LEFT JOIN expression_arg a ON a.expression = e.id;

-- One row per described tensor; sources are joined by newlines.
CREATE VIEW tensors (
  rank,                             -- rank of the log
  compile_id,                       -- compile it was described for
  tensor,                           -- id within the describer
  names,                            -- where it stands in the program (L['x'])
  dtype,                            -- torch.float32
  device,                           -- cpu, cuda:0
  size,                             -- JSON list; symbols as text
  stride,                           -- JSON list
  ndim,                             -- dimensions
  requires_grad,                    -- 1 or 0
  parameter,                        -- 1 or 0
  leaf,                             -- 1 or 0
  view,                             -- 1 or 0
  storage,                          -- storage id within the describer
  storage_size,                     -- bytes of that storage
  base,                             -- tensor it is a view of
  occurrence,                       -- of the compile id
  run,                              -- name of the run
  log,                              -- base name of the log
  rest,                             -- remaining fields, JSON
  describer,                        -- describer_id
  compile,                          -- -> compile
  source,                           -- -> source_file
  id                                -- -> tensor_desc
) AS
SELECT f.rank, c.compile_id, t.tensor,
  (SELECT group_concat(w.text, char(10)) FROM tensor_source s JOIN string w ON w.id = s.name
    WHERE s.compile IS t.compile AND s.tensor = t.tensor AND s.source = t.source
      AND s.describer IS t.describer),
  (SELECT text FROM string WHERE id = t.dtype), (SELECT text FROM string WHERE id = t.device),
  (SELECT text FROM string WHERE id = t.size), (SELECT text FROM string WHERE id = t.stride), t.ndim,
  (t.flags >> 1) & 1, (t.flags >> 2) & 1, t.flags & 1, (t.flags >> 3) & 1, t.storage,
  (SELECT max(s.size) FROM storage_desc s WHERE s.compile IS t.compile AND s.storage = t.storage
    AND s.source = t.source AND s.describer IS t.describer),
  t.base, c.occurrence, r.name, f.name, (SELECT text FROM string WHERE id = t.rest), t.describer,
  t.compile, t.source, t.id
FROM tensor_desc t
LEFT JOIN compile c ON c.id = t.compile
LEFT JOIN source_file f ON f.id = t.source
LEFT JOIN run r ON r.id = f.run;

-- One row per stack frame; stack_text(id) prints the frame with its callers.
CREATE VIEW stacks (
  id,                               -- -> stack
  parent,                           -- -> stack, its caller, NULL outermost
  file,                             -- source file
  line,                             -- line, 0 unknown
  name,                             -- function
  loc                               -- text of the line
) AS
SELECT s.id, s.parent, (SELECT text FROM string WHERE id = s.file), s.line,
  (SELECT text FROM string WHERE id = s.name), (SELECT text FROM string WHERE id = s.loc)
FROM stack s;
-- One row per pair of a comparison, in order: where the two runs agree and where not.
CREATE VIEW divergence (
  verdict,                          -- same, artefact, masked, unknown, receiver, structure, argument, origin, input
  name,                             -- operator or kernel (of A; of B where A has none)
  step,                             -- NULL none
  phase,                            -- forward, backward, optimizer; NULL not known
  module,                           -- NULL none
  a_position,                       -- 0-based place in A's log, NULL only in B
  b_position,                       -- 0-based place in B's log, NULL only in A
  a_args,                           -- positional arguments in A
  b_args,                           -- in B
  a_kwargs,                         -- keyword arguments in A
  b_kwargs,                         -- in B
  a_output,                         -- result in A
  b_output,                         -- in B
  a_kernel,                         -- kernel that it is an operator of in A, '' a view of a compiled program, NULL a call
  b_kernel,                         -- in B
  relative,                         -- largest relative difference of the results, NULL not known
  argument_differs,                 -- 1 an argument that is no tensor differs
  rank,                             -- of A; of B where A has none
  log,                              -- likewise
  method,                           -- how the two were aligned, as pair.method
  confidence,                       -- of that, percent
  lane,                             -- -> lane
  a,                                -- event.id in A's file
  b,                                -- event.id in B's file
  id                                -- -> pair
) AS
SELECT CASE p.verdict WHEN 0 THEN 'same' WHEN 1 THEN 'artefact' WHEN 2 THEN 'masked' WHEN 3 THEN 'unknown' WHEN 4 THEN 'receiver'
    WHEN 5 THEN 'structure' WHEN 6 THEN 'argument' WHEN 7 THEN 'origin' WHEN 8 THEN 'input' END,
  (SELECT text FROM string WHERE id = coalesce(ta.name, tb.name)), (SELECT text FROM string WHERE id = s.step),
  CASE s.phase WHEN 1 THEN 'forward' WHEN 2 THEN 'backward' WHEN 3 THEN 'optimizer' END, (SELECT text FROM string WHERE id = s.module),
  p.a_position, p.b_position, (SELECT text FROM string WHERE id = ta.args), (SELECT text FROM string WHERE id = tb.args),
  (SELECT ltrim(text, ', ') FROM string WHERE id = ta.kwargs), (SELECT ltrim(text, ', ') FROM string WHERE id = tb.kwargs),
  (SELECT ltrim(text, ' ->') FROM string WHERE id = ta.output), (SELECT ltrim(text, ' ->') FROM string WHERE id = tb.output),
  (SELECT text FROM string WHERE id = ta.kernel), (SELECT text FROM string WHERE id = tb.kernel),
  p.relative, p.flags & 1, coalesce(l.a_rank, l.b_rank), coalesce(l.a_log, l.b_log), p.method, p.confidence, p.lane, p.a, p.b, p.id
FROM pair p
LEFT JOIN lane l ON l.id = p.lane
LEFT JOIN pair_text ta ON ta.id = p.a_text
LEFT JOIN pair_text tb ON tb.id = p.b_text
LEFT JOIN pair_scope s ON s.id = p.scope;

-- One row per comparison whose runs differ: its answer, the earliest input, argument, origin or structure.
CREATE VIEW first_difference (
  kind,                             -- input, argument, origin, structure; receiver when who made it was not hashed
  name,                             -- operator or kernel
  step,                             -- NULL none
  phase,                            -- forward, backward, optimizer; NULL not known
  module,                           -- NULL none
  a_position,                       -- 0-based place in A's log, NULL only in B
  b_position,                       -- 0-based place in B's log, NULL only in A
  path,                             -- of the tensor or argument that differs, NULL none is named
  rank,                             -- of A; of B where A has none
  log,                              -- likewise
  before,                           -- pairs before it in its log, all same
  answer,                           -- the sentence
  pair                              -- -> pair
) AS
SELECT CASE WHEN d.verdict = 'origin' AND d.argument_differs THEN 'argument' WHEN d.verdict = 'masked' THEN 'receiver' ELSE d.verdict END, d.name, d.step, d.phase, d.module, d.a_position,
  d.b_position,
  CASE WHEN d.verdict = 'argument' OR (d.verdict = 'origin' AND d.argument_differs)
    THEN (SELECT (SELECT text FROM string WHERE id = g.path) FROM pair_argument g WHERE g.pair = d.id ORDER BY g.rowid LIMIT 1)
    ELSE (SELECT (SELECT text FROM string WHERE id = t.path) FROM pair_tensor t
      WHERE t.pair = d.id AND NOT t.artefact AND t.class IN (1, 2, 3) AND (d.verdict <> 'input' OR t.external)
        AND (d.verdict <> 'origin' OR t.phase <> 0) ORDER BY t.position LIMIT 1) END,
  d.rank, d.log, c.before, c.answer, d.id
FROM comparison c
JOIN divergence d ON d.id = c.first_pair;

-- One row per comparison with an origin: the earliest pair with equal tensors in and a different tensor out.
CREATE VIEW first_origin (
  kind,                             -- origin
  name,                             -- operator or kernel
  step,                             -- NULL none
  phase,                            -- forward, backward, optimizer; NULL not known
  module,                           -- NULL none
  a_position,                       -- 0-based place in A's log
  b_position,                       -- 0-based place in B's log
  path,                             -- of the first result that differs, '' the only one
  rank,                             -- rank of the process
  log,                              -- name of the log
  argument_differs,                 -- 1 an argument that is no tensor differs too
  relative,                         -- largest relative difference of the results, NULL not known
  pair                              -- -> pair
) AS
SELECT 'origin', d.name, d.step, d.phase, d.module, d.a_position, d.b_position,
  (SELECT (SELECT text FROM string WHERE id = t.path) FROM pair_tensor t
    WHERE t.pair = d.id AND NOT t.artefact AND t.phase <> 0 AND t.class IN (1, 2, 3) ORDER BY t.position LIMIT 1),
  d.rank, d.log, d.argument_differs, d.relative, d.id
FROM comparison c
JOIN divergence d ON d.id = c.origin_pair;

-- One row per tensor of a pair that differs, or of which it is not known.
CREATE VIEW divergence_tensors (
  name,                             -- operator or kernel
  phase,                            -- before, result, after
  path,                             -- where the tensor stands, '' the only result
  class,                            -- values, shape, one side, not hashed, other hash, cannot tell
  external,                         -- 1 an argument that no earlier call made
  artefact,                         -- 1 of no account by rule
  dtype,                            -- f32, ...
  shape,                            -- [3, 8]
  a_hash,                           -- as its log shows it
  b_hash,                           -- as its log shows it
  relative,                         -- relative difference, NULL not known
  elements,                         -- elements that differ, where both runs kept the values
  ulp,                              -- largest difference in units of the last place, likewise
  a_nans,                           -- elements that are NaN in A
  b_nans,                           -- in B
  a_infs,                           -- infinite elements in A
  b_infs,                           -- in B
  producer,                         -- -> pair that made it
  pair                              -- -> pair
) AS
SELECT (SELECT text FROM string WHERE id = x.name),
  CASE t.phase WHEN 0 THEN 'before' WHEN 1 THEN 'result' ELSE 'after' END, (SELECT text FROM string WHERE id = t.path),
  CASE t.class WHEN 1 THEN 'values' WHEN 2 THEN 'shape' WHEN 3 THEN 'one side' WHEN 4 THEN 'not hashed' WHEN 5 THEN 'other hash'
    ELSE 'cannot tell' END,
  t.external, t.artefact, (SELECT text FROM string WHERE id = t.dtype), (SELECT text FROM string WHERE id = t.shape),
  hash_value(t.hash_kind, t.a_digest), hash_value(t.hash_kind, t.b_digest), t.relative, t.elements, t.ulp, t.a_nans, t.b_nans,
  t.a_infs, t.b_infs, t.producer, t.pair
FROM pair_tensor t
JOIN pair p ON p.id = t.pair
LEFT JOIN pair_text x ON x.id = coalesce(p.a_text, p.b_text);


-- One row per thing to know before trusting the file; no row when all is well.
CREATE VIEW health (
  severity,                         -- 3 error, 2 warning, 1 note
  subject,                          -- loss.<kind>, unknown.<key>, log, year, events, errors, meta.<key>, diag
  count,                            -- how many
  message,                          -- one sentence
  run,                              -- name of the run, NULL the whole file
  log                               -- base name of the log, NULL several
) AS
SELECT CASE WHEN l.kind IN ('malformed', 'md5', 'mixed_rank', 'guards', 'truncated', 'json', 'payload', 'read',
    'ring', 'thread', 'torn', 'log', 'disk') THEN 2 ELSE 1 END,
  'loss.' || l.kind, sum(l.count), min(l.message), r.name, f.name
FROM loss l LEFT JOIN source_file f ON f.id = l.source LEFT JOIN run r ON r.id = f.run
GROUP BY l.source, l.kind
UNION ALL
SELECT 1, 'unknown.' || coalesce((SELECT text FROM string WHERE id = u.key), '?'), count(*),
  'records with a key that this version does not know; their text is kept', r.name, f.name
FROM unknown_record u LEFT JOIN source_file f ON f.id = u.source LEFT JOIN run r ON r.id = f.run
GROUP BY u.source, u.key
UNION ALL
SELECT 2, 'log', 1, 'the log was not read to its end (state ' || coalesce(f.state, 'unknown') || ')', r.name, f.name
FROM source_file f LEFT JOIN run r ON r.id = f.run WHERE f.state IS NOT 'complete'
UNION ALL
SELECT 1, 'year', 1, 'the year ' || f.year || ' is guessed from the date of the file: no record holds a full date', r.name, f.name
FROM source_file f LEFT JOIN run r ON r.id = f.run WHERE f.year_from = 'file'
UNION ALL
SELECT 1, 'events', count(*), 'spans that were not closed, not opened, or closed out of order', r.name, NULL
FROM event e LEFT JOIN track t ON t.id = e.track LEFT JOIN process p ON p.id = t.process LEFT JOIN run r ON r.id = p.run
WHERE e.flags <> 0 GROUP BY r.id
UNION ALL
SELECT 2, 'errors', count(*), 'operators failed; the first: ' || min(message), run, NULL FROM errors GROUP BY run
UNION ALL
SELECT 1, 'overhead', sum(count), kind || ' (' || origin || ') took about ' || (sum(cost_ns) / 1000) || ' us', NULL, NULL
FROM overhead GROUP BY origin, kind
UNION ALL
SELECT CASE key WHEN 'state' THEN 2 ELSE 1 END, 'meta.' || key, 1,
  CASE WHEN key = 'state' AND value = 'live' THEN 'the file is being written; if its writer was killed, plumb doctor takes in what is left'
    WHEN key = 'state' THEN 'the writer was killed; every committed record was recovered'
    WHEN key = 'redacted' THEN 'words were replaced by tokens'
    ELSE 'left out when the file was packed: ' || coalesce(value, '') END, NULL, NULL
FROM meta WHERE key = 'state' AND value IN ('live', 'recovered') OR key = 'redacted' OR key GLOB 'cut.*'
UNION ALL
SELECT d.severity, 'diag', 1, d.message, NULL, NULL FROM diag d WHERE d.severity >= 2;
