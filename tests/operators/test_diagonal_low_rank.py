"""A = B + diag(d) + U diag(s) Vᵀ: the product, and the proof about its rounding, against exact rationals."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator

from lancbio_ref import ArgumentError
from lancbio_ref.operators import DenseOperator, DiagonalLowRank, GeneralizedLinear, jacobi, structure_of
from lancbio_ref.rounding import smallest_subnormal, unit_roundoff


def sparse(rng, n, dtype):
    """Two entries in five; SciPy's own generator changed the name of its seed."""
    return sp.csr_array(np.where(rng.random((n, n)) < 0.4, rng.random((n, n)), 0.0).astype(dtype))


def rational(array):
    """An array of exact rationals."""
    return np.vectorize(Fraction, otypes=[object])(np.asarray(array, np.float64))


def exact_matrix(A):
    matrix = np.zeros(A.shape, object) + Fraction(0)
    matrix[np.diag_indices(len(A.d))] += rational(A.d)
    if A.U.size:
        matrix = matrix + (rational(A.U) * rational(A.s)) @ rational(A.V).T
    if A.base is not None:
        matrix = matrix + rational(A.base.toarray())
    return matrix


def assert_rounding_is_bounded(A, v, transpose=False):
    """|fl(A v) − A v| ≤ γ_m fl(|A||v|) + mη, every number exact."""
    u, m = Fraction(unit_roundoff(A.dtype)), A.terms
    matrix = exact_matrix(A).T if transpose else exact_matrix(A)
    error = np.abs(rational(A.rmatvec(v) if transpose else A.matvec(v)) - matrix @ rational(v))
    gamma = m * u / (1 - m * u)
    majorant = rational(A.abs_product(np.abs(v)))
    assert (majorant >= (1 - gamma) * np.abs(matrix) @ np.abs(rational(v))).all()
    bound = gamma * majorant + m * Fraction(smallest_subnormal(A.dtype))
    assert (error <= bound).all(), f"excess {max(float(e - b) for e, b in zip(error, bound, strict=True))}"


def example(rng, n, rank, dtype, *, spread=0, base=None, symmetric=True):
    def draw(*shape):
        return (rng.standard_normal(shape) * 10.0 ** rng.uniform(-spread, spread, shape)).astype(dtype)

    if rank == 0:
        return DiagonalLowRank(draw(n), base=base)
    return DiagonalLowRank(draw(n), draw(n, rank), draw(rank), None if symmetric else draw(n, rank), base=base)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spread", [0, 4])
@pytest.mark.parametrize("seed", range(6))
def test_rounding_is_bounded_on_random_data(dtype, spread, seed):
    rng = np.random.default_rng(seed)
    n, rank = int(rng.integers(1, 12)), int(rng.integers(0, 4))
    bases = [None, DenseOperator(rng.standard_normal((n, n)).astype(dtype)), sparse(rng, n, dtype)]
    A = example(rng, n, rank, dtype, spread=spread, base=bases[seed % 3])
    for _ in range(5):
        assert_rounding_is_bounded(A, rng.standard_normal(n).astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(4))
