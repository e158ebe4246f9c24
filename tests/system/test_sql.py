"""test_sql.py - plumb sql: queries, formats, parameters, several files, refusals; and the extension in stock sqlite3."""
import csv
import gzip
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess

import pytest

from made_trace import ROOT, Trace, schema

PLUMB = os.environ.get("PLUMB", os.path.join(ROOT, "build", "plumb"))
TEXT = b"alpha\nbeta relu\n<b>\x1b[31mred|\x1b[0m</b>\n"


def plumb(*args, code=0, stdin=None):
    done = subprocess.run([PLUMB, "sql", *map(str, args)], capture_output=True, input=stdin, timeout=60)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode() if code == 0 else done.stderr.decode()


def ask(path, *args):
    return json.loads(plumb(path, *args, "--format", "json"))


def make(path, ranks=(0, 1)):
    """Two ranks; rank 1 lacks 1/0 and orders its collectives otherwise; one recompile, break, failure, restart."""
    t = Trace(path)
    for rank in ranks:
        log = t.log(run="job", rank=rank, text=TEXT)
        first = t.compile(log, "0/0", "restarted", total_ns=5000000)
        again = t.compile(log, "0/1", "failed", total_ns=9000000)
        t.add("recompile", compile=again, position=1, previous="0/9", reason="second")
        t.add("recompile", compile=again, position=0, previous="0/0", reason="x == 2")
        t.add("graph_break", source=log, compile=first, attempt=0, reason="print", detail="print\nmore", file="u.py", line=7)
        t.add("failure", compile=again, type="Unsupported", reason="no", file="u.py", line=9)
        t.add("restart", compile=first, position=0, reason="<class 'X'>")
        t.artifact(log, first, "one", 0, 16)
        t.artifact(log, first, "two", 16, len(TEXT) - 16)
        t.add("envelope_count", source=log, key="artifact", records=2, payloads=2, md5_mismatches=1)
        t.add("cache_event", source=log, compile=first, cache="fx_graph", outcome="miss" if rank else "hit")
        ops = ["all_reduce_", "wait_tensor"]
        if rank == 0:
            t.compile(log, "1/0")
            ops.reverse()
        schedule = t.artifact(log, first, "inductor_collective_schedule", 0, 1)
        for i, op in enumerate(ops):
            t.add("collective", compile=first, artifact=schedule, position=i,
                  op=t.word(f"torch.ops._c10d_functional.{op}.default"))
        record = t.add("metric_record", source=log, compile=first, key=t.word("compilation_metrics"), attempt=0)
        t.add("compile_metric", record=record, name=t.word("guard_count"), type=2, value=12)
        t.add("compile_metric", record=record, name=t.word("fail_type"), type=0, value=None)
        t.add("compile_metric", record=record, name=t.word("cudagraph_skip_reason"), type=4, value=t.word("cpu device"))
    return t.close()


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    return make(tmp_path_factory.mktemp("sql") / "a.db")


def test_every_named_query_runs(trace):
    names = [line for line in plumb("--list").splitlines() if line and line[0] != " "]
    assert len(names) > 40 and names == sorted(names)
    for name in names:
        sql = plumb("--named", name, "--list")
        params = [line.split()[1][1:] for line in sql.splitlines() if line.startswith("-- :")]
        needed = [p for p in params if f"-- :{p} " in sql and sql.split(f"-- :{p} ")[1].splitlines()[0].endswith("needed")]
        bound = [x for p in needed for x in ("-p", f"{p}=1")]
        plumb(trace, "--named", name, *bound)
        everything = [x for p in params for x in ("-p", f"{p}=1")]
        plumb(trace, "--named", name, *everything)


def test_views_have_the_leading_columns_of_the_contract(trace):
    contract = {
        "envelope_counts": "file key records payloads md5_mismatches", "compiles": "rank compile_id occurrence attempts outcome",
        "recompiles": "rank compile_id previous reasons", "graph_breaks": "rank compile_id file line reason",
        "failures": "rank compile_id type reason file line", "restarts": "rank compile_id", "artifacts": "rank compile_id",
        "guards": "rank compile_id", "symbols": "rank compile_id", "cache": "rank compile_id", "losses": "rank kind",
    }
    for view, columns in contract.items():
        head = plumb(trace, f"SELECT * FROM {view}", "--format", "csv").splitlines()[0].split(",")
        assert head[:len(columns.split())] == columns.split(), view
        assert "run" in head, view


