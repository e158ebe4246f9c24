"""plumb record: what a program leaves in the trace, how its end is told, that signals and exit codes pass, and that nothing is lost when
something is killed. A made program stands for PyTorch; with PLUMB_TORCH_PYTHON (a Python that has torch) real programs run too."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request

import pytest
from conftest import GIVEN, PLUMB, log_text, query, run_folder, run_plumb, values

MADE = textwrap.dedent("""
    import os, pathlib, signal, sys, time
    source, pieces, then = pathlib.Path(sys.argv[1]).read_bytes(), int(sys.argv[2]), sys.argv[3]
    folder = os.environ.get("TORCH_TRACE")
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/dedicated_log_torch_trace_%d.log" % os.getpid(), "wb") as log:
        size = len(source) // pieces + 1
        for at in range(0, len(source), size):
            log.write(source[at : at + size])
            log.flush()
            time.sleep(0.02)
        if then == "wait":
            print("waiting", flush=True)
            time.sleep(60)
        if then == "fork":
            if os.fork() == 0:
                with open(folder + "/dedicated_log_torch_trace_child.log", "wb") as own:
                    own.write(source)
                os._exit(0)
            os.wait()
        if then == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if then.startswith("exit"):
            sys.exit(int(then[4:]))
""")


@pytest.fixture
def made(tmp_path):
    """made(then, pieces) gives a command that writes the log of the run recompiles in pieces."""
    (tmp_path / "made.py").write_text(MADE)
    log = next(iter(sorted(run_folder("recompiles").glob("*.log*"))))
    (tmp_path / "source.txt").write_bytes(log_text(log))
    return lambda then="exit0", pieces=20: [sys.executable, str(tmp_path / "made.py"), str(tmp_path / "source.txt"), str(pieces), then]


def environment(**more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TORCH", "PYTORCH"))}
    return {**clean, **more}


def record(*args, cwd, env=None, timeout=120):
    return subprocess.run([str(PLUMB), "record", *map(str, args)], cwd=cwd, env=env or environment(), capture_output=True, text=True,
                          timeout=timeout)


def wait_for(test, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if test():
            return True
        time.sleep(0.05)
    return False


def left_folders(tmp_path):
    return [p for p in tmp_path.iterdir() if p.name.startswith("plumb-record-")]


def test_same_rows_as_importing_the_log(made, traces, tmp_path):
    done = record("-o", "r.db", "--", *made("exit0"), cwd=tmp_path, env=environment(TMPDIR=str(tmp_path)))
    assert done.returncode == 0, done.stderr
    for sql in ("SELECT key, records, payloads, md5_mismatches FROM envelope_counts ORDER BY key",
                "SELECT compile_id, occurrence, attempts, outcome FROM compiles ORDER BY 1, 2",
                "SELECT compile_id, reasons FROM recompiles ORDER BY 1",
                "SELECT hex(md5) AS md5, artifact_text(id) AS t FROM artifact ORDER BY id",
                "SELECT count(*) AS n FROM event"):
        assert query(tmp_path / "r.db", sql) == query(traces("recompiles"), sql)
    assert not left_folders(tmp_path), "the private folder goes when its logs are in the trace"
    assert not list(tmp_path.glob("r.db-*")), "one closed file"


def test_what_is_told_of_the_run(made, tmp_path):
    record("-o", "r.db", "--", *made("exit3"), cwd=tmp_path, env=environment(OMP_NUM_THREADS="3", MY_SECRET="hidden"))
    run = query(tmp_path / "r.db", "SELECT * FROM run")[0]
    assert (run["ended"], run["exit_code"], run["cwd"]) == ("exit", 3, str(tmp_path))
    assert run["command"].endswith("source.txt 20 exit3") and "made.py" in run["command"]
    assert 0 < run["end_ts"] - run["start_ts"] < 120e9 and abs(run["end_ts"] / 1e9 - time.time()) < 300
    assert run["torch_version"].startswith("2.13.0")
    variables = dict(values(tmp_path / "r.db", "SELECT key, value FROM run_env"))
    assert variables["OMP_NUM_THREADS"] == "3" and "TORCH_TRACE" in variables
    assert "hidden" not in json.dumps(variables)
    host = query(tmp_path / "r.db", "SELECT * FROM host")[0]
    assert host["name"] == os.uname().nodename and host["n_cpus"] >= 1
    assert values(tmp_path / "r.db", "SELECT host FROM process") == [host["id"]]


@pytest.mark.parametrize("then, code, ended", [("exit0", 0, ("exit", 0)), ("exit7", 7, ("exit", 7)), ("kill", 128 + 9, ("signal", 9))])
def test_exit_code_passes(made, tmp_path, then, code, ended):
    done = record("-o", "r.db", "--", *made(then), cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert values(tmp_path / "r.db", "SELECT ended, exit_code FROM run") == [ended]
    assert values(tmp_path / "r.db", "SELECT sum(records) FROM envelope_counts") == [366]
    assert values(tmp_path / "r.db", "SELECT value FROM meta WHERE key = 'state'") == ["closed"]


def test_children_are_followed(made, tmp_path):
    record("-o", "r.db", "--", *made("fork"), cwd=tmp_path)
    assert values(tmp_path / "r.db", "SELECT count(*), count(DISTINCT run) FROM source_file") == [(2, 1)]
    assert values(tmp_path / "r.db", "SELECT sum(records) FROM envelope_counts") == [2 * 366]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_pass_to_the_program(made, tmp_path, number):
    program = subprocess.Popen([str(PLUMB), "record", "-o", "r.db", "--", *made("wait", 3)], cwd=tmp_path, env=environment(),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout.readline() == "waiting\n"
    program.send_signal(number)
    program.communicate(timeout=60)
    # Python turns SIGINT into KeyboardInterrupt and then dies of it.
    assert program.returncode == 128 + number
    assert values(tmp_path / "r.db", "SELECT ended, exit_code FROM run") == [("signal", int(number))]
    assert values(tmp_path / "r.db", "SELECT value FROM meta WHERE key = 'state'") == ["closed"]


def test_program_that_goes_on_is_left_after_three_requests(tmp_path):
    program = subprocess.Popen([str(PLUMB), "record", "-o", "r.db", "--", "sh", "-c", "trap '' TERM; echo up; sleep 20 & wait; wait"],
                               cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout.readline() == "up\n"
    for _ in range(3):
        program.send_signal(signal.SIGTERM)
        time.sleep(0.3)
    program.wait(timeout=15)
    assert values(tmp_path / "r.db", "SELECT ended, exit_code FROM run") == [("interrupted", None)]
    assert "goes on" in program.stderr.read()


def test_live_file_can_be_read(made, tmp_path):
    program = subprocess.Popen([str(PLUMB), "record", "-o", "r.db", "--", *made("wait", 3)], cwd=tmp_path, env=environment(),
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert program.stdout.readline() == "waiting\n"
    assert wait_for(lambda: values(tmp_path / "r.db", "SELECT count(*) FROM compile") == [13])
    run = query(tmp_path / "r.db", "SELECT ended, command FROM run")[0]
    assert run["ended"] is None and "made.py" in run["command"]
    program.terminate()
    program.communicate(timeout=60)


def test_killed_recorder_leaves_a_file_that_doctor_opens(made, tmp_path):
    program = subprocess.Popen([str(PLUMB), "record", "-o", "r.db", "--", *made("wait", 3)], cwd=tmp_path, env=environment(TMPDIR=str(tmp_path)),
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
    assert program.stdout.readline() == "waiting\n"
    assert wait_for(lambda: values(tmp_path / "r.db", "SELECT count(*) FROM compile") == [13])
    program.kill()
    program.wait(timeout=30)
    os.killpg(program.pid, signal.SIGKILL)  # the program, which went on
    run_plumb("doctor", tmp_path / "r.db", expect=None)
    assert values(tmp_path / "r.db", "SELECT count(*) FROM compile") == [13]
    assert values(tmp_path / "r.db", "SELECT count(*) FROM text_frame")[0] > 0
    assert len(left_folders(tmp_path)) == 1, "its logs are still there"


def test_without_pytorch_it_says_so(tmp_path):
    done = record("-o", "r.db", "--", "sh", "-c", "echo out; echo err >&2; exit 5", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (5, "out\n")
    assert "nothing was traced" in done.stderr and "err\n" in done.stderr
    assert values(tmp_path / "r.db", "SELECT ended, exit_code FROM run") == [("exit", 5)]


@pytest.mark.parametrize("command, name", [
    (["python3", "-c", "pass"], "python3.db"),
    (["sh", "-c", "true"], "sh.db"),
    (["/bin/echo", "x.py"], "echo.db"),
    ([sys.executable, "made.py", "source.txt", "5", "exit0"], "made.db"),
])
def test_default_name(made, tmp_path, command, name):
    made()
    record("--", *command, cwd=tmp_path)
    assert [p.name for p in tmp_path.glob("*.db")] == [name]
    done = record("--", *command, cwd=tmp_path)
    assert name.replace(".db", "-2.db") in done.stderr
    assert (tmp_path / name.replace(".db", "-2.db")).exists()


def test_existing_output(made, tmp_path):
    (tmp_path / "r.db").write_text("mine")
    done = record("-o", "r.db", "--", *made("exit0"), cwd=tmp_path)
    assert done.returncode == 2 and "exists" in done.stderr and (tmp_path / "r.db").read_text() == "mine"
    done = record("-o", "r.db", "--overwrite", "--", *made("exit0"), cwd=tmp_path)
    assert done.returncode == 0
    assert values(tmp_path / "r.db", "SELECT sum(records) FROM envelope_counts") == [366]
    assert sorted(p.name for p in tmp_path.glob("r.db*")) == ["r.db"]


def test_program_that_cannot_be_run(tmp_path):
    done = record("-o", "r.db", "--", "./no-such-program", cwd=tmp_path)
    assert done.returncode == 2 and "./no-such-program cannot be run" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_set_is_kept(made, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "dedicated_log_torch_trace_old.log").write_bytes((tmp_path / "source.txt").read_bytes())
    done = record("-o", "r.db", "--", *made("exit0"), cwd=tmp_path, env=environment(TORCH_TRACE=str(theirs)))
    assert "logs stay in" in done.stderr
    assert len(list(theirs.iterdir())) == 2
    # What was there before is no part of this run.
    assert values(tmp_path / "r.db", "SELECT name FROM source_file") == [p.name for p in theirs.iterdir() if "old" not in p.name]
    assert values(tmp_path / "r.db", "SELECT sum(records) FROM envelope_counts") == [366]


def test_serve_shows_the_file_while_it_grows(made, tmp_path):
    program = subprocess.Popen([str(PLUMB), "record", "--serve", "--port", "0", "-o", "r.db", "--", *made("wait", 3)], cwd=tmp_path,
                               env=environment(XDG_CACHE_HOME=str(tmp_path)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = [program.stdout.readline() for _ in range(2)]
    address = next(line.strip() for line in lines if line.startswith("http://"))
    assert "waiting\n" in lines
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    assert opener.open(address, timeout=20).status == 200
    program.send_signal(signal.SIGTERM)  # passed to the program; the pages stay
    assert wait_for(lambda: values(tmp_path / "r.db", "SELECT ended FROM run") == ["signal"])
    assert opener.open(address, timeout=20).status == 200
    program.send_signal(signal.SIGINT)
    assert program.wait(timeout=30) == 128 + signal.SIGTERM
    assert [p.name for p in tmp_path.glob("r.db*")] == ["r.db"], "one closed file"


# ---- with PyTorch ----

TORCH = os.environ.get("PLUMB_TORCH_PYTHON")


@pytest.mark.skipif(not TORCH, reason="PLUMB_TORCH_PYTHON names no Python with torch: real programs are not recorded")
@pytest.mark.skipif(not GIVEN or not (GIVEN / "plumb_traces/programs").is_dir(),
                    reason="PLUMB_TEST_DATA names no folder with plumb_traces/programs")
@pytest.mark.parametrize("name", ["simple", "recompiles", "graph_breaks", "failures"])
def test_real_program_gives_the_rows_of_its_log(tmp_path, name):
    program = GIVEN / f"plumb_traces/programs/{name}.py"
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    # Their folder is kept, so the very log that was recorded can be imported too.
    done = record("-o", "r.db", "--", TORCH, program, cwd=tmp_path, env=environment(TORCH_TRACE=str(theirs)), timeout=600)
    run_plumb("import", theirs, "-o", tmp_path / "i.db")
    code = subprocess.run([TORCH, program], cwd=tmp_path, env=environment(), capture_output=True, timeout=600).returncode
    assert done.returncode == code, done.stderr
    for sql in ("SELECT key, records, payloads, md5_mismatches FROM envelope_counts ORDER BY key",
                "SELECT compile_id, occurrence, attempts, outcome FROM compiles ORDER BY 1, 2",
                "SELECT compile_id, reasons FROM recompiles ORDER BY 1",
                "SELECT compile_id, file, line, reason FROM graph_breaks ORDER BY 1, 3",
                "SELECT compile_id, type, reason FROM failures ORDER BY 1",
                "SELECT hex(md5) AS md5 FROM artifact ORDER BY id"):
        assert query(tmp_path / "r.db", sql) == query(tmp_path / "i.db", sql), sql
    assert values(tmp_path / "r.db", "SELECT count(*) FROM compile")[0] > 0
