"""The fusion graph: the page of a program made by hand and of PyTorch's, its files, plumb graph.

What is drawn is compared with what made_kernels.py put in, and with the text of the generated code.
"""
import re
import sqlite3
import xml.dom.minidom

import pytest

import made_kernels
from conftest import KEPT, Server, query, run_folder, run_plumb
from test_kernel_page import HOSTILE, plain, rows, section

FORWARD, BACKWARD = "/fusion?compile_id=0/0&phase=forward", "/fusion?compile_id=0/0&phase=backward"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_kernels.make(tmp_path_factory.mktemp("fusion") / "k.db")


@pytest.fixture(scope="module")
def served(made):
    s = Server(made.path)
    yield s
    s.close()


def texts(page):
    return [plain(t) for t in re.findall(r"<text[^>]*>(.*?)</text>", section(page, "graph"))]


def answer(page):
    return plain(page.split('class="answer">')[1].split("</p>")[0])


def edges(dot):
    """{(writer, reader): [value]} by the names of kernels."""
    names = dict(re.findall(r"^  (k\d+) \[label=\"([^\\\"]*)", dot, re.M))
    found = {}
    for a, b, label in re.findall(r'^  (k\d+) -> (k\d+) \[label="([^"]*)"\]', dot, re.M):
        found.setdefault((names[a], names[b]), []).append(label)
    return found


# ---- a program of plumb's own compiler ----

def test_without_a_program_the_largest_is_shown(served):
    for path in ("/fusion", "/fusion?compile_id=0/0"):
        assert "<h1>Fusion of [0/0], forward</h1>" in served.text(path)


def test_the_answer_says_what_became_what(served):
    assert answer(served.text(FORWARD)) == ("6 operators became 3 launches: 2 fused kernels, 1 library call. Fusion keeps 128.0 KiB out of memory. "
                                            "The largest rest: mm and add stay apart, 128.0 KiB: mm beside add: extern.")
    assert answer(served.text(BACKWARD)).startswith("7 operators became 2 launches: 1 fused kernel, 1 combo kernel of 3 lanes.")


def test_kernels_members_and_values_are_drawn(served):
    got = texts(served.text(FORWARD))
    for text in ("extern_mm_0", "pl_poi_fused_add_relu_0", "pl_per_fused__softmax_1", "7.40 µs", "w, x", "320.0 KiB", "mm · 64.0 KiB", "relu · 64.0 KiB",
                 "stores relu", "register", "stores softmax"):
        assert text in got, text
    graph = section(served.text(FORWARD), "graph")
    assert re.findall(r"<title>kernel (\d): (\w+)</title>", graph) == [("1", "extern_mm_0"), ("2", "pl_poi_fused_add_relu_0"), ("3", "pl_per_fused__softmax_1")]


def test_lanes_stand_side_by_side_without_an_arrow(served):
    page = served.text(BACKWARD)
    got = texts(page)
    assert "blocks 0–63" in got and "blocks 64–79" in got and "block 80" in got and "64.0 KiB → 256.0 KiB" in got
    lanes = re.findall(r'<rect class="c5 dash" x="([\d.]+)" y="([\d.]+)"', section(page, "graph"))
    assert len(lanes) == 3 and len({y for _, y in lanes}) == 1 and len({x for x, _ in lanes}) == 3
    # One value joins the two launches; none leads from lane to lane.
    dot = served.text(BACKWARD + "&as=dot")
    assert list(edges(dot)) == [("pl_poi_fused_relu_softmax_backward_2", "pl_combo_fused_add_mul_zeros_3")]


def test_what_is_computed_twice_is_marked(served):
    page = served.text(BACKWARD)
    assert "also in kernel 2" in texts(page) and "foddf" in section(page, "graph")
    assert "1 operator is computed in two kernels" in answer(page)
    drawer = served.text(BACKWARD + "&sel=pl_poi_fused_relu_softmax_backward_2").split("<aside", 1)[1]
    assert "also computed in pl_combo_fused_add_mul_zeros_3" in drawer


def test_the_drawer_tells_what_was_refused_and_why(served):
    page = served.text(FORWARD + "&sel=pl_poi_fused_add_relu_0")
    drawer = page.split("<aside", 1)[1]
    refused = [plain(li) for li in re.findall(r"<li>(.*?)</li>", drawer.split('class="why"')[1], re.S)]
    assert ["128.0 KiB" in refused[0], "64.0 KiB" in refused[1]] == [True, True] and "extern" in refused[0] and "iteration space" in refused[1]
    assert [r[:3] for r in rows(drawer)] == [["1", "add", "register"], ["2", "relu", "stores"]]
    assert "kernel 2 of 3" in plain(drawer) and "7.40 µs" in plain(drawer)
    steps = re.findall(r'data-step="(\w+)" href="([^"]*)"', drawer)
    assert [s for s, _ in steps] == ["ArrowUp", "ArrowDown", "0", "1", "2", "3"]
    assert "sel=extern_mm_0" in steps[0][1] and "sel=pl_per_fused__softmax_1" in steps[1][1]
    assert 'id="at"' in section(page, "graph")


