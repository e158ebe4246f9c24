"""PyTorch's DebugMode logs: taken in, printed again, and what the views say of them.

The dumps are those of PyTorch 2.13 in debug_mode/ of PLUMB_TEST_DATA: NAME.json, NAME.txt, NAME.hashes.txt.
"""
import gzip
import json
import struct

import pytest

from conftest import GIVEN, query, run_plumb, values

FOLDERS = [GIVEN / "debug_mode" / "dumps", *sorted((GIVEN / "debug_mode" / "pairs").glob("*"))] if GIVEN else []
NO_JSON_LOG = (".facts.json", ".records.json", ".bits.json")


def logs(kind, suits=lambda path: True):
    """Paths of the JSON or text logs that suit."""
    names = [p for folder in FOLDERS for p in sorted(folder.glob("*." + kind))]
    if kind == "json":
        names = [p for p in names if not p.name.endswith(NO_JSON_LOG) and p.name != "facts.json"]
    else:
        names = [p for p in names if not p.name.endswith(".hashes.txt")]
    return [p for p in names if suits(p)] or [pytest.param(None, marks=pytest.mark.skip(reason="PLUMB_TEST_DATA names no folder with debug_mode/"))]


def has_text(path):
    """Its text shows the same hashes: .xor.json are a second log of a pair's run."""
    return not path.name.endswith(".xor.json")


def has_hashes(path):
    return path.with_name(path.name[:-5] + ".hashes.txt").exists()


def identify(path):
    return f"{path.parent.name}/{path.name}" if path else "none"


def first_dump():
    if not GIVEN or not FOLDERS[0].is_dir():
        pytest.skip("PLUMB_TEST_DATA names no folder with debug_mode/dumps")
    return sorted(FOLDERS[0].glob("*.json"))[0]


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """imported(path): (trace of all logs in the path's folder), made once."""
    made = {}

    def get(path):
        if path.parent not in made:
            out = tmp_path_factory.mktemp("calls") / "calls.db"
            done = run_plumb("import", path.parent, "-o", out)
            assert "no loss" in done.err
            made[path.parent] = out
        return made[path.parent]

    return get


def alone(path, tmp_path):
    """A trace of one log, for those that a folder does not show to be one."""
    out = tmp_path / "alone.db"
    run_plumb("import", path, "-o", out)
    return out


def export(db, how, *args):
    return run_plumb("export", db, how, *args).raw


def exact(a, b):
    """Equal as JSON values; 1 and 1.0 are not, nor are 0.0 and -0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(exact(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(exact, a, b))
    return struct.pack("d", a) == struct.pack("d", b) if isinstance(a, float) else a == b


@pytest.mark.parametrize("path", logs("json"), ids=identify)
def test_saved_log_comes_back(path, imported):
    again = json.loads(export(imported(path), "--debug-json", "--log", path.name))
    assert exact(again, json.loads(path.read_text()))


@pytest.mark.parametrize("path", logs("json", has_text), ids=identify)
def test_saved_log_prints_its_text(path, imported):
    assert export(imported(path), "--debug-text", "--log", path.name) == path.with_suffix(".txt").read_bytes()


@pytest.mark.parametrize("path", logs("txt"), ids=identify)
def test_text_prints_itself(path, imported, tmp_path):
    empty = path.read_bytes() == b"\n"
    db = alone(path, tmp_path) if empty else imported(path)
    assert export(db, "--debug-text", "--log", path.name) == path.read_bytes()
    assert values(db, "SELECT count(*) FROM calls WHERE kind = 'text' AND log_file = :log", log=path.name) == [0]


@pytest.mark.parametrize("path", logs("json", has_text), ids=identify)
def test_text_and_saved_log_have_the_same_calls(path, imported):
    columns = "position, depth, kind, name, output, log"
    sql = f"SELECT {columns}, coalesce(args, '') || coalesce(', ' || nullif(kwargs, ''), '') AS said FROM calls WHERE log_file = :log"
    db = imported(path)
    of_json, of_text = (query(db, sql, log=name) for name in (path.name, path.with_suffix(".txt").name))
    for row in of_json:  # a text does not tell an empty remark from none
        row["log"] = None if row["log"] == "{}" else row["log"]
    assert of_json == of_text


def number(kind, digest):
    if kind == 1:
        real = struct.unpack("d", struct.pack("q", digest))[0]
        return real if real - real == 0 else "NaN" if real != real else "Infinity" if real > 0 else "-Infinity"
    return digest % 2**64 if kind == 2 else digest


def hash_lines(uses):
    """path=hash of a phase; a tensor's several hashes stand in one list."""
    found = []
    for use in uses:
        value = number(use["hash_kind"], use["digest"])
        if use["part"] in (None, 0):
            found.append([use["arg"], value if use["part"] is None else [value]])
        else:
            found[-1][1].append(value)
    return ", ".join(f"{arg or '<root>'}={json.dumps(value)}" for arg, value in found)


