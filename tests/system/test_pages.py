"""The pages over HTTP: artifacts line by line, failures, breaks, recompiles, search, the SQL console, health.

What a page shows is compared with what `plumb sql` and `plumb search` say of the same trace; what the browser makes of it is test_browser.py's.
"""
import csv
import html
import http.client
import io
import json
import random
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

import logs
from conftest import TIMEOUT, Server, query, run_plumb, values

LINE = re.compile(r'<li id="L(\d+)"[^>]*><a href="#L\d+">\d+</a><span>(.*?)</span>(?:<a class="from".*?)?</li>', re.S)


def plain(markup):
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


def lines(page):
    """{number: text} of the code on an artifact's page."""
    return {int(number): plain(text) for number, text in LINE.findall(page)}


def link(path, **parameters):
    return path + "?" + urllib.parse.urlencode(parameters)


def post(server, expect=200, **fields):
    data = urllib.parse.urlencode(fields).encode()
    request = urllib.request.Request(server.url + "/sql", data=data)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    assert status == expect, body[:500]
    return body.decode("utf-8")


def made(tmp_path, data):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/dedicated_log_torch_trace_x.log").write_bytes(data)
    run_plumb("import", tmp_path / "in", "-o", tmp_path / "made.db")
    return tmp_path / "made.db"


@pytest.fixture(scope="module")
def artifacts(demo):
    sql = "SELECT run, log, offset, name, size, encoding, artifact_text(id) AS text FROM artifacts"
    return query(demo, sql)


# ---- artifacts ----

def test_every_artifact_shows_its_lines(server, artifacts):
    shown = laid_out = 0
    for a in artifacts:
        page = server.text(link("/artifact", run=a["run"], log=a["log"], at=a["offset"]))
        want = a["text"].split("\n")
        if want and want[-1] == "":
            want.pop()
        got = lines(page)
        if "Stored</a>" in page:
            laid_out += 1
            assert json.loads("\n".join(got.values())) == json.loads(a["text"]), a["name"]
        else:
            shown += 1
            assert [w.replace("\r", "") for w in want[:2000] if len(w) < 8000] == [
                t for t in got.values() if len(t) < 8000], (a["run"], a["name"])
    assert shown > 100 and laid_out > 5


def test_stored_form_of_json(server, artifacts):
    a = next(a for a in artifacts if a["encoding"] == "json" and a["text"].count("\n") == 0 and 160 < len(a["text"]) < 8000)
    page = server.text(link("/artifact", run=a["run"], log=a["log"], at=a["offset"], view="stored"))
    assert lines(page) == {1: a["text"]}


def test_download_is_the_content_under_a_fixed_name(server, artifacts):
    for a in artifacts[:40]:
        _, headers, body = server.get(link("/artifact", run=a["run"], log=a["log"], at=a["offset"], raw=1))
        assert body.decode("utf-8", "replace") == a["text"]
        assert re.fullmatch(r'attachment; filename="artifact\.(txt|json|py)"', headers["Content-Disposition"])
        assert headers["Content-Type"].startswith("text/plain")


def test_neighbours_lead_through_a_compile(server, artifacts):
    a = next(a for a in artifacts if a["run"] == "provenance" and a["name"] == "dynamo_output_graph")
    href, seen = link("/artifact", run=a["run"], log=a["log"], at=a["offset"]), []
    while href:
        page = server.text(href)
        seen.append(re.search(r"<h1>(?:<[^>]*>)*([^<]+)", page).group(1))
        following = re.search(r'<a rel="next"[^>]*href="([^"]+)"', page)
        href = html.unescape(following.group(1)) if following else None
    assert seen[0] == "dynamo_output_graph" and seen[-1] == "dynamo_cpp_guards_str" and len(seen) == 16


