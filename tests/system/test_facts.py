"""What each sample run is known to show, as SQL over the public views.

The runs and their facts: programs of a few lines, so that each fact can be read off the program.
"""
import pytest

from conftest import old_log, query, values


def keys(db, *names):
    """{key: records} of the named envelope keys, over all logs of the trace."""
    rows = query(db, "SELECT key, sum(records) AS n FROM envelope_counts GROUP BY key")
    return {r["key"]: r["n"] for r in rows if r["key"] in names}


def outcomes(db):
    return dict(values(db, "SELECT compile_id, outcome FROM compiles ORDER BY compile_id"))


def artifact_counts(db, pattern):
    return dict(values(db, "SELECT name, count(*) FROM artifacts WHERE name GLOB :pattern GROUP BY name", pattern=pattern))


# ---- one function, one model

def test_simple(traces):
    db = traces("simple")
    assert query(db, "SELECT compile_id, outcome, attempts, n_ops, function FROM compiles") == [
        {"compile_id": "0/0", "outcome": "ok", "attempts": 1, "n_ops": 5, "function": "scale_and_sum"}]
    assert keys(db, "inductor_output_code") == {"inductor_output_code": 1}
    assert values(db, "SELECT cache, outcome FROM cache ORDER BY cache") == [("aotautograd", "miss"), ("fx_graph", "miss")]
    for view in ("graph_breaks", "failures", "restarts", "recompiles", "losses"):
        assert query(db, f"SELECT * FROM {view}") == [], view


def test_train_mlp(traces):
    db = traces("train_mlp")
    assert outcomes(db) == {"0/0": "ok"}
    assert keys(db, "aot_joint_graph", "aot_forward_graph", "aot_backward_graph", "inductor_output_code",
                "compilation_metrics", "bwd_compilation_metrics") == {
        "aot_joint_graph": 1, "aot_forward_graph": 1, "aot_backward_graph": 1, "inductor_output_code": 2,
        "compilation_metrics": 1, "bwd_compilation_metrics": 1}
    assert values(db, "SELECT cache, outcome, count(*) FROM cache GROUP BY 1, 2 ORDER BY 1") == [
        ("aotautograd", "miss", 1), ("fx_graph", "miss", 2)]
    assert values(db, "SELECT count(DISTINCT record) FROM metrics WHERE key = 'bwd_compilation_metrics'") == [1]


@pytest.mark.parametrize("run,ops,guards", [("transformer", 43, 295), ("flex_attention", 2, 114), ("custom_op", 5, 14),
                                            ("autograd_function", 4, 21)])
def test_single_compiles(traces, run, ops, guards):
    db = traces(run)
    assert values(db, "SELECT compile_id, outcome, n_ops, n_guards FROM compiles") == [("0/0", "ok", ops, guards)]
    expected = {"transformer": 2, "flex_attention": 1, "custom_op": 2, "autograd_function": 2}[run]
    assert keys(db, "inductor_output_code") == {"inductor_output_code": expected}


# ---- recompiles

REASONS = {
    "0/1": ("0/0", ["tensor 'x' size mismatch at index 0. expected 4, actual 6"]),
    "1/1": ("1/0", ["tensor 'x' dtype mismatch. expected Float, actual Double"]),
    "2/1": ("2/0", ["power == 2"]),
    "2/2": ("2/1", ["negate == False", "power == 2"]),
    "3/1": ("3/0", ["tensor 'w' requires_grad mismatch. expected requires_grad=0"]),
    "4/1": ("4/0", ["name == 'a'"]),
    "4/2": ("4/1", ["name == 'bb'", "name == 'a'"]),
    "4/3": ("4/2", ["name == 'ccc'", "name == 'bb'", "name == 'a'"]),
}


