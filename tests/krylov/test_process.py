"""The contract of the process: A Q = Q T + β q eᵀ, by columns when A moves, for every mode and type."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from lancbio_ref import ArgumentError, LancbioError, LanczosProcess, lanczos
from tests.strategies import systems

EPS = {np.float32: 2.0**-24, np.float64: 2.0**-53, np.complex64: 2.0**-24, np.complex128: 2.0**-53}
MODES = ("full", "selective", "partial", "local", "none")


def hermitian(n, dtype, rng):
    A = rng.standard_normal((n, n)).astype(dtype)
    if np.dtype(dtype).kind == "c":
        A = A + 1j * rng.standard_normal((n, n)).astype(A.real.dtype)
    A = A @ A.conj().T / n + np.eye(n)
    return ((A + A.conj().T) / 2).astype(dtype)


def identity_defect(A, run):
    R = A @ run.Q - run.Q @ run.T
    R[:, -1] -= run.beta[-1] * run.q_next
    return np.linalg.norm(R, 2) / np.linalg.norm(A, 2)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", EPS)
def test_identity_in_every_mode_and_type(mode, dtype):
    rng = np.random.default_rng(0)
    A = hermitian(40, dtype, rng)
    run = lanczos(A, rng.standard_normal(40).astype(dtype), 30, reorthogonalization=mode)
    u = EPS[dtype]
    assert run.Q.dtype == dtype and run.alpha.dtype == run.beta.dtype == np.float64
    assert identity_defect(A, run) <= (50 * u if mode in ("full", "local", "none") else 4 * np.sqrt(u))
    orthogonality = np.linalg.norm(np.eye(30) - run.Q.conj().T @ run.Q, 2)
    if mode == "full":
        assert orthogonality <= 50 * u
    elif mode in ("selective", "partial"):
        assert orthogonality <= 10 * np.sqrt(u)


@given(system=systems(max_n=20))
@pytest.mark.parametrize("mode", ["full", "selective", "partial"])
def test_identity_on_hard_spectra(mode, system):
    rng = np.random.default_rng(1)
    run = lanczos(system.A, rng.standard_normal(system.n), system.n, reorthogonalization=mode)
    u = 2.0**-53
    tolerance = 1e3 * u if mode == "full" else 100 * np.sqrt(u)
    assert identity_defect(system.A, run) <= tolerance
    assert np.linalg.norm(np.eye(run.alpha.size) - run.Q.T @ run.Q, 2) <= (1e-13 if mode == "full" else 1e-6)
    assert run.breakdown or run.alpha.size == system.n


@given(seed=st.integers(0, 2**32 - 1), mode=st.sampled_from(["none", "local", "full"]))
def test_column_identity_when_the_operator_moves(seed, mode):
    """[A_1q_1, …, A_jq_j] = Q T + β q eᵀ + Q H: H is what reorthogonalization took, and 0 for `none`."""
    rng = np.random.default_rng(seed)
    n, k = 12, 8
    operators = [hermitian(n, np.float64, rng) for _ in range(k)]
    process = LanczosProcess(rng.standard_normal(n), reorthogonalization=mode)
    for A in operators:
        process.step(A)
    Q = process.Q
    R = np.stack([A @ q for A, q in zip(operators, Q.T, strict=True)], axis=1) - Q @ (process.T + process.H)
    R[:, -1] -= process.beta[-1] * process.q_next
    assert np.abs(R).max() <= 1e-13
    if mode == "none":
        assert not process.H.any()
    if mode == "full":
        assert np.linalg.norm(np.eye(k) - Q.T @ Q) <= 1e-13 and np.abs(process.H).max() > 1e-3


def test_none_loses_orthogonality_and_makes_ghosts():
    """What reorthogonalization is for (Paige 1971): a converged eigenvalue comes back."""
    eigenvalues = np.concatenate([np.linspace(0, 1, 99), [10.0]])
    run = lanczos(np.diag(eigenvalues), np.ones(100), 60, reorthogonalization="none")
    assert np.linalg.norm(np.eye(60) - run.Q.T @ run.Q) > 0.5
    assert np.sum(np.abs(np.linalg.eigvalsh(run.T) - 10.0) < 1e-8) >= 2
    kept = lanczos(np.diag(eigenvalues), np.ones(100), 60, reorthogonalization="selective")
    assert np.sum(np.abs(np.linalg.eigvalsh(kept.T) - 10.0) < 1e-8) == 1


@pytest.mark.parametrize("mode", ["full", "selective", "partial"])
def test_breakdown_at_the_grade_of_the_start(mode):
    A = np.diag([1.0, 1, 2, 2, 5, 5, 5, 9])
    run = lanczos(A, np.ones(8), 8, reorthogonalization=mode)
    assert run.breakdown and run.alpha.size == 4
    np.testing.assert_array_equal(run.q_next, np.zeros(8))
    np.testing.assert_allclose(np.linalg.eigvalsh(run.T), [1, 2, 5, 9], rtol=1e-12)


def test_buffers_grow_without_losing_anything():
    rng = np.random.default_rng(3)
    A = hermitian(90, np.float64, rng)
    small, large = (LanczosProcess(np.ones(90), reorthogonalization="full", capacity=c) for c in (1, 90))
    for _ in range(70):
        small.step(A)
        large.step(A)
    np.testing.assert_array_equal(small.Q, large.Q)
    np.testing.assert_array_equal(small.T, large.T)


def test_process_without_basis_takes_the_same_steps():
    rng = np.random.default_rng(4)
    A = aslinearoperator(hermitian(30, np.float64, rng))
    kept, light = LanczosProcess(np.ones(30)), LanczosProcess(np.ones(30), store=False)
    for _ in range(12):
        kept.step(A)
        light.step(A)
    np.testing.assert_array_equal(kept.beta, light.beta)
    np.testing.assert_array_equal(kept.q_next, light.q_next)
    with pytest.raises(LancbioError, match="keeps no basis"):
        _ = light.Q


def test_preconditioned_vectors_are_dual():
    rng = np.random.default_rng(5)
    A, M = hermitian(25, np.float64, rng), np.diag(rng.uniform(0.5, 2, 25))
    process = LanczosProcess(np.ones(25), reorthogonalization="full", M=aslinearoperator(M))
    for _ in range(15):
        process.step(A)
    Q = process.Q
    np.testing.assert_allclose(Q.T @ np.linalg.solve(M, Q), np.eye(15), atol=1e-12)
    np.testing.assert_allclose(Q.T @ A @ Q, process.T, atol=1e-12)


def test_indefinite_preconditioner_is_named():
    with pytest.raises(ArgumentError, match=r"M: .*positive definite"):
        LanczosProcess(np.array([1.0, 0.0]), M=aslinearoperator(np.diag([-1.0, 1.0])))


def test_counts_vectors():
    rng = np.random.default_rng(6)
    A = hermitian(20, np.float64, rng)
    assert lanczos(A, np.ones(20), 10, reorthogonalization="none").n_reorthogonalized == 0
    assert lanczos(A, np.ones(20), 10, reorthogonalization="full").n_reorthogonalized == 10


def test_an_operator_of_another_shape_is_refused_at_every_step():
    process = LanczosProcess(np.ones(3))
    with pytest.raises(ArgumentError, match=r"A: found shape \(4, 4\), expected shape \(3, 3\)"):
        process.step(np.eye(4))
    process.step(np.diag([1.0, 2.0, 4.0]))
    with pytest.raises(ArgumentError, match=r"A: found shape \(2, 2\), expected shape \(3, 3\)"):
        process.step(np.eye(2))
    assert process.k == 1
