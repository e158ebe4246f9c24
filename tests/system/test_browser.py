"""Drives every page in headless Chromium: text, links, keyboard, console, with and without JavaScript, on a phone.

Screenshots are kept in $PLUMB_BUILD/screens. The pages are those of web/routes.def, so a new one is tested as
soon as it stands there; what a page must say is in SAYS.
"""
import re
import shutil
import socket
import time
import urllib.parse

import pytest

import made_comparison
from conftest import BUILD, ROOT, Server, values

pytest.importorskip("selenium", reason="python3-selenium is not installed")
from selenium import webdriver  # noqa: E402
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.expected_conditions import presence_of_element_located, staleness_of  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

if not shutil.which("chromedriver") or not shutil.which("chromium"):
    pytest.skip("chromium and chromedriver are not installed", allow_module_level=True)

class LocalService(Service):
    """chromedriver by its number: a small machine may have no /etc/hosts, so no localhost."""

    @property
    def service_url(self):
        return f"http://127.0.0.1:{self.port}"

    def is_connectable(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0


SCREENS = BUILD / "screens"
PAGE = re.compile(r'^PAGE\("([^"]+)", (?:NULL|"[^"]*"), (NULL|"[^"]*"), (NULL|"[^"]*"), (\'.\'|0),', re.M)
ROUTES = PAGE.findall((ROOT / "web/routes.def").read_text())
RAIL = [(path, label.strip('"'), key.strip("'")) for path, section, label, key in ROUTES if section != "NULL"]

# Of those that the rail has not: where they are without a link.
GIVEN = {"/search": "/search?q=relu", "/help": "/help", "/call": "/call?run=calls&call=138", "/kernel": "/kernel?id=1"}

# Path: words that its text must contain on the demo trace, with the run named.
SAYS = {
    "/overview": ("recompiles", ["13", "2.13.0"]),
    "/compiles": ("recompiles", ["by_shape", "4/3"]),
    "/failures": ("failures", ["TorchRuntimeError", "BackendCompilerFailed"]),
    "/recompiles": ("recompiles", ["size at index 0", "requires_grad", "recompile limit"]),
    "/breaks": ("graph_breaks", ["graph_breaks.py", "Data-dependent branching"]),
    "/graph-breaks": ("graph_breaks", ["graph_breaks.py", "Data-dependent branching"]),
    "/operators": ("calls", ["221 calls", "aten::addmm", "Sequential.0.norm", "train.py"]),
    "/nonfinite": ("calls", ["aten::native_layer_norm", "is the first that makes one"]),
    "/search": ("recompiles", []),
    "/sql": ("recompiles", ["SELECT"]),
    "/health": ("recompiles", []),
}


def options(script=True, width=1440, height=900, dark=False):
    o = webdriver.ChromeOptions()
    o.binary_location = shutil.which("chromium")
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1",
                 "--no-first-run", "--disable-background-networking", "--remote-debugging-pipe", f"--window-size={width},{height}"):
        o.add_argument(word)
    if dark:
        o.add_argument("--force-dark-mode")
        o.add_argument("--blink-settings=preferredColorScheme=0")
    o.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not script:
        o.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    return o


def browser_fixture(name, **how):
    def fixture():
        driver = webdriver.Chrome(options=options(**how), service=LocalService(shutil.which("chromedriver")))
        driver.set_page_load_timeout(60)
        yield driver
        driver.quit()
    fixture.__name__ = name
    return pytest.fixture(scope="module", name=name)(fixture)


chrome = browser_fixture("chrome")
plain = browser_fixture("plain", script=False)
phone = browser_fixture("phone", width=390, height=844)
dark = browser_fixture("dark", dark=True)


