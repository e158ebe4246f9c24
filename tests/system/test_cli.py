"""Command line: help of each verb, exit codes, usage errors, manual pages."""
import re
import subprocess

import pytest

from conftest import KEPT, PLUMB, query, run_plumb

VERBS = re.findall(r"^  ([a-z]+)  ", subprocess.run([str(PLUMB), "help"], capture_output=True, text=True).stdout, re.M) if PLUMB.exists() else []
EXPECTED = {"import", "sql", "info", "doctor", "merge", "search", "pack", "export", "record", "serve"}


def test_verbs():
    assert EXPECTED <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_help(verb):
    done = run_plumb(verb, "--help")
    assert done.out.startswith("usage: plumb " + verb) or f"plumb {verb}" in done.out.split("\n")[0]
    assert done.err == "" and len(done.out.split("\n")) > 5
    assert run_plumb("help", verb).out == done.out
    assert all(len(line) <= 100 for line in done.out.split("\n")), "fits a terminal"


@pytest.mark.parametrize("verb", VERBS)
def test_manual_page(verb, tmp_path):
    text = run_plumb("help", "--man", verb).out
    assert text.startswith(".") and ".SH NAME" in text and ".SH SYNOPSIS" in text
    options = re.findall(r"^  +(?:-\w, )?(--[a-z-]+)", run_plumb(verb, "--help").out, re.M)
    plain = text.replace("\\-", "-")
    assert all(option in plain for option in options)


@pytest.mark.parametrize("verb", VERBS)
def test_usage_errors(verb):
    done = run_plumb(verb, "--no-such-option", expect=2)
    assert "--no-such-option" in done.err and done.out == ""
    assert "Traceback" not in done.err and len(done.err.strip().split("\n")) <= 6


def test_wrong_words():
    assert "imprt" in run_plumb("imprt", expect=2).err
    assert run_plumb(expect=2).err.startswith("plumb tells")
    assert re.match(r"plumb \d+\.\d+", run_plumb("--version").out)
    assert "nearest" in run_plumb("import", "--overwrit", expect=2).err or "--overwrite" in run_plumb("import", "--overwrit", expect=2).err


def test_nothing_to_do_is_a_usage_error():
    for verb in ("import", "sql", "info", "doctor", "merge", "search", "pack", "export", "serve"):
        assert run_plumb(verb, expect=2).err.strip(), verb


def test_closing_line_of_an_import(tmp_path):
    done = run_plumb("import", KEPT / "recompiles", "-o", tmp_path / "r.db")
    last = (done.out + done.err).strip().split("\n")[-1]
    assert "366" in last and "278" in last, "records and payloads are counted"
    assert "\r" not in done.out + done.err, "no progress bar where there is no terminal"


def test_strict(tmp_path):
    run_plumb("import", KEPT / "recompiles", "-o", tmp_path / "a.db", "--strict", expect=0)
    run_plumb("import", KEPT / "ranks4", "-o", tmp_path / "b.db", "--strict", expect=0)
    run_plumb("import", KEPT / "ranks4", "-o", tmp_path / "c.db", "--strict=tlparse", expect=1)
    assert (tmp_path / "c.db").exists(), "the trace is there all the same"


def test_output_formats(demo):
    sql = "SELECT compile_id, outcome FROM compiles WHERE run = 'failures' ORDER BY 1 LIMIT 2"
    assert query(demo, sql) == [{"compile_id": "0/0", "outcome": "failed"}, {"compile_id": "1/0", "outcome": "failed"}]
    assert run_plumb("sql", demo, sql, "--format", "csv").out.replace("\r", "") == "compile_id,outcome\n0/0,failed\n1/0,failed\n"
    assert run_plumb("sql", demo, sql, "--format", "jsonl").out.count("\n") == 2
    assert run_plumb("sql", demo, sql, "--format", "markdown").out.startswith("|")
    assert "failed" in run_plumb("sql", demo, sql, "--format", "table").out


def test_bound_values_are_never_sql(demo):
    rows = query(demo, "SELECT :a AS a", a="x'; DROP TABLE compile; --")
    assert rows == [{"a": "x'; DROP TABLE compile; --"}]


def test_sql_is_read_only(demo, tmp_path):
    for sql in ("DELETE FROM compile", "UPDATE meta SET value = 1", "CREATE TABLE t(a)", "PRAGMA user_version = 9", "ATTACH '/tmp/plumb_x.db' AS x",
                "VACUUM INTO '/tmp/plumb_x.db'"):
        run_plumb("sql", demo, sql, expect=2)
    assert query(demo, "SELECT count(*) > 0 AS n FROM compile") == [{"n": 1}]


def test_standard_output_that_is_full(demo):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(PLUMB), "sql", str(demo), "SELECT * FROM artifacts"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2 and b"output" in done.stderr


def test_a_reader_that_goes_away(demo):
    done = subprocess.run(f"'{PLUMB}' sql '{demo}' 'SELECT * FROM events' | head -n 1", shell=True, capture_output=True, timeout=60)
    assert done.returncode == 0 and b"Traceback" not in done.stderr
