"""Every loss of one score: value, slope and curvature in 75 digits, their errors, and the bounds on intervals."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref import ArgumentError
from lancbio_ref.problems.generalized_linear.losses import LOSSES, Huber, as_loss

DTYPES = [np.float32, np.float64]


def exact(name, s, t):
    """ℓ from its definition, in mpmath; the other two are derivatives of this."""
    if name == "squared":
        return (s - t) ** 2 / 2
    if name == "logistic":
        return mpmath.log1p(mpmath.exp(-t * s))
    if name == "poisson":
        z = max(s - 40, mpmath.mpf(0))
        return mpmath.exp(min(s, mpmath.mpf(40))) * (1 + z + z * z / 2) - t * s
    if name == "huber":
        e, delta = abs(s - t), mpmath.mpf(Huber().delta)
        return e * e / 2 if e <= delta else delta * e - delta * delta / 2
    if name == "squared_hinge":
        return max(mpmath.mpf(0), 1 - t * s) ** 2 / 2
    raise NotImplementedError(f"the definition of {name}")


def has_kink_near(name, s, t, width):
    edge = {"huber": abs(abs(s - t) - Huber().delta), "squared_hinge": abs(1 - t * s), "poisson": abs(s - 40)}
    return edge.get(name, mpmath.inf) <= width


def drawn(name, seed, dtype, n=8):
    rng = np.random.default_rng(seed)
    s = rng.standard_normal(n) * 10.0 ** rng.uniform(-3, 2, n)
    t = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    if name in ("squared", "huber"):
        t = rng.standard_normal(n) * 10.0 ** rng.uniform(-2, 2, n)
    if name == "poisson":
        t = rng.poisson(3.0, n).astype(float)
    near = rng.random(n) < 0.3  # at a kink, or a few units from it
    edges = {"huber": t + Huber().delta, "squared_hinge": t, "poisson": np.full(n, 40.0)}
    if name in edges:
        s = np.where(near, edges[name] * (1 + rng.integers(-2, 3, n) * 2.0**-24), s)
    return s.astype(dtype), t.astype(dtype), rng


@pytest.mark.parametrize("name", LOSSES)
@given(seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from(DTYPES))
def test_value_slope_and_curvature_in_75_digits(name, seed, dtype):
    loss, (s, t, _) = as_loss(name, 2), drawn(name, seed, dtype, 3)
    u = float(np.finfo(dtype).eps) / 2
    found = loss.value(s, t), loss.derivative(s, t), loss.curvature(s, t)
    errors = [e(s, t, u) for e in (loss.value_error, loss.derivative_error, loss.curvature_error)]
    assert all(array.dtype == dtype for array in found)
    with mpmath.workdps(75):
        for i in range(len(s)):
            point, target = mpmath.mpf(float(s[i])), mpmath.mpf(float(t[i]))
            value = exact(name, point, target)
            assert abs(mpmath.mpf(float(found[0][i])) - value) <= errors[0][i]
            assert errors[0][i] <= 80 * u * (abs(value) + abs(point * target) + 1e-30) or name in ("poisson", "huber")
            if has_kink_near(name, point, target, mpmath.mpf("1e-8")):
                continue
            h = mpmath.mpf("1e-16")  # a kink is farther away than ten of these
            below, above = exact(name, point - h, target), exact(name, point + h, target)
            slope, curvature = (above - below) / (2 * h), (above - 2 * value + below) / h**2
            room = mpmath.mpf("1e-28") * (1 + abs(slope) + abs(curvature))
            assert abs(mpmath.mpf(float(found[1][i])) - slope) <= errors[1][i] + room
            room = mpmath.mpf("1e-15") * (1 + abs(curvature))  # h² of the fourth derivative
            assert abs(mpmath.mpf(float(found[2][i])) - curvature) <= errors[2][i] + room
            if name != "huber":
                size = 1 + abs(point) + abs(target)  # of what s − t loses, where ℓ″ falls like its exponential
                assert errors[2][i] <= 60 * u * size * (abs(curvature) + room) + 1e-35


@pytest.mark.parametrize("name", LOSSES)
@given(seed=st.integers(0, 2**32 - 1))
def test_curvatures_on_an_interval(name, seed):
    loss, (s, t, rng) = as_loss(name, 2), drawn(name, seed, np.float64)
    width = 10.0 ** rng.uniform(-12, 1.5, s.size)
    low, high = s - width, s + width
    least, largest = loss.curvature_range(low, high, t)
    slope = loss.slope(low, high, t)
    assert (least >= 0).all() and (least <= largest).all() and (slope >= 0).all()
    points = [np.clip(low + share * (high - low), low, high) for share in (0, 0.2, 0.5, 0.9, 1.0)]
    curvatures = [loss.curvature(point, t) for point in points]
    for curvature in curvatures:
        assert (least * (1 - 1e-12) <= curvature + 1e-300).all() and (curvature <= largest * (1 + 1e-12)).all()
    for a, c in zip(points, curvatures, strict=True):
        for b, d in zip(points, curvatures, strict=True):
            with np.errstate(invalid="ignore"):
                moved = np.where(a == b, 0.0, slope * np.abs(a - b))
            assert (np.abs(c - d) <= moved * (1 + 1e-9) + 1e-13 * (1 + c)).all()
    whole = loss.curvature_range(np.full(s.size, -np.inf), np.full(s.size, np.inf), t)
    assert (whole[0] <= least).all() and (largest <= whole[1] * (1 + 1e-12)).all()
    everywhere = loss.slope(np.full(s.size, -np.inf), np.full(s.size, np.inf), t)
    assert np.isfinite(everywhere).all() or not loss.is_smooth


@pytest.mark.parametrize(
    ("name", "t"),
    [
        ("logistic", [1, 2]),
        ("squared_hinge", [-1, 1]),
        ("poisson", [-1.0, 2.0]),
        ("huber", [np.nan, 1.0]),
        ("squared", [1]),
    ],
)
def test_targets_that_a_loss_does_not_have_are_refused(name, t):
    with pytest.raises(ArgumentError) as caught:
        as_loss(name, 2).targets("t", t, 2)
    assert caught.value.argument == "t"


def test_a_loss_that_does_not_exist_is_refused():
    with pytest.raises(ArgumentError, match="'hinge'"):
        as_loss("hinge", 2)
    with pytest.raises(ArgumentError, match="ScalarLoss"):
        as_loss(3, 2)
    with pytest.raises(ArgumentError, match="delta"):
        Huber(0.0)
