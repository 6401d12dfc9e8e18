"""Products by blocks of rows against NumPy's, for every layout, type and length of row."""

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import parallel
from lancbio_ref.kernels.ahead import distance
from lancbio_ref.kernels.sparse import WIDE
from lancbio_ref.operators import DenseOperator, GeneralizedLinear, MultinomialHessian, SparseOperator
from lancbio_ref.operators.products import dense_absolute_gram, dense_product, dense_transposed, dense_weighted_squares

RNG = np.random.default_rng(0)
SHAPES = [(1, 1), (1, 9), (9, 1), (7, 5), (67, 3), (300, 40), (130, 1601)]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dense(shape, dtype, order):
    A = RNG.standard_normal(shape)
    A = np.asarray(A + 1j * RNG.standard_normal(shape) if dtype is np.complex128 else A, dtype, order=order)
    v, u = RNG.standard_normal(shape[1]).astype(A.real.dtype), RNG.standard_normal(shape[0]).astype(A.real.dtype)
    operator = DenseOperator(A)
    exact = A.astype(np.clongdouble if dtype is np.complex128 else np.longdouble)  # 11 bits more than float64
    forward, adjoint = operator.product_factor(v.dtype), operator.adjoint_factor(u.dtype)
    for found, truth, absolute, factor in (
        (dense_product(A, v), exact @ v, abs(exact) @ abs(v), forward),
        (dense_transposed(A, u), exact.T @ u, abs(exact).T @ abs(u), adjoint),
        (operator.rmatvec(u), exact.conj().T @ u, abs(exact).T @ abs(u), adjoint),
        (operator.abs_product(np.abs(v)), abs(exact) @ abs(v), abs(exact) @ abs(v), forward),
    ):
        assert (abs(found - truth) <= factor * absolute).all()
        assert (abs(found - truth) <= 100 * np.finfo(dtype).eps * absolute).all()  # should a factor ever be loose


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gram(shape, order):
    X, d = np.asarray(RNG.standard_normal(shape), order=order), RNG.standard_normal(shape[0])
    v, ridge = RNG.standard_normal(shape[1]), RNG.random(shape[1])
    A = GeneralizedLinear(X, d, ridge)
    np.testing.assert_allclose(A.matvec(v), X.T @ (d * (X @ v)) + ridge * v, rtol=0, atol=1e-9)
    absolute, w = np.abs(X), np.abs(v)
    found = dense_absolute_gram(X, d, w, 0.25)
    np.testing.assert_allclose(found, absolute.T @ (np.abs(d) * (absolute @ w + 0.25) + 0.25), rtol=1e-12)
    np.testing.assert_allclose(dense_weighted_squares(X, d), np.diag(X.T @ (d[:, None] * X)), rtol=0, atol=1e-10)


@pytest.mark.parametrize("copies", [1, 30])
def test_sparse_absolute_gram(copies):
    """In one block and in several."""
    S = sp.vstack([sp.csr_array(np.where(RNG.random((20, 17)) < 0.3, RNG.standard_normal((20, 17)), 0))] * copies)
    d, v = RNG.standard_normal(S.shape[0]), RNG.random(17)
    products = SparseOperator(S).products
    absolute = abs(S.toarray())
    expected = absolute.T @ (np.abs(d) * (absolute @ v + 0.25) + 0.25)
    np.testing.assert_allclose(products.absolute_gram(d, v, 0.25), expected, rtol=1e-12)
    assert (products.blocks > 1) == (copies > 1)


@pytest.mark.compiled
@pytest.mark.parametrize("m, n", [(90, 50), (70_000, 50_000)])  # one piece of rows, and three
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_without_entries_move_no_bit_of_a_sparse_gram(dtype, m, n):
    """A wide matrix has some of its rows gathered first and scattered then: in the order of one reading."""
    rng = np.random.default_rng(3)
    S, d, v = sp.random(m, n, 4 / n, "csr", dtype, rng), rng.standard_normal(m).astype(dtype), rng.standard_normal(n)
    wide = sp.csr_array((S.data, S.indices, S.indptr), shape=(m, WIDE + 1))
    padded = np.concatenate([v, rng.standard_normal(WIDE + 1 - n)])
    products = SparseOperator(S).products
    assert products.blocks == 1  # as in the wide one
    some, many = products.gram(d, v), SparseOperator(wide).products.gram(d, padded)
    assert np.array_equal(many[:n], some) and not many[n:].any()
    np.testing.assert_allclose(some, S.T @ (d.astype(np.float64) * (S @ v)), rtol=1e-9, atol=1e-13)


@pytest.mark.compiled
def test_a_sparse_matrix_with_few_entries_a_column_has_work_for_two_threads():
    rng = np.random.default_rng(5)
    m, n = 2700, 30_000
    S = sp.csr_array((rng.standard_normal(100 * m), rng.integers(0, n, 100 * m), np.arange(m + 1) * 100), shape=(m, n))
    S.sum_duplicates()
    d, v, products = rng.standard_normal(m), rng.standard_normal(n), SparseOperator(S).products
    threads, found = parallel.threads(), []
    assert products.blocks == 2 > SparseOperator(S[:2000]).products.blocks
    try:
        for count in (1, 2, 3):
            parallel.set_threads(count)
            found.append(products.gram(d, v))
    finally:
        parallel.set_threads(threads)
    assert all(np.array_equal(one, found[0]) for one in found)
    np.testing.assert_allclose(found[0], S.T @ (d * (S @ v)), rtol=0, atol=1e-9)


