"""plumb diff --compiles: two traces of PyTorch side by side, and the change that made them differ.

Logs are compared with themselves, with copies in which one line is another, and with other logs. With PLUMB_TORCH_PYTHON
(a Python that has torch 2.13) small programs run too, each with one line changed.
"""
import json
import os
import re
import shutil
import sqlite3
import subprocess
import textwrap

import pytest
from conftest import GIVEN, KEPT, is_log, log_text, old_log, query, run_folder, run_plumb

TORCH = os.environ.get("PLUMB_TORCH_PYTHON")
with_torch = pytest.mark.skipif(not TORCH, reason="PLUMB_TORCH_PYTHON names no Python with torch: programs are not compiled")


def compare(a, b, expect):
    """The comparison as JSON; its text must begin with the same sentence and the exit codes must be equal."""
    told = json.loads(run_plumb("diff", "--compiles", "--json", a, b, expect=expect).out)
    text = run_plumb("diff", "--compiles", a, b, expect=expect).out
    assert text.split("\n")[0].replace("`", "") == told["sentence"].replace("`", "")
    assert (told["verdict"] == "same") == (expect == 0) == (told["first_difference"] is None)
    return told


def changes(told, **wanted):
    """Changes of all compiles with these members."""
    return [c for pair in told["compiles"] for c in pair["changes"] if all(c[k] == v for k, v in wanted.items())]


def aspects(told):
    return {c["aspect"] for c in changes(told, counts=True)}


def edited(tmp_path, folder, *edits):
    """A trace of a copy of the only log of a run, each (old, new) replaced; every old must be there."""
    [log] = [p for p in folder.iterdir() if is_log(p)]
    text = log_text(log).decode()
    for old, new in edits:
        assert old in text, f"{old!r} is not in {log}"
        text = text.replace(old, new)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / log.name.removesuffix(".gz")).write_text(text)
    run_plumb("import", tmp_path / "copy", "-o", tmp_path / "copy.db")
    return tmp_path / "copy.db"


# ---- logs with themselves ----

def folders():
    """Every folder of logs of a run."""
    where = [GIVEN / "plumb_traces", GIVEN / "torch_trace"] if GIVEN else [KEPT]
    return sorted({p.parent for folder in where for p in folder.rglob("*") if is_log(p)})


def test_every_run_is_the_same_as_itself(traces):
    compared = 0
    for folder in folders():
        trace = traces(folder)
        for row in query(trace, "SELECT run, compiles FROM runs WHERE compiles > 0"):
            told = compare(f"{trace}#{row['run']}", f"{trace}#{row['run']}", 0)
            assert told["counts"] == {"a": row["compiles"], "b": row["compiles"], "matched": row["compiles"],
                                      "different": 0, "only_a": 0, "only_b": 0}
            assert not changes(told)
            assert not any(pair["moved"] for pair in told["compiles"])
            compared += 1
    assert compared >= 8


# ---- one line of a log changed ----

def test_an_operator_in_a_graph(tmp_path, traces):
    folder = run_folder("train_mlp")
    told = compare(traces(folder), edited(tmp_path, folder, ("= torch.ops.aten.erf.default(", "= torch.ops.aten.tanh.default(")), 1)
    assert told["counts"]["different"] == 1
    assert "the graph has `aten.tanh` (2 times) where it had `aten.erf` (2 times)" in told["sentence"]
    [first] = changes(told, aspect="graph", name="aot_forward_graph")
    assert first["operators_added"] == {"torch.ops.aten.tanh.default": 1}
    assert first["operators_removed"] == {"torch.ops.aten.erf.default": 1}
    assert "tanh" in first["b"] and "erf" in first["a"] and first["a_line"] == first["b_line"] > 0
    assert first["lines_removed"] == first["lines_added"] == 1
    # The line that the operator stands on is that of the text.
    text = query(traces(folder), "SELECT artifact_text(:a) AS t", a=first["a_artifact"])[0]["t"]
    assert "aten.erf" in text.split("\n")[first["operator_line"] - 1]
    assert first["source_line"] > 0 and first["source"]


