"""plumb pack: what is cut to fit, what a packed file still answers, and that redacted files hold none of the words that had to go."""
import gzip
import json
import re
import sqlite3

import pytest
from conftest import Server, all_logs, log_text, query, run_folder, run_plumb, values


def rows(path):
    """Rows per table of a packed file, read without plumb."""
    with open(path.with_suffix(".plain"), "wb") as out:
        out.write(gzip.decompress(path.read_bytes()))
    return sqlite3.connect(path.with_suffix(".plain"))


def pack(source, out, *options, expect=0):
    return run_plumb("pack", source, "-o", out, *options, expect=expect)


def test_packed_file_answers_the_same(traces, tmp_path):
    source, out = traces("recompiles"), tmp_path / "small.db.gz"
    pack(source, out)
    for sql in (
        "SELECT compile_id, outcome FROM compiles ORDER BY 1",
        "SELECT compile_id, reasons FROM recompiles ORDER BY 1",
        "SELECT key, records, payloads FROM envelope_counts ORDER BY 1",
        "SELECT hex(md5), size, artifact_text(id) FROM artifact ORDER BY id",
    ):
        assert query(out, sql) == query(source, sql)
    db = rows(out)
    assert not db.execute("SELECT 1 FROM sqlite_schema WHERE type IN ('view') OR (type = 'index' AND sql IS NOT NULL)").fetchall()
    assert db.execute("SELECT value FROM meta WHERE key = 'state'").fetchone() == ("packed",)
    assert db.execute("SELECT count(*) FROM meta WHERE key = 'cut.derived'").fetchone() == (1,)


def test_packed_file_gives_the_logs_back(traces, tmp_path):
    folder = run_folder("recompiles")
    pack(traces("recompiles"), tmp_path / "p.db.gz")
    run_plumb("export", tmp_path / "p.db.gz", "--torch-trace", tmp_path / "logs")
    given = {p.name.removesuffix(".gz"): log_text(p) for p in folder.iterdir() if ".log" in p.name}
    back = {p.name: p.read_bytes() for p in (tmp_path / "logs").rglob("*") if p.is_file()}
    assert back == given


def test_summary_says_what_ran(traces, tmp_path):
    pack(traces("failures"), tmp_path / "f.db.gz")
    text = (tmp_path / "f.md").read_text()
    for words in ("## plumb trace `f.db.gz`", "### Versions", "2.13.0", "### Failures", "BackendCompilerFailed", "### Restarts",
                  "### Graph breaks", "### What this file leaves out", "plumb serve"):
        assert words in text, words
    assert "<class" not in re.sub(r"`[^`]*`", "", text), "text of the trace must stand in code spans"


def test_cuts_until_it_fits(traces, tmp_path):
    source = traces("transformer")
    pack(source, tmp_path / "all.db.gz")
    whole = (tmp_path / "all.db.gz").stat().st_size
    seen = []
    for share in (0.85, 0.6, 0.4):
        out = tmp_path / f"{share}.db.gz"
        done = run_plumb("pack", source, "-o", out, "--limit", int(whole * share), expect=None)
        if done.code == 2:
            assert "cannot be packed into" in done.err
            continue
        assert out.stat().st_size <= whole * share
        db = rows(out)
        cut = [size for (size,) in db.execute("SELECT size FROM artifact WHERE flags & 8 AND stored = 0")]
        kept = [size for (size,) in db.execute("SELECT size FROM artifact WHERE NOT flags & 8")]
        assert cut and db.execute("SELECT value FROM meta WHERE key = 'cut.artifacts'").fetchone()
        assert not kept or max(cut) >= max(kept), "the largest go first"
        assert "| `artifacts` |" in out.with_name(f"{share}.md").read_text()
        # What stays is what it was; places moved with the bytes that left.
        same = "SELECT id, artifact_text(id) AS t FROM artifact WHERE flags & 8 = 0 ORDER BY id"
        kept_text = {r["id"]: r["t"] for r in query(out, same)}
        assert kept_text == {r["id"]: r["t"] for r in query(source, same) if r["id"] in kept_text}
        seen.append(len(cut))
    assert seen == sorted(seen) and seen


