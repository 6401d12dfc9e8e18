"""The explorer: its modules, and what they compute beside lancbio_ref (``make test-docs``)."""

import re
import subprocess
import sys

import numpy as np
import pytest

from lancbio_ref import Linearization, lanczos, lanczos_solve, oracle
from lancbio_ref.krylov.bounds import gauss_lower, gauss_radau_upper
from tests.site.programs import PAGE, ROOT, dump, node

U = 2.0**-53


# -- modules ------------------------------------------------------------------------------------


def test_modules():
    tests = sorted((ROOT / "tests" / "site" / "explorer").glob("*.test.mjs"))
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
    command = [sys.executable, "-m", "lancbio_ref", "check", "--command", "node tests/site/explorer/candidate.mjs"]
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
