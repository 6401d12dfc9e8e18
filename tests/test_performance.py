"""What can be tested of speed without a clock: the memory that a step makes, and the report made of its numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

import lancbio_ref
from lancbio_ref import LanczosProcess
from lancbio_ref.operators import (
    CheckedOperator,
    DiagonalLowRank,
    GeneralizedLinear,
    PrescribedSpectrum,
    SparseOperator,
)
from tests.peaks import least_peak

FOLDER = Path(__file__).parents[1] / "validation" / "performance"


@pytest.mark.parametrize("mode, store", [("none", False), ("none", True), ("local", False), ("full", True)])
def test_a_step_allocates_no_vector(mode, store):
    """n numbers are 1.6 MB; a step may make a few kilobytes, of partial sums and coefficients."""
    n = 200_000
    values, out = np.linspace(1, 2, n), np.empty(n)
    A = CheckedOperator(LinearOperator((n, n), lambda v: np.multiply(values, v, out=out), dtype=float), "A")
    process = LanczosProcess(np.ones(n), reorthogonalization=mode, store=store, capacity=12)
    process.step(A)
    process.step(A)
    eighth = n  # of a vector, in bytes
    assert least_peak(lambda: [process.step(A) for _ in range(8)], eighth) < eighth


N = 200_000
OPERATORS = {
    "generalized linear": lambda w: GeneralizedLinear(np.stack([w, w]), np.ones(2), 0.5),
    "generalized linear, Fortran": lambda w: GeneralizedLinear(np.asfortranarray(np.stack([w, w])), np.ones(2), w),
    "generalized linear, CSR": lambda w: GeneralizedLinear(sp.diags_array(w, format="csr"), w, 0.5),
    "sparse": lambda w: SparseOperator(sp.diags_array(w, format="csr")),
    "diagonal and low rank": lambda w: DiagonalLowRank(w, w[:, None]),
    "with a base": lambda w: DiagonalLowRank(w, base=DiagonalLowRank(w, w[:, None])),
    "cosine": lambda w: PrescribedSpectrum(w, rng=0),
    "householder": lambda w: PrescribedSpectrum(w, rng=0, rotation="householder"),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_a_product_makes_its_result_and_no_other_vector(name):
    """What a base returns is a vector too; of a wide sparse A, n/2 entries of X v are gathered at a time."""
    w = np.linspace(1, 2, N)
    A, vectors = OPERATORS[name](w), {"with a base": 2, "generalized linear, CSR": 1.5}.get(name, 1)
    A.matvec(w)
    most = (vectors + 0.125) * 8 * N
    assert least_peak(lambda: A.matvec(w), most) < most


def test_a_restart_uses_the_same_memory():
    process = LanczosProcess([1.0, 2.0, 3.0], capacity=2)
    A = np.diag([1.0, 2.0, 3.0])
    process.step(A)
    memory = process.Q.base
    process.restart([3.0, -1.0, 1.0])
    process.step(A)
    fresh = LanczosProcess([3.0, -1.0, 1.0])
    fresh.step(A)
    assert process.Q.base is memory and process.k == 1
    np.testing.assert_array_equal(process.Q, fresh.Q)
    np.testing.assert_array_equal(process.q_next, fresh.q_next)


def test_the_report_is_rendered_from_its_numbers(performance):
    import report as performance_report

    found = json.loads((FOLDER / "results.json").read_text())
    assert performance_report.render(found) == (FOLDER / "REPORT.md").read_text()


def test_a_read_only_installation_caches_in_the_users_folder(tmp_path):
    """Numba's rule, on which docs/performance.md relies; root writes anywhere, and cannot test it."""
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("needs a user who cannot write everywhere")
    module = tmp_path / "package" / "kernel.py"
    module.parent.mkdir()
    module.write_text(
        "from numba import njit\n@njit(cache=True)\ndef f(x):\n    return x + 1\nprint(f(1), f.stats.cache_path)\n"
    )
    module.parent.chmod(0o500)
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | {"HOME": str(tmp_path)}
    try:
        printed = subprocess.check_output([sys.executable, str(module)], env=environment, text=True)
    finally:
        module.parent.chmod(0o700)
    assert printed.startswith(f"2 {tmp_path}/.cache/numba")


