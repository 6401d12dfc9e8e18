"""The estimates where T is singular or a number overflows: no warning, no NaN, and nothing claimed."""

import numpy as np
import pytest

from lancbio_ref.krylov.bounds import cg_coefficients, gauss_lower, gauss_radau_upper

CASES = {
    "zero first pivot": ([0.0, 1.0, 2.0], [1.0, 1.0, 1.0], 1.0),
    "zero second pivot": ([1.0, 1.0, 2.0], [1.0, 1.0, 1.0], 1.0),
    "zero last pivot": ([1.0, 2.0, 1.0], [1.0, 1.0, 0.0], 1.0),
    "large start": ([1.0, 2.0, 3.0], [0.5, 0.5, 0.5], 1e200),
    "large beta": ([1.0, 2.0, 3.0], [1e200, 1e200, 1e200], 1.0),
    "tiny alpha": ([1e-310, 2.0, 3.0], [1.0, 1.0, 1.0], 1.0),
}


@pytest.mark.parametrize("name", CASES)
def test_no_warning_and_no_nan(name):
    alpha, beta, start = np.array(CASES[name][0]), np.array(CASES[name][1]), CASES[name][2]
    gamma, squares = cg_coefficients(alpha, beta, start)
    upper, lower = gauss_radau_upper(alpha, beta, start, 1e-3), gauss_lower(alpha, beta, start, delay=1)
    assert not any(np.isnan(numbers).any() for numbers in (gamma, squares, upper, lower))
    assert np.isfinite(lower).all() and (upper[:-1] >= lower).all()


@pytest.mark.parametrize("name, k", [("zero first pivot", 0), ("zero second pivot", 1), ("zero last pivot", 2)])
def test_nothing_is_known_from_the_zero_pivot_on(name, k):
    alpha, beta, start = np.array(CASES[name][0]), np.array(CASES[name][1]), CASES[name][2]
    gamma, squares = cg_coefficients(alpha, beta, start)
    assert np.isfinite(gamma[:k]).all() and np.isinf(gamma[k:]).all()
    assert np.isfinite(squares[: k + 1]).all() and np.isinf(squares[k + 1 :]).all()
