"""plumb import LOG --digests FILE: digests that others made, joined to the calls of a DebugMode log.

The pairs are those in debug_mode/pairs of PLUMB_TEST_DATA: a.json, a.txt, a.bits.json, the same of b.
"""
import gzip
import json

import pytest

from conftest import GIVEN, query, run_plumb, values

FOLDER = GIVEN / "debug_mode" / "pairs" if GIVEN else None
PAIRS = sorted(FOLDER.glob("*")) if FOLDER and FOLDER.is_dir() else []
SIDES = [p / side for p in PAIRS for side in "ab"] or [
    pytest.param(None, marks=pytest.mark.skip(reason="PLUMB_TEST_DATA names no folder with debug_mode/pairs"))]
WHERE = {"before": "in", "result": "out"}


def identify(side):
    return f"{side.parent.name}/{side.name}" if side else "none"


def join(log, digests, out, **how):
    return run_plumb("import", log, "--digests", digests, "-o", out, **how)


def joined(db):
    """{position: {"in": {path: digest}, "out": {...}}} of what was joined."""
    found = {}
    for row in query(db, "SELECT c.position, u.phase, u.arg, hash_value(u.hash_kind, u.digest) AS hash FROM tensor_uses u "
                         "JOIN calls c ON c.id = u.call WHERE u.hash_kind = 5"):
        call = found.setdefault(row["position"], {"in": {}, "out": {}})
        assert row["arg"] not in call[WHERE[row["phase"]]]
        call[WHERE[row["phase"]]][row["arg"]] = row["hash"][2:]
    return found


@pytest.mark.parametrize("side", SIDES, ids=identify)
def test_every_digest_is_joined_and_the_log_is_as_it_was(side, tmp_path):
    log, digests, db = side.with_suffix(".json"), side.with_suffix(".bits.json"), tmp_path / "x.db"
    said = json.loads(digests.read_text())
    assert "no loss" in join(log, digests, db).err
    assert joined(db) == {c["index"]: {"in": c["in"], "out": c["out"]} for c in said if c["in"] or c["out"]}
    assert run_plumb("export", db, "--debug-text").raw == side.with_suffix(".txt").read_bytes()
    assert json.loads(run_plumb("export", db, "--debug-json").raw) == json.loads(log.read_bytes()) or "NaN" in log.read_text()
    forms = query(db, "SELECT count(*) AS n, count(dtype) AS d, count(shape) AS s FROM tensor_uses WHERE hash_kind = 5")[0]
    assert forms["n"] == forms["d"] == forms["s"]


def first_side():
    if not PAIRS:
        pytest.skip("PLUMB_TEST_DATA names no folder with debug_mode/pairs")
    return PAIRS[0] / "a"


def test_a_text_and_a_hash_tensor_log_take_them_too(tmp_path):
    side = first_side()
    digests = side.with_suffix(".bits.json")
    for n, log in enumerate((side.with_suffix(".json"), side.with_suffix(".txt"), side.with_suffix(".xor.json"))):
        join(log, digests, tmp_path / f"{n}.db")
    assert joined(tmp_path / "0.db") == joined(tmp_path / "1.db") == joined(tmp_path / "2.db") != {}
    kinds = values(tmp_path / "2.db", "SELECT DISTINCT hash_kind FROM tensor_uses WHERE hash_kind NOT NULL ORDER BY 1")
    assert kinds == [2, 5]


def test_digests_in_gzip(tmp_path):
    side = first_side()
    packed = tmp_path / "bits.json.gz"
    packed.write_bytes(gzip.compress(side.with_suffix(".bits.json").read_bytes()))
    join(side.with_suffix(".json"), packed, tmp_path / "x.db")
    assert joined(tmp_path / "x.db")


def changed(change):
    """The digests of the first side as text, after change(list) has changed them or given a text."""
    said = json.loads(first_side().with_suffix(".bits.json").read_text())
    other = change(said)
    return other if isinstance(other, str) else json.dumps(said)