def test_recompile_reasons(traces):
    db = traces("recompiles")
    rows = query(db, "SELECT compile_id, previous, reasons, n_reasons FROM recompiles")
    assert {r["compile_id"]: r["previous"] for r in rows} == {key: value[0] for key, value in REASONS.items()}
    for row in rows:
        expected = REASONS[row["compile_id"]][1]
        assert row["n_reasons"] == len(expected)
        at = [row["reasons"].index(reason) for reason in expected]
        assert at == sorted(at), f"{row['compile_id']}: the reasons keep their order"


def test_recompile_limit(traces):
    db = traces("recompiles")
    assert len(outcomes(db)) == 13
    assert keys(db, "dynamo_start", "compilation_metrics") == {"dynamo_start": 12, "compilation_metrics": 13}
    assert values(db, "SELECT compile_id, type FROM failures") == [("4/3", "Unsupported")]
    assert values(db, "SELECT DISTINCT outcome FROM compiles WHERE compile_id <> '4/3'") == ["ok"]
    assert values(db, "SELECT reason LIKE '%recompile limit%' FROM failures") == [1]


def test_global_state_recompiles(traces):
    assert values(traces("provenance"), "SELECT compile_id, previous, trim(reasons) FROM recompiles") == [
        ("0/1", "0/0", "GLOBAL_STATE changed: grad_mode")]
    assert values(traces("determinism"), "SELECT compile_id, previous, trim(reasons) FROM recompiles") == [
        ("0/1", "0/0", "GLOBAL_STATE changed: deterministic_algorithms")]


def test_ids_begin_again_after_reset(traces):
    db = traces("determinism")
    assert values(db, "SELECT compile_id, occurrence, outcome FROM compiles ORDER BY start_ts") == [
        ("0/0", 1, "ok"), ("0/1", 1, "ok"), ("0/0", 2, "ok")]
    per = values(db, "SELECT occurrence, count(*) FROM metrics WHERE compile_id = '0/0' AND name = 'co_name' GROUP BY 1")
    assert per == [(1, 1), (2, 1)], "one metrics record each"
    assert values(db, "SELECT DISTINCT occurrence FROM artifacts WHERE name = 'inductor_output_code' AND compile_id = '0/0' "
                      "ORDER BY 1") == [1, 2]


# ---- breaks, failures, restarts

def test_graph_breaks(traces):
    db = traces("graph_breaks")
    rows = values(db, "SELECT compile_id, line, reason || detail FROM graph_breaks ORDER BY compile_id")
    expected = [("0/0", 16, "`print`"), ("1/0", 18, "Data-dependent branching"), ("2/0", 21, "time.sleep"),
                ("3/0", 10, "graph_break()"), ("4/0", 10, "graph_break()"), ("7/0", 29, "Tensor.item()")]
    assert [row[:2] for row in rows] == [row[:2] for row in expected]
    for row, (compile_id, _, word) in zip(rows, expected):
        assert word in row[2], compile_id
    assert values(db, "SELECT DISTINCT file FROM graph_breaks") == ["/home/user/project/graph_breaks.py"]
    assert values(db, "SELECT count(*) FROM graph_breaks WHERE reason = '' OR reason IS NULL") == [0]


def test_graph_break_outcomes(traces):
    db = traces("graph_breaks")
    assert outcomes(db) == {"0/0": "restarted", "1/0": "ok", "2/0": "restarted", "3/0": "empty", "4/0": "restarted",
                            "5/0": "ok", "6/0": "ok", "7/0": "failed"}
    assert values(db, "SELECT compile_id, count(*) FROM restarts GROUP BY 1 ORDER BY 1") == [
        ("0/0", 1), ("2/0", 1), ("3/0", 1), ("4/0", 1)]
    assert values(db, "SELECT compile_id, type, line FROM failures") == [("7/0", "Unsupported", 29)]
    assert values(db, "SELECT n_ops FROM compiles WHERE compile_id = '3/0'") == [0]
    assert values(db, "SELECT count(*) FROM compiles WHERE function GLOB 'torch_dynamo_resume_in_*'") == [5]
    assert values(db, "SELECT compile_id, attempts FROM compiles WHERE attempts > 1 ORDER BY 1") == [
        ("0/0", 2), ("2/0", 2), ("3/0", 2), ("4/0", 2)]


