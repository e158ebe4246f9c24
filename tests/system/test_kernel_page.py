"""The pages of kernels over a trace made by hand: the kernel, the list, the sections of its compile, calls.

What the pages show is compared with what made_kernels.py put in, and with the named queries.
"""
import html
import json
import re
import shutil
import sqlite3
import types
import urllib.parse

import pytest

import made_kernels
from conftest import Server, query, run_plumb

HOSTILE = '</span><script>alert(1)</script>"\'&amp;`' + "\u202e" + "../../etc/passwd"
COMBO = "pl_combo_fused_add_mul_zeros_3"


def plain(markup):
    return html.unescape(re.sub(r"<[^>]*>", "", markup)).strip()


def section(page, name):
    return page.split(f'<section id="{name}">', 1)[1].split("</section>", 1)[0]


def rows(markup):
    """[[text of each cell]] of the first table."""
    table = markup.split("<tbody>", 1)[1].split("</tbody>", 1)[0]
    return [[plain(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)] for row in re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.S)]


def ids(page, path="kernel"):
    return [int(n) for n in re.findall(rf'href="/{path}\?id=(\d+)"', page)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_kernels.make(tmp_path_factory.mktemp("kernels") / "k.db")


@pytest.fixture(scope="module")
def served(made):
    s = Server(made.path)
    yield s
    s.close()


@pytest.fixture(scope="module")
def page(made, served):
    """page(name) is the page of a kernel."""
    return lambda name, rest="": served.text(f"/kernel?id={made.kernel[name]}{rest}")


def named(made, name, **parameters):
    words = [w for key, value in parameters.items() for w in ("-p", f"{key}={value}")]
    return json.loads(run_plumb("sql", made.path, "-n", name, "--format", "json", *words).out)


# ---- one kernel ----

def test_the_sentence_says_what_how_often_and_how_much(page):
    answer = plain(page("pl_poi_fused_add_relu_0").split('class="answer">')[1].split("</p>")[0])
    assert answer == ("One pass over 16\u202f384 points: add, relu. It ran 5 times and took 43.4 \u00b5s, 10.8 \u00b5s each. "
                      "A launch reads 65.0 KiB and writes 64.0 KiB: 12 GB/s.")
    answer = plain(page(COMBO).split('class="answer">')[1].split("</p>")[0])
    assert answer.startswith("Launches 3 independent kernels at once: mul, relu, add, zeros. It ran 2 times and took 29.0 \u00b5s, 14.5 \u00b5s each.")
    assert "2 of its values are computed here a second time" in answer
    answer = plain(page("pl_per_fused__softmax_1").split('class="answer">')[1].split("</p>")[0])
    assert answer.startswith("Reduces 64 rows of 256 points: softmax. No launch of it was recorded.") and "spills 64 bytes" in answer


def test_members_stand_in_order_with_what_is_known(page):
    got = rows(section(page("pl_poi_fused_add_relu_0"), "members"))
    assert [r[:5] for r in got] == [["1", "add aten::add.Tensor", "f32[64, 256][256, 1]cpu", "main", "model.py:11"],
                                    ["2", "relu aten::relu", "f32[64, 256][256, 1]cpu", "main", "model.py:11"]]


def test_a_value_computed_twice_names_the_other_kernel(page, made):
    members = section(page("pl_poi_fused_mul_4"), "members")
    assert members.count('class="m odd"') == 1
    assert made.kernel["pl_poi_fused_relu_softmax_backward_2"] in ids(members)


def test_parts_of_an_operator_are_told_apart(page):
    got = [r[1] for r in rows(section(page("pl_per_fused__softmax_1"), "members"))]
    assert got == ["softmax aten::_softmax", "softmax aten::_softmax part 2", "softmax aten::_softmax part 3"]


def test_arguments_lead_to_the_kernels_around(page, made):
    arguments = section(page("pl_poi_fused_add_relu_0"), "arguments")
    got = rows(arguments)
    assert [r[:3] for r in got] == [["in_ptr0", "reads", "mm"], ["in_ptr1", "reads", "b"], ["out_ptr0", "writes", "relu"]]
    assert [r[4] for r in got] == ["64.0 KiB", "1.0 KiB", "64.0 KiB"]
    assert got[0][5] == "from extern_mm_0" and got[1][5] == "an input" and got[2][5] == "to pl_per_fused__softmax_1"
    assert ids(arguments) == [made.kernel["extern_mm_0"], made.kernel["pl_per_fused__softmax_1"]]
    assert "scratch" in plain(section(page("pl_per_fused__softmax_1"), "arguments"))
    # What the backward reads was made by the forward.
    assert "from pl_per_fused__softmax_1 forward" in plain(section(page("pl_poi_fused_relu_softmax_backward_2"), "arguments"))


def test_what_stands_around_it_is_drawn(page, made):
    around = section(page("pl_poi_fused_add_relu_0"), "around")
    assert ids(around) == [made.kernel["extern_mm_0"], made.kernel["pl_per_fused__softmax_1"]]
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", around)
    assert texts[:4] == ["extern_mm_0", "mm \u00b7 64.0 KiB", "an input", "b \u00b7 1.0 KiB"] and texts[4:6] == ["pl_per_fused__softmax_1", "relu \u00b7 64.0 KiB"]
    assert around.count('<path class="l5"') == 3 and 'reads 2 values and writes 1' in around
    assert '<section id="around">' in page(COMBO) and "a result" in section(page(COMBO), "around")


def test_code_has_the_lines_of_the_kernel_and_only_those(page):
    code = section(page("pl_poi_fused_add_relu_0"), "code")
    lines = made_kernels.CODE.split("\n")
    shown = {int(n): plain(text) for n, text in re.findall(r'<li id="L(\d+)"[^>]*><a[^>]*>\d+</a><span>(.*?)</span>(?:<a class="from"|</li>)', code, re.S)}
    assert shown == {n: lines[n - 1].strip() for n in range(4, 13)}
    assert re.findall(r'class="from" href="[^"]*line=(\d+)#L\1">(\w+)', code) == [("5", "add"), ("6", "relu")]


def test_code_says_why_there_is_none(page):
    assert "No code of its own" in section(page("extern_mm_0"), "code")
    assert "code of its members" in section(page(COMBO), "code")


def test_decisions_around_it_refused_first(page, made):
    decisions = section(page("pl_poi_fused_add_relu_0"), "decisions")
    got = rows(decisions)
    assert [(r[0], r[2], r[3]) for r in got] == [("A apart", "mm and add", "extern"), ("A apart", "relu and softmax", "iteration space"),
                                                 ("J joined", "add and relu", "fused")]
    assert ids(decisions) == [made.kernel["extern_mm_0"], made.kernel["pl_per_fused__softmax_1"]]
    combo = rows(section(page(COMBO), "decisions"))
    assert any("9.50 \u00b5s not 13.0 \u00b5s" in r for r in combo), combo


def test_launches_are_summed_and_spread(page):
    launches = section(page("pl_poi_fused_add_relu_0"), "launches")
    (got,) = rows(launches)
    assert got[0] == "avx512" and got[3:9] == ["5", "43.4", "7.0", "7.4", "21.0", "21.0"] and got[10:12] == ["12.2", "3.0"]
    assert launches.count('<rect class="b1"') == 2 and 'role="img"' in launches


def test_each_launch_leads_to_its_call(page, served, made):
    calls = re.findall(r'href="(/call\?[^"]*)"', section(page("pl_poi_fused_add_relu_0"), "calls"))
    assert len(calls) == 5
    for call in calls:
        back = served.text(html.unescape(call))
        assert ids(back) == [made.kernel["pl_poi_fused_add_relu_0"]] and "/compile?" in back.split("<dt>kernel</dt>")[1].split("</dd>")[0]


def test_calls_of_kernels_are_told_from_those_of_triton(served):
    log = plain(served.text("/operators"))
    assert log.count("[plumb] pl_poi_fused_add_relu_0") == 5 and "[triton]" not in log


def test_a_member_shows_the_launches_of_its_combo(page, made):
    text = page("pl_poi_fused_add_5")
    assert "Member 2 of 3 of the combo kernel" in plain(text) and made.kernel[COMBO] in ids(text)
    assert rows(section(text, "launches"))[0][3] == "2" and "launches of the combo kernel" in plain(text)


def test_lanes_of_a_combo_cover_its_blocks(page, made):
    parts = section(page(COMBO), "parts")
    boxes = [(float(x), float(w)) for x, w in re.findall(r'<rect class="c5" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', parts)]
    assert len(boxes) == 3
    assert abs(boxes[0][1] - 1208 * 64 / 81) < 3 and abs(boxes[1][0] - 1208 * 64 / 81) < 3
    assert [r[2] for r in rows(parts)] == ["blocks 0 to 63", "blocks 64 to 79", "block 80"]
    assert set(ids(parts)) == {made.kernel[n] for n in ("pl_poi_fused_mul_4", "pl_poi_fused_add_5", "pl_poi_fused_zeros_6")}


def test_next_and_previous_walk_a_phase(page, served, made):
    seen, address = [], f"/kernel?id={made.kernel['extern_mm_0']}"
    while address:
        seen.append(served.text(address))
        following = re.search(r'<a rel="next" title="[^"]*" href="([^"]*)"', seen[-1])
        address = html.unescape(following.group(1)) if following else None
    assert [plain(p.split("<h1>")[1].split("</h1>")[0]) for p in seen] == ["extern_mm_0", "pl_poi_fused_add_relu_0", "pl_per_fused__softmax_1"]


def test_neighbours_are_those_of_the_data(made):
    got = named(made, "kernel_neighbours", id=made.kernel["pl_poi_fused_add_relu_0"])
    assert [(n["relation"], n["name"], n["value"]) for n in got] == [
        ("previous", "extern_mm_0", None), ("maker", "extern_mm_0", "mm"), ("reader", "pl_per_fused__softmax_1", "relu"),
        ("next", "pl_per_fused__softmax_1", None)]


def test_kernel_code_is_the_text_between_its_lines(made):
    got = named(made, "kernel_code", id=made.kernel["pl_poi_fused_add_relu_0"])
    assert [(r["line"], r["text"]) for r in got] == list(enumerate(made_kernels.CODE.split("\n"), 1))[3:12]


def test_a_kernel_that_is_not_there(served):
    for id in ("999", "-1", "x", "", "9223372036854775807"):
        body = served.get(f"/kernel?id={id}", expect=404)[2].decode()
        assert "There is no kernel of this number" in body and 'href="/kernels' in body


# ---- all kernels ----

def test_the_list_has_every_kernel_by_time(served, made):
    page = served.text("/kernels")
    got = rows(section(page, "kernels"))
    assert len(got) == len(made.kernel) and [r[0] for r in got[:3]] == ["extern_mm_0", "pl_poi_fused_add_relu_0", "pl_combo_fused_add_mul_zeros_3"]
    assert sorted(set(ids(section(page, "kernels")))) == sorted(made.kernel.values())
    assert "8 kernels; 10 launches of 3 of them took 256 \u00b5s. 3 are members of combo kernels, launched with them. 2 were never launched." in plain(page)


@pytest.mark.parametrize("parameters, n", [({"role": "pointwise"}, 5), ({"role": "combo"}, 1), ({"spills": "1"}, 1), ({"launched": "1"}, 3),
                                           ({"launched": "0"}, 2), ({"launched": "1", "role": "extern"}, 1), ({"kernels-table.q": "softmax"}, 2)])
def test_the_list_is_filtered(served, parameters, n):
    address = "/kernels?" + urllib.parse.urlencode(parameters)
    page = served.text(address)
    assert len(rows(section(page, "kernels"))) == n
    if "kernels-table.q" not in parameters:
        csv = served.text(html.unescape(re.search(r'href="(/data/kernel_list\.csv[^"]*)"', page).group(1)))
        assert len(csv.splitlines()) == n + 1
        pressed = re.findall(r'aria-pressed="true" href="([^"]*)"', page)
        assert len(pressed) == len(parameters), "what is pressed can be released"


def test_filters_that_exclude_each_other_say_so(served):
    assert "No kernel is so." in served.text("/kernels?role=combo&spills=1")


# ---- its compile ----

def test_the_compile_lists_its_kernels_in_order(served, made):
    kernels = section(served.text("/compile?compile_id=0/0"), "kernels")
    assert [r[1].replace("\u2514 ", "") for r in rows(kernels)] == [
        "extern_mm_0", "pl_poi_fused_add_relu_0", "pl_per_fused__softmax_1", "pl_poi_fused_relu_softmax_backward_2", COMBO,
        "pl_poi_fused_mul_4", "pl_poi_fused_add_5", "pl_poi_fused_zeros_6"]


def test_decisions_are_counted_by_reason_and_listed(served, made):
    page = served.text("/compile?compile_id=0/0")
    reasons = {(r["kind"], r["reason"]): r["decisions"] for r in named(made, "decisions_by_reason", compile_id="0/0")}
    assert len(rows(section(page, "fusion"))) == len(reasons) == 7 and sum(reasons.values()) == 7
    assert [r[0] for r in rows(section(page, "decided"))] == ["A apart"] * 5 + ["J joined"] * 2
    href = html.unescape(next(h for h, text in re.findall(r'href="([^"]*)"[^>]*>([^<]*)</a>', section(page, "fusion")) if text == "iteration space"))
    narrowed = served.text(href.split("#")[0])
    assert [r[4] for r in rows(section(narrowed, "decided"))] == ["iteration space"]
    assert "No pair is so." in served.text("/compile?compile_id=0/0&reason=combined&kind=vertical")


def test_passes_lead_to_the_graph_after_them(served):
    passes = section(served.text("/compile?compile_id=0/0"), "passes")
    assert [r[:5] for r in rows(passes)] == [["1", "joint", "decompose", "3", "9"], ["2", "joint", "cse", "1", "8"], ["3", "forward", "dce", "nothing", "7"]]
    links = re.findall(r'href="([^"]*)">graph after it', passes)
    assert len(links) == 2 and "graph after cse" in plain(served.text(html.unescape(links[0])))


def test_what_is_saved_stands_with_its_reason(served):
    partition = section(served.text("/compile?compile_id=0/0"), "partition")
    assert [(r[0], r[1], r[4]) for r in rows(partition)] == [
        ("S saved", "relu", "dear to compute again"), ("2 recomputed", "add", "cheap to compute again"),
        ("\u00b7 input", "x", "an input of the function"), ("\u00b7 not needed", "mm", "the backward does not need it")]
    assert "1 saved, 64.0 KiB" in plain(partition)


def test_the_memory_plan_is_drawn_to_scale(served):
    memory = section(served.text("/compile?compile_id=0/0"), "memory")
    boxes = [tuple(map(float, b)) for b in re.findall(r'<rect class="c[12]" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', memory)]
    assert len(boxes) == 3
    (x0, y0, w0, h0), (x1, y1, w1, h1), _ = boxes
    assert abs(h0 - h1) < 1 and abs(y0 - y1 - 90) < 1.5, "two halves of the block, one above the other"
    assert abs(w0 - 1207 * 2 / 3) < 3 and abs(x1 - 1207 / 3) < 3
    assert "without reuse it would be 192.2 KiB" in plain(memory)
    assert [r[0] for r in rows(memory)] == ["mm", "relu", "\u2013"]


def test_the_rail_counts_kernels(served):
    rail = served.text("/overview").split('class="rail"')[1].split("</aside>")[0]
    assert re.search(r'href="/kernels[^"]*"[^>]*>Kernels<i[^>]*>8<', rail), rail


# ---- what is not there, and what should not be there ----

def test_without_launches_it_is_said(tmp_path):
    made = made_kernels.make(tmp_path / "still.db", launches=False)
    server = Server(made.path)
    try:
        page = server.text(f"/kernel?id={made.kernel['pl_poi_fused_add_relu_0']}")
        assert "Its launches were not recorded." in plain(page) and '<section id="calls">' not in page
        assert "Their launches were not recorded." in plain(server.text("/kernels"))
    finally:
        server.close()


ADDRESSES = ["/kernels", "/compile?compile_id=0/0", "/operators", "/call?call=4", "/kernels?role=" + urllib.parse.quote(HOSTILE),
             "/compile?compile_id=0/0&reason=" + urllib.parse.quote(HOSTILE)]


def test_hostile_text_stays_text(tmp_path):
    made = made_kernels.make(tmp_path / "hostile.db", word=HOSTILE)
    server = Server(made.path)
    try:
        for address in ADDRESSES + [f"/kernel?id={id}" for id in made.kernel.values()]:
            page = server.text(address)
            assert "<script>alert" not in page and "\u202e" not in page and "</html>" in page, address
        page = server.text(f"/kernel?id={made.kernel['pl_poi_fused_add_relu_0']}")
        assert plain(page).count("<script>alert(1)</script>") > 10
    finally:
        server.close()


ODD = ["UPDATE kernel SET line = -5, last_line = 1 << 60", "UPDATE kernel SET line = 1 << 60, last_line = NULL", "UPDATE kernel SET artifact = 999",
       "UPDATE kernel SET combo = id", "UPDATE kernel SET combo = 999999, member = -1", "UPDATE kernel SET compile = 777", "UPDATE kernel SET name = NULL, kind = NULL, role = NULL",
       "UPDATE kernel SET first_block = -9, blocks = -4", "UPDATE kernel SET first_block = NULL", "UPDATE kernel SET blocks = 1 << 62",
       "UPDATE kernel SET position = NULL", "UPDATE kernel SET phase = NULL", "UPDATE kernel_op SET node = NULL, op = NULL, role = NULL, source = NULL",
       "UPDATE kernel_arg SET name = NULL, value = NULL, type = NULL, bytes = NULL", "UPDATE event SET dur = -1 WHERE kind = 10",
       "UPDATE event SET dur = 1 << 62 WHERE kind = 10", "UPDATE event SET dur = NULL", "UPDATE launch SET site = 31337",
       "UPDATE fusion_decision SET a = NULL, b = NULL, reason = NULL, detail = NULL, kind = NULL", "UPDATE fusion_decision SET kernel = 99999",
       "UPDATE memory_buffer SET size = -1", "UPDATE memory_buffer SET first = 9, last = 1", "UPDATE memory_buffer SET last = 1 << 60",
       "UPDATE memory_buffer SET offset = 1 << 60", "UPDATE memory_plan SET size = 0", "DELETE FROM memory_buffer", "UPDATE compile_pass SET artifact = 55, name = NULL, ns = NULL",
       "UPDATE partition_decision SET fate = NULL, reason = NULL, value = NULL, bytes = NULL", "UPDATE artifact SET stored = 1 << 50",
       "UPDATE string SET text = x'00ff80fe3c'", "UPDATE string SET text = text || printf('%.*c', 5000, '(')"]


def test_a_file_that_is_not_as_it_should_be_is_shown(made, tmp_path):
    for i, statement in enumerate(ODD):
        shutil.copy(made.path, tmp_path / f"{i}.db")
        with sqlite3.connect(tmp_path / f"{i}.db") as db:
            db.execute(statement)
    server = Server(*[tmp_path / f"{i}.db" for i in range(len(ODD))])
    try:
        for i, statement in enumerate(ODD):
            for address in ["/compile?compile_id=0/0" if i % 2 else "/kernels?", "/kernel?id=4", "/kernel?id=6" if i % 2 else "/kernel?id=2"]:
                # A damaged text is an error that says so; everything else is shown.
                damaged = "stored" in statement and "id=" in address
                page = server.get(f"{address}&file={i}", expect=None if damaged else 200)[2].decode()
                assert "</html>" in page and "-9223372036854775808" not in page, (statement, address)
    finally:
        server.close()


def test_sums_of_any_numbers_are_made(made, tmp_path):
    """Numbers are a log's word: their sum may be more than an integer holds."""
    path = tmp_path / "large.db"
    shutil.copy(made.path, path)
    with sqlite3.connect(path) as db:
        for table, column in [("kernel", "bytes_read"), ("kernel", "bytes_written"), ("kernel", "flops"), ("kernel_op", "recomputed"),
                              ("fusion_decision", "bytes_saved"), ("partition_decision", "bytes"), ("memory_buffer", "size")]:
            db.execute(f"UPDATE {table} SET {column} = 9223372036854775807")
        db.execute("UPDATE kernel SET bytes_read = NULL, bytes_written = NULL, flops = NULL WHERE role = 'combo'")
        db.execute("UPDATE partition_decision SET fate = 'saved'")
    large = types.SimpleNamespace(path=path)
    for id in made.kernel.values():
        assert len(named(large, "kernel", id=id)) == 1
    assert named(large, "partition_summary", compile_id="0/0") == [{"fate": "saved", "n": 4, "bytes": 9223372036854775807}]
    assert len(named(large, "decisions_by_reason")) == len(named(made, "decisions_by_reason"))


# ---- PyTorch's kernels ----

def test_a_kernel_of_pytorch_says_what_is_known(server, demo):
    k = query(demo, "SELECT id, name, compile_id, nodes, n_ops, run FROM kernels WHERE kind = 'cpp' AND run = 'provenance' LIMIT 1")[0]
    page = server.text(f"/kernel?id={k['id']}&run=provenance")
    assert k["name"] in page and "Its launches were not recorded." in plain(page)
    assert [r[1].split()[0] for r in rows(section(page, "members"))] == k["nodes"].split()
    code = section(page, "code")
    assert "async_compile.cpp_pybinding" in plain(code) and plain(code).rstrip().endswith("''')")
    assert plain(section(page, "decisions")).count("Not recorded.") == 1


def test_data_of_the_pages_is_there(served, made):
    for address in ["/kernels", f"/kernel?id={made.kernel['pl_poi_fused_add_relu_0']}", f"/kernel?id={made.kernel[COMBO]}", "/compile?compile_id=0/0"]:
        data = {html.unescape(h) for h in re.findall(r'href="(/data/[^"]+)"', served.text(address))}
        assert len(data) >= 3
        for href in data:
            body = served.text(href)
            assert "," in body or ".csv" not in href
            if re.match(r"/data/(kernel_(?!stacks|code|nodes|parts|calls|launches)|compile_(kernels|passes|memory|decisions|partition)|decisions_)\w*\.json", href):
                assert json.loads(body), href


def test_links_of_the_pages_lead_somewhere(served, made):
    seen = set()
    for address in ["/kernels", "/kernel?id=2", f"/kernel?id={made.kernel[COMBO]}", "/compile?compile_id=0/0", "/call?call=4"]:
        for href in {html.unescape(h) for h in re.findall(r'href="(/[^"]*)"', served.text(address))}:
            path, _, anchor = href.partition("#")
            if path in seen or ".sort=" in path or path.startswith("/data/"):
                continue
            seen.add(path)
            body = served.get(path)[2].decode("utf-8", "replace")
            assert not anchor or f'id="{anchor}"' in body, f"{address} links to {href}"