def test_difference_of_two_versions(server, artifacts, demo):
    a = query(demo, "SELECT log, offset FROM artifacts WHERE run = 'recompiles' AND compile_id = '0/1' AND name = 'dynamo_output_graph'")[0]
    page = server.text(link("/artifact", run="recompiles", log=a["log"], at=a["offset"], diff=1))
    gone = [plain(x) for x in re.findall(r'<li class="gone">.*?<span>(.*?)</span></li>', page, re.S)]
    came = [plain(x) for x in re.findall(r'<li class="new">.*?<span>(.*?)</span></li>', page, re.S)]
    assert any("f32[4, 8]" in x for x in gone) and any("s77" in x for x in came)


def test_provenance_names_stand_at_their_lines(server, demo):
    rows = query(demo, "SELECT DISTINCT run, code FROM provenance_lines WHERE relation = 'pyCodeToPost' LIMIT 1")
    code = query(demo, "SELECT log, offset FROM artifacts WHERE id = :id", id=rows[0]["code"])[0]
    want = values(demo, "SELECT DISTINCT p.line, n.name FROM provenance_lines p JOIN graphs g ON g.artifact = p.post "
                        "JOIN nodes n ON n.graph = coalesce(g.same_as, g.graph) AND n.line = p.to_line "
                        "WHERE p.code = :id AND p.relation = 'pyCodeToPost'", id=rows[0]["code"])
    page = server.text(link("/artifact", run=rows[0]["run"], log=code["log"], at=code["offset"]))
    got = set()
    for number, names in re.findall(r'<li id="L(\d+)".*</span>((?:<a class="from"[^\n]*?</a>)+)</li>', page):
        got |= {(int(number), name) for name in re.findall(r'class="from"[^>]*>([^<]+)<', names)}
    assert got and got <= set(want)
    assert {line for line, _ in got} == {line for line, _ in want}


def test_large_artifact_comes_in_windows(tmp_path):
    text = "\n".join(f"line {i}" for i in range(1, 300001)) + "\n" + "x" * 3_000_000 + "\nend"
    db = made(tmp_path, logs.small(1) + logs.artifact("big", text))
    a = query(db, "SELECT log, offset FROM artifacts WHERE name = 'big'")[0]
    server = Server(db)
    try:
        began = time.monotonic()
        page = server.text(link("/artifact", at=a["offset"]))
        assert time.monotonic() - began < 10
        assert len(page) < 2_000_000
        got = lines(page)
        assert got[1] == "line 1" and got[2000] == "line 2000" and len(got) == 2000
        following = html.unescape(re.search(r'href="([^"]*)">Next<', page).group(1))
        assert min(lines(server.text(following))) == 2001
        middle = lines(server.text(link("/artifact", at=a["offset"], line=150000)))
        assert middle[150000] == "line 150000"
        last = lines(server.text(link("/artifact", at=a["offset"], line=300002)))
        assert last[300002] == "end" and 8000 < len(last[300001]) < 9000
        assert server.get(link("/artifact", at=a["offset"], raw=1))[2].decode() == text
        assert lines(server.text(link("/artifact", at=a["offset"], **{"from": 10 ** 12}))) == {}
    finally:
        server.close()


HOSTILE = '</span><script>alert(1)</script>"\'&amp; ../../etc/passwd'