def test_an_array_in_neither_order_is_taken():
    A = RNG.standard_normal((8, 6))[::2, ::3]
    np.testing.assert_allclose(DenseOperator(A).matvec(np.ones(2)), A.sum(axis=1), rtol=1e-14)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_million_float32_rows_keep_their_digits(order):
    """γ_n is 6 % at n = 10⁶; added in pieces, the bound is a few thousandths of that, and the error is below it."""
    n = 10**6
    X = np.asarray(RNG.standard_normal((n, 2)), np.float32, order=order)
    u, v = RNG.standard_normal(n).astype(np.float32), np.array([0.3, -0.7], np.float32)
    d = np.full(n, 1 / n, np.float32)
    exact = X.T.astype(np.float64)  # float64 has six digits more than the float32 bounds ask for
    A, H = DenseOperator(X), GeneralizedLinear(X, d, np.ones(2, np.float32))
    sparse = SparseOperator(sp.csr_array(X))
    P, w = np.full((n, 2), 0.5, np.float32), d
    labels = MultinomialHessian(X, P, w, 0.5)
    V = np.arange(4, dtype=np.float32)
    S = X.astype(np.float64) @ V.reshape(2, 2).T.astype(np.float64)
    PS = 0.5 * S
    full = ((w[:, None] * (PS - 0.5 * PS.sum(axis=1, keepdims=True))).T @ X.astype(np.float64)).ravel() + 0.5 * V
    for product, truth, absolute, factor in (
        (A._rmatvec(u), exact @ u, A.abs_adjoint_product(np.abs(u)), A.adjoint_factor(np.float32)),
        (sparse._rmatvec(u), exact @ u, sparse.abs_adjoint_product(np.abs(u)), sparse.adjoint_factor(np.float32)),
        (H._matvec(v), exact @ (d * (exact.T @ v)) + v, H.abs_product(np.abs(v)), H.product_factor(np.float32)),
        (labels._matvec(V), full, labels.abs_product(V), labels.product_factor(np.float32)),
    ):
        assert product.dtype == np.float32 and factor < 2e-4
        assert (np.abs(product - truth) <= factor * absolute).all()
        assert (np.abs(product - truth) <= 1e-5 * absolute).all()  # as good as the sum, not only as the bound
    assert H.terms * 2.0**-24 > 0.05


def test_long_float32_rows_are_added_in_pieces():
    """Ones after 2²⁴ are lost in float32."""
    row = np.ones((5, 2**14 + 2048), np.float32)
    row[:, 0] = 2.0**24
    v = np.ones(row.shape[1], np.float32)
    for A in (DenseOperator(row), DenseOperator(np.asfortranarray(row))):
        np.testing.assert_allclose(A._matvec(v), row.astype(np.float64) @ v, rtol=1e-4)
        assert A.product_factor(np.float32) < 1e-4 < A.terms * 2.0**-24 / 0.9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [2, 11])
def test_several_products_at_once_have_the_bits_of_each(k, dtype):
    """And one reading: 9 vectors and more come in two portions."""
    X = RNG.standard_normal((131, 37)).astype(dtype)
    S = sp.csr_array(np.where(RNG.random(X.shape) < 0.3, X, 0))
    d, ridge = RNG.standard_normal(131).astype(dtype), RNG.random(37).astype(dtype)
    symmetric = sp.csr_array(S.T @ S)
    for A in (
        DenseOperator(X),
        DenseOperator(np.asfortranarray(X)),
        SparseOperator(S),
        GeneralizedLinear(X, d, ridge),
        GeneralizedLinear(np.asfortranarray(X), d, ridge),
        GeneralizedLinear(S, d, ridge),
        GeneralizedLinear(sp.vstack([S] * 40, format="csr"), np.tile(d, 40), ridge),
        SparseOperator(symmetric),
    ):
        V = RNG.standard_normal((37, k)).astype(dtype)
        together, alone = A @ V, np.stack([A @ v for v in V.T.copy()], axis=1)
        assert together.dtype == alone.dtype == dtype
        np.testing.assert_array_equal(together, alone)
    assert GeneralizedLinear(sp.vstack([S] * 40, format="csr"), np.tile(d, 40))._sparse.blocks > 1


@pytest.mark.compiled
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_are_asked_for_ahead_move_no_bit(dtype):
    """A large matrix of short rows; several vectors at a time ask for none, nor does a part of it."""
    X = RNG.standard_normal((2**18 // 50 * 8 // dtype().itemsize + 7, 50)).astype(dtype)
    d, ridge, V = RNG.standard_normal(len(X)).astype(dtype), RNG.random(50).astype(dtype), RNG.standard_normal((2, 50))
    V = V.astype(dtype)
    assert distance(X) == 2**12 and distance(X[: len(X) // 2]) == distance(np.zeros((9000, 300))) == 0
    A, G = DenseOperator(X), GeneralizedLinear(X, d, ridge)
    for operator in (A, G):
        np.testing.assert_array_equal(operator._matvecs(V), [operator._matvec(v) for v in V])
    np.testing.assert_allclose(
        A.rmatvec(d), X.astype(np.float64).T @ d, rtol=0, atol=1e-9 if dtype == np.float64 else 0.1
    )
