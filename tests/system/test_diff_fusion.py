"""plumb diff of runs of which one is compiled, or both and fused otherwise: kernels are compared operator by operator.

Clean runs agree however they are fused; a bit that is flipped in what a kernel stores is found at that kernel and that operator.
PLUMB_TEST_INJECT=all flips one in every call of every model.
"""
import itertools
import json
import os
import random

import pytest

from conftest import query, run_plumb, values

MODELS = {"mlp": ("mlp", "--steps", 2), "optimizer": ("optimizer", "--steps", 2), "gpt": ("gpt", "--steps", 1, "--batch", 2)}
FUSED = {"eager": [], "compiled": ["--compile"], "no-fusion": ["--compile", "--no-fusion"], "no-combos": ["--compile", "--no-combos"]}
# Views are no calls of a program, copies of gradients are not needed there.
LEFT_OUT = ("clone", "t", "view", "permute", "transpose", "select.int", "_unsafe_view")
ALL = os.environ.get("PLUMB_TEST_INJECT") == "all"


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """A run of a model without faults, made once."""
    folder, made = tmp_path_factory.mktemp("fusion"), {}

    def run(model, how, *options):
        key = (model, how, *options)
        if key not in made:
            made[key] = folder / f"{len(made)}.db"
            run_plumb("run", *MODELS[model], *FUSED[how], *options, "-o", made[key])
        return made[key]

    return run


def compare(a, b):
    done = run_plumb("diff", a, b, "--json", expect=None)
    return done.code, json.loads(done.out)


def calls(path):
    """Calls of operators: name, which of its calls, place in the log."""
    seen, out = {}, []
    for row in query(path, "SELECT c.position, s.text AS name FROM call c JOIN event e ON e.id = c.event JOIN string s ON s.id = e.name "
                           "WHERE e.kind = 3 ORDER BY c.position"):
        seen[row["name"]] = seen.get(row["name"], 0) + 1
        out.append((row["name"], seen[row["name"]], row["position"]))
    return out


@pytest.mark.parametrize("model, level", [("mlp", "run"), ("mlp", "exact"), ("optimizer", "run"), ("gpt", "exact")])
def test_clean_runs_agree(trace, model, level):
    pairs = list(itertools.permutations(FUSED, 2))
    for x, y in pairs if model == "mlp" else [("eager", "compiled"), ("compiled", "eager"), ("no-fusion", "compiled"), ("compiled", "no-combos")]:
        code, answer = compare(trace(model, x, "--determinism", level), trace(model, y, "--determinism", level))
        counts = answer["counts"]
        assert (code, answer["verdict"]) == (0, "same"), (x, y, answer["sentence"])
        assert counts["same"] > 20 and counts["unknown"] == counts["inside"], (x, y, counts)
        told = f"; {counts['inside']} more are inside kernels, or views."
        assert answer["sentence"].endswith(told), answer["sentence"]


# The operators of a training step: how many of their results kernels store, and how many stay inside.
@pytest.mark.parametrize("model, how, stored", [("mlp", "compiled", 9), ("mlp", "no-fusion", 10), ("optimizer", "compiled", 6), ("gpt", "compiled", 12)])
def test_a_fault_is_found_at_its_kernel(tmp_path, trace, model, how, stored):
    a, dice, found, wrong = trace(model, "eager"), random.Random(model), 0, []
    by_name = {}
    for call in calls(a):
        by_name.setdefault(call[0], []).append(call)
    for name, those in by_name.items():
        if name.removeprefix("aten::") in LEFT_OUT:
            continue
        for _, number, position in those if ALL else [dice.choice(those)]:
            b = tmp_path / "b.db"
            done = run_plumb("run", *MODELS[model], *FUSED[how], "--inject", f"{name}:{number}:{dice.randrange(16)}", "--overwrite", "-o", b,
                             expect=None)
            if done.code:
                assert "which does not store its result" in done.err or "did not come about" in done.err
                continue
            code, answer = compare(a, b)
            first = answer["first_difference"] or {}
            if (code, first.get("kind"), first.get("operator"), first.get("call")) != (1, "origin", name, position):
                wrong.append((name, number, position, answer["sentence"]))
                continue
            assert answer["counts"]["origin"] == 1 and first["a_digest"] != first["b_digest"]
            found += 1
            for kernel in first["kernels"]:
                assert kernel["side"] == "b" and kernel["site"].endswith(" " + kernel["name"])
                assert name in [m["op"] for m in kernel["members"]]
                assert kernel["site"] in answer["sentence"].replace("`", "")
                notes = values(b, "SELECT message FROM diag WHERE origin = 'inject'")
                assert notes and f"where {kernel['name']} had stored it" in notes[0]
    print(f"{model} {how}: {found} faults")
    assert not wrong and found >= stored, (found, wrong)


