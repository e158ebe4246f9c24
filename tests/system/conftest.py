"""What the system tests share: the program, the logs, and traces imported from them.

PLUMB            the program (default build/plumb)
PLUMB_BUILD      folder for what the tests leave behind, screenshots above all (default build)
PLUMB_TEST_DATA  a folder with plumb_traces/ (one folder of logs per run) and torch_trace/ (older logs);
                 without it the runs kept under tests/data/logs are all there is
"""
import gzip
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUMB = pathlib.Path(os.environ.get("PLUMB", ROOT / "build/plumb")).resolve()
BUILD = pathlib.Path(os.environ.get("PLUMB_BUILD", ROOT / "build")).resolve()
KEPT = ROOT / "tests/data/logs"
GIVEN = pathlib.Path(os.environ["PLUMB_TEST_DATA"]) if os.environ.get("PLUMB_TEST_DATA") else None
TIMEOUT = float(os.environ.get("PLUMB_TEST_TIMEOUT", "120"))


# Started in the background by a shell, this process ignores SIGINT, by nohup SIGHUP, and what it starts would too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Result:
    """What a command left: exit code and text."""

    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout.decode("utf-8", "replace")
        self.err = done.stderr.decode("utf-8", "replace")
        self.raw = done.stdout

    def __repr__(self):
        return f"exit {self.code}\n--- out\n{self.out[-4000:]}\n--- err\n{self.err[-4000:]}"


def run_plumb(*args, expect=0, **options):
    """Runs plumb; expect is the exit code it must have, None for any."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(BUILD / "cache"), **options.pop("env", {})}
    done = subprocess.run(
        [str(PLUMB), *map(str, args)], capture_output=True, timeout=options.pop("timeout", TIMEOUT), env=environment, **options
    )
    result = Result(done)
    # Sanitizers and signals are never what a test expects.
    assert result.code in (0, 1, 2), f"plumb {' '.join(map(str, args))}: {result}"
    assert expect is None or result.code == expect, f"plumb {' '.join(map(str, args))}: {result}"
    return result


def query(path, sql, *args, **parameters):
    """Rows of a query as dicts, by `plumb sql`."""
    binds = [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
    done = run_plumb("sql", path, sql, "--format", "json", *binds, *args)
    return json.loads(done.out) if done.out.strip() else []


def values(path, sql, **parameters):
    """Rows as tuples; of a single column as plain values."""
    rows = [tuple(row.values()) for row in query(path, sql, **parameters)]
    return [row[0] for row in rows] if rows and len(rows[0]) == 1 else rows


def log_text(path):
    """The bytes of a log, inflated."""
    data = pathlib.Path(path).read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def run_folder(name):
    """Folder of the logs of a run of plumb_traces, or a skip that says what is absent."""
    for folder in ([GIVEN / "plumb_traces" / name] if GIVEN else []) + [KEPT / name]:
        if folder.is_dir():
            return folder
    pytest.skip(f"logs of the run {name} are not in tests/data/logs; PLUMB_TEST_DATA names no folder with plumb_traces/{name}")


def old_log(name):
    """Path of a log of torch_trace, or a skip."""
    if not GIVEN:
        pytest.skip(f"torch_trace/{name} is needed; PLUMB_TEST_DATA is not set")
    path = GIVEN / "torch_trace" / name
    if not path.exists():
        pytest.skip(f"{path.name} is not in the torch_trace folder of PLUMB_TEST_DATA")
    return path


def is_log(path):
    return path.name.endswith((".log", ".log.gz")) or path.name.endswith("_log.txt")


def all_logs():
    """Every log there is, (identifier, path)."""
    if not GIVEN:
        return [(f"{p.parent.name}/{p.name}", p) for p in sorted(KEPT.rglob("*")) if is_log(p)]
    found = []
    for folder in ("plumb_traces", "torch_trace"):
        found += [(str(p.relative_to(GIVEN)), p) for p in sorted((GIVEN / folder).rglob("*")) if is_log(p)]
    return found


@pytest.fixture(scope="session", autouse=True)
def program_is_built():
    if not PLUMB.exists():
        pytest.exit(f"{PLUMB} is not built: run make", returncode=2)


@pytest.fixture(scope="session")
def traces(tmp_path_factory):
    """traces(run name or path) gives an imported trace, made once per session."""
    folder = tmp_path_factory.mktemp("traces")
    made = {}

    def get(what):
        path = what if isinstance(what, pathlib.Path) else run_folder(what)
        if path not in made:
            out = folder / f"{len(made)}_{path.name.split('.')[0]}.db"
            run_plumb("import", path, "-o", out)
            made[path] = out
        return made[path]

    return get


@pytest.fixture(scope="session")
def demo(traces):
    """All kept runs in one trace, as `make demo` shows them."""
    return traces(KEPT)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A running `plumb serve`; .url has no token."""

    def __init__(self, *args, token=False):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        options = [] if token else ["--no-token"]
        self.log = open(BUILD / f"serve-{self.port}.log", "wb+")
        self.process = subprocess.Popen(
            [str(PLUMB), "serve", *map(str, args), "--port", str(self.port), *options],
            stdout=self.log, stderr=subprocess.STDOUT, env={**os.environ, "XDG_CACHE_HOME": str(BUILD / "cache")},
        )
        self.wait()

    def wait(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self.process.poll() is None, f"plumb serve ended with {self.process.returncode}: {self.output()}"
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError(f"plumb serve does not listen: {self.output()}")

    def output(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    def get(self, path, headers=None, expect=200):
        """(status, headers, body) of a page."""
        request = urllib.request.Request(self.url + path, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                status, names, body = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, names, body = error.code, error.headers, error.read()
        assert expect is None or status == expect, f"{path}: {status}: {body[:500]!r}"
        return status, names, body

    def text(self, path, **options):
        return self.get(path, **options)[2].decode("utf-8")

    def close(self):
        self.process.terminate()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("plumb serve does not end on SIGTERM")
        text = self.output()
        self.log.close()
        os.unlink(self.log.name)
        assert "ERROR: " not in text and "runtime error" not in text, text
        return code


@pytest.fixture(scope="session")
def server(demo):
    s = Server(demo)
    yield s
    s.close()
