"""One hyper-gradient: closed forms, strategies, the lower level, statuses, products counted."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import (
    CallableError,
    HyperGradient,
    Linearization,
    SolveStatus,
    hypergradient,
    lower_solution,
    problems,
)

A = np.array([[4.0, 1, 0], [1, 3, 1], [0, 1, 2]])
J, B, C = np.array([[1.0, 2, 3], [0, 1, 0]]), np.array([1.0, 2, 3]), np.array([5.0, 6])


def counted(matrix, calls):
    def product(v):
        calls.append(1)
        return matrix @ v

    return LinearOperator(matrix.shape, matvec=product, dtype=float)


@pytest.mark.parametrize("inverse", ["lanczos", "exact", "cg", "neumann"])
@pytest.mark.parametrize("warm", [False, True])
def test_every_inverse_and_its_count_of_products(inverse, warm):
    calls = []
    point = Linearization(counted(A, calls), J, B, C, mu=1.0)
    v0 = np.array([0.1, 0.2, 0.3]) if warm else None
    found = point.hypergradient(inverse=inverse, v0=v0, rtol=1e-10, maxiter=500)
    np.testing.assert_allclose(found.value, C - J @ np.linalg.solve(A, B), rtol=1e-8)
    assert found.status == SolveStatus.CONVERGED and found.residual_norm <= 1e-10 * np.linalg.norm(B)
    assert found.n_hvp == len(calls)


def test_own_strategy_sees_the_linearization_only():
    seen = {}

    def jacobi(linearization, v0, *, rtol, maxiter):
        seen.update(v0=v0, rtol=rtol, maxiter=maxiter)
        v = np.zeros(3) if v0 is None else v0
        for _ in range(maxiter):
            v = v + (linearization.b - linearization.A.matvec(v)) / np.diag(A)
        return v, SolveStatus.CONVERGED

    found = Linearization(A, J, B, C).hypergradient(inverse=jacobi, rtol=1e-3, maxiter=80, mu="certify")
    assert seen == {"v0": None, "rtol": 1e-3, "maxiter": 80}
    assert np.linalg.norm(found.value - (C - J @ np.linalg.solve(A, B))) <= found.error_bound


@pytest.mark.parametrize("answer", [np.zeros(3), (np.zeros(2), 0), (np.full(3, np.nan), 0), (np.zeros(3), 99), None])
def test_a_strategy_that_returns_something_else_is_named(answer):
    with pytest.raises(CallableError, match="inverse, call 1"):
        Linearization(A, J, B, C).hypergradient(inverse=lambda linearization, v0, *, rtol, maxiter: answer)


def test_maxiter_is_reported_with_a_remedy():
    found = Linearization(np.diag(np.logspace(0, 6, 50)), np.eye(50), np.ones(50), np.zeros(50)).hypergradient(
        maxiter=5
    )
    assert found.status == SolveStatus.NOT_CONVERGED and not found.success
    assert "raise maxiter" in str(found) and found.residual_norm > 0


def test_preconditioner_changes_the_path_not_the_answer():
    diagonal = np.logspace(0, 8, 60)
    plain = Linearization(np.diag(diagonal), np.eye(60), np.ones(60), np.zeros(60), mu=1.0)
    helped = Linearization(np.diag(diagonal), np.eye(60), np.ones(60), np.zeros(60), mu=1.0, M=np.diag(1 / diagonal))
    a, b = plain.hypergradient(), helped.hypergradient()
    assert b.n_hvp <= 3 < a.n_hvp
    assert np.linalg.norm(a.value - b.value) <= a.error_bound + b.error_bound


def test_float32_works_and_its_bound_holds():
    single = [t.astype(np.float32) for t in (A, J, B, C)]
    found = Linearization(*single, mu=1.0).hypergradient(rtol=0)
    assert found.value.dtype == found.v.dtype == np.float32 and found.status.success
    assert np.linalg.norm(found.value - (C - J @ np.linalg.solve(A, B))) <= found.error_bound <= 1e-3


def test_rtol_0_says_floor_and_negative_curvature_is_shown():
    big = Linearization(np.diag(np.linspace(1, 9, 40)), np.eye(40), np.ones(40) / 3, np.zeros(40))
    assert big.hypergradient(rtol=0).status == SolveStatus.FLOOR
    H = np.diag([3.0, 2, -1])
    for inverse in ("lanczos", "exact"):
        found = Linearization(H, J, B, C, mu=1.0).hypergradient(inverse=inverse)
        assert found.status == SolveStatus.INDEFINITE and found.error_bound == np.inf
        assert found.direction @ H @ found.direction < 0 and "negative curvature" in found.status.remedy


def test_lower_level_is_solved_where_y_is_missing():
    problem = problems.quadratic(3, 7, condition=50.0, rng=0)
    x = np.array([1.0, -2.0, 0.5])
    found = hypergradient(problem, x)
    assert isinstance(found, HyperGradient) and found.lower.status.success
    assert np.linalg.norm(found.value - problem.hypergradient(x)) <= found.error_bound + found.lower_level_bound
    assert found.lower_level_bound < 1e-6 and found.n_hvp > found.lower.n_hvp > 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: (problems.quadratic(3, 7, rng=1), np.ones(3)),
        lambda: (problems.ridge(*ridge_data()), np.linspace(-1, 1, 6)),
    ],
)
def test_closed_forms(make):
    problem, x = make()
    y = problem.solution(x)
    found = hypergradient(problem, x, y, rtol=0)
    np.testing.assert_allclose(found.value, problem.hypergradient(x), rtol=1e-9, atol=1e-12)


def ridge_data():
    rng = np.random.default_rng(0)
    X, X_val = rng.standard_normal((20, 6)), rng.standard_normal((15, 6))
    w = rng.standard_normal(6)
    return X, X @ w + 0.1 * rng.standard_normal(20), X_val, X_val @ w


def test_hypergradient_is_the_derivative_of_phi():
    """Central differences of φ(x) = f(x, y*(x)) on the synthetic problem, y* to the floor."""
    problem = problems.synthetic(8, 10.0, rng=0)
    x, y0, _ = problem.initial_point(1)
    found = hypergradient(problem, x, lower_solution(problem, x, y0, tol=0.0).y, rtol=0)

    def phi(x):
        return problem.value(x, lower_solution(problem, x, y0, tol=0.0).y)

    step = 1e-5
    differences = [(phi(x + step * e) - phi(x - step * e)) / (2 * step) for e in np.eye(8)]
    np.testing.assert_allclose(found.value, differences, rtol=1e-6, atol=1e-7)


def test_linearization_may_be_overridden_to_share_work():
    problem = problems.quadratic(2, 4, rng=3)
    calls = []

    class Shared(type(problem)):
        def linearize(self, x, y):
            calls.append(1)
            return super().linearize(x, y)

    problem.__class__ = Shared
    hypergradient(problem, np.ones(2), np.ones(4))
    assert calls == [1]


def test_linearize_evaluates_the_lower_gradient_only_when_asked():
    problem = problems.quadratic(2, 4, rng=3)
    point = problem.linearize(np.ones(2), np.ones(4))
    assert "lower.grad_y" not in problem.calls
    np.testing.assert_array_equal(point.grad_y, problem.lower_grad_y(np.ones(2), np.ones(4)))
    _ = point.grad_y
    assert problem.calls["lower.grad_y"] == 2