def test_failures(traces):
    db = traces("failures")
    assert values(db, "SELECT compile_id, type, line FROM failures ORDER BY compile_id") == [
        ("0/0", "TorchRuntimeError", 24), ("1/0", "BackendCompilerFailed", None), ("2/0", "Unsupported", 32),
        ("5/0", "Unsupported", 44), ("6/0", "BackendCompilerFailed", None)]
    assert outcomes(db) == {"0/0": "failed", "1/0": "failed", "2/0": "failed", "3/0": "restarted", "4/0": "ok",
                            "5/0": "failed", "6/0": "failed"}
    assert values(db, "SELECT DISTINCT file FROM failures WHERE line IS NOT NULL") == ["/home/user/project/failures.py"]
    assert values(db, "SELECT line FROM graph_breaks WHERE compile_id = '3/0'") == [38]
    assert values(db, "SELECT compile_id, reason LIKE '%<class %>%' FROM restarts") == [("3/0", 1)], "a text that wants escaping"
    assert values(db, "SELECT function FROM compiles WHERE compile_id = '4/0'") == ["torch_dynamo_resume_in_restarted_at_38"]


def test_optimizer(traces):
    db = traces("optimizer_combo")
    assert values(db, "SELECT file, line, count(*) FROM graph_breaks GROUP BY 1, 2") == [
        ("/usr/lib/python3/site-packages/torch/optim/optimizer.py", 79, 2)]
    assert values(db, "SELECT compile_id, n_ops FROM compiles ORDER BY 1") == [
        ("0/0", 0), ("1/0", 0), ("2/0", 169), ("3/0", None), ("4/0", 5)]
    assert outcomes(db)["3/0"] == "empty", "a resumed frame without a graph"
    assert values(db, "SELECT count(*) > 0 FROM events WHERE name = 'Scheduler.create_combo_kernel_nodes'") == [1]
    assert values(db, "SELECT count(*) > 0 FROM kernels WHERE name = 'cpp_fused_add_cos_mul_sin_sum_0'") == [1]


# ---- symbols, guards, export

def test_symbols(traces):
    db = traces("dynamic_shapes")
    assert values(db, "SELECT kind, count(*) FROM symbols GROUP BY kind ORDER BY kind") == [
        ("backed", 8), ("specialization", 2), ("unbacked", 6)]
    assert values(db, "SELECT symbol, value, range, origin FROM symbols WHERE compile_id = '0/0'") == [
        ("s77", "8", "[6, 64]", "L['x'].size()[0]")]
    assert values(db, "SELECT compile_id, count(*) FROM symbols WHERE kind = 'unbacked' GROUP BY 1 ORDER BY 1") == [("3/0", 3), ("4/0", 3)]
    assert values(db, "SELECT compile_id, symbol, value, reason FROM symbols WHERE kind = 'specialization' ORDER BY 1") == [
        ("2/0", "s77", "7", "range_refined_to_singleton"), ("5/0", "s77", "6", "range_refined_to_singleton")]


def test_symbolic_guards(traces):
    db = traces("dynamic_shapes")
    rows = values(db, "SELECT compile_id, code FROM guards WHERE kind = 'guard_added_fast' ORDER BY id")
    assert len(rows) == 9
    assert ("1/0", "s17*s77 < 1000") in rows and ("2/0", "Eq(s77, 7)") in rows and ("3/0", "s33 <= 10") in rows
    user = values(db, "SELECT s.line, s.name, s.loc FROM guards g JOIN stacks s ON s.id = g.user_stack WHERE g.code = 's17*s77 < 1000'")
    assert user == [(19, "checked", "torch._check(x.shape[0] * y.shape[0] < 1000)")]
    assert values(db, "SELECT compile_id, type FROM failures") == [("5/0", "ConstraintViolationError")]


