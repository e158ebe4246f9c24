"""plumb record --debug-mode: the calls of a program in its trace, live, and the program as if nothing had happened.

With PLUMB_TORCH_PYTHON (a Python that has torch 2.13) real programs run; the rest stands on a made module `torch`.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap

import pytest
from conftest import GIVEN, PLUMB, ROOT, query, run_plumb, values
from test_record import environment, left_folders, record, wait_for

TORCH = os.environ.get("PLUMB_TORCH_PYTHON")
with_torch = pytest.mark.skipif(not TORCH, reason="PLUMB_TORCH_PYTHON names no Python with torch: programs are not recorded under DebugMode")


def program(tmp_path, text, name="p.py"):
    path = tmp_path / name
    path.write_text(textwrap.dedent(text))
    return path


# ---- without PyTorch ----

def test_program_without_torch_is_left_alone(tmp_path):
    p = program(tmp_path, """
        import os, sys
        print(sorted(m for m in sys.modules if "torch" in m), [p for p in sys.path if "plumb" in p], os.environ["PYTHONPATH"].split(":")[1:])
        sys.exit(5)
    """)
    done = record("--debug-mode", "-o", "r.db", "--", sys.executable, p, cwd=tmp_path,
                  env=environment(TMPDIR=str(tmp_path), PYTHONPATH="/one:/two"))
    assert done.returncode == 5
    assert done.stdout == "[] [] ['/one', '/two']\n"
    assert "imports torch" in done.stderr
    assert not left_folders(tmp_path)


def test_another_sitecustomize_runs_too(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/sitecustomize.py").write_text("import sys\nsys.customized = __file__\n")
    p = program(tmp_path, "import sys, sitecustomize; print(sys.customized == sitecustomize.__file__, sitecustomize.__file__)")
    done = record("--debug-mode", "-o", "r.db", "--", sys.executable, p, cwd=tmp_path, env=environment(PYTHONPATH=str(tmp_path / "theirs")))
    assert done.stdout == f"True {tmp_path}/theirs/sitecustomize.py\n"


@pytest.mark.parametrize("version", ["2.12.1", "3.0.0+cu130"])
def test_another_version_is_said_once(tmp_path, version):
    (tmp_path / "lib/torch").mkdir(parents=True)
    (tmp_path / "lib/torch/__init__.py").write_text(f"__version__ = '{version}'\n")
    p = program(tmp_path, "import torch; print(torch.__version__)")
    done = record("--debug-mode", "-o", "r.db", "--", sys.executable, p, cwd=tmp_path, env=environment(PYTHONPATH=str(tmp_path / "lib")))
    assert (done.returncode, done.stdout) == (0, version + "\n")
    said = f"calls are recorded under PyTorch 2.13; the program has {version}"
    assert said in done.stderr
    assert values(tmp_path / "r.db", "SELECT severity, origin, message FROM diag") == [(2, "debug_mode", said)]
    assert values(tmp_path / "r.db", "SELECT count(*) FROM health WHERE subject = 'diag'") == [1]


def test_broken_torch_stays_the_programs_matter(tmp_path):
    (tmp_path / "lib/torch").mkdir(parents=True)
    (tmp_path / "lib/torch/__init__.py").write_text("raise ImportError('no libraries')\n")
    p = program(tmp_path, """
        try:
            import torch
        except ImportError as e:
            print("refused:", e)
    """)
    done = record("--debug-mode", "-o", "r.db", "--", sys.executable, p, cwd=tmp_path, env=environment(PYTHONPATH=str(tmp_path / "lib")))
    assert (done.returncode, done.stdout, done.stderr.count("Traceback")) == (0, "refused: no libraries\n", 0)


def test_words_are_checked(tmp_path):
    done = record("--debug-mode=bits,md5", "-o", "r.db", "--", "true", cwd=tmp_path)
    assert done.returncode == 2 and "has no 'md5'" in done.stderr and "hash_tensor" in done.stderr
    assert not (tmp_path / "r.db").exists()


HEAD = {"format": "torch.utils._debug_mode.DebugMode.logs", "stream": 1, "torch": "2.13.0", "pid": 7, "thread": 8, "name": "Main", "ts": 10}


def call(position, **more):
    return {"ts": 100 + position, "dur": 5, "call": {
        "type": "op", "call_depth": 1, "log": None, "output_str": "  ->  t$1: f32[2]", "stack_trace": None, "fwd_stack_trace": None,
        "op_name": "aten::relu", "args_str": "t$0: f32[2]", "kwargs_str": ""}, **more}


def stream(tmp_path, lines, then=""):
    """Records a program that writes these lines as PyTorch would."""
    (tmp_path / "lines.json").write_text(json.dumps([line if isinstance(line, str) else json.dumps(line) for line in lines]))
    p = program(tmp_path, f"""
        import json, os, sys, time
        with open(os.environ["PLUMB_DEBUG_FOLDER"] + "/calls-7-8.jsonl", "w") as out:
            for line in json.load(open("lines.json")):
                out.write(line + "\\n")
        {then or 'pass'}
    """)
    return record("--debug-mode", "-o", "r.db", "--", sys.executable, p, cwd=tmp_path)


def test_lines_become_rows(tmp_path):
    digest = {"type": "scalar", "value": "0x8123456789abcdef"}
    measured = [[0, "[0][0]", "[1]", "cpu", 3, 1, 0, -2.0, 5.0, 3.0, 7.0, 29.0], [1, "", "[1]", "cuda:0", 0, None, None, None, None, None, None, None],
                [2, "[0][0]", "[1]", "cpu", 4, 0, 0, 0.0, 5.0, 5.0, 5.0, 25.0, digest]]
    done = stream(tmp_path, [HEAD, call(0, tensors=measured), {"loss": "hash", "count": 3, "message": "three", "ts": 105},
                             {"overhead": "writing", "ns": 2000, "count": 4, "ts": 110}, {"end": True, "ts": 120}])
    assert done.returncode == 0 and "1 calls of 1 thread; losses: 3" in done.stderr
    db = tmp_path / "r.db"
    assert values(db, "SELECT name, ts, dur, depth, position, log_file FROM calls") == [("aten::relu", 100, 5, 1, 0, "calls-7-8.jsonl")]
    assert values(db, "SELECT phase, arg, tensor, dtype, shape, stride, device, version, nans, infs, low, high, total, magnitude, squares, hash_kind, digest "
                  "FROM tensor_uses") == [
        ("before", "[0][0]", 0, "f32", "[2]", "[1]", "cpu", 3, 1, 0, -2.0, 5.0, 3.0, 7.0, 29.0, None, None),
        ("result", "", 1, "f32", "[2]", "[1]", "cuda:0", 0, None, None, None, None, None, None, None, None, None),
        ("after", "[0][0]", 0, "f32", "[2]", "[1]", "cpu", 4, 0, 0, 0.0, 5.0, 5.0, 5.0, 25.0, 4, 0x8123456789abcdef - 2**64)]
    assert values(db, "SELECT t.tid, t.pid, p.pid, p.start_ts, p.end_ts FROM event e JOIN track t ON t.id = e.track JOIN process p ON p.id = t.process") == [(8, 7, 7, 10, 120)]
    assert values(db, "SELECT kind, count, message FROM loss") == [("hash", 3, "three")]
    assert values(db, "SELECT origin, kind, cost_ns, count FROM overhead") == [("debug_mode", "writing", 2000, 4)]
    assert values(db, "SELECT state, n_records FROM source_file") == [("complete", 1)]
    assert values(db, "SELECT format, calls FROM call_log") == [("live", 1)]
    assert values(db, "SELECT torch_version FROM run") == ["2.13.0"]
    assert run_plumb("export", db, "--debug-text").out == "    aten::relu(t$0: f32[2])  ->  t$1: f32[2]\n"


@pytest.mark.parametrize("last, kind", [("{\"ts\": 1, \"call\"", "json"), ("[]", "schema"), ("{\"what\": 1}", "schema"),
                                        ("{\"call\": {\"type\": \"new\"}}", "schema"), ("\\u00ff" * 100, "json")])
def test_bad_lines_are_losses(tmp_path, last, kind):
    done = stream(tmp_path, [HEAD, call(0), last, call(1), {"end": True}])
    assert done.returncode == 0
    assert values(tmp_path / "r.db", "SELECT count(*) FROM calls") == [2]
    assert values(tmp_path / "r.db", "SELECT kind, count FROM loss") == [(kind, 1)]


@pytest.mark.parametrize("lost", ["{\"ts\": 1, \"call\"", "{\"call\": {\"type\": \"new\"}}"])
def test_lost_line_keeps_its_place(tmp_path, lost):
    """What encloses a call is told by the place of a line, also behind one that cannot be read."""
    done = stream(tmp_path, [HEAD, lost, call(1), call(2, inside=1), {"end": True}])
    assert done.returncode == 0
    rows = values(tmp_path / "r.db", "SELECT position, (SELECT p.position FROM calls p WHERE p.id = c.parent) FROM calls c ORDER BY 1")
    assert rows == [(1, None), (2, 1)]


def test_nan_from_outside_without_numbers(tmp_path):
    """Where tensors have no numbers, a NaN that comes in as an argument is the first of its log."""
    log = json.dumps({"format": HEAD["format"], "version": 1, "logs": [
        {"type": "op", "call_depth": 1, "log": {"type": "dict", "items": [["input_hash", {"type": "tuple", "items": [{"type": "tuple", "items": [
            {"type": "nonfinite_float", "value": "nan"}]}, {"type": "dict", "items": []}]}], ["hash", {"type": "nonfinite_float", "value": "nan"}]]},
         "output_str": "  ->  t: f32[2]", "stack_trace": None, "fwd_stack_trace": None, "op_name": "aten::relu", "args_str": "t: f32[2]",
         "kwargs_str": "", "tensor_hash_leaves": {"type": "dict", "items": [
             ["input", {"type": "list", "items": [{"type": "tuple", "items": [{"type": "scalar", "value": "[0][0]"}, {"type": "nonfinite_float", "value": "nan"}]}]}],
             ["output", {"type": "list", "items": [{"type": "tuple", "items": [{"type": "scalar", "value": ""}, {"type": "nonfinite_float", "value": "nan"}]}]}]]}}]})
    (tmp_path / "log.json").write_text(log)
    run_plumb("import", tmp_path / "log.json", "-o", tmp_path / "n.db")
    db = tmp_path / "n.db"
    assert values(db, "SELECT phase, arg FROM nonfinite") == [("before", "[0][0]")]
    assert [r["arg"] for r in json.loads(run_plumb("sql", db, "-n", "nonfinite_first", "--format", "json").out)] == ["[0][0]"]


def test_killed_program_leaves_what_it_wrote(tmp_path):
    done = stream(tmp_path, [HEAD, *map(call, range(1000))], then='''out = open(os.environ["PLUMB_DEBUG_FOLDER"] + "/calls-7-8.jsonl", "a")
        out.write('{"ts": 5, "ca'); out.flush(); os.kill(os.getpid(), 9)''')
    assert done.returncode == 128 + 9
    db = tmp_path / "r.db"
    assert values(db, "SELECT count(*), min(position), max(position) FROM calls") == [(1000, 0, 999)]
    assert values(db, "SELECT state FROM source_file") == ["interrupted"]
    assert values(db, "SELECT kind FROM loss") == ["truncated"]
    assert values(db, "SELECT value FROM meta WHERE key = 'state'") == ["closed"]


# ---- with PyTorch ----

TRAIN = """
    import torch, torch.nn as nn
    torch.manual_seed(0)
    torch.set_num_threads(1)
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 2)
        def forward(self, x):
            return self.b(torch.relu(self.a(x)))
    def main():
        m = Net()
        o = torch.optim.Adam(m.parameters(), lr=0.1)
        x = torch.randn(3, 4)
        for i in range(2):
            o.zero_grad()
            m(x).pow(2).mean().backward()
            o.step()
        torch.arange(5).to(torch.int16)[1:].add_(1)
        a = torch.zeros(2, dtype=torch.bool)
        torch.max(torch.stack([x, x * 2]), dim=0, keepdim=True)
        torch._foreach_add_([x, x.t()], 1.0)
        with torch.profiler.record_function("part"):
            x.sum().item()
    main()
