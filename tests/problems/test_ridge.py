"""The ridge problem: closed forms against 60-digit arithmetic, derivatives, proven constants."""

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import ArgumentError, CertificateStatus, Proven, hypergradient, problems


@pytest.fixture
def digits():
    with mpmath.workdps(60):
        yield


def exact_forms(problem, x):
    """(y*(x), ∇φ(x), exp(x)) to 60 digits; 1/n is the rounded weight that the problem is defined by."""
    X, X_val = mpmath.matrix(problem.X_train.tolist()), mpmath.matrix(problem.X_val.tolist())
    t, t_val = mpmath.matrix(problem.t_train.tolist()), mpmath.matrix(problem.t_val.tolist())
    w, w_val = mpmath.mpf(1 / X.rows), mpmath.mpf(1 / X_val.rows)
    penalty = [mpmath.exp(mpmath.mpf(float(entry))) for entry in x]
    A = w * (X.T * X) + mpmath.diag(penalty)
    y = mpmath.lu_solve(A, w * (X.T * t))
    v = mpmath.lu_solve(A, w_val * (X_val.T * (X_val * y - t_val)))
    gradient = [-e * a * b for e, a, b in zip(penalty, y, v, strict=True)]
    return y, gradient, penalty, A


def as_floats(values):
    return np.array([float(value) for value in values])


@pytest.mark.parametrize("seed", range(4))
def test_closed_forms(digits, seed):
    problem = problems.random_ridge(12, 9, 5, rng=seed)
    x = np.random.default_rng(seed).uniform(-6, 3, 5)
    y, gradient, *_ = exact_forms(problem, x)
    np.testing.assert_allclose(problem.solution(x), as_floats(y), rtol=1e-11)
    np.testing.assert_allclose(problem.hypergradient(x), as_floats(gradient), rtol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_bounds_hold_for_the_exact_second_derivatives(digits, seed):
    problem = problems.random_ridge(4, 9, 6, rng=seed)  # fewer observations than features: μ is attained
    x, y = np.random.default_rng(seed).uniform(-9, 2, (2, 6))
    *_, penalty, A = exact_forms(problem, x)
    eigenvalues = mpmath.eigsy(A, eigvals_only=True)
    mu, smoothness = problem.lower.mu(x, y), problem.lower.smoothness(x, y)
    cross_norm = problem.lower.cross_norm(x, y)
    assert all(isinstance(bound, Proven) for bound in (mu, smoothness, cross_norm))
    assert mu <= min(penalty) <= min(eigenvalues) and mu > float(min(penalty)) * (1 - 1e-14)
    assert mu <= problem.hessian(x, y).inner.ridge.min()  # and for the A in hand
    assert max(eigenvalues) <= smoothness < 10 * max(eigenvalues)
    exact_norm = max(abs(e * b) for e, b in zip(penalty, y, strict=True))
    assert exact_norm <= cross_norm < exact_norm * (1 + mpmath.mpf(10) ** -13)


@pytest.mark.parametrize("sparse", [False, True])
def test_all_derivatives(sparse):
    rng = np.random.default_rng(0)
    X, X_val = rng.standard_normal((15, 6)), rng.standard_normal((10, 6))
    convert = sp.csr_array if sparse else np.asarray
    problem = problems.ridge(convert(X), rng.standard_normal(15), convert(X_val), rng.standard_normal(10))
    report = problem.check(rng.standard_normal(6), rng.standard_normal(6), rng=1)
    assert report.ok, str(report)
    assert all(row.verdict == "ok" for row in report), str(report)
    x = rng.standard_normal(6)
    dense = problems.ridge(X, problem.t_train, X_val, problem.t_val)
    np.testing.assert_allclose(problem.hypergradient(x), dense.hypergradient(x), rtol=1e-12)


def test_hypergradient_is_the_derivative_of_the_reduced_objective():
    problem = problems.random_ridge(20, 20, 4, rng=1)
    x, h = np.array([-1.0, 0.5, -2.0, 0.0]), 1e-5

    def reduced(x):
        return problem.value(x, problem.solution(x))

    differences = [(reduced(x + h * e) - reduced(x - h * e)) / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(problem.hypergradient(x), differences, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("entry", [710.0, -710.0])
def test_an_exponential_that_is_no_normal_number_is_refused(entry):
    problem = problems.random_ridge(5, 5, 2, rng=0)
    with pytest.raises(ArgumentError, match="index 1"):
        problem.hypergradient([0.0, entry])


@pytest.mark.parametrize(
    ("position", "value", "name"),
    [
        (0, [[1.0, np.inf]], "X_train"),
        (0, [1.0, 2.0], "X_train"),
        (1, [1.0, 2.0], "t_train"),
        (2, [[1.0]], "X_val"),
        (2, [[1j, 1.0]], "X_val"),
        (3, [np.nan], "t_val"),
    ],
)
def test_bad_arguments_are_named(position, value, name):
    arguments = [[[1.0, 2.0]], [1.0], [[0.0, 1.0]], [2.0]]
    arguments[position] = value
    with pytest.raises(ArgumentError) as raised:
        problems.ridge(*arguments)
    assert raised.value.argument == name


def test_bad_sizes():
    with pytest.raises(ArgumentError, match="n_features"):
        problems.random_ridge(3, 3, 0)
    with pytest.raises(ArgumentError, match="noise"):
        problems.random_ridge(3, 3, 1, noise=-1.0)


def test_lower_level_bound_at_an_inexact_y():
    problem = problems.random_ridge(20, 15, 6, rng=1)
    rng = np.random.default_rng(2)
    for size in (1e-10, 1e-5, 1e-2):
        x = rng.standard_normal(6)
        y = problem.solution(x) + size * rng.standard_normal(6)
        found = hypergradient(problem, x, y, rtol=0)
        assert found.certificate.lower_level == CertificateStatus.CERTIFIED
        error = np.linalg.norm(found.value - problem.hypergradient(x))
        assert error <= found.error_bound + found.lower_level_bound <= 1e4 * size
