"""plumb run: models that learn, digests that repeat, logs as DebugMode prints them, traces that survive a kill."""
import math
import os
import random
import re
import signal
import sqlite3
import struct
import subprocess
import time

import pytest

from conftest import BUILD, GIVEN, PLUMB, ROOT, run_plumb, values

CACHE = {"XDG_CACHE_HOME": str(BUILD / "cache")}


def digests(path):
    return values(
        path,
        "SELECT c.source, c.position, u.position, u.digest FROM tensor_use u JOIN call c ON c.event = u.event "
        "WHERE u.hash_kind = 4 ORDER BY 1, 2, 3",
    )


def run(tmp_path, name, *args, **options):
    path = tmp_path / f"{name}.db"
    model, *rest = args
    done = run_plumb("run", model, *rest, "-o", path, **options)
    return path, done


@pytest.mark.parametrize("model", ["gpt", "mlp", "optimizer"])
def test_it_learns(tmp_path, model):
    path, done = run(tmp_path, model, model, "--steps", 30)
    first, last = map(float, re.search(r"loss (\S+) -> (\S+)", done.err).groups())
    assert last < 0.8 * first, done.err
    name = "SELECT value FROM counters WHERE name = 'loss' ORDER BY ts"
    losses = values(path, name)
    assert len(losses) == 30 and abs(losses[-1] - last) < 1e-6
    assert values(path, "SELECT count(*) FROM first_nonfinite") == [0]


@pytest.mark.parametrize("determinism", ["run", "exact"])
@pytest.mark.parametrize("model", ["gpt", "mlp", "optimizer"])
def test_threads_change_no_bit(tmp_path, model, determinism):
    """Every digest of every result is the same for 1, 2 and 5 threads, and in a second run."""
    seen = []
    for number, threads in enumerate((1, 2, 5, 1)):
        path, _ = run(tmp_path, f"{number}", model, "--steps", 3, "--threads", threads, "--determinism", determinism)
        seen.append(digests(path))
    assert len(seen[0]) > 50
    assert seen[0] == seen[1] == seen[2] == seen[3]


def test_instruction_sets_change_no_bit(tmp_path):
    """At determinism exact the digests are those of any instruction set that kernels are built for."""
    flags = next(line for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("flags")).split()
    sets = ["sse2"] + ["avx2"] * ("avx2" in flags and "fma" in flags) + ["avx512"] * ("avx512vl" in flags) + ["native"]
    env = {"PLUMB_COMPILE_AFTER": "0"}
    seen = {}
    for isa in sets:
        path, _ = run(tmp_path, isa, "mlp", "--steps", 2, "--determinism", "exact", env={**env, "PLUMB_ISA": isa})
        seen[isa] = digests(path)
    assert len(seen["sse2"]) > 50
    assert all(found == seen["sse2"] for found in seen.values())


def test_seed_changes_digests(tmp_path):
    one, _ = run(tmp_path, "1", "mlp", "--steps", 1, "--seed", 1)
    two, _ = run(tmp_path, "2", "mlp", "--steps", 1, "--seed", 2)
    assert digests(one) != digests(two)


@pytest.mark.parametrize("dtype", ["f64", "bf16", "f16"])
def test_dtypes(tmp_path, dtype):
    path, done = run(tmp_path, dtype, "mlp", "--steps", 10, "--dtype", dtype)
    first, last = map(float, re.search(r"loss (\S+) -> (\S+)", done.err).groups())
    assert last < first
    assert dtype in values(path, "SELECT DISTINCT dtype FROM tensor_uses")


@pytest.mark.parametrize("name, log", [("01_mlp_eager", "ops"), ("02_mlp_modules", "ops,modules"), ("05_mlp_ids", "ops,ids")])
def test_log_is_debug_modes(tmp_path, name, log):
    """The same model under PyTorch's DebugMode printed these lines."""
    if not GIVEN:
        pytest.skip(f"debug_mode/dumps/{name}.txt is needed; PLUMB_TEST_DATA is not set")
    _, done = run(tmp_path, "m", "mlp", "--steps", 0, "--batch", 3, "--log", log)
    assert done.out.rstrip("\n") == (GIVEN / f"debug_mode/dumps/{name}.txt").read_text().rstrip("\n")


def test_log_with_hashes_and_stacks(tmp_path):
    _, done = run(tmp_path, "m", "mlp", "--steps", 0, "--log", "ops,hashes,stacks", "--hash", "norm")
    assert re.search(r"aten::relu\(.*\)  ->  t: f32\[32, 16\]  # \{'hash': \d+\.\d+\}", done.out), done.out
    assert "# File: " in done.out


