"""The server as an attacker and as curl see it: tokens, hosts, origins, methods, limits, headers, hostile names."""
import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import BUILD, PLUMB, ROOT, Server, run_plumb
from made_trace import Trace

PAGES = [line.split('"')[1] for line in (ROOT / "web/routes.def").read_text().splitlines() if line.startswith("PAGE(")]
HEADERS = {
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def ask(server, path, method="GET", headers=None, body=None, host=None):
    """(status, headers, body) without following redirects."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    if host is not False:
        connection.putheader("Host", host or f"127.0.0.1:{server.port}")
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    result = answer.status, answer.headers, answer.read()
    connection.close()
    return result


def token_of(s):
    """The token that plumb serve printed; it listens a moment before."""
    end = time.monotonic() + 20
    while "token=" not in s.output() or not s.output().endswith("\n"):
        assert time.monotonic() < end, s.output()
        time.sleep(0.02)
    return s.output().split("token=")[1].split()[0]


@pytest.fixture(scope="module")
def guarded(demo):
    s = Server(demo, token=True)
    s.token = token_of(s)
    yield s
    s.close()


def cookie(s):
    return {"Cookie": f"plumb-{s.port}={s.token}"}


def test_every_page_needs_the_token(guarded):
    for path in PAGES + ["/data/runs.csv", "/data/runs.json", "/data/runs.md"]:
        status, _, body = ask(guarded, path)
        assert status == 403, path
        assert b"recompiles" not in body, f"{path} shows data without a token"
        assert ask(guarded, path, headers=cookie(guarded))[0] in (200, 303, 404), path


def test_the_token_becomes_a_cookie(guarded):
    status, headers, body = ask(guarded, f"/compiles?run=recompiles&token={guarded.token}&sort=-total_ns")
    assert status == 303 and body == b""
    assert headers["Location"] == "/compiles?run=recompiles&sort=-total_ns"
    crumbs = headers["Set-Cookie"].split("; ")
    assert crumbs[0] == f"plumb-{guarded.port}={guarded.token}"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(crumbs)
    assert "Domain" not in headers["Set-Cookie"]
    assert ask(guarded, headers["Location"], headers={"Cookie": crumbs[0]})[0] == 200


def test_a_wrong_token_is_refused(guarded):
    for token in ("0" * 32, "", guarded.token[:-1], guarded.token + "0"):
        assert ask(guarded, f"/overview?token={token}")[0] == 403
    assert ask(guarded, "/overview", headers={"Cookie": f"plumb-1={guarded.token}"})[0] == 403


def test_tokens_differ_between_runs(demo, guarded):
    other = Server(demo, token=True)
    try:
        token = token_of(other)
        assert len(token) == 32 and token != guarded.token
        assert ask(other, "/overview", headers=cookie(guarded))[0] == 403
    finally:
        assert other.close() == 0


def test_only_our_names_are_served(server):
    port = server.port
    for host in (f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", f"127.0.0.1.evil.example:{port}", f"0.0.0.0:{port}"):
        status, _, body = ask(server, "/overview?run=recompiles", host=host)
        assert status == 421 and b"by_shape" not in body, host
    assert ask(server, "/overview", host=False)[0] in (400, 421)
    for host in (f"localhost:{port}", f"[::1]:{port}", f"LOCALHOST:{port}"):
        assert ask(server, "/overview?run=recompiles", host=host)[0] == 200, host


def test_two_hosts_are_refused(server):
    with socket.create_connection(("127.0.0.1", server.port)) as s:
        ours = f"Host: 127.0.0.1:{server.port}\r\n".encode()
        s.sendall(b"GET /overview HTTP/1.1\r\n" + ours + b"Host: evil.example\r\nConnection: close\r\n\r\n")
        assert b" 421 " in s.recv(4096).split(b"\r\n")[0] + b" "


def test_other_sites_get_nothing(server):
    for site in ("cross-site", "same-site"):
        for path in ("/overview?run=recompiles", "/data/runs.json", "/a/plumb.css"):
            status, _, body = ask(server, path, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"})
            assert status == 403 and b"by_shape" not in body, (site, path)
        assert ask(server, "/overview", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"})[0] == 403
    for origin in ("null", "http://evil.example", f"https://127.0.0.1:{server.port}"):
        assert ask(server, "/overview", headers={"Origin": origin})[0] == 403, origin
    assert ask(server, "/overview", headers={"Origin": f"http://localhost:{server.port}"})[0] == 200


def test_a_link_from_another_site_leads_on(server, guarded):
    navigation = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for s in (server, guarded):
        status, _, body = ask(s, '/compiles?run=recompiles&q="><script>x', headers=navigation)
        assert status == 200
        page = body.decode()
        assert "by_shape" not in page and page.count("href=\"/compiles?") == 1
        assert "<script>x" not in page
        assert 'href="/compiles?run=recompiles&amp;q=%22%3E%3Cscript%3Ex"' in page


def test_methods(server):
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "POST"):
        status, headers, _ = ask(server, "/overview", method=method)
        assert status in (405, 501), method
    status, headers, body = ask(server, "/overview?run=recompiles", method="HEAD")
    assert status == 200 and body == b"" and int(headers["Content-Length"]) > 1000


def test_every_answer_carries_the_headers(server):
    paths = PAGES + ["/data/runs.csv", "/a/plumb.css", "/a/plumb.js", "/a/none", "/nothing", "/overview?run=none", "/overview?file=9", "/?x=%zz"]
    for path in paths:
        status, headers, _ = ask(server, path)
        for name, value in HEADERS.items():
            assert value in headers.get(name, ""), (path, status, name)
        assert "charset=utf-8" in headers["Content-Type"], path
        assert "Access-Control-Allow-Origin" not in headers, path
        assert "unsafe" not in headers["Content-Security-Policy"]


def test_no_page_has_inline_script_or_style(server):
    import re
    for path in PAGES:
        body = server.text(path + "?run=recompiles", expect=None)
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", body), path


def test_bad_addresses(server):
    for path, status in (("/nothing", 404), ("/a/../plumb.css", 404), ("/data/nothing.csv", 404), ("/data/runs.exe", 404), ("/?x=%", 400), ("/?x=%00", 400),
                         ("//evil.example/", 400), ("/overview?file=-1", 404), ("/overview?file=99999999999999999999", 404), ("/overview?file=x", 404),
                         ("/overview?" + "&".join(f"a{i}=1" for i in range(80)), 400), ("/overview?run=none", 404)):
        assert ask(server, path)[0] == status, path
    assert ask(server, "/overview?x=" + "a" * 9000)[0] in (400, 414, 431)
    assert ask(server, "/overview", headers={"X": "a" * 17000})[0] == 431


def test_a_redirect_stays_here(guarded):
    for path in ("//evil.example/", "/\\evil.example/"):
        status, headers, _ = ask(guarded, f"{path}?token={guarded.token}")
        assert status in (400, 403) and "Location" not in headers


def test_assets_are_packed_and_kept(server):
    page = server.text("/overview?run=recompiles")
    for name in ("plumb.css", "plumb.js"):
        address = page.split(f"/a/{name}")[1].split('"')[0]
        status, headers, raw = ask(server, f"/a/{name}{address}")
        assert status == 200 and "immutable" in headers["Cache-Control"]
        status, headers, packed = ask(server, f"/a/{name}{address}", headers={"Accept-Encoding": "gzip"})
        assert headers["Content-Encoding"] == "gzip" and gzip.decompress(packed) == raw


def test_pages_are_packed_when_asked(server):
    status, headers, body = ask(server, "/compiles?run=recompiles", headers={"Accept-Encoding": "gzip, br"})
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == ask(server, "/compiles?run=recompiles")[2]


def test_named_queries_as_data(server):
    rows = json.loads(server.text("/data/compiles.json?run=recompiles"))
    assert len(rows) == 13 and rows[0]["compile_id"] == "0/0"
    lines = server.get("/data/compiles.csv?run=recompiles")[2].decode().split("\r\n")
    assert lines[0].startswith("compile_id,outcome,function") and len(lines) == 15
    assert server.text("/data/compiles.md?run=recompiles").count("\n") == 15
    assert len(json.loads(server.text("/data/compiles.json?run=recompiles&outcome=failed"))) == 1


HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m\u202e{{x}}"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "hostile.db"
    trace = Trace(path)
    trace.db.executescript("""
        INSERT INTO run(id, name, command, torch_version, start_ts) VALUES (1, :h, :h, :h, 1), (2, 'other', NULL, NULL, 2);
        INSERT INTO string VALUES (1, :h), (2, '/x/' || :h), (3, 'artifact');
        INSERT INTO process(id, run, pid) VALUES (1, 1, 1);
        INSERT INTO source_file(id, run, process, path, name, size, state) VALUES (1, 1, 1, :h, :h, 10, 'complete');
        INSERT INTO stack VALUES (1, NULL, 2, 1, 1, 1), (2, 1, 2, 1, 1, 1);
        INSERT INTO compile(id, source, compile_id, frame_id, frame_compile_id, occurrence, attempts, outcome, name, file, line, stack, start_ts, total_ns)
          VALUES (1, 1, :h, 0, 0, 1, 1, 'failed', 1, 2, 1, 2, 1, 5), (2, 1, '0/1', 0, 1, 1, 1, 'restarted', 1, 2, 1, 2, 2, 5);
        INSERT INTO failure(compile, type, reason, file, line) VALUES (1, :h, :h, :h, 3);
        INSERT INTO restart(compile, position, reason) VALUES (2, 0, :h);
        INSERT INTO recompile(compile, position, previous, reason) VALUES (2, 0, '0/0', :h);
        INSERT INTO graph_break(id, source, compile, attempt, reason, detail, file, line) VALUES (1, 1, 2, 0, :h, :h || char(10) || :h, :h, 1);
        INSERT INTO loss(id, source, kind, count, message) VALUES (1, 1, 'md5', 1, :h);
        INSERT INTO track VALUES (1, 1, 1, 1, 1, 1);
        INSERT INTO event VALUES (1, 1, 1000, 1, 1, 1, NULL, 2, NULL, 0);
        INSERT INTO metric_record VALUES (1, 1, 2, 1, 0, 1);
        INSERT INTO compile_metric VALUES (1, 1, 4, 1);
        INSERT INTO guard(id, source, compile, kind, code, parent, origin) VALUES (1, 1, 2, 1, 1, 1, 1);
        INSERT INTO symbol(id, source, compile, kind, symbol, value, range, origin) VALUES (1, 1, 2, 'backed', :h, :h, :h, :h);
        INSERT INTO cache_event(id, source, compile, cache, outcome, reason, cache_key) VALUES (1, 1, 2, :h, 'bypass', :h, :h);
        INSERT INTO artifact(id, source, offset, stored, indented, size, key, name, compile) VALUES (1, 1, 0, 0, 0, 0, 3, 1, 2);
    """.replace(":h", "'" + HOSTILE.replace("'", "''") + "'"))
    trace.close()
    s = Server(path)
    yield s
    s.close()


def test_names_of_a_trace_never_become_markup(hostile):
    from urllib.parse import quote
    run = quote(HOSTILE)
    paths = ["/", *(f"{page}?run={run}" for page in PAGES if page != "/"), f"/compile?run={run}&compile_id=0/1", f"/compile?run={run}&compile_id={run}",
             f"/compile?run={run}&compile_id=0/1&metrics=all&guard={run}", f"/compiles?run={run}&q={run}", f"/compiles?run={run}&outcome={run}",
             f"/overview?run={run}x", f"/compile?run={run}&compile_id={run}x"]
    for path in paths:
        status, _, body = ask(hostile, path)
        page = body.decode("utf-8")
        assert status in (200, 404), (path, status)
        assert "<script>alert" not in page and "\x1b" not in page and "\u202e" not in page, path
        assert "alert(1)" in page or path == "/help", path


def test_hostile_names_in_data_are_data(hostile):
    from urllib.parse import quote
    rows = json.loads(hostile.text(f"/data/failures.json?run={quote(HOSTILE)}"))
    assert rows[0]["type"] == HOSTILE
    status, headers, body = ask(hostile, f"/data/failures.csv?run={quote(HOSTILE)}")
    assert headers["Content-Disposition"] == 'attachment; filename="failures.csv"'


def test_a_client_that_goes_away_costs_nothing(server):
    for _ in range(30):
        s = socket.create_connection(("127.0.0.1", server.port))
        s.sendall(f"GET /compiles?run=graph_breaks&x={time.monotonic()} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        s.close()
    assert ask(server, "/overview?run=recompiles")[0] == 200


def test_many_at_once(server):
    results = []

    def one(i):
        results.append(ask(server, f"/compiles?run=recompiles&i={i}")[0])

    threads = [threading.Thread(target=one, args=(i,)) for i in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [200] * 40


def test_a_taken_port_is_named(server, demo):
    r = run_plumb("serve", demo, "--port", server.port, expect=2)
    assert f"port {server.port} is taken" in r.err and "--port" in r.err


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it(demo, which):
    process = subprocess.Popen([str(PLUMB), "serve", str(demo), "--port", "0", "--no-token"], stdout=subprocess.PIPE)
    address = process.stdout.readline().decode()
    assert address.startswith("http://127.0.0.1:") and not address.startswith("http://127.0.0.1:0/")
    process.send_signal(which)
    assert process.wait(20) == 0
    process.stdout.close()


def test_a_folder_is_imported_once(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    source = next((ROOT / "tests/data/logs/recompiles").iterdir())
    text = source.read_bytes()
    text = gzip.decompress(text) if source.suffix == ".gz" else text
    (logs / "dedicated_log_torch_trace_a.log").write_bytes(text)
    cache = BUILD / "cache/plumb"
    before = set(cache.glob("*")) if cache.is_dir() else set()
    for turn in range(2):
        s = Server(logs)
        assert "13" in s.text("/overview")
        assert s.close() == 0
        made = set(cache.glob("*")) - before
        assert len(made) == 1 and next(iter(made)).suffix == ".db", made
        if turn == 0:
            first = next(iter(made)).stat().st_mtime_ns
        else:
            assert next(iter(made)).stat().st_mtime_ns == first
    with open(logs / "dedicated_log_torch_trace_a.log", "ab") as f:
        f.write(b"\n")
    s = Server(logs)
    assert s.close() == 0
    assert len(set(cache.glob("*")) - before) == 1, "what the log was before is removed"


def test_a_packed_file_and_several_files(demo, traces, tmp_path):
    packed = tmp_path / "p.db.gz"
    packed.write_bytes(gzip.compress(demo.read_bytes(), 1))
    s = Server(packed, traces("simple"))
    try:
        assert "13" in s.text("/overview?run=recompiles")
        second = s.text("/overview?file=1")
        assert ">simple<" in second and "/compiles?file=1" in second
        assert s.get("/overview?file=2", expect=404)
    finally:
        assert s.close() == 0


def test_a_replaced_file_is_shown_anew(traces, tmp_path):
    path = tmp_path / "t.db"
    path.write_bytes(traces("simple").read_bytes())
    s = Server(path)
    try:
        assert ">recompiles<" not in s.text("/overview")
        other = tmp_path / "other.db"
        other.write_bytes(traces("recompiles").read_bytes())
        os.replace(other, path)
        assert ">recompiles<" in s.text("/overview")
    finally:
        assert s.close() == 0
