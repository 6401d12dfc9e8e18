"""``lanczos_solve`` beyond SciPy's tests: modes, types, restarts, preconditioners, the evaluated residual, products."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, aslinearoperator, cg

from lancbio_ref import lanczos_solve
from lancbio_ref.krylov import solve
from lancbio_ref.operators import as_square
from lancbio_ref.status import SolveStatus
from tests.thorough import covering

MODES = ("full", "selective", "partial", "local", "none")


def hermitian(n, dtype, condition, rng):
    B = rng.standard_normal((n, n))
    if np.dtype(dtype).kind == "c":
        B = B + 1j * rng.standard_normal((n, n))
    Q = np.linalg.qr(B)[0]
    A = (Q * np.geomspace(1, condition, n)) @ Q.conj().T
    return ((A + A.conj().T) / 2).astype(dtype)


@pytest.mark.parametrize("mode, dtype, preconditioned", covering(MODES, "fdFD", [False, True]))
def test_every_mode_and_type_meets_the_tolerance(mode, dtype, preconditioned):
    rtol = 1e-4 if dtype in "fF" else 1e-10
    rng = np.random.default_rng(0)
    A = hermitian(50, dtype, 100.0, rng)
    b = rng.standard_normal(50).astype(dtype)
    M = np.diag(1 / np.diag(A).real).astype(A.dtype) if preconditioned else None
    x, info = lanczos_solve(A, b, rtol=rtol, M=M, reorthogonalization=mode)
    assert info == 0 and x.dtype == A.dtype
    assert np.linalg.norm(b - A @ x) <= rtol * np.linalg.norm(b)


@pytest.mark.parametrize("restart", [1, 2, 5, 30])
@pytest.mark.parametrize("mode", ["selective", "full"])
def test_restarts_bound_the_basis_and_still_converge(restart, mode):
    d, b = np.linspace(1, 100, 200), np.random.default_rng(0).standard_normal(200)
    x, info = lanczos_solve(np.diag(d), b, rtol=1e-8, restart=restart, reorthogonalization=mode)
    assert info == 0 and np.linalg.norm(b - d * x) <= 1e-8 * np.linalg.norm(b)


@pytest.mark.parametrize("mode", MODES)
def test_iterates_are_those_of_conjugate_gradients(mode):
    rng = np.random.default_rng(1)
    A, b, x0 = hermitian(40, "d", 50.0, rng), rng.standard_normal(40), rng.standard_normal(40)
    ours, theirs = [], []
    lanczos_solve(A, b, x0, rtol=1e-6, callback=lambda x: ours.append(x.copy()), reorthogonalization=mode)
    cg(A, b, x0, rtol=1e-6, callback=lambda x: theirs.append(x.copy()))
    assert abs(len(ours) - len(theirs)) <= 4
    for a, c in zip(ours[:14], theirs[:14], strict=True):  # later, rounding separates conjugate gradients from itself
        np.testing.assert_allclose(a, c, atol=1e-12)


def test_one_product_more_than_conjugate_gradients():
    calls = []
    d = np.linspace(1, 30, 60)
    A = LinearOperator((60, 60), matvec=lambda v: calls.append(1) or d * v, dtype=float)
    lanczos_solve(A, np.ones(60), rtol=1e-6)
    ours = len(calls)
    calls.clear()
    cg(A, np.ones(60), rtol=1e-6)
    assert ours <= len(calls) + 1


def test_the_evaluated_residual_decides():
    """An operator with noise at 1e-6: the recurrence residual goes on falling, the evaluated one does not."""
    rng = np.random.default_rng(2)
    d = np.linspace(1, 10, 50)
    A = LinearOperator((50, 50), matvec=lambda v: d * v * (1 + 1e-6 * rng.standard_normal(50)), dtype=float)
    x, info = lanczos_solve(A, np.ones(50), rtol=1e-12, maxiter=500)
    assert info > 0 and np.linalg.norm(1 - d * x) > 1e-12 * np.sqrt(50)
    x, info = lanczos_solve(A, np.ones(50), rtol=1e-4)
    assert info == 0


def test_info_of_an_indefinite_system_and_of_a_singular_one():
    assert lanczos_solve(np.diag([1.0, 2, -1]), np.ones(3))[1] == -1
    A = np.diag([1.0, 2, 0])
    x, info = lanczos_solve(A, np.array([1.0, 2, 0]))
    assert info == 0
    np.testing.assert_allclose(x, [1, 1, 0])
    assert lanczos_solve(A, np.ones(3))[1] != 0


def test_black_box_of_a_tiny_definite_matrix_is_not_called_indefinite():
    rng = np.random.default_rng(3)
    for _ in range(50):
        A = hermitian(12, "d", 1e15, rng) + 1e-14 * np.eye(12) * 1e15
        report = solve(aslinearoperator(A), rng.standard_normal(12), maxiter=500)
        assert report.status != SolveStatus.INDEFINITE


def test_report_carries_the_ritz_values_and_the_corrections():
    d = np.geomspace(1, 1e6, 80)
    report = solve(as_square("A", np.diag(d)), np.ones(80), maxiter=1000)
    assert report.status == SolveStatus.FLOOR
    assert report.ritz_values == (pytest.approx(1, rel=1e-6), pytest.approx(1e6, rel=1e-6))
    assert report.condition_estimate == pytest.approx(1e6, rel=1e-5)
    assert (np.diff(report.residual_norms) < 0).all() and len(report.residual_norms) >= 2
    assert np.linalg.norm(report.residual - (1 - d * report.x)) == 0


def test_indefinite_systems_read_nothing_beyond_the_iterate():
    """T turned indefinite at step 4, and one more step was made: the iterate uses the columns before that."""
    for seed in range(30):
        d = np.random.default_rng(seed).choice([1.0, 2, 3, -4, 5, 6], 6)
        x, info = lanczos_solve(np.diag(d), np.ones(6))
        assert np.isfinite(x).all() and (info == -1) == bool((d < 0).any())


def test_maxiter_returns_the_iterate_of_conjugate_gradients():
    d, b = np.geomspace(1, 1e4, 50), np.random.default_rng(0).standard_normal(50)
    for steps in (1, 5, 10):
        x, info = lanczos_solve(np.diag(d), b, maxiter=steps)
        assert info == steps
        np.testing.assert_allclose(x, cg(np.diag(d), b, maxiter=steps)[0], rtol=1e-8)


def test_what_looked_out_of_range_and_is_not_after_all():
    from lancbio_ref import Linearization

    single = Linearization(
        np.diag([1e8, 0.7]).astype("f"), np.ones((1, 2), "f"), np.array([0, 1], "f"), np.zeros(1, "f")
    )
    assert single.hypergradient().status.success
    found = Linearization([[0.7]], [[1.0]], [1.0], [0.0], mu=0.5, smoothness=1e200).hypergradient()
    assert found.value[0] == pytest.approx(-1 / 0.7)
