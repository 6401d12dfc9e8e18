"""The driver: stopping, trace, callbacks, diagnostics that change no bit, results that lose nothing."""

import numpy as np
import pytest

from lancbio_ref import ArgumentError, LancBiO, SolveStatus, minimize, problems

OPTIONS = dict(step_x=0.2, step_y=0.1, inner_steps=3)


@pytest.fixture
def problem():
    return problems.quadratic(3, 5, rng=0)


def start(problem):
    return np.zeros(3), np.zeros(5)


def test_trace_row_i_is_iteration_i_plus_1(problem):
    result = minimize(problem, *start(problem), maxiter=6, trace=("x", "y", "v", "h"), **OPTIONS)
    trace = result.trace
    np.testing.assert_array_equal(trace["k"], np.arange(1, 7))
    np.testing.assert_array_equal(trace["x"][0], np.zeros(3))  # x_1, before its update
    np.testing.assert_allclose(trace["x"][1:], trace["x"][:-1] - 0.2 * trace["h"][:-1], atol=1e-15)
    np.testing.assert_allclose(result.x, trace["x"][-1] - 0.2 * trace["h"][-1], atol=1e-15)
    np.testing.assert_array_equal(result.y, trace["y"][-1])
    np.testing.assert_array_equal(result.v, trace["v"][-1])
    np.testing.assert_array_equal(result.hypergradient, trace["h"][-1])
    np.testing.assert_allclose(np.linalg.norm(trace["h"], axis=1), trace["h_norm"], rtol=1e-14)
    assert set(trace.columns) == {
        "k",
        "h_norm",
        "n_hvp",
        "n_cross",
        "n_grad",
        "n_grad_upper",
        "seconds",
        "status",
        "x",
        "y",
        "v",
        "h",
    }
    assert result.fun == problem.value(result.x, result.y) and result.nit == 6
    assert (np.diff(trace["seconds"]) >= 0).all()


def test_counts_are_what_the_problem_saw(problem):
    problem.calls.clear()
    result = minimize(problem, *start(problem), maxiter=7, subspace=3, **OPTIONS)
    assert problem.calls["lower.hessian(x, y) @ v"] == result.n_hvp == 7 + 3
    assert problem.calls["lower.grad_y"] == result.n_grad == 21
    assert problem.calls["lower.cross(x, y) @ v"] == result.n_cross == 7
    assert problem.calls["upper.grad_y"] == problem.calls["upper.grad_x"] == result.n_grad_upper == 7


def test_stopping_and_what_counts_as_success(problem):
    done = minimize(problem, *start(problem), maxiter=5000, tol=1e-6, **OPTIONS)
    assert done.status == SolveStatus.CONVERGED and done.success and done.nit < 5000
    assert done.trace["h_norm"][-1] <= 1e-6 < done.trace["h_norm"][-2]
    short = minimize(problem, *start(problem), maxiter=3, tol=1e-6, **OPTIONS)
    assert short.status == SolveStatus.NOT_CONVERGED and not short.success and "raise maxiter" in short.message
    asked = minimize(problem, *start(problem), maxiter=3, **OPTIONS)
    assert asked.status == SolveStatus.COMPLETED and asked.success


def test_a_single_loop_is_not_converged_because_it_starts_at_v_0():
    """SOBA forms h_1 = c − J v_0; with v_0 = 0 and ∇_x f = 0 it is zero, and nothing has happened yet."""
    problem = problems.random_ridge(20, 15, 6, rng=0)
    result = minimize(
        problem, np.zeros(6), np.ones(6), method="soba", maxiter=5, tol=1e-8, step_x=0.1, step_y=0.1, step_v=0.1
    )
    assert result.trace["h_norm"][0] == 0 and result.nit == 5 and not result.success


@pytest.mark.parametrize("method, extra", [("lancbio", {}), ("subbio", {"step_v": 0.1})])
def test_diagnostics_leave_the_iterates_identical_to_the_bit(problem, method, extra):
    runs = [
        minimize(
            problem,
            *start(problem),
            method=method,
            maxiter=12,
            trace=("x", "v"),
            diagnostics_every=every,
            **OPTIONS,
            **extra,
        )
        for every in (0, 4)
    ]
    np.testing.assert_array_equal(runs[0].trace["x"], runs[1].trace["x"])
    np.testing.assert_array_equal(runs[0].trace["v"], runs[1].trace["v"])
    assert runs[0].n_hvp == runs[1].n_hvp and runs[0].trace.diagnostics is None
    diagnostics = runs[1].trace.diagnostics
    np.testing.assert_array_equal(diagnostics["k"], [4, 8, 12])
    np.testing.assert_array_equal(diagnostics["n_hvp"], [1, 2, 3])
    y, v = runs[1].y, runs[1].v
    x = runs[1].trace["x"][-1]
    point = problem.linearize(x, y)
    assert diagnostics["residual"][-1] == pytest.approx(np.linalg.norm(point.A.matvec(v) - point.b))
    assert diagnostics["fun"][-1] == problem.value(x, y)
    assert diagnostics["lower_grad_norm"][-1] == pytest.approx(np.linalg.norm(problem.lower_grad_y(x, y)))


