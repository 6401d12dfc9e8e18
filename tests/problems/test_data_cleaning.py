"""Hyper-data cleaning: derivatives, proven constants, extreme parameters, both types."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref import ArgumentError, Proven, hypergradient, lower_solution, problems


def make(seed=0, n=7, m=5, p=3, classes=4, dtype=np.float64, scale=1.0, regularization=0.05):
    rng = np.random.default_rng(seed)
    X, V = (scale * rng.standard_normal((k, p)) for k in (n, m))
    labels = rng.integers(0, classes, n), rng.integers(0, classes, m)
    problem = problems.data_cleaning(
        X.astype(dtype), labels[0], V.astype(dtype), labels[1], regularization=regularization, n_classes=classes
    )
    return problem, rng.standard_normal(n).astype(dtype), rng.standard_normal(problem.n_y).astype(dtype), rng


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(5))
def test_every_derivative_agrees_with_finite_differences(dtype, seed):
    problem, x, y, rng = make(seed, dtype=dtype)
    report = problem.check(x, y, rng)
    assert report, str(report)
    assert {row.verdict for row in report} == {"ok"}


def test_values_agree_with_the_definition_in_fifty_digits():
    problem, x, y, _ = make(1)
    mpmath.mp.dps = 50

    def losses(data):
        Y, X = y.reshape(4, 4), data.design.X
        for row, label in zip(X, data.labels, strict=True):
            s = [mpmath.fdot(map(float, Y[c]), map(float, row)) for c in range(4)]
            yield mpmath.log(mpmath.fsum(map(mpmath.exp, s))) - s[label]

    f = mpmath.fsum(losses(problem.validation)) / 5
    weights = [1 / (1 + mpmath.exp(-mpmath.mpf(float(t)))) for t in x]
    g = mpmath.fdot(weights, losses(problem.train)) / 7 + mpmath.mpf(0.05) * mpmath.fdot(map(float, y), map(float, y))
    assert problem.value(x, y) == pytest.approx(float(f), rel=1e-14)
    assert problem.lower_value(x, y) == pytest.approx(float(g), rel=1e-14)


def test_the_bias_is_the_last_column_and_is_penalized():
    problem, _, _, _ = make()
    X = problem.train.design.X
    assert (X[:, -1] == 1).all()
    y = np.zeros((4, 4))
    y[2, -1] = 3.0
    assert problem.accuracy(y.ravel(), X[:, :-1], np.full(7, 2)) == 1.0
    assert problem.accuracy(y.ravel(), X[:, :-1], np.full(7, 1)) == 0.0
    confident = problem.lower_value(np.full(7, -800.0), y.ravel())  # all weights are 0: the penalty is left
    assert confident == pytest.approx(0.05 * 9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_parameters_overflow_nowhere(dtype):
    problem, x, y, _ = make(2, dtype=dtype)
    big = y * dtype(1e20)
    point = problem.linearize(x * dtype(1e4), big)
    for array in (point.b, point.grad_y, point.A.matvec(y), point.J.matvec(y)):
        assert np.isfinite(array).all()
    assert problem.value(x, big) > 1e15


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]), st.floats(-2, 2))
def test_constants_bound_what_they_say(seed, dtype, log_scale):
    problem, x, y, rng = make(seed, n=5, p=2, classes=3, dtype=dtype, scale=10**log_scale)
    other = y + (10 ** rng.uniform(-3, 1) * rng.standard_normal(y.size)).astype(dtype)
    lower, constants = problem.lower, problem.lipschitz
    assert all(
        isinstance(bound, Proven)
        for bound in (lower.mu, lower.smoothness(x, y), lower.cross_norm(x, y), constants.gxy, constants.gyy)
    )
    slack = 1 + 100 * float(np.finfo(dtype).eps)
    distance = float(np.linalg.norm((other - y).astype(float)))
    here, there = (
        dict(
            A=problem.hessian(x, z).inner.toarray().astype(float),
            J=problem.cross(x, z).inner.toarray().astype(float),
            b=problem.upper_grad_y(x, z).astype(float),
        )
        for z in (y, other)
    )
    norm = {name: float(np.linalg.norm(np.atleast_2d(here[name]), 2)) for name in here}
    change = {name: float(np.linalg.norm(np.atleast_2d(here[name] - there[name]), 2)) for name in here}
    noise = {name: 1e3 * float(np.finfo(dtype).eps) * (norm[name] + 10**log_scale) for name in here}
    assert norm["A"] <= lower.smoothness(x, y) * slack
    assert norm["J"] <= lower.cross_norm(x, y) * slack
    assert change["b"] <= constants.fy * distance + noise["b"]
    assert change["J"] <= constants.gxy * distance + noise["J"]
    assert change["A"] <= constants.gyy * distance + noise["A"] * 10**log_scale


def test_the_constants_are_sharp_enough_to_be_of_use():
    """The extreme cases: two classes at even odds, one sample far out, the move along it."""
    X = np.array([[100.0]])
    problem = problems.data_cleaning(X, [0], X, [0], regularization=1e-9, n_classes=2)
    x, y = np.zeros(1), np.zeros(4)
    assert problem.lower.smoothness(x, y) <= 1.001 * np.linalg.norm(problem.hessian(x, y).inner.toarray(), 2)
    step = 1e-6 * np.array([1.0, 0, -1.0, 0]) / np.sqrt(2)
    J = [problem.cross(x, z).inner.toarray() for z in (y, y + step)]
    assert 0.999 * problem.lipschitz.gxy <= np.linalg.norm(J[1] - J[0]) / 1e-6 <= problem.lipschitz.gxy
    b = [problem.upper_grad_y(x, z) for z in (y, y + step)]
    assert 0.999 * problem.lipschitz.fy <= np.linalg.norm(b[1] - b[0]) / 1e-6 <= problem.lipschitz.fy
    # gyy: the third cumulant of two classes is largest, 1/(6√3), at odds of 2 + √3, the bound is 2.6 times that
    y = np.log(2 + np.sqrt(3)) / 200 * np.array([1.0, 0, -1.0, 0])
    A = [problem.hessian(x, z).inner.toarray() for z in (y, y + step)]
    change = np.linalg.norm(A[1] - A[0], 2) / 1e-6 * 2  # σ(0) = ½, the bound is for σ ≤ 1
    assert 0.38 * problem.lipschitz.gyy <= change <= problem.lipschitz.gyy


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_modulus_is_the_ridge_in_hand(dtype):
    problem, x, y, _ = make(dtype=dtype, regularization=0.01)
    assert float(problem.lower.mu) == float(problem.hessian(x, y).inner.ridge) == float(dtype(0.02))


def test_linearize_shares_work_and_changes_nothing():
    problem, x, y, rng = make(3)
    shared, separate = problem.linearize(x, y), super(type(problem), problem).linearize(x, y)
    v = rng.standard_normal(y.size)
    for name in ("A", "J"):
        np.testing.assert_array_equal(getattr(shared, name).matvec(v), getattr(separate, name).matvec(v))
    for name in ("b", "c", "grad_y"):
        np.testing.assert_array_equal(getattr(shared, name), getattr(separate, name))
    assert (shared.mu, shared.lipschitz, shared.norms) == (separate.mu, separate.lipschitz, separate.norms)
    assert shared.smoothness == pytest.approx(separate.smoothness)
    assert shared.cross_norm == pytest.approx(separate.cross_norm)


def test_the_hypergradient_is_certified_and_agrees_with_differences_of_the_reduced_function():
    problem, x, _, rng = make(4)
    y = lower_solution(problem, x, tol=1e-12).y
    found = hypergradient(problem, x, y)
    assert str(found.certificate.error) == "certified"
    assert found.lower_level_bound < 1e-8
    direction = rng.standard_normal(x.size)

    def phi(t):
        return problem.value(x, lower_solution(problem, x + t * direction, y, tol=1e-13).y)

    difference = (phi(1e-4) - phi(-1e-4)) / 2e-4
    assert found.value @ direction == pytest.approx(difference, rel=1e-5, abs=1e-9)


def test_initial_point_is_the_papers():
    problem, _, _, _ = make(p=500, classes=10)
    x, y, v = problem.initial_point(0)
    assert not x.any()
    assert y.var() == pytest.approx(0.2, rel=0.1)
    assert v.min() >= 0
    assert v.max() <= 1
    assert v.mean() == pytest.approx(0.5, abs=0.05)
    for a, b in zip(problem.initial_point(0), (x, y, v), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        (dict(X_train=np.ones(3)), "X_train"),
        (dict(X_train=np.full((3, 2), np.nan)), "X_train"),
        (dict(X_train=np.full((3, 2), "a")), "X_train"),
        (dict(X_val=np.ones((3, 1))), "X_val"),
        (dict(labels_train=[0, 1]), "labels_train"),
        (dict(labels_train=[0.0, 1.5, 2.0]), "labels_train"),
        (dict(labels_train=[0, 1, 3]), "labels_train"),
        (dict(labels_val=[0, -1, 2]), "labels_val"),
        (dict(regularization=0.0), "regularization"),
        (dict(regularization=np.inf), "regularization"),
        (dict(n_classes=1), "n_classes"),
        (dict(n_classes=2.5), "n_classes"),
    ],
)
def test_what_cannot_be_used_is_refused(change, argument):
    good = dict(
        X_train=np.ones((3, 2)), labels_train=[0, 1, 2], X_val=np.ones((3, 2)), labels_val=[0, 1, 2], n_classes=3
    )
    problems.data_cleaning(**good)
    with pytest.raises(ArgumentError) as caught:
        problems.data_cleaning(**(good | change))
    assert caught.value.argument == argument