def test_hostile_text_stays_text(tmp_path):
    bytes_ = HOSTILE.encode() + b"\x00\x1b[31m\x7f\xff\xfe caf\xc3\xa9"
    reason = {"artifact": {"name": "recompile_reasons", "encoding": "string"}, **logs.ids(0, 1)}
    data = (logs.small(1) + logs.artifact(HOSTILE, bytes_) + logs.start(0, 1) +
            logs.record(reason, f"0/0: {HOSTILE} == '{HOSTILE}'  # {HOSTILE}  # a.py:1 in f") +
            logs.artifact("dynamo_graph_break_reason", f"Graph break in user code at {HOSTILE}:3\nGraph Break Reason: {HOSTILE}\n  Explanation: {HOSTILE}") +
            logs.metrics(0, 1, fail_type=HOSTILE, fail_reason=HOSTILE + "\n  Hint: " + HOSTILE, restart_reasons=[HOSTILE], co_name=HOSTILE) +
            logs.record({HOSTILE: {}}, "x"))
    db = made(tmp_path, data)
    at = values(db, f"SELECT offset FROM artifacts WHERE name LIKE '%script%'")[0]
    server = Server(db)
    try:
        pages = [link("/artifact", at=at), "/artifacts", "/failures", "/breaks", "/recompiles", "/health", "/guards", "/caches", "/exports",
                 link("/search", q="script>"), link("/search", q=HOSTILE), link("/artifacts", text=HOSTILE, compile_id=HOSTILE),
                 link("/sql", sql=HOSTILE), link("/recompiles", frame=HOSTILE), link("/artifact", at=HOSTILE)]
        for path in pages:
            _, headers, body = server.get(path, expect=None)
            page = body.decode("utf-8")  # every page is valid UTF-8
            assert "<script>alert" not in page and 'src="../' not in page, path
            assert "script-src 'self'" in headers["Content-Security-Policy"]
        page = server.text(link("/artifact", at=at))
        assert "\x00" not in page and "\x1b" not in page
        assert lines(page)[1].startswith(HOSTILE)
        assert lines(page)[1].endswith("\ufffd\ufffd caf\u00e9")
        assert "attachment" in server.get(link("/artifact", at=at, raw=1))[1]["Content-Disposition"]
        result = post(server, sql="SELECT name FROM artifacts", act="run")
        assert "<script>alert" not in result and "&lt;script&gt;alert" in result
    finally:
        server.close()


def test_list_is_paged_by_key(server, demo):
    want = values(demo, "SELECT name FROM artifacts WHERE run = 'ranks4' ORDER BY id")
    href, got = link("/artifacts", run="ranks4"), []
    while href:
        page = server.text(href)
        rows = re.findall(r'<tr><td class="w40"><a class="k" href="[^"]+">(.*?)</a></td>', page, re.S)
        assert 0 < len(rows) <= 50
        got += [plain(re.sub(r'title="[^"]*"', "", row)) for row in rows]
        following = re.search(r'<a rel="next" href="([^"]+)"', page)
        href = html.unescape(following.group(1)) if following else None
    assert got == want
    page = server.text(link("/artifacts", run="ranks4", kind="optimize_ddp_split_graph"))
    assert page.count('<tr><td class="w40">') == 4


# ---- failures, breaks, recompiles ----

def test_failures(server, demo):
    page = plain(server.text("/failures?run=failures"))
    n, compiles = values(demo, "SELECT (SELECT count(*) FROM failures WHERE run = 'failures'), "
                               "(SELECT count(*) FROM compiles WHERE run = 'failures')")[0]
    assert f"{n} of {compiles} compiles failed" in page
    for reason in values(demo, "SELECT reason FROM failures WHERE run = 'failures'"):
        for line in filter(None, map(str.strip, reason.split("\n"))):
            assert line.replace("`", "") in page.replace("`", ""), "the whole reason is on the page"
    assert "failures.py:24" in page


def test_breaks(server, demo):
    page = server.text("/breaks?run=graph_breaks")
    for row in query(demo, "SELECT file, line, compile_id FROM graph_breaks WHERE run = 'graph_breaks'"):
        assert f"{row['file'].rsplit('/', 1)[1]}:{row['line']}" in page
        assert f"[{row['compile_id']}]" in page
    assert "No graph breaks" in server.text("/breaks?run=recompiles")