def test_between_compiled_runs(tmp_path, trace):
    """Fused otherwise, or alike: the kernels of both are named."""
    b = tmp_path / "b.db"
    run_plumb("run", *MODELS["mlp"], "--compile", "--inject", "aten::threshold_backward:2:7", "-o", b)
    for how in ("no-fusion", "compiled"):
        code, answer = compare(trace("mlp", how), b)
        first = answer["first_difference"]
        assert (code, first["kind"], first["operator"], first["phase"]) == (1, "origin", "aten::threshold_backward", "backward")
        assert [k["side"] for k in first["kernels"]] == ["a", "b"]
        ops = [[m["op"] for m in k["members"]] for k in first["kernels"]]
        fused = ["aten::threshold_backward", "aten::sum.dim_IntList"]
        assert ops == [["aten::threshold_backward"] if how == "no-fusion" else fused, fused]


def test_another_seed_and_weight_are_inputs(tmp_path, trace):
    for number, options in enumerate((["--seed", 2], ["--inject", "weight:fc2.weight:3"])):
        b = tmp_path / f"{number}.db"
        run_plumb("run", *MODELS["mlp"], "--compile", *options, "-o", b)
        code, answer = compare(trace("mlp", "eager"), b)
        assert (code, answer["first_difference"]["kind"]) == (1, "input"), answer["sentence"]
        assert answer["first_origin"] is None


def test_without_digests_nothing_is_claimed(tmp_path, trace):
    b = tmp_path / "b.db"
    run_plumb("run", *MODELS["mlp"], "--compile", "--hash", "none", "-o", b)
    code, answer = compare(trace("mlp", "eager"), b)
    assert (code, answer["verdict"]) == (2, "not comparable")


def test_a_packed_run(tmp_path, trace):
    """What an attachment keeps is enough; names that were taken out are the same on both sides of the comparison, or none is made."""
    b = tmp_path / "b.db"
    run_plumb("run", *MODELS["mlp"], "--compile", "--inject", "aten::relu:2:7", "-o", b)
    run_plumb("pack", b, "-o", tmp_path / "b.db.gz")
    code, answer = compare(trace("mlp", "eager"), tmp_path / "b.db.gz")
    first = answer["first_difference"]
    assert (code, first["operator"]) == (1, "aten::relu")
    assert first["kernels"][0]["members"] == [{"node": "addmm", "op": "aten::addmm", "source": "Mlp.fc1"}, {"node": "relu", "op": "aten::relu", "source": "Mlp.act"}]


def test_the_file_of_a_comparison(tmp_path, trace):
    out = tmp_path / "c.db"
    run_plumb("diff", trace("mlp", "eager"), trace("mlp", "compiled"), "-o", out)
    rows = query(out, "SELECT name, verdict, a_kernel, b_kernel FROM divergence WHERE step = 'step 1' AND a_position IS NOT NULL")
    by_name = {row["name"]: row for row in rows}
    assert by_name["aten::relu"]["b_kernel"] == "extern_addmm_fused_relu_0" and by_name["aten::relu"]["verdict"] == "same"
    assert by_name["aten::t"]["b_kernel"] in ("", None) and by_name["aten::t"]["verdict"] == "unknown"
    assert by_name["aten::mm"]["b_kernel"] is None
    assert all(row["a_kernel"] is None for row in rows)
    assert values(out, "SELECT count(*) FROM pair WHERE verdict = 3 AND NOT flags & 32") == [0]
