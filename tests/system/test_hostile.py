"""Bad input: each kind gives a clear message, and every good record is kept."""
import gzip
import json
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

import logs
from conftest import KEPT, PLUMB, ROOT, TIMEOUT, Server, log_text, query, run_plumb, values

MIB = 1 << 20


def put(folder, data, name="dedicated_log_torch_trace_x.log"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def imported(tmp_path, data, *options, expect=0):
    """(trace, result) of the import of one log with these bytes."""
    path, out = put(tmp_path / "in", data), tmp_path / "out.db"
    done = run_plumb("import", path, "-o", out, "--overwrite", *options, expect=expect)
    return out, done


def losses(db):
    return dict(values(db, "SELECT kind, sum(count) FROM losses GROUP BY kind"))


def notes(db):
    return values(db, "SELECT artifact_text(id) FROM artifacts WHERE name = 'note' ORDER BY id")


# ---- bytes that are not as they should be

@pytest.mark.parametrize("cut", [5, 20, 60, 150])
def test_truncated_tail(tmp_path, cut):
    whole = logs.small(3)
    db, _ = imported(tmp_path, whole + logs.artifact("last", "a\nb\nc" * 20)[:-cut])
    assert notes(db) == ["the text of 0", "the text of 1", "the text of 2"]
    assert values(db, "SELECT count(*) FROM compiles WHERE outcome = 'ok'") == [3]
    assert sum(losses(db).values()) >= 1, "what was cut is told"


def test_last_newline_missing(tmp_path):
    db, _ = imported(tmp_path, (logs.small(1) + logs.artifact("note", "last"))[:-1])
    assert notes(db) == ["the text of 0", "last"] and losses(db) == {}, "a text that its md5 confirms is whole"


def test_cut_at_every_byte(tmp_path):
    """Whatever is left of a log imports; a record is there when all of it is."""
    whole = logs.small(1)
    rng = random.Random(1)
    for cut in sorted(rng.sample(range(len(whole)), 40)):
        lines = whole[:cut].split(b"\n")
        db, done = imported(tmp_path, whole[:cut], expect=0 if len(lines) > 1 else None)
        if done.code == 2:
            assert "record" in done.err
            continue
        complete = sum(1 for line in lines[:-1] if line.startswith(b"V"))
        assert values(db, "SELECT coalesce(sum(records), 0) FROM envelope_counts")[0] >= complete


def test_crlf(tmp_path):
    data = (logs.small(2) + logs.artifact("note", "a\n\nb")).replace(b"\n", b"\r\n")
    db, _ = imported(tmp_path, data)
    assert notes(db) == ["the text of 0", "the text of 1", "a\n\nb"]
    assert losses(db) == {}, "the md5 holds without the carriage returns"


def test_crlf_log_comes_back(tmp_path):
    data = logs.small(2).replace(b"\n", b"\r\n")
    db, _ = imported(tmp_path, data)
    run_plumb("export", db, "--torch-trace", tmp_path / "back")
    back = [p for p in (tmp_path / "back").rglob("*") if p.is_file()]
    assert [p.read_bytes() for p in back] == [data]


def test_nul_bytes(tmp_path):
    data = logs.small(1) + logs.artifact("note", b"a\0b") + b"\0\0\0\n" + logs.artifact("note", "after")
    db, _ = imported(tmp_path, data)
    assert notes(db)[0] == "the text of 0" and notes(db)[-1] == "after"
    assert values(db, "SELECT size FROM artifacts WHERE name = 'note' ORDER BY id")[1] == 3
    assert losses(db)


def test_bytes_that_are_not_utf8(tmp_path):
    bad = logs.record({"artifact": {"name": "XX", "encoding": "string"}, **logs.ids()}, "text").replace(b"XX", b"\xff\xfe")
    data = logs.artifact("note", b"\x80\xff\xc3\x28 tail") + bad + logs.artifact("note", "after")
    db, _ = imported(tmp_path, data)
    assert len(notes(db)) == 2 and notes(db)[1] == "after" and notes(db)[0].endswith(" tail")
    assert values(db, "SELECT count(*) FROM artifacts") == [3]
    assert values(db, "SELECT count(*) FROM artifacts WHERE flags & 4") == [1]
    assert losses(db).get("encoding"), losses(db)


def test_md5_mismatch(tmp_path):
    db, done = imported(tmp_path, logs.artifact("note", "text", md5="0" * 32))
    assert notes(db) == ["text"] and losses(db) == {"md5": 1}
    assert values(db, "SELECT flags FROM artifacts WHERE name = 'note'") == [1]
    imported(tmp_path, logs.artifact("note", "text", md5="0" * 32), "--strict", expect=1)
    imported(tmp_path, logs.artifact("note", "text"), "--strict", expect=0)


@pytest.mark.parametrize("text", ["{", "[1, 2", '{"a": }', "nonsense", '{"artifact": {"name": "x"}', "[" * 100000, '{"a":' * 50000],
                         ids=["open", "list", "empty", "word", "cut", "deep-lists", "deep-objects"])
def test_broken_json_of_a_record(tmp_path, text):
    line = logs.PREFIX.format(0, 0).encode() + text.encode() + b"\n"
    db, _ = imported(tmp_path, logs.small(1) + line + logs.artifact("note", "after"))
    assert notes(db) == ["the text of 0", "after"]
    assert sum(losses(db).values()) == 1


@pytest.mark.parametrize("text", ["{", "[" * 200000, '{"a": 1, "a": 1e999}', "\\u0000", '"\\ud800"'], ids=["open", "deep", "number", "nul", "half"])
def test_broken_json_of_a_payload(tmp_path, text):
    names = ("note", "recompile_reasons", "inductor_provenance_tracking_node_mappings", "fx_graph_cache_hit", "triton_kernel_info",
             "inductor_collective_schedule", "inductor_runtime_and_tensor_meta", "graph_execution", "torch_version")
    data = b"".join(logs.artifact(name, text, "json") for name in names) + logs.record({"chromium_event": {}}, text) + logs.small(1)
    db, _ = imported(tmp_path, data)
    assert values(db, "SELECT count(*) FROM artifacts") == [len(names) + 1]
    assert notes(db) == [text, "the text of 0"]


@pytest.mark.parametrize("envelope", [
    {"dynamo_start": {"stack": "no list"}}, {"dynamo_start": None}, {"dynamo_start": {"stack": [{"line": "x", "filename": [], "name": 3}]}},
    {"compilation_metrics": []}, {"compilation_metrics": {"co_name": {"a": [1]}, "graph_op_count": "many", "restart_reasons": 7}},
    {"chromium_event": 3}, {"artifact": {}}, {"artifact": {"name": 5, "encoding": []}}, {"str": []}, {"str": ["a"]}, {"str": [1, "a"]},
    {"str": ["a", -1]}, {"str": ["a", 10**30]}, {"str": ["a", 2**31]}, {"describe_tensor": {"id": "x", "size": {}, "stride": 1e400}},
    {"describe_storage": []}, {"describe_source": {"source": None}}, {"expression_created": {"arguments": 1, "argument_ids": [{}]}},
    {"guard_added": {"expr": [], "frame_locals": 1, "symbol_to_sources": "x"}}, {"create_symbol": {"symbol": None}},
    {"symbolic_shape_specialization": {"sources": 3}}, {"missing_fake_kernel": {"op": []}}, {"link": {"name": [], "url": 3}},
    {"graph_dump": {"name": None}}, {"dump_file": {}}, {"inductor_output_code": {"filename": 3}}, {"dynamo_output_graph": {"sizes": [1]}},
    {"bwd_compilation_metrics": "x"}, {"stack": {"a": 1}}, {}, {"what_is_this": {"deep": [[[[]]]]}}])
def test_fields_of_another_shape(tmp_path, envelope):
    data = logs.small(1)
    for payload in (None, "no json {"):
        data += logs.record({**envelope, **logs.ids()}, payload)
    data += logs.record(envelope) + logs.artifact("note", "after")
    db, _ = imported(tmp_path, data)
    assert notes(db) == ["the text of 0", "after"]
    assert values(db, "SELECT sum(records) FROM envelope_counts") == [1 + 3 + 3 + 1]


@pytest.mark.parametrize("context", [
    {"frame_id": -1, "frame_compile_id": -1}, {"frame_id": 2**63, "frame_compile_id": 2**63}, {"frame_id": 10**40, "frame_compile_id": 0},
    {"frame_id": "a", "frame_compile_id": []}, {"frame_id": 1.5, "frame_compile_id": None}, {"frame_id": 0}, {"frame_compile_id": 0},
    {"frame_id": 0, "frame_compile_id": 0, "attempt": 2**40}, {"frame_id": 0, "frame_compile_id": 0, "attempt": -5},
    {"compiled_autograd_id": 3}, {"compiled_autograd_id": None, "frame_id": 0, "frame_compile_id": 0}, {"rank": "x"}, {"rank": -1},
    {"rank": 2**40}, {"subgraph_name": 3}, {"has_payload": 5}, {"has_payload": "xyz"}])
def test_context_of_another_shape(tmp_path, context):
    data = logs.small(1) + logs.record({"artifact": {"name": "odd", "encoding": "string"}, **context}, "text") + logs.record(
        {"dynamo_output_graph": {}, **context}) + logs.artifact("note", "after")
    db, _ = imported(tmp_path, data)
    assert notes(db) == ["the text of 0", "after"]
    for verb in ("info",):
        run_plumb(verb, db)


@pytest.mark.parametrize("prefix", ["V9999 99:99:99.999999 1 a.py:1] ", "V0230 10:00:00.000000 1 a.py:1] ", "V0101 00:00:00.000000 "
                                    + "9" * 60 + " a.py:1] ", "V0101 00:00:00.000000 1 a.py:" + "9" * 60 + "] ",
                                    "[rank0]: V0101 00:00:00.000000 1 a.py:1] ", "V0101 00:00:00.000000 1 C:\\a.py:1] "])
def test_odd_prefixes(tmp_path, prefix):
    line = prefix.encode() + json.dumps({"artifact": {"name": "note", "encoding": "string"}}).encode() + b"\n"
    db, _ = imported(tmp_path, logs.small(1) + line + logs.artifact("note", "after"))
    assert notes(db)[0] == "the text of 0" and notes(db)[-1] == "after"
    if prefix.startswith("[rank0]"):
        assert losses(db) == {} and len(notes(db)) <= 3, "noise before the prefix is tolerated"


def test_missing_payload(tmp_path):
    announced = logs.record({"artifact": {"name": "gone", "encoding": "string"}, **logs.ids()}, "x").split(b"\n")[0] + b"\n"
    db, _ = imported(tmp_path, announced + logs.artifact("note", "after"))
    assert notes(db) == ["after"] and losses(db).get("payload", 0) + losses(db).get("md5", 0) >= 1


def test_payload_nobody_announced(tmp_path):
    db, _ = imported(tmp_path, logs.small(1) + b"\tstray line\n" + logs.artifact("note", "after"))
    assert notes(db) == ["the text of 0", "after"] and losses(db) == {"malformed": 1}


def test_intern_ids_used_again(tmp_path):
    data = logs.string("/first.py", 0) + logs.start(0) + logs.string("/second.py", 0) + logs.start(1) + logs.start(2, filename=77)
    db, _ = imported(tmp_path, data)
    files = values(db, "SELECT s.file FROM compiles c JOIN stacks s ON s.id = c.stack ORDER BY c.compile_id")
    assert files == ["/first.py", "/second.py", "(unknown)"]


# ---- sizes

def peak(*args):
    """Peak resident bytes of a run of plumb that must succeed."""
    done = subprocess.run([sys.executable, ROOT / "tests/bench/peak.py", str(PLUMB), *map(str, args)], capture_output=True, timeout=TIMEOUT)
    figures = json.loads(done.stderr.decode(errors="replace").strip().split("\n")[-1])
    assert figures["exit"] == 0, done
    return figures["resident"]


SANITIZED = "san-" in str(PLUMB)


@pytest.mark.parametrize("kind", ["payload", "header", "garbage", "unended"])
def test_line_of_100_mb(tmp_path, kind):
    size = 100 * 10**6
    long = {
        "payload": lambda: logs.artifact("long", b"y" * size),
        "header": lambda: logs.record({"artifact": {"name": "long", "encoding": "string", "more": "y" * size}, **logs.ids()}, "text"),
        "garbage": lambda: b"y" * size + b"\n",
        "unended": lambda: b"",
    }[kind]()
    tail = b"y" * size if kind == "unended" else logs.artifact("note", "after")
    path, out = put(tmp_path / "in", logs.small(1) + long + tail), tmp_path / "out.db"
    used = peak("import", path, "-o", out)
    assert notes(out) == ["the text of 0"] + ([] if kind == "unended" else ["after"])
    if kind in ("payload", "header"):
        assert values(out, "SELECT count(*) FROM artifacts WHERE name = 'long'") == [1]
    if not SANITIZED:
        assert used < 96 * MIB + 2 * size, f"{used / MIB:.0f} MiB resident"


def test_gzip_that_inflates_a_thousandfold(tmp_path):
    path, out = tmp_path / "dedicated_log_torch_trace_x.log.gz", tmp_path / "out.db"
    with gzip.open(path, "wb", 6) as file:
        file.write(logs.small(1))
        for _ in range(64):
            file.write(b"\0" * MIB)
    used = peak("import", path, "-o", out)
    assert notes(out) == ["the text of 0"] and losses(out)
    assert SANITIZED or used < 96 * MIB + 2 * 64 * MIB


def test_gzip_cut_off(tmp_path):
    whole = gzip.compress(logs.small(50))
    path = put(tmp_path / "in", whole[: len(whole) - 60], "dedicated_log_torch_trace_x.log.gz")
    run_plumb("import", path, "-o", tmp_path / "out.db")
    assert losses(tmp_path / "out.db"), "the cut is told"
    assert values(tmp_path / "out.db", "SELECT count(*) > 0 FROM envelope_counts") == [1]


def test_gzip_that_is_none(tmp_path):
    path = put(tmp_path / "in", b"\x1f\x8bnonsense" * 100, "dedicated_log_torch_trace_x.log.gz")
    done = run_plumb("import", path, "-o", tmp_path / "out.db", expect=None)
    if done.code == 0:
        assert "losses: read" in done.err + done.out
        assert "gz" in values(tmp_path / "out.db", "SELECT message FROM losses WHERE kind = 'read'")[0]
    else:
        assert "dedicated_log_torch_trace_x.log.gz" in done.err


# ---- strings that want escaping

EVIL = "<script>alert(1)</script>\x1b[31mred\x1b]0;title\x07\"'&\u202e"


def evil_log():
    """A record of every kind, with EVIL in every string."""
    e, ctx, frames = EVIL, logs.ids(), [{"line": 1, "name": EVIL, "filename": 0, "loc": EVIL}]
    out = logs.string(e + ".py", 0)
    envelopes = [
        ({"dynamo_start": {"stack": frames}}, None),
        ({"artifact": {"name": e, "encoding": "string"}}, e), ({"artifact": {"name": "j" + e, "encoding": "json"}}, json.dumps({e: e})),
        ({"artifact": {"name": "fx_graph_cache_miss" + e, "encoding": "json"}}, json.dumps({"key": e, "cache_state": "miss", "components": [f"[{e}] {e}: {e}"]})),
        ({"artifact": {"name": "recompile_reasons", "encoding": "json"}}, json.dumps([f"0/0: {e}", e])),
        ({"artifact": {"name": "dynamo_graph_break_reason", "encoding": "string"}}, f"Graph break in user code at {e}.py:3\nGraph Break Reason: {e}\n{e}"),
        ({"dynamo_output_graph": {"sizes": {e: [e, 2]}}}, f"class {e}(torch.nn.Module):\n    def forward(self, {e}):\n        {e} = {e}.f({e})"),
        ({"inductor_output_code": {"filename": e, "file_path": e}}, e), ({"dynamo_cpp_guards_str": {}}, f"TREE_GUARD_MANAGER:\n+- {e}\n| +- {e}"),
        ({"dynamo_guards": {}}, json.dumps([{"code": e, "stack": frames, "user_stack": frames}])),
        ({"link": {"name": e, "url": "javascript:alert(1)//" + e}}, None), ({"dump_file": {"name": e}}, e), ({"graph_dump": {"name": e, "type": e}}, e),
        ({"create_symbol": {"symbol": e, "val": e, "vr": e, "source": e, "user_stack": frames, "stack": frames}}, None),
        ({"symbolic_shape_specialization": {"symbol": e, "sources": [e], "value": e, "reason": e, "stack": frames, "user_stack": frames}}, None),
        ({"guard_added_fast": {"expr": e, "user_stack": frames, "stack": frames}}, None),
        ({"guard_added": {"expr": e, "result": e, "prefix": "eval", "frame_locals": {"locals": {e: [e]}, "symbols": {e: e}}, "symbol_to_sources": {e: [e]}}}, None),
        ({"missing_fake_kernel": {"op": e}}, None), ({"mismatched_fake_kernel": {"op": e, "reason": e}}, None),
        ({"expression_created": {"method": e, "result": e, "result_id": 7, "arguments": [e], "argument_ids": [7], "stack": frames, "user_stack": frames}}, None),
        ({"describe_tensor": {"id": 0, "ndim": 1, "dtype": e, "device": e, "size": [e], "stride": [e], "storage": 0, "describer_id": 0, e: e}}, None),
        ({"describe_source": {"describer_id": 0, "id": 0, "source": e}}, None), ({"unknown_" + e: {e: e}}, e),
        ({"chromium_event": {}}, json.dumps({"name": e, "ph": "B", "ts": 1.7e15, "tid": 0, "pid": 0, "cat": e, "args": {e: e, "compile_id": "0/0"}})),
    ]
    for envelope, payload in envelopes:
        out += logs.record({**envelope, **ctx, "subgraph_name": e}, payload)
    fields = {"co_name": e, "co_filename": e, "fail_type": e, "fail_reason": e, "fail_user_frame_filename": e, "restart_reasons": [e], e: e}
    return out + logs.metrics(0, 0, **fields) + logs.metrics(1, 0, co_name=e, restart_reasons=[e])


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evil") / "a<b>&\x1b[1mc"
    db, _ = imported_into(folder, evil_log())
    return db


def imported_into(folder, data):
    folder.mkdir()
    return imported(folder, data)


def test_no_terminal_escape_reaches_the_terminal(evil):
    for args in (["info", evil], ["doctor", evil], ["search", evil, "alert"], ["sql", evil, "SELECT * FROM compiles"],
                 ["sql", evil, "SELECT * FROM artifacts"], ["sql", evil, "SELECT * FROM losses"], ["sql", evil, "SELECT nonsense" + EVIL]):
        done = run_plumb(*args, expect=None)
        assert "\x1b" not in done.out + done.err and "\x07" not in done.out + done.err, args[0]
    wrong = run_plumb("import", "/nowhere/" + EVIL, "-o", evil.parent / "x.db", expect=2)
    assert "\x1b" not in wrong.err


def test_no_markup_reaches_a_page(evil):
    server = Server(evil)
    try:
        seen, todo = set(), ["/"]
        while todo and len(seen) < 250:
            path = todo.pop()
            if path in seen:
                continue
            seen.add(path)
            status, headers, body = server.get(path, expect=None)
            text = body.decode("utf-8")
            assert status in (200, 400, 404, 413), path
            if not headers["Content-Type"].startswith("text/html"):
                assert headers["X-Content-Type-Options"] == "nosniff"
                continue
            assert "<script>alert" not in text and "\x1b" not in text, path
            assert not re.search(r'href="\s*javascript:', text, re.I), path
            for link in re.findall(r'href="([^"#]+)', text):
                link = link.replace("&amp;", "&").replace("&#39;", "'").replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">")
                if link.startswith("/") and not link.startswith("//"):
                    todo.append(link)
        assert len(seen) > 15, sorted(seen)
    finally:
        server.close()


@pytest.mark.parametrize("name", ["../../../../escaped", "/tmp/plumb-escaped", "..", ".", "a/../../escaped", "x\0y", "con", "a" * 5000, "", "\n", "\\..\\x"])
def test_artifact_names_never_become_paths(tmp_path, name):
    db, _ = imported(tmp_path, logs.artifact(name, "text") + logs.artifact("note", "after"))
    out = tmp_path / "deep/er/out"
    out.parent.mkdir(parents=True)
    run_plumb("export", db, "--compile-directory", "-o", out, expect=0)
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and out not in p.parents and p != out]
    assert sorted(p.name for p in outside) == ["dedicated_log_torch_trace_x.log", "out.db"]
    assert not os.path.exists("/tmp/plumb-escaped") and not list(tmp_path.parent.glob("*escaped*"))


