"""Rows made of what the compiler wrote (graphs, guards, kernels, breaks), against counts made from the texts themselves."""
import hashlib
import json
import re

import pytest

from conftest import old_log, query, values


def texts(db, name):
    """{artifact id: text} of the artifacts of a name."""
    return dict(values(db, "SELECT id, artifact_text(id) FROM artifacts WHERE name = :name ORDER BY id", name=name))


# ---- graphs

@pytest.mark.parametrize("run", ["simple", "train_mlp", "recompiles", "graph_breaks", "transformer", "optimizer_combo", "custom_op"])
def test_node_counts_are_those_of_the_metrics(traces, run):
    """PyTorch counts the nodes of the outermost module of the graph that Dynamo made."""
    rows = values(traces(run), """
        SELECT g.compile_id, g.n_nodes, m.value FROM graphs g
        JOIN metrics m ON m.compile_id = g.compile_id AND m.key = 'compilation_metrics' AND m.name = 'graph_node_count'
        WHERE g.name = 'dynamo_output_graph' AND m.value > 0
          AND g.graph = (SELECT max(o.graph) FROM graphs o WHERE o.name = g.name AND o.compile_id = g.compile_id)""")
    assert rows
    assert [row for row in rows if row[1] != row[2]] == []


def test_arguments_of_nodes(traces):
    db = traces("dynamic_shapes")
    rows = values(db, """
        SELECT d.text, t.text, n.line, group_concat(s.text, ' ') FROM graph g
        JOIN string w ON w.id = g.name AND w.text = 'dynamo_output_graph'
        JOIN node n ON n.id BETWEEN g.first_node AND g.first_node + g.n_nodes - 1
        JOIN string d ON d.id = n.name JOIN string t ON t.id = n.target
        JOIN edge e ON e.dst = n.id JOIN node a ON a.id = e.src JOIN string s ON s.id = a.name
        WHERE g.compile = (SELECT compile FROM compiles WHERE compile_id = '1/0') AND g.same_as IS NULL
        GROUP BY n.id ORDER BY n.id""")
    assert ("mul", "operator.mul", 7, "s77 s17") in rows
    assert ("repeat", "repeat", 12, "l_x_") in rows
    assert ("cat", "torch.cat", 13, "repeat l_y_") in rows
    assert ("output", "output", 15, "relu") in rows


@pytest.mark.parametrize("run", ["higher_order", "transformer", "transformer_compiled_autograd"])
def test_edges_stay_in_their_graph(traces, run):
    db = traces(run)
    assert values(db, "SELECT count(*) > 50 FROM edge") == [1]
    assert values(db, "SELECT count(*) FROM edge e LEFT JOIN node a ON a.id = e.src LEFT JOIN node b ON b.id = e.dst "
                      "WHERE a.id IS NULL OR b.id IS NULL OR a.graph <> b.graph OR a.id >= b.id") == [0]
    assert values(db, "SELECT count(*) FROM graph g WHERE g.n_nodes <> (SELECT count(*) FROM node n WHERE n.id BETWEEN g.first_node "
                      "AND g.first_node + g.n_nodes - 1 AND n.graph = coalesce(g.same_as, g.id))") == [0]


def test_equal_texts_share_their_nodes(traces):
    db = traces("provenance")
    same = values(db, "SELECT g.name, o.name FROM graphs g JOIN graphs o ON o.graph = g.same_as WHERE g.compile_id = '0/0' ORDER BY g.graph")
    assert ("before_pre_grad_graph", "dynamo_output_graph") in same or ("after_pre_grad_graph", "before_pre_grad_graph") in same
    for name in ("before_pre_grad_graph", "after_pre_grad_graph"):
        assert len(set(texts(db, name).values())) == len(texts(db, name)), "texts of two compiles differ"


def test_modules_of_a_text(traces):
    rows = values(traces("higher_order"), "SELECT module FROM graphs WHERE name = 'dynamo_output_graph' AND compile_id = '0/0' ORDER BY graph")
    assert rows == ["GraphModule", "cond_true_0", "cond_false_0"]


