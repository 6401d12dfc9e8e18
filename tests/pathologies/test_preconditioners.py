"""Preconditioners that are none: indefinite, singular, of extreme size; and what a sound one must not change."""

import numpy as np
import pytest

from lancbio_ref import ArgumentError, SolveStatus, lanczos_solve
from tests.pathologies.faulty import MODES, A, B, C, J, N, operator, point

JACOBI = np.diag(1 / np.diag(A))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("M", [-np.eye(N), np.diag(np.append(np.ones(N - 1), -50.0))], ids=["negative", "indefinite"])
def test_not_positive_definite(mode, M):
    with pytest.raises(ArgumentError) as caught:
        lanczos_solve(A, B + 1, M=M, rtol=1e-12, reorthogonalization=mode)
    assert (caught.value.argument, caught.value.expected) == ("M", "a positive definite preconditioner")


@pytest.mark.parametrize("mode", MODES)
def test_zero(mode):
    with pytest.raises(ArgumentError) as caught:
        lanczos_solve(A, B, M=np.zeros((N, N)), reorthogonalization=mode)
    assert (caught.value.argument, caught.value.found) == ("M", "q1ᴴMq1 = 0")


@pytest.mark.parametrize("mode", MODES)
def test_singular_never_claims_success(mode):
    M = np.diag(np.append(np.ones(N - 1), 0.0))
    x, info = lanczos_solve(A, B, M=M, rtol=1e-10, maxiter=60, reorthogonalization=mode)
    assert np.isfinite(x).all() and info > 0


@pytest.mark.parametrize("factor", [1e-150, 1e-8, 1e8, 1e150])
@pytest.mark.parametrize("mode", MODES)
def test_its_size_does_not_matter(mode, factor):
    x, info = lanczos_solve(A, B, M=factor * JACOBI, rtol=1e-10, reorthogonalization=mode)
    assert info == 0 and np.linalg.norm(A @ x - B) <= 1e-10 * np.linalg.norm(B)


@pytest.mark.parametrize("mode", MODES)
def test_the_tolerance_keeps_its_meaning(mode):
    M = np.diag(10.0 ** np.linspace(-4, 4, N))  # a bad one: its norm is far from the 2-norm
    x, info = lanczos_solve(A, B, M=M, rtol=1e-6, reorthogonalization=mode, maxiter=400)
    assert (info == 0) == (np.linalg.norm(A @ x - B) <= 1e-6 * np.linalg.norm(B))


@pytest.mark.parametrize("kind", ["array", "black-box"])
def test_certificates_do_not_rest_on_it(kind):
    M = JACOBI if kind == "array" else operator(lambda v: JACOBI @ v)
    found = point(M=M, mu=0.9).hypergradient(rtol=1e-8)
    assert found.status == SolveStatus.CONVERGED
    assert np.linalg.norm(found.value - (C - J @ np.linalg.solve(A, B))) <= found.error_bound < 1e-6


def test_indefinite_hessian_behind_a_preconditioner():
    H = np.diag(np.append(np.arange(1.0, N), -1.0))
    found = point(H, M=np.eye(N) * 0.3).hypergradient()
    assert found.status == SolveStatus.INDEFINITE and found.direction @ H @ found.direction < 0
