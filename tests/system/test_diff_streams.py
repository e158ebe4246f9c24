"""plumb diff of odd pairs of logs: empty, cut, of unequal length, in another order, hashed otherwise, not hashed at all,
of one file, of ranks, and of files that are no traces. An answer or words, never a crash."""
import json
import random

import pytest

from conftest import run_plumb, values

FORMAT = "torch.utils._debug_mode.DebugMode.logs"
N = 40


def scalar(v):
    return {"type": "scalar", "value": v}


def op(name, reads, makes, dtype="f32"):
    """A call of one tensor with hashes of it before and of its result; makes None: without hashes."""
    log = makes is not None and {"type": "dict", "items": [
        ["input_hash", {"type": "tuple", "items": [{"type": "tuple", "items": [scalar(reads)]}, {"type": "dict", "items": []}]}],
        ["hash", scalar(makes)]]}
    return {"type": "op", "call_depth": 1, "log": log or None, "output_str": f"  ->  t: {dtype}[2]", "stack_trace": None,
            "fwd_stack_trace": None, "op_name": name, "args_str": f"t: {dtype}[2]", "kwargs_str": ""}


def chain(**how):
    """N operators, each of which reads what the one before it has made."""
    return [op(f"aten::op{i}", float(i), float(i + 1), **how) for i in range(N)]


def shuffled():
    calls = chain()
    random.Random(1).shuffle(calls)
    return calls


MODULE = {"type": "annotate", "call_depth": 0, "log": None, "output_str": None, "stack_trace": None, "fwd_stack_trace": None, "tag": "Net",
          "header": "nn.Mod"}
LOGS = {
    "chain": chain(),
    "empty": [],
    "module": [MODULE],
    "short": chain()[:25],
    "without beginning": chain()[10:],
    "reversed": chain()[::-1],
    "shuffled": shuffled(),
    "repeated": chain() + chain(),
    "unhashed": [op(f"aten::op{i}", None, None) for i in range(N)],
    "half hashed": chain()[:20] + [op(f"aten::op{i}", None, None) for i in range(20, N)],
    "integers": [op(f"aten::op{i}", i, i + 1) for i in range(N)],
    "negative": [op(f"aten::op{i}", -i, -i - 1) for i in range(N)],
    "half": chain(dtype="f16"),
    "other values": [op(f"aten::op{i}", i + 0.5, i + 1.5) for i in range(N)],
    "nan": [op(f"aten::op{i}", float(i), float(i + 1)) for i in range(39)] + [op("aten::op39", 39.0, 41.0)],
    "alike": [op("aten::relu", 1.0, 1.0) for i in range(N)],
    "alike, fewer": [op("aten::relu", 1.0, 1.0) for i in range(30)],
}


def saved(path, logs):
    path.write_text(json.dumps({"format": FORMAT, "version": 1, "logs": logs}))
    return path


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("streams"), {}

    def get(name):
        if name not in made:
            made[name] = folder / f"{name}.db"
            run_plumb("import", saved(folder / f"{name}.json", LOGS[name]), "-o", made[name])
        return made[name]

    return get


def diff(a, b, *more):
    done = run_plumb("diff", a, b, "--json", *more, expect=None)
    assert done.out, done
    said = json.loads(done.out)
    assert done.code == {"same": 0, "different": 1, "not comparable": 2}[said["verdict"]], done
    assert said["sentence"]
    return said


def kind(said):
    return said["first_difference"] and (said["first_difference"]["kind"], said["first_difference"]["call"])


@pytest.mark.parametrize("a", LOGS)
@pytest.mark.parametrize("b", ["chain", "empty", "shuffled"])
def test_any_two_streams_get_an_answer_that_adds_up(a, b, trace, tmp_path):
    """All calls of both are in the comparison, once."""
    said = diff(trace(a), trace(b), "-o", tmp_path / "cmp.db")
    for side, name in (("a", a), ("b", b)):
        got = values(tmp_path / "cmp.db", f"SELECT {side}_position FROM divergence WHERE {side}_position NOT NULL ORDER BY 1")
        calls = [i for i, c in enumerate(LOGS[name]) if c["type"] == "op"]
        assert got == calls
    counts = values(tmp_path / "cmp.db", "SELECT verdict, count(*) FROM divergence GROUP BY 1")
    assert {k: n for k, n in said["counts"].items() if n and k in {v for v, _ in counts}} == dict(counts)
    assert said["sentence"].startswith("A and B ")


