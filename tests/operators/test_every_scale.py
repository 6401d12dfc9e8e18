"""Norms and rounding bounds of every structure, in mixed types, from subnormal numbers to the largest, exactly."""

import math
from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lancbio_ref.rounding import smallest_subnormal, unit_roundoff
from tests.operators.families import DTYPES, FAMILIES, Draw, rational

FEWER = settings(max_examples=max(25, settings().max_examples // 4))  # exact arithmetic takes its time
SEEDS = st.integers(0, 2**32 - 1)
TYPES = [[np.float32], [np.float64], DTYPES]


def is_semidefinite(matrix) -> bool:
    """All eigenvalues are ≥ 0 iff the coefficients of the characteristic polynomial alternate, weakly."""
    n = len(matrix)
    coefficients = fmpq_mat(n, n, [fmpq(q.numerator, q.denominator) for q in matrix.ravel()]).charpoly()
    return all((-1) ** (n - k) * coefficients[k] >= 0 for k in range(n + 1))


def norm_is_at_most(matrix, bound: float) -> bool:
    """‖A‖₂ ≤ bound: bound²I − AᵀA is semidefinite, or −AAᵀ where that is smaller."""
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    shifted = -gram
    shifted[np.diag_indices(len(gram))] += Fraction(bound) ** 2
    return is_semidefinite(shifted)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
@FEWER
@given(seed=SEEDS, types=st.sampled_from(TYPES))
@example(seed=14648, types=[np.float64])  # a factor whose norm is subnormal
def test_norm_bounds(family, seed, types):
    A, exact = family(Draw(np.random.default_rng(seed), types))
    bound = A.norm_bound()
    assert bound >= 0 and (bound == math.inf or norm_is_at_most(exact, bound))


def assert_bounded(product, exact, majorant, factor, underflow):
    """|fl(A v) − A v| ≤ g fl(|A||v|) + underflow, wherever the product is finite."""
    assert majorant.dtype == np.float64
    assert not np.isnan(majorant).any() and (majorant >= 0).all()
    for found, truth, most in zip(product, exact, majorant, strict=True):
        if np.isfinite(found) and np.isfinite(most) and math.isfinite(factor):
            assert abs(Fraction(float(found)) - truth) <= Fraction(factor) * Fraction(float(most)) + underflow


@pytest.mark.parametrize("adjoint", [False, True], ids=["Av", "ATu"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
@FEWER
@given(seed=SEEDS, types=st.sampled_from(TYPES))
def test_rounding_bounds(family, adjoint, seed, types):
    draw = Draw(np.random.default_rng(seed), types)
    A, exact = family(draw)
    exact = exact.T if adjoint else exact
    v = draw.array(exact.shape[1])
    result = np.result_type(A.dtype, v)
    underflow = Fraction(smallest_subnormal(result)) * (A.terms + (sum(A.shape) if adjoint else 0))
    with np.errstate(all="ignore"):  # as in `CheckedOperator`, which names what overflows
        product = A._rmatvec(v) if adjoint else A._matvec(v)
    assert product.dtype == result
    try:
        majorant = (A.abs_adjoint_product if adjoint else A.abs_product)(np.abs(v))
    except NotImplementedError:
        assert adjoint and family.__name__ == "weight_cross"
        return
    truth = exact @ rational(v)
    assert_bounded(product, truth, majorant, (A.adjoint_factor if adjoint else A.product_factor)(v.dtype), underflow)
    if not adjoint:  # `terms` alone says as much, of any order of the sums
        terms = A.terms * Fraction(unit_roundoff(result))
        assert_bounded(product, truth, majorant, terms / (1 - terms), underflow)