def test_recompiles_name_both_values(server):
    page = server.text("/recompiles?run=recompiles")
    text = re.sub(r"\s+", " ", plain(page))
    assert "8 recompiles of 5 functions cost 792 ms, 77 % of all compile time." in text
    rows = [tuple(re.sub(r"\s+", " ", plain(cell)).strip() for cell in row) for row in re.findall(
        r'<div><span class="m warn"[^>]*>!</span>(.*?)</div><div class="exp">(.*?)</div><div class="act">(.*?)</div>', page, re.S)]
    assert ("x size at index 0", "4 guard of [0/0]", "6 by the reason") in rows
    assert ("x dtype", "Float guard of [1/0]", "Double by the reason") in rows
    assert ("power", "2 guard of [2/0]", "3 value of s64 when created") in rows
    assert any(row[0] == "negate" and row[1].startswith("False") and row[2].startswith("True") for row in rows)
    assert ("name", "'a' guard of [4/0]", "'bb' its own guard, made from this call") in rows
    assert any(row[0] == "name" and row[1].startswith("'ccc'") and row[2].startswith("not recorded") for row in rows)
    assert "Recompile limit reached" in text and "the limit is 3" in text


def test_one_function(server):
    page = server.text("/recompiles?run=recompiles")
    href = html.unescape(re.search(r'<a class="k" href="([^"#]+)#[^"]*"><code>by_name<', page).group(1))
    one = server.text(href)
    assert one.count('<div class="chain">') == 1 and "by_name" in one
    assert "No such function" in server.text("/recompiles?run=recompiles&frame=nothing")


# ---- search ----

def found(page):
    """Links of the lines of artifacts that a search shows, unescaped."""
    return [html.unescape(a) for a in re.findall(r'<td class="num"><a href="(/artifact[^"]+)">\d+</a>', page)]


def test_search_leads_to_the_line(server):
    page = server.text(link("/search", q="layer_norm", show=1))
    places = found(page)
    assert len(places) > 20
    for href in places[::7]:
        number = int(re.search(r"line=(\d+)", href).group(1))
        target = server.text(href.split("#")[0])
        if "Stored</a>" not in target:
            assert "layer_norm" in lines(target)[number]
            assert f'<li id="L{number}" class="hit"' in target


def test_search_counts_as_the_command_does(server, demo):
    rows = json.loads(run_plumb("search", demo, "layer_norm", "--limit", "0", "--format", "json", expect=None).out)
    n = {where: sum(r["where"] == where for r in rows) for where in ("artifact", "record", "word")}
    assert 20 < n["artifact"] + n["record"] < 250
    text = plain(server.text(link("/search", q="layer_norm", all=1)))
    assert f"{n['artifact']} line" in text and f"{n['word']} name" in text
    if n["record"]:
        assert f"{n['record']} place" in text


def test_search_by_expression_and_case(server):
    assert "layer_norm" in server.text(link("/search", q="/layer_?n[o]rm/"))
    assert "Nothing matches" in server.text(link("/search", q="LAYER_NORM"))
    assert found(server.text(link("/search", q="LAYER_NORM", i=1)))
    bad = server.text(link("/search", q="/(/"))
    assert 'data-state="error"' in bad and "parenthesis" in bad
    nothing = server.text(link("/search", q="qqzzqq"))
    assert 'data-state="no-match"' in nothing and "were searched" in nothing
    assert "<form" in server.text("/search")


def test_search_limits_are_said(tmp_path):
    db = made(tmp_path, logs.small(1) + logs.artifact("many", "needle here\n" * 5000))
    server = Server(db)
    try:
        page = plain(server.text(link("/search", q="needle")))
        assert "at least 250" in page and "ended at the limit of" in page
    finally:
        server.close()


# ---- SQL ----

def grid(page):
    table = re.search(r'<table class="auto grid">(.*?)</table>', page, re.S).group(1)
    head = [plain(x) for x in re.findall(r"<th[^>]*>(.*?)</th>", table, re.S)]
    rows = [[plain(c) for c in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)] for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)]
    return head, [row for row in rows if row]


def test_a_link_waits_for_run(server):
    page = server.text(link("/sql", sql="SELECT 6*7 AS answer"))
    assert "SELECT 6*7 AS answer</textarea>" in page and '<table class="auto grid">' not in page
    head, rows = grid(post(server, sql="SELECT 6*7 AS answer", act="run"))
    assert head == ["answer"] and rows == [["42"]]


