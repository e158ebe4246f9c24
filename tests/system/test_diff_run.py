"""plumb diff of two runs of plumb's own models: every fault that was put in is found at exactly its call.

PLUMB_TEST_INJECT=all flips a bit in every call of every model, and not only in some of each operator.
"""
import json
import os
import random
import re
import subprocess
import time
import urllib.request

import pytest

from conftest import PLUMB, ROOT, Server, query, run_plumb, values

MODELS = {"mlp": ("mlp", "--steps", 2), "optimizer": ("optimizer", "--steps", 2), "gpt": ("gpt", "--steps", 1, "--batch", 2)}
ALL = os.environ.get("PLUMB_TEST_INJECT") == "all"
BITS = {"f32": 32, "f64": 64, "bf16": 16, "f16": 16, "i64": 64, "b8": 8}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The trace of a model without faults, made once."""
    folder, made = tmp_path_factory.mktemp("clean"), {}

    def trace(model):
        if model not in made:
            made[model] = folder / f"{model}.db"
            run_plumb("run", *MODELS[model], "-o", made[model])
        return made[model]

    return trace


def different(tmp_path, a, model, *options):
    """A run of the model with these options, compared with a clean one: exit status and answer."""
    b = tmp_path / "b.db"
    run_plumb("run", *MODELS[model], *options, "--overwrite", "-o", b)
    done = run_plumb("diff", a, b, "--json", expect=None)
    return done.code, json.loads(done.out)


def calls(path):
    """Calls of operators in order: name, which of its calls, place in the log, bits of what it makes."""
    seen, out = {}, []
    uses = {u["event"]: u for u in query(path, (
        "SELECT u.event, min(u.position), d.text AS dtype, s.text AS shape FROM tensor_use u "
        "JOIN string d ON d.id = u.dtype JOIN string s ON s.id = u.shape WHERE u.phase > 0 AND u.hash_kind IS NOT NULL GROUP BY u.event"))}
    for call in query(path, "SELECT c.event, c.position, s.text AS name FROM call c JOIN event e ON e.id = c.event JOIN string s ON s.id = e.name "
                            "WHERE s.text LIKE 'aten::%' ORDER BY c.position"):
        name = call["name"]
        seen[name] = seen.get(name, 0) + 1
        use = uses.get(call["event"])
        if not use:
            continue
        bits = BITS[use["dtype"]]
        for size in json.loads(use["shape"]):
            bits *= size
        out.append((name, seen[name], call["position"], bits))
    return out


def chosen(path, each):
    """Some calls of each operator: the first, the last and others between."""
    by_name = {}
    for call in calls(path):
        by_name.setdefault(call[0], []).append(call)
    dice = random.Random(5)
    for name, those in by_name.items():
        if ALL:
            yield from those
            continue
        some = {those[0], those[-1]} if each > 1 else {dice.choice(those)}
        while len(some) < min(each, len(those)):
            some.add(dice.choice(those))
        yield from sorted(some)


@pytest.mark.parametrize("model, each", [("mlp", 2), ("optimizer", 2), ("gpt", 1)])
def test_a_flipped_bit_is_found_at_its_call(tmp_path, clean, model, each):
    a, dice, wrong, n = clean(model), random.Random(model), [], 0
    for name, number, position, bits in chosen(a, each):
        fault = f"{name}:{number}:{dice.randrange(bits)}"
        code, answer = different(tmp_path, a, model, "--inject", fault)
        first, origin, n = answer["first_difference"] or {}, answer["first_origin"] or {}, n + 1
        found = (code, first.get("kind"), first.get("operator"), first.get("call"), origin.get("call"))
        if found != (1, "origin", name, position, position):
            wrong.append((fault, position, found, answer["sentence"]))
        assert answer["notes"][-1] == "In the trace of B 1 fault was put in on request (see its health)."
    print(f"{model}: {n} faults")
    assert n >= 13 and not wrong, wrong


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("bit", ["lowest", "sign", "highest of the exponent", "last"])
def test_any_bit_of_a_number(tmp_path, clean, model, bit):
    """A last digit, -0, NaN or infinity: all differ by their bits."""
    a, dice = clean(model), random.Random(bit + model)
    name, number, position, bits = dice.choice([c for c in calls(a) if c[0] in ("aten::addmm", "aten::mse_loss", "aten::clone")])
    at = {"lowest": 0, "sign": 31, "highest of the exponent": 30, "last": bits - 1}[bit]
    code, answer = different(tmp_path, a, model, "--inject", f"{name}:{number}:{at}")
    assert (code, answer["first_difference"]["kind"], answer["first_difference"]["call"]) == (1, "origin", position)


@pytest.mark.parametrize("model", MODELS)
def test_another_seed_is_an_input(tmp_path, clean, model):
    code, answer = different(tmp_path, clean(model), model, "--seed", 2)
    assert (code, answer["first_difference"]["kind"]) == (1, "input")
    assert answer["first_difference"]["call"] == calls(clean(model))[0][2]


@pytest.mark.parametrize("model, name", [("mlp", "fc2.weight"), ("mlp", "fc1.bias"), ("optimizer", "p.7"), ("gpt", "h.1.mlp.down.bias"), ("gpt", "head.weight")])
def test_another_weight_is_an_input_at_its_first_use(tmp_path, clean, model, name):
    a = clean(model)
    code, answer = different(tmp_path, a, model, "--inject", f"weight:{name}:3")
    first = answer["first_difference"]
    assert (code, first["kind"]) == (1, "input")
    assert answer["counts"]["input"] == 1 and answer["first_origin"] is None
    # the first call that a digest differs in is the first to use it
    sql = ("SELECT c.position, u.position AS place, u.digest FROM tensor_use u JOIN call c ON c.event = u.event "
           "WHERE u.phase = 0 AND u.hash_kind = 4 ORDER BY 1, 2")
    pairs = zip(values(a, sql), values(tmp_path / "b.db", sql))
    assert first["call"] == next(x[0] for x, y in pairs if x != y)


@pytest.mark.parametrize("model", MODELS)
def test_threads_make_no_difference(tmp_path, clean, model):
    for threads in (1, 2, 5):
        code, answer = different(tmp_path, clean(model), model, "--threads", threads)
        assert (code, answer["verdict"], answer["first_difference"]) == (0, "same", None), answer["sentence"]
        assert answer["counts"]["same"] == len(calls(clean(model)))


@pytest.mark.parametrize("model, what, number", [("mlp", "aten::mm", 2), ("mlp", "aten::addmm", 3), ("optimizer", "aten::mse_loss", 6),
                                                 ("gpt", "aten::sum.dim_IntList", 4), ("gpt", "aten::embedding_dense_backward", 2)])
def test_another_order_is_an_origin(tmp_path, clean, model, what, number):
    code, answer = different(tmp_path, clean(model), model, "--inject", f"reorder:{what}:{number}")
    position = [c[2] for c in calls(clean(model)) if c[:2] == (what, number)]
    first = answer["first_difference"]
    if values(tmp_path / "b.db", "SELECT count(*) FROM diag WHERE message LIKE '%; no bit of its result changed by that'") == [1]:
        assert (code, first) == (0, None) and what != "aten::mm"  # a few terms may round alike
        return
    assert (code, first["kind"], [first["call"]]) == (1, "origin", position)


@pytest.mark.parametrize("model, after, number", [("mlp", "aten::relu", 2), ("optimizer", "aten::_foreach_sqrt", 2), ("optimizer", "aten::clone", 7),
                                                  ("gpt", "aten::gelu", 2), ("gpt", "aten::argmax", 48)])
def test_one_call_more_is_structure(tmp_path, clean, model, after, number):
    a = clean(model)
    position = next(c[2] for c in calls(a) if c[:2] == (after, number))
    for one, other, alone in ((a, tmp_path / "b.db", "only_b"), (tmp_path / "b.db", a, "only_a")):
        if alone == "only_b":
            code, answer = different(tmp_path, a, model, "--inject", f"call:{after}:{number}")
        else:
            done = run_plumb("diff", one, other, "--json", expect=None)
            code, answer = done.code, json.loads(done.out)
        first = answer["first_difference"]
        assert (code, first["kind"], first["operator"], first["call"]) == (1, "structure", "aten::clone", position + 1), answer["sentence"]
        assert answer["counts"][alone] == answer["counts"]["structure"] == 1
        assert answer["counts"]["same"] == len(calls(a))


@pytest.mark.parametrize("options", [["--backend", "ref"], ["--dtype", "bf16"], ["--determinism", "exact"]])
def test_found_however_it_is_computed(tmp_path, options):
    clean_path, faulty = tmp_path / "a.db", tmp_path / "b.db"
    run_plumb("run", "mlp", "--steps", 1, *options, "-o", clean_path)
    run_plumb("run", "mlp", "--steps", 1, *options, "--inject", "aten::relu:1:100", "-o", faulty)
    first = json.loads(run_plumb("diff", clean_path, faulty, "--json", expect=1).out)["first_difference"]
    assert (first["kind"], first["operator"]) == ("origin", "aten::relu")


def test_compiled_and_interpreted(tmp_path):
    """The fault is put in after kernels have run, whoever ran them."""
    for after in ("0", "1000000000000"):
        env = {"PLUMB_COMPILE_AFTER": after}
        run_plumb("run", "mlp", "--steps", 1, "--overwrite", "-o", tmp_path / "a.db", env=env)
        run_plumb("run", "mlp", "--steps", 1, "--inject", "aten::relu:1:100", "--overwrite", "-o", tmp_path / "b.db", env=env)
        first = json.loads(run_plumb("diff", tmp_path / "a.db", tmp_path / "b.db", "--json", expect=1).out)["first_difference"]
        assert (first["kind"], first["operator"]) == ("origin", "aten::relu")


def test_demo(tmp_path):
    """The fault of `make demo` is found, and the address that is printed shows where the runs part."""
    fault = re.search(r"DEMO_FAULT := (\S+)", (ROOT / "Makefile").read_text()).group(1)
    for name, options in (("run", []), ("fault", ["--inject", fault])):
        run_plumb("run", "gpt", "--steps", 4, *options, "-o", tmp_path / f"demo-{name}.db")
    run_plumb("diff", tmp_path / "demo-run.db", tmp_path / "demo-fault.db", "-o", tmp_path / "demo-diff.db", expect=1)
    server = Server(tmp_path / "demo-diff.db", tmp_path / "demo-run.db", tmp_path / "demo-fault.db")
    try:
        page = urllib.request.urlopen(f"{server.url}/divergence", timeout=30).read().decode()
        while not server.output():
            time.sleep(0.02)
        assert server.output().strip() == f"{server.url}/divergence"
    finally:
        server.close()
    text = re.sub(r"<[^>]*>", "", page)
    assert re.search(r"part at call \d+, in step 3", text) and "aten::gelu" in text and "Gpt.h.1.mlp" in text, text[:4000]


def test_another_batch_is_the_same_calls_on_other_shapes(tmp_path):
    for batch in (2, 3):
        run_plumb("run", "gpt", "--steps", 1, "--batch", batch, "-o", tmp_path / f"{batch}.db")
    done = run_plumb("diff", tmp_path / "2.db", tmp_path / "3.db", "--json", expect=1)
    answer = json.loads(done.out)
    first, counts = answer["first_difference"], answer["counts"]
    assert (done.code, first["kind"], first["operator"], first["module"]) == (1, "structure", "aten::embedding", "Gpt.wte")
    assert "i64[2, 32]" in answer["sentence"] and "i64[3, 32]" in answer["sentence"]
    assert (counts["only_a"], counts["only_b"], counts["unhashed"]) == (0, 0, 0)


def test_kept_values_tell_how_many_elements_and_how_far(tmp_path):
    """Bit 1 of the third f32 of a result: one element, two units of the last place; without kept values neither is known."""
    keep = ["--keep", "aten::relu:0"]
    for name, options in (("a", keep), ("b", [*keep, "--inject", "aten::relu:1:65"]), ("c", ["--inject", "aten::relu:1:65"])):
        run_plumb("run", "mlp", "--steps", 1, *options, "-o", tmp_path / f"{name}.db")
    for b, elements, ulp in (("b", 1, 2), ("c", None, None)):
        out = tmp_path / f"a{b}.db"
        said = run_plumb("diff", tmp_path / "a.db", tmp_path / f"{b}.db", "-o", out, expect=1).out
        rows = values(out, "SELECT elements, ulp FROM divergence_tensors WHERE name = 'aten::relu' AND phase = 'result' AND pair = (SELECT first_pair FROM comparison)")
        assert rows == [(elements, ulp)] and ("1 element, up to 2 ulp" in said) == (ulp is not None)


def test_a_comparison_for_as_long_as_the_server_runs(tmp_path, clean, monkeypatch):
    """plumb serve --compare shows where two runs part, and leaves no file."""
    b, folder = tmp_path / "b.db", tmp_path / "tmp"
    folder.mkdir()
    run_plumb("run", *MODELS["mlp"], "--inject", "aten::relu:1:9", "-o", b)
    monkeypatch.setenv("TMPDIR", str(folder))
    server = Server("--compare", clean("mlp"), b)
    try:
        assert "aten::relu" in re.sub(r"<[^>]*>", "", server.text("/divergence")) and len(list(folder.iterdir())) == 1
        assert server.text("/operators?file=2")
    finally:
        server.close()
    assert not list(folder.iterdir())
    for bad, words in ((["--compare", b], "two runs"), (["--compare", b, tmp_path / "none.db"], "none.db")):
        assert words in run_plumb("serve", *bad, "--port", 0, expect=2).err
    assert not list(folder.iterdir())


def test_a_server_that_is_ended_while_it_compares_leaves_no_file(tmp_path, clean):
    folder = tmp_path / "tmp"
    folder.mkdir()
    server = subprocess.Popen([PLUMB, "serve", "--compare", clean("gpt"), clean("gpt"), "--port", "0"], stdout=subprocess.PIPE,
                              env={**os.environ, "TMPDIR": str(folder)})
    while server.poll() is None and not list(folder.iterdir()):
        time.sleep(0.0005)
    server.terminate()
    server.communicate(timeout=60)
    assert server.returncode == 0 and not list(folder.iterdir())


def test_a_call_more_hides_no_origin(tmp_path, clean):
    """Calls after one that only B has are still paired with theirs: the flipped bit is the first origin."""
    a = clean("mlp")
    place = {c[:2]: c[2] for c in calls(a)}
    code, answer = different(tmp_path, a, "mlp", "--inject", "call:aten::relu:1", "--inject", "aten::mm:5:3")
    first, origin = answer["first_difference"], answer["first_origin"]
    assert (code, first["kind"], first["call"]) == (1, "structure", place["aten::relu", 1] + 1)
    assert (origin["operator"], origin["call"], origin["b_call"]) == ("aten::mm", place["aten::mm", 5], place["aten::mm", 5] + 1)
    assert (answer["counts"]["only_a"], answer["counts"]["only_b"]) == (0, 1)


def test_another_dtype_is_structure(tmp_path, clean):
    code, answer = different(tmp_path, clean("mlp"), "mlp", "--dtype", "bf16")
    first, n = answer["first_difference"], answer["counts"]
    assert (code, first["kind"], first["operator"]) == (1, "structure", "aten::t")
    assert n["structure"] > 50 and f"{n['structure'] - 1} more have tensors of other shapes or dtypes" in answer["sentence"]