def test_runs_repeat_to_the_bit_and_inputs_are_not_changed(problem):
    x0, y0, v0 = np.ones(3), np.ones(5), np.ones(5)
    first = minimize(problem, x0, y0, v0=v0, maxiter=9, **OPTIONS)
    second = minimize(problem, x0, y0, v0=v0, maxiter=9, **OPTIONS)
    np.testing.assert_array_equal(first.x, second.x)
    assert (x0 == 1).all() and (y0 == 1).all() and (v0 == 1).all()


def test_callback_sees_every_state_and_may_stop(problem):
    seen = []

    def callback(state):
        seen.append((state.k, state.h.copy()))
        if state.k == 4:
            raise StopIteration

    result = minimize(problem, *start(problem), maxiter=50, callback=callback, **OPTIONS)
    assert [k for k, _ in seen] == [1, 2, 3, 4] and result.nit == 4
    assert result.status == SolveStatus.STOPPED and not result.success
    np.testing.assert_array_equal(seen[-1][1], result.hypergradient)


def test_a_method_object_is_the_same_as_its_name(problem):
    named = minimize(problem, *start(problem), maxiter=5, subspace=2, **OPTIONS)
    given = minimize(problem, *start(problem), maxiter=5, method=LancBiO(**OPTIONS, subspace=2))
    np.testing.assert_array_equal(named.x, given.x)
    with pytest.raises(ArgumentError, match="none beside a method object"):
        minimize(problem, *start(problem), method=LancBiO(0.1, 0.1), step_x=0.3)


def test_own_method(problem):
    """A method is anything with init and step: here plain gradient descent on y with an exact inverse."""
    from dataclasses import replace

    from lancbio_ref.methods import State

    class Exact:
        def init(self, problem, x0, y0, v0, rng):
            return State(0, x0, x0, y0, v0)

        def step(self, problem, state):
            y = problem.solution(state.x_next)
            h = problem.hypergradient(state.x_next)
            return replace(state, k=state.k + 1, x=state.x_next, y=y, h=h, x_next=state.x_next - 0.2 * h)

    result = minimize(problem, *start(problem), method=Exact(), maxiter=20_000, tol=1e-10)
    assert result.success
    np.testing.assert_allclose(result.x, problem.stationary_point(), atol=1e-8)


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    train, validation = (rng.standard_normal((m, 3)).astype(np.float32) for m in (12, 9))
    single = problems.data_cleaning(train, rng.integers(0, 2, 12), validation, rng.integers(0, 2, 9), n_classes=2)
    result = minimize(single, np.zeros(12, np.float32), np.zeros(8, np.float32), maxiter=5, step_x=1.0, step_y=0.1)
    assert result.x.dtype == result.y.dtype == result.v.dtype == result.hypergradient.dtype == np.float32


def test_nothing_is_concluded_from_a_first_hypergradient_at_y0():
    """At y_0 = 0 this J vanishes, and h_1 = c − J v = 0 says nothing of φ: a single loop must go on."""
    problem = problems.random_ridge(20, 15, 4, rng=0)
    zero = np.zeros(4)
    for method in ("stable", "soba", "hjfbio"):
        options = dict(step_x=0.1, step_y=0.1) | ({} if method == "stable" else dict(step_v=0.1))
        result = minimize(problem, zero, zero, v0=np.ones(4), method=method, maxiter=20, tol=1e-6, **options)
        assert result.nit == 20 and not result.success


def test_a_run_without_tol_never_stops_early():
    H = np.eye(2)
    problem = problems.quadratic_from_arrays(H, H, d=[0.0, 0.0], t=[0.0, 0.0])  # 0 is the solution: h = 0 at once
    result = minimize(problem, np.zeros(2), np.zeros(2), maxiter=7, step_x=0.1, step_y=0.1)
    assert result.nit == 7 and result.status == SolveStatus.COMPLETED and not result.hypergradient.any()
