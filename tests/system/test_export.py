"""plumb export: logs come back byte for byte; tlparse's files are those of tlparse 0.4.3 where it is installed, and of rules read off
the logs where it is not."""
import datetime
import json
import os
import re
import shutil
import sqlite3
import subprocess

import pytest
from conftest import all_logs, log_text, query, run_folder, run_plumb, values

LOGS = all_logs()
TLPARSE = os.environ.get("TLPARSE") or shutil.which("tlparse")


@pytest.fixture(scope="session")
def tlparse(tmp_path_factory):
    """tlparse(log) gives the folder it wrote."""
    if not TLPARSE:
        pytest.skip("tlparse 0.4.3 is not installed (TLPARSE names no program): nothing to compare with")
    version = subprocess.run([TLPARSE, "--version"], capture_output=True, text=True).stdout
    if "0.4.3" not in version:
        pytest.skip(f"{version.strip()} is installed; the format followed is that of 0.4.3")
    folder = tmp_path_factory.mktemp("tlparse")

    def get(log):
        plain = folder / f"{log.parent.name}_{log.name.removesuffix('.gz')}"
        out = plain.with_suffix(".out")
        if not out.exists():
            plain.write_bytes(log_text(log))
            subprocess.run([TLPARSE, plain, "-o", out, "--overwrite", "--no-browser"], capture_output=True, check=True, timeout=300)
        return out

    return get


def jsonl(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("log", [path for _, path in LOGS], ids=[name for name, _ in LOGS])
def test_log_comes_back_byte_for_byte(log, traces, tmp_path):
    run_plumb("export", traces(log), "--torch-trace", tmp_path / "back")
    files = [p for p in (tmp_path / "back").rglob("*") if p.is_file()]
    assert [p.name for p in files] == [log.name.removesuffix(".gz")]
    assert files[0].read_bytes() == log_text(log)


def without_time(record):
    return {key: value for key, value in record.items() if key != "timestamp"}


def near(a, b):
    """Equal, but for the last digit of a float: tlparse reads numbers with an error of one unit there."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(near(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(near, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or abs(a - b) <= 4e-16 * abs(a)
    return a == b and type(a) is type(b)


@pytest.mark.parametrize("log", [path for _, path in LOGS], ids=[name for name, _ in LOGS])
def test_same_as_tlparse(log, traces, tlparse):
    theirs, trace = tlparse(log), traces(log)
    assert run_plumb("export", trace, "--compile-directory").raw == (theirs / "compile_directory.json").read_bytes()
    assert json.loads(run_plumb("export", trace, "--chromium").out) == json.loads((theirs / "chromium_events.json").read_text())
    ours = jsonl(run_plumb("export", trace, "--raw-jsonl").out)
    want = jsonl((theirs / "raw.jsonl").read_text())
    assert len(ours) == len(want)
    for a, b in zip(ours, want):
        assert near(without_time(a), without_time(b))
        # Keys stand in tlparse's order.
        assert list(a) == list(b)


@pytest.mark.parametrize("log", [path for _, path in LOGS], ids=[name for name, _ in LOGS])
def test_numbers_are_those_of_the_rows(log, traces):
    """artifact.number and the names in compile_directory.json come from two readings of the log; they agree."""
    directory = json.loads(run_plumb("export", traces(log), "--compile-directory").out)
    files = {a["url"] for listing in directory.values() for a in listing["artifacts"]}
    numbered = {int(m[1]) for url in files if (m := re.search(r"_(\d+)\.\w+$", url)) and not url.startswith("dump_file/")}
    rows = values(traces(log), "SELECT number FROM artifacts WHERE number IS NOT NULL AND key NOT IN ('dump_file', 'link')")
    assert set(rows) <= numbered


def test_raw_jsonl_by_rule(traces):
    """Without tlparse: one line per record that is neither str nor chromium_event, in order, with the prefix's fields."""
    log = next(iter(sorted(run_folder("recompiles").glob("*.log*"))))
    text = log_text(log).decode()
    lines = jsonl(run_plumb("export", traces("recompiles"), "--raw-jsonl").out)
    strings = [json.loads(m)["str"] for m in re.findall(r'\] (\{"str": .*)$', text, re.M)]
    assert lines[0] == {"string_table": [path for path, _ in sorted(strings, key=lambda s: s[1])]}
    heads = re.findall(r"^V\d{4} ([\d:.]+) (\d+)( \S+?):(\d+)\] (.*)$", text, re.M)
    want = [h for h in heads if '{"str"' not in h[4] and '{"chromium_event"' not in h[4]]
    assert len(lines) - 1 == len(want)
    for line, (clock, thread, path, number, envelope) in zip(lines[1:], want):
        assert (line["thread"], line["pathname"], line["lineno"]) == (int(thread), path, int(number))
        assert clock in line["timestamp"]
        assert json.loads(envelope).items() <= line.items()
        assert ("payload_filename" in line) == ("has_payload" in line)


def test_timestamp_is_true_utc(traces):
    """The year and zone come from the chromium payloads, not from today's date."""
    lines = jsonl(run_plumb("export", traces("simple"), "--raw-jsonl").out)
    events = json.loads(run_plumb("export", traces("simple"), "--chromium").out)
    first = datetime.datetime.fromisoformat(lines[1]["timestamp"].replace("Z", "+00:00"))
    assert lines[1]["timestamp"].endswith("Z")
    assert abs(first.timestamp() - events[0]["ts"] / 1e6) < 5


def test_chromium_of_several_ranks(traces):
    events = json.loads(run_plumb("export", traces("ranks4"), "--chromium").out)
    assert {e["pid"] for e in events} == {0, 1, 2, 3}
    assert len(events) == values(traces("ranks4"), "SELECT sum(records) FROM envelope_counts WHERE key = 'chromium_event'")[0]


def test_several_logs_need_a_folder(traces, tmp_path):
    trace = traces("ranks4")
    assert "the trace holds 4 logs" in run_plumb("export", trace, "--raw-jsonl", expect=2).err
    run_plumb("export", trace, "--raw-jsonl", "-o", tmp_path / "out")
    run_plumb("export", trace, "--compile-directory", "-o", tmp_path / "out")
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.json*")) == sorted(
        f"rank_{n}/{name}" for n in range(4) for name in ("raw.jsonl", "compile_directory.json"))
    one = run_plumb("export", trace, "--raw-jsonl", "--log", "rank_2").raw
    assert one == (tmp_path / "out/rank_2/raw.jsonl").read_bytes()
    assert "no log of the trace is called rank_9; it has: " in run_plumb("export", trace, "--raw-jsonl", "--log", "rank_9", expect=2).err