def test_values_of_every_type(server):
    _, rows = grid(post(server, sql="SELECT NULL, 1, -0.1, 'a<b', x'00ff', 1e300", act="run"))
    assert rows == [["NULL", "1", "-0.1", "a<b", "x'00ff'", "1e+300"]]


def test_parameters_and_named_queries(server, demo):
    page = server.text(link("/sql", named="recompiles_by_guard", run="recompiles"))
    assert 'name="run" value="recompiles"' in page
    sql = html.unescape(re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.S).group(1))
    head, rows = grid(post(server, sql=sql, run="recompiles", act="run"))
    assert head[:2] == ["kind", "reasons"]
    want = json.loads(run_plumb("sql", demo, "--named", "recompiles_by_guard", "-p", "run=recompiles", "--format", "json").out)
    assert [row[:2] for row in rows] == [[w["kind"], str(w["reasons"])] for w in want]


def test_every_named_query_runs_in_the_console(server):
    page = server.text("/sql")
    names = re.findall(r'<option value="([a-z_0-9]+)"', page)
    assert len(names) > 40
    for name in names:
        text = html.unescape(re.search(r"<textarea[^>]*>\n(.*?)</textarea>", server.text(link("/sql", named=name)), re.S).group(1))
        answer = post(server, sql=text, act="run", run="recompiles")
        assert 'data-state="error"' not in answer, f"{name}: {plain(answer)[-600:]}"


def test_ids_are_links(server, demo):
    page = post(server, sql="SELECT compile, artifact FROM guards WHERE run = 'recompiles' AND artifact IS NOT NULL LIMIT 1", act="run")
    hrefs = [html.unescape(h) for h in re.findall(r'<td class="num"><a class="k" href="([^"]+)"', page)]
    assert hrefs[0].startswith("/compile?") and hrefs[1].startswith("/artifact?")
    for href in hrefs:
        assert server.get(href)[0] == 200
    page = post(server, sql="SELECT compile_id, log, run FROM compiles WHERE run = 'recompiles' LIMIT 1", act="run")
    assert 'href="/compile?' in page


def test_result_as_csv_and_json(server):
    sql = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t LIMIT 25000) SELECT i, 'a,\"b\"' AS s FROM t"
    rows = list(csv.reader(io.StringIO(post(server, sql=sql, act="csv"))))
    assert len(rows) == 25001 and rows[25000] == ["25000", 'a,"b"']
    assert json.loads(post(server, sql=sql, act="json"))[24999] == {"i": 25000, "s": 'a,"b"'}
    page = post(server, sql=sql, act="run")
    assert "truncated" in page and len(grid(page)[1]) == 10000


@pytest.mark.parametrize("sql, says", [
    ("ATTACH 'x.db' AS y", "ATTACH"), ("PRAGMA user_version", "PRAGMA"), ("DELETE FROM meta", "not allowed"),
    ("SELECT load_extension('x')", "load_extension"), ("SELECT 1; SELECT 2", "one statement"), ("", "outcome"),
    ("SELEC 1", "syntax error"), ("SELECT * FROM nowhere", "no such table"), ("-- nothing", "no statement"),
    ("SELECT length(group_concat(zeroblob(1e8))) FROM artifact", ""), ("CREATE TABLE t(a)", "not allowed")])
def test_refusals_say_what(server, sql, says):
    page = post(server, sql=sql, act="run")
    assert says in plain(page)
    assert sql == "" or 'data-state="error"' in page


ENDLESS = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t) SELECT max(i) FROM t"


def test_time_limit(server):
    began = time.monotonic()
    page = post(server, sql=ENDLESS, act="run", seconds=1)
    assert 0.9 < time.monotonic() - began < 4
    assert "ran out of time" in page and "Explain" in page


