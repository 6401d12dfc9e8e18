"""Newton–Krylov for the lower level: tolerance, certificate, damping, floor, curvature."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    LowerLevel,
    RepresentationError,
    SolveStatus,
    UpperLevel,
    hypergradient,
    lower_solution,
    problems,
)
from lancbio_ref.krylov.equilibration import rounding_of, row_sizes, scaled_solve
from lancbio_ref.operators import CheckedOperator, DenseOperator
from validation.truths.exact import rational

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
    assert "raise maxiter or tol" in lower_solution(problem, [0.0], [20.0], tol=1e-10, maxiter=2).message


@pytest.mark.parametrize("low", [-12, -30])
@pytest.mark.parametrize("high", [0, 40])
def test_a_floor_is_a_floor_whatever_the_condition_number(low, high):
    """One weak direction and one stiff one; κu > 1, and ‖∇_y g‖ is at rounding all the same."""
    H = np.array([[2 * 10.0**high, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 10.0**low]])
    y = np.array([3.0 / 10.0**high, 1.0, 2.0])
    problem = BilevelProblem(
        UPPER, LowerLevel(lambda x, z: H @ (z - y), lambda x, z: H, lambda x, z: np.zeros((1, 3)), mu=10.0**low / 2)
    )
    found = lower_solution(problem, [0.0], np.zeros(3), tol=0.0)
    assert found.status.success and found.grad_norm <= 1e-14
    assert found.y == pytest.approx(y, rel=1e-3)


def test_a_floor_of_a_black_box():
    """Nothing is known of its rows, so it is not scaled: κ = 1e20, and ‖∇_y g‖ is at rounding all the same."""
    d, y = np.array([1.0, 3.0, 1e-20]), np.array([1.0, 0.7, 2.0])
    hessian = LinearOperator((3, 3), matvec=lambda v: d * v, dtype=float)
    problem = BilevelProblem(
        UPPER,
        LowerLevel(
            lambda x, z: d * z - d * y + 1e-17 * np.sin(1e9 * z), lambda x, z: hessian, lambda x, z: np.zeros((1, 3))
        ),
    )
    found = lower_solution(problem, [0.0], np.zeros(3), tol=0.0)
    assert found.status == SolveStatus.FLOOR and found.grad_norm <= 1e-15


def test_small_parts_of_y_in_large_rows_excuse_nothing():
    A = DenseOperator(np.diag([1e30, 1.0]))
    assert rounding_of(A, np.array([1e-30, 1.0]), 1e30, 1.0) < 1e-14


@given(seed=st.integers(0, 2**16), spread=st.floats(3, 100))
def test_scaled_solve_against_rationals(seed, spread):
    """Each component to 10 digits, though they differ by up to 100 decades; products counted."""
    rng = np.random.default_rng(seed)
    B = rng.standard_normal((8, 6))
    A = B.T @ B / 8 + np.eye(6) + np.diag(10.0 ** rng.uniform(-10, [spread] + 5 * [spread - 3]))
    A[0, 0] += 10.0**spread
    A, b = np.tril(A) + np.tril(A, -1).T, rng.standard_normal(6)
    exact = np.array([float(entry) for entry in rational(A).solve(rational(b)).entries()], dtype=float)
    checked = CheckedOperator(DenseOperator(A), "A")
    found = scaled_solve(checked, b, rng.standard_normal(6), tolerance=0.0, maxiter=60)
    assert found.status.success and found.n_products == checked.products
    assert np.linalg.norm((found.x - exact) * np.sqrt(np.diag(A))) <= 1e-10 * np.linalg.norm(
        exact * np.sqrt(np.diag(A))
    )
    assert np.array_equal(found.residual, b - checked.matvec(found.x))


def test_scaled_solve_proves_negative_curvature():
    A = np.diag([1e20, -1.0, 2.0])
    found = scaled_solve(CheckedOperator(DenseOperator(A), "A"), np.ones(3), tolerance=1e-10, maxiter=30)
    assert found.status == SolveStatus.INDEFINITE
    assert found.direction @ A @ found.direction == pytest.approx(found.curvature) and found.curvature < 0


@pytest.mark.parametrize("d", [[1.0, 2.0, 99.0], [0.0, 1.0, 1e9], [1e-310, 1.0, 1e9]])
def test_rows_that_are_left_alone(d):
    assert row_sizes(DenseOperator(np.diag(d))) is None


@pytest.mark.parametrize("solve", [lambda made, x: lower_solution(made, x, tol=0.0), hypergradient], ids=["lower", "h"])
def test_a_gradient_whose_norm_overflows_is_named(solve):
    """Its entries are finite: a hundred Newton steps went nowhere, and a tol that nobody gave was found to be inf."""
    made = problems.quadratic_from_arrays(np.eye(3), np.eye(3), [0.0, 0.0, 0.0], [0.0, 0.0, 0.0])
    with pytest.raises(RepresentationError, match=r"\|\|grad_y g\|\| at the start overflows"):
        solve(made, np.full(3, 1.7e308))