def test_cut_artifacts_are_named_by_export(traces, tmp_path):
    source = traces("transformer")
    pack(source, tmp_path / "all.db.gz")
    limit = int((tmp_path / "all.db.gz").stat().st_size * 0.8)
    pack(source, tmp_path / "cut.db.gz", "--limit", limit)
    done = run_plumb("export", tmp_path / "cut.db.gz", "--torch-trace", tmp_path / "logs")
    assert "are missing: the trace was packed without them" in done.err


def test_what_cannot_fit_is_refused_and_leaves_nothing(traces, tmp_path):
    done = pack(traces("simple"), tmp_path / "s.db.gz", "--limit", "2000", expect=2)
    assert "cannot be packed into 2000 bytes" in done.err
    assert list(tmp_path.iterdir()) == []


def test_outputs_are_not_overwritten(traces, tmp_path):
    out = tmp_path / "x.db.gz"
    out.write_text("mine")
    assert "exists" in pack(traces("simple"), out, expect=2).err
    assert out.read_text() == "mine"
    pack(traces("simple"), out, "--overwrite")
    assert out.read_bytes()[:2] == b"\x1f\x8b"
    assert "ends in .db.gz" in pack(traces("simple"), tmp_path / "x.zip", expect=2).err


def test_pages_of_a_packed_file(traces, tmp_path):
    """Every page opens on a file that was cut; the page of an artifact that was left out says so."""
    source = traces("transformer")
    pack(source, tmp_path / "all.db.gz")
    pack(source, tmp_path / "cut.db.gz", "--limit", int((tmp_path / "all.db.gz").stat().st_size * 0.8))
    offset = values(tmp_path / "cut.db.gz", "SELECT offset FROM artifact WHERE flags & 8 LIMIT 1")[0]
    server = Server(tmp_path / "cut.db.gz")
    try:
        for page in ("overview", "compiles", "recompiles", "breaks", "failures", "guards", "caches", "artifacts", "health",
                     "search?q=torch"):
            server.get("/" + page, expect=200)
        assert "left out when this file was packed" in server.text(f"/artifact?at={offset}")
    finally:
        server.close()


def test_packing_a_packed_file(traces, tmp_path):
    pack(traces("simple"), tmp_path / "1.db.gz")
    pack(tmp_path / "1.db.gz", tmp_path / "2.db.gz")
    sql = "SELECT id, artifact_text(id) AS t FROM artifact ORDER BY id"
    assert query(tmp_path / "2.db.gz", sql) == query(traces("simple"), sql)
    assert values(tmp_path / "2.db.gz", "SELECT value FROM meta WHERE key = 'packed_from'") == ["closed"]


@pytest.mark.parametrize("change", [
    "UPDATE artifact SET offset = offset + 3",
    "UPDATE artifact SET offset = -5, stored = 9223372036854775807",
    "UPDATE artifact SET offset = 9223372036854775807",
    "UPDATE artifact SET offset = 0, stored = 100",
    "UPDATE loss SET offset = -1",
    "UPDATE text_frame SET stream = 99",
    "DELETE FROM source_file",
    "UPDATE string SET text = NULL",
])
def test_hostile_places_are_survived(traces, tmp_path, change):
    """Rows that contradict the streams: the pack succeeds (and says what it cut) or fails with a sentence."""
    copy = tmp_path / "hostile.db"
    copy.write_bytes(traces("simple").read_bytes())
    with sqlite3.connect(copy) as db:
        db.execute(change)
    for options in ((), ("--redact",)):
        done = run_plumb("pack", copy, "-o", tmp_path / "h.db.gz", "--overwrite", *options, expect=None)
        assert done.code == 0 or done.err.startswith("plumb: "), done
    run_plumb("search", copy, "torch", "--limit", "0", expect=None)
    run_plumb("search", copy, "torch", "--kind", "fx_graph_runnable", expect=None)