def test_guard_trees(traces):
    db = traces("transformer")
    n = values(db, "SELECT count(*) FROM guards WHERE artifact IS NOT NULL")[0]
    assert n > 295, "every leaf of the tree is a row"
    assert values(db, "SELECT count(*) > 0 FROM guards WHERE kind = 'TENSOR_MATCH' AND parent LIKE 'L[%'") == [1]
    assert values(db, "SELECT count(*) FROM guards WHERE artifact IS NOT NULL AND (line IS NULL OR line < 1)") == [0]


def test_export_draft(traces):
    db = traces("export_draft")
    assert values(db, "SELECT kind, coalesce(op, reason), result FROM export_findings ORDER BY id") == [
        ("propagate_real_tensors_provenance", "u0 > 3", "True"), ("guard_added", "2*s77 > 7", None),
        ("missing_fake_kernel", "demo.no_fake.default", None), ("mismatched_fake_kernel", "demo.wrong_shape.default", None),
        ("mismatched_fake_kernel", "demo.wrong_dtype.default", None)]
    assert values(db, "SELECT reason FROM export_findings WHERE op = 'demo.wrong_dtype.default'") == [
        "Dtypes torch.float64 and torch.float32 are not equal!"]
    assert query(db, "SELECT * FROM compiles") == [], "no record of an export names a compile"
    assert keys(db, "exported_program") == {"exported_program": 1}
    assert values(db, "SELECT torch_version FROM runs") == [None], "this log has no torch_version record"


def test_export_expression_tree(traces):
    db = traces("export_draft")
    tree = values(db, """
        SELECT e.method, e.result, a.method, a.result, a.argument FROM export_findings f
        JOIN expressions e ON e.source = f.source AND e.node = f.expression_node AND e.argument_node IS NOT NULL
        JOIN expressions a ON a.source = e.source AND a.node = e.argument_node
        WHERE f.kind = 'guard_added' ORDER BY a.position""")
    assert tree == [("gt", "2*s77 > 7", "mul", "2*s77", "s77"), ("gt", "2*s77 > 7", "mul", "2*s77", "2")]
    assert "Tensor(shape: torch.Size([s77, 5])" in values(
        db, "SELECT locals FROM export_findings WHERE kind = 'guard_added'")[0], "locals that are lists are kept"


def test_export_refused(traces):
    db = traces("export_refused")
    assert values(db, "SELECT kind, reason FROM export_findings") == [("guard_on_data_dependent_error", "2*u0 > 3")]
    assert keys(db, "export") == {"export": 1}
    assert values(db, "SELECT artifact_text(id) FROM artifacts WHERE key = 'export'") == ["start!"]
    assert artifact_counts(db, "make_fx_fail_partial") == {"make_fx_fail_partial": 1}
    assert query(db, "SELECT * FROM unknown_records") == [], "keys newer than tlparse are known"


def test_export_ok(traces):
    db = traces("export_ok")
    assert values(db, "SELECT symbol, value, range, origin FROM symbols") == [("s6", "4", "[2, 32]", "L['flat_args'][0].size()[0]")]
    assert values(db, "SELECT DISTINCT compile_id FROM metrics") == [None], "its metrics name no compile"


# ---- caches

def test_caches(traces):
    miss, hit, bypass = traces("caches_1_miss"), traces("caches_2_hit"), traces("caches_3_bypass")
    for db, outcome in ((miss, "miss"), (hit, "hit"), (bypass, "bypass")):
        assert values(db, "SELECT cache, outcome, count(*) FROM cache GROUP BY 1, 2 ORDER BY 1") == [
            ("aotautograd", outcome, 1), ("fx_graph", outcome, 2)]
    keys_of = "SELECT cache_key FROM cache WHERE cache = 'fx_graph' ORDER BY 1"
    assert values(miss, keys_of) == values(hit, keys_of) and len(set(values(miss, keys_of))) == 2
    assert values(hit, "SELECT saved_ns FROM cache WHERE cache = 'aotautograd'") == [7409 * 10**6]
    assert values(bypass, "SELECT DISTINCT reason FROM cache") == ["Unsupported post grad custom pass"]