def test_sizes_of_the_output_graph(traces):
    rows = dict(values(traces("train_mlp"), "SELECT n.text, s.text FROM graph_size z JOIN string n ON n.id = z.name JOIN string s ON s.id = z.size"))
    assert len(rows) > 5
    assert all(isinstance(json.loads(size), list) for size in rows.values())
    assert json.loads(rows["l_x_"]) == [16, 8] or len(json.loads(rows["l_x_"])) == 2


# ---- guards

@pytest.mark.parametrize("run", ["transformer", "flex_attention", "export_ok", "optimizer_combo"])
def test_each_leaf_of_a_guard_tree_is_a_row(traces, run):
    db = traces(run)
    rows = query(db, "SELECT artifact, line, kind, parent, code FROM guards WHERE artifact IS NOT NULL ORDER BY artifact, line")
    leaves = {}
    for artifact, text in texts(db, "dynamo_cpp_guards_str").items():
        for number, line in enumerate(text.split("\n"), 1):
            found = re.match(r"^(?:\| )*\+- ([A-Z_]+)(?:$|: )", line)
            if found:
                leaves[artifact, number] = found.group(1)
    assert {(r["artifact"], r["line"]): r["kind"] for r in rows} == leaves
    tensors = [r for r in rows if r["kind"] == "TENSOR_MATCH"]
    assert all(r["code"].startswith(f"check_tensor({r['parent']},") for r in tensors), "a tensor's guard checks the source that holds it"


# ---- breaks and recompiles

def test_break_has_the_users_stack(traces):
    db = traces("graph_breaks")
    rows = values(db, "SELECT line, stack_text(stack), detail FROM graph_breaks ORDER BY compile_id")
    assert rows
    for line, stack, detail in rows:
        assert f"graph_breaks.py" in stack and str(line) in stack
        assert "Traceback (most recent call last)" not in detail and "Explanation: " in detail
    assert values(db, "SELECT reason FROM graph_breaks WHERE line = 18") == ["Data-dependent branching"]


def test_origin_of_a_failed_guard(traces):
    rows = values(traces("recompiles"), "SELECT p.previous, p.reason, p.origin FROM recompile p JOIN compile c ON c.id = p.compile "
                                        "WHERE c.compile_id = '2/2' ORDER BY p.position")
    assert [row[:2] for row in rows] == [("2/1", "negate == False"), ("2/0", "power == 2")]
    assert rows[1][2].startswith("y = x**power  # ") and rows[1][2].endswith("recompiles.py:20 in by_scalar")


# ---- kernels

def test_kernels_and_their_nodes(traces):
    rows = values(traces("provenance"), """
        SELECT n.text, k.kind, k.line, (SELECT group_concat(t.text, ' ') FROM kernel_op o JOIN string t ON t.id = o.node WHERE o.kernel = k.id)
        FROM kernel k JOIN string n ON n.id = k.name JOIN compile c ON c.id = k.compile WHERE c.compile_id = '0/0' ORDER BY k.line""")
    assert rows == [("cpp_fused_native_layer_norm_0", "cpp", 33, "var_mean add_1 mul_1 mul sub rsqrt add"),
                    ("cpp_fused__softmax_add_silu_1", "cpp", 145, "add_3 div add_2 exp neg amax exp_1 sub_1 sum_1 div_1"),
                    ("extern_kernels.addmm", "extern", 270, "addmm")]


def test_kernels_are_where_they_are_said_to_be(traces):
    db = traces("transformer")
    rows = values(db, "SELECT n.text, k.line, k.artifact FROM kernel k JOIN string n ON n.id = k.name")
    code = {i: text.split("\n") for i, text in texts(db, "inductor_output_code").items()}
    assert len(rows) > 10
    for name, line, artifact in rows:
        assert name in code[artifact][line - 1]
        assert not any(name + "(" in earlier or name + " = " in earlier for earlier in code[artifact][: line - 1])


def test_kernels_of_a_compiled_package(traces):
    rows = values(traces("aot_inductor"), "SELECT n.text, k.kind, k.line FROM kernel k JOIN string n ON n.id = k.name ORDER BY k.line")
    assert rows == [("cpp_fused_mul_sigmoid_0", "cpp", 663), ("aoti_torch_cpu_addmm_out", "extern", 870)]


