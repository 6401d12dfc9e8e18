"""LancBiO's own rules: restarts, the column identity, degenerate steps, what is refused."""

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    LancBiO,
    LowerLevel,
    StepStatus,
    SubBiO,
    SubspaceSchedule,
    UpperLevel,
    methods,
    minimize,
    problems,
)


def constant_problem(A, J, b, c):
    """A problem whose linearization is the same everywhere (g quadratic in y, f linear)."""
    A, J, b, c = (np.asarray(t, dtype=float) for t in (A, J, b, c))
    return BilevelProblem(
        UpperLevel(lambda x, y: float(c @ x + b @ y), lambda x, y: c, lambda x, y: b),
        LowerLevel(lambda x, y: A @ y, lambda x, y: A, lambda x, y: J),
    )


def spd(n, seed=0):
    rng = np.random.default_rng(seed)
    B = rng.standard_normal((n, n))
    return B @ B.T + np.eye(n)


def test_fixed_operator_full_subspace_is_the_exact_solve():
    A, b = spd(6), np.arange(1.0, 7)
    problem = constant_problem(A, np.ones((2, 6)), b, np.zeros(2))
    result = minimize(problem, np.zeros(2), np.zeros(6), maxiter=6, step_x=0.1, step_y=0.01, subspace=6)
    np.testing.assert_allclose(A @ result.v, b, rtol=1e-10)


def test_column_identity_holds_while_the_operator_moves():
    problem = problems.synthetic(30, 50.0, rng=0)
    x0, y0, v0 = problem.initial_point(1)
    method = LancBiO(0.1, 0.01, inner_steps=2, subspace=8)
    state = method.init(problem, x0, y0, v0, np.random.default_rng(0))
    columns = []
    for _ in range(8):
        state = method.step(problem, state)
        columns.append(problem.hessian(state.x, state.y).matvec(state.Q[:, -1]))
    R = np.stack(columns, axis=1) - state.Q @ state.T
    R[:, -1] -= state.process.beta[-1] * state.process.q_next
    assert np.abs(R).max() <= 1e-12 * np.abs(state.T).max()
    assert np.linalg.norm(state.T - state.Q.T @ np.stack(columns, axis=1)) > 1e-9  # T is not QᵀAQ: A moved


def test_every_quantity_of_the_state_fits_the_formulas():
    problem = problems.synthetic(20, 10.0, rng=2)
    x0, y0, v0 = problem.initial_point(3)
    method = LancBiO(0.1, 0.05, subspace=5)
    state = method.init(problem, x0, y0, v0, np.random.default_rng(0))
    for _ in range(13):
        previous_v = state.v
        state = method.step(problem, state)
        point = problem.linearize(state.x, state.y)
        if state.restarted:
            np.testing.assert_array_equal(state.v_bar, previous_v)
            np.testing.assert_array_equal(state.w, point.A.matvec(previous_v))
        np.testing.assert_array_equal(state.r, state.b - state.w)
        np.testing.assert_allclose(state.projected, state.Q.T @ state.r, atol=1e-13)
        np.testing.assert_allclose(state.T @ state.coefficients, state.projected, atol=1e-11)
        np.testing.assert_allclose(state.v, state.v_bar + state.dv, atol=1e-13)
        np.testing.assert_allclose(state.h, state.c - point.J.matvec(state.v), atol=1e-13)
        np.testing.assert_allclose(state.x_next, state.x - 0.1 * state.h, atol=1e-14)
        before = state.beta[-2] * state.Q[:, -2] if state.beta.size > 1 else 0.0
        np.testing.assert_allclose(state.u, point.A.matvec(state.q) - before, atol=1e-13)
        np.testing.assert_allclose(state.omega, state.u - state.alpha[-1] * state.q, atol=1e-13)
        np.testing.assert_allclose(state.q_next, state.omega / np.linalg.norm(state.omega), atol=1e-13)
        np.testing.assert_array_equal(np.diag(state.T), state.alpha)


def test_b_equal_to_w_keeps_v_and_restarts():
    A, b = np.diag([2.0, 4.0]), np.array([2.0, 4.0])
    problem = constant_problem(A, np.eye(2), b, np.zeros(2))
    result = minimize(
        problem, np.zeros(2), np.zeros(2), v0=[1.0, 1.0], maxiter=3, step_x=0.1, step_y=0.1, trace=("v", "restarted")
    )
    np.testing.assert_array_equal(result.trace["v"], np.ones((3, 2)))
    assert list(result.trace["status"]) == [StepStatus.EXACT] * 3 and result.trace["restarted"].all()
    assert result.n_hvp == 3  # only A v̄ each time