def test_a_size_in_a_graph(tmp_path, traces):
    folder = run_folder("train_mlp")
    [graph] = query(traces(folder), "SELECT artifact_text(id) AS t FROM artifacts WHERE name = 'dynamo_output_graph'")
    line = next(x.strip() for x in graph["t"].split("\n") if x.strip().startswith("gelu: "))
    size = line[line.index("f32["):line.index("]") + 1]
    told = compare(traces(folder), edited(tmp_path, folder, ("\t" + " " * 8 + line, "\t" + " " * 8 + line.replace(size, "f32[3, 99]"))), 1)
    assert aspects(told) <= {"graph"}
    first = told["first_difference"]
    assert (first["kind"], first["change"]["name"]) == ("graph", "dynamo_output_graph")
    assert first["change"]["operators_added"] == first["change"]["operators_removed"] == {}
    assert "f32[3, 99]" in told["sentence"]


def test_names_of_values_are_no_difference(tmp_path, traces):
    folder = run_folder("train_mlp")
    told = compare(traces(folder), edited(tmp_path, folder, ("erf: ", "other: "), ("(erf, 1);  erf = None", "(other, 1);  other = None")), 0)
    assert told["sentence"] == "The only compile agrees."


def test_a_guard(tmp_path, traces):
    folder = run_folder("recompiles")
    told = compare(traces(folder), edited(tmp_path, folder, ("L['power'] == 2", "L['power'] == 5")), 1)
    found = changes(told, aspect="guard", change="changed")
    assert found and {(c["a"], c["b"]) for c in found} == {("L['power'] == 2", "L['power'] == 5")}
    assert all(c["name"] == "EQUALS_MATCH L['power']" and c["a_place"] for c in found)
    assert "guard `EQUALS_MATCH L['power']` is `L['power'] == 5` where it was `L['power'] == 2`" in told["sentence"]


def test_a_guard_that_went(tmp_path, traces):
    folder = run_folder("train_mlp")
    [log] = [p for p in folder.iterdir() if is_log(p)]
    line = next(x for x in log_text(log).decode().split("\n") if "DEFAULT_DEVICE:" in x)
    told = compare(traces(folder), edited(tmp_path, folder, (line + "\n", "")), 1)
    [gone] = changes(told, aspect="guard")
    assert gone["change"] == "removed" and gone["name"].startswith("DEFAULT_DEVICE") and gone["b"] is None
    assert told["first_difference"]["kind"] == "guard"


def test_ids_of_objects_are_no_difference(tmp_path, traces):
    folder = run_folder("train_mlp")
    trace = traces(folder)
    codes = [c["code"] for c in query(trace, "SELECT code FROM guards WHERE code GLOB '___check_*_id(*'")]
    ids = {re.search(r", (\d+)\)", code).group(1) for code in codes}
    assert ids
    compare(trace, edited(tmp_path, folder, *((i, str(int(i) + 4096)) for i in ids)), 0)


def test_a_recompile_reason(tmp_path, traces):
    folder = run_folder("recompiles")
    told = compare(traces(folder), edited(tmp_path, folder, ("expected 4, actual 6", "expected 4, actual 8")), 1)
    assert told["first_difference"]["kind"] == "recompile"
    assert told["first_difference"]["compile"]["compile_id"] == "0/1"
    assert "expected 4, actual 8" in told["sentence"] and "[0/1]" in told["sentence"]


def test_a_break(tmp_path, traces):
    folder = run_folder("graph_breaks")
    told = compare(traces(folder), edited(tmp_path, folder, ("Call to `torch._dynamo.graph_break()`", "Call to a helper")), 1)
    assert told["first_difference"]["kind"] == "graph_break"
    assert "Call to a helper" in told["sentence"]
    assert told["first_difference"]["compile"]["compile_id"] == "3/0"


def test_generated_code(tmp_path, traces):
    folder = run_folder("train_mlp")
    [code] = query(traces(folder), "SELECT artifact_text(id) AS t FROM artifacts WHERE name = 'inductor_output_code' LIMIT 1")
    line = next(x for x in code["t"].split("\n") if x.strip().startswith("auto tmp") and "static_cast" in x)
    told = compare(traces(folder), edited(tmp_path, folder, ("\t" + line, "\t" + line.replace("auto tmp", "auto const tmp"))), 1)
    assert told["first_difference"]["kind"] == "code" and aspects(told) == {"code"}


