"""Multinomial logistic regression: products, rounding bounds, definiteness and norms, against exact rationals."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from flint import fmpq, fmpq_mat
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref import ArgumentError
from lancbio_ref.operators import DesignMatrix, MultinomialCross, MultinomialHessian
from lancbio_ref.operators.multinomial import softmax
from lancbio_ref.rounding import smallest_subnormal, unit_roundoff

DTYPES = [np.float32, np.float64]


def rational(array):
    return np.vectorize(Fraction, otypes=[object])(np.asarray(array, np.float64))


def exact_hessian(A):
    """Σ w_i (diag p_i − p_i p_iᵀ) ⊗ x_i x_iᵀ + λI in rationals."""
    X, P, w = (rational(a) for a in (A.design.X, A.P, A.w.ravel()))
    total = rational(np.eye(A.shape[0])) * Fraction(float(A.ridge))
    for x, p, weight in zip(X, P, w, strict=True):
        total = total + weight * np.kron(np.diag(p) - np.outer(p, p), np.outer(x, x))
    return total


def exact_cross(J):
    """Rows d_i r_i ⊗ x_i in rationals."""
    X, R, d = (rational(a) for a in (J.design.X, J.R, J.d))
    return np.stack([di * np.kron(r, x) for di, r, x in zip(d, R, X, strict=True)])


def assert_rounding_is_bounded(operator, matrix, v):
    u, m = Fraction(unit_roundoff(operator.dtype)), operator.terms
    gamma = m * u / (1 - m * u)
    error = np.abs(rational(operator.matvec(v)) - matrix @ rational(v))
    majorant = rational(operator.abs_product(np.abs(v)))
    assert (majorant >= (1 - gamma) * (np.abs(matrix) @ np.abs(rational(v)))).all()
    assert (error <= gamma * majorant).all()  # underflow included: abs_product has it


@st.composite
def regressions(draw):
    """X, P, w of random sizes, scales and types, with weights and columns that may vanish."""
    rng, dtype = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), draw(st.sampled_from(DTYPES))
    n, p, classes = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    scale = draw(st.sampled_from([0, 1, 4]))
    X = rng.standard_normal((n, p)) * 10.0 ** rng.uniform(-scale, scale, (n, p))
    P = softmax((rng.standard_normal((n, classes)) * 10.0 ** rng.uniform(-1, 1.5)).astype(dtype))
    w = rng.random(n) * (rng.random(n) < 0.8) / n
    ridge = draw(st.sampled_from([0.0, 0.02, 1e-6]))
    return X.astype(dtype), P, w.astype(dtype), ridge, rng


@given(regressions())
def test_hessian_rounding_is_bounded(case):
    X, P, w, ridge, rng = case
    A = MultinomialHessian(X, P, w, ridge)
    assert_rounding_is_bounded(A, exact_hessian(A), rng.standard_normal(A.shape[1]).astype(X.dtype))


@given(regressions())
def test_cross_rounding_is_bounded(case):
    X, P, w, _, rng = case
    R = P.copy()
    R[np.arange(len(R)), rng.integers(0, R.shape[1], len(R))] -= 1
    J = MultinomialCross(X, R, w)
    assert_rounding_is_bounded(J, exact_cross(J), rng.standard_normal(J.shape[1]).astype(X.dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_underflow_is_bounded(dtype):
    small = smallest_subnormal(dtype) ** 0.5 / 4  # its square is 0
    X = np.array([[small, 1e6]], dtype)
    P, w, v = np.array([[0.25, 0.5]], dtype), np.array([1e6], dtype), np.array([small, 0, 0, 0], dtype)
    A = MultinomialHessian(X, P, w)
    assert A.matvec(v)[1] == 0 < (exact_hessian(A) @ rational(v))[1]
    assert_rounding_is_bounded(A, exact_hessian(A), v)
    J = MultinomialCross(X, P, w)
    assert_rounding_is_bounded(J, exact_cross(J), v)


@given(st.integers(0, 2**32 - 1), st.sampled_from(DTYPES), st.integers(1, 30), st.floats(0, 3))
def test_rows_of_the_softmax_sum_to_at_most_one(seed, dtype, classes, log_scale):
    logits = (np.random.default_rng(seed).standard_normal((5, classes)) * 10**log_scale).astype(dtype)
    P = softmax(logits)
    assert P.dtype == dtype
    assert (P >= 0).all()
    sums = [sum(map(Fraction, map(float, row))) for row in P]
    slack = Fraction(4 * (classes + 4)) * Fraction(unit_roundoff(dtype))
    assert all(1 - slack <= s <= 1 for s in sums)


def test_an_ordinary_softmax_does_exceed_one():
    logits = np.random.default_rng(0).standard_normal((100, 10))
    P = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert any(sum(map(Fraction, row)) > 1 for row in P)


def is_semidefinite(matrix) -> bool:
    """By the signs of the characteristic polynomial: all eigenvalues ≥ 0 iff the coefficients alternate (weakly)."""
    n = len(matrix)
    coefficients = fmpq_mat(n, n, [fmpq(q.numerator, q.denominator) for q in matrix.ravel()]).charpoly()
    return all((-1) ** (n - k) * coefficients[k] >= 0 for k in range(n + 1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(10))
def test_the_ridge_bounds_the_spectrum_exactly(dtype, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((4, 2)).astype(dtype)
    P = softmax(3 * rng.standard_normal((4, 3)).astype(dtype))
    A = MultinomialHessian(X, P, rng.random(4).astype(dtype), 0.02)
    matrix = exact_hessian(A)
    lifted = matrix - Fraction(float(A.ridge)) * rational(np.eye(6))
    assert is_semidefinite(lifted)
    # softmax leaves out one direction, (1, …, 1) ⊗ x: there the bound is sharp to the deflation
    assert not is_semidefinite(lifted - Fraction(1, 10**4) * rational(np.eye(6)))


def test_a_row_that_exceeds_one_is_what_breaks_definiteness():
    P = np.array([[0.5, 0.5 + 2.0**-50]])
    A = MultinomialHessian(np.ones((1, 1)), P, np.ones(1))
    assert not is_semidefinite(exact_hessian(A))


@given(regressions())
def test_norms_are_bounded_and_not_wildly(case):
    X, P, w, ridge, _ = case
    A, J = MultinomialHessian(X, P, w, ridge), MultinomialCross(X, P, w)
    for operator in (A, J):
        norm = np.linalg.norm(operator.toarray().astype(float), 2)
        assert norm * (1 - 1e-6) <= operator.norm_bound()
    D = DesignMatrix(X)
    assert np.linalg.norm(X.astype(float), 2) * (1 - 1e-12) <= D.norm <= 1.0001 * np.linalg.norm(X.astype(float), "fro")
    assert (
        J.norm_bound() <= 1.0001 * np.linalg.norm(w.astype(float)[:, None] * P * D.row_norms[:, None], "fro") + 1e-300
    )


def test_tiny_rows_keep_their_norms():
    D = DesignMatrix(np.array([[3e-200, 4e-200], [0.0, 0.0]]))
    assert D.row_norms[0] == pytest.approx(5e-200, rel=1e-5, abs=0)
    assert D.row_norms[1] == 0
    assert MultinomialCross(D, np.ones((2, 2)), np.ones(2)).norm_bound() >= 7e-200


@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse_agrees_with_dense(dtype):
    rng = np.random.default_rng(3)
    X = (rng.standard_normal((6, 5)) * (rng.random((6, 5)) < 0.5)).astype(dtype)
    P, w = softmax(rng.standard_normal((6, 3)).astype(dtype)), rng.random(6).astype(dtype)
    rows, columns = np.nonzero(X)
    halves = sp.coo_array((np.tile(X[rows, columns] / 2, 2), (np.tile(rows, 2), np.tile(columns, 2))), X.shape)
    for kind, args in ((MultinomialHessian, (P, w, 0.1)), (MultinomialCross, (P, w))):
        dense, sparse = kind(X, *args), kind(halves, *args)
        v = rng.standard_normal(15).astype(dtype)
        np.testing.assert_allclose(sparse.matvec(v), dense.matvec(v), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(sparse.abs_product(abs(v)), dense.abs_product(abs(v)), rtol=1e-5)
        assert sparse.norm_bound() >= np.linalg.norm(dense.toarray(), 2) * (1 - 1e-5)
    assert sparse.design.X.nnz == rows.size


def test_the_adjoints():
    rng = np.random.default_rng(4)
    X, P, w = rng.standard_normal((5, 3)), softmax(rng.standard_normal((5, 4))), rng.random(5)
    A, J = MultinomialHessian(X, P, w, 0.1), MultinomialCross(X, P - 0.25, w)
    np.testing.assert_allclose(A.toarray(), A.toarray().T, atol=1e-15)
    u = rng.standard_normal(5)
    np.testing.assert_allclose(J.rmatvec(u), J.toarray().T @ u, atol=1e-14)


def test_what_cannot_be_used_is_refused():
    X, P, w = np.ones((2, 3)), np.full((2, 2), 0.5), np.ones(2)
    for kind, args, argument in (
        (MultinomialHessian, (X, P[:1], w), "P"),
        (MultinomialHessian, (X, -P, w), "P"),
        (MultinomialHessian, (X, P * np.nan, w), "P"),
        (MultinomialHessian, (X, P.astype(int), w), "P"),
        (MultinomialHessian, (X, P, w[:1]), "w"),
        (MultinomialHessian, (X, P, -w), "w"),
        (MultinomialHessian, (X, P, w, -1.0), "ridge"),
        (MultinomialHessian, (X * np.inf, P, w), "X"),
        (MultinomialHessian, (X * 1j, P, w), "X"),
        (MultinomialCross, (X, P[:, 0], w), "R"),
        (MultinomialCross, (X, P, w * np.inf), "d"),
    ):
        with pytest.raises(ArgumentError) as caught:
            kind(*args)
        assert caught.value.argument == argument


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_deflation_is_what_the_proof_asks_for(dtype):
    """(1 + u)²(1 − (C + 2)u)/(1 − γ_{C−1}) + 2Cη < 1 exactly, for the factor that a row (1, 0, …, 0) shows."""
    u, eta = Fraction(unit_roundoff(dtype)), Fraction(smallest_subnormal(dtype))
    for classes in (*range(1, 40), 100, 1000):
        logits = np.full((1, classes), -1e4, dtype)
        logits[0, 0] = 0
        factor = Fraction(float(softmax(logits)[0, 0]))
        gamma = (classes - 1) * u / (1 - (classes - 1) * u)
        assert (1 + u) ** 2 * factor / (1 - gamma) + 2 * classes * eta < 1


@pytest.mark.parametrize("scale", [1e160, 1e300])
def test_curvature_beyond_the_range_is_infinite(scale):
    A = MultinomialHessian(np.full((2, 2), scale), np.full((2, 2), 0.5), np.ones(2))
    assert A.norm_bound() == np.inf
    assert MultinomialHessian(np.full((2, 2), scale), np.full((2, 2), 0.5), np.zeros(2), 0.5).norm_bound() >= 0.5
    assert np.isfinite(
        MultinomialHessian(np.full((2, 2), 1e160), np.full((2, 2), 0.5), np.full(2, 1e-300)).norm_bound()
    )


def test_rows_that_are_no_probabilities_bound_no_norm():
    """P = 5I had the norm 799 under a bound of 30.4, and P = ½ in three classes the eigenvalue −13.7."""
    X, w = np.array([[4.0, 1, 0], [1, 5, 2], [0, 2, 6]]), np.ones(3)
    for P in (np.full((3, 3), 0.5), 5 * np.eye(3), np.array([[1.0, 1e-6]] * 3)):
        with pytest.raises(ArgumentError, match=r"^P: found a row with the sum"):
            MultinomialHessian(X, P, w)
    for dtype in (np.float32, np.float64):  # not deflated, as anybody's own softmax returns them
        P = np.random.default_rng(0).random((3, 40)).astype(dtype)
        MultinomialHessian(X, P / P.sum(axis=1, keepdims=True), w)


@pytest.mark.parametrize("value", [None, "ab", [[1.0], [1.0, 2.0]], lambda v: v, np.ones((3, 2), np.float16), 1j])
def test_what_is_no_array_is_refused_by_name(value):
    for name, made in (("P", MultinomialHessian), ("R", MultinomialCross)):
        with pytest.raises(ArgumentError, match=f"^{name}: "):
            made(np.eye(3), value, np.ones(3))
    assert MultinomialHessian(np.eye(3), [[0.5, 0.5]] * 3, [1.0] * 3).shape == (6, 6)
