"""X̃ = [X 0] + 1bᵀ: products within their bounds of exact rationals, the same bits whatever the threads, and no copy."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import parallel
from lancbio_ref.operators import MultinomialCross, MultinomialHessian
from lancbio_ref.operators import offset as module
from lancbio_ref.operators.design import FixedOrderDesign
from lancbio_ref.operators.offset import OffsetDesign, OffsetGram, sum_roundings, total
from tests.peaks import least_peak
from tests.thorough import THOROUGH

SEEDS = range(300 if THOROUGH else 12)


def exact(array):
    return np.vectorize(Fraction, otypes=[object])(np.asarray(array, np.float64))


def drawn(seed):
    """(design, X̃ in rationals, rng): wide ranges, means far from 0, one row or three blocks of sums."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.choice([1, 7, 130, 400])), int(rng.integers(1, 4))
    dtype = [np.float32, np.float64][seed % 2]
    X = (10 ** rng.uniform(-2, 2) * rng.standard_normal((n, p)) + 10 ** rng.uniform(-2, 3)).astype(dtype)
    ones = seed % 3 != 0
    b = np.append(np.zeros(p, dtype), dtype(1)) if ones else -X.mean(axis=0)
    stored = sp.csr_array(np.where(X.mean() < X, X, 0)) if ones and seed % 4 == 0 else X
    dense = exact(stored.toarray() if sp.issparse(stored) else X)
    wide = np.hstack([dense, np.full((n, 1), Fraction(0))]) if ones else dense
    return OffsetDesign(FixedOrderDesign.of_checked(stored), b), wide + exact(b)[None, :], rng


def within(found, truth, bound):
    return all(abs(Fraction(float(a)) - b) <= Fraction(float(c)) for a, b, c in zip(found, truth, bound, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_products_are_within_their_bounds_of_rationals(seed, monkeypatch):
    monkeypatch.setattr(module, "PIECE_BYTES", 512)  # several pieces
    design, X, rng = drawn(seed)
    operator, dtype = design.operator, design.dtype
    n, q = operator.shape
    v, u = rng.standard_normal(q).astype(dtype), rng.standard_normal(n).astype(dtype)
    tiny = float(np.finfo(dtype).tiny)
    bound = operator.product_factor(dtype) * operator.abs_product(np.abs(v)) + tiny
    assert within(operator.matvec(v), X @ exact(v), bound)
    bound = operator.adjoint_factor(dtype) * operator.abs_adjoint_product(np.abs(u)) + tiny
    assert within(operator.rmatvec(u), X.T @ exact(u), bound)
    d = np.abs(u)
    A, V = OffsetGram(operator, d), np.stack([v, 2 * v, -v])
    bound = A.product_factor(dtype) * A.abs_product(np.abs(v)) + tiny
    assert within(A.matvec(v), X.T @ (exact(d) * (X @ exact(v))), bound)
    assert (A._matvecs(V) == [A.matvec(row) for row in V]).all()
    truth = (exact(d)[:, None] * X).T @ X
    assert A.norm_bound() >= np.linalg.norm(truth.astype(float), 2) * (1 - 1e-12)
    assert operator.norm_bound() >= np.linalg.norm(X.astype(float), 2) * (1 - 1e-12)
    rows = [sum(entry * entry for entry in row) for row in X]
    assert all(Fraction(float(a)) ** 2 >= b for a, b in zip(design.row_norms, rows, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_several_classes_are_within_their_bounds_of_rationals(seed):
    design, X, rng = drawn(seed)
    n, q = design.shape
    C, dtype, tiny = 3, design.dtype, float(np.finfo(design.dtype).tiny)
    P = rng.dirichlet(np.ones(C), n).astype(dtype) * dtype.type(0.99)
    w, V = rng.random(n).astype(dtype), rng.standard_normal((C, q)).astype(dtype)
    A = MultinomialHessian(design, P, w)
    S, Pe = X @ exact(V).T, exact(P)
    U = exact(w)[:, None] * (Pe * S - Pe * (Pe * S).sum(axis=1)[:, None])
    bound = A.product_factor(dtype) * A.abs_product(np.abs(V).ravel()) + tiny
    assert within(A.matvec(V.ravel()), (U.T @ X).ravel(), bound)
    J, u = MultinomialCross(design, P, w), rng.standard_normal(n).astype(dtype)
    bound = J.product_factor(dtype) * J.abs_product(np.abs(V).ravel()) + tiny
    assert within(J.matvec(V.ravel()), exact(w) * (Pe * S).sum(axis=1), bound)
    bound = J.adjoint_factor(dtype) * J.abs_adjoint_product(np.abs(u)) + tiny
    truth = (((exact(w) * exact(u))[:, None] * Pe).T @ X).ravel()
    assert within(J.rmatvec(u), truth, bound)


@pytest.mark.parametrize("n", [1, 127, 128, 129, 5000])
def test_a_total_goes_through_as_many_roundings_as_it_says(n):
    u = np.random.default_rng(n).standard_normal(n) * 10.0 ** np.random.default_rng(n + 1).uniform(-5, 5, n)
    error = abs(Fraction(total(u)) - sum(exact(u)))
    assert error <= Fraction(sum_roundings(n) * 2.0**-53) * sum(map(abs, exact(u))) * Fraction(1001, 1000)
    assert sum_roundings(n) <= max(n // 2, 300)


def test_no_bit_depends_on_threads_and_nothing_of_the_size_of_X_is_made():
    rng = np.random.default_rng(0)
    X, d, v = rng.standard_normal((6000, 100)), rng.random(6000), rng.standard_normal(101)
    before, found = parallel.threads(), set()
    try:
        for threads in (1, 2, 3):
            parallel.set_threads(threads)
            design = OffsetDesign(FixedOrderDesign.of_checked(X), np.append(np.zeros(100), 1.0))
            A = OffsetGram(design.operator, d)
            parts = A.matvec(v), design.operator.matvec(v), design.operator.rmatvec(d), design.scores(v[None])
            found.add(tuple(part.tobytes() for part in parts))
            three = lambda A=A, B=design.operator: (A.matvec(v), B.matvec(v), B.rmatvec(d))  # noqa: E731
            assert least_peak(three, X.nbytes / 10) < X.nbytes / 10
    finally:
        parallel.set_threads(before)
    assert len(found) == 1