def hash_blocks(db, log):
    """The block text of hashes, made of the views alone."""
    calls = query(db, "SELECT * FROM calls WHERE log_file = :log ORDER BY position", log=log)
    uses = query(db, "SELECT u.* FROM tensor_uses u JOIN calls c ON c.id = u.call WHERE c.log_file = :log "
                     "AND u.hash_kind IS NOT NULL ORDER BY u.call, u.position", log=log)
    of_call, blocks, modules, counted = {}, [], [], {}
    for use in uses:
        of_call.setdefault(use["call"], []).append(use)
    for call in calls:
        while modules and modules[-1][0] >= call["depth"]:
            modules.pop()
        module = modules[-1][1] if modules else "<none>"
        if call["kind"] == "module":
            modules.append((call["depth"], call["name"]))
        mine = of_call.get(call["id"], [])
        if not mine:
            continue
        n = counted[module] = counted.get(module, -1) + 1
        triton = call["kind"] == "triton"
        before = hash_lines(u for u in mine if u["phase"] == "before")
        after = hash_lines(u for u in mine if u["phase"] == ("after" if triton else "result"))
        blocks.append(f"[{module}/op_{n}_{call['name']}]\n  Call type: {'triton kernel' if triton else 'torch op'}\n"
                      f"  Call index: {call['position']}\n  Call depth: {call['depth']}\n"
                      + (f"  Input hashes: {before}\n" if before else "") + (f"  Output hashes: {after}\n" if after else ""))
    return f"Total captured tensor hash ops: {len(blocks)}\n" + "=" * 80 + "\n\n" + "\n".join(blocks) + "\n"


@pytest.mark.parametrize("path", logs("json", has_hashes), ids=identify)
def test_hashes_are_those_of_the_block_text(path, imported):
    want = path.with_name(path.name[:-5] + ".hashes.txt")
    for name in (path.name, path.with_suffix(".txt").name):
        assert hash_blocks(imported(path), name) == want.read_text()


def test_stacks_can_be_hidden(imported):
    path = first_dump()
    db = imported(path)
    shown = path.with_name("04_mlp_stack_hidden.txt").read_bytes()
    for name in ("04_mlp_stack.json", "04_mlp_stack.txt"):
        assert export(db, "--debug-text", "--hide-stacks", "--log", name) == shown


def test_trace_of_logs_is_whole_when_merged_and_packed(imported, tmp_path):
    path = first_dump()
    merged, packed = tmp_path / "merged.db", tmp_path / "packed.db.gz"
    run_plumb("import", path.parent / "22_train_sgd_hashed.json", "-o", tmp_path / "one.db")
    run_plumb("merge", "-o", merged, imported(path), tmp_path / "one.db")
    run_plumb("doctor", merged)
    id = values(merged, "SELECT max(source) FROM calls")[0]
    assert export(merged, "--debug-text", "--log", id) == (path.parent / "22_train_sgd_hashed.txt").read_bytes()
    run_plumb("pack", tmp_path / "one.db", "-o", packed)
    assert export(packed, "--debug-text") == (path.parent / "22_train_sgd_hashed.txt").read_bytes()