def test_facts(trace):
    rows = ask(trace, "--named", "compiles_by_outcome")
    assert {r["outcome"]: r["compiles"] for r in rows} == {"restarted": 2, "failed": 2, "ok": 1}
    rows = ask(trace, "SELECT rank, compile_id, previous, reasons FROM recompiles")
    assert rows == [{"rank": r, "compile_id": "0/1", "previous": "0/0", "reasons": "x == 2\nsecond"} for r in (0, 1)]
    rows = ask(trace, "--named", "graph_breaks_by_line")
    assert [(r["file"], r["line"], r["breaks"], r["ranks"]) for r in rows] == [("u.py", 7, 2, 2)]
    assert [r["compile_id"] for r in ask(trace, "--named", "slowest_compiles", "-p", "limit=3")] == ["0/1", "0/1", "0/0"]
    rows = ask(trace, "--named", "artifacts_that_mention", "-p", "word=relu")
    assert [(r["name"], r["line"], r["mentions"]) for r in rows] == [("one", 2, 1)] * 2
    rows = ask(trace, "--named", "compile_metrics", "-p", "compile_id=0/0", "-p", "rank=1")
    assert {r["name"]: r["value"] for r in rows} == {"guard_count": 12, "cudagraph_skip_reason": "cpu device"}
    rows = ask(trace, "SELECT guard_count, fail_type, cudagraph_skip_reason FROM metrics_wide")
    assert rows == [{"guard_count": 12, "fail_type": None, "cudagraph_skip_reason": "cpu device"}] * 2


def test_ranks_that_part(trace):
    rows = ask(trace, "--named", "compile_id_divergence")
    assert rows == [{"run": "job", "compile_id": "1/0", "ranks_with": "0", "ranks_without": "1"}]
    rows = ask(trace, "--named", "collective_divergence")
    assert [(r["ranks"], r["diverges"]) for r in rows] == [("0", 1), ("1", 1)]
    assert [r["place"] for r in ask(trace, "--named", "collective_differences")] == [0, 0, 1, 1]
    assert [(r["ranks"], r["answers"]) for r in ask(trace, "--named", "cache_divergence")] == [("0", "hit"), ("1", "miss")]


def test_formats(trace):
    sql = "SELECT 1 AS a, 2.5 AS b, NULL AS c, 'x,\"y\"' AS d, x'00ff' AS e, 9007199254740993 AS f"
    row = {"a": 1, "b": 2.5, "c": None, "d": 'x,"y"', "e": "00ff", "f": 9007199254740993}
    assert ask(trace, sql) == [row]
    assert [json.loads(line) for line in plumb(trace, sql, "--format", "jsonl").splitlines()] == [row]
    text = plumb(trace, sql, "--format", "csv")
    assert text.endswith("\r\n")
    assert list(csv.DictReader(io.StringIO(text)))[0] == {
        "a": "1", "b": "2.5", "c": "", "d": 'x,"y"', "e": "00ff", "f": "9007199254740993"}
    assert plumb(trace, "SELECT 'a|b' AS x", "--format", "markdown") == "| x |\n|---|\n| a\\|b |\n"
    assert ask(trace, "SELECT 1 WHERE 0") == []
    assert ask(trace, "SELECT 1 AS a, 2 AS a") == [{"a": 1, "a_2": 2}]


def test_no_terminal_escape_in_tables(trace):
    out = plumb(trace, "SELECT artifact_text(2) AS t, char(27) || ']0;x' || char(7) AS \"\x1b[1m\"")
    assert "\x1b" not in out and "\x07" not in out and "red|" in out
    assert "\x1b" not in plumb(trace, "SELECT artifact_text(2)", "--format", "markdown")
    assert ask(trace, "SELECT artifact_text(2) AS t")[0]["t"] == TEXT[16:].decode()