def test_cache_components(traces):
    sql = ("SELECT e.cache_key, c.position, d.text FROM cache_event e JOIN cache_component c ON c.cache_event = e.id "
           "JOIN string d ON d.id = c.digest ORDER BY 1, 2")
    miss, hit = values(traces("caches_1_miss"), sql), values(traces("caches_2_hit"), sql)
    assert miss == hit and len(miss) > 20, "equal keys are made of equal components"
    assert miss[0][2] == "4eim7hu253v65z66d2puciqhkpoezthaxh2zdzo225aunnml637"


def test_cache_hit_brings_its_graphs(traces):
    db = traces("caches_2_hit")
    assert keys(db, "aot_joint_graph", "aot_forward_graph", "aot_backward_graph", "inductor_post_grad_graph") == {
        "aot_joint_graph": 1, "aot_forward_graph": 1, "aot_backward_graph": 1, "inductor_post_grad_graph": 2}
    assert artifact_counts(db, "before_*") == {}
    assert keys(db, "bwd_compilation_metrics") == {}
    assert query(db, "SELECT * FROM losses") == [], "its four records of provenance announce no payload and have none"


# ---- ranks

def test_ranks(traces):
    db = traces("ranks4")
    assert values(db, "SELECT rank, rank_from FROM logs ORDER BY rank") == [(r, "name") for r in range(4)]
    assert values(db, "SELECT count(*), min(world) FROM runs") == [(1, 4)]
    assert values(db, "SELECT rank, compile_id, outcome FROM compiles ORDER BY 1, 2") == [
        (rank, compile_id, "ok") for rank in range(4) for compile_id in ("0/0", "1/0")]
    assert values(db, "SELECT rank, n_ops FROM compiles WHERE compile_id = '1/0' ORDER BY 1") == [(0, 5), (1, 5), (2, 5), (3, 6)]
    for key, n in (("optimize_ddp_split_graph", 1), ("optimize_ddp_split_child", 2), ("aot_joint_graph", 2),
                   ("aot_forward_graph", 2), ("aot_backward_graph", 2)):
        rows = values(db, "SELECT rank, count(*) FROM artifacts WHERE key = :key AND compile_id = '0/0' GROUP BY 1 ORDER BY 1", key=key)
        assert rows == [(rank, n) for rank in range(4)], key
    assert values(db, "SELECT rank, records FROM envelope_counts WHERE key = 'bwd_compilation_metrics' ORDER BY 1") == [
        (rank, 2) for rank in range(4)]
    assert query(db, "SELECT * FROM losses WHERE kind <> 'other_rank'") == [], "a record before the rank is known is no loss"


def test_collectives(traces):
    db = traces("ranks4")
    rows = values(db, "SELECT rank, replace(replace(op, 'torch.ops._c10d_functional.', ''), '.default', '') FROM collectives "
                      "WHERE compile_id = '1/0' ORDER BY rank, position")
    reduce, gather, wait = "all_reduce_", "all_gather_into_tensor", "wait_tensor"
    for rank in range(4):
        expected = [gather, wait, reduce, wait] if rank == 3 else [reduce, wait, gather, wait]
        assert [op for r, op in rows if r == rank] == expected


def test_rank_from_file_name():
    """Every record of these logs says rank 0; the names say 0, 1 and 2."""
    from conftest import run_plumb, BUILD
    folder = old_log("multi_rank_schedule")
    out = BUILD / "tests/schedule.db"
    out.parent.mkdir(parents=True, exist_ok=True)
    run_plumb("import", folder, "-o", out, "--overwrite")
    assert values(out, "SELECT rank FROM logs ORDER BY rank") == [0, 1, 2]
    assert values(out, "SELECT rank, count(*) FROM collectives WHERE compile_id = '0/0' GROUP BY 1 ORDER BY 1") == [(0, 6), (1, 4), (2, 6)]


