"""Single precision goes in and comes out, everywhere; and its narrow range is respected."""

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    CallableError,
    DivergenceError,
    LanczosProcess,
    RepresentationError,
    hypergradient,
    lanczos,
    lanczos_solve,
    lower_solution,
    minimize,
)
from tests.pathologies.faulty import CALLABLES, INVERSES, METHODS, MODES, TARGET, X0, Y0, A, B, C, J, N, point, problem

F = np.float32
A32, J32, B32, C32, T32 = (a.astype(F) for a in (A, J, B, C, TARGET))


def single():
    return problem(
        {
            "upper.grad_x": lambda x, y: F(0.1) * x,
            "upper.grad_y": lambda x, y: y - T32,
            "lower.grad_y": lambda x, y: A32 @ y - J32.T @ x,
            "lower.hessian": lambda x, y: A32,
            "lower.cross": lambda x, y: -J32,
        }
    )


@pytest.mark.parametrize("mode", MODES)
def test_lanczos(mode):
    found = lanczos(A32, B32, 6, reorthogonalization=mode)
    assert found.Q.dtype == found.q_next.dtype == F
    residual = A @ found.Q.astype(float) - found.Q.astype(float) @ found.T
    residual[:, -1] -= found.beta[-1] * found.q_next
    assert np.abs(residual).max() < 50 * np.finfo(F).eps * 6


@pytest.mark.parametrize("mode", MODES)
def test_lanczos_solve(mode):
    x, info = lanczos_solve(A32, B32, rtol=1e-5, reorthogonalization=mode)
    assert info == 0 and x.dtype == F
    assert np.linalg.norm(A @ x - B) < 2e-5 * np.linalg.norm(B)


@pytest.mark.parametrize("inverse", INVERSES)
def test_hypergradient(inverse):
    found = point(A32, J=J32, b=B32, c=C32, mu=0.9).hypergradient(inverse=inverse, rtol=1e-5)
    assert found.value.dtype == found.v.dtype == F and found.success
    exact = C32.astype(float) - J32.astype(float) @ np.linalg.solve(A32.astype(float), B32.astype(float))
    assert np.linalg.norm(found.value - exact) <= found.error_bound < 1e-2


def test_floor_of_single_precision_is_a_success():
    found = point(A32, J=J32, b=B32, c=C32).hypergradient(rtol=0)
    assert found.success and found.residual_norm < 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_minimize(method):
    result = minimize(single(), X0.astype(F), Y0.astype(F), maxiter=20, trace=("x", "h"), **METHODS[method])
    assert result.x.dtype == result.y.dtype == result.v.dtype == result.hypergradient.dtype == F
    assert result.trace["x"].dtype == F
    double = minimize(problem(), X0, Y0, maxiter=20, **METHODS[method])
    assert result.x == pytest.approx(double.x, rel=1e-3)


def test_lower_solution_and_hypergradient_without_y():
    found = lower_solution(single(), X0.astype(F), tol=1e-4)
    assert found.y.dtype == F and found.status.success
    h = hypergradient(single(), X0.astype(F), rtol=1e-5)
    assert h.value.dtype == F and h.success


def test_mixed_types_are_widened():
    assert lanczos(A, B32, 3).Q.dtype == np.float64
    assert lanczos_solve(A32, B)[0].dtype == np.float64
    assert point(A32, J=J32, b=B32, c=C).hypergradient().value.dtype == np.float64


def test_a_process_that_began_in_single_precision_refuses_a_wider_operator():
    process = LanczosProcess(B32)
    process.step(A32)
    with pytest.raises(ArgumentError, match="A: found dtype float64, expected a type no wider than float32"):
        process.step(A)
    process.step(A32)
    assert process.k == 2


@pytest.mark.parametrize("scale", [2.0**-90, 2.0**90])
def test_near_the_ends_of_the_range(scale):
    """The squares of these overflow or underflow in single precision."""
    x, info = lanczos_solve(A32 * F(scale), B32 * F(scale), rtol=1e-5)
    assert info == 0 and x == pytest.approx(lanczos_solve(A32, B32, rtol=1e-5)[0], rel=1e-4)
    assert lanczos(A32, B32 * F(scale), 3).start_norm == pytest.approx(np.linalg.norm(B) * scale, rel=1e-6)


def test_unrepresentable_in_single_precision():
    with pytest.raises(RepresentationError, match="float32 cannot represent"):
        lanczos_solve(A32 * F(2.0**-100), B32 * F(2.0**100))


def test_overflow_that_double_would_survive_is_found():
    big = problem({"upper.grad_y": lambda x, y: (y - T32) * F(1e38) * F(10), "lower.grad_y": CALLABLES["lower.grad_y"]})
    with pytest.raises(DivergenceError, match=r"upper\.grad_y, call \d+: returned -?inf") as caught:
        minimize(big, X0.astype(F), Y0.astype(F) + F(N), **METHODS["lancbio"])
    assert isinstance(caught.value.__cause__, CallableError) and caught.value.step == "step_x"