def test_a_second_request_stops_it(server):
    got = {}
    threads = [threading.Thread(target=lambda n=n: got.update({n: post(server, sql=f"{ENDLESS} -- {n}", act="run", seconds=30)}))
               for n in range(2)]
    for t in threads:
        t.start()
    began = time.monotonic()
    while server.text("/sql").count('value="cancel"') < 2:
        assert time.monotonic() - began < 10
    assert server.get("/health")[0] == 200, "the other pages go on"
    assert "running already" in post(server, sql="SELECT 1", act="run"), "a third one is told so"
    jobs = re.findall(r'name="job" value="(\d+)"', server.text("/sql"))
    for job in jobs:
        assert "asked to stop" in post(server, act="cancel", job=job)
    for t in threads:
        t.join(10)
    assert time.monotonic() - began < 15
    assert len(got) == 2 and all("cancelled" in page for page in got.values())
    assert "has ended already" in post(server, act="cancel", job=jobs[0])
    assert grid(post(server, sql="SELECT 1", act="run"))[1] == [["1"]]


def test_closing_the_connection_stops_it(server):
    body = urllib.parse.urlencode({"sql": ENDLESS, "act": "run", "seconds": 60})
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("POST", "/sql", body, {"Content-Type": "application/x-www-form-urlencoded"})
    began = time.monotonic()
    while 'value="cancel"' not in server.text("/sql"):
        assert time.monotonic() - began < 10
    connection.sock.close()
    while 'value="cancel"' in server.text("/sql"):
        assert time.monotonic() - began < 15
        time.sleep(0.05)


def test_a_post_from_elsewhere_is_refused(server):
    data = urllib.parse.urlencode({"sql": "SELECT 1", "act": "run"}).encode()
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
        request = urllib.request.Request(server.url + "/sql", data=data, headers=headers)
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(request, timeout=TIMEOUT)
        assert error.value.code in (403, 421)


def test_schema_is_beside_the_query(server):
    page = server.text(link("/sql", sql="SELECT * FROM recompiles"))
    drawer = page[page.index('class="drawer"'):]
    for name in ("compiles", "graph_breaks", "envelope_counts", "text_frame", "artifact"):
        assert f"<summary><code>{name}</code>" in drawer
    assert "<details open><summary><code>recompiles</code>" in drawer
    assert 'title="compile that was made"' in drawer


# ---- health ----

def test_a_sound_file_is_trusted(server, demo):
    page = plain(server.text("/health"))
    records, payloads = values(demo, "SELECT sum(n_records), sum(n_payloads) FROM source_file")[0]
    assert "This file can be trusted:" in page
    assert f"{records:,}".replace(",", "\u202f") in page and f"{payloads:,}".replace(",", "\u202f") in page


def test_losses_stand_one_by_one(tmp_path):
    data = logs.small(2) + b"this is no record\n" + logs.artifact("note", "text", md5="0" * 32) + logs.record({"new_key": {}}, "x")
    db = made(tmp_path, data)
    server = Server(db)
    try:
        page = plain(server.text("/health"))
        assert "can be trusted but for" in page
        for message in values(db, "SELECT message FROM losses"):
            assert message in page
        assert "new_key" in page and "guessed" in page
        at = values(db, "SELECT offset FROM artifacts WHERE flags & 1")[0]
        assert "MD5 is not the one" in server.text(link("/artifact", at=at))
    finally:
        server.close()


# ---- every page ----

PAGES = ["/artifacts?run=provenance", "/failures?run=failures", "/breaks?run=graph_breaks", "/recompiles?run=recompiles", "/health?run=recompiles",
         "/guards?run=dynamic_shapes", "/caches?run=caches_1_miss", "/exports?run=export_draft", "/provenance?run=provenance"]


@pytest.mark.parametrize("path", PAGES)
def test_data_of_a_page_is_there(server, path):
    page = server.text(path)
    data = {html.unescape(h) for h in re.findall(r'href="(/data/[^"]+)"', page)}
    assert data
    for href in data:
        body = server.text(href)
        if ".json" in href:
            json.loads(body)
        else:
            assert body