def test_so_many_steps_around_a_kernel(served):
    page = served.text(FORWARD + "&sel=extern_mm_0&hops=1")
    assert "pl_poi_fused_add_relu_0" in texts(page) and "pl_per_fused__softmax_1" not in texts(page)
    assert "1 more: further than 1 step away" in plain(page)


def test_folded_boxes_say_how_many(served):
    got = texts(served.text(FORWARD + "&fold=1"))
    assert "2 operators" in got and "relu" not in got and "3 lanes side by side" in texts(served.text(BACKWARD + "&fold=1"))


@pytest.mark.parametrize("over, text", [("time", "7.40 µs"), ("bytes", "129.0 KiB"), ("rate", "18 GB/s"), ("dtype", "f32")])
def test_overlays(served, over, text):
    page = served.text(FORWARD + f"&over={over}")
    assert text in texts(page)
    assert re.search(rf'aria-pressed="true" href="[^"]*over={over}', page)
    assert ('class="o4"' in page) == (over != "dtype") and ("not known" in page) == (over != "dtype")


def test_digests_are_those_of_the_first_launch(tmp_path):
    made = made_kernels.make(tmp_path / "k.db")
    db = sqlite3.connect(made.path)
    first = db.execute("SELECT e.parent FROM event e JOIN launch l ON l.id = e.launch JOIN string w ON w.id = l.kernel "
                       "WHERE w.text = 'pl_poi_fused_add_relu_0' ORDER BY e.id LIMIT 1").fetchone()[0]
    db.execute("INSERT INTO tensor_use (event, position, phase, hash_kind, digest) VALUES (?, 0, 2, 4, 77)", (first,))
    db.commit()
    served = Server(made.path)
    try:
        assert "1 digest" in texts(served.text(FORWARD + "&over=digest"))
        db.execute("UPDATE tensor_use SET nans = 3")
        db.commit()
        assert "NaN or infinity" in texts(served.text(FORWARD + "&over=digest&fold=1"))
    finally:
        served.close()
        db.close()


def test_the_table_has_what_the_drawing_has(served):
    got = rows(section(served.text(FORWARD), "kernels"))
    assert [r[1] for r in got] == ["extern_mm_0", "pl_poi_fused_add_relu_0", "pl_per_fused__softmax_1"]
    assert got[1][2:6] == ["2", "pointwise", "65.0 KiB", "64.0 KiB"] and got[1][6:8] == ["5", "7.4"]


def test_a_program_that_is_not_there(served):
    assert "no kernels of that compile and phase" in served.text("/fusion?compile_id=9/9&phase=forward", expect=404)
    served.get("/fusion?compile_id=0/0&phase=sideways", expect=404)


def test_other_pages_lead_here(served, made):
    assert "/fusion?compile_id=0/0" in served.text("/compile?compile_id=0/0")
    page = served.text(f"/kernel?id={made.kernel['pl_poi_fused_mul_4']}")
    assert "sel=pl_combo_fused_add_mul_zeros_3#at" in page and "phase=backward" in page


def test_files(served):
    status, headers, body = served.get(FORWARD + "&as=svg")
    assert status == 200 and headers["Content-Type"] == "image/svg+xml" and "fusion.svg" in headers["Content-Disposition"]
    drawing = xml.dom.minidom.parseString(body)
    assert drawing.documentElement.tagName == "svg" and drawing.getElementsByTagName("style") and not drawing.getElementsByTagName("a")
    assert edges(served.text(FORWARD + "&as=dot")) == {("extern_mm_0", "pl_poi_fused_add_relu_0"): ["mm 64.0 KiB"],
                                                       ("pl_poi_fused_add_relu_0", "pl_per_fused__softmax_1"): ["relu 64.0 KiB"]}


