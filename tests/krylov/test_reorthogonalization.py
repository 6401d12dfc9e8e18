"""The rules one by one: Simon's recurrence, pairs of vectors, two passes, and what follows a ruined T."""

import sys

import numpy as np
import pytest

from lancbio_ref import LanczosProcess, Linearization, lanczos
from lancbio_ref.krylov import recurrences
from lancbio_ref.krylov import solve as solve_function
from lancbio_ref.krylov.reorthogonalization import Selective, SelectiveWhileCheap
from lancbio_ref.operators import CheckedOperator, DiagonalLowRank, as_square
from tests.strategies import symmetric
from tests.thorough import THOROUGH, covering
from validation.truths.exact import relative_energy_error

U = 2.0**-53


def test_omega_recurrence_is_the_formula():
    rng = np.random.default_rng(0)
    j = 7
    alpha, beta = rng.standard_normal(j + 1), 1 + rng.random(j + 1)
    before, row, after = rng.standard_normal(j + 2), rng.standard_normal(j + 2), np.zeros(j + 2)
    largest = recurrences.omega_recurrence(alpha, beta, j, 0.25, before, row, after)
    for k in range(j):
        bracket = beta[k] * row[k + 1] + (alpha[k] - alpha[j]) * row[k] - beta[j - 1] * before[k]
        bracket += beta[k - 1] * row[k - 1] if k else 0.0
        assert after[k] == pytest.approx((bracket + np.copysign(0.25, bracket)) / beta[j], rel=1e-13)
    assert largest == np.abs(after[:j]).max()


def test_partial_acts_rarely_and_on_pairs():
    """Too few vectors would lose orthogonality, many more than these would mean that the estimate is wrong."""
    A = np.diag(np.concatenate([np.linspace(0.1, 10, 380), np.linspace(20, 100, 20)]))
    process = LanczosProcess(np.ones(400), reorthogonalization="partial", capacity=200)
    acted = []
    for _ in range(200):
        before = process.n_reorthogonalized
        process.step(A)
        acted.append(process.n_reorthogonalized > before)
    assert np.linalg.norm(np.eye(200) - process.Q.T @ process.Q, 2) <= 1e-7
    first = np.flatnonzero(np.diff(np.array([False, *acted]).astype(int)) == 1)
    assert all(acted[i + 1] for i in first if i + 1 < 200) and 4 <= process.n_reorthogonalized <= 80


def test_two_passes_where_one_is_not_enough():
    rng = np.random.default_rng(1)
    process = LanczosProcess(rng.standard_normal(60), reorthogonalization="full")
    for _ in range(20):
        process.step(np.diag(np.linspace(1, 9, 60)))
    w = 1e9 * process.Q @ rng.standard_normal(20) + rng.standard_normal(60)
    process.orthogonalize_full(w)
    assert np.abs(process.Q.T @ w).max() <= 1e-14 * np.linalg.norm(w)


def test_a_ruined_cycle_is_followed_by_a_full_one(monkeypatch):
    """Of 200 spectra with κ from 1e10 to 1e12 some ruin a selective T; all of them must come out right all the same."""
    module, spectra = sys.modules["lancbio_ref.krylov.solve"], 200 if THOROUGH else 50

    def unsettled():
        """The first size that was not settled, 0 where all were."""
        rng = np.random.default_rng(0)
        for _ in range(spectra):
            n, log_kappa = int(rng.integers(5, 24)), rng.uniform(10, 12)
            A, b = symmetric(np.logspace(-log_kappa, 0, n), rng), rng.standard_normal(n)
            report = solve_function(as_square("A", A), b, maxiter=10 * n)
            if not report.status.success:
                return n
            values = np.linalg.eigvalsh(A)
            assert relative_energy_error(A, report.x, b) <= 50 * U * values[-1] / values[0]
        return 0

    monkeypatch.setattr(module, "FULL_UP_TO", 0)
    monkeypatch.setattr(SelectiveWhileCheap, "look", 0)
    assert not unsettled()
    monkeypatch.setattr(module, "SEMI", ())
    assert unsettled()
    monkeypatch.undo()
    monkeypatch.setattr(module, "SEMI", ())  # vectors as short as these have no need of a second cycle
    assert not unsettled()


@pytest.mark.parametrize("n", [12, 2048, 2049])
def test_selective_is_full_where_vectors_are_short(n):
    """The bits of the one and of the other, where many Ritz vectors become good: to 2048 entries they are the same."""
    A, b = DiagonalLowRank(np.geomspace(1e-9, 1, n)), np.ones(n)
    selective, full = (
        solve_function(CheckedOperator(A, "A"), b, rtol=1e-3, maxiter=100, reorthogonalization=mode)
        for mode in ("selective", "full")
    )
    assert (selective.x.tobytes() == full.x.tobytes()) == (n <= 2048)