def test_nothing_is_overwritten(traces, tmp_path):
    out = tmp_path / "raw.jsonl"
    run_plumb("export", traces("simple"), "--raw-jsonl", "-o", out)
    before = out.read_bytes()
    assert "exists" in run_plumb("export", traces("simple"), "--raw-jsonl", "-o", out, expect=2).err
    assert out.read_bytes() == before
    run_plumb("export", traces("simple"), "--raw-jsonl", "-o", out, "--overwrite")
    assert "needs one of" in run_plumb("export", traces("simple"), expect=2).err
    assert "needs one of" in run_plumb("export", traces("simple"), "--raw-jsonl", "--chromium", expect=2).err


@pytest.mark.parametrize("path, name", [
    ("../../outside.log", "outside.log"),
    ("/etc/plumb_test.log", "plumb_test.log"),
    ("a/../../b.log", "../b.log"),
    ("..", ".."),
    ("x\x1b[31m/y\n.log", "y\n.log"),
    ("", ""),
    ("n" * 5000, "n" * 5000),
])
def test_hostile_names_stay_inside(traces, tmp_path, path, name):
    copy = tmp_path / "hostile.db"
    shutil.copy(traces("simple"), copy)
    with sqlite3.connect(copy) as db:
        db.execute("UPDATE source_file SET path = ?, name = ?", (path, name))
    inside = tmp_path / "deep/er/out"
    inside.parent.mkdir(parents=True)
    run_plumb("export", copy, "--torch-trace", inside)
    files = [p for p in tmp_path.rglob("*") if p.is_file() and p != copy]
    assert len(files) == 1 and inside in files[0].parents
    assert not any(ord(c) < 32 for c in str(files[0]))


def test_links_in_the_folder_are_not_followed(traces, tmp_path):
    copy = tmp_path / "linked.db"
    shutil.copy(traces("simple"), copy)
    with sqlite3.connect(copy) as db:
        db.execute("UPDATE source_file SET path = 'sub/x.log', name = 'x.log'")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/sub").symlink_to(tmp_path / "elsewhere")
    assert "is a link" in run_plumb("export", copy, "--torch-trace", tmp_path / "out", expect=2).err
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_equal_names_are_numbered(traces, tmp_path):
    copy = tmp_path / "equal.db"
    shutil.copy(traces("ranks4"), copy)
    with sqlite3.connect(copy) as db:
        db.execute("UPDATE source_file SET path = 'same.log', name = 'same.log'")
    run_plumb("export", copy, "--torch-trace", tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["same-2.log", "same-3.log", "same-4.log", "same.log"]
    assert {p.stat().st_size for p in (tmp_path / "out").iterdir()} == set(values(copy, "SELECT size FROM source_file"))
