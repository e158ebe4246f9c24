"""The divergence page over comparison files made by hand: the answer, counts, rows, filters, the cone, other states.

What the page shows is compared with what made_comparison.py judged itself.
"""
import html
import re
import shutil
import sqlite3
import time

import pytest

import made_comparison as made
from conftest import Server, query, run_plumb

ROW = re.compile(r'<tr id="p(\d+)"[^>]*>(.*?)</tr>', re.S)
FACT = re.compile(r'<span class="m [^>]*>(.)</span>(\w+)</dt><dd>(.*?)</dd>', re.S)


def plain(markup):
    return html.unescape(re.sub(r"<[^>]*>", "", markup)).strip()


def rows(page):
    return {int(pair): row for pair, row in ROW.findall(page)}


def facts(page):
    return {name: int(re.sub(r"\D", "", plain(n))) for _, name, n in FACT.findall(page)}


def section(page, name):
    return page.split(f'<section id="{name}">', 1)[1].split("</section>", 1)[0]


def step(page, key):
    found = re.search(rf'<a data-step="{key}"[^>]*href="([^"]*)"', page)
    return html.unescape(found.group(1)).split("#")[0] if found else None


FAULTS = {"alpha": {"alpha": -0.10000009536743165}, "flip": {"flip": 17}, "weight": {"weight": "layers.0.up.weight"},
          "extra": {"extra": 30}, "same": {}, "unhashed": {"flip": 20, "unhashed": (50, 51)}}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    infos = {name: made.make(folder / f"{name}.db", **fault) for name, fault in FAULTS.items()}
    infos["ranks"] = made.make(folder / "ranks.db", ranks=4, flip=17)
    yield infos


@pytest.fixture(scope="module")
def served(compared):
    names = list(compared)
    server = Server(*[compared[name].path for name in names])
    yield lambda name, rest="": server.text(f"/divergence?file={names.index(name)}{rest}"), server, names
    server.close()


@pytest.mark.parametrize("name", [*FAULTS, "ranks"])
def test_counts_and_the_answer_are_those_of_the_comparison(compared, served, name):
    info, page = compared[name], served[0](name)
    assert facts(page) == {word: info.count(verdict) for verdict, word in enumerate(made.NAMES)}
    answer = query(info.path, "SELECT answer FROM comparison")[0]["answer"]
    assert answer.replace("`", "") in plain(page)


@pytest.mark.parametrize("name,verdict", [("alpha", made.ARGUMENT), ("flip", made.ORIGIN), ("weight", made.INPUT), ("extra", made.STRUCTURE)])
def test_the_cursor_stands_at_the_first_difference(compared, served, name, verdict):
    page = served[0](name)
    first = compared[name].first(*made.CAUSES)
    assert first == compared[name].first(verdict)
    assert f'<tr id="p{first}" aria-selected=true>' in page
    assert "Around the first difference" in page
    assert f' {made.NAMES[verdict]}' in page.split('id="ribbon"')[1]


def test_what_differs_is_marked(served):
    page = served[0]("alpha")
    marks = re.findall(r"<mark>(.*?)</mark>", page)
    assert "alpha=-0.1" in marks and "alpha=-0.10000009536743165" in marks
    assert all("alpha" in mark for mark in marks)


def test_a_call_alone_leaves_a_gap(compared, served):
    page = served[0]("extra")
    assert "only in B" in rows(page)[compared["extra"].first(made.STRUCTURE)]
    assert "aten::clone" in section(page, "alone")


def test_keys_walk_over_every_origin(compared, served):
    get, server, _ = served
    page, seen = get("alpha"), []
    while step(page, "n"):
        page = server.text(step(page, "n"))
        seen.append(int(re.search(r'<tr id="p(\d+)" aria-selected', page).group(1)))
        assert len(seen) < 100
    causes = [c.n + 1 for c in compared["alpha"].calls if c.verdict in made.CAUSES]
    assert seen == causes[1:]
    assert step(page, "p") and f"at={causes[-2]}" in step(page, "p")


def test_folded_calls_can_be_opened(served):
    get, server, _ = served
    page = get("alpha")
    fold = re.search(r"(\d+) more of this kind:.*?href=\"([^\"]*)\"", page)
    opened = server.text(html.unescape(fold.group(2)).split("#")[0])
    assert set(rows(page)) < set(rows(opened))
    assert len(rows(opened)) - len(rows(page)) >= int(fold.group(1))


def test_a_verdict_filters_the_calls(compared, served):
    get, server, _ = served
    wanted = [c.n + 1 for c in compared["alpha"].calls if c.verdict == made.RECEIVER]
    page, seen = get("alpha", "&verdict=receiver"), []
    while True:
        seen += rows(section(page, "rows"))
        following = re.search(r'<a rel="next" href="([^"]*)">Next 50', page)
        if not following:
            break
        page = server.text(html.unescape(following.group(1)).split("#")[0])
    assert seen == wanted and len(wanted) > 50


def test_a_cell_of_the_map_filters_by_place(compared, served):
    get, server, _ = served
    cell = re.search(r'<td class="cell"><a href="([^"]*module=Stack.layers.0.up[^"]*)" title="(\d+) of (\d+)', get("alpha"))
    page = server.text(html.unescape(cell.group(1)).split("#")[0])
    there = [c for c in compared["alpha"].calls if c.scope == ("step 1", 1, "Stack.layers.0.up")]
    assert list(rows(section(page, "rows"))) == [c.n + 1 for c in there] and len(there) == int(cell.group(3))


def reached(calls, start):
    """Numbers of the calls that read, at first or second hand, what a call made different."""
    found, grew = {start}, True
    while grew:
        new = {c.n for c in calls for shape, a, b, by, _ in c.before if a != b and by in found} - found
        found, grew = found | new, bool(new)
    return found - {start}


