"""The explorer: its modules, what they compute beside lancbio_ref, and the page in a browser (``make test-docs``).

``EXPLORER_SHOTS=folder`` keeps the screenshots.
"""

import functools
import http.server
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from lancbio_ref import Linearization, lanczos, lanczos_solve, oracle
from lancbio_ref.krylov.bounds import gauss_lower, gauss_radau_upper

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "_extra" / "explorer"
U = 2.0**-53
WIDTHS = (360, 820, 1440)


def node(*arguments):
    """What a Node program prints."""
    done = subprocess.run(["node", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


# -- modules ------------------------------------------------------------------------------------


def test_modules():
    tests = sorted((ROOT / "tests_docs" / "explorer").glob("*.test.mjs"))
    assert re.search(r"# fail 0\b", node("--test", *map(str, tests)))


@pytest.mark.parametrize(
    "options",
    [
        ["--level", "solve"],
        ["--level", "lanczos"],
        # the other traces need derivatives of `problem`, or are of methods that the page does not show
        ["--level", "trace", "--family", "lancbio-sequence"],
    ],
    ids=["solve", "lanczos", "trace"],
)
def test_oracle(options):
    command = [sys.executable, "-m", "lancbio_ref", "check", "--command", "node tests_docs/explorer/candidate.mjs"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert " 0 failed" in done.stdout.splitlines()[-1]


def test_the_other_lancbio_cases_have_no_sequence():
    """So that what is left out above is what the comment says."""
    others = [v for v in oracle.vectors() if v.family.startswith("lancbio-") and v.family != "lancbio-sequence"]
    assert others
    assert all(v.inputs["sequence"] is None for v in others)


def test_modules_are_short_and_import_only_each_other():
    files = sorted((PAGE / "js").glob("*.js"))
    assert len(files) > 10
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert text.startswith("/**"), file
        assert len(text.splitlines()) <= 250, file
        for target in re.findall(r'^import .* from "(.*)";', text, re.MULTILINE):
            assert (file.parent / target).is_file(), (file, target)


# -- the same numbers as lancbio_ref -----------------------------------------------------------------

SETTINGS = [
    dict(n=40, spectrum="uniform", logKappa=2, steps=40),
    dict(n=60, spectrum="geometric", logKappa=3, steps=60),
    dict(n=48, spectrum="strakos", logKappa=3, steps=48, rhs="random", seed=7),
    dict(n=50, spectrum="clustered", logKappa=1, steps=40),
]


def dump(**settings):
    """What the page computes; lists as arrays."""
    found = json.loads(node("tests_docs/explorer/dump.mjs", json.dumps(settings)))
    found.update({name: np.array(found[name]) for name in ("A", "b", "lambda", "alpha", "beta", "loss")})
    found["Q"] = np.array(found["Q"]).T
    return found


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda s: s["spectrum"])
def full(request):
    """With full reorthogonalization, so that rounding is not amplified and all steps can be compared."""
    return dump(reorthogonalization="full", **request.param)


def test_spectrum(full):
    np.testing.assert_allclose(np.linalg.eigvalsh(full["A"]), full["lambda"], atol=20 * U)


def test_solution_lies_in_its_enclosure(full):
    n = full["b"].size
    v = oracle.enclose(Linearization(full["A"], np.zeros((1, n)), b=full["b"], c=np.zeros(1))).v
    solution = np.array(full["solution"]["v"]) + np.array(full["solution"]["c"])  # rounds to the float64 nearest
    np.testing.assert_allclose(solution, v.nearest, rtol=2 * U, atol=0)


def test_process(full):
    ours = lanczos(full["A"], full["b"], full["alpha"].size, reorthogonalization="full")
    # what comes after the residual has fallen to the rounding level is noise in both
    decided = np.flatnonzero(np.array(full["convergence"]["lanczos"]["error"]) < 1e-9)[0]
    np.testing.assert_allclose(full["alpha"][:decided], ours.alpha[:decided], atol=1e-9)
    np.testing.assert_allclose(full["beta"][:decided], ours.beta[:decided], atol=1e-9)
    np.testing.assert_allclose(full["Q"][:, :decided], ours.Q[:, :decided], atol=1e-6)
    assert np.linalg.norm(full["Q"].T @ full["Q"] - np.eye(full["alpha"].size), 2) < 1e-14


def test_ritz_values(full):
    k = full["alpha"].size
    T = np.diag(full["alpha"]) + np.diag(full["beta"][: k - 1], 1) + np.diag(full["beta"][: k - 1], -1)
    theta, S = np.linalg.eigh(T)
    np.testing.assert_allclose([r["theta"] for r in full["ritz"]], theta, atol=50 * U)
    residual = [r["residual"] for r in full["ritz"]]
    np.testing.assert_allclose(residual, full["beta"][-1] * np.abs(S[-1]), rtol=1e-5, atol=1e-13)
    assert not any(r["ghost"] for r in full["ritz"])


def test_convergence(full):
    A, curve = full["A"], full["convergence"]
    v = np.array(full["solution"]["v"]) + np.array(full["solution"]["c"])
    size, iterates = np.sqrt(v @ A @ v), [np.zeros_like(v)]
    most = full["alpha"].size
    lanczos_solve(
        A, full["b"], rtol=1e-14, maxiter=most, callback=lambda x: iterates.append(x.copy()), reorthogonalization="full"
    )
    ours = np.array([np.sqrt((v - x) @ A @ (v - x)) / size for x in iterates])
    floor = 10 * curve["floor"]
    shared = min(ours.size, len(curve["lanczos"]["error"]))
    assert shared > 5
    np.testing.assert_allclose(curve["lanczos"]["error"][:shared], ours[:shared], rtol=1e-6, atol=floor)
    cg = np.array([np.sqrt((v - x) @ A @ (v - x)) / size for x in np.array(full["iterates"])])
    np.testing.assert_allclose(curve["cg"]["error"], cg, rtol=1e-3, atol=floor)


def test_bounds(full):
    v, (alpha, beta) = np.array(full["solution"]["v"]), (full["alpha"], full["beta"])
    size, start = np.sqrt(v @ full["A"] @ v), np.linalg.norm(full["b"])
    lower, upper = gauss_lower(alpha, beta, start, 4) / size, gauss_radau_upper(alpha, beta, start, full["mu"]) / size
    np.testing.assert_allclose(full["convergence"]["lower"], lower, rtol=1e-9)
    np.testing.assert_allclose(full["convergence"]["upper"], upper[np.isfinite(upper)], rtol=1e-7)


@pytest.mark.parametrize("mode", ["none", "local", "selective", "partial"])
def test_reorthogonalization_is_the_packages(mode):
    """The first steps agree; then rounding decides, and what can be compared is what is lost of Q, and the cost."""
    theirs = dump(n=100, spectrum="geometric", steps=100, reorthogonalization=mode)
    ours = lanczos(theirs["A"], theirs["b"], 100, reorthogonalization=mode)
    np.testing.assert_allclose(theirs["alpha"][:15], ours.alpha[:15], atol=1e-12)
    np.testing.assert_allclose(theirs["beta"][:15], ours.beta[:15], atol=1e-12)
    loss = np.abs(ours.Q.T @ ours.Q - np.eye(ours.alpha.size)).max()
    if mode in ("none", "local"):
        assert theirs["loss"][-1] > 0.1 and loss > 0.1
    else:
        assert theirs["loss"][-1] < 1e-7 and loss < 1e-7
        assert 0.4 < theirs["reorthogonalized"] / ours.n_reorthogonalized < 2.5


# -- the page in a browser --------------------------------------------------------------------------------


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