def console(driver):
    """Errors and warnings since the last call."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def shot(driver, name):
    SCREENS.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(str(SCREENS / f"{name}.png"))


def text(driver):
    """Text of the page; a page that is being replaced is read again."""
    waiting = WebDriverWait(driver, 20, ignored_exceptions=[StaleElementReferenceException])
    return waiting.until(lambda d: (d.find_element(By.TAG_NAME, "main").text,))[0]


def go(driver, server, path, run=None):
    driver.get(server.url + path + (("&" if "?" in path else "?") + "run=" + run if run else ""))


def links(driver, inside="body"):
    found = [a.get_attribute("href") for a in driver.find_elements(By.CSS_SELECTOR, f"{inside} a[href]")]
    # A link within a drawing has an object for an address.
    return [urllib.parse.urljoin(driver.current_url, href["baseVal"]) if isinstance(href, dict) else href for href in found]


def every_page(driver, server, run="recompiles"):
    """(name, address) of every page: those of the rail, and of the others the first that is linked to."""
    seen = [(path.strip("/") or "runs", server.url + path + ("?run=" + run if path != "/" else "")) for path, _, _ in RAIL]
    hidden = [path for path, section, _, _ in ROUTES if section == "NULL"]
    seen += [(path.strip("/"), server.url + GIVEN[path]) for path in hidden if path in GIVEN]
    starts = ["/overview", "/compiles", "/search?q=relu", "/recompiles", "/failures"]
    for start in starts + ["compile"]:
        missing = [path for path in hidden if path not in [("/" + name) for name, _ in seen]]
        if not missing:
            break
        address = dict(seen).get("compile") if start == "compile" else server.url + start + ("&" if "?" in start else "?") + "run=" + run
        if not address:
            continue
        driver.get(address)
        for href in links(driver, "main"):
            for path in missing:
                if href.startswith(server.url + path + "?") and path.strip("/") not in dict(seen):
                    seen.append((path.strip("/"), href))
    return seen


def test_every_route_is_reached(chrome, server):
    names = [name for name, _ in every_page(chrome, server)]
    pages = [path.strip("/") or "runs" for path, _, _, _ in ROUTES]
    assert sorted(set(names)) == sorted(names) and set(pages) - set(names) <= {"artifact/raw", "raw"}, set(pages) - set(names)


def test_every_page_looks_well(chrome, server):
    console(chrome)
    for name, address in every_page(chrome, server):
        chrome.get(address)
        assert chrome.title.strip(), name
        assert len(chrome.find_elements(By.TAG_NAME, "h1")) == 1, name
        assert len(text(chrome)) > 30, name
        assert console(chrome) == [], name
        shot(chrome, name.replace("/", "-"))
        wide = chrome.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 1, f"{name} is {wide} px wider than the window"


def test_every_page_in_the_dark(dark, server):
    for name, address in every_page(dark, server):
        dark.get(address)
        colour = dark.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert sum(map(int, re.findall(r"\d+", colour)[:3])) < 200, f"{name}: {colour}"
        shot(dark, name.replace("/", "-") + "-dark")


def test_every_page_without_a_script(plain, server, chrome):
    chrome.get(server.url)
    plain.get("data:text/html,<body><script>document.body.textContent='script ran'</script>")
    assert "script ran" not in plain.page_source.split("</script>")[-1], "JavaScript is off in this browser"
    for name, address in every_page(chrome, server):
        plain.get(address)
        assert len(text(plain)) > 30, name
        assert len(links(plain)) >= 3, name
        shot(plain, name.replace("/", "-") + "-plain")


def test_every_page_on_a_phone(phone, server):
    for name, address in every_page(phone, server):
        phone.get(address)
        wide = phone.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        shot(phone, name.replace("/", "-") + "-phone")
        assert wide <= 1, f"{name} is {wide} px wider than a phone"
        assert phone.execute_script("return parseFloat(getComputedStyle(document.body).fontSize)") >= 11


@pytest.mark.parametrize("path", [path for path, _, _, _ in ROUTES if path in SAYS])
def test_pages_say_what_the_run_is_known_for(chrome, server, path):
    run, words = SAYS[path]
    go(chrome, server, path, run)
    for word in words:
        assert word in text(chrome), (path, word)


def test_runs_lists_every_run(chrome, server, demo):
    go(chrome, server, "/")
    for run in values(demo, "SELECT run FROM runs"):
        assert run in text(chrome)


def test_every_link_of_every_page_leads_somewhere(chrome, server):
    checked = set()
    for name, address in every_page(chrome, server):
        chrome.get(address)
        for href in links(chrome):
            path = href.split("#")[0]
            assert href.startswith(server.url) or href.startswith(("http://127.0.0.1", "https://")), f"{name}: {href}"
            if path.startswith(server.url) and path not in checked and len(checked) < 600:
                checked.add(path)
                status, headers, body = server.get(path[len(server.url):], expect=None)
                assert status == 200, f"{name} links to {href}: {status}"
                anchor = href.partition("#")[2]
                if anchor and headers["Content-Type"].startswith("text/html"):
                    assert f'id="{anchor}"' in body.decode(), f"{name} links to {href}: no such anchor"
    assert len(checked) > 30


def test_keyboard(chrome, server):
    go(chrome, server, "/overview", "recompiles")
    for path, _, key in RAIL:
        if key == "0":
            continue
        chrome.find_element(By.TAG_NAME, "body").send_keys("g" + key)
        end = time.monotonic() + 10
        while time.monotonic() < end and chrome.current_url.split("?")[0] != server.url + path:
            time.sleep(0.02)
        assert chrome.current_url.split("?")[0] == server.url + path, f"g {key}"
    go(chrome, server, "/overview", "recompiles")
    chrome.find_element(By.TAG_NAME, "body").send_keys("/")
    focus = chrome.switch_to.active_element
    assert focus.tag_name == "input", "/ leads to the search field"
    focus.send_keys("requires_grad" + Keys.ENTER)
    end = time.monotonic() + 10
    while time.monotonic() < end and "/search" not in chrome.current_url:
        time.sleep(0.02)
    assert "/search" in chrome.current_url and "requires_grad" in text(chrome)


def test_theme_key_stays(chrome, server):
    go(chrome, server, "/compiles", "recompiles")
    colour = lambda: chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
    before = colour()
    chrome.find_element(By.TAG_NAME, "body").send_keys("t")
    after = colour()
    assert after != before
    chrome.refresh()
    assert colour() == after, "the choice stays"
    chrome.find_element(By.TAG_NAME, "body").send_keys("t")
    assert colour() == before


def test_every_control_is_reached_by_tab(chrome, server):
    go(chrome, server, "/compiles", "recompiles")
    reached, unseen = set(), []
    for _ in range(200):
        chrome.switch_to.active_element.send_keys(Keys.TAB)
        what, style = chrome.execute_script(
            "const e = document.activeElement, s = getComputedStyle(e.matches('.find input') ? e.parentElement : e);"
            "return [e.tagName + ' ' + (e.getAttribute('href') || e.getAttribute('name') || e.textContent), s.outlineStyle + s.boxShadow]")
        if what.startswith("BODY"):
            break
        reached.add(what)
        unseen += [what] if style == "nonenone" else []
    wanted = chrome.execute_script("return new Set([...document.querySelectorAll('a[href],input:not([type=hidden]),select,button,summary')]"
                                   ".filter(e => e.checkVisibility()).map(e => e.getAttribute('href') || e.getAttribute('name') || e.textContent)).size")
    assert wanted > 10 and len(reached) >= min(wanted, 150) * 0.9
    assert unseen == [], "what has the focus is seen"


def test_compiles_sort_and_filter_without_a_script(plain, server):
    go(plain, server, "/compiles", "failures")
    head = [a for a in links(plain, "main th") if a]
    assert head, "column heads are links that sort"
    plain.get(head[0])
    assert "mismatched" in text(plain)
    rows = lambda: len(plain.find_elements(By.CSS_SELECTOR, "main table tbody tr"))
    assert rows() >= 7
    field = plain.find_elements(By.CSS_SELECTOR, "main form input[type=search], main form input[type=text], main form input:not([type])")
    assert field, "a form filters"
    field[0].send_keys("mismatched" + Keys.ENTER)
    assert "mismatched" in text(plain) and rows() < 7


def press(driver, label):
    """Presses a button of a form, or a link, and waits until its answer has taken the place of the page."""
    page = driver.find_element(By.TAG_NAME, "main")
    next(b for b in driver.find_elements(By.CSS_SELECTOR, "main button, main a") if b.text == label).click()
    WebDriverWait(driver, 20).until(staleness_of(page))
    WebDriverWait(driver, 20).until(presence_of_element_located((By.TAG_NAME, "main")))


def test_sql_console_works_without_a_script(plain, server):
    go(plain, server, "/sql", "recompiles")
    area = plain.find_element(By.CSS_SELECTOR, "main textarea")
    area.clear()
    area.send_keys("SELECT 6 * 7 AS answer, compile_id FROM compiles WHERE compile_id = '4/3'")
    press(plain, "Run")
    assert "42" in text(plain) and "4/3" in text(plain)
    area = plain.find_element(By.CSS_SELECTOR, "main textarea")
    area.clear()
    area.send_keys("DELETE FROM compile")
    press(plain, "Run")
    assert re.search("not|only|refused|denied", text(plain)), "a query cannot write"


def test_operator_log_folds_filters_and_pages_without_a_script(plain, server):
    go(plain, server, "/operators", "calls")
    press(plain, "all scopes")
    assert plain.find_elements(By.CSS_SELECTOR, "a.tw_[title=unfold]")
    assert "level=0" in plain.current_url
    press(plain, "+")
    assert "open=" in plain.current_url and plain.find_elements(By.CSS_SELECTOR, "a.tw_[title=fold]")
    go(plain, server, "/operators", "calls")
    press(plain, "Next 50")
    assert plain.find_elements(By.ID, "c50") and not plain.find_elements(By.ID, "c49")
    plain.find_element(By.NAME, "op").send_keys("layer_norm")
    press(plain, "Filter")
    names = [e.text for e in plain.find_elements(By.CSS_SELECTOR, "a.name")]
    assert len(names) > 4 and all("layer_norm" in n for n in names)
    press(plain, "with NaN or infinity")
    assert 0 < len(plain.find_elements(By.CSS_SELECTOR, "a.name")) < len(names)
    press(plain, plain.find_element(By.CSS_SELECTOR, "a.name").text)
    assert "native_layer_norm" in text(plain) and re.search(r"Sequential\.\d\.norm", text(plain))


@pytest.mark.parametrize("address", ["/operators?run=calls", "/operators?run=calls&level=1", "/call?run=calls&call=138", "/nonfinite?run=calls"])
def test_pages_of_calls_look_well(chrome, dark, phone, server, address):
    for driver, end in ((chrome, ""), (dark, "-dark"), (phone, "-phone")):
        console(driver)
        driver.get(server.url + address)
        assert console(driver) == [], end
        wide = driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 1, end
        shot(driver, "calls" + re.sub(r"\W+", "-", address) + end)


def test_artifact_lines_have_anchors(chrome, server):
    address = dict(every_page(chrome, server)).get("artifact")
    assert address
    chrome.get(address + "#L2" if "#" not in address else address)
    assert chrome.find_elements(By.CSS_SELECTOR, "main [id='L1']")


def test_a_token_guards_the_server(demo, chrome):
    server = Server(demo, token=True)
    try:
        assert server.get("/overview", expect=None)[0] in (401, 403)
        end = time.monotonic() + 10
        match = None
        while not match and time.monotonic() < end:
            match = re.search(r"http://127\.0\.0\.1:\d+/\S*", server.output())
            time.sleep(0.05)
        assert match, server.output()
        chrome.get(match.group())
        assert "token" not in chrome.current_url, "the token leaves the address"
        assert "recompiles" in text(chrome)
        assert console(chrome) == []
    finally:
        server.close()


# ---- where two runs part

@pytest.fixture(scope="module")
def parted(tmp_path_factory):
    path = tmp_path_factory.mktemp("parted") / "compared.db"
    info = made_comparison.make(path, alpha=-0.10000009536743165)
    s = Server(path)
    yield s, info
    s.close()


def cursor(driver):
    return int(driver.find_element(By.CSS_SELECTOR, "tr[aria-selected=true]").get_attribute("id")[1:])


def test_divergence_is_understood_at_a_glance(chrome, dark, phone, plain, parted):
    s, info = parted
    for driver, name in ((chrome, "divergence-compared"), (dark, "divergence-compared-dark"), (phone, "divergence-compared-phone"),
                         (plain, "divergence-compared-plain")):
        driver.get(s.url + "/divergence")
        shot(driver, name)
        assert "gets alpha -0.1 in A and -0.10000009536743165 in B" in text(driver), name
        assert cursor(driver) == info.first(*made_comparison.CAUSES), name
        wide = driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth") if driver is not plain else 0
        assert wide <= 1, f"{name} is {wide} px wider than the window"
    box = chrome.find_element(By.CSS_SELECTOR, "tr[aria-selected=true]").location
    assert box["y"] < 900, "the first difference is seen without scrolling"
    assert console(chrome) == []


def test_divergence_keys_move_the_cursor(chrome, parted):
    s, info = parted
    causes = [c.n + 1 for c in info.calls if c.verdict in made_comparison.CAUSES]
    chrome.get(s.url + "/divergence")
    for key, pair in (("n", causes[1]), ("n", causes[2]), ("p", causes[1]), ("N", causes[2]), ("P", causes[1]), ("e", None), ("u", None)):
        old = chrome.find_element(By.TAG_NAME, "html")
        before = cursor(chrome)
        chrome.find_element(By.TAG_NAME, "body").send_keys(key)
        WebDriverWait(chrome, 20).until(staleness_of(old))
        assert cursor(chrome) == pair if pair else cursor(chrome) != before, key


def test_a_bar_moves_the_cursor_and_the_window_stays(chrome, parted):
    s, _ = parted
    chrome.get(s.url + "/divergence")
    bars = chrome.find_elements(By.CSS_SELECTOR, "#ribbon a.bx")
    goal = urllib.parse.urljoin(chrome.current_url, bars[20].get_attribute("href")["baseVal"])
    first = bars[0].get_attribute("href")["baseVal"].split("&from=")[1]
    chrome.get(goal)
    assert cursor(chrome) == int(re.search(r"at=(\d+)", goal).group(1))
    assert chrome.find_elements(By.CSS_SELECTOR, "#ribbon a.bx")[0].get_attribute("href")["baseVal"].split("&from=")[1] == first