def test_b_reaching_w_in_the_middle_returns_to_v_bar():
    """v̄ = (1, 1, 1); b_1 is arbitrary, b_2 = w = A v̄: then Δv = 0 and v_2 = v̄, not v_1."""
    A, rights = np.diag([2.0, 4.0, 8.0]), [np.array([1.0, -1, 5]), np.array([2.0, 4, 8])]
    problem = BilevelProblem(
        UpperLevel(lambda x, y: 0.0, lambda x, y: 0 * x, lambda x, y: rights.pop(0) if rights else np.ones(3)),
        LowerLevel(lambda x, y: 0 * y, lambda x, y: A, lambda x, y: np.eye(3)),
    )
    result = minimize(
        problem,
        np.zeros(3),
        np.zeros(3),
        v0=np.ones(3),
        maxiter=3,
        step_x=0.1,
        step_y=0.1,
        subspace=8,
        trace=("v", "restarted"),
    )
    assert list(result.trace["status"][:2]) == [StepStatus.RESTARTED, StepStatus.EXACT]
    assert np.abs(result.trace["v"][0] - 1).max() > 0.1
    np.testing.assert_array_equal(result.trace["v"][1], np.ones(3))
    assert list(result.trace["restarted"]) == [True, False, True]


def test_breakdown_keeps_the_solution_and_restarts():
    A, b = np.eye(3) * 2, np.array([2.0, 0, 0])
    problem = constant_problem(A, np.eye(3), b, np.zeros(3))
    result = minimize(problem, np.zeros(3), np.zeros(3), maxiter=2, step_x=0.1, step_y=0.1, subspace=3, trace=("v",))
    assert list(result.trace["status"]) == [StepStatus.BREAKDOWN, StepStatus.EXACT]
    np.testing.assert_array_equal(result.trace["v"][1], [1, 0, 0])


class Moving:
    """A Hessian that is A_1 at its first call and A_2 after: the indefinite T of a moving operator."""

    def __init__(self, *matrices):
        self.matrices, self.calls = matrices, 0

    def __call__(self, x, y):
        self.calls += 1
        return np.array(self.matrices[min(self.calls, len(self.matrices)) - 1], dtype=float)


def moving_problem(*matrices):
    return BilevelProblem(
        UpperLevel(lambda x, y: 0.0, lambda x, y: 0 * x, lambda x, y: np.eye(y.size)[0]),
        LowerLevel(lambda x, y: 0 * y, Moving(*matrices), lambda x, y: np.eye(y.size)),
    )


def test_indefinite_T_is_an_entry_of_the_trace_not_a_failure():
    problem = moving_problem([[2, 1.9], [1.9, 2]], [[2, 0.05], [0.05, 0.1]])
    result = minimize(problem, np.zeros(2), np.zeros(2), maxiter=2, step_x=0.1, step_y=0.1, subspace=3)
    assert list(result.trace["status"]) == [StepStatus.RESTARTED, StepStatus.INDEFINITE] and result.success
    T = np.array([[2, 1.9], [1.9, 0.1]])
    np.testing.assert_allclose(result.v, np.linalg.solve(T, [1, 0]), rtol=1e-12)


def test_singular_T_keeps_v_and_restarts():
    first, second = np.diag([2.0, 4, 3]), np.diag([9.0, 2, 3])  # from e_1: T = [[2, 2], [2, 2]]
    first[0, 1] = first[1, 0] = 2
    second[0, 1] = second[1, 0] = 9
    problem = moving_problem(first, second)
    result = minimize(
        problem, np.zeros(3), np.zeros(3), maxiter=3, step_x=0.1, step_y=0.1, subspace=4, trace=("v", "restarted")
    )
    assert list(result.trace["status"][:2]) == [StepStatus.RESTARTED, StepStatus.SINGULAR]
    np.testing.assert_array_equal(result.trace["v"][1], result.trace["v"][0])
    assert result.trace["restarted"][2]


def test_schedule_grows_and_does_not_restart_by_itself():
    schedule = SubspaceSchedule(1, 1.1, 20, 80)
    m, seen = 1, []
    for k in range(1, 101):
        m = schedule.dimension(k, m)
        seen.append(m)
    assert seen[17] == 1 and seen[18] == 2 and seen[38] == 3 and seen[-1] == 6
    assert not schedule.restarts(10, 8, 79) and schedule.restarts(10, 8, 80) and schedule.restarts(17, 8, 1)
    assert schedule.restarts(4, 1, 0)