def whole(said):
    return json.dumps(said)


HOSTILE = {
    "an empty file": (lambda said: "", "no list of digests begins at byte 0"),
    "a saved log": (lambda said: '{"format": 1}', "no list of digests"),
    "cut": (lambda said: whole(said)[:400], "break off at byte"),
    "without its end": (lambda said: whole(said)[:-1], "expected the end of the list"),
    "a call less": (lambda said: said.pop(), "end with 44 calls, but the log has a call 44"),
    "a call less in the middle": (lambda said: said.__delitem__(20), "have index 21, the log has 20 there"),
    "a call more": (lambda said: said.append(dict(said[-1], index=45)), "an object of index 45, but the log has 45 calls"),
    "two calls exchanged": (lambda said: said.insert(3, said.pop(5)), "have index 5, the log has 3 there"),
    "renumbered": (lambda said: [c.update(index=c["index"] + 1) for c in said] and None, "have index 1, the log has 0"),
    "another operator": (lambda said: said[5].update(call="aten::mm"), "of index 5 are those of 'aten::mm', the log has 'aten::t'"),
    "another depth": (lambda said: said[5].update(depth=0), "of index 5 have depth 0, the log has 4"),
    "a digest of 15 digits": (lambda said: said[5]["in"].update({"[0][0]": "9fa0e323728445b"}), "expected 16 hexadecimal digits"),
    "a digest that is a number": (lambda said: said[5]["in"].update({"[0][0]": 5}), "of index 5, 'in' '[0][0]'"),
    "a path that is none": (lambda said: said[5]["in"].update({"weight": "9fa0e323728445b5"}), "have the path 'weight'"),
    "tensors of a module": (lambda said: said[0]["in"].update({"[0][0]": "9fa0e323728445b5"}), "no call of an operator there"),
    "a member of its own": (lambda said: said[5].update(device="cpu"), "have a member 'device'"),
    "no list inside": (lambda said: "[3]", "is no object: expected that of index 0"),
    "deep": (lambda said: "[" * 100000 + "]" * 100000, "index 0"),
    "not UTF-8": (lambda said: "[{\udcff}]", "index 0"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_digests_that_do_not_fit_leave_no_file(name, tmp_path):
    change, why = HOSTILE[name]
    digests, db = tmp_path / "bits.json", tmp_path / "x.db"
    digests.write_bytes(changed(change).encode("utf-8", "surrogateescape"))
    done = join(first_side().with_suffix(".json"), digests, db, expect=2)
    assert why in done.err and str(digests) in done.err
    assert not db.exists()


def test_digests_go_with_one_log_of_calls(tmp_path):
    side, db = first_side(), tmp_path / "x.db"
    digests = side.with_suffix(".bits.json")
    done = run_plumb("import", side.parent, "--digests", digests, "-o", db, expect=2)
    assert "--digests goes with one DebugMode log, and 6 logs are given" in done.err
    trace = tmp_path / "trace.log"
    trace.write_text('V1123 04:22:04.458000 3806 torch/file.py:1] {"str": ["a.py", 0]}\n')
    done = run_plumb("import", trace, "--digests", digests, "-o", db, expect=2)
    assert "--digests goes with a DebugMode log, which this is not" in done.err
    done = run_plumb("import", side.with_suffix(".json"), "--digests", tmp_path / "none", "-o", db, expect=2)
    assert "none cannot be opened" in done.err
    done = run_plumb("import", side.with_suffix(".json"), "--digests", tmp_path, "-o", db, expect=2)
    assert f"{tmp_path}: it cannot be read to its end" in done.err and not list(tmp_path.glob("x.db*"))
    done = run_plumb("import", tmp_path, "--digests", digests, "--follow", "-o", db, expect=2)
    assert "not with --follow" in done.err
    assert not db.exists()
