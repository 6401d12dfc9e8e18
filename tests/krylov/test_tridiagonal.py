"""Tridiagonal systems: the first step (n = 1), indefinite and singular T, NaN."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import lapack

from lancbio_ref import ArgumentError, StepStatus
from lancbio_ref.krylov.iterates import LDL
from lancbio_ref.krylov.tridiagonal import extreme_ritz_values, solve_tridiagonal
from validation.truths.exact import nearest, rational


def dense(d, e):
    return np.diag(d) + np.diag(e, 1) + np.diag(e, -1)


def test_the_trap_that_n_1_is():
    with pytest.raises(ValueError):
        lapack.dptsv(np.ones(1), np.zeros(0), np.ones(1))
    assert solve_tridiagonal(np.array([4.0]), np.zeros(0), np.array([2.0])).y == [0.5]


@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.booleans())
def test_definite_systems(k, seed, single):
    rng = np.random.default_rng(seed)
    dtype = np.float32 if single else np.float64
    e = rng.standard_normal(k - 1).astype(dtype)
    d = (1 + np.abs(np.append(e, 0)) + np.abs(np.append(0, e))).astype(dtype)
    r = rng.standard_normal(k).astype(dtype)
    found = solve_tridiagonal(d, e, r)
    assert found.status == StepStatus.REGULAR and found.y.dtype == dtype
    truth = nearest(rational(dense(d, e)).solve(rational(r)))
    np.testing.assert_allclose(found.y, truth, rtol=0, atol=(1e-5 if single else 1e-13) * np.abs(truth).max())
    factor = LDL(float(r[0]))
    for j in range(k):
        factor.append(float(d[j]), float(e[j - 1]) if j else 0.0)
    last = solve_tridiagonal(d, e, r[0] * np.eye(k, dtype=dtype)[0]).y[-1]
    assert factor.definite and factor.last == pytest.approx(last, rel=1e-4 if single else 1e-10, abs=1e-30)


def test_indefinite_matrix_of_a_moving_operator():
    """algorithms: A_1 = [[2,1.9],[1.9,2]], A_2 = [[2,.05],[.05,.1]] from e_1 give eigenvalues −1.07 and 3.17."""
    from lancbio_ref import LanczosProcess

    process = LanczosProcess([1.0, 0.0])
    process.step(np.array([[2, 1.9], [1.9, 2]]))
    process.step(np.array([[2, 0.05], [0.05, 0.1]]))
    np.testing.assert_allclose(np.linalg.eigvalsh(process.T), [-1.07, 3.17], atol=0.01)
    found = solve_tridiagonal(process.alpha, process.beta[:-1], np.array([1.0, 1.0]))
    assert found.status == StepStatus.INDEFINITE
    np.testing.assert_allclose(process.T @ found.y, [1, 1], rtol=1e-14)


def test_singular_matrices_give_no_solution():
    assert solve_tridiagonal(np.zeros(1), np.zeros(0), np.ones(1)).y is None
    found = solve_tridiagonal(np.array([1.0, 1.0]), np.array([1.0]), np.array([1.0, 2.0]))
    assert found.y is None and found.status == StepStatus.SINGULAR


def test_complex_right_hand_side():
    d, e, r = np.array([2.0, 3.0]), np.array([1.0]), np.array([1 + 1j, 2 - 1j])
    np.testing.assert_allclose(dense(d, e) @ solve_tridiagonal(d, e, r).y, r, rtol=1e-14)


@pytest.mark.parametrize("where", ["diagonal", "off", "r"])
def test_nan_does_not_travel(where):
    parts = {"diagonal": np.ones(2) * 3, "off": np.ones(1), "r": np.ones(2)}
    parts[where] = parts[where] * np.nan
    with pytest.raises(ArgumentError, match="NaN"):
        solve_tridiagonal(**parts)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part, place", [(part, place) for part, size in enumerate((4, 3, 4)) for place in range(size)])
def test_no_entry_may_be_infinite(part, place, bad):
    parts = np.full(4, 2.0), np.full(3, 0.5), np.ones(4)
    parts[part][place] = bad  # an infinite α gives a finite y, and info = 0
    with pytest.raises(ArgumentError, match="finite entries"):
        solve_tridiagonal(*parts)


def test_sizes_that_do_not_fit():
    with pytest.raises(ArgumentError, match=r"expected shapes \(1,\), \(2,\)"):
        solve_tridiagonal(np.ones(2), np.ones(2), np.ones(2))


def test_extreme_ritz_values():
    assert extreme_ritz_values(np.array([3.0]), np.array([1.0])) == (3.0, 3.0)
    low, high = extreme_ritz_values(np.array([2.0, 2.0]), np.array([1.0, 9.9]))
    assert (low, high) == (pytest.approx(1), pytest.approx(3))