def test_ritz_values_come_back_in_the_units_of_the_matrix():
    A = np.diag([1.0, 2.0, 4.0])
    report = solve_function(as_square("A", np.ldexp(A, 700)), np.ldexp(np.ones(3), 600), maxiter=30)
    assert report.ritz_values == (pytest.approx(2.0**700), pytest.approx(2.0**702))
    found = Linearization(np.ldexp(A, -700), np.eye(3), np.ldexp(np.ones(3), -600), np.zeros(3)).hypergradient()
    assert found.condition_estimate == pytest.approx(4)


def test_a_run_with_reorthogonalization_has_the_eigenvalues_once():
    run = lanczos(np.diag(np.linspace(1, 2, 30) ** 8), np.ones(30), 30, reorthogonalization="partial")
    np.testing.assert_allclose(np.linalg.eigvalsh(run.T), np.linspace(1, 2, 30) ** 8, rtol=1e-6)


@pytest.mark.parametrize("exponent", [-200, -155, 0, 145])
def test_selective_at_extreme_scales(exponent):
    A = symmetric(np.geomspace(1, 1e4, 60), np.random.default_rng(0)) * 10.0**exponent
    run = lanczos(A, np.ones(60), 60, reorthogonalization="selective")
    assert np.linalg.norm(np.eye(run.alpha.size) - run.Q.T @ run.Q, 2) <= 1e-6


def test_a_good_ritz_vector_is_formed_once(monkeypatch):
    """On a spectrum whose largest values stand apart: as many are formed as there are, and Q stays semi-orthogonal."""
    formed, sweeps, form = [0], [0], LanczosProcess.combine_into

    def counted(process, S, *arguments):
        formed[0] += S.shape[1]
        sweeps[0] += 1
        form(process, S, *arguments)

    monkeypatch.setattr(LanczosProcess, "combine_into", counted)
    n = 400
    A = DiagonalLowRank(np.exp(np.random.default_rng(0).normal(0.0, 2.0, n)) + 1e-3)
    process = LanczosProcess(np.ones(n), reorthogonalization="selective", capacity=100)
    for _ in range(100):
        process.step(A)
    good = sum(len(cluster.rows) for cluster in process._rule.clusters)
    assert formed[0] == good > 20
    assert sweeps[0] < good / 2  # readings of Q: what is nearly good comes with what is good
    assert np.linalg.norm(np.eye(100) - process.Q.T @ process.Q, 2) < 1e-7
    assert len(process._rule.vectors) == len(process._rule.known) == good


SPECTRA = {
    "lognormal": np.exp(2 * np.random.default_rng(3).standard_normal(800)),
    "close together": np.concatenate([np.linspace(1, 2, 760), 1e3 * (1 + 1e-6 * np.arange(40))]),
    "linear": np.linspace(1, 1000, 800),
}


@pytest.mark.parametrize("name, dtype", covering(SPECTRA, [np.float32, np.float64], strength=1))
def test_a_vector_formed_while_another_value_is_close_is_formed_again(name, dtype):
    """Its residual over that gap says how far it is off: locked then, it would let orthogonality go to 1."""
    spectrum = SPECTRA[name]
    start = np.random.default_rng(0).standard_normal(800).astype(dtype)
    run = lanczos(np.diag(spectrum).astype(dtype), start, 200, reorthogonalization="selective")
    Q = run.Q.astype(float)
    assert np.abs(Q.T @ Q - np.eye(200)).max() < 2 * np.sqrt(np.finfo(dtype).eps)


def clusters(rng):
    """Centres by one factor, each 2 … 6 values at one distance of 1e-3 … 1e-12 of the largest, as many as make 240."""
    members, gap = int(rng.integers(2, 7)), 10.0 ** rng.uniform(-12, -3)
    if rng.random() < 0.5:  # where a value between two has a residual just below √u
        gap = 2.0 ** rng.uniform(-27, -23)
    centres = np.geomspace(10.0 ** rng.uniform(-4, -1), 1, 240 // members)
    return (centres[:, None] + gap * np.arange(members)).ravel()


def largest_loss(spectrum, dtype, rng, steps=140):
    """max |Q^T Q - I| over the steps until the space is invariant."""
    process = LanczosProcess(rng.standard_normal(spectrum.size).astype(dtype), reorthogonalization="selective")
    A = DiagonalLowRank(spectrum.astype(dtype))
    while process.k < min(steps, spectrum.size - 1) and not process.breakdown:
        process.step(A)
    Q = process.Q.astype(float)
    return np.abs(Q.T @ Q - np.eye(process.k)).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(100 if THOROUGH else 6))
def test_clusters_of_any_width_keep_the_basis(seed, dtype):
    rng = np.random.default_rng(seed)
    assert largest_loss(clusters(rng), dtype, rng) < 2 * np.sqrt(np.finfo(dtype).eps)


def test_what_keeps_the_basis_where_values_are_told_apart_late(monkeypatch):
    """While a value moves beside good ones, vectors meet all of Q; not one, for the recurrence mixes two."""
    close = (np.geomspace(1e-6, 1, 30)[:, None] + 1e-8 * np.arange(4)).ravel()
    assert largest_loss(close, float, np.random.default_rng(0)) < 3e-8
    monkeypatch.setattr(Selective, "mixed", np.inf)
    assert largest_loss(close, float, np.random.default_rng(0)) > 1e-4
