"""The quadratic problem: closed forms against exact rationals, derivatives, proven constants."""

import numpy as np
import pytest
from flint import fmpq

from lancbio_ref import ArgumentError, Proven, hypergradient, problems
from validation.truths.exact import nearest, rational, smallest_eigenvalue_exceeds

DYADIC = dict(A=[[2.0, 0.5, 0.0], [0.5, 1.0, 0.25], [0.0, 0.25, 4.0]], B=[[1.0, 0.0], [0.5, -1.0], [0.0, 2.0]])
DYADIC |= dict(d=[1.0, -0.5, 0.25], t=[0.5, 0.5, -2.0], rho=0.25)


def exact_forms(problem, x):
    """(y*(x), ∇φ(x)) as exact columns."""
    A, B, x = rational(problem.A), rational(problem.B), rational(x)
    y = A.solve(B * x + rational(problem.d))
    rho = fmpq(*problem.rho.as_integer_ratio())
    return y, rho * x + B.transpose() * A.solve(y - rational(problem.t))


def test_closed_forms_on_dyadic_data():
    problem = problems.quadratic_from_arrays(**DYADIC)
    x = np.array([0.75, -1.5])
    y, gradient = exact_forms(problem, x)
    np.testing.assert_allclose(problem.solution(x), nearest(y), rtol=1e-14)
    np.testing.assert_allclose(problem.hypergradient(x), nearest(gradient), rtol=1e-14)


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e8])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (6, 4)])
def test_closed_forms_on_random_data(condition, shape):
    problem = problems.quadratic(*shape, condition=condition, rng=1)
    x = np.random.default_rng(2).standard_normal(shape[0])
    y, gradient = map(nearest, exact_forms(problem, x))
    tolerance = 1e-14 * condition
    assert np.linalg.norm(problem.solution(x) - y) <= tolerance * np.linalg.norm(y)
    assert np.linalg.norm(problem.hypergradient(x) - gradient) <= tolerance * (np.linalg.norm(gradient) + 1)


def test_the_gradient_vanishes_at_the_exact_solution_and_the_stationary_point():
    problem = problems.quadratic(4, 6, condition=30.0, rng=3)
    x = problem.stationary_point()
    _, gradient = exact_forms(problem, x)
    assert np.abs(nearest(gradient)).max() < 1e-13
    assert np.abs(problem.lower_grad_y(x, problem.solution(x))).max() < 1e-13


@pytest.mark.parametrize("seed", range(5))
def test_constants_are_proven_and_sharp(seed):
    problem = problems.quadratic(3, 8, condition=1e4, rng=seed)
    mu, smoothness, cross_norm = problem.lower.mu, problem.lower.smoothness, problem.lower.cross_norm
    assert all(isinstance(bound, Proven) for bound in (mu, smoothness, cross_norm))
    assert smallest_eigenvalue_exceeds(problem.A, float(mu)) and mu > 1 - 1e-6
    assert smallest_eigenvalue_exceeds(-problem.A, -float(smoothness)) and smoothness < 1e4 * (1 + 1e-6)
    assert np.linalg.norm(problem.B, 2) <= cross_norm * (1 + 1e-14)


def test_lipschitz_constants_are_those_of_two_quadratics():
    lipschitz = problems.quadratic(2, 2, rng=0).lipschitz
    assert (lipschitz.fx, lipschitz.fy, lipschitz.gxy, lipschitz.gyy) == (0, 1, 0, 0)


def test_hypergradient_of_the_package_agrees_within_its_own_bound():
    problem = problems.quadratic(3, 7, condition=1e3, rng=5)
    x = np.ones(3)
    y = problem.solution(x)
    computed = hypergradient(problem, x, y, rtol=0)
    _, exact = exact_forms(problem, x)
    error = np.linalg.norm(computed.value - nearest(exact))
    assert error <= computed.error_bound + computed.lower_level_bound < 1e-6


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (dict(A=[[1.0, 2.0, 0], [2.1, 1.0, 0], [0, 0, 1.0]]), "A"),
        (dict(A=[[1.0, 2.0, 0], [2.0, 1.0, 0], [0, 0, 1.0]]), "A"),
        (dict(A=[[1.0, 0.0]]), "A"),
        (dict(B=[[1.0]]), "B"),
        (dict(B=[[1.0], [np.nan], [0.0]]), "B"),
        (dict(d=[1.0]), "d"),
        (dict(t=[1.0, np.inf, 0.0]), "t"),
        (dict(rho=-1.0), "rho"),
    ],
)
def test_bad_arguments_are_named(change, name):
    with pytest.raises(ArgumentError) as raised:
        problems.quadratic_from_arrays(**{**DYADIC, **change})
    assert raised.value.argument == name


def test_bad_sizes():
    for arguments, name in (((0, 1), "n_x"), ((1, 1.5), "n_y"), ((1, 1, 0.5), "condition")):
        with pytest.raises(ArgumentError) as raised:
            problems.quadratic(*arguments)
        assert raised.value.argument == name
    with pytest.raises(ArgumentError, match="shape"):
        problems.quadratic(2, 2, rng=0).solution(np.ones(3))


def test_an_undetermined_stationary_point_is_refused():
    with pytest.raises(ArgumentError, match="rho"):
        problems.quadratic_from_arrays([[1.0]], [[0.0, 0.0]], [1.0], [1.0], rho=0.0).stationary_point()


def test_what_was_proven_is_not_undone_by_changing_the_callers_arrays():
    A = np.eye(2)
    problem = problems.quadratic_from_arrays(A, np.eye(2), [0.0, 0.0], [-1.0, -1e-3])
    A[1, 1] = 1e-3
    assert problem.A[1, 1] == 1.0 and problem.hessian(np.ones(2), np.ones(2)).matvec(np.ones(2))[1] == 1.0
