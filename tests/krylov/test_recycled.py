"""The recycled inverse: biorthogonal, exact on what it has seen, positive definite, and at the price it says."""

from __future__ import annotations

import copy
import tracemalloc
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref.krylov import recycled
from lancbio_ref.krylov.recycled import BYTES, COLUMNS, ROWS, RecycledInverse, pairs_within
from lancbio_ref.operators import (
    BlockDiagonal,
    CheckedOperator,
    DenseOperator,
    DiagonalLowRank,
    GeneralizedLinear,
    diagonal_part,
)
from tests.peaks import RUNS, least_peak
from tests.thorough import few


def matrix(n, condition, seed):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (Q * np.geomspace(1.0, condition, n)) @ Q.T
    return (A + A.T) / 2


def pairs_of(A, k, seed=0):
    rng = np.random.default_rng(seed)
    return [(s, A @ s) for s in rng.standard_normal((k, len(A)))]


def dense(H):
    """H by its formula, with full matrices."""
    S, Y, one = H.S.T, H.Y.T, np.eye(H.n)
    return S @ S.T + (one - S @ Y.T) @ np.diag(H.H0) @ (one - Y @ S.T)


def filled(n=40, k=12, condition=1e4, seed=0, memory=30, A=None):
    A = matrix(n, condition, seed) if A is None else A
    H = RecycledInverse(len(A), memory)
    H.extend(pairs_of(A, k, seed + 1))
    return A, H


@given(st.integers(0, 2**32 - 1), st.floats(0, 12))
@few(20)
def test_the_rows_are_biorthogonal_to_rounding(seed, digits):
    _, H = filled(condition=10**digits, seed=seed)
    assert H.k > 0
    assert np.abs(H.S @ H.Y.T - np.eye(H.k)).max() <= 1e-13 * np.abs(H.S).max() * np.abs(H.Y).max() * H.n


def test_it_is_block_bfgs():
    """The application, its square and the formula with full matrices say the same."""
    _, H = filled()
    r = np.random.default_rng(3).standard_normal(H.n)
    z, square = H.apply(r)
    np.testing.assert_allclose(z, dense(H) @ r, rtol=1e-9, atol=1e-12)
    assert square == pytest.approx(r @ dense(H) @ r, rel=1e-12) and H.energy(r) == square**0.5


def test_it_is_exact_on_what_it_has_seen():
    A, H = filled(k=12)
    for s, As in pairs_of(A, 12, seed=1):
        np.testing.assert_allclose(H(As), s, rtol=0, atol=1e-9 * np.abs(s).max())
    unseen = np.random.default_rng(9).standard_normal(len(A))
    assert np.linalg.norm(H(A @ unseen) - unseen) > 0.1 * np.linalg.norm(unseen)  # and not on all the rest


def test_with_a_whole_basis_it_is_the_inverse():
    A = matrix(15, 1e3, 4)
    H = RecycledInverse(15, 100)
    H.extend([(e, A @ e) for e in np.eye(15)])
    assert H.k == 15
    np.testing.assert_allclose(dense(H), np.linalg.inv(A), rtol=1e-8, atol=1e-10)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
@few(20)
def test_it_is_positive_definite_whatever_it_was_fed(seed, strangeness):
    """Pairs of A, of an indefinite matrix and of no matrix at all."""
    rng = np.random.default_rng(seed)
    A = matrix(20, 1e3, seed % 7)
    H = RecycledInverse(20, 12)
    for _ in range(4):
        pairs = [(s, A @ s + strangeness * rng.standard_normal(20) * 100) for s in rng.standard_normal((4, 20))]
        H.extend(pairs + [(s, -s) for s in rng.standard_normal((1, 20))])
    lowest = np.linalg.eigvalsh((dense(H) + dense(H).T) / 2)[0]
    assert lowest > -1e-12 * np.abs(dense(H)).max()
    for r in rng.standard_normal((10, 20)):
        assert H.apply(r)[1] > 0
    assert H.k <= 12


def test_pairs_of_negative_or_no_curvature_are_left_out():
    H = RecycledInverse(4, 4)
    e = np.eye(4)
    H.extend([(e[0], -e[0]), (e[1], 0 * e[1]), (e[2], np.full(4, np.inf)), (e[3], 5 * e[3])])
    assert H.k == 1 and H.flat == 3
    np.testing.assert_allclose(H(e[3]), e[3] / 5)


def test_pairs_that_contradict_newer_ones_are_dropped():
    """sᵢᵀyⱼ ≠ sⱼᵀyᵢ: they belong to different matrices, and the newer one is right."""
    old, new = matrix(30, 1e3, 1), matrix(30, 1e3, 2)
    rng = np.random.default_rng(0)
    space = rng.standard_normal((8, 30))
    H = RecycledInverse(30, 30)
    H.extend([(s, old @ s) for s in space])
    assert H.contradicting == 0
    H.extend([(s, new @ s) for s in rng.standard_normal((8, 30)) + 0.3 * space])
    assert H.contradicting > 0
    kept = H.k
    same = RecycledInverse(30, 30)
    same.extend([(s, old @ s) for s in space])
    rng = np.random.default_rng(0)
    rng.standard_normal((8, 30))
    same.extend([(s, old @ s) for s in rng.standard_normal((8, 30)) + 0.3 * space])
    assert same.contradicting == 0 and same.k == 16 > kept


