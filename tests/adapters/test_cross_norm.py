"""The bound of ‖J‖ from three steps: how often it fails, how blunt it is, and where it has nothing to say."""

import numpy as np
import pytest

from lancbio_ref.adapters import cross_norm
from lancbio_ref.adapters.cross_norm import bound_of, steps_of


def of_diagonal(diagonal):
    return bound_of(*steps_of(diagonal.__mul__, diagonal.__mul__, len(diagonal), diagonal.dtype), len(diagonal))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_it_fails_for_one_start_in_a_thousand(dtype, monkeypatch):
    """For a diagonal as for every J with these singular values, for the starts have no direction of their own."""
    diagonal = np.array([1.0, 0.8, 0.5, *np.linspace(0.1, 0.3, 9)], dtype)  # more than are made exact
    starts = np.random.default_rng(0).standard_normal((4000, diagonal.size))
    bounds = []
    for start in starts:
        monkeypatch.setattr(cross_norm, "start_of", lambda n, dtype, q=start: (q / np.linalg.norm(q)).astype(dtype))
        bounds.append(of_diagonal(diagonal))
    assert np.count_nonzero(np.array(bounds) < 1) <= 12  # 4 are to be expected; of the largest Ritz values all are


@pytest.mark.parametrize("gap", [1.1, 2.0, 30.0])
def test_a_start_hides_what_the_bound_allows_and_no_more(gap, monkeypatch):
    """‖J‖ = `gap` along u, three other values, and the share s of u in the start that the bound is made for."""
    diagonal = np.array([gap, *np.repeat([1.0, 0.7, 0.2], 4)])
    s = cross_norm.FAILS * np.sqrt(np.pi / (2 * (diagonal.size - 1)))
    found = []
    for share in (1.001 * s, 0.5 * s):
        start = np.r_[share, np.full(12, np.sqrt((1 - share**2) / 12))]
        monkeypatch.setattr(cross_norm, "start_of", lambda n, dtype, q=start: q)
        found.append(of_diagonal(diagonal) / gap)
    assert 1 <= found[0] < 1.02 and (gap > 2 or found[1] < 1)


@pytest.mark.parametrize("n, most", [(1, 1), (2, 1), (3, 1), (10, 2.2), (1000, 3.0), (30_000, 4.0)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_how_blunt_it_is_without_gaps(n, most, dtype):
    diagonal = (1 - np.arange(n) / n).astype(dtype)
    assert 1 <= of_diagonal(diagonal) <= most * 1.01


@pytest.mark.parametrize("dtype, most", [(np.float64, 1 + 1e-4), (np.float32, 1.05)])
def test_few_values_are_found_as_they_are(dtype, most):
    for diagonal in (np.full(500, 3.0), np.r_[3.0, np.zeros(499)], np.r_[np.full(250, 3.0), np.full(250, 1.0)]):
        assert 3 <= of_diagonal(diagonal.astype(dtype)) <= 3 * most


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30, np.nan, np.inf])
def test_numbers_that_leave_the_range_are_left_to_the_products(scale, dtype):
    """J Jᵀ leaves that of float32, not of float64."""
    with np.errstate(all="ignore"):
        found = of_diagonal((scale * np.linspace(0.5, 1, 20)).astype(dtype))
    if dtype == np.float64 and 0 < scale < np.inf:
        assert 1 <= found / scale <= 2.5
    else:
        assert np.isnan(found)
