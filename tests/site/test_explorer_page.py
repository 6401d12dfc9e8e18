"""The explorer's page in Chromium: what it shows, by keyboard and by pointer, at three widths (``make test-docs``).

``EXPLORER_SHOTS=folder`` keeps the screenshots.
"""

import functools
import http.server
import os
import re
import runpy
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from tests.site.programs import PAGE, ROOT, dump

WIDTHS = (360, 820, 1440)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=PAGE.parent))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/explorer/index.html"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium")
    assert path, "chromium is not on PATH: make test-docs says how it is installed"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def open_page(browser, address):
    """open_page(hash, width=…) → a page that has drawn. No console message, no request but to the server may come."""
    pages, problems = [], []

    def open_(fragment="", width=1440, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        own = address.rsplit("/", 1)[0]
        page.on("request", lambda r: None if r.url.startswith((own, "data:")) else problems.append(r.url))
        page.on("response", lambda r: problems.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.goto(address + fragment)
        page.wait_for_function("document.getElementById('readout').textContent !== ''")
        pages.append(context)
        return page

    yield open_
    for context in pages:
        context.close()
    assert problems == []


def test_the_site_s_page_opens_as_a_file(browser, open_page, tmp_path):
    """One file with its modules inside: no server, no request."""
    bundle = runpy.run_path(str(ROOT / "docs" / "_ext" / "explorer.py"))["single_file"](PAGE)
    (tmp_path / "index.html").write_text(bundle, encoding="utf-8")
    shutil.copy(PAGE / "explorer.css", tmp_path)
    page, problems = browser.new_page(), []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((tmp_path / "index.html").as_uri())
    page.wait_for_function("document.getElementById('readout').textContent !== ''", timeout=10_000)
    assert readout(page) == readout(open_page())
    assert problems == []
    page.close()


def readout(page):
    return page.text_content("#readout")


def value(text):
    """1.2e−5 → 1.2e-5."""
    return float(text.replace("−", "-"))


def settled(page, before):
    """The readout once it differs from `before`."""
    page.wait_for_function("before => document.getElementById('readout').textContent !== before", arg=before)
    return readout(page)


def test_readout(open_page):
    page = open_page()
    assert page.get_attribute("#readout", "aria-live") == "polite"
    expected = (
        r"Step 30 of 80\. CG error \S+, Lanczos error \S+; by the bounds between \S+ and \S+\.\n"
        r"30 Ritz values, \d+ converged, [1-9]\d* ghosts\.\n\|QᵀQ − I\| up to \S+\.\n"
        r"LancBiO, iteration 30: error \S+, \d+ columns of 16\."
    )
    assert re.fullmatch(expected, readout(page)), readout(page)
    before = readout(page)
    page.focus("#step")
    page.keyboard.press("ArrowRight")
    assert settled(page, before).startswith("Step 31 of 80")
    page.keyboard.press("Home")
    page.wait_for_function("document.getElementById('readout').textContent.startsWith('Step 0 of 80')")


CONTROLS = {  # how each is moved by one key
    "n": "ArrowRight", "spectrum": "ArrowUp", "logKappa": "ArrowRight", "rho": "ArrowRight", "rhs": "ArrowDown",
    "seed": "ArrowUp", "precision": "ArrowDown", "reorthogonalization": "ArrowDown", "steps": "ArrowRight",
    "mu": "ArrowLeft", "delay": "ArrowRight", "direction": "ArrowDown", "logDrift": "ArrowRight",
    "initial": "ArrowDown", "maximum": "ArrowUp", "growth": "ArrowRight", "every": "ArrowUp",
    "axis": "ArrowDown", "step": "ArrowRight",
}  # fmt: skip


def test_every_control_does_something_by_keyboard(open_page):
    """Each alone: the address has it, and a chart (what is drawn, not only the controls) changes."""
    page = open_page()
    charts = "[...document.querySelectorAll('.chart')].map(c => c.innerHTML).join('')"
    named = page.evaluate("[...document.forms.controls.elements].map(e => e.name).filter(Boolean)")
    assert set(named) == set(CONTROLS)
    for name, key in CONTROLS.items():
        # m grows between `initial` and `maximum` only, so they must differ for those two to matter
        page.evaluate(f"location.hash = {'#initial=4&growth=1.5' if name in ('growth', 'every', 'maximum') else '#'!r}")
        page.wait_for_timeout(150)
        before = page.evaluate(charts)
        page.focus(f"#{name}")
        page.keyboard.press(key)
        page.wait_for_function(f"before => {charts} !== before", arg=before)
        assert f"{name}=" in page.evaluate("location.hash")


def test_tab_reaches_everything_with_visible_focus(open_page):
    page = open_page()
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "(e => ({ id: e.id || e.textContent.trim(), tag: e.tagName, width: getComputedStyle(e).outlineWidth,"
            " style: getComputedStyle(e).outlineStyle }))(document.activeElement)"
        )
        if found["tag"] == "BODY":
            break
        assert found["style"] != "none" and found["width"] != "0px", found
        reached.add(found["id"])
    assert set(CONTROLS) | {"play", "theme", "To the charts"} <= reached
    assert sum("as a table" in name for name in reached) == 4


def test_link_to_the_charts_keeps_the_state(open_page):
    page = open_page("#n=20&step=7")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "views"
    page.wait_for_timeout(100)
    assert page.input_value("#n") == "20"
    assert readout(page).startswith("Step 7 of 80")


def test_focus_is_not_hidden_behind_the_step(open_page):
    """A control that has scrolled behind the bar comes out from under it when it is focused."""
    page = open_page(width=820, height=600)
    for name in ("spectrum", "direction", "axis"):
        page.evaluate("name => scrollBy(0, document.getElementById(name).getBoundingClientRect().top - 15)", name)
        page.focus(f"#{name}")
        page.wait_for_timeout(50)
        top = page.evaluate("name => document.getElementById(name).getBoundingClientRect().top", name)
        assert top >= page.evaluate("document.querySelector('.stepper').getBoundingClientRect().bottom"), name


def test_every_control_has_a_label(open_page):
    page = open_page()
    assert page.evaluate("[...document.forms.controls.elements].every(e => !e.name || e.labels.length === 1)")
    assert page.evaluate("[...document.querySelectorAll('.chart svg')].every(s => s.getAttribute('aria-label'))")


def test_tables_hold_the_numbers_of_the_charts(open_page):
    page = open_page("#step=12")
    for name, rows in (("convergence", 81), ("ritz", 12), ("orthogonality", 80), ("moving", 80)):
        summary = page.locator(f"details:has(#table-{name}) summary")
        summary.focus()
        page.keyboard.press("Enter")
        page.wait_for_function(f"document.querySelectorAll('#table-{name} tbody tr').length === {rows}")
    cells = page.locator("#table-convergence tr[aria-current] > *").all_text_contents()
    found = dump()["convergence"]
    assert cells[0] == "12"
    assert value(cells[1]) == pytest.approx(found["cg"]["error"][12], rel=1e-2)
    assert value(cells[6]) == pytest.approx(found["upper"][12], rel=1e-2)


def test_play_walks_and_is_not_offered_where_motion_is_unwanted(open_page):
    page = open_page("#step=3")
    page.focus("#play")
    page.keyboard.press("Space")
    page.wait_for_function("document.getElementById('step').value >= 6")
    assert page.get_attribute("#readout", "aria-live") == "off"
    page.keyboard.press("Space")
    assert page.get_attribute("#readout", "aria-live") == "polite"
    stopped = page.input_value("#step")
    page.wait_for_timeout(400)
    assert page.input_value("#step") == stopped
    assert open_page(reduced_motion="reduce").is_hidden("#play")


def test_address_is_the_state(open_page):
    page = open_page("#n=20&spectrum=uniform&reorthogonalization=full&steps=25&step=20")
    assert page.input_value("#n") == "20"
    assert page.is_disabled("#rho")
    assert "0 ghosts" in readout(page)
    assert "The space is invariant" in readout(page)


def test_every_experiment_shows_what_it_says(open_page):
    page = open_page("#n=10")
    links = page.locator("nav a")
    words = {}
    for i in range(links.count()):
        before = readout(page)
        links.nth(i).click()
        words[links.nth(i).text_content()] = settled(page, before)
    ghosts = {name: int(re.search(r"(\d+) ghosts?", text)[1]) for name, text in words.items()}
    assert ghosts["Ghosts"] > 0
    assert ghosts["None left"] == ghosts["√u is enough"] == 0
    assert "below the floor, where they say nothing" in words["Single precision"]
    assert "The space is invariant" in words["Three eigenvectors"]
    assert "T indefinite" in words["Indefinite T"] and "A itself" not in words["Indefinite T"]
    error = value(re.search(r"CG error (\S+?)[, ]", words["Five eigenvalues"])[1])
    assert error < 1e-5
    assert "μ > λ₁" in words["A false μ"]


def test_a_matrix_that_rounds_to_an_indefinite_one_is_said_so(open_page):
    page = open_page("#precision=single&logKappa=12&spectrum=geometric")
    assert "not positive definite" in readout(page)
    assert "beyond 1/u" in page.text_content("#chart-convergence")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_layout(open_page, width, scheme, tmp_path):
    page = open_page("#step=45", width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for summary in page.locator("main details summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for summary in page.locator("main details summary").all():
        summary.click()
    folder = Path(os.environ.get("EXPLORER_SHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=folder / f"{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 360 if width != 360 else 820, "height": 900})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_theme_toggle(open_page):
    page = open_page(color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light, picture = page.evaluate(paper), page.get_attribute("#chart-orthogonality image", "href")
    page.focus("#theme")
    page.keyboard.press("Enter")
    dark = page.evaluate(paper)
    assert dark != light
    assert page.get_attribute("#chart-orthogonality image", "href") != picture
    assert page.text_content("#theme") == "Light"
    page.keyboard.press("Enter")
    assert page.evaluate(paper) == light
    assert open_page(color_scheme="dark").evaluate(paper) == dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(open_page, scheme):
    """WCAG 2.2: 4.5 for text on paper and panels, 3 for lines."""
    page = open_page(color_scheme=scheme)

    def luminance(name):
        text = page.evaluate("name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()", name)
        c = np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    def contrast(a, b):
        low, high = sorted((luminance(a), luminance(b)))
        return (high + 0.05) / (low + 0.05)

    for text in ("--ink", "--soft", "--blue"):
        assert contrast(text, "--paper") >= 4.5 and contrast(text, "--panel") >= 4.5, text
    for stroke in ("--orange", "--green", "--purple"):
        assert contrast(stroke, "--paper") >= 3, stroke
