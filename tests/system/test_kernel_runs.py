"""The pages of kernels over what `plumb run --compile` records: every kernel has its page, every launch its kernel.

What the pages say is compared with the rows of the trace.
"""
import html
import re

import pytest

from conftest import Server, query, run_plumb, values
from test_kernel_page import ids, plain, rows, section

STEPS = 3


@pytest.fixture(scope="module", params=["mlp", "gpt"])
def run(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("compiled") / f"{request.param}.db"
    run_plumb("run", request.param, "--compile", "-n", STEPS, "-o", path)
    server = Server(path)
    yield path, server
    server.close()


def test_every_launch_of_a_compiled_kernel_leads_to_it(run):
    path, _ = run
    known = {(r["site"], r["launches"]) for r in query(path, "SELECT site, count(*) AS launches FROM launches WHERE site IS NOT NULL GROUP BY 1")}
    assert known
    told = query(path, "SELECT w.text AS site, t.launches FROM kernel_times t JOIN kernel k ON k.id = t.kernel JOIN string w ON w.id = k.site")
    assert {(r["site"], r["launches"]) for r in told} == known


def test_every_kernel_has_a_page_that_knows_it(run):
    path, server = run
    kernels = query(path, "SELECT k.id, w.text AS name, k.role, k.combo, k.line, k.last_line FROM kernel k JOIN string w ON w.id = k.name")
    assert len(kernels) > 10
    for k in kernels:
        page = server.text(f"/kernel?id={k['id']}")
        assert plain(page.split("<h1>")[1].split("</h1>")[0]) == k["name"]
        assert rows(section(page, "members")), k
        assert '<section id="around">' in page and rows(section(page, "arguments")), k
        code = section(page, "code")
        if k["line"]:
            lines = [int(n) for n in re.findall(r'<li id="L(\d+)"', code)]
            assert lines and lines[0] == k["line"] and lines[-1] <= k["last_line"] and k["name"].split("_")[0] in plain(code)
        else:
            assert "No code of its own." in code and k["role"] in ("extern", "combo"), k


def test_kernels_of_one_code_say_so(run):
    path, server = run
    shared = values(path, "SELECT min(id), count(*) FROM kernel WHERE line IS NOT NULL GROUP BY artifact, line HAVING count(*) > 1")
    assert shared
    for id, n in shared[:5]:
        assert f"The same code serves {n - 1} other kernel" in plain(section(server.text(f"/kernel?id={id}"), "code"))


def test_provenance_links_the_lines_of_our_code(run):
    path, server = run
    lines = values(path, "SELECT DISTINCT p.line FROM provenance p WHERE p.map = (SELECT min(id) FROM provenance_map) AND p.relation IN (3, 5)")
    page = server.text("/provenance")
    assert lines
    for line in lines:
        assert re.search(rf'id="code-{line}"><a class="linked"', page), line


def test_times_are_those_of_the_launches(run):
    path, server = run
    id, launches, least, longest = values(path, """SELECT kernel, launches, least, longest FROM kernel_times
        WHERE kernel IN (SELECT id FROM kernel WHERE phase = 'forward') ORDER BY total DESC LIMIT 1""")[0]
    (row, *_) = rows(section(server.text(f"/kernel?id={id}"), "launches"))
    assert row[3] == str(launches) == str(STEPS)
    for cell, ns in ((row[5], least), (row[8], longest)):
        assert abs(float(re.sub(r"[^\d.]", "", cell)) - ns / 1000) <= 0.06


def test_members_of_a_combo_share_its_blocks(run):
    path, server = run
    for combo, blocks in values(path, "SELECT id, blocks FROM kernel WHERE role = 'combo'"):
        parts = section(server.text(f"/kernel?id={combo}"), "parts")
        members = values(path, "SELECT id FROM kernel WHERE combo = :combo", combo=combo)
        assert set(ids(parts)) <= set(members) and "members of the combo kernel" in plain(parts)
        assert sum(values(path, "SELECT blocks FROM kernel WHERE combo = :combo", combo=combo)) == blocks


def test_a_compile_shows_what_it_made(run):
    path, server = run
    for id, kernels, decisions, passes in values(path, """SELECT c.compile_id, (SELECT count(*) FROM kernel k WHERE k.compile = c.id),
        (SELECT count(*) FROM fusion_decision d WHERE d.compile = c.id), (SELECT count(*) FROM compile_pass p WHERE p.compile = c.id) FROM compile c"""):
        page = server.text(f"/compile?compile_id={id}")
        text = plain(page)
        assert "building kernels" in text or "tracing" in text or "fusing" in text, "the largest phase is named"
        for name, title in (("kernels", kernels), ("fusion", decisions), ("memory", 1), ("passes", passes)):
            assert title and f'<section id="{name}">' in page, (id, name)
        assert f" of {decisions} pairs were joined" in plain(section(page, "fusion"))
        data = html.unescape(re.search(r'href="(/data/compile_kernels\.csv[^"]*)"', page).group(1))
        assert len(server.text(data).splitlines()) == kernels + 1
        assert set(ids(section(page, "kernels"))) <= set(values(path, "SELECT id FROM kernel"))


def test_calls_of_kernels_lead_back(run):
    path, server = run
    for call, kernel in values(path, """SELECT c.position, k.kernel FROM event e JOIN call c ON c.event = e.parent JOIN launch l ON l.id = e.launch
        JOIN string w ON w.id = l.site JOIN kernel_site k ON k.site = w.text GROUP BY k.kernel ORDER BY 1 LIMIT 12"""):
        assert kernel in ids(server.text(f"/call?call={call}"))