def test_a_new_diagonal_costs_no_product_and_is_exact():
    rng = np.random.default_rng(5)
    B, d0, d1 = matrix(25, 1e2, 6), rng.uniform(0, 1, 25), 10.0 ** rng.uniform(-3, 3, 25)
    products = []

    def product(d, s):
        products.append(s)
        return B @ s + d * s

    H = RecycledInverse(25, 25)
    H.change_diagonal(d0)
    directions = rng.standard_normal((9, 25))
    H.extend([(s, product(d0, s)) for s in directions])
    H.change_diagonal(d1)
    assert len(products) == 9
    for s in directions:
        np.testing.assert_allclose(H(B @ s + d1 * s), s, rtol=0, atol=1e-8 * np.abs(s).max())
    assert np.abs(H.S @ H.Y.T - np.eye(H.k)).max() < 1e-11
    H.change_diagonal(None)
    for s in directions:
        np.testing.assert_allclose(H(B @ s), s, rtol=0, atol=1e-8 * np.abs(s).max())


def test_a_full_memory_keeps_both_ends_of_the_spectrum():
    """What is forgotten lies in the middle, where H_0 = 1/β stands for it."""
    n = 60
    spectrum = np.r_[1e-3, 1e-2, np.linspace(1.0, 1.3, n - 4), 1e2, 1e3]
    A = np.diag(spectrum)
    H = RecycledInverse(n, 20)
    H.extend([(e, A @ e) for e in np.eye(n)])
    assert H.condensed == 1 and H.k == 14
    for i in (0, 1, n - 2, n - 1):
        np.testing.assert_allclose(H(A[i]), np.eye(n)[i], atol=1e-12)
    values = np.linalg.eigvals(dense(H) @ A).real
    assert values.max() / values.min() < 1.5  # what conjugate gradients see, of a condition number of 10⁶


def test_neighbours_are_absorbed_as_if_they_were_older():
    A = matrix(20, 1e2, 8)
    H, other = RecycledInverse(20, 20), RecycledInverse(20, 20)
    first, second = pairs_of(A, 5, 1), pairs_of(A, 5, 2)
    H.extend(first)
    other.extend(second)
    H.absorb(other)
    assert H.k == 10 and other.k == 5
    for s, As in first + second:
        np.testing.assert_allclose(H(As), s, atol=1e-9)


def test_a_copy_is_a_snapshot():
    A, H = filled()
    r = np.random.default_rng(1).standard_normal(H.n)
    before, kept = H(r), copy.copy(H)
    H.extend(pairs_of(A, 5, 77))
    H.change_diagonal(np.ones(H.n))
    assert not np.array_equal(H(r), before)
    np.testing.assert_array_equal(kept(r), before)


def test_no_memory_and_no_pairs_leave_the_unit():
    for H in (RecycledInverse(3, 0), RecycledInverse(3, 3)):
        H.extend([] if H.memory else [(np.ones(3), np.ones(3))])
        z, square = H.apply(np.array([1.0, 2.0, 2.0]))
        assert H.k == 0 and square == 9
        np.testing.assert_array_equal(z, [1, 2, 2])


def test_a_diagonal_that_is_not_positive_leaves_it_positive():
    H = RecycledInverse(3, 3)
    H.change_diagonal(np.array([-5.0, 0.0, 2.0]))
    assert (H.H0 > 0).all() and H.energy(np.ones(3)) > 0


def test_it_keeps_its_type():
    H = RecycledInverse(30, 10, np.float32)
    A = matrix(30, 10, 0).astype(np.float32)
    H.extend([(s.astype(np.float32), A @ s.astype(np.float32)) for s, _ in pairs_of(A, 14)])
    H.change_diagonal(np.ones(30))
    assert {a.dtype for a in (H.S, H.Y, H.d, H.H0, H(A[0]))} == {np.dtype(np.float32)}
    assert np.abs(H.S @ H.Y.T - np.eye(H.k)).max() < 1e-4


