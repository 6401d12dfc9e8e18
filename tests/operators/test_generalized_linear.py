"""A = Xᵀ diag(d) X + diag(ridge): the product and the proof about its rounding, against exact rationals."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import ArgumentError, CertificateStatus, certificate
from lancbio_ref.certificate import Bound, absolute_product, residual_bound
from lancbio_ref.operators import DenseOperator, DesignMatrix, GeneralizedLinear, SparseOperator, generalized_linear
from lancbio_ref.operators.offset import OffsetGram, OffsetOperator
from lancbio_ref.rounding import norm2, smallest_subnormal, unit_roundoff


def rational(array):
    return np.vectorize(Fraction, otypes=[object])(np.asarray(array, np.float64))


def exact_matrix(A):
    X = rational(A.X.toarray() if sp.issparse(A.X) else A.X)
    return (X.T * rational(A.d)) @ X + np.diag(rational(A.ridge))


def assert_rounding_is_bounded(A, v):
    u, m = Fraction(unit_roundoff(A.dtype)), A.terms
    gamma, matrix = m * u / (1 - m * u), exact_matrix(A)
    error = np.abs(rational(A.matvec(v)) - matrix @ rational(v))
    majorant = rational(A.abs_product(np.abs(v)))
    assert (majorant >= (1 - gamma) * np.abs(matrix) @ np.abs(rational(v))).all()
    bound = gamma * majorant + m * Fraction(smallest_subnormal(A.dtype))
    assert (error <= bound).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e15])
def test_the_norm_of_absolute_products_is_bounded_without_one(monkeypatch, dtype, sparse, scale):
    """N²‖v‖² + ν², against the rationals, of one sample too, where the bound is |x_1|ᵀ|x_1| and sharp."""
    monkeypatch.setattr(generalized_linear, "READ_QUICKLY", 0)
    rng = np.random.default_rng(4)
    for n in (1, 1, 3, 9):
        X = (scale * rng.standard_normal((n, 5))).astype(dtype)
        d, ridge = rng.standard_normal(n).astype(dtype), (0.1 * scale**2 * rng.random(5)).astype(dtype)
        design = DesignMatrix(sp.csr_array(X) if sparse else X)
        A, v = GeneralizedLinear.of_parts(design, d, ridge), np.abs(X[0])
        assert GeneralizedLinear(design, d, ridge).absolute_norm() == A.absolute_norm()
        assert GeneralizedLinear(design.operator, d, ridge).absolute_norm() is None
        found = rational(A.abs_product(v))
        N, nu = (Fraction(bound) for bound in A.absolute_norm())
        square, size = found @ found, rational(v) @ rational(v)
        assert square <= N * N * size + nu * nu
        assert n > 1 or square >= N * N * size / 2  # the penalty's largest entry meets but one of v


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_norm_stands_for_an_absolute_product_only_where_that_does_not_show(monkeypatch, dtype):
    """From the largest residual down to rounding: ρ is within a thousandth of that with |A||v|, or is that one."""
    rng = np.random.default_rng(6)
    X, d = rng.standard_normal((300, 300)).astype(dtype), rng.random(300).astype(dtype)
    A = GeneralizedLinear.of_parts(DesignMatrix(X), d, np.ones(300, dtype))
    v, direction = rng.standard_normal(300).astype(dtype), rng.standard_normal(300)
    absolute, taken = A.abs_product(np.abs(v)), []
    for log_size in range(-12, 10):
        residual = (10.0**log_size * direction / norm2(direction)).astype(dtype)
        stands = absolute_product(A, v, residual)
        taken.append(stands.tobytes() != absolute.tobytes())
        rho = residual_bound(A, v, residual, Bound(1.0, CertificateStatus.CERTIFIED))[0].value
        with monkeypatch.context() as patch:
            patch.setattr(certificate, "FAR_BELOW", np.inf)
            sharp = residual_bound(A, v, residual, Bound(1.0, CertificateStatus.CERTIFIED))[0].value
        assert rho <= 1.001 * sharp and (taken[-1] or rho == sharp)
    assert taken == sorted(taken) and taken[-1] and not taken[0]  # the smaller the residual, the more does it show


def test_where_no_norm_of_absolute_products_is_known():
    """Of few entries, which are read as quickly; and near an end of the range."""
    for X in (np.ones((3, 2)), np.full((2**16, 2), 1e-160)):
        assert GeneralizedLinear(DesignMatrix(X), np.ones(len(X))).absolute_norm() is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_rounding_is_bounded(dtype, sparse, seed):
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(1, 10)), int(rng.integers(1, 8))
    X = (rng.standard_normal((n, p)) * 10.0 ** rng.uniform(-3, 3, (n, p))).astype(dtype)
    if sparse:
        X = sp.coo_array(X * (rng.random((n, p)) < 0.5))
    A = GeneralizedLinear(X, rng.standard_normal(n).astype(dtype), rng.random(p).astype(dtype))
    for _ in range(5):
        assert_rounding_is_bounded(A, rng.standard_normal(p).astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_is_bounded_where_x_v_cancels(dtype):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((5, 6))
    v = np.linalg.svd(X)[2][-1]  # X v ≈ 0
    assert_rounding_is_bounded(GeneralizedLinear(X.astype(dtype), np.full(5, 1e3, dtype)), v.astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_underflow_inside_is_amplified_and_bounded(dtype):
    small = np.sqrt(float(np.finfo(dtype).smallest_subnormal)) / 4
    A = GeneralizedLinear(np.array([[small, 1.0]], dtype), np.array([float(np.finfo(dtype).max) ** 0.5], dtype))
    v = np.array([small, 0.0], dtype)
    assert A.matvec(v)[1] == 0 and (exact_matrix(A) @ rational(v))[1] > 0
    assert_rounding_is_bounded(A, v)


def test_terms_of_a_sparse_matrix_are_its_fullest_row_and_column():
    X = sp.csr_array(np.array([[1.0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]]))
    assert GeneralizedLinear(X, np.ones(3)).terms == 2 + 3 + 4
    assert GeneralizedLinear(X.toarray(), np.ones(3)).terms == 3 + 4 + 4


def test_duplicates_are_summed_in_a_copy():
    X = sp.csr_array((np.ones(3), np.array([0, 0, 1]), np.array([0, 3])), shape=(1, 2))
    A = GeneralizedLinear(X, [1.0])
    np.testing.assert_array_equal(A.toarray(), [[4, 2], [2, 1]])
    assert X.nnz == 3


@pytest.mark.parametrize("seed", range(10))
def test_norm_bound_and_definiteness(seed):
    rng = np.random.default_rng(seed)
    X, d, ridge = rng.standard_normal((12, 5)), rng.random(12), 0.1 + rng.random(5)
    A = GeneralizedLinear(X, d, ridge)
    eigenvalues = np.linalg.eigvalsh(A.toarray())
    assert eigenvalues[-1] <= A.norm_bound() <= 10 * eigenvalues[-1]
    assert eigenvalues[0] >= ridge.min()
    np.testing.assert_allclose(A.toarray(), X.T @ np.diag(d) @ X + np.diag(ridge), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(A.rmatvec(ridge), A.matvec(ridge))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (([[1.0, np.nan]], [1.0]), "X"),
        (([1.0], [1.0]), "X"),
        (([[1j]], [1.0]), "X"),
        (([[1.0]], [1.0, 2.0]), "d"),
        (([[1.0]], [np.inf]), "d"),
        (([[1.0]], [1.0], [1.0, 2.0]), "ridge"),
        (([[1.0]], [1.0], np.nan), "ridge"),
        ((sp.csr_array(np.array([[np.inf]])), [1.0]), "X"),
    ],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(ArgumentError) as raised:
        GeneralizedLinear(*arguments)
    assert raised.value.argument == name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (200, 20), (129, 7), (1000, 200), (300, 800), (2500, 60), (9, 8192)])
def test_a_product_in_one_call_has_the_bits_of_blocks_and_numpy(shape, dtype):
    rng = np.random.default_rng(sum(shape))
    X, d, ridge, v = (rng.standard_normal(size).astype(dtype) for size in (shape, shape[0], shape[1], shape[1]))
    for A in (GeneralizedLinear(X, d, ridge), DenseOperator(X)):
        one, other = A._matvec(v), A._product(v)
        assert one.dtype == other.dtype == dtype and one.tobytes() == other.tobytes() == (A @ v).tobytes()
        assert one.flags.owndata  # nobody has to copy it
    assert GeneralizedLinear(X, d, ridge)._find_one_call()[0]  # and such a call there was


def test_a_product_in_one_call_raises_no_flags():
    A = GeneralizedLinear(np.full((8, 3), 1e-200), np.ones(8), 1e-200)
    with np.errstate(all="raise"):
        assert (A.matvec(np.full(3, 1e-200)) == 0).all()


def test_a_product_does_not_count_the_entries_of_columns(monkeypatch):
    """That takes as long as the product, and blocks from files are made anew at every reading."""
    X = sp.csr_array(np.arange(6.0).reshape(3, 2))
    for wrap in (SparseOperator, lambda X: OffsetOperator(SparseOperator(X), np.array([0.0, 0, 1]))):
        with monkeypatch.context() as patch:
            patch.setattr(SparseOperator, "column_terms", property(lambda self: 1 / 0))
            data, d = wrap(X), np.ones(3)
            A = GeneralizedLinear.of_checked(data, d, np.ones(2)) if wrap is SparseOperator else OffsetGram(data, d)
            A.matvec(np.ones(A.shape[1]))
        assert A.terms > 3