def test_parameters_get_their_type(trace):
    sql = "SELECT typeof(:a) AS a, typeof(@b) AS b, typeof($c) AS c, typeof(:d) AS d"
    assert ask(trace, sql, "-p", "a=5", "-p", "b=5.5", "-p", "c=5x") == [
        {"a": "integer", "b": "real", "c": "text", "d": "null"}]
    assert "no statement has the parameter :zz" in plumb(trace, "SELECT 1", "-p", "zz=1", code=2)
    assert "needs -p word=" in plumb(trace, "--named", "artifacts_that_mention", code=2)
    assert " failures," in plumb(trace, "--named", "failure", code=2)


def test_scripts_run_in_order_and_errors_name_the_place(trace, tmp_path):
    script = tmp_path / "two.sql"
    script.write_text("-- first\nSELECT 1 AS a;\nSELECT 2 AS b;\n")
    assert plumb(trace, "-f", script, "--format", "csv") == "a\r\n1\r\n\nb\r\n2\r\n"
    assert plumb(trace, stdin=b"SELECT 3", *["--format", "csv"]) == "3\r\n3\r\n"
    script.write_text("SELECT 1;\n\nSELECT nope\nFROM compiles;\n")
    assert "line 3, column 8" in plumb(trace, "-f", script, code=2)
    assert "syntax error" in plumb(trace, "SELEC 1", code=2)


@pytest.mark.parametrize("sql", [
    "DELETE FROM compile", "ATTACH 'x.db' AS y", "PRAGMA query_only=0", "CREATE TEMP TABLE t(a)", "VACUUM INTO 'x.db'",
    "SELECT load_extension('x')", "SELECT * FROM pragma_table_info('compile')", "UPDATE meta SET value = 1", "BEGIN",
    "SELECT readfile('/etc/passwd')", "SELECT * FROM dbstat"])
def test_reading_only(trace, sql):
    before = open(trace, "rb").read()
    assert plumb(trace, sql, code=2)
    assert open(trace, "rb").read() == before


def test_timeout(trace):
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    assert "time limit" in plumb(trace, sql, "--timeout", "200ms", code=2)
    assert ask(trace, "--named", "failures", "--timeout", "60")
    wide = "SELECT hex(zeroblob(1000000)) FROM string a, string b, string c"
    for form in ("table", "markdown", "csv"):
        assert "time limit" in plumb(trace, wide, "--timeout", "300ms", "--format", form, "--width", 0, code=2)


def test_write_changes_rows_and_not_the_schema(trace, tmp_path):
    copy = shutil.copy(trace, tmp_path / "w.db")
    plumb(copy, "UPDATE run SET seed = 7", "--write")
    assert ask(copy, "SELECT seed FROM run") == [{"seed": 7}]
    assert "changing the schema" in plumb(copy, "CREATE TABLE t(a)", "--write", code=2)
    assert ask(copy, "SELECT 1 AS a") == [{"a": 1}]