def test_ref_and_cpu_agree(tmp_path):
    """The oracles and the printed kernels learn the same, to the last digits of f32."""
    ends = {}
    for backend in ("cpu", "ref"):
        _, done = run(tmp_path, backend, "mlp", "--steps", 5, "--backend", backend)
        ends[backend] = float(re.search(r"-> (\S+)", done.err).group(1))
    assert abs(ends["cpu"] - ends["ref"]) < 1e-4 * abs(ends["ref"])


@pytest.mark.parametrize("model", ["gpt", "mlp", "optimizer"])
def test_every_tensor_is_the_oracles(tmp_path, model):
    """Two steps in f64: the norm of each activation, gradient and update is what the oracles compute.

    A call's terms are at most some thousands, each off by a few 2^-53, and a step is some hundred calls deep: 1e-9 leaves
    a factor of about a thousand to cancellation. What is wrong by a formula is off by far more."""
    norms = []
    for backend in ("cpu", "ref"):
        path, _ = run(tmp_path, backend, model, "--steps", 2, "--batch", 2, "--dtype", "f64", "--hash", "norm", "--backend", backend)
        with sqlite3.connect(path) as db:
            norms.append(
                db.execute(
                    "SELECT c.position, u.position, u.digest FROM tensor_use u JOIN call c ON c.event = u.event "
                    "WHERE u.hash_kind = 1 AND u.digest IS NOT NULL ORDER BY c.source, 1, 2"
                ).fetchall()
            )
    cpu, ref = ([struct.unpack("<d", struct.pack("<q", digest))[0] for _, _, digest in rows] for rows in norms)
    assert [row[:2] for row in norms[0]] == [row[:2] for row in norms[1]] and len(cpu) > 100
    assert all(math.isfinite(a) and abs(a - b) <= 1e-9 * abs(b) + 1e-12 for a, b in zip(cpu, ref))


def test_null_computes_nothing_and_logs_all(tmp_path):
    cpu, _ = run(tmp_path, "cpu", "mlp", "--steps", 0, "--log", "ops")
    null, _ = run(tmp_path, "null", "mlp", "--steps", 0, "--backend", "null")
    names = "SELECT name, args, output FROM calls ORDER BY position"
    assert values(cpu, names) == values(null, names)
    assert values(null, "SELECT count(*) FROM tensor_use WHERE hash_kind IS NOT NULL") == [0]


def test_keep(tmp_path):
    path, _ = run(tmp_path, "k", "mlp", "--steps", 0, "--batch", 3, "--keep", "aten::relu:0")
    with sqlite3.connect(path) as db:
        kept = db.execute("SELECT count(*) FROM tensor_use WHERE artifact IS NOT NULL").fetchone()
    assert kept == (1,)


@pytest.mark.parametrize(
    "args, message",
    [
        (["resnet"], "gpt, mlp and optimizer are accepted"),
        (["mlp", "--dtype", "i8"], "f32, f64, bf16, f16"),
        (["mlp", "--log", "ops,colours"], "ops, modules, stacks, ids, hashes"),
        (["mlp", "--backend", "tpu"], "there are: cpu cuda ref null"),
        (["mlp", "--keep", "aten::nothing:0"], "no operator aten::nothing"),
        (["mlp", "--keep", "aten::relu"], "OP:N"),
        (["mlp", "--steps", "-1"], "steps"),
        (["mlp", "--determinism", "exact,off"], "run, exact, off"),
        (["mlp", "--dtype", "f32,f64"], "f32, f64, bf16, f16"),
        (["mlp"] + ["--keep", "aten::mm:0"] * 65, "more than 64 times"),
        (["mlp"] + ["--inject", "aten::mm:1:0"] * 65, "more than 64 times"),
        (["mlp", "--inject", "aten::mm:1"], "OP:N:BIT, reorder:OP:N, call:OP:N"),
        (["mlp", "--inject", "reorder:aten::relu:1"], "these have one: aten::mm"),
        (["mlp", "--inject", "aten::mm:1:0", "--backend", "null"], "computes no values"),
    ],
)
def test_bad_options(tmp_path, args, message):
    done = run_plumb("run", *args, "-o", tmp_path / "x.db", expect=2)
    assert message in done.err
    assert not (tmp_path / "x.db").exists()