# ---- redaction ----

TORCH = re.compile(r"(site-packages|dist-packages|pytorch)/torch/")


def own_paths(source):
    """Paths in stacks that are not torch's."""
    paths = values(source, "SELECT DISTINCT s.text FROM stack k JOIN string s ON s.id = k.file")
    return [p for p in paths if p.startswith("/") and not TORCH.search(p)]


def words_that_go(source, logs):
    """What must not be found in the redacted file, gathered apart from plumb's own rules."""
    words = set()
    text = b"\n".join(logs).decode("utf-8", "replace")
    torchs = set(re.findall(r"torch/(?:[\w.]+/)*(\w+\.py)", text))  # file names that torch has too may stay as torch's
    for path in own_paths(source):
        words.add(path)
        words.add(path.rsplit("/", 1)[0] + "/")
        if len(path.rsplit("/", 1)[1]) > 6 and path.rsplit("/", 1)[1] not in torchs:
            words.add(path.rsplit("/", 1)[1])
    for line in re.findall(r', code: (.*)$', text, re.M):
        words.add(line.strip())
    for string in re.findall(r'"loc": ("(?:[^"\\]|\\.)*")', text):
        words.add(json.loads(string).strip())
    for line in re.findall(r'^\t\s*File "[^"]*", line \d+, in .*\n\t\s+(\S.*)$', text, re.M):
        words.add(line.strip())
    return {w for w in words if len(w) >= 8 and re.search(r"[ ()=.\[\]/]", w)}


def stands_alone(word, text):
    """Is the word in the text, not as part of a longer one?"""
    at = text.find(word)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(word) : at + len(word) + 1]
        inside = (before.isalnum() or before == "_") and (word[0].isalnum() or word[0] == "_")
        inside |= (after.isalnum() or after == "_") and (word[-1].isalnum() or word[-1] == "_")
        if not inside:
            return True
        at = text.find(word, at + 1)
    return False


def everything(packed, folder):
    """All text of a packed file: columns read by sqlite3, and the logs it gives back."""
    parts = []
    db = rows(packed)
    for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"):
        if table == "text_frame":
            continue
        for row in db.execute(f'SELECT * FROM "{table}"'):
            parts += [v for v in row if isinstance(v, str)]
    run_plumb("export", packed, "--torch-trace", folder)
    parts += [p.read_text(errors="replace") for p in folder.rglob("*") if p.is_file()]
    return "\n".join(parts)


@pytest.mark.parametrize("log", [path for _, path in all_logs()], ids=[name for name, _ in all_logs()])
def test_redacted_file_has_none_of_the_words(log, traces, tmp_path):
    source, out = traces(log), tmp_path / "r.db.gz"
    pack(source, out, "--redact")
    text = everything(out, tmp_path / "logs")
    words = words_that_go(source, [log_text(log)])
    plain = gzip.decompress(out.read_bytes()).decode("utf-8", "replace")
    left = sorted(w for w in words if any(stands_alone(form, t) for form in (w, json.dumps(w)[1:-1]) for t in (text, plain)))
    assert not left, left[:10]
    assert "Redacted: names of machines" in (tmp_path / "r.md").read_text()


