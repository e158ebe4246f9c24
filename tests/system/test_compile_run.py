"""plumb run --compile: the same numbers as without, bit for bit, and a trace that says what was compiled and why."""
import re

import pytest

from conftest import query, run_plumb, values

MODELS = ["gpt", "mlp", "optimizer"]
SMALL = ["--steps", 2, "--batch", 2]
UNBUILT = {"PLUMB_CC": "/nonexistent/cc"}  # nests are interpreted: the same bits, and nothing to wait for
# What differs between a run and the same compiled: a number for each step, which all parameters have a part in.
LOSSES = "SELECT value FROM counters WHERE name = 'loss' ORDER BY ts"


def run(tmp_path, model, *args, **options):
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.db"
    return path, run_plumb("run", model, "-o", path, *SMALL, *args, **options)


def written(done):
    """What gpt writes in the end."""
    return re.findall(r"it writes: (.*)", done.err)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A built compile of each model: path and what was printed."""
    folder = tmp_path_factory.mktemp("compiled")
    return {model: run(folder, model, "--compile") for model in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_same_bits(tmp_path, compiled, model):
    path, done = run(tmp_path, model)
    losses = values(path, LOSSES)
    assert len(losses) == 2 and losses == values(compiled[model][0], LOSSES)
    assert written(done) == written(compiled[model][1])


OTHERWISE = {
    "gpt": ["--dtype bf16", "--determinism exact"],
    "mlp": ["--dtype f16", "--dtype f64", "--determinism exact --dtype bf16", "--backend ref"],
    "optimizer": ["--dtype bf16", "--dtype f64", "--determinism exact", "--backend ref"],
}


@pytest.mark.parametrize("model, how", [(model, how) for model in MODELS for how in OTHERWISE[model]])
def test_same_bits_otherwise(tmp_path, model, how):
    path, done = run(tmp_path, model, *how.split(), env=UNBUILT)
    compiled_path, compiled_done = run(tmp_path, model, *how.split(), "--compile", env=UNBUILT)
    assert values(path, LOSSES) == values(compiled_path, LOSSES)
    assert written(done) == written(compiled_done)
    assert values(compiled_path, "SELECT DISTINCT outcome FROM compile") == ["ok"]


@pytest.mark.parametrize("how", [["--no-fusion"], ["--no-combos", "--threads", 1]])
def test_same_bits_with_other_kernels(tmp_path, compiled, how):
    path, _ = run(tmp_path, "gpt", "--compile", *how, env=UNBUILT)
    assert values(path, LOSSES) == values(compiled["gpt"][0], LOSSES)


@pytest.mark.parametrize("model", ["mlp", "optimizer"])
def test_off_is_near(tmp_path, compiled, model):
    path, _ = run(tmp_path, model, "--compile", "--determinism", "off", env=UNBUILT)
    assert values(path, LOSSES) == pytest.approx(values(compiled[model][0], LOSSES), rel=1e-5)


@pytest.mark.parametrize("model, code", [("gpt", 2), ("mlp", 0), ("optimizer", 0)])
def test_nothing_computed(tmp_path, model, code):
    """The null back end has no values; gpt wants to read what it writes."""
    path, done = run(tmp_path, model, "--compile", "--backend", "null", expect=code)
    assert not code or "back end null computes no values" in done.err
    assert values(path, "SELECT DISTINCT outcome FROM compile") == ["ok"]


def test_kernels_of_phases(compiled):
    for model in MODELS:
        phases = values(compiled[model][0], "SELECT DISTINCT phase FROM kernels ORDER BY 1")
        assert phases == ["backward", "forward", "inference"], model


def test_fewer_calls(tmp_path, compiled):
    """Of kernels and operators."""
    count = "SELECT count(*) FROM call"
    for model in MODELS:
        path, _ = run(tmp_path, model)
        assert values(compiled[model][0], count)[0] < 0.6 * values(path, count)[0], model


# Launches of each phase, at most, and epilogues of products among them, at least: a lost fusion is one more, or one less.
BUDGETS = {
    "gpt": {"forward": (21, 2), "backward": (43, 0), "inference": (19, 0)},
    "mlp": {"forward": (4, 1), "backward": (6, 0), "inference": (2, 0)},
    "optimizer": {"forward": (4, 0), "backward": (2, 0), "inference": (2, 0)},
}


def test_launches_within_budget(compiled):
    for model in MODELS:
        rows = query(compiled[model][0], """SELECT compile_id, phase, count(*) AS launches, sum(name LIKE 'extern%fused%') AS epilogues
            FROM kernels WHERE site IS NOT NULL GROUP BY 1, 2""")
        for row in rows:
            most, least = BUDGETS[model][row["phase"]]
            assert row["launches"] <= most and row["epilogues"] >= least, (model, dict(row))


def test_one_compile_each(compiled):
    """Each step hits what the first compiled; sampling meets four lengths, and says which guard failed."""
    rows = query(compiled["gpt"][0], "SELECT compile_id, outcome FROM compile ORDER BY frame_id, frame_compile_id")
    assert [(row["compile_id"], row["outcome"]) for row in rows] == [
        (name, "ok") for name in ["0/0", "1/0", "2/0", "2/1", "2/2", "2/3"]
    ]
    assert values(compiled["gpt"][0], "SELECT reason FROM recompile ORDER BY compile") == [
        f"tensor 'L['in'][0]' size mismatch at index 1. expected {n}, actual {n + 8}" for n in (8, 16, 24)
    ]
    for model in ["mlp", "optimizer"]:
        assert values(compiled[model][0], "SELECT count(*) FROM recompile") == [0], model
    for model in MODELS:
        assert values(compiled[model][0], "SELECT count(*) FROM graph_break") == [0], model
        assert values(compiled[model][0], "SELECT message FROM diag WHERE severity > 1") == [], model


def test_faults_are_put_into_what_kernels_store(tmp_path):
    """The same fault by the same name: of an operator whose result a kernel stores, no bit more or less than in the run as it is."""
    path, _ = run(tmp_path, "mlp", "--compile", "--inject", "aten::relu:2:0")
    plain, _ = run(tmp_path, "mlp", "--inject", "aten::relu:2:0")
    assert values(path, LOSSES) == values(plain, LOSSES)
    assert values(path, "SELECT count(*) FROM compile")[0] > 0
    [note] = values(path, "SELECT message FROM diag WHERE origin = 'inject'")
    assert "first result of call 2 of aten::relu" in note and "was flipped where extern_addmm_fused_relu_0 had stored it" in note
    done = run_plumb("run", "mlp", "--compile", "--steps", 1, "--inject", "aten::nll_loss_backward:1:0", "-o", tmp_path / "in.db", expect=2)
    assert "call 1 of aten::nll_loss_backward is part of pl_per_fused_nll_loss_backward" in done.err
    assert "which does not store its result" in done.err


def test_options_that_need_it(tmp_path):
    done = run_plumb("run", "mlp", "-o", tmp_path / "a.db", "--no-combos", expect=2)
    assert "--compile is needed" in done.err