@pytest.mark.parametrize(
    "what, message",
    [
        ("aten::mm:99:0", "aten::mm is called 3 times; operators called, and how often: aten::relu 2"),
        ("aten::nothing:1:0", "aten::nothing is not called; operators called, and how often: aten::relu 2"),
        ("weight:fc3.weight:0", "there is no parameter fc3.weight; parameters: fc1.weight, fc1.bias, fc2.weight, fc2.bias"),
        ("aten::relu:1:16384", "f32[32, 16], has 16384 bits; BIT is to be less than that"),
    ],
)
def test_fault_that_does_not_come_about(tmp_path, what, message):
    """The run fails, its trace is kept, and says which exit status it was."""
    path = tmp_path / "x.db"
    done = run_plumb("run", "mlp", "--steps", 1, "--inject", what, "-o", path, expect=2)
    assert message in done.err and f"the trace {path} is kept" in done.err
    assert values(path, "SELECT exit_code FROM run") == [2]


def test_no_compiler_interprets(tmp_path):
    """Without a compiler the interpreter gives the same bits, and the run says so."""
    with_one, _ = run(tmp_path, "a", "mlp", "--steps", 2)
    env = {"PLUMB_CC": str(tmp_path / "no-such-compiler"), "PLUMB_CACHE": str(tmp_path / "cache"), "PLUMB_COMPILE_AFTER": "0"}
    without, done = run(tmp_path, "b", "mlp", "--steps", 2, env=env)
    assert digests(with_one) == digests(without)
    assert re.search(r" 0 from the cache, [1-9]\d* interpreted", done.err), done.err
    assert "no-such-compiler" in done.err
    assert "no-such-compiler" in values(without, "SELECT message FROM diag WHERE origin = 'kernels'")[0]


# ---- killed ----

KILLS = int(os.environ.get("PLUMB_TEST_KILLS", "12"))


def kill_after(path, seconds):
    process = subprocess.Popen(
        [PLUMB, "run", "gpt", "--steps", "100000", "-o", path],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **CACHE},
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("moment", range(KILLS))
def test_killed_at_any_moment(tmp_path, moment):
    """What was committed is there, what lay in rings is recovered, what is open says so."""
    path = tmp_path / "killed.db"
    kill_after(path, random.Random(moment).uniform(0.05, 1.2))
    if not path.exists():
        return  # killed before the trace was made: nothing is left behind
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        committed = db.execute("SELECT count(*) FROM call").fetchone()[0]
    run_plumb("doctor", path)
    assert not list(tmp_path.glob("killed.db-ring*"))
    assert values(path, "SELECT count(*) FROM call")[0] >= committed
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    gaps = "SELECT count(*) FROM (SELECT position - lag(position) OVER (PARTITION BY source ORDER BY position) AS d FROM call) WHERE d <> 1"
    assert values(path, gaps) == [0]
    run_plumb("doctor", path)


def test_killed_as_the_trace_appears(tmp_path):
    """From its first moment a trace can be read, and the doctor takes all that is left."""
    for i in range(8):
        path = tmp_path / f"killed.{i}.db"
        process = subprocess.Popen([PLUMB, "run", "mlp", "-o", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **CACHE})
        while not path.exists() and process.poll() is None:
            pass
        time.sleep(0.004 * i)
        process.kill()
        process.wait()
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            assert db.execute("SELECT count(*) FROM call").fetchone()[0] >= 0
        run_plumb("doctor", path)
        assert not list(tmp_path.glob("*-ring"))


# ---- the program of the README ----


def test_readme_program(tmp_path):
    text = (ROOT / "README.md").read_text()
    program = re.search(r"```c\n(.*?)```", text, re.S).group(1)
    assert program.count("\n") <= 36
    (tmp_path / "xor.c").write_text(program)
    build = PLUMB.parent
    subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Werror", "-O1", f"-I{ROOT}", f"-I{build}/gen", "xor.c", "-o", "xor", f"-L{build}", "-lplumb", f"-Wl,-rpath,{build}"],
        cwd=tmp_path, check=True,
    )
    done = subprocess.run(["./xor"], cwd=tmp_path, capture_output=True, text=True, env={**os.environ, **CACHE}, timeout=120)
    assert done.returncode == 0, done.stderr
    losses = [float(x) for x in re.findall(r"loss (\S+)", done.stdout)]
    assert losses[-1] < 0.01 and losses[-1] < losses[0]
    assert values(tmp_path / "xor.db", "SELECT count(*) FROM calls WHERE name = 'aten::tanh'")[0] >= 200
