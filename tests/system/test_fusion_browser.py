"""The fusion graph in Chromium: as SVG and on a canvas, keys along the edges, without a script, in the dark, on a phone.

Screenshots are kept beside those of test_browser.py, as fusion-*.
"""
import re

import pytest

import made_kernels
from conftest import Server, run_folder, run_plumb
from made_trace import Trace
from test_browser import browser_fixture, console, shot, text
from test_kernel_browser import too_wide

chrome = browser_fixture("chrome")
phone = browser_fixture("phone", width=390, height=844)
dark = browser_fixture("dark", dark=True)
plain = browser_fixture("plain", script=False)

LARGE = 700


def large(path):
    """So many kernels, each reading the one before it and one some way before, no two layers alike."""
    t = Trace(path)
    log = t.log(run="large", name="large.log")
    compile = t.compile(log, "0/0", name="f", n_ops=LARGE, n_nodes=LARGE, total_ns=10)
    for i in range(LARGE):
        k = t.add("kernel", compile=compile, name=t.word(f"pl_poi_fused_{i}"), kind="c", phase="forward", role="pointwise", position=i, bytes_read=i, bytes_written=4)
        for a, back in enumerate(sorted({1, 1 + i * i % 11})):
            if i >= back:
                t.add("kernel_arg", kernel=k, position=a, name=t.word(f"in_ptr{a}"), value=t.word(f"v{i - back}"), type=t.word("f32[4]"), bytes=16, written=0)
        t.add("kernel_arg", kernel=k, position=9, name=t.word("out_ptr0"), value=t.word(f"v{i}"), type=t.word("f32[4]"), bytes=16, written=1)
    t.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fusion")
    made = made_kernels.make(folder / "k.db")
    large(folder / "large.db")
    run_plumb("run", "gpt", "--compile", "--steps", "2", "-o", folder / "gpt.db")
    run_plumb("run", "optimizer", "--compile", "--steps", "2", "-o", folder / "optimizer.db")
    files = [made.path, folder / "large.db", folder / "gpt.db", folder / "optimizer.db"]
    pages = {"forward": "/fusion?compile_id=0/0&phase=forward&sel=pl_poi_fused_add_relu_0", "combo": "/fusion?compile_id=0/0&phase=backward",
             "large": "/fusion?file=1&compile_id=0/0&phase=forward", "gpt": "/fusion?file=2&compile_id=1/0&phase=forward",
             "backward": "/fusion?file=2&compile_id=1/0&phase=backward&over=time", "optimizer": "/fusion?file=3&compile_id=2/0&phase=inference"}
    try:
        logs = [run_folder(name) for name in ("transformer", "provenance")]
        run_plumb("import", *logs, "-o", folder / "torch.db")
        files.append(folder / "torch.db")
        pages["transformer"] = "/fusion?file=4&run=transformer&compile_id=0/0&phase=forward"
        pages["provenance"] = "/fusion?file=4&run=provenance&compile_id=0/1&phase=forward&sel=extern_kernels.addmm"
    except pytest.skip.Exception:
        pass  # without PLUMB_TEST_DATA
    server = Server(*files)
    yield {name: server.url + path for name, path in pages.items()}
    server.close()


def boxes(driver):
    """{name: (left, top, right, bottom)} of the kernels of the drawing."""
    return driver.execute_script("""
      return Object.fromEntries([...document.querySelectorAll('svg.graph > a')].map(a => {
        const r = a.querySelector('rect').getBoundingClientRect();
        return [a.querySelector('title').textContent.replace(/^kernel \\d+: /, ''), [r.left, r.top, r.right, r.bottom]]; }))""")


def outside(driver):
    """Texts of the drawing that stick out of their box to the right by more than two pixels."""
    return driver.execute_script("""
      return [...document.querySelectorAll('svg.graph > a')].flatMap(a => {
        const r = a.querySelector('rect').getBoundingClientRect();
        return [...a.querySelectorAll('text')].filter(t => { const b = t.getBoundingClientRect(); return b.right > r.right + 2 || b.left < r.left - 2; })
          .map(t => t.textContent); })""")


