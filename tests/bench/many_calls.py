#!/usr/bin/python3
"""many_calls.py PLUMB FOLDER [CALLS] - the pages of a log of many calls: makes the trace by SQL, prints the first byte of each page.

The made model has 64 modules; every thousandth call begins a step, every tenth a module; each operator has three tensors with digest and
statistics; the last forty calls have NaNs. One name occurs once, near the end.
"""
import pathlib
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request

OPS = ["aten::mm", "aten::add.Tensor", "aten::relu", "aten::t", "aten::mul.Tensor", "aten::sum"]
PAGES = ["/overview", "/operators", "/operators?from=%(half)d&level=0", "/operators?from=%(half)d&level=1", "/operators?op=mm", "/operators?op=rare",
         "/operators?nonfinite=1", "/operators?module=Net.layers.1", "/operators?dtype=f64", "/operators?hash=0xffffffffff", "/call?call=%(late)d", "/nonfinite",
         "/health"]


def fill(path, n):
    d = sqlite3.connect(path)
    d.executescript("PRAGMA journal_mode=off; PRAGMA synchronous=off;")
    first, base = (d.execute(f"SELECT max(id) + 1 FROM {t}").fetchone()[0] for t in ("event", "string"))
    source, before = d.execute("SELECT source, calls FROM call_log").fetchone()
    words = {}

    def word(text):
        if text not in words:
            words[text] = base + len(words)
            d.execute("INSERT INTO string VALUES (?, ?)", (words[text], text))
        return words[text]

    header, f32, shape, form = word("nn.Mod"), word("f32"), word("[128, 128]"), word("t")
    places, names, root = [word("[0][0]"), word("[0][1]"), word("")], [word(o) for o in OPS], word("Net")
    modules, rare = [word(f"Net.layers.{k}") for k in range(64)], word("aten::rare")
    step = layer = None
    for at in range(0, n, 20000):
        events, calls, uses = [], [], []
        for i in range(at, min(at + 20000, n)):
            id = first + i
            if i % 1000 == 0:
                step, row = id, (8, root, None)
            elif i % 10 == 0:
                layer, row = id, (8, modules[i // 10 % 64], step)
            else:
                row = (3, rare if i == n - 7 else names[i % 6], layer if i % 1000 > 10 else step)
                for k in range(3):
                    uses.append((id, k, k // 2, places[k], i + k, form, f32, shape, (id * 2654435761 + k) * 7919 % 2**62, int(i > n - 40)))
            events.append((id, i * 100, 50, *row))
            args = word(f"t${i}: f32[128, 128], t${i + 1}: f32[128, 128]") if row[0] == 3 else header
            calls.append((id, source, before + i, 1, args))
        d.executemany("INSERT INTO event(id, ts, dur, kind, name, parent) VALUES (?, ?, ?, ?, ?, ?)", events)
        d.executemany("INSERT INTO call(event, source, position, depth, args) VALUES (?, ?, ?, ?, ?)", calls)
        d.executemany("INSERT INTO tensor_use(event, position, phase, arg, tensor, form, dtype, shape, hash_kind, digest, nans, infs, low, high) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 4, ?, ?, 0, -1, 1)", uses)
    d.execute("UPDATE call_log SET calls = ?", (before + n,))
    d.commit()


def wait_for(port):
    """The server listens when it has checked the file."""
    for _ in range(600):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)


def first_byte(port, path):
    begin = time.perf_counter()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        answer.read(1)
        return 1000 * (time.perf_counter() - begin)


def main():
    plumb, folder, n = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1000000
    trace = folder / "many_calls.db"
    kept = pathlib.Path(__file__).resolve().parents[1] / "data/logs/calls"
    subprocess.run([plumb, "import", kept, "--overwrite", "-o", trace], check=True, stderr=subprocess.DEVNULL)
    fill(trace, n)
    subprocess.run([plumb, "doctor", "--rebuild", trace], check=True, stdout=subprocess.DEVNULL)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = subprocess.Popen([plumb, "serve", "--no-token", "--port", str(port), trace], stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        for page in PAGES:
            path = page % {"half": n // 2, "late": n}
            took = min(first_byte(port, f"{path}{'&' if '?' in path else '?'}again={k}") for k in range(3))
            print(f"{path:40} {took:7.1f} ms")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
