"""The numbers that every certificate is made of: norms, factors and products, at the ends of the range and exactly."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref.rounding import norm2, rounding_factor, scale_up, upper_product

POSITIVE = st.floats(min_value=0.0, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("scale", [1e-165, 1e-160, 1e-155, 1e-140, 1e140, 1e155])
def test_squares_that_lose_digits_are_not_summed(scale):
    """(3e-160)² is a subnormal number of four digits, though not 0."""
    assert norm2(np.array([3 * scale, 4 * scale])) == pytest.approx(5 * scale, rel=1e-15, abs=0)


@given(factors=st.lists(POSITIVE, min_size=1, max_size=4))
def test_upper_products_are_not_below_and_hardly_above(factors):
    exact = math.prod(map(Fraction, factors))
    bound = upper_product(*factors)
    if bound == math.inf:
        assert exact > Fraction(np.finfo(float).max) * (1 - Fraction(1, 2**40))
    else:
        assert exact <= bound <= exact * (1 + Fraction(1, 2**48)) + Fraction(1, 2**1072)


@given(x=POSITIVE, exponent=st.integers(-2200, 2200))
def test_scaling_up_never_goes_down(x, exponent):
    bound = scale_up(x, exponent)
    exact = Fraction(x) * Fraction(2) ** exponent
    assert bound == math.inf or exact <= bound


@given(coarse=st.integers(0, 3000), fine=st.integers(0, 10**9), single=st.booleans())
def test_rounding_factors_cover_the_worst_of_all_roundings(coarse, fine, single):
    """All products round up, and all terms of the bound down."""
    u = 2.0**-24 if single else 2.0**-53
    g = Fraction(rounding_factor(coarse, fine, u))
    rough, small = Fraction(u) * coarse, Fraction(2) ** -53 * fine  # (1 + u)^k ≤ 1/(1 − ku), (1 − u)^k ≥ 1 − ku
    assert g * (1 - rough) * (1 - small) >= 1 / ((1 - rough) * (1 - small)) - 1 - Fraction(2) ** -90
    assert g <= 2 * (rough + small) + (rough + small == 0)


def test_a_factor_that_proves_nothing_is_infinite():
    assert rounding_factor(2**24, 0, 2.0**-24) == math.inf == rounding_factor(1, 2**53)
    assert rounding_factor(2**23, 0, 2.0**-24) == math.inf  # γ = 1: the computed bound may have lost everything
