"""The timeline in Chromium: the canvas, keys and mouse, search, flow, without a script, in the dark, on a phone.

Screenshots are kept beside those of test_browser.py, as timeline-*.
"""
import urllib.parse

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.support.ui import WebDriverWait

import made_timeline
from conftest import Server
from test_browser import browser_fixture, console, shot

chrome = browser_fixture("chrome")
phone = browser_fixture("phone", width=390, height=844)
dark = browser_fixture("dark", dark=True)
plain = browser_fixture("plain", script=False)
CANVAS = "const c = document.querySelector('#timeline canvas');"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    made = made_timeline.make(tmp_path_factory.mktemp("timeline") / "t.db")
    made.server = Server(made.path)
    made.url = made.server.url + "/timeline"
    yield made
    made.server.close()


def wait(driver, condition):
    return WebDriverWait(driver, 20, 0.05).until(lambda d: d.execute_script(condition))


def opened(driver, url):
    console(driver)
    driver.get(url)
    wait(driver, CANVAS + "return c && c.dataset.loaded === '1' && +c.dataset.shapes > 0")
    return driver.find_element("css selector", "#timeline canvas")


def parameters(driver):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(driver.current_url).query))


def press(driver, key):
    driver.find_element("tag name", "body").send_keys(key)


def test_keys_zoom_and_pan_and_the_address_follows(chrome, made):
    opened(chrome, made.url)
    press(chrome, "w")
    wait(chrome, "return location.search.includes('t0=')")
    first = parameters(chrome)
    assert int(first["t1"]) - int(first["t0"]) < 0.7 * (made.end - made.begin)
    press(chrome, "a")
    wait(chrome, f"return !location.search.includes('t0={first['t0']}')")
    assert int(parameters(chrome)["t0"]) < int(first["t0"])
    wait(chrome, "return document.querySelector('main > .answer').textContent.includes('This stretch')")
    press(chrome, "f")
    wait(chrome, "return !location.search.includes('t0=')")
    assert console(chrome) == []


def test_an_area_is_selected_with_the_mouse(chrome, made):
    canvas = opened(chrome, made.url)
    ActionChains(chrome).move_to_element_with_offset(canvas, -50, -40).click_and_hold().move_by_offset(200, 20).release().perform()
    wait(chrome, "return document.querySelector('#area h2').textContent === 'Selected area'")
    asked = parameters(chrome)
    assert made.begin <= int(asked["a0"]) < int(asked["a1"]) <= made.end and asked["on"]
    shot(chrome, "timeline-area")
    assert console(chrome) == []


def test_an_event_is_selected_and_leads_to_its_kernel(chrome, made):
    opened(chrome, made.url)
    box = chrome.find_element("css selector", ".filter .q")
    box.send_keys("made_kernel")
    wait(chrome, "return document.getElementById('status').textContent.includes('1 names, 20 events')")
    box.send_keys("\n")
    wait(chrome, "return document.querySelector('.drawer') && location.search.includes('sel=')")
    assert "launched by" in chrome.find_element("css selector", ".drawer").text
    chrome.execute_script("document.activeElement.blur()")
    first = parameters(chrome)["sel"]
    press(chrome, ".")
    wait(chrome, f"return !decodeURIComponent(location.search).includes('{first}')")
    press(chrome, ",")
    wait(chrome, f"return decodeURIComponent(location.search).includes('{first}')")
    press(chrome, "m")
    wait(chrome, "return document.querySelector('#area h2').textContent === 'Selected area'")
    press(chrome, "f")
    wait(chrome, CANVAS + "return c.dataset.loaded === '1'")
    shot(chrome, "timeline-selected")
    press(chrome, "\ue00c")
    wait(chrome, "return !document.querySelector('.drawer')")
    assert "sel" not in parameters(chrome) and console(chrome) == []


def test_a_link_shows_the_same_again(chrome, made):
    third = (made.end - made.begin) // 3
    opened(chrome, f"{made.url}?t0={made.begin + third}&t1={made.end - third}&sel=p1.t1@0")
    chrome.refresh()
    opened(chrome, chrome.current_url)
    assert int(parameters(chrome)["t0"]) == made.begin + third


def test_g_and_a_letter_still_go_to_a_page(chrome, made):
    opened(chrome, made.url)
    press(chrome, "gs")
    wait(chrome, "return location.pathname === '/sql'")


def test_the_canvas_is_named_and_the_tables_stand_beside_it(chrome, made):
    canvas = opened(chrome, made.url)
    assert canvas.get_attribute("role") == "img" and "tables" in canvas.get_attribute("aria-label")
    assert chrome.find_elements("id", "area-table") and chrome.find_elements("id", "tracks-table")
    chrome.set_window_size(1440, 900)
    shot(chrome, "timeline-light")


def test_in_the_dark_the_canvas_is_dark(dark, made):
    dark.set_window_size(1440, 900)
    opened(dark, made.url)
    # The ground under the axis is drawn in the colour of the page.
    pixel = dark.execute_script(CANVAS + "return [...c.getContext('2d').getImageData(2, 2, 1, 1).data]")
    assert sum(pixel[:3]) < 200
    shot(dark, "timeline-dark")


def test_on_a_phone_the_page_is_not_wider(phone, made):
    phone.set_window_size(390, 844)
    opened(phone, made.url)
    assert phone.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 1
    shot(phone, "timeline-phone")


def test_without_a_script_links_zoom_and_select(plain, made):
    plain.get(made.url)
    assert plain.find_elements("css selector", "#timeline svg[role=img]")
    plain.find_element("link text", "zoom in").click()
    assert "t0" in parameters(plain) and "This stretch" in plain.find_element("css selector", "main > .answer").text
    box = plain.find_element("css selector", "#timeline a[href*='sel=']")
    plain.get(made.server.url + plain.execute_script("return arguments[0].getAttribute('href')", box))
    assert plain.find_elements("css selector", ".drawer h2")
    shot(plain, "timeline-plain")