# ---- logs made here ----

MODULE = {"type": "annotate", "call_depth": 1, "log": None, "output_str": None, "stack_trace": None, "fwd_stack_trace": None,
          "tag": "Net", "header": "nn.Mod"}
RELU = {"type": "op", "call_depth": 2, "log": None, "output_str": "  ->  t$1: f32[2, 3]", "stack_trace": None, "fwd_stack_trace": None,
        "op_name": "aten::relu", "args_str": "t$0: f32[2, 3]", "kwargs_str": "", "tensor_hash_leaves": {"type": "dict", "items": []}}
TEXT = "    [nn.Mod] Net\n      aten::relu(t$0: f32[2, 3])  ->  t$1: f32[2, 3]\n"


def saved(*calls, **more):
    return json.dumps({"format": "torch.utils._debug_mode.DebugMode.logs", "version": 1, "logs": list(calls), **more})


def taken(tmp_path, text, *args, name="log.data", expect=0):
    log, out = tmp_path / name, tmp_path / "made.db"
    log.write_bytes(text if isinstance(text, bytes) else text.encode())
    return out, run_plumb("import", log, "-o", out, "--overwrite", *args, expect=expect)


def test_format_is_known_by_content(tmp_path):
    for text in (saved(MODULE, RELU), TEXT):
        for data in (text.encode(), gzip.compress(text.encode())):
            db, done = taken(tmp_path, data)
            assert export(db, "--debug-text").decode() == TEXT
            assert json.loads(export(db, "--debug-json")) == json.loads(saved(MODULE, RELU))
    done = run_plumb("import", "-", "-o", tmp_path / "pipe.db", input=TEXT.encode())
    assert export(tmp_path / "pipe.db", "--debug-text").decode() == TEXT


def test_views_tell_calls_and_tensors(tmp_path):
    db, _ = taken(tmp_path, saved(MODULE, RELU))
    assert values(db, "SELECT c.name, p.name FROM calls c LEFT JOIN calls p ON p.id = c.parent ORDER BY c.position") == [
        ("Net", None), ("aten::relu", "Net")]
    assert values(db, "SELECT phase, arg, tensor, dtype, shape, hash_kind FROM tensor_uses ORDER BY position") == [
        ("before", "[0][0]", 0, "f32", "[2, 3]", None), ("result", "", 1, "f32", "[2, 3]", None)]


def test_a_torch_trace_and_a_log_of_calls_share_a_folder(tmp_path):
    folder = tmp_path / "both"
    folder.mkdir()
    (folder / "calls.txt").write_text(TEXT)
    (folder / "notes.txt").write_text("  nothing that DebugMode prints\n")
    (folder / "other.json").write_text('{"format": "something else"}')
    (folder / "trace.log").write_text('V1123 04:22:04.458000 3806 torch/a.py:1] {"str": ["a.py", 0]}\n')
    run_plumb("import", folder, "-o", tmp_path / "both.db")
    assert values(tmp_path / "both.db", "SELECT name FROM source_file ORDER BY name") == ["calls.txt", "trace.log"]
    assert export(tmp_path / "both.db", "--debug-text").decode() == TEXT


@pytest.mark.parametrize("change", [
    {"new_member": [1, {"a": None}]}, {"call_depth": "2"}, {"call_depth": -7}, {"call_depth": 10**9}, {"log": 5}, {"stack_trace": "no frames"},
    {"log": {"type": "set", "items": []}}, {"args_str": None}, {"output_str": 7}, {"tensor_hash_leaves": {"type": "dict", "items": [["input", 1]]}},
    {"log": {"type": "dict", "items": [["hash", {"type": "scalar", "value": 2**70}]]}}, {"type": "later_kind"},
    {"stack_trace": '  File "a.py", line 007, in f\n    x\n'}])