def test_several_files_and_gzip(trace, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    packed = tmp_path / "b.db.gz"
    single = make(tmp_path / "b.db", ranks=(0,))
    packed.write_bytes(gzip.compress(open(single, "rb").read()))
    sql = "SELECT (SELECT count(*) FROM compiles) AS m, (SELECT count(*) FROM t1.compiles) AS a, (SELECT count(*) FROM t2.compiles) AS b"
    assert ask(trace, packed, sql) == [{"m": 5, "a": 5, "b": 3}]
    assert ask(packed, trace, sql) == [{"m": 3, "a": 3, "b": 5}]
    assert ask(packed, "SELECT artifact_text(1) AS t") == [{"t": TEXT[:16].decode()}]
    assert not os.listdir(folder)


def test_files_that_are_no_trace(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("V1123 04:22:18.173000 1 torch/a.py:1] {}\n")
    assert "plumb import" in plumb(log, "SELECT 1", code=2)
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE t(a)").connection.commit()
    assert "no plumb trace" in plumb(other, "SELECT 1", code=2)
    for refused in (False, True):
        changed = Trace(tmp_path / f"changed{refused}.db")
        changed.db.execute("DROP TABLE track")
        track = re.search(r"CREATE TABLE track \([^;]*;", schema()[0]).group(0)
        changed.db.execute(track.replace("-- local id", "-- another comment", 1) if not refused else track.replace("tid INTEGER", "tid TEXT"))
        message = plumb(changed.close(), "SELECT 1", code=2 if refused else 0)
        assert ('holds the table "track"' in message) == refused
    newer = Trace(tmp_path / "newer.db")
    newer.db.execute("PRAGMA user_version=5")
    assert "format 0.5; this plumb reads 0.4" in plumb(newer.close(), "SELECT 1", code=2)
    assert "cannot be opened" in plumb(tmp_path / "missing.db", "SELECT 1", code=2)
    (tmp_path / "empty.db").write_bytes(b"")
    assert "is empty" in plumb(tmp_path / "empty.db", "SELECT 1", code=2)


def test_live_file_has_its_views(tmp_path):
    t = Trace(tmp_path / "live.db", derived=False, state="live")
    t.compile(t.log(), "0/0")
    assert ask(t.close(), "SELECT compile_id FROM compiles") == [{"compile_id": "0/0"}]


def test_extension_answers_the_same_in_stock_sqlite3(trace):
    shell = shutil.which("sqlite3")
    extension = os.path.join(os.path.dirname(PLUMB), "plumb_sqlite")
    if not shell or not os.path.exists(extension + ".so"):
        pytest.skip("the sqlite3 program or build/plumb_sqlite.so is absent")
    for name in ("compiles_by_outcome", "slowest_compiles", "recompiles_with_reasons", "graph_breaks_by_line",
                 "artifacts_that_mention", "export_findings", "collective_parity"):
        sql = plumb("--named", name, "--list")
        done = subprocess.run([shell, trace, "-json", "-cmd", f".load {extension}", "-cmd", ".parameter init", "-cmd",
                               ".parameter set :word relu"], input=sql.encode(), capture_output=True)
        assert done.returncode == 0 and not done.stderr, done.stderr.decode()
        params = ("-p", "word=relu") if ":word" in sql else ()
        assert json.loads(done.stdout or b"[]") == ask(trace, "--named", name, *params)


def test_every_named_query_answers_the_same_through_the_extension(trace):
    """Python's own SQLite, with nothing of plumb but the extension."""
    db = sqlite3.connect(f"file:{trace}?mode=ro", uri=True)
    extension = os.path.join(os.path.dirname(PLUMB), "plumb_sqlite")
    if not hasattr(db, "enable_load_extension") or not os.path.exists(extension + ".so"):
        pytest.skip("sqlite3.enable_load_extension or build/plumb_sqlite.so is absent")
    db.enable_load_extension(True)
    db.load_extension(extension)
    db.row_factory = sqlite3.Row
    for name in [line for line in plumb("--list").splitlines() if line and line[0] != " "]:
        sql = plumb("--named", name, "--list")
        params = dict.fromkeys((line.split()[1][1:] for line in sql.splitlines() if line.startswith("-- :")), None)
        given = {p: "relu" if p == "word" else 1 for p in params
                 if p == "word" or sql.split(f"-- :{p} ")[1].splitlines()[0].endswith("needed")}
        rows = [dict(row) for row in db.execute(sql, {**params, **given})]
        arguments = [x for p, v in given.items() for x in ("-p", f"{p}={v}")]
        got = ask(trace, "--named", name, *arguments)
        assert [list(r.values()) for r in got] == [
            [v.hex() if isinstance(v, bytes) else v for v in r.values()] for r in rows], name


def test_layer_names(trace):
    names = ["Gpt.h.11.mlp", "layers.0", "3", "a1.2b.c", "h.0.1", "", "x.12"]
    sql = " UNION ALL ".join(f"SELECT layer_name('{n}') AS name" for n in names) + " UNION ALL SELECT layer_name(NULL)"
    assert [r["name"] for r in ask(trace, sql)] == ["Gpt.h.*.mlp", "layers.*", "*", "a1.2b.c", "h.*.*", "", "x.*", None]
