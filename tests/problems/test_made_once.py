"""What a ready problem has made is looked at once: NaN is still named, shapes are compared, and bounds stay above."""

import numpy as np
import pytest

from lancbio_ref import problems
from lancbio_ref.errors import LancbioError
from lancbio_ref.linearization import Linearization
from lancbio_ref.operators.norms import weighted_gram_bound
from lancbio_ref.problems.rounding import loops


def ready():
    rng = np.random.default_rng(0)
    X, Xv, labels, t = rng.standard_normal((30, 4)), rng.standard_normal((12, 4)), np.arange(30) % 3, np.arange(30.0)
    return {
        "logistic": problems.logistic(X, labels > 0, Xv, labels[:12] > 0),
        "logistic, classes": problems.logistic(X, labels, Xv, labels[:12]),
        "data cleaning": problems.data_cleaning(X, labels, Xv, labels[:12]),
        "ridge": problems.ridge(X, t, Xv, t[:12]),
        "family": problems.generalized_linear(X, t, loss="huber", validation=(Xv, t[:12])),
    }


PROBLEMS = ready()


def vectors_at(problem, y):
    """b, ∇_y g and a product with A."""
    point = problem.linearize(np.zeros(problem.n_x), y)
    return point.b, point.grad_y, point.A.matvec(np.ones(problem.n_y))


@pytest.mark.parametrize("name", PROBLEMS)
def test_nan_is_named_and_never_travels(name):
    problem = PROBLEMS[name]
    for bad in (np.nan, np.inf):
        for where in (0, problem.n_y - 1):
            y = np.zeros(problem.n_y)
            y[where] = bad
            with pytest.raises(LancbioError), np.errstate(invalid="ignore", over="ignore"):
                vectors_at(problem, y)


@pytest.mark.parametrize("name", PROBLEMS)
def test_points_of_other_lengths_are_refused(name):
    problem = PROBLEMS[name]
    for n_x, n_y in ((problem.n_x + 1, problem.n_y), (problem.n_x, problem.n_y + 1)):
        with pytest.raises((LancbioError, ValueError)):
            problem.linearize(np.zeros(n_x), np.zeros(n_y))


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_stranger_would_have_made_the_same(name):
    """The same numbers as when every part is looked at."""
    problem, rng = PROBLEMS[name], np.random.default_rng(1)
    x, y = rng.standard_normal(problem.n_x), rng.standard_normal(problem.n_y)
    made = problem.linearize(x, y)
    lazy = {part: getattr(made, part) for part in ("grad_y", "mu", "smoothness", "cross_norm")}
    seen = Linearization(
        made.A, made.J, made.b, made.c, lipschitz=made.lipschitz, at=made.at, formation=made.formation, **lazy
    )
    one, other = made.hypergradient(), seen.hypergradient()
    np.testing.assert_array_equal(one.value, other.value)
    assert (one.error_bound, one.lower_level_bound) == (other.error_bound, other.lower_level_bound)
    assert made.coarsest == seen.coarsest and made.dtype == seen.dtype and one.certificate == other.certificate


def test_errors_of_exponentials_stay_above():
    """e^σ − 1 ≤ σ + σ²; what cannot be bounded is as large as it can be."""
    rows = np.array([0.0, 1e-9, 1e-3, 0.3, 0.9, 1.1, np.inf, np.nan])
    out = np.empty(rows.size)
    loops.relative_errors(1.0, 1e-300, rows, np.full(rows.size, 0.2), 1e-16, 1e-307, 0.25, out)
    for sigma, found in zip(rows, out, strict=True):
        error = np.expm1(sigma) + np.exp(sigma) * 1e-16 if sigma < 1 else np.inf
        assert found >= min(error / (1 - error) * 0.2 if error < 0.5 else 0.25, 0.25)
    assert (out[4:] == 0.25).all() and out[2] < 0.00021


@pytest.mark.parametrize("size", [1.0, 1e-160, 1e160])
def test_a_gram_bound_of_any_size(size):
    """Near the ends of the range, where squares leave it, as in the middle: powers of ten apart, to rounding."""
    rng = np.random.default_rng(2)
    rows, w = rng.random(9) * size, rng.random(9) / size
    found, plain = weighted_gram_bound(rows, 4.0 * size, w), weighted_gram_bound(rows / size, 4.0, w * size)
    assert found == pytest.approx(plain * size, rel=1e-9)
    assert weighted_gram_bound(rows, 4.0 * size, np.where(w > 0, np.nan, w)) == np.inf