def test_what_the_columns_cannot_say_is_kept(tmp_path, change):
    call = {**RELU, **change}
    db, _ = taken(tmp_path, saved(MODULE, call))
    assert exact(json.loads(export(db, "--debug-json")), json.loads(saved(MODULE, call)))
    assert export(db, "--debug-text")


def test_older_and_larger_logs(tmp_path):
    older = {k: v for k, v in RELU.items() if k != "tensor_hash_leaves"}
    db, _ = taken(tmp_path, saved(older, written_by={"torch": "2.14"}))
    assert json.loads(export(db, "--debug-json")) == json.loads(saved(older, written_by={"torch": "2.14"}))
    assert values(db, "SELECT count(*) FROM call WHERE rest IS NOT NULL") == [0]
    _, done = taken(tmp_path, saved(RELU).replace('"version": 1', '"version": 2'), expect=2)
    assert "version 2" in done.err


@pytest.mark.parametrize("text", [
    TEXT.rstrip("\n"), TEXT + "\n\n", TEXT + "odd lines\n   here\n" + TEXT, TEXT.replace("\n", "\r\n"), TEXT + "\n    # File: \n" + TEXT,
    "  aten::x()  # {'hash': 1.50}\n", "  aten::x()  # {'hash': (1, nan, -0.0)}\n", "  f::g('  # {')  ->  a  ->  b  # {'h': 'it\\'s'}\n",
    "    # File: a.py:007 in f, code: x\n    aten::x()\n", "  aten::x(\n  aten::y([1,\n     2])\n", "  [triton] k(a=1)\n", "  [triton] k(a=1)\n\n",
    "  [triton] k(x=t: f32[1])\n  # pre-kernel hashes: {x: (1.5, 7)}\n  # post-kernel hashes: {x: (nan, 9223372036854775808)}\n\n"])
def test_any_text_prints_itself(tmp_path, text):
    db, done = taken(tmp_path, text, name="log.txt")
    assert export(db, "--debug-text").decode() == text
    json.loads(export(db, "--debug-json"))


def test_damaged_saved_logs_keep_what_is_whole(tmp_path):
    whole = saved(MODULE, RELU, RELU)
    for end in range(120, len(whole)):
        db, done = taken(tmp_path, whole[:end]) if end % 97 == 0 else (None, None)
        if not db:
            continue
        assert "truncated 1" in done.err or "malformed 1" in done.err
        again = json.loads(export(db, "--debug-json"))["logs"]
        assert again == [MODULE, RELU, RELU][:len(again)]
        assert values(db, "SELECT state FROM source_file") == ["interrupted"]
    _, done = taken(tmp_path, whole[:500], "--strict", expect=1)


def test_wrong_use_is_told(tmp_path):
    db, _ = taken(tmp_path, TEXT)
    assert "--hide-stacks goes with --debug-text" in run_plumb("export", db, "--debug-json", "--hide-stacks", expect=2).err
    (tmp_path / "two").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "two" / name).write_text(TEXT)
    run_plumb("import", tmp_path / "two", "-o", tmp_path / "two.db")
    assert "choose one with --log" in run_plumb("export", tmp_path / "two.db", "--debug-text", expect=2).err
    assert "without --follow" in run_plumb("import", tmp_path / "two/a.txt", "-o", tmp_path / "f.db", "--follow", expect=2).err
    trace = tmp_path / "t.log"
    trace.write_text('V1123 04:22:04.458000 3806 torch/a.py:1] {"str": ["a.py", 0]}\n')
    run_plumb("import", trace, "-o", tmp_path / "t.db")
    assert "no DebugMode log" in run_plumb("export", tmp_path / "t.db", "--debug-text", expect=2).err