@pytest.mark.parametrize("name", LOGS)
def test_a_log_beside_itself(name, trace):
    """The same file twice: same, and where nothing was hashed, no word of being the same."""
    said = diff(trace(name), trace(name))
    nothing = name in ("empty", "module", "unhashed")
    assert said["verdict"] == ("not comparable" if nothing else "same")
    assert said["counts"]["only_a"] == said["counts"]["only_b"] == 0


def test_unequal_lengths(trace):
    assert kind(diff(trace("chain"), trace("short"))) == ("structure", 25)
    assert kind(diff(trace("short"), trace("chain"))) == ("structure", 25)
    said = diff(trace("chain"), trace("without beginning"))
    assert kind(said) == ("structure", 0) and said["counts"]["only_a"] == 10 and said["counts"]["same"] == 30
    said = diff(trace("alike"), trace("alike, fewer"))
    assert kind(said)[0] == "structure" and said["counts"]["same"] == 30
    said = diff(trace("empty"), trace("chain"))
    assert kind(said) == ("structure", 0) and said["counts"]["only_b"] == N


def test_a_log_without_calls_has_nothing_to_compare(trace):
    for a, b in (("empty", "empty"), ("module", "empty"), ("module", "module")):
        done = run_plumb("diff", trace(a), trace(b), expect=2)
        assert "cannot be compared" in done.out, done


def test_hashes_of_different_kinds_are_not_compared(trace):
    for other in ("integers", "negative"):
        said = diff(trace("chain"), trace(other))
        assert said["verdict"] == "not comparable" and "different kinds" in said["sentence"]
    said = diff(trace("chain"), trace("unhashed"))
    assert said["verdict"] == "not comparable" and "B has no digests of tensors" in said["sentence"]
    assert said["counts"]["unhashed"] == N


def test_digests_that_never_meet(tmp_path, trace):
    """A call without tensors is the same in both; that alone is no agreement."""
    none = dict(op("aten::size", None, None), output_str="  ->  3", args_str="")
    for name, calls in (("x", [op("aten::a", 1.0, 2.0), op("aten::b", None, None), none]),
                        ("y", [op("aten::a", None, None), op("aten::b", 2.0, 3.0), none])):
        run_plumb("import", saved(tmp_path / f"{name}.json", calls), "-o", tmp_path / f"{name}.db")
    said = diff(tmp_path / "x.db", tmp_path / "y.db")
    assert said["verdict"] == "not comparable" and said["counts"]["same"] == 1
    said = diff(trace("chain"), trace("chain"), "--hash", "bits")
    assert said["verdict"] == "not comparable" and said["hash"] == "none"
    assert "of the kind that was asked for (A: norm; B: norm)" in said["sentence"]


def test_pairs_by_hand(tmp_path, trace):
    """Positions in a file: a long comment is one, and what is no pair of positions is refused with its line."""
    pairs = tmp_path / "pairs"
    pairs.write_text("# " + 300 * "1 2 " + "\n\n 3 13 # of A, of B\r\n4 14")
    said = diff(trace("alike"), trace("alike"), "--pairs", pairs, "-o", tmp_path / "cmp.db")
    assert said["counts"]["only_a"] == said["counts"]["only_b"]
    assert values(tmp_path / "cmp.db", "SELECT a_position || ' ' || b_position FROM divergence WHERE method = 10 ORDER BY a_position") == ["3 13", "4 14"]
    for wrong in ("1 -1", "1", "1 2 3", "4294967297 1", "one 2", 300 * " " + "1 2"):
        pairs.write_text("0 0\n" + wrong + "\n")
        done = run_plumb("diff", trace("alike"), trace("alike"), "--pairs", pairs, expect=None)
        assert done.code == 2 and f"{pairs}:2: a line is the place of a call" in done.err
    assert "directory" in run_plumb("diff", trace("alike"), trace("alike"), "--pairs", tmp_path, expect=None).err


