"""Products by blocks of rows against NumPy's, for every layout, type and length of row."""

import numpy as np
import pytest

from lancbio_ref.operators import DenseOperator, GeneralizedLinear
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
    close = dict(rtol=0, atol=(1e-3 if dtype is np.float32 else 1e-11))
    np.testing.assert_allclose(dense_product(A, v), A @ v, **close)
    np.testing.assert_allclose(dense_transposed(A, u), A.T @ u, **close)
    np.testing.assert_allclose(DenseOperator(A).rmatvec(u), A.conj().T @ u, **close)
    np.testing.assert_allclose(DenseOperator(A).abs_product(np.abs(v)), np.abs(A) @ np.abs(v), **close)


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


def test_an_array_in_neither_order_is_taken():
    A = RNG.standard_normal((8, 6))[::2, ::3]
    np.testing.assert_allclose(DenseOperator(A).matvec(np.ones(2)), A.sum(axis=1), rtol=1e-14)
