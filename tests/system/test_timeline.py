"""The timeline: its tables against the named query, its tiles against the rows, what it says of runs without times."""
import html
import json
import re
import sqlite3
import struct

import pytest

import made_timeline
from conftest import GIVEN, Server, query, run_plumb, values


def plain(markup):
    return html.unescape(re.sub(r"<[^>]*>", "", markup)).replace("\u202f", "").strip()


def rows(page, table):
    body = page.split(f'id="{table}"', 1)[1].split("<tbody>", 1)[1].split("</tbody>", 1)[0]
    return [[plain(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)] for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.S)]


def unit(page):
    """ns of the sums of the area's table: short stretches are in microseconds."""
    return 1e3 if "Total <small>\u00b5s" in page else 1e6


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_timeline.make(tmp_path_factory.mktemp("timeline") / "t.db")


@pytest.fixture(scope="module")
def served(made):
    server = Server(made.path)
    yield server
    server.close()


@pytest.fixture(scope="module")
def index(served):
    return json.loads(served.text("/timeline/index"))


def area(made, **parameters):
    words = [w for key, value in parameters.items() for w in ("-p", f"{key}={value}")]
    return json.loads(run_plumb("sql", made.path, "-n", "timeline_area", "--format", "json", *words).out)


def test_the_table_of_the_whole_run_is_the_named_query(made, served):
    page = served.text("/timeline?sort=total&all=1")
    shown = sorted((row[0], row[1] == "launch", int(row[3]), float(row[4])) for row in rows(page, "area-table") if not row[0].startswith("idle on"))
    wanted = sorted((row["name"].replace("\u202e", "\ufffd"), row["kind"] == 10, row["n"], row["within_ns"] / unit(page)) for row in area(made))
    assert [row[:3] for row in shown] == [row[:3] for row in wanted] and len(wanted) > 20
    assert all(abs(a[3] - b[3]) < 0.051 for a, b in zip(shown, wanted))


def test_the_table_of_a_part_is_the_named_query(made, served):
    t0 = made.begin + (made.end - made.begin) // 3
    t1 = t0 + (made.end - made.begin) // 4
    page = served.text(f"/timeline?sort=total&all=1&a0={t0}&a1={t1}")
    assert "Selected area" in page
    shown = sorted((row[0], int(row[3])) for row in rows(page, "area-table") if not row[0].startswith("idle on"))
    assert shown == sorted((row["name"], row["n"]) for row in area(made, t0=t0, t1=t1)) and shown


def test_selves_and_idle_time_of_a_track_add_up(made, served, index):
    key = next(track["key"] for track in index["tracks"] if track["kind"] == 2)
    page = served.text(f"/timeline?tracks={key}&all=1")
    total = sum(float(row[4]) for row in rows(page, "area-table"))
    whole = index["length"] / unit(page)
    assert abs(total - whole) < 0.05 * len(rows(page, "area-table")) + 0.001 * whole


def sections(body):
    """{(track, lane): [(ts, dur, count, id, busy, name, flags)]}"""
    assert body[:4] == b"PLT1"
    found, at = {}, 8
    for _ in range(struct.unpack_from("<I", body, 4)[0]):
        track, lane, n, flags, _ = struct.unpack_from("<IIIId", body, at)
        at += 24
        if not flags & 4:
            found[track, lane] = [struct.unpack_from("<ddIIfHH", body, at + 32 * i) for i in range(n)]
        at += 32 * n
    assert at == len(body)
    return found


def tile(served, index, level, number, **how):
    return served.get(f"/timeline/tiles?g={index['tag']}&level={level}&tile={number}", **how)


def test_tiles_hold_every_event_once(made, served, index):
    base = int(index["base"])
    events = {row["id"]: row for row in query(made.path, "SELECT id, ts, dur, (SELECT text FROM string WHERE id = e.name) AS name FROM event e")}
    level = next(k for k in range(24) if 256 * 4 ** k > index["length"])
    marks = [mark for section in sections(tile(served, index, level, 0)[2]).values() for mark in section]
    assert sum(mark[2] for mark in marks) == len(events)
    for ts, dur, count, event, _, name, _ in marks:
        if count == 1:
            row = events[event]
            assert (int(ts) + base, int(dur)) == (row["ts"], row["dur"]) and index["names"][name][0] == row["name"]


