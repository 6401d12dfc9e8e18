"""n = 1, b = 0, a start at the solution, multiples of the identity, k < 1: small cases that are easy to forget."""

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    LanczosProcess,
    Linearization,
    LowerLevel,
    SolveStatus,
    StepStatus,
    UpperLevel,
    hypergradient,
    lanczos,
    lanczos_solve,
    lower_solution,
    minimize,
)
from tests.pathologies.faulty import INVERSES, METHODS, MODES, A, B, C, J, N, point, problem, run


def scalar(a=2.0, target=1.0) -> BilevelProblem:
    """f = ½(y − t)², g = ½ a y² − x y: y* = x/a, dφ/dx = (x/a − t)/a."""
    return BilevelProblem(
        UpperLevel(lambda x, y: 0.5 * float((y - target) @ (y - target)), lambda x, y: 0 * x, lambda x, y: y - target),
        LowerLevel(lambda x, y: a * y - x, lambda x, y: [[a]], lambda x, y: [[-1.0]], mu=a),
        n_y=1,
    )


@pytest.mark.parametrize("mode", MODES)
def test_one_by_one_lanczos(mode):
    found = lanczos([[3.0]], [-2.0], 5, reorthogonalization=mode)
    assert found.alpha == [3.0] and found.beta == [0.0] and found.breakdown and found.start_norm == 2.0
    assert found.Q == [[-1.0]] and found.q_next == [0.0]


@pytest.mark.parametrize("mode", MODES)
def test_one_by_one_solve(mode):
    x, info = lanczos_solve([[4.0]], [2.0], reorthogonalization=mode, rtol=0)
    assert x == [0.5] and info == 0


@pytest.mark.parametrize("inverse", INVERSES)
def test_one_by_one_hypergradient(inverse):
    found = Linearization([[4.0]], [[3.0]], [2.0], [1.0], mu=4.0).hypergradient(inverse=inverse)
    assert found.success and found.value == pytest.approx([-0.5], rel=1e-9)
    assert abs(found.value[0] + 0.5) <= found.error_bound


@pytest.mark.parametrize("method", METHODS)
def test_one_by_one_minimize(method):
    options = {**METHODS[method], "step_x": 1.0, "step_y": 0.4, "maxiter": 500, "tol": 1e-9}
    result = minimize(scalar(), [3.0], [0.0], **options)
    assert result.success and result.x == pytest.approx([2.0], abs=1e-7)


def test_one_by_one_lower_solution():
    found = lower_solution(scalar(), [3.0], tol=0)
    assert found.y == [1.5] and found.status in (SolveStatus.CONVERGED, SolveStatus.FLOOR)
    assert hypergradient(scalar(), [3.0]).value == [0.25]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("x0", [None, np.ones(N), "Mb"], ids=["none", "ones", "Mb"])
def test_zero_right_hand_side(mode, x0):
    x, info = lanczos_solve(A, np.zeros(N), x0, reorthogonalization=mode)
    assert info == 0 and not x.any()


@pytest.mark.parametrize("v0", [None, np.ones(N)], ids=["cold", "warm"])
@pytest.mark.parametrize("inverse", INVERSES)
def test_zero_right_hand_side_of_a_hypergradient(inverse, v0):
    found = point(b=np.zeros(N), mu=0.5).hypergradient(inverse=inverse, v0=v0, rtol=0)
    assert found.success and not found.v.any() and np.array_equal(found.value, C)
    assert found.residual_norm == 0 and 0 <= found.error_bound < 1e-14


@pytest.mark.parametrize("method", METHODS)
def test_zero_upper_gradient_in_minimize(method):
    result = run(problem({"upper.grad_y": lambda x, y: 0 * y}), method)
    assert result.success and not result.v.any() and np.isfinite(result.x).all()
    if method == "lancbio":
        assert (result.trace["status"] == StepStatus.EXACT).all()


@pytest.mark.parametrize("make", [lambda: LanczosProcess(np.zeros(N)), lambda: lanczos(A, np.zeros(N), 3)])
def test_zero_start(make):
    with pytest.raises(ArgumentError, match="q1: found zeros, expected a vector that is not zero"):
        make()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("c", [1.0, 8.0, 0.1, 1e-200])
def test_multiple_of_the_identity(mode, c):
    found = lanczos(c * np.eye(N), B, N, reorthogonalization=mode)
    assert found.alpha == pytest.approx([c]) and found.breakdown and not found.q_next.any()
    x, info = lanczos_solve(c * np.eye(N), B, rtol=1e-14, reorthogonalization=mode)
    assert info == 0 and x == pytest.approx(B / c, rel=1e-14)


@pytest.mark.parametrize("mode", MODES)
def test_start_at_the_solution(mode):
    ones = np.ones(N)
    D = np.diag(4.0 ** np.arange(N))  # square roots and quotients are exact
    x, info = lanczos_solve(D, D @ ones, ones, reorthogonalization=mode, rtol=1e-12, callback=pytest.fail)
    assert info == 0 and np.array_equal(x, ones) and x is not ones


@pytest.mark.parametrize("inverse", INVERSES)
def test_warm_start_at_the_solution(inverse):
    D = np.diag(4.0 ** np.arange(N))  # square roots and quotients are exact
    found = point(D, b=D @ np.ones(N)).hypergradient(inverse=inverse, v0=np.ones(N), maxiter=3)
    assert found.success and np.array_equal(found.v, np.ones(N)) and found.residual_norm == 0


@pytest.mark.parametrize("mode", MODES)
def test_more_steps_than_dimensions_overrun_nothing(mode):
    for k in (N, N + 1, 10 * N, 10**12 if mode in ("full", "selective", "partial") else 5 * N):
        found = lanczos(A, B, k, reorthogonalization=mode)
        assert np.isfinite(found.Q).all() and found.Q.shape[1] <= k


def test_many_steps_asked_for_reserve_no_memory():
    found = lanczos(np.diag([1.0, 2.0]), [1.0, 1.0], 10**15, reorthogonalization="none")
    assert found.breakdown and found.Q.shape == (2, 2)


def test_process_outgrows_its_capacity():
    process = LanczosProcess(B, capacity=1)
    for _ in range(40):
        process.step(A)
    assert process.k == 40 and process.Q.shape == (N, 40) and np.isfinite(process.beta).all()


def test_zero_cross_operator():
    found = point(J=np.zeros_like(J), mu=0.5).hypergradient()
    assert np.array_equal(found.value, C) and found.success and np.isfinite(found.error_bound)


@pytest.mark.parametrize("capacity", [0, -1, 2.5, "3"], ids=str)
def test_capacity(capacity):
    with pytest.raises(ArgumentError) as caught:
        LanczosProcess(B, capacity=capacity)
    assert caught.value.argument == "capacity"