def test_a_setting_and_no_time(tmp_path, traces):
    folder = run_folder("train_mlp")
    [row] = query(traces(folder), "SELECT value AS v FROM metrics WHERE name = 'entire_frame_compile_time_s' AND value > 0")
    told = compare(traces(folder), edited(tmp_path, folder, (f'"entire_frame_compile_time_s": {row["v"]}', '"entire_frame_compile_time_s": 77.5')), 0)
    assert told["compiles"][0]["b"]["total_ns"] == 77_500_000_000
    (tmp_path / "two").mkdir()
    told = compare(traces(folder), edited(tmp_path / "two", folder, (r'\"max_autotune\": false', r'\"max_autotune\": true')), 1)
    assert aspects(told) == {"setting"}
    assert "inductor_config.max_autotune` is `true` where it was `false`" in told["sentence"]


def test_an_inserted_line_is_a_move(tmp_path, traces):
    folder = run_folder("train_mlp")
    [row] = query(traces(folder), "SELECT function, line FROM compiles")
    told = compare(traces(folder), edited(tmp_path, folder, (f'"co_firstlineno": {row["line"]}', f'"co_firstlineno": {row["line"] + 3}')), 0)
    [pair] = told["compiles"]
    assert pair["moved"] and (pair["a"]["line"], pair["b"]["line"]) == (row["line"], row["line"] + 3)
    assert "moved" in told["sentence"]


# ---- other logs ----

def test_caches(traces):
    told = compare(traces("caches_1_miss"), traces("caches_2_hit"), 1)
    answers = changes(told, aspect="cache")
    assert {(c["name"], c["a"], c["b"]) for c in answers} == {(n, "miss", "hit") for n in ("aotautograd", "fx_graph", "fx_graph (2)")}
    assert told["first_difference"]["kind"] == "cache"
    # A hit brings its graphs without the steps between: told, but no difference of their own.
    assert all(not c["counts"] for c in changes(told, aspect="graph"))
    told = compare(traces("caches_2_hit"), traces("caches_3_bypass"), 1)
    assert all(c["b"].startswith("bypass: ") for c in changes(told, aspect="cache"))


def test_cache_keys_name_what_they_were_made_of(tmp_path, traces):
    folder = run_folder("caches_1_miss")
    [row] = query(traces(folder), "SELECT w.text AS name, d.text AS digest, e.cache_key AS key FROM cache_component k JOIN string w ON w.id = k.name "
                                  "JOIN string d ON d.id = k.digest JOIN cache_event e ON e.id = k.cache_event WHERE w.text GLOB 'inductor_config*max_autotune]' LIMIT 1")
    other = "q" * len(row["digest"])
    trace = edited(tmp_path, folder, (row["key"], row["key"][:-4] + "aaaa"), (row["digest"], other))
    told = compare(traces(folder), trace, 0)
    keys = changes(told, aspect="cache_key")
    assert keys and all(not c["counts"] for c in keys)
    assert any(row["name"] in c["components"] for c in keys)


def test_two_ranks(traces):
    trace = traces("ranks4")
    told = compare(f"{trace}#@0", f"{trace}#@1", 1)
    assert told["counts"] == {"a": 2, "b": 2, "matched": 2, "different": 1, "only_a": 0, "only_b": 0}
    assert told["first_difference"]["compile"]["function"] == "reduce_then_gather"
    assert {(c["a"], c["b"]) for c in changes(told, aspect="guard")} == {("L['alone'].group_name == '1'", "L['alone'].group_name == '2'")}
    told = compare(f"{trace}#ranks4@0", f"{trace}#ranks4@3", 1)
    assert [c["function"] for c in told["only_a"] + told["only_b"]] == ["reduce_then_gather", "gather_then_reduce"]
    compare(f"{trace}#ranks4@2", f"{trace}#@2", 0)


def test_different_programs_have_nothing_in_common(traces):
    told = compare(traces("train_mlp"), traces("recompiles"), 1)
    assert told["counts"]["matched"] == 0 and told["counts"]["only_a"] == 1
    assert told["sentence"].startswith("No compile of A is one of B")


