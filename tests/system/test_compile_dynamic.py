"""plumb run --compile --dynamic: one compile for sizes that differ, and a trace that says which came and what did not fit.

TLPARSE  tlparse of PyPI, to which an exported log is shown too
"""
import os
import re
import subprocess

import pytest

from conftest import Server, query, run_plumb, values

LOSSES = "SELECT value FROM counters WHERE name = 'loss' ORDER BY ts"
SIZES = """SELECT c.compile_id, s.text AS sizes, number, n_launches, n_texts, n_shared, ns FROM compile_instance i JOIN compile c ON c.id = i.compile
           JOIN string s ON s.id = i.sizes ORDER BY i.rowid"""
UNBUILT = {"PLUMB_CC": "/nonexistent/cc"}  # nests are interpreted: the same bits, and nothing to wait for


def run(folder, name, *args, **options):
    path = folder / f"{name}.db"
    return path, run_plumb("run", *args, "-o", path, **options)


@pytest.fixture(scope="module")
def mlp(tmp_path_factory):
    """Forty steps of as many sizes: more than are kept."""
    return run(tmp_path_factory.mktemp("dynamic"), "mlp", "mlp", "--vary", "--batch", 42, "--steps", 44, "--compile", "--dynamic")


def test_the_same_bits_as_eager(mlp, tmp_path):
    assert values(mlp[0], LOSSES) == values(run(tmp_path, "eager", "mlp", "--vary", "--batch", 42, "--steps", 44)[0], LOSSES)


@pytest.mark.parametrize("how", [["gpt", "--steps", 3, "--batch", 4], ["gpt", "--steps", 2, "--batch", 3, "--dtype", "bf16"],
                                 ["mlp", "--steps", 8, "--batch", 8, "--determinism", "exact"]])
def test_the_same_bits_otherwise(how, tmp_path):
    eager, done = run(tmp_path, "eager", *how, "--vary", env=UNBUILT)
    dynamic, dynamic_done = run(tmp_path, "dynamic", *how, "--vary", "--compile", "--dynamic", env=UNBUILT)
    assert values(eager, LOSSES) == values(dynamic, LOSSES)
    assert re.findall("it writes: (.*)", done.err) == re.findall("it writes: (.*)", dynamic_done.err)
    assert values(dynamic, "SELECT DISTINCT outcome FROM compile") == ["ok"]
    assert values(dynamic, "SELECT message FROM loss") == []


def test_sizes_share_their_kernels(mlp):
    rows = query(mlp[0], SIZES)
    assert values(mlp[0], "SELECT compile_id FROM compiles ORDER BY 1") == ["0/0", "1/0", "2/0"]
    # batches of 42 to 2, of which 42 and 41 come twice: the first is kept, the other was forgotten meanwhile
    assert [row["sizes"] for row in rows] == [f"s0 = {n}, s1 = 8" for n in [*range(41, 1, -1), 41, 40]]
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    assert {row["compile_id"] for row in rows} == {"1/0"}
    for row in rows:
        assert 0 < row["n_shared"] == row["n_texts"] and row["n_launches"] > 2 and row["ns"] > 0
    dropped = values(mlp[0], "SELECT s.text FROM compile_instance i JOIN string s ON s.id = i.dropped ORDER BY i.rowid")
    assert dropped == [f"s0 = {n}, s1 = 8" for n in range(41, 41 - len(dropped), -1)] and len(dropped) == len(rows) - 31


def test_every_launch_finds_its_kernel(mlp):
    sites = values(mlp[0], "SELECT DISTINCT site FROM launches WHERE site IS NOT NULL")
    known = values(mlp[0], "SELECT site FROM kernels WHERE site IS NOT NULL")
    assert sites and set(sites) <= set(known) and len(known) == len(set(known))


def test_symbols_and_their_guards(mlp):
    symbols = query(mlp[0], "SELECT symbol, kind, value, range, origin FROM symbols WHERE compile_id = '1/0'")
    assert symbols == [{"symbol": f"s{d}", "kind": "backed", "value": value, "range": "[2, int_oo]", "origin": f"L['in'][0].size()[{d}]"}
                       for d, value in enumerate(["42", "8"])]
    guards = values(mlp[0], "SELECT code FROM guards WHERE compile_id = '1/0' AND kind = 'LAMBDA_GUARD' ORDER BY id")
    assert [re.sub("  #.*", "", g) for g in guards] == ["2 <= L['in'][0].size()[0]", "2 <= L['in'][0].size()[1]",
                      "L['in'][0].stride()[0] == L['in'][0].size()[1]", "L['in'][1].size()[0] == L['in'][0].size()[0]"]
    assert values(mlp[0], "SELECT value FROM metrics WHERE compile_id = '1/0' AND name = 'shape_env_guard_count'") == [4]


def test_sizes_that_were_equal_and_sizes_of_one(tmp_path):
    """A batch of 8 has as many rows as columns; what is asked of the model in the end has one text."""
    path, _ = run(tmp_path, "equal", "mlp", "--vary", "--batch", 8, "--steps", 3, "--compile", "--dynamic", env=UNBUILT)
    reasons = values(path, "SELECT reasons FROM recompiles WHERE compile_id = '1/1'")
    assert reasons == ["L['in'][0].size()[1] == L['in'][0].size()[0]. expected 7, actual 8"]
    assert values(path, "SELECT kind FROM recompile_reasons WHERE compile_id = '1/1'") == ["symbol"]
    path, _ = run(tmp_path, "one", "gpt", "--batch", 2, "--steps", 1, "--compile", "--dynamic", env=UNBUILT)
    fixed = query(path, "SELECT value, origin, reason FROM symbols WHERE kind = 'specialization' AND compile_id LIKE '%/0'")
    assert ("1", "L['in'][0].size()[0]") in [(f["value"], f["origin"]) for f in fixed] and all("0 and 1" in f["reason"] for f in fixed)


def test_the_page_of_a_compile_shows_them(mlp):
    server = Server(mlp[0])
    page = server.text("/compile?compile_id=1/0")
    server.close()
    assert "s0 = 41, s1 = 8" in page and "L[&#39;in&#39;][0].size()[0]" in page and "Other sizes" in page


def test_the_log_is_read_as_it_was(mlp, tmp_path):
    run_plumb("export", mlp[0], "--torch-trace", tmp_path / "log")
    log = tmp_path / "log" / "plumb_compiles.log"
    run_plumb("import", log, "--strict", "-o", tmp_path / "again.db")
    for sql in [SIZES, "SELECT * FROM symbols", "SELECT compile_id, kind, code FROM guards"]:
        mine, again = query(mlp[0], sql), query(tmp_path / "again.db", sql)
        for row in mine + again:
            row.pop("run", None)
        assert mine == again != []
    if os.environ.get("TLPARSE"):
        done = subprocess.run([os.environ["TLPARSE"], "--strict", "--no-browser", log, "-o", tmp_path / "report"], capture_output=True)
        assert done.returncode == 0, done.stderr[-2000:]


def test_what_needs_compile_says_so(tmp_path):
    done = run_plumb("run", "mlp", "--dynamic", "-o", tmp_path / "x.db", expect=2)
    assert "--compile is needed" in done.err