# ---- provenance, compiled autograd, subgraphs

def test_provenance_artifacts(traces):
    db = traces("provenance")
    assert outcomes(db) == {"0/0": "ok", "0/1": "ok"}
    assert artifact_counts(db, "inductor_provenance_tracking_*") == {
        "inductor_provenance_tracking_kernel_stack_traces": 3, "inductor_provenance_tracking_node_mappings": 3}
    assert values(db, "SELECT c.compile_id, count(*) FROM provenance_map m JOIN compile c ON c.id = m.compile GROUP BY 1 ORDER BY 1") == [
        ("0/0", 1), ("0/1", 2)], "forward and backward of [0/1] are kept apart"
    assert values(db, "SELECT count(DISTINCT map) FROM provenance_lines") == [2], "the mapping of the backward names nothing"


def test_aot_inductor(traces):
    db = traces("aot_inductor")
    assert keys(db, "graph_dump") == {"graph_dump": 2}
    assert artifact_counts(db, "inductor_aot_*") == {"inductor_aot_wrapper_code": 1, "inductor_aot_kernel_code": 1}
    assert values(db, "SELECT count(*) FROM compiles") == [0]
    assert values(db, "SELECT count(*) > 0 FROM artifacts WHERE stack IS NOT NULL") == [1]
    maps = values(db, "SELECT DISTINCT version FROM provenance_map")
    assert maps == [2.0]
    assert values(db, "SELECT count(*) > 0 FROM provenance_lines WHERE relation = 'cppCodeToPost'") == [1]


def test_compiled_autograd(traces):
    db = traces("transformer_compiled_autograd")
    assert values(db, "SELECT compile_id FROM compiles ORDER BY 1") == ["!0", "!0/1/0", "0/0"]
    assert values(db, "SELECT autograd_id, frame_id, frame_compile_id, n_ops FROM compiles WHERE compile_id = '!0/1/0'") == [(0, 1, 0, 231)]
    assert values(db, "SELECT compile_id, name FROM artifacts WHERE key = 'compiled_autograd_graph' OR name GLOB '*pre_reordering' "
                      "ORDER BY name") == [("!0", "compiled_autograd_graph"), ("!0", "compiled_autograd_graph_pre_reordering")]
    assert values(db, "SELECT name FROM artifacts WHERE key = 'dump_file'") == ["<eval_with_key>.5"]
    assert keys(db, "create_symbol") == {"create_symbol": 56}


def test_subgraphs(traces):
    db = traces("higher_order")
    assert len(outcomes(db)) == 4
    rows = values(db, "SELECT DISTINCT subgraph FROM artifacts WHERE subgraph IS NOT NULL ORDER BY 1")
    assert rows == ["__marked_inductor_submod0", "__marked_inductor_submod1"]
    assert values(db, "SELECT DISTINCT compile_id FROM artifacts WHERE subgraph IS NOT NULL") == ["3/0"]
    assert query(db, "SELECT * FROM unknown_records") == []


# ---- what was described, measured, timed

def test_described_tensors(traces):
    db = traces("simple")
    assert values(db, "SELECT count(*) FROM tensors") == [2]
    assert values(db, "SELECT count(*) FROM tensors WHERE names LIKE 'L[%' AND dtype = 'torch.float32' AND storage_size > 0") == [2]
    db = traces("train_mlp")
    assert values(db, "SELECT count(*) FROM tensors WHERE parameter = 1 AND requires_grad = 1") == [4]


