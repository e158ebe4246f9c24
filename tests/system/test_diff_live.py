"""plumb diff of live pairs: a program recorded twice under PyTorch's DebugMode, once with one thing changed.

Needs PLUMB_TORCH_PYTHON, a Python that has torch 2.13.
"""
import json
import os
import textwrap

import pytest

from conftest import run_plumb, values
from test_record import environment, record

TORCH = os.environ.get("PLUMB_TORCH_PYTHON")
pytestmark = pytest.mark.skipif(not TORCH, reason="PLUMB_TORCH_PYTHON names no Python with torch: no live pairs are recorded")

PROGRAM = """
    import os, torch, torch.nn as nn
    from plumb_debug_mode import plumb_step
    change = os.environ.get("CHANGE", "")
    torch.set_num_threads(2 if change == "threads" else 1)
    torch.manual_seed(7)
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(16, 32), nn.Linear(32, 4)
        def forward(self, x):
            return self.b(torch.relu(self.a(x)))
    with torch.utils._python_dispatch._disable_current_modes():  # what is made here comes from outside
        net = Net()
        torch.manual_seed(8 if change == "seed" else 7)
        batch, large = torch.randn(8, 16), torch.randn(400000)
        if change == "bit":
            net.b.weight.data.view(torch.int32)[1, 2] ^= 1 << 12
    opt = torch.optim.SGD(net.parameters(), lr=0.1 * (1 + 1e-6) if change == "rate" else 0.1)
    model = torch.compile(net, backend="aot_eager") if change == "compiled" else net
    for step in range(2):
        plumb_step(step)
        if "FORWARD" in os.environ:
            with torch.no_grad():
                model(batch)
            continue
        loss = model(batch).pow(2).mean()
        loss.backward()
        opt.step()
        opt.zero_grad()
    with torch.no_grad():
        if change == "halves":
            total = large[:200000].sum() + large[200000:].sum()
        else:
            total = large.sum()
        (total * 2).sqrt()
"""


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """trace(change): the program with that change recorded, once; trace(change, again) once more; forward: it does not train."""
    folder, made = tmp_path_factory.mktemp("live"), {}
    program = folder / "train.py"
    program.write_text(textwrap.dedent(PROGRAM))

    def get(change, *again, forward=False):
        key = change, *again, *["forward"] * forward
        if key not in made:
            made[key] = folder / f"{'-'.join(key) or 'base'}.db"
            done = record("--debug-mode", "-o", made[key], "--", TORCH, program, cwd=folder,
                          env=environment(CHANGE=change, **{"FORWARD": "1"} if forward else {}))
            assert done.returncode == 0 and "losses" not in done.stderr, done.stderr
        return made[key]

    return get


def diff(a, b, *more):
    done = run_plumb("diff", a, b, "--json", *more, expect=None)
    said = json.loads(done.out)
    assert done.code == {"same": 0, "different": 1}[said["verdict"]], done
    return said


def of(said, *names):
    return tuple(said["first_difference"][name] for name in names)


def test_the_same_program_twice_is_the_same(trace):
    said = diff(trace(""), trace("", "again"))
    assert said["verdict"] == "same" and "every bit" in said["sentence"]
    counts = said["counts"]
    assert counts["same"] > 60 and counts["unknown"] == counts["only_a"] == counts["only_b"] == 0


def test_one_bit_of_a_weight_is_an_input_where_it_is_first_read(trace):
    said = diff(trace(""), trace("bit"))
    first = values(trace(""), "SELECT min(position) FROM calls WHERE name = 'aten::t' AND args LIKE '%f32[4, 32]'")
    assert of(said, "kind", "operator", "path") == ("input", "aten::t", "[0][0]")
    assert of(said, "call") == tuple(first)
    assert of(said, "step") == ("step 0",)
    assert of(said, "module")[0].endswith("b")


def test_a_learning_rate_is_an_argument(trace):
    said = diff(trace(""), trace("rate"))
    assert of(said, "kind", "phase", "step") == ("argument", "optimizer", "step 0")
    assert of(said, "a") != of(said, "b")
    assert said["counts"]["receiver"] > 10


def test_another_seed_is_an_input(trace):
    said = diff(trace(""), trace("seed"))
    assert of(said, "kind") == ("input",)
    assert said["first_origin"] is None
    assert said["counts"]["origin"] == said["counts"]["structure"] == 0


def test_a_sum_in_two_halves_is_another_structure(trace):
    said = diff(trace(""), trace("halves"))
    assert of(said, "kind") == ("structure",)
    position = values(trace(""), "SELECT max(position) FROM calls WHERE name = 'aten::sum'")
    assert of(said, "a_call") == tuple(position)
    assert said["counts"]["before"] > 60


def test_two_threads_make_another_sum(trace):
    said = diff(trace(""), trace("threads"))
    assert of(said, "kind", "operator", "path") == ("origin", "aten::sum", "")
    assert said["first_origin"]["call"] == said["first_difference"]["call"]
    assert said["counts"]["origin"] == 1


def test_what_aot_eager_makes_of_a_network_is_the_same(trace):
    """Forward alone: backward, aot_eager transposes weights anew."""
    said = diff(trace("", forward=True), trace("compiled", forward=True))
    assert said["verdict"] == "same" and said["counts"]["same"] == 2 * 5 + 3