@pytest.mark.parametrize("path", PAGES)
def test_links_of_a_page_lead_somewhere(server, path):
    page = server.text(path)
    hrefs = {html.unescape(h).split("#")[0] for h in re.findall(r'href="(/[^"]*)"', page)}
    for href in sorted(hrefs)[:150]:
        assert server.get(href)[0] == 200, href


def test_exports_show_their_trees(server):
    text = plain(server.text("/exports?run=export_draft"))
    for word in ("u0 > 3", "2*s77 > 7", "demo.no_fake.default", "demo.wrong_shape.default", "L['x'].size()[0]", "No fake kernel"):
        assert word in text


def test_guards_by_kind_filter(server, demo):
    n = values(demo, "SELECT count(*) FROM guards WHERE run = 'dynamic_shapes' AND kind = 'TENSOR_MATCH'")[0]
    page = server.text(link("/guards", run="dynamic_shapes", kind="TENSOR_MATCH"))
    assert page.count('<td class="fit"><code>TENSOR_MATCH</code></td>') == n > 0


# ---- provenance ----

def panes(page):
    """[{line: (marked, has a link)}] of the panes, and their texts."""
    out = []
    for pane in re.findall(r'<div class="code"><ol>(.*?)</ol></div>(?:<p class="micro">|</div>)', page[page.index('class="panes"'):], re.S):
        found = re.findall(r'<li class="(hit|)" id="[a-z]+-(\d+)">(<a class="linked"|<a>)', pane)
        out.append({int(n): (c == "hit", a != "<a>") for c, n, a in found})
    return out


def test_provenance_tints_what_belongs_together(server, demo):
    pairs = values(demo, "SELECT relation, line, to_line FROM provenance_lines WHERE run = 'provenance' AND compile_id = '0/0'")
    code = {line for relation, line, _ in pairs if relation == "pyCodeToPost"}
    for line in sorted(code):
        post = {to for relation, at, to in pairs if relation == "pyCodeToPost" and at == line}
        pre = {to for relation, at, to in pairs if relation == "postToPre" and at in post}
        page = server.text(link("/provenance", run="provenance", compile_id="0/0", sel=f"code:{line}"))
        source, captured, lowered, generated = panes(page)
        assert {n for n, (hit, _) in generated.items() if hit} == {line}
        assert {n for n, (hit, _) in lowered.items() if hit} == post
        assert {n for n, (hit, _) in captured.items() if hit} == pre
        assert any(hit for hit, _ in source.values()) == bool(pre)
        assert {n for n, (_, linked) in generated.items() if linked} == code
    assert code


def test_provenance_without_maps_says_how(server):
    assert "INDUCTOR_PROVENANCE" in server.text("/provenance?run=failures")
    for sel in ("x:1", "code:-1", "code:999999", "code", ":", "post:99999999999999999999"):
        assert server.get(link("/provenance", run="provenance", sel=sel))[0] == 200


def test_a_text_that_was_left_out_says_so(tmp_path):
    noise = "".join(random.Random(1).choices("0123456789abcdef", k=3_000_000))
    db = made(tmp_path, logs.small(2) + logs.artifact("big", noise))
    out = tmp_path / "packed.db.gz"
    run_plumb("pack", db, "-o", out, "--limit", "500kB")
    at = values(out, "SELECT offset FROM artifacts WHERE name = 'big'")[0]
    server = Server(out)
    try:
        page = plain(server.text(link("/artifact", at=at)))
        assert "left out when this file was packed" in page and "payload is empty" not in page
        note = values(out, "SELECT offset FROM artifacts WHERE name = 'note' LIMIT 1")[0]
        assert lines(server.text(link("/artifact", at=note))) == {1: "the text of 0"}
        assert grid(post(server, sql="SELECT count(*) FROM artifacts", act="run"))[1] == [["3"]]
    finally:
        server.close()
