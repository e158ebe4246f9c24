"""plumb search: every line that an independent reading finds, with its compile, artifact and line number."""
import csv
import gzip
import io
import json
import re
import shutil
import sqlite3

import pytest
from conftest import all_logs, log_text, query, run_folder, run_plumb, values

LOGS = all_logs()


def search(trace, pattern, *options):
    done = run_plumb("search", trace, pattern, "--format", "jsonl", "--limit", "0", *options)
    return [json.loads(line) for line in done.out.splitlines()]


def matching_lines(text, found):
    """(is payload, line number in its payload or 0) of each line that matches, read from the log itself."""
    lines, number = [], 0
    for line in text.split(b"\n"):
        line = line.removesuffix(b"\r")
        payload = line.startswith(b"\t")
        if line:  # an empty line ends no payload and is none of its lines
            number = number + 1 if payload else 0
        if found(line[1:] if payload else line):
            lines.append(number)
    return lines


@pytest.mark.parametrize("log", [path for _, path in LOGS], ids=[name for name, _ in LOGS])
@pytest.mark.parametrize("word", ["e", "has_payload\": \"", "no such word"])
def test_word_in_every_line_that_has_it(log, word, traces):
    hits = [h for h in search(traces(log), word) if h["where"] != "word"]
    want = matching_lines(log_text(log), lambda line: word.encode() in line)
    assert [h["line"] for h in hits] == want


@pytest.mark.parametrize("pattern", [r"^\s*def \w+\(self", r"aten\.(mm|addmm)\b", r"\d{3}\]$", r"\bcompile_id\b.*0/0", r"^$|^\}$"])
@pytest.mark.parametrize("run", ["recompiles", "train_mlp"])
def test_expression_in_every_line(run, pattern, traces):
    log = next(iter(sorted(run_folder(run).glob("*.log*"))))
    hits = [h for h in search(traces(run), pattern, "--regex") if h["where"] != "word"]
    want = matching_lines(log_text(log), lambda line: re.search(pattern.encode(), line))
    # A log ends with a line end: what follows it is no line.
    assert [h["line"] for h in hits] == (want[:-1] if log_text(log).endswith(b"\n") and re.search(pattern, "") else want)


def test_ignores_case(traces):
    log = next(iter(sorted(run_folder("simple").glob("*.log*"))))
    hits = [h for h in search(traces("simple"), "TORCH.OPS", "-i") if h["where"] != "word"]
    assert [h["line"] for h in hits] == matching_lines(log_text(log), lambda line: b"torch.ops" in line.lower())
    assert not [h for h in search(traces("simple"), "TORCH.OPS.ATEN.S") if h["where"] != "word"]


def test_hit_names_artifact_compile_and_line(traces):
    trace = traces("recompiles")
    hits = [h for h in search(trace, "torch.ops.aten") if h["where"] == "artifact"]
    assert hits
    for h in hits:
        row = query(trace, "SELECT artifact_text(a.id) AS text, k.text AS key, c.compile_id FROM artifact a JOIN string k ON k.id = a.key "
                           "LEFT JOIN compile c ON c.id = a.compile WHERE a.id = :id", id=h["artifact"])[0]
        line = row["text"].split("\n")[h["line"] - 1]
        assert "torch.ops.aten" in line and h["excerpt"].strip()[:40] in line
        assert (h["kind"], h["compile_id"]) == (row["key"], row["compile_id"])


def test_record_and_event_hits_name_their_compile(traces):
    trace = traces("recompiles")
    events = [h for h in search(trace, '"name": "entire_frame_compile"') if h["where"] == "record"]
    assert {h["kind"] for h in events} == {"chromium_event"}
    assert {h["compile_id"] for h in events} == set(values(trace, "SELECT compile_id FROM compile"))
    heads = [h for h in search(trace, '{"dynamo_start"') if h["where"] == "record"]
    assert [h["line"] for h in heads] == [0] * 12
    assert all(h["compile"] for h in heads)


def test_reset_ids_are_told_apart(traces):
    """[0/0] occurs twice in determinism; each hit names the occurrence it lies in."""
    trace = traces("determinism")
    hits = [h for h in search(trace, '{"dynamo_output_graph"')]
    assert [h["compile_id"] for h in hits].count("0/0") == 2
    assert len({h["compile"] for h in hits}) == 3