# ---- folders, outputs, files that are no trace

def test_rank_given_twice(tmp_path):
    folder = tmp_path / "in"
    for suffix in ("a", "b"):
        put(folder, logs.small(2), f"dedicated_log_torch_trace_rank_0_{suffix}.log")
    run_plumb("import", folder, "-o", tmp_path / "out.db")
    assert values(tmp_path / "out.db", "SELECT log, rank, count(*) FROM compiles GROUP BY 1 ORDER BY 1") == [
        ("dedicated_log_torch_trace_rank_0_a.log", 0, 2), ("dedicated_log_torch_trace_rank_0_b.log", 0, 2)]


def test_empty_log(tmp_path):
    folder = tmp_path / "in"
    put(folder, b"", "dedicated_log_torch_trace_empty.log")
    put(folder, logs.small(1))
    run_plumb("import", folder, "-o", tmp_path / "out.db")
    assert notes(tmp_path / "out.db") == ["the text of 0"]
    alone = run_plumb("import", folder / "dedicated_log_torch_trace_empty.log", "-o", tmp_path / "alone.db", expect=None)
    assert re.search("no record|empty|0 records", alone.out + alone.err)


def test_folder_without_logs(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/readme.txt").write_text("nothing here")
    done = run_plumb("import", tmp_path / "in", "-o", tmp_path / "out.db", expect=2)
    assert re.search(r"\bno\b.*\blog", done.err) and not (tmp_path / "out.db").exists()


def test_input_that_is_not_there(tmp_path):
    done = run_plumb("import", tmp_path / "nothing", "-o", tmp_path / "out.db", expect=2)
    assert "nothing" in done.err and not (tmp_path / "out.db").exists()


def test_folder_that_links_to_itself(tmp_path):
    put(tmp_path / "in", logs.small(1))
    os.symlink(tmp_path / "in", tmp_path / "in/again")
    os.mkfifo(tmp_path / "in/pipe.log")
    run_plumb("import", tmp_path / "in", "-o", tmp_path / "out.db", timeout=20)
    assert notes(tmp_path / "out.db") == ["the text of 0"]


def test_output_that_exists(tmp_path):
    good = put(tmp_path / "in", logs.small(1))
    out = tmp_path / "out.db"
    out.write_bytes(b"precious")
    done = run_plumb("import", good, "-o", out, expect=2)
    assert "--overwrite" in done.err and out.read_bytes() == b"precious"
    run_plumb("import", tmp_path / "nothing", "-o", out, "--overwrite", expect=2)
    assert out.read_bytes() == b"precious", "replaced only after success"
    run_plumb("import", good, "-o", out, "--overwrite")
    assert notes(out) == ["the text of 0"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out.db"], "nothing else is left behind"


def test_output_in_a_folder_that_cannot_be_written(tmp_path):
    good = put(tmp_path / "in", logs.small(1))
    for place in ("/proc/plumb-out.db", str(tmp_path / "no/such/folder/out.db")):
        done = run_plumb("import", good, "-o", place, expect=2)
        assert os.path.basename(place) in done.err or os.path.dirname(place) in done.err


@pytest.fixture
def small_disk(tmp_path):
    """A folder of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a small tmpfs cannot be mounted: not root, or not allowed")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk(tmp_path, small_disk):
    rng = random.Random(2)
    data = b"".join(logs.artifact("note", "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20000))) for _ in range(300))
    path, out = put(tmp_path / "in", data), small_disk / "out.db"
    done = run_plumb("import", path, "-o", out, expect=2)
    assert re.search("full|space", done.err), done.err
    for left in small_disk.glob("out.db*"):
        left.unlink()
    out.write_bytes(b"precious")
    run_plumb("import", path, "-o", out, "--overwrite", expect=2)
    assert out.read_bytes() == b"precious"


NO_TRACES = {
    "text": lambda p: p.write_text("just text\n" * 100),
    "empty": lambda p: p.write_bytes(b""),
    "database": lambda p: sqlite3.connect(p).executescript("CREATE TABLE t(a); INSERT INTO t VALUES (1);"),
    "zeros": lambda p: p.write_bytes(b"\0" * 8192),
    "header only": lambda p: p.write_bytes(b"SQLite format 3\0" + b"\0" * 84),
    "folder": lambda p: p.mkdir(),
    "gzip": lambda p: p.write_bytes(gzip.compress(b"no database")),
}


@pytest.mark.parametrize("kind", NO_TRACES)
def test_database_that_is_no_trace(tmp_path, kind):
    path = tmp_path / ("it.db.gz" if kind == "gzip" else "it.db")
    NO_TRACES[kind](path)
    for args in (["info", path], ["sql", path, "SELECT 1"], ["doctor", path], ["search", path, "x"], ["pack", path, "-o", tmp_path / "p.db.gz"],
                 ["export", path, "--torch-trace", tmp_path / "e"], ["merge", "-o", tmp_path / "m.db", path, path]):
        done = run_plumb(*args, expect=2)
        assert "it.db" in done.err and len(done.err.strip().splitlines()) <= 6, (args[0], done.err)


def changed(db, tmp_path, sql):
    copy = tmp_path / "changed.db"
    shutil.copy(db, copy)
    connection = sqlite3.connect(copy)
    connection.executescript(sql)
    connection.commit()
    connection.close()
    return copy


def test_another_version(traces, tmp_path):
    for version in (0, 1, 2, 3, 5, 1000, 2**31 - 1):
        copy = changed(traces("train_mlp"), tmp_path, f"PRAGMA user_version = {version}")
        done = run_plumb("info", copy, expect=2)
        assert "version" in done.err, "it says what is wrong, and what to do"


@pytest.mark.parametrize("sql", [
    "CREATE TRIGGER t AFTER INSERT ON meta BEGIN SELECT 1; END", "DROP TABLE compile", "DROP VIEW compiles; CREATE VIEW compiles AS SELECT load_extension('x')",
    "UPDATE text_frame SET data = zeroblob(10)", "UPDATE text_frame SET size = 2000000000", "UPDATE text_frame SET offset = offset + 7",
    "UPDATE artifact SET offset = -5, stored = 1 << 60, size = 1 << 60", "UPDATE artifact SET source = 99", "UPDATE stack SET parent = id",
    "UPDATE event SET parent = id", "UPDATE graph SET same_as = id", "UPDATE string SET text = x'ff00ff'", "UPDATE compile SET compile_id = NULL, outcome = 7, stack = -1",
    "DELETE FROM run", "DELETE FROM source_file", "DELETE FROM meta", "UPDATE node SET graph = 'x'",
    "UPDATE compile SET compile_id = '" + "9" * 3000 + "'"])
def test_trace_with_false_rows(traces, tmp_path, sql):
    """A file that a stranger made: any answer is fine that is none of a crash, a hang, or a wrong byte of ours."""
    copy = changed(traces("train_mlp"), tmp_path, sql)
    for args in (["info", copy], ["doctor", copy], ["search", copy, "relu"], ["sql", copy, "SELECT sum(length(artifact_text(id))) FROM artifacts"],
                 ["sql", copy, "SELECT count(stack_text(stack)) FROM compiles"], ["export", copy, "--raw-jsonl", "-o", tmp_path / "raw"],
                 ["pack", copy, "-o", tmp_path / "packed.db.gz", "--overwrite"]):
        run_plumb(*args, expect=None, timeout=60)
    try:
        server = Server(copy)
    except AssertionError as refused:
        assert "ended with 2" in str(refused)
        return
    try:
        for page in ("/", "/overview", "/compiles", "/search?q=relu", "/failures", "/recompiles", "/graph-breaks", "/health", "/sql"):
            assert server.get(page, expect=None)[0] in (200, 404, 500, 503)
    finally:
        server.close()


def test_corrupted_file(traces, tmp_path):
    whole = traces("train_mlp").read_bytes()
    rng, copy = random.Random(3), tmp_path / "corrupt.db"
    for round_ in range(25):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 10, 200))):
            at = rng.randrange(100, len(data))
            data[at:at + rng.choice((1, 4, 64))] = rng.randbytes(rng.choice((1, 4, 64)))
        if round_ % 5 == 0:
            data = data[: rng.randrange(len(data))]
        copy.write_bytes(data)
        for args in (["info", copy], ["doctor", copy], ["search", copy, "relu"], ["sql", copy, "SELECT count(artifact_text(id)) FROM artifacts"]):
            run_plumb(*args, expect=None, timeout=60)


def test_doctor_finds_corruption(traces, tmp_path):
    data = bytearray(traces("train_mlp").read_bytes())
    page = int.from_bytes(data[16:18], "big") or 65536
    for at in range(page * 3, len(data), page * 7):
        data[at:at + 16] = b"\xff" * 16
    (tmp_path / "corrupt.db").write_bytes(data)
    done = run_plumb("doctor", tmp_path / "corrupt.db", expect=None)
    assert done.code in (1, 2) and done.out + done.err


# ---- an import that dies

def test_killed_import_leaves_every_committed_record(tmp_path):
    folder = tmp_path / "in"
    block = logs.small(400)
    put(folder, b"".join(logs.artifact("note", f"text {i} " + "word " * 200, **logs.ids(i)) for i in range(20000)) + block)
    out, recovered = tmp_path / "out.db", 0
    for delay in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8):
        process = subprocess.Popen([str(PLUMB), "import", str(folder), "-o", str(out), "--overwrite"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        left = sorted(p for p in tmp_path.glob("out*") if not p.name.endswith(("-wal", "-shm", "-journal")))
        for path in left:
            opened = run_plumb("doctor", path, expect=None)
            if opened.code == 2:
                with sqlite3.connect(path) as connection:
                    assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchall() == [(0,)], opened
                continue  # killed before the file was begun
            texts = notes(path)
            assert all(text.startswith("text ") or text.startswith("the text") for text in texts)
            recovered += len(texts)
            run_plumb("info", path, expect=None)
        for path in tmp_path.glob("out*"):
            path.unlink()
    assert recovered > 0, "some import was killed after its first commit"


def test_interrupted_import_ends(tmp_path):
    """SIGINT ends an import of a pipe that never ends; a half trace is not left as if it were whole."""
    out = tmp_path / "out.db"
    process = subprocess.Popen([str(PLUMB), "import", "-", "-o", str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    process.stdin.write(logs.small(3))
    process.stdin.flush()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 2
    assert b"interrupted" in process.stdout.read()
    process.stdin.close()
    process.stdout.close()
    assert not out.exists() or values(out, "SELECT state FROM logs") == ["interrupted"]


def test_standard_input(tmp_path):
    out = tmp_path / "out.db"
    run_plumb("import", "-", "-o", out, input=logs.small(3))
    assert len(notes(out)) == 3


def test_memory_limit_is_an_error_and_not_a_crash(tmp_path):
    if SANITIZED:
        pytest.skip("a sanitizer needs more address space than the limit leaves")
    path = put(tmp_path / "in", logs.artifact("note", b"y" * 80_000_000))

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (150 * MIB, 150 * MIB))

    done = run_plumb("import", path, "-o", tmp_path / "out.db", expect=None, preexec_fn=limit)
    assert done.code in (0, 2)
    assert done.code == 0 or "memory" in done.err, done.err


def test_real_logs_cut_and_garbled(tmp_path):
    """Logs of PyTorch with bytes changed at random: the import ends well, whatever they say."""
    rng = random.Random(4)
    for path in sorted(KEPT.rglob("*.log*"))[::3]:
        data = bytearray(log_text(path))
        for _ in range(60):
            at = rng.randrange(len(data))
            data[at:at + rng.randrange(8)] = rng.choice((b"\n", b"\t", b'"', b"{", b"}", b"\0", b"\xff", b"1" * 30, b"", b"\n\t", b"\\"))
        db, _ = imported(tmp_path, bytes(data))
        run_plumb("info", db)
        run_plumb("sql", db, "SELECT sum(length(artifact_text(id))) FROM artifacts")