def test_host_user_command_and_environment_go(traces, tmp_path):
    copy = tmp_path / "told.db"
    copy.write_bytes(traces("graph_breaks").read_bytes())
    with sqlite3.connect(copy) as db:
        db.execute("UPDATE run SET command = ?, cwd = ?, name = ?",
                   ("python3 /home/zaphod/heart_of_gold/drive.py --key hunter2", "/home/zaphod/heart_of_gold", "improbable run"))
        db.execute("INSERT INTO run_env VALUES (1, 'TORCH_LOGS', '+dynamo,zarquon')")
        db.execute("INSERT INTO host VALUES (1, 'marvin.sirius.example', 'b007-1d', 'Linux 6.1', 'some processor', 2)")
        db.execute("INSERT INTO diag VALUES (1, 1, 'x', 'marvin said: zaphod wrote /srv/vogon/poem.txt')")
        db.execute("INSERT OR REPLACE INTO meta VALUES ('import_command', 'plumb import vogon_logs -o out.db')")
        db.execute("UPDATE graph_break SET detail = ?, file = '/home/zaphod/heart_of_gold/drive.py'",
                   ('because\n  File "/home/zaphod/heart_of_gold/drive.py", line 3, in go\n    improbability = tea(42)\n    ^^^',))
    out = tmp_path / "r.db.gz"
    pack(copy, out, "--redact")
    words = ["zaphod", "heart_of_gold", "drive.py", "hunter2", "improbable run", "zarquon", "marvin", "sirius", "b007", "vogon", "poem",
             "improbability"]
    data, text, summary = gzip.decompress(out.read_bytes()), everything(out, tmp_path / "logs"), (tmp_path / "r.md").read_text()
    assert [w for w in words if w.encode() in data or w in text or w in summary] == []
    detail = values(out, "SELECT detail FROM graph_break LIMIT 1")[0].split("\n")
    assert detail[0] == "because" and len(detail) == 4 and detail[2].startswith("    r_") and detail[3] == "    ^^^"


def test_redaction_keeps_lines_and_md5s(traces, tmp_path):
    import hashlib

    source, out = traces("train_mlp"), tmp_path / "r.db.gz"
    pack(source, out, "--redact")
    lines = "SELECT id, length(t) - length(replace(t, char(10), '')) AS n FROM (SELECT id, artifact_text(id) AS t FROM artifact) ORDER BY id"
    assert query(out, lines) == query(source, lines)
    for row in query(out, "SELECT hex(md5) AS md5, artifact_text(id) AS t, size FROM artifact"):
        data = row["t"].encode()
        assert hashlib.md5(data).hexdigest().upper() == row["md5"] and len(data) == row["size"]
    # The logs it gives back import again without an md5 mismatch, into the same compiles.
    run_plumb("export", out, "--torch-trace", tmp_path / "logs")
    run_plumb("import", tmp_path / "logs", "-o", tmp_path / "again.db")
    assert values(tmp_path / "again.db", "SELECT sum(md5_mismatches) FROM envelope_counts") == [0]
    same = "SELECT compile_id, outcome, graph_op_count FROM (SELECT c.compile_id, c.outcome, c.n_ops AS graph_op_count FROM compile c) ORDER BY 1"
    assert query(tmp_path / "again.db", same) == query(source, same)


def test_same_word_same_token(traces, tmp_path):
    """Two runs of one program, redacted apart, name its file by the same token."""
    files = []
    for i, name in enumerate(("caches_1_miss", "caches_2_hit")):
        pack(traces(name), tmp_path / f"{i}.db.gz", "--redact")
        files.append(set(values(tmp_path / f"{i}.db.gz", "SELECT DISTINCT s.text FROM compile c JOIN string s ON s.id = c.file")))
    assert files[0] and files[0] == files[1]
    assert all(re.fullmatch(r"(/r_[0-9a-f]{10})+\.py", f) for f in files[0]), files[0]


def test_torch_paths_stay(traces, tmp_path):
    pack(traces("simple"), tmp_path / "r.db.gz", "--redact")
    texts = values(tmp_path / "r.db.gz", "SELECT text FROM string WHERE text LIKE '%site-packages/torch/%'")
    assert any(t.endswith("/site-packages/torch/_dynamo/convert_frame.py") for t in texts)
    assert not any("/usr/lib" in t for t in texts)
