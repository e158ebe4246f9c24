"""Each log imports, and its records are as many as an independent count says.

The count is a few lines of its own: a record begins on a line with "] {" that follows a glog prefix and has no
tab before it; its key is the first that is not context; its payload are the lines with a tab after it. Empty lines are none.
"""
import collections
import hashlib
import json
import re

import pytest

from conftest import all_logs, log_text, query

CONTEXT = {"rank", "frame_id", "frame_compile_id", "compiled_autograd_id", "attempt", "stack", "subgraph_name", "has_payload"}
PREFIX = re.compile(rb"[VIWEC]\d{4} \d\d:\d\d:\d\d.\d{6} \d+[^:]+:\d+\] (.*)")

# Payloads whose md5 is not what their record says: files that were edited by hand (reference, section 5.1).
# Every other log has none.
MD5_MISMATCHES = {
    "torch_trace/graph_exec_order_tests/dedicated_log_torch_trace_rank_0_a74od7a1.log": 2,
    "torch_trace/multi_rank_schedule/dedicated_log_torch_trace_rank_1_n8zycf07.log": 1,
    "torch_trace/export.log": 1,
    "torch_trace/simple_corrupted_json.log": 1,
}


def count(data):
    """{key: [records, payloads, md5 mismatches]} and the number of lines that are no record and no payload."""
    counts, odd = collections.defaultdict(lambda: [0, 0, 0]), 0
    lines = [line[:-1] if line.endswith(b"\r") else line for line in data.split(b"\n")]
    i = 0
    while i < len(lines):
        line, i = lines[i], i + 1
        match = None if line.startswith(b"\t") else PREFIX.search(line)
        try:
            envelope = json.loads(match.group(1)) if match else None
        except ValueError:
            envelope = None
        if not isinstance(envelope, dict):
            odd += line != b""
            continue
        payload = []
        while "has_payload" in envelope and i < len(lines) and (lines[i] == b"" or lines[i].startswith(b"\t")):
            payload += [lines[i][1:]] if lines[i] else []
            i += 1
        keys = [key for key in envelope if key not in CONTEXT] or ["stack" if "stack" in envelope else "(none)"]
        wrong = "has_payload" in envelope and hashlib.md5(b"\n".join(payload)).hexdigest() != envelope["has_payload"]
        for key in keys:
            counts[key][0] += 1
            counts[key][1] += "has_payload" in envelope
            counts[key][2] += wrong
    return dict(counts), odd


LOGS = all_logs()


@pytest.mark.parametrize("name,path", LOGS, ids=[name for name, _ in LOGS])
def test_counts_agree(name, path, traces):
    expected, _ = count(log_text(path))
    rows = query(traces(path), "SELECT key, records, payloads, md5_mismatches FROM envelope_counts")
    assert {r["key"]: [r["records"], r["payloads"], r["md5_mismatches"]] for r in rows} == expected
    assert expected, "the log has records"


@pytest.mark.parametrize("name,path", LOGS, ids=[name for name, _ in LOGS])
def test_md5_mismatches_are_those_known(name, path, traces):
    db = traces(path)
    assert query(db, "SELECT coalesce(sum(md5_mismatches), 0) AS n FROM envelope_counts") == [{"n": MD5_MISMATCHES.get(name, 0)}]
    assert query(db, "SELECT coalesce(sum(count), 0) AS n FROM losses WHERE kind = 'md5'") == [{"n": MD5_MISMATCHES.get(name, 0)}]


@pytest.mark.parametrize("name,path", LOGS, ids=[name for name, _ in LOGS])
def test_no_record_is_lost(name, path, traces):
    """Lines that are neither record nor payload are reported as malformed (or as JSON that is none), each one."""
    _, odd = count(log_text(path))
    rows = query(traces(path), "SELECT coalesce(sum(count), 0) AS n FROM losses WHERE kind IN ('malformed', 'json', 'truncated')")
    assert rows == [{"n": odd}]


def test_the_counter_itself():
    record = b'V0101 10:00:00.000000 1 torch/x.py:1] {"artifact": {"name": "n"}, "frame_id": 0, "has_payload": "%s"}\n'
    good = record % hashlib.md5(b"a\n\nb").hexdigest().encode()
    assert count(good + b"\ta\n\t\n\tb\n") == ({"artifact": [1, 1, 0]}, 0)
    assert count(record % (b"0" * 32) + b"\ta\nnoise\n") == ({"artifact": [1, 1, 1]}, 1)
    assert count(b'V0101 10:00:00.000000 1 torch/x.py:1] {"stack": []}\n') == ({"stack": [1, 0, 0]}, 0)
