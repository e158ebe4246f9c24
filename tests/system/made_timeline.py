"""A trace with a stream, launches that lead to it, an error, a loss, and names that want to be markup."""
import sqlite3
import types

from conftest import run_plumb

HOSTILE = "</text><script>alert(1)</script>\"'&\u202e"
KERNEL = "made_kernel_of_the_device"


def make(path):
    run_plumb("run", "mlp", "-n", "2", "-o", path)
    db = sqlite3.connect(path)
    one = lambda sql, *args: db.execute(sql, args).fetchone()[0]  # noqa: E731
    begin, end = one("SELECT min(ts) FROM event"), one("SELECT max(ts + dur) FROM event")
    host = one("SELECT track FROM event LIMIT 1")
    string = one("SELECT max(id) FROM string")
    db.executemany("INSERT INTO string (id, text) VALUES (?, ?)", [(string + 1, KERNEL), (string + 2, HOSTILE), (string + 3, "stream seven")])
    stream, event = one("SELECT max(id) + 1 FROM track"), one("SELECT max(id) FROM event")
    db.execute("INSERT INTO track (id, process, kind, name, pid, tid) SELECT ?, process, 3, ?, pid, 7 FROM track WHERE id = ?", (stream, string + 3, host))
    launches = db.execute("SELECT id, ts FROM event WHERE kind = 10 ORDER BY ts LIMIT 20").fetchall()
    for i, (launch, ts) in enumerate(launches):
        db.execute("INSERT INTO event VALUES (?, ?, ?, ?, 10, ?, NULL, NULL, NULL, 0)", (event + 1 + i, ts + 500, 300 + i, stream, string + 1))
        db.execute("INSERT INTO link VALUES (?, 2, ?)", (launch, event + 1 + i))
    # Late in id and early in time: this track has to be sorted.
    db.execute("INSERT INTO event VALUES (?, ?, 40, ?, 10, ?, NULL, NULL, NULL, 0)", (event + 101, begin, stream, string + 2))
    parent = one("SELECT id FROM event WHERE kind = 3 ORDER BY ts LIMIT 1")
    db.execute("INSERT INTO event SELECT ?, ts + 1, 0, track, 14, ?, id, NULL, NULL, 0 FROM event WHERE id = ?", (event + 102, string + 2, parent))
    db.execute("INSERT INTO loss (source, kind, ts, count, message) SELECT min(id), 'ring', ?, 41, ? FROM source_file", ((begin + end) // 2, HOSTILE))
    db.commit()
    db.close()
    return types.SimpleNamespace(path=path, begin=begin, end=end, stream=stream, launches=launches, error=parent)
