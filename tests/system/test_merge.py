"""test_merge.py - plumb merge: ids moved, words shared, runs named apart, text readable, inputs untouched."""
import gzip
import os
import sqlite3
import subprocess

import pytest

from made_trace import ROOT, Trace, reference_columns

PLUMB = os.environ.get("PLUMB", os.path.join(ROOT, "build", "plumb"))


def plumb(*args, code=0):
    done = subprocess.run([PLUMB, *map(str, args)], capture_output=True, timeout=60)
    assert done.returncode == code, (done.stdout + done.stderr).decode()
    return (done.stdout + done.stderr).decode()


def make(path, text, function):
    t = Trace(path)
    log = t.log(run="job", rank=0, text=text)
    c = t.compile(log, "0/0", "ok", name=function)
    t.artifact(log, c, "one", 0, len(text))
    event = t.add("event", ts=1, dur=2, kind=1, name=t.word(function), corr=c, flags=0,
                  track=t.add("track", process=1, name=t.word("lane")))
    t.add("arg", event=event, key=t.word("k"), type=4, value=t.word(function + " value"))
    t.add("arg", event=event, key=t.word("n"), type=2, value=1)
    t.add("graph_break", source=log, compile=c, reason=function, stack=t.stack(("u.py", 1, "main"), ("u.py", 2, function)))
    record = t.add("metric_record", source=log, compile=c, key=t.word("compilation_metrics"))
    t.add("compile_metric", record=record, name=t.word("fail_type"), type=4, value=t.word("X"))
    t.add("meta", key="cut.events", value=function)
    return t.close()


def rows(path, sql):
    db = sqlite3.connect(path)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


@pytest.fixture()
def merged(tmp_path):
    a = make(tmp_path / "a.db", b"text of a", "fa")
    b = make(tmp_path / "b.db", b"the text of b", "fb")
    packed = tmp_path / "c.db.gz"
    packed.write_bytes(gzip.compress(open(make(tmp_path / "c.db", b"c", "fa"), "rb").read()))
    before = [open(p, "rb").read() for p in (a, b, packed)]
    out = str(tmp_path / "out.db")
    plumb("merge", "-o", out, a, b, packed)
    assert before == [open(p, "rb").read() for p in (a, b, packed)]
    return out


def test_rows_of_all_are_there_and_belong_together(merged):
    assert rows(merged, "SELECT run, compile_id, function FROM compiles ORDER BY compile") == [
        ("job", "0/0", "fa"), ("job (2)", "0/0", "fb"), ("job (3)", "0/0", "fa")]
    assert rows(merged, "SELECT run, name, compile_id FROM events ORDER BY id") == [
        ("job", "fa", "0/0"), ("job (2)", "fb", "0/0"), ("job (3)", "fa", "0/0")]
    assert rows(merged, "SELECT event, key, value FROM event_args ORDER BY event, key") == [
        (1, "k", "fa value"), (1, "n", 1), (2, "k", "fb value"), (2, "n", 1), (3, "k", "fa value"), (3, "n", 1)]
    assert rows(merged, "SELECT b.reason, s.name FROM graph_breaks b JOIN stacks s ON s.id = b.stack ORDER BY b.id") == [
        ("fa", "fa"), ("fb", "fb"), ("fa", "fa")]
    assert rows(merged, "SELECT fail_type FROM metrics_wide") == [("X",)] * 3
    assert "wrong" not in plumb("doctor", merged)


def test_text_follows(merged):
    out = plumb("sql", merged, "SELECT id, artifact_text(id) AS t FROM artifact", "--format", "csv")
    assert out == "id,t\r\n1,text of a\r\n2,the text of b\r\n3,c\r\n"


def test_words_are_shared(merged):
    assert rows(merged, "SELECT count(*) - count(DISTINCT text) FROM string") == [(0,)]


def test_facts_of_the_file(merged):
    meta = dict(rows(merged, "SELECT key, value FROM meta"))
    assert meta["state"] == "closed" and meta["merged"] == "3" and meta["cut.events"] == "fa; fb; fa"


def test_every_reference_column_is_moved(tmp_path):
    """Two files whose every reference column holds 1 beside a row 1 in every table: after merging, each column holds 1 and 2 (or
    the one shared word)."""
    def fill(path):
        t = Trace(path)
        t.db.execute("DELETE FROM meta WHERE key <> 'format'")
        tables = {}
        for table, column, _ in reference_columns():
            tables.setdefault(table, []).append(column)
        for table in {to for _, _, to in reference_columns()}:
            tables.setdefault(table, [])
        for table, columns in tables.items():
            info = list(t.db.execute(f"PRAGMA table_info({table})"))
            have = [r[1] for r in info]
            row = {r[1]: 0 for r in info if r[3] and not r[5]} | {c: 1 for c in columns}
            if have[0] == "id":
                row["id"] = 1
            for extra in ("position", "offset", "line", "relation", "arg", "key", "kind", "ts"):
                if extra in have and extra not in row:
                    row[extra] = 0
            t.add(table, **row)
        return t.close()

    out = tmp_path / "out.db"
    plumb("merge", "-o", out, fill(tmp_path / "a.db"), fill(tmp_path / "b.db"))
    for table, column, to in reference_columns():
        got = [r[0] for r in rows(out, f"SELECT {column} FROM {table} ORDER BY 1")]
        # string 1 has no text here, so it is not the same word in both.
        assert got == [1, 2], (table, column, to)


def test_refusals(tmp_path, merged):
    a = make(tmp_path / "d.db", b"x", "f")
    assert "exists" in plumb("merge", "-o", merged, a, code=2)
    assert "needs the name" in plumb("merge", a, code=2)
    (tmp_path / "bad.db").write_bytes(b"no")
    out = tmp_path / "never.db"
    assert "not a plumb trace" in plumb("merge", "-o", out, a, tmp_path / "bad.db", code=2)
    assert not [f for f in os.listdir(tmp_path) if f.startswith("never")]