def test_what_is_wrong_is_seen_at_every_zoom(made, served, index):
    for level in range(8, 20):
        size = 256 * 4 ** level
        seen = 0
        for number in range(0, index["length"] // size + 1) if index["length"] // size < 40 else []:
            for section in sections(tile(served, index, level, number)[2]).values():
                for mark in section:
                    seen |= mark[6]
        assert seen & 1 or index["length"] // size >= 40, level


def test_a_browser_may_keep_a_tile_and_not_of_another_file(served, index):
    assert "immutable" in tile(served, index, 5, 0)[1]["Cache-Control"]
    assert "no-cache" in served.get("/timeline/tiles?g=other&level=5&tile=0", expect=404)[1]["Cache-Control"]
    for level, number in ((-1, 0), (24, 0), (3, -1), (3, 2 ** 62), ("x", "y")):
        assert tile(served, index, level, number, expect=400)


def test_a_launch_leads_to_its_kernel(made, served, index):
    launch, ts = made.launches[3]
    base = int(index["base"])
    host = next(track for track in index["tracks"] if track["kind"] == 2)
    picks = [(lane, json.loads(served.text(f"/timeline/flow?sel={host['key']}@{ts}:{lane}"))) for lane in range(host["lanes"])]
    flow = next(found for _, found in picks if found)
    assert len(flow) == 1 and flow[0][0] == 1
    assert flow[0][1]["ts"] + base == ts + 500 and index["names"][flow[0][1]["name"]][0] == made_timeline.KERNEL
    page = served.text(f"/timeline?sel={flow[0][1]['sel']}")
    assert "launched by" in page and made_timeline.KERNEL in page.split('<aside class="drawer"')[1]


def test_steps(made, served, index):
    base = int(index["base"])
    first = json.loads(served.text(f"/timeline/step?t={base - 1}&q=made_kernel&dir=1"))
    assert first["ts"] + base == made.launches[0][1] + 500
    second = json.loads(served.text(f"/timeline/step?t={first['ts'] + base}&track={first['track']}&lane={first['lane']}&dir=1"))
    assert second["ts"] + base == made.launches[1][1] + 500
    back = json.loads(served.text(f"/timeline/step?t={second['ts'] + base}&track={first['track']}&lane={first['lane']}&dir=-1"))
    assert back == first
    assert served.text("/timeline/step?q=nothing+has+this+name") == "null"
    page = served.text("/timeline?q=nothing+has+this+name")
    assert "matches" in plain(page) and "events were searched" in plain(page)


def test_without_a_script_the_page_draws_and_links(made, served):
    page = served.text("/timeline")
    drawing = page.split('id="timeline"', 1)[1].split("</svg>", 1)[0]
    assert "sel=" in drawing and "41 lost" in drawing and "stream seven" in drawing
    inner = re.search(r'href="([^"]*)">zoom in', page).group(1)
    assert "This stretch is" in served.text(html.unescape(inner))


def test_names_are_never_markup(made, served):
    for address in ("/timeline", "/timeline?q=" + "script", f"/timeline?sel=p1.s7@{made.begin}"):
        page = served.text(address)
        assert "<script>alert" not in page and "\u202e" not in page, address
    assert made_timeline.HOSTILE in [name[0] for name in json.loads(served.text("/timeline/index"))["names"]]


def test_any_address_is_answered(served):
    for t in ("", "x", "-5", "9223372036854775807", "1e99", "%00", "\u221e".encode().hex()):
        for name in ("t0", "t1", "a0", "a1", "tracks", "on", "sel", "sort"):
            status = served.get(f"/timeline?{name}={t}", expect=None)[0]
            assert status in (200, 400), (name, t)


def test_compiled_code_shows_its_phases(tmp_path):
    path = tmp_path / "c.db"
    run_plumb("run", "mlp", "-n", "1", "--compile", "-o", path)
    server = Server(path)
    try:
        page = server.text("/timeline")
        kinds = {row[1] for row in rows(page, "tracks-table")}
        assert {"thread", "compile phases", "memory"} <= kinds
        assert "kernel" in {row[1] for row in rows(page, "area-table")}
    finally:
        server.close()


def test_what_differs_in_a_comparison_is_marked(tmp_path):
    a, b = tmp_path / "a.db", tmp_path / "b.db"
    run_plumb("run", "mlp", "-n", "2", "-o", a)
    run_plumb("run", "mlp", "-n", "2", "--seed", "2", "-o", b)
    server = Server("--compare", a, b)
    try:
        for number in (1, 2):
            index = json.loads(server.text(f"/timeline/index?file={number}"))
            level = next(k for k in range(24) if 256 * 4 ** k > index["length"])
            body = server.get(f"/timeline/tiles?file={number}&g={index['tag']}&level={level}&tile=0")[2]
            assert any(mark[6] & 2 for section in sections(body).values() for mark in section)
        assert "compares two runs" in plain(server.text("/timeline"))
    finally:
        server.close()
    alone = Server(a)
    try:
        assert "differs in a comparison" not in alone.text("/timeline")
    finally:
        alone.close()


def test_while_it_is_read_the_page_says_so_and_lists_a_stretch(tmp_path):
    made = made_timeline.make(tmp_path / "t.db")
    db = sqlite3.connect(made.path)
    first, track, name = db.execute("SELECT max(id) + 1, min(track), min(name) FROM event").fetchone()
    db.execute(
        """WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 600000)
        INSERT INTO event SELECT :first + i, :ts + i * 100, 50, :track, 1, :name, NULL, NULL, NULL, 0 FROM n""",
        {"first": first, "ts": made.end + 1000, "track": track, "name": name})
    db.commit()
    db.close()
    server = Server(made.path)
    try:
        page = server.text(f"/timeline?wait=0&t0={made.end + 1000}&t1={made.end + 1400}")
        assert "Reading the trace:" in page and len(rows(page, "rows-table")) == 4
        index = {}
        while "tracks" not in index:
            index = json.loads(server.text("/timeline/index"))
        page = server.text(f"/timeline?wait=0&t0={made.end + 1000}&t1={made.end + 1400}")
        assert "Reading the trace:" not in page and "4 events begin in it" in plain(page)
    finally:
        server.close()


@pytest.mark.skipif(not GIVEN, reason="PLUMB_TEST_DATA is not set")
def test_runs_without_times_say_so(tmp_path):
    dump, logs = tmp_path / "d.db", tmp_path / "l.db"
    run_plumb("import", GIVEN / "debug_mode/dumps/01_mlp_eager.json", "-o", dump)
    run_plumb("import", GIVEN / "plumb_traces/ranks4", "-o", logs)
    server = Server(dump, logs)
    try:
        page = plain(server.text("/timeline"))
        n = values(dump, "SELECT count(*) FROM call")[0]
        assert f"{n} calls in this run, none of which has a time." in page and "Operators has them" in page
        page = server.text("/timeline?file=1")
        assert "nothing that ran was recorded" in plain(page) and "readings of 4 sources" in plain(page)
        assert page.count(">rank ") >= 4
    finally:
        server.close()
