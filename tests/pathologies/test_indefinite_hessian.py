"""A Hessian with negative eigenvalues: status INDEFINITE, and a direction that proves it in exact arithmetic."""

import numpy as np
import pytest

from lancbio_ref import CertificateStatus, SolveStatus, StepStatus, hypergradient, lanczos_solve, lower_solution
from tests.pathologies.faulty import METHODS, X0, Y0, B, J, N, operator, point, problem, run, symmetric
from tests.thorough import covering
from validation.truths.exact import rational

HESSIANS = {
    "one-negative": symmetric(np.append(np.linspace(1, 6, N - 1), -1.0)),
    "slightly-negative": symmetric(np.append(np.linspace(1, 6, N - 1), -1e-6)),
    "half-negative": symmetric(np.linspace(-3, 3, N)),
    "negative-definite": -symmetric(np.linspace(1, 6, N)),
    "minus-identity": -np.eye(N),
    "diagonal": np.diag(np.append(np.arange(1.0, N), -0.5)),
    "far-from-one": symmetric(np.append(np.linspace(1, 6, N - 1), -1.0)) * 2.0**600,
}
BASIS_MODES = ("full", "selective", "partial")


def curvature(A, z):
    """zᵀAz, exactly."""
    z, A = rational(z), rational(A)
    return (z.transpose() * A * z)[0, 0]


def wrapped(A, kind):
    return A if kind == "array" else operator(lambda v: A @ v)


@pytest.mark.parametrize(
    "name, mode, kind", covering(HESSIANS, [*BASIS_MODES, "local", "none"], ["array", "black-box"])
)
def test_direction_is_verified(name, mode, kind):
    A = HESSIANS[name]
    found = point(wrapped(A, kind), mu=None).hypergradient(reorthogonalization=mode, rtol=1e-12)
    assert found.status == SolveStatus.INDEFINITE and not found.success
    assert curvature(A, found.direction) < 0
    assert abs(np.linalg.norm(found.direction) - 1) < 1e-12
    assert np.isfinite(found.value).all() and np.isfinite(found.v).all()
    assert "negative curvature" in str(found)


@pytest.mark.parametrize("name", HESSIANS)
def test_no_bound_survives_it(name):
    found = point(HESSIANS[name], mu=0.5).hypergradient()
    assert found.status == SolveStatus.INDEFINITE
    assert found.error_bound == np.inf and found.certificate.error == CertificateStatus.NONE
    assert found.lower_level_bound == np.inf and found.certificate.lower_level == CertificateStatus.NONE


@pytest.mark.parametrize("name", HESSIANS)
def test_exact_inverse(name):
    found = point(HESSIANS[name]).hypergradient(inverse="exact")
    assert found.status == SolveStatus.INDEFINITE
    assert curvature(HESSIANS[name], found.direction) < 0


@pytest.mark.parametrize("name", ["one-negative", "half-negative", "negative-definite", "minus-identity", "diagonal"])
def test_neumann_series_diverges_for_this_reason(name):
    found = point(HESSIANS[name]).hypergradient(inverse="neumann", maxiter=5000)
    assert found.status == SolveStatus.INDEFINITE
    assert curvature(HESSIANS[name], found.direction) < 0
    assert np.isfinite(found.value).all()


@pytest.mark.parametrize("inverse", ["cg", "neumann"])
@pytest.mark.parametrize("name", HESSIANS)
def test_other_inverses_never_call_an_unsolved_system_solved(inverse, name):
    found = point(HESSIANS[name]).hypergradient(inverse=inverse, maxiter=50)
    residual = np.linalg.norm(HESSIANS[name] @ found.v - B)
    assert found.success == (residual <= 1e-10 * np.linalg.norm(B)) or found.status == SolveStatus.FLOOR
    assert np.isfinite(found.value).all()


@pytest.mark.parametrize("mode", [*BASIS_MODES, "local", "none"])
@pytest.mark.parametrize("name", HESSIANS)
def test_lanczos_solve_says_minus_one(name, mode):
    x, info = lanczos_solve(HESSIANS[name], B, rtol=1e-12, reorthogonalization=mode)
    assert info == -1
    assert np.isfinite(x).all()


@pytest.mark.parametrize("mode", BASIS_MODES)
def test_first_pivot_is_exactly_zero(mode):
    A = np.diag([1.0, -1.0])  # q₁ᵀAq₁ = 0 for b = (1, 1)
    found = point(A, J=np.eye(2), b=np.ones(2), c=np.ones(2)).hypergradient(reorthogonalization=mode)
    assert found.status == SolveStatus.INDEFINITE
    assert curvature(A, found.direction) < 0
    assert lanczos_solve(A, np.ones(2), reorthogonalization=mode)[1] == -1


@pytest.mark.parametrize("name", HESSIANS)
def test_lower_solution(name):
    A = HESSIANS[name]
    found = lower_solution(
        problem({"lower.hessian": lambda x, y: A, "lower.grad_y": lambda x, y: A @ y + B}), X0, Y0, tol=1e-10
    )
    assert found.status == SolveStatus.INDEFINITE and found.grad_norm > 1e-10
    assert curvature(A, found.direction) < 0
    assert "negative curvature" in found.message


def test_hypergradient_of_a_problem():
    A = HESSIANS["one-negative"]
    found = hypergradient(problem({"lower.hessian": lambda x, y: A, "lower.mu": 1.0}), X0, Y0)
    assert found.status == SolveStatus.INDEFINITE and curvature(A, found.direction) < 0
    assert found.error_bound == np.inf


@pytest.mark.parametrize("method", METHODS)
def test_in_minimize_it_is_an_entry_of_the_trace(method):
    A = HESSIANS["half-negative"]
    result = run(problem({"lower.hessian": lambda x, y: A}), method, maxiter=12)
    assert result.success
    assert StepStatus.INDEFINITE in result.trace["status"]
    assert np.isfinite(result.trace["h_norm"]).all()


@pytest.mark.parametrize("mode, seed", covering([*BASIS_MODES, "local", "none"], range(5), strength=1))
def test_no_positive_definite_matrix_is_ever_called_indefinite(mode, seed):
    rng = np.random.default_rng(seed)
    A = symmetric(np.logspace(-11 + seed, 0, N), seed)
    A = A + np.eye(N) * 2e-15  # above the rounding of the construction
    found = point(A, b=rng.standard_normal(N)).hypergradient(rtol=0, reorthogonalization=mode)
    assert found.status != SolveStatus.INDEFINITE


def test_right_hand_side_that_never_meets_the_negative_eigenvector():
    A = np.diag(np.append(np.arange(1.0, N), -1.0))
    b = np.append(np.ones(N - 1), 0.0)
    found = point(A, b=b).hypergradient()
    assert found.status.success
    assert found.value == pytest.approx(point(A, b=b).c - J @ (b / np.diag(A)), rel=1e-9)
