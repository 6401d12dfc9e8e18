"""The prior on x: its formulas and rounding against exact rationals, and what a problem that gets it keeps."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref import ArgumentError, HyperObjective, hypergradient, minimize, problems
from lancbio_ref.problems import ExchangeablePrior, WithPrior
from tests.thorough import few

NUMBERS = st.floats(-600, 600, allow_subnormal=False)
WIDTHS = st.floats(1e-3, 1e3)


def exact(prior, x):
    """(r, ∇r) in rationals, by the inverse of s² I + τ² 1 1ᵀ (Sherman and Morrison) on x − c."""
    e = [Fraction(float(v)) - Fraction(prior.centre) for v in x[: prior.n]]
    s2, t2, N = Fraction(prior.spread) ** 2, Fraction(prior.level_spread) ** 2, Fraction(prior.count)
    shared = t2 * sum(e) / (s2 * (s2 + prior.n * t2))
    gradient = [(v / s2 - shared) / N for v in e]
    return sum(g * v for g, v in zip(gradient, e, strict=True)) / 2, gradient


@few(100)
@given(st.lists(NUMBERS, min_size=1, max_size=7), NUMBERS, WIDTHS, WIDTHS, WIDTHS, st.booleans())
def test_value_and_gradient_are_within_their_bounds_of_exact_rationals(x, centre, spread, level, count, single):
    x = np.array([*x, 5.0], np.float32 if single else np.float64)  # the last has no prior
    prior = ExchangeablePrior(x.size - 1, centre, spread, level, count)
    value, gradient = exact(prior, x)
    assert abs(Fraction(prior.value(x)) - value) <= Fraction(prior.value_error(x))
    found = prior.gradient(x)
    errors = [Fraction(float(g)) - h for g, h in zip(found, gradient, strict=False)]
    assert sum(e * e for e in errors) <= Fraction(prior.gradient_error(x)) ** 2 and found[-1] == 0
    assert prior.gradient_error(x) <= 1e-11 * (np.abs(x).max() + abs(centre)) * (1 / spread**2 + 1) / count + 1e-290


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_hypergradient_gets_the_gradient_of_the_prior_and_stays_certified(dtype):
    rng = np.random.default_rng(0)
    X, t = rng.standard_normal((30, 3)).astype(dtype), rng.standard_normal(30).astype(dtype)
    rows = np.arange(30)
    folds = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
    plain = problems.generalized_linear(X, t, folds=folds, penalty="feature")
    prior = ExchangeablePrior(3, -1.0, 0.5, 2.0, 30.0)
    shrunk, x = WithPrior(plain, prior), np.array([-2.0, 1.0, 0.3], dtype)
    y = HyperObjective(plain).evaluate(x).y if dtype == np.float64 else np.zeros(plain.n_y, dtype)
    before, after = (problem.linearize(x, y) for problem in (plain, shrunk))
    assert after.lipschitz == before.lipschitz and after.mu == before.mu and after.smoothness == before.smoothness
    exact_c = np.array([float(g) for g in exact(prior, x)[1]])
    error = np.linalg.norm(after.c.astype(np.float64) - before.c.astype(np.float64) - exact_c)
    assert error <= after.formation["c"] <= 1e-5 * np.linalg.norm(exact_c)
    f = Fraction(plain.value(x, y)) + exact(prior, x)[0]
    assert abs(Fraction(shrunk.value(x, y)) - f) <= Fraction(after.formation["value"])
    if dtype == np.float64:
        h = hypergradient(shrunk, x)
        assert str(h.certificate.error) == str(h.certificate.lower_level) == "certified" and h.error_bound < 1e-6
        F = HyperObjective(shrunk, accuracy=1e-9)
        step = 1e-5 * np.array([1.0, -2.0, 0.5])
        assert (F.value(x + step) - F.value(x - step)) / 2 == pytest.approx(h.value @ step, rel=1e-5)


def test_every_method_has_it_and_so_has_a_batch():
    rng = np.random.default_rng(1)
    X, t = rng.standard_normal((40, 3)), rng.standard_normal(40)
    plain = problems.generalized_linear(X[:20], t[:20], validation=(X[20:], t[20:]), penalty="feature")
    strong = WithPrior(plain, ExchangeablePrior(3, 0.5, 1e-3, 1e-3, 1.0))
    for method, options in (("recycled-newton", {}), ("soba", dict(step_x=3e-7, step_y=0.2, step_v=0.2))):
        found = minimize(strong, np.full(3, 0.4), method=method, tol=1e-3, maxiter=60, **options)
        assert np.abs(found.x - 0.5).max() < 0.05  # the prior's centre, which is 1000 spreads from where it began
    x, y = np.array([1.0, 0.0, -1.0]), rng.standard_normal(3)
    batch = strong.minibatch(upper=[1, 5], lower=[2, 3])
    np.testing.assert_allclose(batch.upper_grad_x(x, y), strong.prior.gradient(x))
    assert batch.value(x, y) == plain.minibatch(upper=[1, 5], lower=[2, 3]).value(x, y) + strong.prior.value(x)
    assert strong.n_samples == plain.n_samples and strong.check(x, y)


@pytest.mark.parametrize("wrong", [dict(n=0), dict(spread=0.0), dict(level_spread=-1.0), dict(count=np.inf)])
def test_a_prior_that_is_none_is_refused(wrong):
    given = dict(n=2, centre=0.0, spread=1.0, level_spread=2.0, count=9.0) | wrong
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        ExchangeablePrior(**given)


def test_a_prior_of_more_than_there_is_is_refused():
    problem, prior = problems.quadratic(2, 3, rng=0), ExchangeablePrior(3, 0.0, 1.0, 2.0, 9.0)
    for arguments, words in (((problem, prior), "3 parameters"), ((problem, 1.0), "prior"), ((None, prior), "problem")):
        with pytest.raises(ArgumentError, match=words):
            WithPrior(*arguments)


@pytest.mark.parametrize("n, extra", [(1, 0), (5, 0), (7, 3)])
def test_independent_numbers_coloured_have_the_covariance_of_the_prior(n, extra):
    prior = ExchangeablePrior(n, -2.0, 0.7, 1.9, 40.0)
    L = np.array([prior.coloured(e) for e in np.eye(n + extra)])
    np.testing.assert_allclose(
        L[:n, :n] @ L[:n, :n], 0.49 * np.eye(n) + 1.9**2 * np.ones((n, n)), rtol=1e-13, atol=1e-13
    )
    np.testing.assert_array_equal(L[n:], np.eye(n + extra)[n:])
    np.testing.assert_allclose(L, L.T, atol=1e-15)
    z = np.random.default_rng(0).standard_normal(n + extra)
    assert prior.value(-2.0 + prior.coloured(z)) == pytest.approx(z[:n] @ z[:n] / 80, rel=1e-12)