def test_hostile_words_stay_words(tmp_path):
    made = made_kernels.make(tmp_path / "hostile.db", word=HOSTILE)
    s = Server(made.path)
    try:
        for path in (FORWARD, BACKWARD, BACKWARD + "&fold=1", FORWARD + "&over=dtype"):
            page = s.text(path)
            assert "<script>alert" not in page and page.count("<h1") == 1
        xml.dom.minidom.parseString(s.get(FORWARD + "&as=svg")[2])
        dot = s.text(FORWARD + "&as=dot")
        assert all(len(re.findall(r'(?<!\\)"', line)) % 2 == 0 for line in dot.split("\n"))
    finally:
        s.close()


# ---- programs of PyTorch ----

@pytest.fixture(scope="module")
def torch(tmp_path_factory):
    path = tmp_path_factory.mktemp("fusion") / "torch.db"
    run_plumb("import", run_folder("transformer"), run_folder("provenance"), run_folder("optimizer_combo"), "-o", path)
    return path


def code_of(path, run, compile_id, phase):
    for row in query(path, "SELECT DISTINCT artifact_text(k.artifact) AS text FROM kernel k JOIN compile c ON c.id = k.compile "
                           "JOIN source_file f ON f.id = c.source JOIN run r ON r.id = f.run WHERE r.name = :run AND c.compile_id = :id",
                     run=run, id=compile_id):
        if f"_{phase}'" in row["text"].split("\n", 1)[0]:
            return row["text"]


@pytest.mark.parametrize("run, compile_id, phase", [("transformer", "0/0", "forward"), ("transformer", "0/0", "backward"), ("provenance", "0/0", "inference"),
                                                    ("provenance", "0/1", "forward"), ("provenance", "0/1", "backward")])
def test_every_call_of_the_code_is_a_box(torch, run, compile_id, phase):
    dot = run_plumb("graph", torch, "--run", run, "-c", compile_id, "-p", phase, "-f", "dot", "--every-layer").out
    code = code_of(torch, run, compile_id, phase).split("def call(", 1)[1].split("\n        return ", 1)[0]
    defined = set(re.findall(r"^(\w+) = async_compile", code_of(torch, run, compile_id, phase), re.M))
    calls = [name for name in re.findall(r"^ +(?:\w+ = )?([\w.]+)\(", code, re.M)
             if name in defined or name.startswith(("extern_kernels.", "torch.ops."))]
    assert re.findall(r"^  k\d+ \[label=\"([^\\\"]*)", dot, re.M) == calls and calls


def test_buffers_of_the_code_are_edges(torch):
    got = edges(run_plumb("graph", torch, "--run", "provenance", "-c", "0/1", "-p", "forward", "-f", "dot").out)
    assert got == {("cpp_fused_native_layer_norm_0", "extern_kernels.addmm"): ["buf4 1.0 KiB"],
                   ("extern_kernels.addmm", "cpp_fused__softmax_add_silu_1"): ["buf5 1.0 KiB"]}


def test_pages_of_pytorch_say_how_sure_they_are(torch):
    s = Server(torch)
    try:
        page = s.text("/fusion?run=provenance&compile_id=0/0&phase=inference")
        assert "read from the text of the generated code" in plain(page) and "in no certain order" in plain(page)
        assert "rsqrt" in texts(page) and answer(page) == "3 launches: 2 generated kernels, 1 library call."
        page = s.text("/fusion?run=provenance&compile_id=0/0&phase=inference&sel=cpp_fused_native_layer_norm_0")
        assert "does not say which pairs its scheduler looked at" in plain(page)
        assert "<h1>Fusion of [" in s.text("/fusion?run=optimizer_combo")
    finally:
        s.close()


# ---- the command ----

def test_the_command_names_what_it_can_draw(made, torch, tmp_path):
    assert "choose one with --compile: " in run_plumb("graph", torch, expect=2).err
    assert "fusion_phases" in run_plumb("graph", made.path, "-c", "7/7", expect=2).err
    assert "svg and dot" in run_plumb("graph", made.path, "-f", "png", expect=2).err
    assert "fusion_kernels" in run_plumb("graph", made.path, "--around", "nothing", expect=2).err
    out = tmp_path / "g.svg"
    run_plumb("graph", made.path, "-p", "backward", "-o", out)
    assert "pl_combo" in out.read_text() and xml.dom.minidom.parse(str(out))
    near = run_plumb("graph", made.path, "-c", "[0/0]", "-f", "dot", "--around", "extern_mm_0").out
    assert "softmax_1" not in near and "add_relu_0" in near


def test_a_log_without_kernels(tmp_path):
    run_plumb("import", KEPT / "recompiles", "-o", tmp_path / "r.db")
    if not query(tmp_path / "r.db", "SELECT id FROM kernel LIMIT 1"):
        assert "holds no kernels" in run_plumb("graph", tmp_path / "r.db", expect=2).err