def test_stacks_of_kernels(traces):
    db = traces("provenance")
    recorded = sorted((artifact, kernel, stack) for artifact, text in texts(db, "inductor_provenance_tracking_kernel_stack_traces").items()
                      for kernel, stacks in json.loads(text).items() for stack in stacks)
    rows = values(db, "SELECT s.artifact, k.text, t.text FROM kernel_stack s JOIN string k ON k.id = s.kernel JOIN string t ON t.id = s.text")
    assert sorted(rows) == recorded and recorded


def test_ranks_that_executed_and_estimated():
    """Older logs with a schedule of graphs and estimated run times."""
    from conftest import BUILD, run_plumb
    out = BUILD / "tests/execution.db"
    out.parent.mkdir(parents=True, exist_ok=True)
    run_plumb("import", old_log("graph_exec_order_tests"), "-o", out, "--overwrite")
    rows = values(out, "SELECT s.rank, group_concat(e.compile_id, ' ') FROM (SELECT * FROM graph_execution ORDER BY source, position) e "
                       "JOIN source_file s ON s.id = e.source GROUP BY 1 ORDER BY 1")
    assert rows == [(0, "0/1 0/0 0/1 0/0 0/1 0/0"), (1, "0/0 0/1 0/1 0/0 0/1 0/0")]
    first = values(out, "SELECT n.text, t.text, round(e.ns), json_array_length(o.text) FROM op_estimate e JOIN string n ON n.id = e.name "
                        "JOIN string t ON t.id = e.type JOIN string o ON o.id = e.outputs WHERE e.position = 0 ORDER BY e.artifact LIMIT 1")
    assert first == [("extern_kernels.mm", "compute", 6885842, 1)]
    info = values(out, "SELECT s.text, k.line FROM kernel k JOIN string n ON n.id = k.name LEFT JOIN string s ON s.id = k.info "
                       "WHERE n.text = 'triton_poi_fused_relu_1'")
    assert len(info) == 2, "one row of each rank, not one more for what is known of it"
    assert all(json.loads(text)["autotune_cache_state"] == "miss" and line == 91 for text, line in info)


def test_guards_of_2024_keep_their_stacks(traces):
    db = traces(old_log("comp_metrics.log"))
    recorded = [guard for text in texts(db, "dynamo_guards").values() for guard in json.loads(text)]
    rows = values(db, "SELECT code, stack IS NOT NULL, user_stack IS NOT NULL FROM guards WHERE kind = 'dynamo_guards' ORDER BY id")
    assert rows == [(g["code"], int(bool(g["stack"])), int(bool(g["user_stack"]))) for g in recorded] and rows
    stack = values(db, "SELECT stack_text(stack) FROM guards WHERE stack IS NOT NULL LIMIT 1")[0]
    assert "test_graph_break_compilation_metrics" in stack, "frames outermost first, file numbers resolved"


def test_break_reason_of_2024(tmp_path):
    """Then a key of its own, and `Reason:` before the reason."""
    from conftest import run_plumb
    payload = ("Graph break in user code at /home/user/a.py:5\nReason: builtin: print [<class 'str'>] False\nUser code traceback:\n"
               "  File \"/home/user/a.py\", line 9, in <module>\n    fn(x)\n  File \"/home/user/a.py\", line 5, in fn\n    print(x)\n")
    lines = "\n".join("\t" + line for line in payload.split("\n"))
    log = tmp_path / "dedicated_log_torch_trace_old.log"
    log.write_text('V0403 07:28:48.061000 1 torch/_dynamo/symbolic_convert.py:421] {"dynamo_graph_break_reason": {}, "frame_id": 0, '
                   f'"frame_compile_id": 0, "attempt": 0, "has_payload": "0"}}\n{lines}\n')
    run_plumb("import", log, "-o", tmp_path / "old.db")
    rows = values(tmp_path / "old.db", "SELECT compile_id, file, line, reason, stack_text(stack) FROM graph_breaks")
    assert rows[0][:4] == ("0/0", "/home/user/a.py", 5, "builtin: print [<class 'str'>] False")
    assert rows[0][4].index("line 9, in <module>") < rows[0][4].index("line 5, in fn"), "outermost first"


# ---- texts and mappings in other orders than PyTorch's usual one

