"""The pages of kernels in Chromium: console, widths, keyboard, without a script, in the dark, on a phone.

Screenshots are kept beside those of test_browser.py, as made-*.
"""
import html
import re

import pytest

import made_kernels
from conftest import Server
from test_browser import browser_fixture, console, shot, text

chrome = browser_fixture("chrome")
phone = browser_fixture("phone", width=390, height=844)
dark = browser_fixture("dark", dark=True)
plain = browser_fixture("plain", script=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = made_kernels.make(tmp_path_factory.mktemp("kernels") / "k.db")
    server = Server(made.path)
    pages = {"kernels": "/kernels", "kernel": f"/kernel?id={made.kernel['pl_poi_fused_add_relu_0']}",
             "combo": f"/kernel?id={made.kernel['pl_combo_fused_add_mul_zeros_3']}", "extern": f"/kernel?id={made.kernel['extern_mm_0']}",
             "compile": "/compile?compile_id=0/0", "call": "/call?call=4"}
    yield {name: server.url + path for name, path in pages.items()}
    server.close()


def too_wide(driver):
    return driver.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")


def whole(driver, name, width):
    """A screenshot of all of a page."""
    height = driver.execute_script("return document.documentElement.scrollHeight")
    driver.set_window_size(width, min(height + 20, 6000))
    shot(driver, name)


def test_pages_look_well(chrome, served):
    console(chrome)
    for name, address in served.items():
        chrome.set_window_size(1440, 900)
        chrome.get(address)
        assert len(chrome.find_elements("tag name", "h1")) == 1 and console(chrome) == [], name
        assert too_wide(chrome) <= 1, name
        whole(chrome, f"made-{name}", 1440)


def test_pages_in_the_dark(dark, served):
    for name, address in served.items():
        dark.set_window_size(1440, 900)
        dark.get(address)
        colour = dark.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert sum(map(int, re.findall(r"\d+", colour)[:3])) < 200, f"{name}: {colour}"
        whole(dark, f"made-{name}-dark", 1440)


def test_pages_on_a_phone(phone, served):
    for name, address in served.items():
        phone.set_window_size(390, 844)
        phone.get(address)
        assert too_wide(phone) <= 1, f"{name} is wider than a phone"
        whole(phone, f"made-{name}-phone", 390)


def test_drawings_have_a_label_and_a_table(chrome, served):
    for name, table in (("combo", "parts-table"), ("kernel", "launches-table"), ("compile", "buffers-table")):
        chrome.get(served[name])
        drawings = chrome.find_elements("css selector", "main svg.d[role=img][aria-label]")
        assert drawings and all(len(d.get_attribute("aria-label")) > 20 for d in drawings), name
        assert chrome.find_elements("id", table), name
        assert chrome.execute_script("return [...document.querySelectorAll('main svg:not([role=img]):not([aria-hidden])')].length") == 0, name


def test_heads_links_and_landmarks_have_names(chrome, served):
    for name, address in served.items():
        chrome.get(address)
        assert chrome.execute_script("return [...document.querySelectorAll('main a[href]')].filter(a => !a.textContent.trim()).length") == 0, name
        assert chrome.execute_script("return document.querySelectorAll('main section h2').length") >= 1, name
        assert chrome.execute_script("const ids = [...document.querySelectorAll('[id]')].map(e => e.id); return ids.length - new Set(ids).size") == 0, name


def test_keys_lead_from_kernel_to_kernel(chrome, served):
    chrome.get(served["extern"])
    chrome.find_element("tag name", "body").send_keys("]")
    assert "pl_poi_fused_add_relu_0" in text(chrome).split("\n")[1] or "pl_poi_fused_add_relu_0" in chrome.title
    chrome.find_element("tag name", "body").send_keys("gf")
    assert "/kernels" in chrome.current_url


def test_what_is_pressed_narrows_without_a_script(plain, served):
    plain.get(served["compile"])
    for label in ("kept apart", "into a launch"):
        plain.get(next(a.get_attribute("href") for a in plain.find_elements("css selector", "#decided a.chip") if a.text == label))
    rows = [row.text for row in plain.find_elements("css selector", "#decided-table tbody tr")]
    assert len(rows) == 2 and all("apart" in row and "launch" in row for row in rows)
    assert html.unescape(plain.current_url).endswith("#decided")
