"""made_trace.py - traces made by hand from store/schema.sql, so that SQL is tested without the importer.

    trace = Trace(path)
    log = trace.log(run="job", rank=0, text=b"...")
    c = trace.compile(log, "0/0", outcome="ok")
    trace.add("recompile", compile=c, position=0, previous="0/0", reason="x == 2")
    trace.close()
"""
import os
import re
import sqlite3

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def schema():
    """(recorded, derived) parts of store/schema.sql."""
    with open(os.path.join(ROOT, "store", "schema.sql"), encoding="utf-8") as f:
        recorded, derived = f.read().split("-- @derived", 1)
    return recorded, "--" + derived


def reference_columns():
    """(table, column, target) of every column marked '-> table'."""
    table, out = None, []
    for line in schema()[0].splitlines():
        opened = re.match(r"CREATE TABLE (\w+) \(", line)
        column = re.match(r"  (\w+) \w+,?\s*(?:PRIMARY KEY,?\s*)?-- -> (\w+)", line)
        if opened:
            table = opened.group(1)
        elif column:
            out.append((table, column.group(1), column.group(2)))
    return out


class Trace:
    def __init__(self, path, derived=True, state="closed"):
        self.path = str(path)
        self.derived = derived
        self.db = sqlite3.connect(self.path)
        self.db.executescript(schema()[0])
        self.db.execute(f"PRAGMA application_id={0x706c6d62}")
        self.db.execute("PRAGMA user_version=4")
        for key, value in (("format", "plumb trace"), ("plumb_version", "test"), ("state", state)):
            self.add("meta", key=key, value=value)
        self.runs, self.words, self.sizes = {}, {}, {}

    def add(self, table, **columns):
        names = ", ".join(columns)
        marks = ", ".join("?" for _ in columns)
        return self.db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(columns.values())).lastrowid

    def word(self, text):
        if text is None:
            return None
        if text not in self.words:
            self.words[text] = self.add("string", text=text)
        return self.words[text]

    def log(self, run="run", rank=None, name=None, text=b"", state="complete"):
        if run not in self.runs:
            self.runs[run] = self.add("run", name=run, world=1)
        process = self.add("process", run=self.runs[run], rank=rank, pid=100)
        name = name or f"log_{rank}.log"
        log = self.add("source_file", run=self.runs[run], process=process, path=f"{run}/{name}", name=name,
                       size=len(text), rank=rank, n_records=1, n_payloads=1, state=state, year_from="chromium")
        for at in range(0, len(text), 1 << 20):
            piece = text[at:at + (1 << 20)]
            self.add("text_frame", stream=log, offset=at, size=len(piece), codec=0, packed=len(piece), data=piece)
        return log

    def compile(self, log, compile_id, outcome="ok", occurrence=1, name="f", **more):
        return self.add("compile", source=log, compile_id=compile_id, occurrence=occurrence, outcome=outcome,
                        attempts=1, name=self.word(name), file=self.word("a.py"), line=3, **more)

    def artifact(self, log, compile, name, offset, size, key="artifact", md5=b"\0" * 16):
        return self.add("artifact", source=log, offset=offset, stored=size, indented=0, size=size, md5=md5,
                        key=self.word(key), name=self.word(name), compile=compile, attempt=0, flags=0)

    def stack(self, *frames):
        parent = None
        for file, line, name in frames:
            parent = self.add("stack", parent=parent, file=self.word(file), line=line, name=self.word(name))
        return parent

    def close(self):
        if self.derived:
            self.db.executescript(schema()[1])
        self.db.commit()
        self.db.close()
        return self.path