def test_pages_look_well(chrome, served):
    console(chrome)
    for name, address in served.items():
        chrome.set_window_size(1440, 900)
        chrome.get(address)
        assert len(chrome.find_elements("tag name", "h1")) == 1 and console(chrome) == [], name
        assert too_wide(chrome) <= 1, name
        assert outside(chrome) == [], name
        shot(chrome, f"fusion-{name}")


def test_pages_in_the_dark(dark, served):
    for name in ("combo", "large", "backward"):
        address = served[name]
        dark.set_window_size(1440, 900)
        dark.get(address)
        fill = dark.execute_script("const r = document.querySelector('svg.graph rect.box'); return r && getComputedStyle(r).fill")
        assert fill is None or sum(map(int, re.findall(r"\d+", fill)[:3])) < 200, name
        shot(dark, f"fusion-{name}-dark")


def test_pages_on_a_phone(phone, served):
    for name in ("forward", "large", "gpt"):
        address = served[name]
        phone.set_window_size(390, 844)
        phone.get(address)
        assert too_wide(phone) <= 1, f"{name} is wider than a phone"
        shot(phone, f"fusion-{name}-phone")


def test_boxes_do_not_overlap(chrome, served):
    for name in ("gpt", "backward", "combo"):
        chrome.get(served[name])
        found = list(boxes(chrome).items())
        assert len(found) >= 2
        for i, (a, p) in enumerate(found):
            for b, q in found[:i]:
                assert p[2] <= q[0] + 1 or q[2] <= p[0] + 1 or p[3] <= q[1] + 1 or q[3] <= p[1] + 1, f"{a} lies on {b}"


def press(driver, keys):
    driver.find_element("tag name", "body").send_keys(keys)


def test_keys_walk_the_edges(chrome, served):
    chrome.get(served["forward"])
    press(chrome, "\ue013")  # up
    assert "sel=extern_mm_0" in chrome.current_url and chrome.current_url.endswith("#at")
    press(chrome, "\ue015\ue015")  # down: the page is another after the first
    assert "sel=pl_poi_fused_add_relu_0" in chrome.current_url or "sel=pl_per_fused__softmax_1" in chrome.current_url
    press(chrome, "1")
    assert "hops=1" in chrome.current_url
    press(chrome, "0")
    assert "hops" not in chrome.current_url
    press(chrome, " ")
    assert "fold=1" in chrome.current_url and "2 operators" in text(chrome)
    press(chrome, "\ue00c")  # escape
    assert "sel=" not in chrome.current_url


def test_a_box_is_a_link_without_a_script(plain, served):
    plain.get(served["combo"])
    plain.get(served["combo"] + "&sel=" + re.search(r"sel=(\w+)#at", plain.page_source).group(1))
    assert "Selected kernel" in plain.page_source and plain.find_elements("id", "at")
    assert plain.find_elements("css selector", "svg.graph > a[aria-current=true]")
    plain.get(served["large"])
    assert "needs JavaScript" in plain.page_source and plain.find_elements("css selector", "#kernels-table tbody tr")


def test_a_large_graph_is_drawn_on_a_canvas(chrome, served):
    chrome.set_window_size(1440, 900)
    chrome.get(served["large"] + "&sel=pl_poi_fused_333")
    assert not chrome.find_elements("css selector", "svg.graph") and console(chrome) == []
    inked = """const c = document.querySelector('canvas.graph'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
               let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n"""
    chrome.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert chrome.execute_script(inked) > 5000
    # The selected box stands in the middle: a click there stays with it.
    chrome.find_element("css selector", "canvas.graph").click()
    assert "sel=pl_poi_fused_333" in chrome.current_url
    chrome.find_element("css selector", "canvas.graph").send_keys("f")
    chrome.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert chrome.execute_script(inked) > 100
    chrome.get(served["large"] + "&sel=pl_poi_fused_333&hops=2")
    assert len(boxes(chrome)) < 60 and "pl_poi_fused_333" in boxes(chrome)


def test_layers_that_are_alike_are_drawn_once(chrome, served):
    chrome.get(served["gpt"])
    folded = len(boxes(chrome))
    assert "Layer 1 of 2, all alike" in text(chrome) and "×2" in text(chrome)
    chrome.find_element("link text", "Draw every layer").click()
    assert len(boxes(chrome)) > folded and "×2" not in chrome.find_element("css selector", "svg.graph").text