def test_words_say_what_they_are(traces):
    trace = traces("simple")
    hits = [h for h in search(trace, "cpp_fused", "--kind", "word")]
    assert {h["where"] for h in hits} == {"word"}
    assert "kernel name" in {h["kind"] for h in hits}
    files = search(trace, "simple.py", "--kind", "word")
    assert {"file in a stack", "file compiled"} <= {h["kind"] for h in files}
    assert "operator" in {h["kind"] for h in search(trace, "torch.ops.aten.sin", "--kind", "word")}


def test_kind_restricts(traces):
    trace = traces("train_mlp")
    all_hits = [h for h in search(trace, "aten.") if h["kind"] == "aot_forward_graph"]
    assert search(trace, "aten.", "--kind", "aot_forward_graph") == all_hits and all_hits
    assert {h["where"] for h in search(trace, "dynamo_timed", "--kind", "record")} == {"record"}
    named = search(trace, "torch", "--kind", "fx_graph_runnable")
    assert {h["name"] for h in named} == {"fx_graph_runnable"}


def test_limit_and_formats(traces):
    trace = traces("simple")
    done = run_plumb("search", trace, "torch", "--limit", "3", "--kind", "record")
    assert len(done.out.splitlines()) == 3 and "stopped after 3 hits" in done.err
    as_json = json.loads(run_plumb("search", trace, "torch", "--limit", "3", "--format", "json").out)
    as_csv = list(csv.DictReader(io.StringIO(run_plumb("search", trace, "torch", "--limit", "3", "--format", "csv").out)))
    assert [r["line"] for r in as_csv] == [str(r["line"] if r["line"] is not None else 0) for r in as_json]
    assert run_plumb("search", trace, "torch", "-n", "2", "-f", "markdown").out.startswith("| compile id |")
    assert run_plumb("search", trace, "no such word").out == ""


@pytest.mark.parametrize("arguments, says", [
    (("",), "the pattern is empty"),
    (("a\nb",), "lies within one line"),
    (("(", "--regex"), "is not a PCRE2 expression"),
    (("x" * 5000,), "at most 4096"),
    (("x", "--format", "xml"), "text, csv, json, jsonl and markdown are"),
])
def test_wrong_patterns_are_refused(traces, arguments, says):
    assert says in run_plumb("search", traces("simple"), *arguments, expect=2).err


def test_costly_expression_is_given_up_and_counted(traces):
    done = run_plumb("search", traces("simple"), r"^(\w+\s?)*!$", "--regex", timeout=60)
    assert done.code == 0


def test_packed_file_is_searched(traces, tmp_path):
    run_plumb("pack", traces("simple"), "-o", tmp_path / "p.db.gz")
    assert search(tmp_path / "p.db.gz", "torch.ops") == search(traces("simple"), "torch.ops")


def test_damaged_frame_is_named(traces, tmp_path):
    copy = tmp_path / "damaged.db"
    shutil.copy(traces("simple"), copy)
    with sqlite3.connect(copy) as db:
        data = bytearray(db.execute("SELECT data FROM text_frame").fetchone()[0])
        data[len(data) // 2] ^= 255
        db.execute("UPDATE text_frame SET data = ?", (bytes(data[: len(data) // 2]),))
    assert "is damaged" in run_plumb("search", copy, "torch", expect=2).err


def test_terminal_escapes_are_taken_out(tmp_path):
    log = tmp_path / "dedicated_log_torch_trace_esc.log"
    log.write_bytes(b'V1123 04:22:26.362000 1 torch/x.py:1] {"artifact": {"name": "a\\u001b[31m", "encoding": "string"}, '
                    b'"has_payload": "0"}\n\tfind \x1b[31mme\x07 \xff\n')
    run_plumb("import", log, "-o", tmp_path / "esc.db")
    out = run_plumb("search", tmp_path / "esc.db", "find").raw
    assert b"find" in out and b"\x1b" not in out and b"\x07" not in out
    assert out.decode("utf-8")
