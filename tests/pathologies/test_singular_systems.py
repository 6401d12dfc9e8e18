"""Semidefinite Hessians: solved where consistent, STALLED (NOT_CONVERGED at maxiter) where not, never NaN."""

import numpy as np
import pytest

from lancbio_ref import CertificateStatus, SolveStatus, StepStatus, lanczos, lanczos_solve, lower_solution
from tests.pathologies.faulty import INVERSES, METHODS, MODES, X0, Y0, B, J, N, operator, point, problem, run, symmetric

HESSIANS = {
    "diagonal": np.diag(np.append(np.arange(1.0, N), 0.0)),
    "rank-one": np.ones((N, N)),
    "rank-deficient": symmetric(np.append(np.zeros(3), np.linspace(1, 2, N - 3))),
    "zero": np.zeros((N, N)),
}
NOT_ZERO = [name for name in HESSIANS if name != "zero"]


def wrapped(H, kind):
    return H if kind == "array" else operator(lambda v: H @ v)


@pytest.mark.parametrize("kind", ["array", "black-box"])
@pytest.mark.parametrize("name", HESSIANS)
@pytest.mark.parametrize("inverse", INVERSES)
def test_inconsistent_system_is_no_success(inverse, name, kind):
    found = point(wrapped(HESSIANS[name], kind)).hypergradient(inverse=inverse, maxiter=200)
    A, v = HESSIANS[name], found.v
    residual = np.linalg.norm(A @ v - B)
    solved = residual <= 1e-10 * np.linalg.norm(B)
    assert found.success == solved and not solved
    rounding = N**2 * 2.0**-52 * np.abs(A).max() * np.abs(v).max()  # of both products: v can be 10¹⁶ long and more
    assert found.residual_norm == pytest.approx(residual, rel=1e-10, abs=rounding)
    assert np.isfinite(found.value).all() and np.isfinite(found.v).all()
    assert found.error_bound == np.inf and found.certificate.error == CertificateStatus.NONE


@pytest.mark.parametrize("name", HESSIANS)
@pytest.mark.parametrize("mode", MODES)
def test_inconsistent_system_in_lanczos_solve(mode, name):
    x, info = lanczos_solve(HESSIANS[name], B, reorthogonalization=mode)
    assert info > 0 or (info == -1 and name == "rank-deficient")  # formed with rounding: eigenvalues of -1e-17
    assert np.isfinite(x).all()


@pytest.mark.parametrize("name", NOT_ZERO)
@pytest.mark.parametrize("mode", MODES)
def test_consistent_system_is_solved(mode, name):
    H = HESSIANS[name]
    b = H @ B
    x, info = lanczos_solve(H, b, rtol=1e-10, reorthogonalization=mode)
    assert info == 0
    assert np.linalg.norm(H @ x - b) <= 1e-10 * np.linalg.norm(b)


@pytest.mark.parametrize("name", HESSIANS)
def test_no_modulus_is_proven(name):
    found = point(HESSIANS[name], b=HESSIANS[name] @ B).hypergradient(mu="certify")
    assert found.error_bound == np.inf and found.certificate.mu.status == CertificateStatus.NONE


@pytest.mark.parametrize("mu", [1e-3, 1.0])
def test_a_modulus_that_somebody_claims_is_refuted(mu):
    found = point(HESSIANS["diagonal"], mu=mu).hypergradient(maxiter=200)
    assert found.status == SolveStatus.MU_REFUTED and found.error_bound == np.inf


@pytest.mark.parametrize("name", HESSIANS)
@pytest.mark.parametrize("mode", MODES)
def test_lanczos_stops_at_the_invariant_space(mode, name):
    found = lanczos(HESSIANS[name], B, N, reorthogonalization=mode)
    assert np.isfinite(found.Q).all() and np.isfinite(found.alpha).all() and np.isfinite(found.beta).all()
    assert found.breakdown or name == "rank-deficient" or mode in ("none", "local")


@pytest.mark.parametrize("name", HESSIANS)
@pytest.mark.parametrize("method", METHODS)
def test_minimize_goes_on(method, name):
    H = HESSIANS[name]
    result = run(problem({"lower.hessian": lambda x, y: H}), method)
    assert result.nit == 5 and np.isfinite(result.trace["h_norm"]).all() and np.isfinite(result.v).all()
    if name == "zero":
        assert (result.trace["status"] == StepStatus.SINGULAR).all() and not result.v.any()


@pytest.mark.parametrize("name", HESSIANS)
def test_lower_solution(name):
    H = HESSIANS[name]
    flat = problem({"lower.hessian": lambda x, y: H, "lower.grad_y": lambda x, y: H @ y - B})
    found = lower_solution(flat, X0, Y0, tol=1e-10)
    assert not found.status.success and np.isfinite(found.y).all()
    assert found.grad_norm == pytest.approx(np.linalg.norm(H @ found.y - B), rel=1e-12)
    assert found.error_bound == np.inf


def test_hypergradient_of_a_consistent_system_is_right():
    H = HESSIANS["diagonal"]
    b = np.append(np.ones(N - 1), 0.0)
    found = point(H, b=b).hypergradient()
    v = np.append(1 / np.arange(1.0, N), 0.0)
    assert found.success and found.value == pytest.approx(point().c - J @ v, rel=1e-8)