def test_memory_is_two_vectors_a_pair():
    n, k = 100_000, 10
    rng = np.random.default_rng(0)
    pairs, more = ([(s, 2 * s) for s in rng.standard_normal((k, n))] for _ in range(2))
    empty, full, kept = [RecycledInverse(n, k) for _ in range(RUNS)], [], []

    def extend():
        full.append(empty.pop())
        full[-1].extend(pairs)
        kept.append(tracemalloc.get_traced_memory()[0])

    most = (3 * k + 4) * n * 8  # and the pairs, 2k, are ours
    assert least_peak(extend, most) < most
    assert full[0].k == k and min(kept) < (2 * k + 3) * n * 8
    assert full[0].S.base is None and full[0].Y.base is None  # nothing larger stays behind them
    most = (2 * 2 * k + 2 * ROWS) * n * 8  # 2(k + m), and no second of either
    assert least_peak(lambda: full[0].extend(more), most) < most
    assert pairs_within(10**6) == BYTES // (2 * 10**6 * 8) == 67
    assert pairs_within(100) == 100 and pairs_within(10**12) == 2


def test_pairs_that_are_taken_go_as_they_are_copied_and_are_kept_as_by_extend():
    A = matrix(30, 1e3, 2)
    pairs = [*pairs_of(A, 8), (np.full(30, np.nan), np.ones(30))]
    H, G = RecycledInverse(30, 20), RecycledInverse(30, 20)
    H.extend(pairs)
    G.take(queue := deque(pairs))
    assert not queue and len(pairs) == 9 and G.k == H.k == 8 and G.flat == H.flat == 1
    assert np.array_equal(G.S, H.S) and np.array_equal(G.Y, H.Y)


@pytest.mark.parametrize("change", ["new pairs", "a new diagonal"])
def test_who_is_interrupted_is_left_with_the_unit_and_goes_on(monkeypatch, change):
    A, H = filled(n=30)
    snapshot = copy.copy(H)

    def interrupted(*_):
        raise KeyboardInterrupt

    go = (lambda: H.extend(pairs_of(A, 3))) if change == "new pairs" else lambda: H.change_diagonal(np.ones(30))
    with monkeypatch.context() as patched:
        patched.setattr(recycled, "_turn", interrupted)
        with pytest.raises(KeyboardInterrupt):
            go()
    r = np.ones(30)
    assert H.k == 0 and np.array_equal(H(r), H.H0 * r) and snapshot.k == 12
    H.extend(pairs_of(A, 3))
    assert H.k == 3


def test_a_block_wider_than_what_is_turned_at_a_time_is_that_of_its_products():
    """Columns over several pieces, the last a longer one, and more rows than are scaled at a time."""
    n, k = 2 * COLUMNS + 17, 3 * ROWS + 1
    rng = np.random.default_rng(3)
    a, H = np.geomspace(1, 1e3, n), RecycledInverse(n, 2 * ROWS)
    H.extend([(s, a * s) for s in rng.standard_normal((k, n))])  # condensed
    H.change_diagonal(d := rng.random(n))
    assert H.k == int(recycled.KEPT * 2 * ROWS) and np.abs(H.Y - (a + d) * H.S).max() <= 1e-9 * np.abs(H.Y).max()
    assert np.abs(H.S @ H.Y.T - np.eye(H.k)).max() <= 1e-12


def test_which_operators_show_a_diagonal():
    d = np.array([1.0, 2.0])
    inner = GeneralizedLinear([[1.0, 2.0]], d=[0.5], ridge=[3.0, 4.0])
    np.testing.assert_array_equal(diagonal_part(CheckedOperator(inner, "A")), [3, 4])
    np.testing.assert_array_equal(diagonal_part(DiagonalLowRank(d, base=inner)), [4, 6])
    np.testing.assert_array_equal(diagonal_part(DiagonalLowRank(d, base=np.eye(2))), d)
    assert diagonal_part(DenseOperator(np.eye(2))) is None
    np.testing.assert_array_equal(diagonal_part(BlockDiagonal([inner, np.eye(1), inner])), [3, 4, 0, 3, 4])
    assert diagonal_part(BlockDiagonal([np.eye(2), np.eye(1)])) is None


def test_the_directions_of_a_long_solve_which_have_lost_their_orthogonality_leave_s_yt_at_one():
    """131 directions of conjugate gradients for κ = 10³ are less than 131 to rounding: S Yᵀ had been 10¹³ from I."""
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((200, 200)))[0]
    A, r, pairs = (Q * np.geomspace(1e-3, 1.0, 200)) @ Q.T, np.cos(np.arange(200)), []
    p, start = r, np.linalg.norm(r)
    while np.linalg.norm(r) > 1e-6 * start:
        Ap = A @ p
        pairs.append((p, Ap))
        r_next = r - (r @ r) / (p @ Ap) * Ap
        p, r = r_next + (r_next @ r_next) / (r @ r) * p, r_next
    for memory in (200, 50):
        H = RecycledInverse(200, memory)
        H.extend(pairs)
        assert np.abs(H.S @ H.Y.T - np.eye(H.k)).max() < 1e-12 and H.k >= min(memory // 2, 90)
        values = np.linalg.eigvals(np.stack([H(column) for column in A]))
        plain = np.linalg.eigvals(H.H0[:, None] * A).real  # what H leaves of H_0 A is no wider
        assert values.real.min() > 0.99 * plain.min() and np.abs(values).max() < 1.01 * plain.max()
