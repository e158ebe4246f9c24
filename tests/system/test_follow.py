"""plumb import --follow: a log that is still being written."""
import signal
import subprocess
import time

import logs
from conftest import PLUMB, query, run_plumb, values


def start(folder, out, *options):
    return subprocess.Popen([str(PLUMB), "import", str(folder), "--follow", "-o", str(out), *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for(condition, seconds=10):
    """Seconds until the condition holds."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        try:
            if condition():
                return time.monotonic() - begun
        except AssertionError:
            pass  # the file is not there yet
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


def count(out):
    return values(out, "SELECT count(*) FROM artifacts WHERE name = 'note'")[0]


def test_records_are_seen_while_the_log_grows(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out.db"
    folder.mkdir()
    log = open(folder / "dedicated_log_torch_trace_x.log", "wb", buffering=0)
    log.write(logs.small(1))
    process = start(folder, out)
    try:
        wait_for(lambda: out.exists() and count(out) == 1)
        whole = logs.artifact("note", "two\nlines", **logs.ids(1))
        for part in (whole[:10], whole[10:-8], whole[-8:]):  # a record may arrive in pieces
            log.write(part)
            time.sleep(0.15)
        log.write(logs.metrics(1))
        waited = wait_for(lambda: count(out) == 2, 5)
        assert waited < 1.5, f"seen after {waited:.2f} s"
        log.write(logs.small(3)[len(logs.string('/home/user/f.py', 0)):])
        wait_for(lambda: count(out) == 5, 5)
    finally:
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=20)[0]
    assert process.returncode == 0, output
    assert query(out, "SELECT state FROM logs") == [{"state": "complete"}] or query(out, "SELECT state FROM logs") == [{"state": "interrupted"}]
    assert "two\nlines" in values(out, "SELECT artifact_text(id) FROM artifacts WHERE name = 'note'")
    assert not list(tmp_path.glob("out.db-*")), "one closed file"


def test_new_logs_are_taken_up(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out.db"
    folder.mkdir()
    (folder / "dedicated_log_torch_trace_rank_0_x.log").write_bytes(logs.small(1))
    process = start(folder, out)
    try:
        wait_for(lambda: out.exists() and count(out) == 1)
        (folder / "dedicated_log_torch_trace_rank_1_y.log").write_bytes(logs.small(2))
        wait_for(lambda: count(out) == 3)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert values(out, "SELECT rank FROM logs ORDER BY rank") == [0, 1]


def test_until_idle(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out.db"
    folder.mkdir()
    (folder / "dedicated_log_torch_trace_x.log").write_bytes(logs.small(2))
    begun = time.monotonic()
    run_plumb("import", folder, "--follow", "--until-idle", "1", "-o", out, timeout=30)
    assert 0.9 < time.monotonic() - begun < 8
    assert count(out) == 2


def test_followed_and_imported_give_the_same_rows(tmp_path, traces):
    """A real log, appended to in odd pieces, gives what an import of the whole gives."""
    from conftest import log_text, run_folder
    data = log_text(next(run_folder("graph_breaks").iterdir()))
    folder, out = tmp_path / "graph_breaks", tmp_path / "out.db"
    folder.mkdir()
    process = start(folder, out, "--until-idle", "2")
    with open(folder / "dedicated_log_torch_trace_igfpnw80.log", "wb", buffering=0) as log:
        for at in range(0, len(data), 40001):
            log.write(data[at:at + 40001])
            time.sleep(0.01)
    process.communicate(timeout=60)
    whole = traces("graph_breaks")
    for sql in ("SELECT key, records, payloads, md5_mismatches FROM envelope_counts ORDER BY 1", "SELECT compile_id, outcome, attempts, n_ops FROM compiles ORDER BY 1",
                "SELECT compile_id, line, reason FROM graph_breaks ORDER BY 1", "SELECT name, size, md5 FROM artifacts ORDER BY id",
                "SELECT kind, count(*) FROM guards GROUP BY 1 ORDER BY 1", "SELECT count(*), sum(n_nodes) FROM graphs"):
        assert query(out, sql) == query(whole, sql), sql