def test_half_of_the_calls_hashed(trace):
    said = diff(trace("chain"), trace("half hashed"))
    assert said["counts"]["same"] == 20 and said["counts"]["unknown"] == 20
    assert any("without a digest" in note for note in said["notes"]), said["notes"]
    assert run_plumb("diff", trace("chain"), trace("half hashed"), "--fail-on", "unhashed", expect=1)


def test_other_values_from_the_start_are_an_input(trace):
    said = diff(trace("chain"), trace("other values"))
    assert kind(said) == ("input", 0) and said["counts"]["receiver"] == N - 1


def test_the_last_call_alone(trace):
    said = diff(trace("chain"), trace("nan"))
    assert kind(said) == ("origin", 39) and said["counts"]["before"] == 39


def test_another_dtype_is_no_origin(trace):
    assert kind(diff(trace("chain"), trace("half"))) == ("structure", 0)


def test_a_cut_log_says_so(tmp_path, trace):
    whole = saved(tmp_path / "whole.json", LOGS["chain"]).read_text()
    (tmp_path / "cut.json").write_text(whole[:len(whole) // 2])
    run_plumb("import", tmp_path / "cut.json", "-o", tmp_path / "cut.db")
    said = diff(trace("chain"), tmp_path / "cut.db")
    assert kind(said)[0] == "structure" and said["counts"]["only_a"] == N - said["counts"]["same"] > 0
    assert any("health" in note for note in said["notes"]), said["notes"]


def test_marked_steps_are_told_by_their_marks(tmp_path):
    """[annotate] step 4 encloses nothing: what follows belongs to it, up to the next one."""
    def mark(text, header="annotate"):
        return {**MODULE, "call_depth": 0, "tag": text, "header": header}

    steps = [c for n in (4, 5, 6) for c in (mark(f"step {n}"), op("aten::relu", 1.0, 2.0), mark("note"), op("aten::neg", 2.0, float(n)),
                                            mark("Optimizer.step#SGD.step", "record function"))]
    other = [*steps[:8], op("aten::neg", 2.0, 9.0), *steps[9:]]
    for name, calls in (("a", steps), ("b", other)):
        run_plumb("import", saved(tmp_path / f"{name}.json", calls), "-o", tmp_path / f"{name}.db")
    said = diff(tmp_path / "a.db", tmp_path / "b.db")
    assert kind(said) == ("origin", 8) and said["first_difference"]["step"] == "step 5"


# ---- several runs, several ranks ----

def folder_of(path, **logs):
    path.mkdir()
    for name, calls in logs.items():
        saved(path / name, calls)
    return path


def test_two_runs_of_one_file(tmp_path):
    a, b = (folder_of(tmp_path / name, **{"x.json": LOGS[log]}) for name, log in (("a", "chain"), ("b", "short")))
    db = tmp_path / "two.db"
    run_plumb("import", a, b, "-o", db)
    assert kind(diff(f"{db}#a", f"{db}#b")) == ("structure", 25)
    assert diff(f"{db}#a", f"{db}#a")["verdict"] == "same"
    done = run_plumb("diff", db, f"{db}#a", expect=2)
    assert "2 runs" in done.err and "a, b" in done.err and "#RUN" in done.err
    done = run_plumb("diff", f"{db}#c", f"{db}#a", expect=2)
    assert "no run c" in done.err and "a, b" in done.err


def test_two_runs_of_a_merged_file(tmp_path, trace):
    a, b, db = tmp_path / "one.db", tmp_path / "other.db", tmp_path / "merged.db"
    for path, name in ((a, "chain"), (b, "nan")):
        run_plumb("import", folder_of(tmp_path / path.stem, **{"x.json": LOGS[name]}), "-o", path)
    run_plumb("merge", a, b, "-o", db)
    runs = values(db, "SELECT name FROM run ORDER BY id")
    assert len(runs) == 2
    apart, merged = diff(a, b), diff(f"{db}#{runs[0]}", f"{db}#{runs[1]}")
    assert kind(apart) == kind(merged) == ("origin", 39)
    assert apart["counts"] == merged["counts"]


RANK = "dedicated_log_torch_trace_rank_{}_x.log"


def test_ranks_are_compared_with_their_like(tmp_path, trace):
    first = folder_of(tmp_path / "first", **{RANK.format(0): LOGS["chain"], RANK.format(1): LOGS["chain"]})
    second = folder_of(tmp_path / "second", **{RANK.format(0): LOGS["chain"], RANK.format(1): LOGS["nan"]})
    for path in (first, second):
        run_plumb("import", path, "-o", path.with_suffix(".db"))
    a, b = first.with_suffix(".db"), second.with_suffix(".db")
    said = diff(a, b)
    assert kind(said) == ("origin", 39) and said["first_difference"]["rank"] == 1 and "rank 1" in said["sentence"]
    assert said["counts"]["same"] == 2 * N - 1
    assert diff(f"{a}#@0", f"{b}#@0")["verdict"] == "same"
    assert kind(diff(f"{b}#@0", f"{b}#@1")) == ("origin", 39)
    done = run_plumb("diff", f"{a}#@7", b, expect=2)
    assert "no log of rank 7" in done.err and "0, 1" in done.err
    done = run_plumb("diff", f"{trace('chain')}#@0", b, expect=2)
    assert "have no rank" in done.err


def test_a_rank_of_one_run_alone_is_told(tmp_path, trace):
    job = folder_of(tmp_path / "job", **{RANK.format(0): LOGS["chain"], RANK.format(1): LOGS["chain"]})
    run_plumb("import", job, "-o", tmp_path / "job.db")
    said = diff(tmp_path / "job.db", trace("chain"))
    assert said["verdict"] == "different" and said["counts"]["only_a"] == N
    assert any("in A only" in note for note in said["notes"]), said["notes"]


# ---- what is no run ----

def test_files_that_are_no_runs(tmp_path, trace):
    a, text, cut = trace("chain"), tmp_path / "text.db", tmp_path / "cut.db"
    text.write_text("no trace\n")
    cut.write_bytes(a.read_bytes()[:100000])
    for bad, why in ((text, "is not a plumb trace"), (cut, "damaged"), (tmp_path / "none.db", "cannot be opened"), (tmp_path, ""),
                     (f"{a}#", ""), ("", "names no file"), ("#", "names no file"), (f"{a}#x@y@z", "no run")):
        for sides in ((bad, a), (a, bad)):
            done = run_plumb("diff", *sides, expect=None)
            assert done.code == 2 or bad == f"{a}#", done
            assert why in done.err and "Traceback" not in done.err
    run_plumb("diff", a, expect=2)


def test_a_comparison_is_no_run_and_runs_are_kept(tmp_path, trace):
    a, b, cmp = trace("chain"), trace("short"), tmp_path / "cmp.db"
    diff(a, b, "-o", cmp)
    done = run_plumb("diff", cmp, a, expect=2)
    assert str(cmp) in done.err
    before = a.read_bytes()
    assert "exists" in run_plumb("diff", a, b, "-o", cmp, expect=2).err
    assert run_plumb("diff", a, b, "-o", a, "--overwrite", expect=2).err
    assert a.read_bytes() == before


def test_a_trace_without_calls_says_how_to_record_them(tmp_path, trace):
    log = tmp_path / "trace.log"
    log.write_text('V1123 04:22:04.458000 3806 torch/file.py:1] {"str": ["a.py", 0]}\n')
    run_plumb("import", log, "-o", tmp_path / "torch.db")
    done = run_plumb("diff", tmp_path / "torch.db", trace("chain"), expect=2)
    assert "no calls were recorded" in done.err and "--debug-mode" in done.err