def test_a_reset_begins_frames_again(traces):
    told = compare(traces("determinism"), traces("determinism"), 0)
    assert [(p["a"]["compile_id"], p["a"]["occurrence"]) for p in told["compiles"]] == [("0/0", 1), ("0/1", 1), ("0/0", 2)]


def test_old_logs(tmp_path, traces):
    told = compare(traces(old_log("cache_hit_miss.log")), traces(old_log("cache_hit_miss.log")), 0)
    assert told["counts"]["matched"] == 6
    told = compare(traces(old_log("comp_failure.log")), traces(old_log("simple.log")), 1)
    assert told["counts"]["matched"] == 0


# ---- what cannot be compared ----

def refused(*args):
    done = run_plumb("diff", "--compiles", *args, expect=2)
    assert not done.out
    return done.err


def test_nothing_compiled(traces):
    assert "names a compile" in refused(traces("export_draft"), traces("train_mlp"))
    assert "TORCH_TRACE" in refused(traces("train_mlp"), traces("export_draft"))


def test_a_log_that_is_cut_is_told(tmp_path, traces):
    folder = run_folder("simple")
    [log] = [p for p in folder.iterdir() if is_log(p)]
    whole = log_text(log)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / log.name.removesuffix(".gz")).write_bytes(whole[:len(whole) // 3])
    run_plumb("import", tmp_path / "cut", "-o", tmp_path / "cut.db")
    told = compare(traces(folder), tmp_path / "cut.db", 1)
    assert told["a"]["losses"] == 0 < told["b"]["losses"]
    text = run_plumb("diff", "--compiles", traces(folder), tmp_path / "cut.db", expect=1).out
    assert text.count("its logs were not read in full") == 1


def test_what_a_log_does_not_say_has_not_moved(tmp_path, traces):
    trace = traces(run_folder("train_mlp"))
    shutil.copy(trace, tmp_path / "nameless.db")
    with sqlite3.connect(tmp_path / "nameless.db") as db:
        db.execute("UPDATE compile SET name = NULL, file = NULL, line = NULL")
    for sides in ((trace, tmp_path / "nameless.db"), (tmp_path / "nameless.db", trace)):
        told = compare(*sides, 0)
        assert told["counts"]["matched"] > 0 and not any(pair["moved"] for pair in told["compiles"])
        assert ":-1" not in run_plumb("diff", "--compiles", *sides).out


def test_calls_only(tmp_path):
    trace = tmp_path / "calls.db"
    run_plumb("import", KEPT / "calls/train.json.gz", "-o", trace)
    assert "names a compile" in refused(trace, trace)


def test_runs_and_ranks_that_are_not_there(traces):
    trace = traces("ranks4")
    assert "has no run nobody with compiles; it has ranks4" in refused(f"{trace}#nobody", trace)
    assert "no compile of rank 9" in refused(trace, f"{trace}#@9") and "there are ranks 0, 1, 2, 3" in refused(trace, f"{trace}#@9")
    assert "its logs have no rank" in refused(f"{traces('train_mlp')}#@0", trace)
    assert refused(f"{trace}x", trace)


def test_several_runs_want_a_name(demo):
    said = refused(demo, demo)
    assert "name one" in said and "train_mlp" in said and "recompiles" in said
    compare(f"{demo}#train_mlp", f"{demo}#train_mlp", 0)
    [row] = query(demo, "SELECT id FROM runs WHERE run = 'train_mlp'")
    compare(f"{demo}#{row['id']}", f"{demo}#train_mlp", 0)


def test_options_of_the_other_comparison(traces):
    assert "--compiles" in refused("--fail-on", "origin", traces("train_mlp"), traces("train_mlp"))


# ---- programs ----

PROGRAM = textwrap.dedent("""
    import torch

    LIMIT = 2


    def model(x, y):
        h = torch.nn.functional.gelu(x + y)
        if LIMIT > 1:
            h = h + 1
        return h * 2


    def other(x, n):
        return (x.sin() + n).sum()


    a = torch.compile(model, backend="BACKEND")
    b = torch.compile(other, backend="BACKEND")
    a(torch.ones(4, 8), torch.ones(4, 8))
    a(torch.ones(6, 8), torch.ones(6, 8))
    b(torch.ones(3), 2)
""")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """compiled(old, new) gives a trace of PROGRAM with one line changed; all have the same name and folder."""
    folder = tmp_path_factory.mktemp("programs")
    made = {}

    def get(old="", new="", backend="aot_eager"):
        if (old, new, backend) in made:
            return made[old, new, backend]
        assert PROGRAM.count(old) == 1 or not old
        out = folder / f"{len(made)}.db"
        logs = folder / f"{len(made)}"
        (folder / "prog.py").write_text(PROGRAM.replace(old, new).replace("BACKEND", backend))
        subprocess.run([TORCH, "prog.py"], cwd=folder, check=True, capture_output=True, timeout=300,
                       env={**os.environ, "TORCH_TRACE": str(logs), "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"})
        run_plumb("import", logs, "-o", out)
        made[old, new, backend] = out
        return out

    return get


@with_torch
def test_another_operator(compiled):
    told = compare(compiled(), compiled("functional.gelu", "functional.relu"), 1)
    assert told["sentence"].startswith("2 of 3 compiles differ: first [0/0] `model` (prog.py:7): the graph has `torch.nn.functional.relu` "
                                       "where it had `torch._C._nn.gelu` (dynamo_output_graph line 8, from prog.py:8: h = torch.nn.functional.relu(x + y))")


@with_torch
def test_the_same_program_twice(compiled):
    told = compare(compiled(), compiled("LIMIT = 2", "LIMIT = 2  # a comment"), 0)
    assert told["sentence"] == "All 3 compiles agree."


@with_torch
def test_a_name_and_lines_more(compiled):
    told = compare(compiled(), compiled("LIMIT = 2", "# one\n# and two\nLIMIT = 2"), 0)
    assert all(p["moved"] and p["b"]["line"] == p["a"]["line"] + 2 for p in told["compiles"])


@with_torch
def test_another_shape(compiled):
    told = compare(compiled(), compiled("a(torch.ones(6, 8), torch.ones(6, 8))", "a(torch.ones(4, 8), torch.ones(4, 8))"), 1)
    assert told["first_difference"]["kind"] == "only_a" and not aspects(told)
    assert "expected 4, actual 6" in told["sentence"]


@with_torch
def test_dynamic_from_the_start(compiled):
    told = compare(compiled(), compiled("torch.compile(model, ", "torch.compile(model, dynamic=True, "), 1)
    assert {"graph", "symbol"} <= aspects(told)
    assert told["first_difference"]["compile"]["compile_id"] == "0/0"
    assert any("s" in c["b"] and "L['x'].size()[0]" in c["name"] for c in changes(told, aspect="symbol", change="added"))


@with_torch
def test_a_break_more(compiled):
    told = compare(compiled(), compiled("    return h * 2", "    torch._dynamo.graph_break()\n    return h * 2"), 1)
    assert told["first_difference"]["kind"] == "graph_break"
    assert "`model` (prog.py:7): the graph breaks at prog.py:11, where A's does not" in told["sentence"]
    assert all("torch_dynamo_resume_in_model" in c["function"] for c in told["only_b"]) and told["only_b"]


@with_torch
def test_another_guard(compiled):
    told = compare(compiled(), compiled("LIMIT = 2", "LIMIT = 3"), 1)
    assert aspects(told) == {"guard"}
    assert "guard `EQUALS_MATCH G['LIMIT']` is `G['LIMIT'] == 3` where it was `G['LIMIT'] == 2`" in told["sentence"]


@with_torch
def test_inductor(compiled):
    told = compare(compiled(backend="inductor"), compiled("functional.gelu", "functional.relu", backend="inductor"), 1)
    assert {"graph", "kernel", "code"} <= aspects(told)
    assert any("relu" in c["name"] for c in changes(told, aspect="kernel", change="added"))
    assert "torch.nn.functional.relu" in told["sentence"]
    told = compare(compiled(), compiled(backend="inductor"), 1)
    assert told["counts"]["matched"] == 3