def test_the_cone_is_what_a_call_taints(compared, served):
    info = compared["flip"]
    tainted = reached(info.calls, 17)
    found = run_plumb("sql", info.path, "--named", "divergence_downstream", "--format", "json").out
    assert {int(n) - 1 for n in re.findall(r'"id": ?(\d+)', found)} == tainted
    assert len(tainted) > 10
    consumer = min(tainted)
    assert f"at={consumer + 1}" in step(served[0]("flip"), "e")
    back = served[0]("flip", f"&at={consumer + 1}")
    assert "at=18" in step(back, "u")


def test_the_drawer_shows_both_digests(compared, served):
    page = served[0]("flip", "&sel=18")
    drawer = page.split('<aside class="drawer"')[1]
    call = compared["flip"].calls[17]
    for value in call.out:
        assert f"{value & (2**64 - 1):016x}"[:8] in drawer


def test_every_rank_has_a_strip(served):
    page = served[0]("ranks")
    assert [f">rank {rank}<" in page for rank in range(4)] == [True] * 4
    assert "rank 4" not in page
    assert section(page, "lanes").count("<tr>") == 5


def test_runs_that_agree_say_so(served):
    page = served[0]("same")
    assert "A and B agree: 190 of 190 calls" in plain(page)
    assert "No operator makes a difference" in page and "What it taints" not in page


def test_a_comparison_opens_with_its_answer(served):
    assert 'data-page="divergence"' in served[1].text("/")


def test_another_file_says_how_to_compare(demo):
    server = Server(demo)
    page = plain(server.text("/divergence"))
    server.close()
    assert "This file is no comparison" in page and "plumb diff A.db B.db -o CMP.db" in page


def test_odd_addresses_are_harmless(served):
    get = served[0]
    for rest in ("&at=-5", "&at=x", "&span=9999", "&from=999999", "&verdict=nonsense", "&sel=77777", "&step=%01&phase=1",
                 "&after=99999999&verdict=origin", "&open=3"):
        assert "Divergence" in get("alpha", rest), rest


def test_a_cursor_beyond_the_end_stands_at_the_last_pair(compared, served):
    last = len(compared["alpha"].calls)
    for at in (last + 1, 2**63 - 1):
        page = served[0]("alpha", f"&at={at}")
        assert f'<tr id="p{last}" aria-selected=true>' in page and section(page, "ribbon")


def test_the_ribbon_stays_whatever_is_chosen(served):
    bars = [section(served[0]("alpha", rest), "ribbon").count('<a class="bx"') for rest in ("", "&verdict=input", "&module=nonsense")]
    assert bars[0] > 70 and len(set(bars)) == 1


def test_the_export_of_what_is_chosen_has_it(compared, served):
    _, server, names = served
    text = server.text(f"/data/divergence_pairs.csv?file={names.index('alpha')}&verdict=argument")
    assert len(text.splitlines()) == 1 + compared["alpha"].count(made.ARGUMENT)


def changed(folder, whole, statements):
    """Copies of a comparison, each after one SQL statement."""
    for i, statement in enumerate(statements):
        shutil.copy(whole, folder / f"{i}.db")
        with sqlite3.connect(folder / f"{i}.db") as db:
            db.execute(statement)
        yield folder / f"{i}.db"


ODD = ["INSERT INTO lane(id, comparison, a_calls) VALUES (9, 1, 0)", "UPDATE pair SET id = 9223372036854775807 WHERE id = 190",
       "UPDATE pair SET verdict = 99", "UPDATE pair SET id = id - 100", "UPDATE pair_kind SET verdict = NULL",
       "UPDATE pair SET a_text = 5555, scope = 4444", "UPDATE pair_tensor SET producer = pair",
       "UPDATE comparison SET answer = NULL, verdict = NULL, first_pair = 777777, origin_pair = -3",
       "UPDATE pair_text SET name = NULL, args = NULL, output = NULL", "UPDATE string SET text = x'00ff80fe3c'",
       "UPDATE string SET text = '<script>alert(1)</script>`' || char(8238) || id",
       "UPDATE string SET text = text || printf('%.*c', 5000, '(')"]


def test_a_file_that_is_not_as_it_should_be_is_shown(compared, tmp_path):
    server = Server(*changed(tmp_path, compared["flip"].path, ODD))
    for i, statement in enumerate(ODD):
        for rest in ("&at=1", "&at=190&span=320&sel=18"):
            page = server.text(f"/divergence?file={i}{rest}")
            assert "</html>" in page and "-9223372036854775808" not in page and "<script>alert" not in page, statement
    server.close()


def test_bits_that_differ_by_no_norm_are_not_shown_as_equal(compared, tmp_path):
    server = Server(*changed(tmp_path, compared["flip"].path, ["UPDATE pair SET relative = 0"]))
    found = rows(server.text("/divergence"))
    server.close()
    assert "bits differ, norms do not" in found[18] and "norms do not" not in found[17]


@pytest.mark.parametrize("name", ["answer", "verdicts", "methods", "lanes", "minimap", "pairs", "next", "heat", "discriminator", "upstream",
                                  "downstream", "alone", "layers"])
def test_every_section_has_its_data(served, name):
    _, server, names = served
    text = server.text(f"/data/divergence_{name}.csv?file={names.index('extra')}")
    assert len(text.splitlines()) >= 1 and "," in text.splitlines()[0]


def test_the_page_is_fast(served):
    get = served[0]
    get("alpha")
    start = time.monotonic()
    get("alpha", "&at=100")
    assert time.monotonic() - start < 1
