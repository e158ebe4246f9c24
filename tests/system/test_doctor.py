"""test_doctor.py - plumb doctor and plumb info on sound, damaged, killed and packed traces."""
import gzip
import json
import os
import sqlite3
import subprocess

import pytest

from made_trace import ROOT, Trace

PLUMB = os.environ.get("PLUMB", os.path.join(ROOT, "build", "plumb"))
TEXT = b"line of a log\n" * 100000


def plumb(*args, code=0):
    done = subprocess.run([PLUMB, *map(str, args)], capture_output=True, timeout=60)
    assert done.returncode == code, (done.stdout + done.stderr).decode()
    return (done.stdout + done.stderr).decode()


def make(path, **how):
    t = Trace(path, **how)
    log = t.log(run="job", text=TEXT, state="complete" if how.get("state") != "live" else "reading")
    c = t.compile(log, "0/0", "ok", total_ns=2000000)
    t.artifact(log, c, "one", 0, 100)
    for i in range(3000):
        t.add("event", ts=i, dur=1, kind=1, name=t.word(f"span {i % 7}"), corr=c, flags=0)
    return t


def value(path, sql):
    db = sqlite3.connect(path)
    try:
        return db.execute(sql).fetchone()[0]
    finally:
        db.close()


def test_a_sound_trace(tmp_path):
    out = plumb("doctor", make(tmp_path / "a.db").close())
    assert "wrong" not in out and "repaired" not in out
    assert "2 frames inflate to 1.4 MB without a gap" in out


@pytest.mark.parametrize("damage, says", [
    ("UPDATE event SET name = 999 WHERE id <= 2", "2 rows of event name a string that is not there (column name)"),
    ("DELETE FROM text_frame WHERE offset = 0", "1048576 bytes are missing at byte 0"),
    ("UPDATE artifact SET offset = 999999999", "1 artifacts that lie outside"),
    ("UPDATE text_frame SET codec = 1 WHERE offset > 0", "compressed bytes are damaged"),
    ("UPDATE source_file SET size = 5", "1 logs whose text is not all there"),
    ("DROP VIEW compiles", "1 indices and views are missing"),
])
def test_damage_is_named(tmp_path, damage, says):
    path = make(tmp_path / "a.db").close()
    db = sqlite3.connect(path)
    db.execute(damage)
    db.commit()
    db.close()
    out = plumb("doctor", path, code=1)
    assert says in out
    assert sum(line.startswith("wrong") for line in out.splitlines()) <= 2


def test_rebuild_makes_derived_parts_again(tmp_path):
    path = make(tmp_path / "a.db").close()
    db = sqlite3.connect(path)
    db.executescript("DROP VIEW compiles; DROP INDEX guard_by_compile;")
    db.close()
    assert "made again" in plumb("doctor", "--rebuild", path)
    plumb("doctor", path)
    assert value(path, "SELECT compile_id FROM compiles") == "0/0"


def test_views_of_another_plumb_are_not_used(tmp_path):
    path = make(tmp_path / "a.db").close()
    db = sqlite3.connect(path)
    db.executescript("DROP VIEW compiles; CREATE VIEW compiles(compile_id) AS SELECT 'old';")
    db.close()
    assert "0/0" in plumb("sql", path, "SELECT compile_id FROM compiles")
    assert "1 indices and views are missing or those of another plumb" in plumb("doctor", path, code=1)
    plumb("doctor", "--rebuild", path)
    assert value(path, "SELECT compile_id FROM compiles") == "0/0"
    db = sqlite3.connect(path)
    db.execute("CREATE VIEW mine AS SELECT 1")
    db.close()
    assert 'holds the view "mine"' in plumb("doctor", path, code=2)


def test_a_killed_writer(tmp_path):
    """A copy of database and WAL taken while the writer has them open is what kill -9 leaves."""
    t = make(tmp_path / "live.db", derived=False, state="live")
    t.db.commit()
    t.db.execute("PRAGMA journal_mode=WAL")
    t.add("loss", kind="md5", count=1)
    t.db.commit()
    path = str(tmp_path / "killed.db")
    # By another process: closing any descriptor of a file drops this process's locks on it (fcntl(2)).
    subprocess.run(["cp", tmp_path / "live.db", path], check=True)
    subprocess.run(["cp", tmp_path / "live.db-wal", path + "-wal"], check=True)
    out = plumb("doctor", tmp_path / "live.db")
    assert "being written by another process" in out
    out = plumb("doctor", path)
    assert "writer was killed" in out and "repaired" in out
    assert value(path, "SELECT count(*) FROM losses") == 1
    assert value(path, "SELECT value FROM meta WHERE key = 'state'") == "recovered"
    assert value(path, "SELECT state FROM source_file") == "interrupted"
    assert not os.path.exists(path + "-wal")
    assert "repaired" not in plumb("doctor", path)
    t.close()


def test_a_damaged_file_says_what_can_be_read(tmp_path):
    path = make(tmp_path / "a.db").close()
    root = value(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'event'")
    size = value(path, "PRAGMA page_size")
    with open(path, "r+b") as f:
        f.seek((root - 1) * size)
        f.write(b"\xff" * 200)
    out = plumb("doctor", path, code=1)
    assert "table event: 0 rows can be read, then the file is damaged" in out
    assert "table compile: all 1 rows can be read" in out


def test_a_file_that_does_not_open(tmp_path):
    path = make(tmp_path / "a.db").close()
    data = bytearray(open(path, "rb").read())
    at = data.index(b"CREATE TABLE overhead")
    data[at:at + 6] = b"DELETE"
    open(path, "wb").write(data)
    assert "is damaged (malformed database schema" in plumb("sql", path, "SELECT 1", code=2)
    out = plumb("doctor", path, code=1)
    assert "it does not open" in out and "table event: all 3000 rows can be read" in out
    open(path, "wb").write(data[:40000])
    assert "it does not open" in plumb("doctor", path, code=1)


def test_packed_is_looked_at_only(tmp_path):
    path = tmp_path / "a.db.gz"
    path.write_bytes(gzip.compress(open(make(tmp_path / "a.db").close(), "rb").read()))
    before = path.read_bytes()
    assert "wrong" not in plumb("doctor", path)
    assert "cannot be changed" in plumb("doctor", "--rebuild", path, code=1)
    assert path.read_bytes() == before
    path.write_bytes(before[:-100])
    assert "damaged or truncated gzip" in plumb("doctor", path, code=2)


def test_no_trace_is_trouble(tmp_path):
    (tmp_path / "x.db").write_bytes(b"nothing of the kind")
    assert "not a plumb trace" in plumb("doctor", tmp_path / "x.db", code=2)
    assert "cannot be opened" in plumb("doctor", tmp_path / "y.db", code=2)


def test_info(tmp_path):
    path = make(tmp_path / "a.db").close()
    info = json.loads(plumb("info", "--format", "json", path))
    assert info["compiles"][0]["ok"] == 1 and info["runs"][0]["run"] == "job"
    assert info["text"][0]["frames"] == 2 and info["text"][0]["inflated_mb"] == 1.4
    tables = {row["table"]: row for row in info["tables"]}
    assert tables["event"]["rows"] == 3000 and tables["event"]["mb"] > 0
    assert abs(sum(row["percent"] for row in info["tables"]) - 100) < 5
    text = plumb("info", path)
    assert "Runs" in text and "job" in text and "event" in text
    packed = tmp_path / "a.db.gz"
    packed.write_bytes(gzip.compress(open(path, "rb").read()))
    assert json.loads(plumb("info", "--format", "json", packed))["runs"] == info["runs"]
    plumb("info", "--format", "csv", path, code=2)