def test_all_metrics_fields_are_kept(traces):
    import json
    from conftest import log_text, run_folder
    db = traces("simple")
    text = log_text(next(run_folder("simple").iterdir())).decode()
    line = next(line for line in text.split("\n") if '{"compilation_metrics": ' in line)
    fields = json.loads(line[line.index("] {") + 2:])["compilation_metrics"]
    rows = {r["name"]: (r["type"], r["value"]) for r in query(db, "SELECT name, type, value FROM metrics WHERE key = 'compilation_metrics'")}
    assert set(rows) == set(fields)
    for name, value in fields.items():
        kind, stored = rows[name]
        if value is None: assert (kind, stored) == (0, None), name
        elif isinstance(value, bool): assert (kind, stored) == (1, int(value)), name
        elif isinstance(value, int): assert (kind, stored) == (2, value), name
        elif isinstance(value, float): assert kind == 3 and stored == pytest.approx(value), name
        elif isinstance(value, str): assert (kind, stored) == (4, value), name
        else: assert kind == 5 and json.loads(stored) == value, name


def test_chromium_spans(traces):
    import itertools
    import json
    from conftest import log_text, run_folder
    db = traces("simple")
    begun = instants = 0
    text = log_text(next(run_folder("simple").iterdir())).decode()
    for part in text.split('{"chromium_event": ')[1:]:
        payload = "\n".join(line[1:] for line in itertools.takewhile(lambda line: line.startswith("\t"), part.split("\n")[1:]))
        phase = json.loads(payload)["ph"]
        begun, instants = begun + (phase == "B"), instants + (phase == "i")
    assert begun > 50
    assert values(db, "SELECT count(*) FROM events WHERE kind = 1 AND flags & 2 = 0") == [begun]
    assert values(db, "SELECT count(*) FROM events WHERE kind = 2") == [instants]
    outside = values(db, "SELECT count(*) FROM event e JOIN event p ON p.id = e.parent WHERE p.dur IS NOT NULL AND e.dur IS NOT NULL "
                         "AND (e.ts < p.ts OR e.ts + e.dur > p.ts + p.dur)")
    assert outside == [0], "a child lies within its parent"
    assert values(db, "SELECT year_from FROM logs") == ["chromium"]


def test_versions(traces):
    rows = values(traces("simple"), "SELECT torch_version LIKE '2.13.0%', python_version LIKE '3.11%' FROM runs")
    assert rows == [(1, 1)]


# ---- texts come back as they were

@pytest.mark.parametrize("run", ["train_mlp", "failures", "caches_2_hit", "export_draft", "multi_rank_logs"])
def test_artifact_text_has_the_recorded_md5(traces, run):
    import hashlib
    what = old_log("multi_rank_logs/dedicated_log_torch_trace_rank_1.log") if run == "multi_rank_logs" else run  # CR LF throughout
    rows = query(traces(what), "SELECT id, size, lower(md5) AS md5, artifact_text(id) AS text FROM artifacts WHERE flags = 0 AND md5 <> ''")
    assert len(rows) >= (1 if run == 'export_draft' else 10)
    for row in rows:
        data = row["text"].encode()
        assert (len(data), hashlib.md5(data).hexdigest()) == (row["size"], row["md5"]), row["id"]


# ---- graphs

def test_graph_rows(traces):
    db = traces("simple")
    graph = values(db, "SELECT coalesce(same_as, graph) FROM graphs WHERE name = 'dynamo_output_graph'")[0]
    rows = values(db, f"SELECT op, name, target FROM nodes WHERE graph = {graph} ORDER BY id")
    assert [r[0] for r in rows].count("output") == 1 and [r[0] for r in rows].count("placeholder") == 2
    assert values(db, f"SELECT count(*) FROM nodes WHERE graph = {graph} AND file LIKE '%/simple.py'")[0] >= 5
    assert values(db, f"SELECT count(*) FROM edges WHERE graph = {graph}")[0] >= 5


def test_nearly_every_graph_line_is_understood(traces):
    for run in ("simple", "train_mlp", "higher_order", "transformer_compiled_autograd", "dynamic_shapes"):
        n_nodes, n_lines = values(traces(run), "SELECT sum(n_nodes), sum(n_lines) FROM graphs")[0]
        assert n_nodes > 10 and n_lines <= n_nodes / 100, f"{run}: {n_lines} lines beside {n_nodes} nodes"
