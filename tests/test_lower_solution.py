"""Newton–Krylov for the lower level: tolerance, certificate, damping, floor, curvature."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref import ArgumentError, BilevelProblem, LowerLevel, SolveStatus, UpperLevel, lower_solution, problems

UPPER = UpperLevel(lambda x, y: 0.0, lambda x, y: 0 * x, lambda x, y: 0 * y)


def scalar(gradient, hessian, **options):
    return BilevelProblem(
        UPPER, LowerLevel(gradient, lambda x, y: [[float(hessian(y[0]))]], lambda x, y: [[0.0]], **options)
    )


@given(seed=st.integers(0, 2**16), log_tol=st.floats(-9, -1))
def test_certified_distance(seed, log_tol):
    problem = problems.quadratic(3, 6, condition=100.0, rng=seed)
    x = np.random.default_rng(seed).standard_normal(3)
    found = lower_solution(problem, x, tol=10**log_tol)
    assert found.status == SolveStatus.CONVERGED and found.grad_norm <= 10**log_tol
    assert np.linalg.norm(found.y - problem.solution(x)) <= found.error_bound + 1e-13


@pytest.mark.parametrize("start", [-30.0, 0.0, 25.0])
def test_damping_where_full_newton_steps_overshoot(start):
    """g = √(1 + y²) + 10⁻³y²/2: undamped Newton diverges from |y| > 1."""
    problem = scalar(lambda x, y: y / np.sqrt(1 + y * y) + 1e-3 * y, lambda y: (1 + y * y) ** -1.5 + 1e-3, mu=1e-3)
    found = lower_solution(problem, [0.0], [start], tol=1e-12)
    assert found.status == SolveStatus.CONVERGED and abs(found.y[0]) <= found.error_bound
    assert found.n_grad >= found.n_iter + 1


def test_tol_0_goes_to_the_floor():
    problem = problems.synthetic(20, 100.0, rng=0)
    x, y0, _ = problem.initial_point(1)
    found = lower_solution(problem, x, y0, tol=0.0)
    assert found.status == SolveStatus.FLOOR and found.grad_norm < 1e-11


def test_negative_curvature_is_reported():
    problem = scalar(lambda x, y: -y + 1, lambda y: -1.0)
    found = lower_solution(problem, [0.0], [0.5], tol=1e-8)
    assert found.status == SolveStatus.INDEFINITE and found.direction.shape == (1,)
    assert "negative curvature" in found.message


def test_maxiter_and_missing_start():
    problem = scalar(lambda x, y: np.sinh(y), np.cosh)
    assert lower_solution(problem, [0.0], [20.0], tol=1e-10, maxiter=2).status == SolveStatus.NOT_CONVERGED
    with pytest.raises(ArgumentError, match="y0: found None"):
        lower_solution(problem, [0.0], tol=1e-8)
    with pytest.raises(ArgumentError, match="tol: found -1"):
        lower_solution(problem, [0.0], [1.0], tol=-1)