def record(key, meta, payload, compile_id, **more):
    frame, n = compile_id.split("/")
    head = {key: meta, "frame_id": int(frame), "frame_compile_id": int(n), "attempt": 0, **more}
    head["has_payload"] = hashlib.md5(payload.encode()).hexdigest()
    lines = "".join(f"\t{line}\n" for line in payload.split("\n"))
    return f"V0403 07:28:48.061000 1 torch/_inductor/debug.py:1] {json.dumps(head)}\n{lines}"


def artifact(name, payload, compile_id):
    return record("artifact", {"name": name, "encoding": "json" if "mappings" in name else "string"}, payload, compile_id)


def mapping(compile_id, node="a"):
    links = {"preToPost": {node: ["p"]}, "postToPre": {"p": [node]}, "cppCodeToPost": {"k0": ["p"]}, "postToCppCode": {"p": ["k0"]}}
    return artifact("inductor_provenance_tracking_node_mappings", json.dumps(links), compile_id)


def code(compile_id, above=0):
    return record("inductor_output_code", {"filename": "/tmp/x.py"}, "# AOT ID: x\n" + "\n" * above + "k0 = f\ndef call(args):\n  k0(x)\n", compile_id)


def maps_of(tmp_path, text):
    from conftest import run_plumb
    log = tmp_path / "dedicated_log_torch_trace_made.log"
    log.write_text(text)
    run_plumb("import", log, "-o", tmp_path / "made.db", "--overwrite")
    rows = values(tmp_path / "made.db", "SELECT c.compile_id, p.map, p.relation, p.line, p.to_line FROM provenance p JOIN provenance_map m ON m.id = p.map "
                                        "JOIN compile c ON c.id = m.compile ORDER BY m.id, p.relation, p.line")
    return [(row[0], *row[2:]) for row in rows]


def expected(compile_id, pre, post, kernel):
    return [(compile_id, 1, pre, post), (compile_id, 2, post, pre), (compile_id, 3, kernel, post), (compile_id, 4, post, kernel)]


def test_mapping_before_its_texts(tmp_path):
    text = mapping("0/0") + artifact("before_pre_grad_graph", "a = 1", "0/0") + artifact("after_post_grad_graph", "\np = 1", "0/0") + code("0/0")
    assert maps_of(tmp_path, text) == expected("0/0", 1, 2, 4)


def test_backward_shares_the_pre_grad_graph(tmp_path):
    """A hundred forwards first, then the backwards, each with a post-grad graph and code of its own."""
    ids = [f"{i}/0" for i in range(100)]
    forward = "".join(artifact("before_pre_grad_graph", "\n" * i + "a = 1", c) + artifact("after_post_grad_graph", "p = 1", c) + code(c) + mapping(c)
                      for i, c in enumerate(ids))
    backward = "".join(artifact("after_post_grad_graph", "\n\np = 1", c) + code(c, 3) + mapping(c) for c in ids)
    rows = maps_of(tmp_path, forward + backward)
    wanted = [row for i, c in enumerate(ids) for row in expected(c, i + 1, 1, 4)]
    wanted += [row for i, c in enumerate(ids) for row in expected(c, i + 1, 3, 7)]
    assert rows == wanted


def test_older_names_of_the_graphs(tmp_path):
    """The better name wins, whichever comes first."""
    old = record("inductor_pre_grad_graph", {}, "\n\n\na = 1", "0/0") + record("inductor_post_grad_graph", {}, "\n\n\n\np = 1", "0/0")
    new = artifact("before_pre_grad_graph", "a = 1", "0/0") + artifact("after_post_grad_graph", "p = 1", "0/0")
    for texts_in_order, lines in ((old, (4, 5)), (old + new, (1, 1)), (new + old, (1, 1))):
        assert maps_of(tmp_path, texts_in_order + code("0/0") + mapping("0/0")) == expected("0/0", *lines, 4)


def test_texts_let_go_are_a_loss(tmp_path):
    from conftest import run_plumb
    first = artifact("before_pre_grad_graph", "a = 1", "0/0") + artifact("after_post_grad_graph", "p = 1", "0/0")
    others = "".join(artifact("before_pre_grad_graph", "a = 1", f"{i}/0") for i in range(1, 200))
    assert maps_of(tmp_path, first + others + code("0/0") + mapping("0/0")) == []
    messages = values(tmp_path / "made.db", "SELECT message FROM losses WHERE kind = 'schema'")
    assert len(messages) == 1 and "not mapped" in messages[0]