def test_subspace_larger_than_the_space_restarts_when_it_is_full():
    """With m = 10 in R³ the fourth vector would be rounding noise, and the run would diverge."""
    problem = problems.quadratic(2, 3, rng=0)
    result = minimize(
        problem,
        np.zeros(2),
        np.zeros(3),
        maxiter=3000,
        tol=1e-9,
        step_x=1.0,
        step_y=0.1,
        subspace=10,
        trace=("restarted",),
    )
    assert result.success and not result.trace["restarted"][1:3].any() and result.trace["restarted"][3]


@pytest.mark.parametrize("mode", ["local", "full"])
def test_reorthogonalization_is_an_experiment_that_runs(mode):
    problem = problems.synthetic(30, 100.0, rng=0)
    x0, y0, v0 = problem.initial_point(1)
    options = dict(v0=v0, maxiter=20, step_x=0.1, step_y=0.01, subspace=10, trace=("v",))
    plain = minimize(problem, x0, y0, **options)
    other = minimize(problem, x0, y0, reorthogonalization=mode, **options)
    assert other.success and other.n_hvp == plain.n_hvp
    if mode == "full":
        assert np.linalg.norm(other.trace["v"] - plain.trace["v"]) > 1e-8  # it changes the iterates


@pytest.mark.parametrize("mode", ["selective", "partial"])
def test_semiorthogonal_modes_are_refused_with_the_reason(mode):
    with pytest.raises(ArgumentError, match="presuppose one fixed operator"):
        LancBiO(0.1, 0.1, reorthogonalization=mode)


def test_subbio_with_dependent_directions():
    A, b = np.diag([2.0, 2.0]), np.array([1.0, 0.0])
    problem = constant_problem(A, np.eye(2), b, np.zeros(2))
    for v0 in ([0.0, 0.0], [3.0, 0.0]):  # (I − ηA)v0 is zero, or parallel to b
        result = minimize(problem, np.zeros(2), np.zeros(2), v0=v0, method=SubBiO(0.1, 0.1, 0.1), maxiter=1)
        np.testing.assert_allclose(result.v, [0.5, 0.0])
        assert result.n_hvp == 2
    zero = constant_problem(A, np.eye(2), np.zeros(2), np.zeros(2))
    assert not minimize(zero, np.zeros(2), np.zeros(2), method=SubBiO(0.1, 0.1, 0.1), maxiter=1).v.any()


def test_methods_converge_to_the_stationary_point():
    problem = problems.quadratic(4, 6, rng=1)
    truth = problem.stationary_point()
    for name, extra in (("lancbio", {"subspace": 4}), ("subbio", {"step_v": 0.05})):
        result = minimize(
            problem,
            np.zeros(4),
            np.zeros(6),
            method=name,
            maxiter=20_000,
            tol=1e-10,
            step_x=0.1,
            step_y=0.1,
            inner_steps=5,
            **extra,
        )
        assert result.success, name
        np.testing.assert_allclose(result.x, truth, atol=1e-8)


def test_names():
    assert methods.names()[:2] == ("lancbio", "subbio")


def test_the_schedule_counts_iterations_as_published():
    """At each k with k mod f = f − 1, m ← min(⌈ρm⌉, m_max), before the restart test of that k."""
    problem = problems.synthetic(12, 5.0, rng=0)
    x0, y0, v0 = problem.initial_point(0)
    steps = dict(step_x=0.1, step_y=0.1, subspace=SubspaceSchedule(1, 1.3, 7, 10))
    result = minimize(problem, x0, y0, v0=v0, maxiter=40, trace=("m", "restarted"), **steps)
    m, dimensions, restarts = 1, [], []
    for k in range(1, 41):
        if k in (6, 13, 20, 27, 34):
            m = min(int(np.ceil(1.3 * m)), 10)
        dimensions.append(m)
        restarts.append(m == 1 or k % m == 1)
    assert result.trace["m"].tolist() == dimensions
    assert result.trace["restarted"].tolist() == restarts


def test_an_exact_step_leaves_nothing_of_the_step_before():
    A = np.diag([2.0, 3.0, 5.0])
    rights = iter([np.array([3.0, 1.0, 2.0]), A @ np.ones(3)])
    problem = BilevelProblem(
        UpperLevel(lambda x, y: 0.0, lambda x, y: np.zeros(2), lambda x, y: next(rights)),
        LowerLevel(lambda x, y: A @ y, lambda x, y: A, lambda x, y: np.ones((2, 3))),
    )
    method = LancBiO(0.1, 0.1, subspace=3)
    state = method.init(problem, np.zeros(2), np.zeros(3), np.ones(3), np.random.default_rng(0))
    state = method.step(problem, state)
    assert state.projected.any() and state.coefficients.any()
    state = method.step(problem, state)
    assert state.status == StepStatus.EXACT
    assert not (state.r.any() or state.projected.any() or state.coefficients.any() or state.dv.any())
