"""What is said of lost orthogonality along good Ritz vectors is above the truth, and what is done is enough."""

import math

import numpy as np
import pytest

from lancbio_ref import LanczosProcess, parallel
from lancbio_ref.kernels import BLOCK
from lancbio_ref.krylov import fused, losses, reorthogonalization
from lancbio_ref.operators import DiagonalLowRank
from tests.krylov.test_reorthogonalization import clusters
from tests.thorough import THOROUGH

ROOT_U = math.sqrt(2.0**-53)


def outliers(seed):
    """Eighty values in clusters, some 10⁴ … 10⁷, over a bulk below 10: β falls by as much when they are spent."""
    rng = np.random.default_rng(seed)
    close = clusters(rng)
    spectrum = np.concatenate([rng.random(160) * 10, 10.0 ** rng.uniform(3, 7) * close[:80]])
    return spectrum, rng.standard_normal(spectrum.size)


def lognormal(seed):
    rng = np.random.default_rng(seed)
    return np.exp(rng.normal(0.0, 2.0, 1000)) + 1e-3, rng.standard_normal(1000)


def watched(monkeypatch, spectrum, start, steps=130):
    """max |QᵀQ − I| in √u; how often a loss above the limit was not foreseen; rows read over those that are good."""
    process = LanczosProcess(start, reorthogonalization="selective")
    A, rule, unforeseen, read = DiagonalLowRank(spectrum), process._rule, 0, [0, 0]
    due = losses.due

    def looking(limit, known):
        nonlocal unforeseen
        rows, w = due(limit, known), process._basis.q(process.k + 1)
        truth = np.abs(rule.vectors @ w) / process.beta[-1]
        rests = np.flatnonzero(known[:, losses.DUE] == losses.RESTS)
        unforeseen += int((truth[rests] > np.maximum(np.abs(known[rests, losses.LOST]), limit)).sum())
        read[0], read[1] = read[0] + rows.size, read[1] + int((known[:, losses.DUE] != losses.NOBODY).sum())
        return rows

    monkeypatch.setattr(losses, "due", looking)
    for _ in range(steps):
        process.step(A)
    loss = np.abs(process.Q.T @ process.Q - np.eye(process.k)).max() / ROOT_U
    return loss, unforeseen, read[0] / max(read[1], 1)


@pytest.mark.parametrize("seed", [8, 24, 26])
def test_no_loss_along_a_good_vector_is_unforeseen(monkeypatch, seed):
    loss, unforeseen, _ = watched(monkeypatch, *outliers(seed))
    assert unforeseen == 0 and loss < 2.8


def test_vectors_far_apart_are_read_in_one_step_of_three_at_most(monkeypatch):
    loss, unforeseen, share = watched(monkeypatch, *lognormal(0))
    assert unforeseen == 0 and loss < 2.8 and share < 0.33


def test_one_pass_is_not_enough_where_a_loss_grows_ten_thousandfold(monkeypatch):
    """Two vectors of neighbours, formed at different steps, have a thousandth of each other."""
    assert watched(monkeypatch, *outliers(64))[0] < 2.8
    monkeypatch.undo()
    monkeypatch.setattr(losses, "PASSES", 1)
    assert watched(monkeypatch, *outliers(64))[0] > 1e6


@pytest.mark.parametrize("broken", ["settle", "advance"])
def test_what_is_foreseen_is_needed(monkeypatch, broken):
    """Without what subtracting one vector does to the others, or without the growth, the basis is lost."""
    spectrum, start = outliers(8) if broken == "settle" else lognormal(0)
    whole = watched(monkeypatch, spectrum, start)[0]
    monkeypatch.undo()

    def settle(rows, h, residual_norm, u, known):
        known[rows, losses.LOST] = u

    monkeypatch.setattr(losses, broken, settle if broken == "settle" else lambda *arguments: None)
    assert whole < 2.8 and watched(monkeypatch, spectrum, start)[0] > 100


@pytest.mark.parametrize("seed", [0, 10, 18, 23])
def test_an_early_vector_is_near_to_all_values_within_its_residual(monkeypatch, seed):
    """A mixture of two eigenvectors beside the two, each formed when it is good, is a third vector in their plane:
    one pass against all three turns the sign of what w has along the mixture, and takes nothing away."""
    assert watched(monkeypatch, *outliers(seed))[0] < 2.8
    monkeypatch.undo()
    if seed:  # of values that are √u near alone, as good ones are; the first spectrum has none in this many steps
        ends = reorthogonalization.reaches

        def narrow(clusters, tolerance):
            return ends([cluster._replace(residual=tolerance) for cluster in clusters], tolerance)

        monkeypatch.setattr(reorthogonalization, "reaches", narrow)
        assert watched(monkeypatch, *outliers(seed))[0] > 1e6


@pytest.mark.parametrize("dtype", ["f", "d", "F", "D"] if THOROUGH else ["d"])  # each is compiled
def test_vectors_from_one_reading_have_the_bits_of_each_alone(dtype):
    rng = np.random.default_rng(0)
    n = BLOCK + 700
    Q = rng.standard_normal((11, n)).astype(dtype)
    if dtype in "FD":
        Q += 1j * rng.standard_normal((11, n)).astype(dtype)
    S, rows, out = rng.standard_normal((11, 3)), np.array([4, 0, 3]), np.full((6, n), 7, dtype)
    fused.combine_into(Q, S, rows, out)
    for s, row in zip(S.T, rows, strict=True):
        np.testing.assert_array_equal(out[row], parallel.combination(Q, s))
    assert (out[[1, 2, 5]] == 7).all()


@pytest.mark.parametrize("dtype", ["f", "d", "F", "D"] if THOROUGH else ["d", "F"])  # each is compiled
@pytest.mark.parametrize("count", [1, 4, 7])
def test_some_rows_have_the_bits_of_an_array_of_them(dtype, count):
    rng = np.random.default_rng(0)
    n = BLOCK + 5
    Q = rng.standard_normal((9, n)).astype(dtype)
    if dtype in "FD":
        Q += 1j * rng.standard_normal((9, n)).astype(dtype)
    w = Q[8].copy()
    rows = rng.permutation(8)[:count].astype(np.intp)
    some, all_ = w.copy(), w.copy()
    h = fused.subtract_some(some, Q, Q, rows)
    np.testing.assert_array_equal(h, fused.subtract(all_, Q[rows], Q[rows]))
    np.testing.assert_array_equal(some, all_)