"""
REFERENCE = """
    import contextlib, sys, torch
    from torch.utils._debug_mode import DebugMode
    code = compile(open(sys.argv[1]).read(), sys.argv[1], "exec")
    hashes = [h for h in sys.argv[2].split(",") if h != "none"]
    mode = DebugMode(record_nn_module=True, record_ids=True)
    fn = hashes[0] if len(hashes) == 1 else hashes
    with mode, DebugMode.log_tensor_hashes(hash_fn=fn, hash_inputs=True) if hashes else contextlib.nullcontext():
        exec(code, {"__name__": "__main__"})
    print(mode.debug_string())
"""


def without_garbage(text):
    """The hash of uninitialised memory differs from run to run: what fills it has none to compare."""
    return [line.split("  # ")[0] if "uniform_" in line or "zero_" in line or "fill_" in line else line for line in text.splitlines()]


@with_torch
@pytest.mark.parametrize("words", ["none", "norm", "hash_tensor", "norm,hash_tensor"])
def test_text_is_that_of_debug_mode(tmp_path, words):
    p, reference = program(tmp_path, TRAIN), program(tmp_path, REFERENCE, "reference.py")
    done = record(f"--debug-mode={words}", "-o", "r.db", "--", TORCH, p, cwd=tmp_path)
    assert done.returncode == 0 and "losses" not in done.stderr, done.stderr
    theirs = subprocess.run([TORCH, reference, p, words], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True).stdout
    assert without_garbage(run_plumb("export", tmp_path / "r.db", "--debug-text").out) == without_garbage(theirs)
    assert len(theirs.splitlines()) > 100


DIGESTS = """
    import sys, torch
    sys.path.insert(0, sys.argv[1])
    from plumb_debug_digest import CODES, Digester, finish, mix64, PHI, M64
    d = Digester(torch)

    def plain(t):
        flat = t.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
        flat = flat.as_strided((flat.numel(),), (1,))
        data = bytes(flat.view(torch.uint8).tolist()) if t.numel() else b""
        total = 0
        for i in range(0, len(data), 8):
            total += mix64(int.from_bytes(data[i:i + 8].ljust(8, b"\\0"), "little") ^ ((i // 8 + 1) * PHI & M64))
        return finish(total, d.codes[t.dtype], len(data), t.shape)

    f = torch.tensor([1.0, -1.0, 0.0, -0.0, float("nan")])
    count = 0
    for name in CODES:
        dtype = getattr(torch, name)
        raw = torch.arange(3 * 5 * 7 * 16, dtype=torch.int64).mul(2654435761).to(torch.uint8)
        t = (raw & 1).to(torch.bool)[:105] if name == "bool" else raw.view(dtype)[:105]
        t = t.reshape(3, 5, 7)
        for v in (t, t[1], t[:, 1:, ::2], t.transpose(0, 2), t[2:2], t[1, 2, 3], t.reshape(-1)[1:], t.reshape(-1)[3:10], t.unsqueeze(0).expand(2, 3, 5, 7),
                  t[:1, :1, :1].expand(1, 1, 1).as_strided((1, 1), (0, 0))):
            assert d.digest(v) == plain(v) == d.measure(v)[0], (name, v.shape, v.stride())
            count += 1
    z = torch.randn(9, dtype=torch.complex64)
    assert d.digest(z.conj()) == plain(z.conj()) != d.digest(z) and d.digest(z.conj().imag) == plain(z.conj().imag)
    big = torch.arange(600001, dtype=torch.int32)
    assert d.digest(big) == plain(big) and d.digest(big[1:]) == plain(big[1:])
    assert d.measure(torch.tensor([1.0, float("nan"), float("inf"), -3.0, float("-inf")]))[1] == [1, 2, -3.0, 1.0, -2.0, 4.0, 10.0]
    d_piece, sys.modules["plumb_debug_digest"].PIECE = d.measure(f[:4])[1], 2
    assert d.measure(f[:4])[1] == d_piece == [0, 0, -1.0, 1.0, 0.0, 2.0, 2.0]
    assert d.measure(f)[1][:4] == [1, 0, -1.0, 1.0] and d.measure(torch.tensor([float("nan"), 2.0]))[1] == [1, 0, 2.0, 2.0, 2.0, 2.0, 4.0]
    assert d.measure(torch.tensor([float("inf")] * 3, dtype=torch.bfloat16))[1] == [0, 3, None, None, 0.0, 0.0, 0.0]
    known = [(torch.as_tensor(x, dtype=t), w) for x, t, w in eval(sys.argv[2])]
    for t, want in known:
        assert d.digest(t) == want, (t, hex(d.digest(t)), hex(want))
    print(count, len(known))
"""
# The values of tests/unit/test_digest.c.
KNOWN = """[([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], torch.float32, 0x6b1df7d3ea0f7935), ([1, -1, 0, -0.0, float("nan")], torch.bfloat16, 0x981eb940b10db49d),
    ([True, False, True], torch.bool, 0xb82601e3f32f6402), (torch.empty(0, 3), torch.float32, 0x69a483a407761fec),
    (1.5, torch.float64, 0xc2559cf826577cbb), ([1 + 2j, complex(3, -0.0)], torch.complex128, 0x4030d77f4dc39bf8)]"""


@with_torch
def test_digest_is_that_of_the_kernels(tmp_path):
    done = subprocess.run([TORCH, program(tmp_path, DIGESTS), ROOT / "capture", KNOWN], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(17 * 10), "6"]


ODD = """
    import os, threading, torch, torch.nn as nn
    from torch.utils._debug_mode import DebugMode
    torch.manual_seed(0)
    try:
        from plumb_debug_mode import plumb_step
    except ImportError:
        plumb_step = lambda n: None
    m = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    c = torch.compile(m)
    plumb_step(1)
    print(c(torch.ones(3, 4)).sum().item())
    class Bad(nn.Module):
        def forward(self, x):
            return torch.mm(x, x)
    for _ in range(2):
        try:
            Bad()(torch.ones(2, 3))
        except RuntimeError as e:
            print("caught", e)
    with torch.profiler.record_function("two", "args"):
        torch.ones(2).add(1)
    calls = []
    with DebugMode() as d, DebugMode.dispatch_hooks(log_hook=lambda *a: calls.append(1)):
        torch.ones(3) + 1
    print(d.debug_string(), len(calls))
    t = threading.Thread(target=lambda: torch.full((2,), 3.0).log(), name="worker")
    t.start(), t.join()
    pid = os.fork()
    if pid == 0:
        torch.ones(7).sum()
        os._exit(0)
    os.waitpid(pid, 0)
    print((torch.eye(3).to_sparse() @ torch.ones(3, 1)).sum().item())
    torch.ones(3, device="meta") + 1
    a = torch.ones(2)
    torch._foreach_mul_([a], 3.0)
    (a * float("inf")).sum()
"""


@with_torch
def test_program_runs_as_if_alone(tmp_path):
    p = program(tmp_path, ODD)
    env = environment(TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "inductor"))
    alone = record("-o", "alone.db", "--", TORCH, p, cwd=tmp_path, env=env)
    done = record("--debug-mode", "-o", "r.db", "--", TORCH, p, cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout) == (0, alone.stdout), done.stderr
    assert "Warning" not in done.stderr and "Traceback" not in done.stderr, done.stderr
    compiled = "SELECT compile_id, attempts, outcome, function, n_ops, n_nodes, n_guards FROM compiles"
    db = tmp_path / "r.db"
    assert query(db, compiled) == query(tmp_path / "alone.db", compiled) != [], "the compiler sees the same program"
    code = "SELECT hex(md5) AS md5 FROM artifact WHERE key = (SELECT id FROM string WHERE text = 'inductor_output_code')"
    assert query(db, code) == query(tmp_path / "alone.db", code)
    threads = values(db, "SELECT w.text, t.tid = t.pid, count(DISTINCT c.event) FROM call c JOIN event e ON e.id = c.event JOIN track t ON t.id = e.track "
                     "JOIN string w ON w.id = t.name GROUP BY t.id ORDER BY 2, 3")
    assert [(name, main) for name, main, _ in threads] == [("worker", 0), ("MainThread", 1), ("MainThread", 1)]
    assert threads[0][2] == 2 and threads[1][2] == 2, "full, log in the thread; ones, sum in the child"
    assert values(db, "SELECT state, count(*) FROM source_file WHERE name GLOB 'calls*' GROUP BY 1") == [("complete", 2), ("interrupted", 1)], \
        "os._exit ends the child without a last line"
    main = values(db, "SELECT name, depth FROM calls WHERE log_file = (SELECT log_file FROM calls GROUP BY log_file ORDER BY count(*) DESC LIMIT 1) ORDER BY position")
    assert [d for n, d in main if n == "aten::mm"] == [2, 2, 1], "a forward that raised has left its scope"
    assert ("step 1", 0) in main and ("two", 0) in main
    first = query(db, "SELECT name, phase, infs FROM first_nonfinite")
    assert first == [{"name": "aten::mul.Tensor", "phase": "result", "infs": 2}]
    after = values(db, "SELECT name, arg, total FROM tensor_uses WHERE phase = 'after'")
    assert after == [("aten::_foreach_mul_.Scalar", "[0][0][0]", 6.0)]
    compiles, calls = values(db, "SELECT min(start_ts), max(end_ts) FROM compile")[0], values(db, "SELECT min(ts), max(ts) FROM calls")[0]
    assert calls[0] < compiles[0] < compiles[1] < calls[1], "one clock"
    assert values(db, "SELECT count(DISTINCT p.pid) FROM source_file f JOIN process p ON p.id = f.process WHERE p.pid IS NOT NULL") == [2]


SAMPLES = GIVEN / "debug_mode/programs" if GIVEN else pathlib.Path("absent")
NOT_SET = re.compile(r"0x7f\w+|'input_hash': \(\([^)]*\), \{[^}]*\}\)")  # addresses, and hashes of memory that nobody has set


@with_torch
@pytest.mark.skipif(not SAMPLES.is_dir(), reason="PLUMB_TEST_DATA names no folder with debug_mode/programs")
def test_programs_that_use_debug_mode_themselves(tmp_path):
    """They write what they write alone, although they run under a second DebugMode."""
    (tmp_path / "programs").mkdir()
    for name in ("dmlib.py", "models.py", "dumps_basic.py"):
        (tmp_path / "programs" / name).write_bytes((SAMPLES / name).read_bytes())
    done = record("--debug-mode", "-o", "r.db", "--", TORCH, "programs/dumps_basic.py", cwd=tmp_path, env=environment(PLUMB_OUT="out"), timeout=600)
    assert done.returncode == 0, done.stderr
    subprocess.run([TORCH, "programs/dumps_basic.py"], cwd=tmp_path, env=environment(PLUMB_OUT="alone"), check=True, capture_output=True)
    written = sorted((tmp_path / "out/dumps").glob("*.txt"))
    assert len(written) > 50
    for path in written:
        if path.name.endswith(".hashes.txt"):
            continue
        want = (tmp_path / "alone/dumps" / path.name).read_text()
        assert NOT_SET.sub("?", path.read_text()) == NOT_SET.sub("?", want), path.name
    db = tmp_path / "r.db"
    assert values(db, "SELECT count(*) FROM calls")[0] > 5000
    lost = values(db, "SELECT message FROM loss")
    assert lost and all("float8_e" in m and "no code of its dtype" in m for m in lost), lost


@with_torch
def test_killed_program_keeps_its_calls(tmp_path):
    p = program(tmp_path, """
        import os, torch
        x = torch.ones(4)
        for i in range(500):
            x = x * 1.5
        os.kill(os.getpid(), 9)
    """)
    done = record("--debug-mode", "-o", "r.db", "--", TORCH, p, cwd=tmp_path)
    assert done.returncode == 128 + 9
    assert values(tmp_path / "r.db", "SELECT count(*), max(position) FROM calls") == [(501, 500)]
    assert values(tmp_path / "r.db", "SELECT value FROM meta WHERE key = 'state'") == ["closed"]


@with_torch
def test_full_disk_is_not_the_programs_matter(tmp_path):
    """Once nothing more can be written, calls are counted and the program goes on to its own end."""
    p = program(tmp_path, """
        import resource, signal, torch
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        x = torch.ones(4)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
        for i in range(500):
            x = x * 1.5
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print("went on", x.shape)
    """)
    done = record("--debug-mode", "-o", "r.db", "--", TORCH, p, cwd=tmp_path)
    assert done.returncode == 0 and "went on" in done.stdout, done.stderr
    db = tmp_path / "r.db"
    kept, lost = values(db, "SELECT count(*) FROM calls")[0], values(db, "SELECT sum(count) FROM loss WHERE kind = 'disk'")[0]
    assert 10 < kept < 200 and lost > 300


@with_torch
def test_child_of_fork_nests_by_its_own_lines(tmp_path):
    p = program(tmp_path, """
        import os, torch
        net = torch.nn.Sequential(torch.nn.ReLU())
        for i in range(50):
            net(torch.ones(2))
        if os.fork() == 0:
            net(torch.ones(2))
            os._exit(0)
        os.wait()
    """)
    done = record("--debug-mode", "-o", "r.db", "--", TORCH, p, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    parents = "SELECT DISTINCT (SELECT p.name FROM calls p WHERE p.id = c.parent) FROM calls c WHERE name = 'aten::relu'"
    assert values(tmp_path / "r.db", parents) == ["Sequential.0"]