@pytest.fixture
def performance(monkeypatch):
    """The folder of the benchmarks on the path; the modules in it have names that others have too."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = {path.stem for path in FOLDER.glob("*.py")}
    others = {name: sys.modules.pop(name) for name in names & set(sys.modules)}
    yield
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(others)


def test_sizes_that_were_measured_are_not_measured_again(performance, monkeypatch, tmp_path, capsys):
    import large

    made = []

    def run(n):
        made.append(n)
        added = 60e6 if n == 1000 else 40e6
        return dict(n=n, seconds=1e-9 * n**1.5, added=added, allowed=50e6, faults=0, iterations=30, load=0.0)

    monkeypatch.setattr(large, "run", run)
    monkeypatch.setattr(large, "bind", lambda threads: None)
    monkeypatch.setattr(large, "RESULTS", tmp_path / "large.json")
    for sizes in ("1e3,2e3", "1e3,2e3,4e3"):
        monkeypatch.setattr(sys, "argv", ["large.py", "--sizes", sizes])
        assert large.main() == 0
    assert made == [10**4, 1000, 2000, 10**4, 4000]  # 10⁴ compiles
    said = capsys.readouterr().out
    assert "all sizes: exponent 1.500 (missed" in said
    assert "60 MB of 50 (missed)" in said and "40 MB of 50 (met)" in said


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_memory_of_a_long_run_is_measured():
    """In a process of its own: one that has run tests has pages to give again."""
    n = 200_000
    code = (
        f"import large; large.SUBSPACE = 5; large.run(10**4); print(large.basis({n}), large.json.dumps(large.run({n})))"
    )
    child = subprocess.run([sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True, check=True)
    basis, found = child.stdout.split(maxsplit=1)
    found = json.loads(found)
    assert int(basis) < found["added"] <= found["allowed"] and found["seconds"] > 0


def test_a_ratio_that_fell_by_more_than_a_tenth_is_named(performance):
    import smoke

    found = {"same": 1.0, "a little": 0.91, "fell": 0.89, "rose": 2.0, "new": 1.0}
    committed = dict.fromkeys(("same", "a little", "fell", "rose"), 1.0)
    said = {line.split("  ")[0]: (fell, line) for line, fell in smoke.lines(found, committed)}
    assert [name for name, (fell, _) in said.items() if fell] == ["fell"]
    assert "FELL" in said["fell"][1] and "not committed" in said["new"][1]


@pytest.mark.parametrize("name", ["product 200 × 20", "hyper-gradient 200 × 20"])
def test_both_sides_of_a_smoke_case_give_the_same(name, performance):
    import smoke

    ours, peer = smoke.pair(name)
    np.testing.assert_allclose(ours(), peer(), rtol=1e-4)
    assert 0 < smoke.ratio(ours, peer, 0.01) < 1e4


def test_candidates_of_every_bench_solve_the_same_problem(performance):
    """On small sizes; peers that are not installed are left out."""
    import hypergradient
    import multinomial

    made = (
        hypergradient.candidates(1, 60, 5, None, False),
        hypergradient.candidates(1, 60, 12, 200, True, peers=False),
        multinomial.candidates(1, 1e-8, samples=40, features=3, classes=3),
    )
    for problem, x, y, functions in made:
        truth = lancbio_ref.hypergradient(problem, x, y, rtol=1e-13).value
        assert len(functions) >= 4
        for name, function in functions.items():
            assert np.linalg.norm(np.asarray(function()) - truth) <= 1e-4 * np.linalg.norm(truth), name
