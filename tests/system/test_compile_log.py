"""What a compile of our own tells: rows that fit together, live and from the log that export gives back.

TLPARSE  tlparse of PyPI, to which that log is shown too (a test of its own; without it the importer alone reads the log)
"""
import collections
import os
import subprocess

import pytest

from conftest import query, run_plumb, values

TABLES = ["artifact", "graph", "node", "edge", "guard", "recompile", "cache_event", "cache_component", "compile", "compile_metric",
          "tensor_desc", "storage_desc", "tensor_source", "kernel", "kernel_op", "kernel_arg", "fusion_decision",
          "partition_decision", "compile_pass", "memory_plan", "memory_buffer", "provenance_map", "provenance", "kernel_stack"]


@pytest.fixture(scope="module", params=["mlp", "gpt"])
def run(request, tmp_path_factory):
    """A recorded run whose functions were compiled."""
    db = tmp_path_factory.mktemp("compiled") / "run.db"
    run_plumb("run", request.param, "--compile", "--steps", "3", "-o", db)
    return db


@pytest.fixture(scope="module")
def log(run):
    """The log of its compiles, as export gives it back."""
    folder = run.parent / "log"
    run_plumb("export", run, "--torch-trace", folder)
    return folder / "plumb_compiles.log"


def test_nothing_is_lost(run):
    assert values(run, "SELECT kind, message FROM loss") == []
    assert values(run, "SELECT message FROM diag WHERE severity > 1") == []
    assert set(values(run, "SELECT outcome FROM compile")) == {"ok"}


def test_ids_are_those_of_frames_and_entries(run):
    assert set(values(run, "SELECT compile_id FROM compiles")) >= {"0/0", "1/0"}
    for row in query(run, "SELECT compile_id, frame_id, frame_compile_id, attempts FROM compile"):
        assert row["compile_id"] == f"{row['frame_id']}/{row['frame_compile_id']}" and row["attempts"] == 1


def test_every_kernel_says_what_it_computes(run):
    """Nodes of kernels are nodes of the post-grad graph of the kernel's phase, and each call is in a kernel or is a view."""
    nodes = collections.defaultdict(set)
    for compile_id, line, name, target in values(run, """
            SELECT c.compile_id, a.id, w.text, t.text FROM graph g JOIN artifact a ON a.id = g.artifact JOIN compile c ON c.id = g.compile
            JOIN string s ON s.id = g.name AND s.text = 'after_post_grad_graph'
            JOIN node n ON n.id BETWEEN g.first_node AND g.first_node + g.n_nodes - 1 AND n.op = 3
            JOIN string w ON w.id = n.name JOIN string t ON t.id = n.target"""):
        if target.startswith("torch.ops."):
            nodes[compile_id].add(name)
    ops = values(run, """SELECT c.compile_id, w.text, o.part, k.phase, k.id FROM kernel_op o JOIN kernel k ON k.id = o.kernel
        JOIN compile c ON c.id = k.compile JOIN string w ON w.id = o.node""")
    assert ops
    assert [o for o in ops if o[1] not in nodes[o[0]]] == []
    # each loop nest of a call is in one kernel
    seen = collections.Counter((c, phase, name, part) for c, name, part, phase, _ in ops)
    assert [key for key, n in seen.items() if n > 1] == []


def test_every_launch_finds_its_kernel(run):
    sites = values(run, "SELECT DISTINCT site FROM launches WHERE site IS NOT NULL")
    known = collections.Counter(values(run, "SELECT site FROM kernels WHERE site IS NOT NULL"))
    assert sites and [s for s in sites if known[s] != 1] == []
    rows = query(run, "SELECT * FROM kernel_launches")
    assert len(rows) == len(sites)
    for row in rows:
        assert row["site"] == f"{row['compile_id']} {row['phase']} {row['kernel']}"
        assert row["launches"] >= 1 and row["total"] > 0 and row["bytes"] > 0 and row["members"]
    # and the calls are recorded with the kernel's arguments
    calls = set(values(run, """SELECT DISTINCT n.text, a.text FROM event e JOIN string n ON n.id = e.name
        JOIN tensor_use u ON u.event = e.id JOIN string a ON a.id = u.arg WHERE e.kind = 6"""))
    args = set(values(run, """SELECT n.text, w.text FROM kernel k JOIN kernel_arg a ON a.kernel = k.id JOIN string w ON w.id = a.name
        JOIN string n ON n.id = k.name WHERE k.combo IS NULL AND n.text LIKE '%fused%'"""))
    # those of a library alone are launched within the call of their operator
    assert {name for name, _ in calls} == {row["kernel"] for row in rows if "fused" in row["kernel"]}
    assert {row["kernel"] for row in rows if row["role"] == "extern"} == set(values(run, "SELECT name FROM kernels WHERE role = 'extern'"))
    assert calls == args