def test_rounding_is_bounded_where_everything_cancels(dtype, seed):
    """v orthogonal to V up to rounding, and a diagonal that undoes what the low-rank term adds."""
    rng = np.random.default_rng(seed)
    n = 9
    U, s = rng.standard_normal((n, 1)), np.array([1.0])
    v = rng.standard_normal(n)
    v -= U[:, 0] * (U[:, 0] @ v) / (U[:, 0] @ U[:, 0])
    d = -(U[:, 0] * (U[:, 0] @ v)) / v
    A = DiagonalLowRank(d.astype(dtype), U.astype(dtype), s.astype(dtype))
    assert_rounding_is_bounded(A, v.astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("amplifier", ["U", "s"])
def test_underflow_inside_is_amplified_and_bounded(dtype, amplifier):
    """Vᵀv underflows to 0 while U or s makes it large: only the smallest normal number in the bound covers that."""
    limits = np.finfo(dtype)
    small, large = np.sqrt(float(limits.smallest_subnormal)) / 4, float(limits.max) ** 0.5
    U, s = np.ones((2, 1), dtype), np.ones(1, dtype)
    (U if amplifier == "U" else s)[...] = large
    A = DiagonalLowRank(np.zeros(2, dtype), U, s, np.array([[small], [0]], dtype))
    v = np.array([small, 0], dtype)
    assert A.matvec(v)[0] == 0 and exact_matrix(A)[0, 0] > 0
    assert_rounding_is_bounded(A, v)


def test_transposed_product_and_its_rounding():
    rng = np.random.default_rng(3)
    A = example(rng, 7, 2, np.float64, base=rng.standard_normal((7, 7)), symmetric=False)
    u = rng.standard_normal(7)
    np.testing.assert_allclose(A.rmatvec(u), A.toarray().T @ u, rtol=1e-13)
    symmetric = example(rng, 7, 2, np.float64, base=np.eye(7))
    assert_rounding_is_bounded(symmetric, u, transpose=True)


def test_float32_vector_is_not_rounded_on_its_own():
    """A float64 operator with a float32 base and a float32 v works in float64, as its bound says."""
    rng = np.random.default_rng(0)
    A = example(rng, 6, 1, np.float64, base=rng.standard_normal((6, 6)).astype(np.float32))
    assert A.dtype == np.float64
    assert_rounding_is_bounded(A, rng.standard_normal(6).astype(np.float32))


@pytest.mark.parametrize("rank", [0, 1, 3])
@pytest.mark.parametrize("with_base", [False, True])
def test_norm_bound(rank, with_base):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        A = example(rng, 6, rank, np.float64, base=rng.standard_normal((6, 6)) if with_base else None, symmetric=False)
        exact = np.linalg.norm(A.toarray(), 2)
        assert exact <= A.norm_bound() * (1 + 1e-14) and A.norm_bound() < 20 * exact


def test_norm_bound_of_the_diagonal_alone_is_exact():
    assert DiagonalLowRank([1.0, -3.0]).norm_bound() == 3.0


@pytest.mark.parametrize("scale", [0.0, 5e-324, 1e-310, 1e150])
def test_norm_bound_at_the_ends_of_the_range(scale):
    A = DiagonalLowRank([0.0, 0.0], U=np.full((2, 1), scale))
    assert A.norm_bound() >= 2 * Fraction(scale) ** 2 and np.isfinite(A.norm_bound())


def test_norm_bound_is_sharp_where_the_low_rank_term_cancels_the_diagonal():
    U = np.array([[1e3], [1e-3]])
    A = DiagonalLowRank([1e6 + 1, 1.0], U=U, s=[-1.0])
    assert np.linalg.norm(A.toarray(), 2) <= A.norm_bound() < 3


@pytest.mark.parametrize("scale", [1e-200, 2.0**-1000, 1e100])
def test_norm_bound_neither_underflows_nor_overflows(scale):
    A = DiagonalLowRank([scale, 2 * scale], U=[[1.0], [2.0]], s=[scale])
    exact = np.linalg.norm(A.toarray() / scale, 2)
    assert exact * scale <= A.norm_bound() <= 3 * exact * scale


def test_a_black_box_inside_is_not_a_structure():
    base = DenseOperator(np.diag([1.0, 2.0]))
    inside = DiagonalLowRank([1.0, 1.0], base=aslinearoperator(np.diag([1.0, 2.0])))
    np.testing.assert_array_equal(inside.matvec(np.ones(2)), [2.0, 3.0])
    assert structure_of(inside) is None
    assert structure_of(DiagonalLowRank([1.0, 1.0], base=inside)) is None
    assert structure_of(DiagonalLowRank([1.0, 1.0], base=base)) is not None
    assert structure_of(DiagonalLowRank([1.0, 1.0], base=GeneralizedLinear(np.eye(2), np.ones(2)))) is not None


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (dict(d=[1.0, np.nan]), "d"),
        (dict(d=[[1.0]]), "d"),
        (dict(d=[1.0, 2.0], U=[[1.0]]), "U"),
        (dict(d=[1.0], U=[1.0]), "U"),
        (dict(d=[1.0], U=np.zeros((1, 0))), "U"),
        (dict(d=[1.0], U=[[np.inf]]), "U"),
        (dict(d=[1.0], U=[[1j]]), "U"),
        (dict(d=[1.0], U=[[1.0]], s=[1.0, 2.0]), "s"),
        (dict(d=[1.0], s=[1.0]), "U"),
        (dict(d=[1.0], V=[[1.0]]), "U"),
        (dict(d=[1.0], U=[[1.0]], V=[[1.0, 2.0]]), "V"),
        (dict(d=[1.0], base=np.eye(2)), "base"),
        (dict(d=[1.0], base=[[1j]]), "base"),
        (dict(d=[1.0], base="what"), "base"),
    ],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(ArgumentError) as raised:
        DiagonalLowRank(**arguments)
    assert raised.value.argument == name


@pytest.mark.parametrize("n, rank", [(1, 1), (3, 2), (40, 3), (100, 1)])
def test_terms_cover_the_worst_of_all_roundings(n, rank):
    """One product passes n + r + 3 factors, each 1 + u, and its part in the bound n + r + 4, each 1 − u."""
    A = DiagonalLowRank(np.ones(n), U=np.ones((n, rank)), base=sp.eye_array(n))
    u = Fraction(1, 2**24)
    sums = 1 + (n - 1)  # its product with v, and the additions of the others in Vᵀv
    others = 1 + 1 + rank + 1  # s, U, the additions of d ∘ v and the other columns, that of B v
    error, computed = (1 + u) ** (sums + others) - 1, (1 - u) ** (sums + others + 1)
    gamma = A.terms * u / (1 - A.terms * u)
    assert error <= gamma * computed


def test_norm_bound_where_u_times_s_underflows():
    """0.3 · 2⁻¹⁰⁷⁴ is 0 in floating-point arithmetic, and 1.5e-16 once V has multiplied it."""
    n = 40
    A = DiagonalLowRank(np.zeros(n), np.full((n, 2), [0.3, 0.0]), [5e-324, 1.0], np.full((n, 2), [1e308, 0.0]))
    assert A.norm_bound() >= n * exact_matrix(A)[0, 0] > 1e-15


def test_norm_bound_of_mixed_types_is_formed_in_float64():
    """In float32, 1e-25 · 1e-25 is 0; V makes it 1."""
    U, s = np.array([[1e-25], [0]], np.float32), np.array([1e-25], np.float32)
    A = DiagonalLowRank(np.zeros(2, np.float32), U, s, np.array([[1e50], [1e50]]))
    assert A.norm_bound() ** 2 >= (exact_matrix(A) ** 2).sum() and A.norm_bound() < 2


def test_jacobi_refuses_what_has_no_inverse():
    with pytest.raises(ArgumentError, match="inverse"):
        jacobi(np.diag([1.0, 5e-324]))