def test_members_of_combos_share_its_blocks(run):
    for row in query(run, "SELECT id, blocks FROM kernel WHERE role = 'combo'"):
        members = query(run, "SELECT member, first_block, blocks FROM kernel WHERE combo = :id ORDER BY member", id=row["id"])
        assert len(members) > 1 and [m["member"] for m in members] == list(range(len(members)))
        assert sum(m["blocks"] for m in members) == row["blocks"] or members[0]["first_block"] is None


def test_decisions_name_what_they_are_about(run):
    kernels = set(values(run, "SELECT name FROM kernels"))
    nodes = set(values(run, "SELECT w.text FROM kernel_op o JOIN string w ON w.id = o.node"))
    rows = query(run, "SELECT d.*, a.text AS a_name, b.text AS b_name FROM fusion_decision d JOIN string a ON a.id = d.a "
                      "LEFT JOIN string b ON b.id = d.b")
    assert {row["kind"] for row in rows} == {"vertical", "combo"}
    for row in rows:
        known = nodes if row["kind"] == "vertical" else kernels
        assert row["a_name"] in known and row["b_name"] in known | {None}
        assert row["reason"] and row["detail"] and row["phase"]
        assert (row["kernel"] is not None) == bool(row["fused"])


def test_split_and_passes_are_told(run):
    fates = dict(values(run, "SELECT fate, count(*) FROM partition_decision GROUP BY fate"))
    assert fates.get("saved") and set(fates) <= {"saved", "recomputed", "input", "not needed"}
    passes = query(run, "SELECT compile, position, phase, name, changed, artifact FROM compile_pass ORDER BY compile, position")
    assert {p["name"] for p in passes} >= {"canonicalise", "cse", "dce"}
    for p in passes:
        assert (p["artifact"] is not None) == (p["changed"] > 0)
    for plan in query(run, "SELECT *, (SELECT count(*) FROM memory_buffer b WHERE b.plan = p.id) AS n FROM memory_plan p"):
        assert plan["peak"] <= plan["size"] <= plan["total"] + 64 * plan["n"]


def test_source_leads_to_code(run):
    relations = set(values(run, "SELECT DISTINCT relation FROM provenance_lines"))
    assert relations == {"preToPost", "postToPre", "pyCodeToPost", "postToPyCode"}
    wrong = []
    for line, text, name in values(run, """SELECT k.line, artifact_text(k.artifact), w.text FROM kernel k JOIN string w ON w.id = k.name
            WHERE k.line IS NOT NULL"""):
        lines = text.split("\n")
        around = "\n".join(lines[line - 1:line + 60])
        if " = aten::" not in around and name not in around:
            wrong.append((name, line))
    assert wrong == []


def test_metrics_and_phases(run):
    fields = {row["name"]: row["value"] for row in query(run, "SELECT name, value FROM metrics WHERE compile_id = '1/0'")}
    counts = query(run, "SELECT n_ops, n_nodes, n_inputs, n_guards FROM compile WHERE compile_id = '1/0'")[0]
    assert counts["n_nodes"] == fields["graph_node_count"] == counts["n_ops"] + counts["n_inputs"] + 1
    assert counts["n_guards"] == len(values(run, "SELECT id FROM guards WHERE compile_id = '1/0'"))
    spans = values(run, "SELECT name FROM events WHERE compile_id = '1/0' AND kind = 1")
    assert {"dynamo", "entire_frame_compile", "bytecode_tracing", "aot_trace_joint_graph", "build_guards", "backend_compile", "cse",
            "_recursive_joint_graph_passes", "min_cut_rematerialization_partition", "inductor_compile", "GraphLowering.run",
            "Scheduler.fused_nodes", "Scheduler.create_combo_kernel_nodes", "code_gen"} <= set(spans)


def test_export_is_read_as_it_was(run, log, tmp_path):
    """A reader of every byte: what the importer makes of the log is what the live trace has."""
    again = tmp_path / "again.db"
    run_plumb("import", log, "--strict", "-o", again)
    assert values(again, "SELECT kind FROM loss") == []
    counts = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in TABLES)
    assert values(run, counts) == values(again, counts)
    digests = "SELECT hex(md5) FROM artifact ORDER BY id"
    assert values(run, digests) == values(again, digests)
    folder = tmp_path / "second"
    run_plumb("export", again, "--torch-trace", folder)
    assert (folder / "plumb_compiles.log").read_bytes() == log.read_bytes()


def test_keys_are_those_of_another_process(run, tmp_path):
    """A key of a cache is a digest of what goes in: the same in every process."""
    again = tmp_path / "again.db"
    model = values(run, "SELECT command FROM run")[0].split(" run ")[1].split()[0]
    run_plumb("run", model, "--compile", "--steps", "3", "-o", again)
    keys = "SELECT cache, cache_key FROM cache_event ORDER BY id"
    assert values(run, keys) == values(again, keys) != []


def test_tlparse_accepts_it(log, tmp_path):
    tlparse = os.environ.get("TLPARSE")
    if not tlparse:
        pytest.skip("TLPARSE is not set: tlparse --strict was not run")
    done = subprocess.run([tlparse, "--strict", "--no-browser", str(log), "-o", str(tmp_path / "report")], capture_output=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "report/index.html").exists()
