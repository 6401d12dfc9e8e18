"""Operators of which nothing is known: no adjoint, no norm. Bounds say what they rest on, or are absent."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from lancbio_ref import CertificateStatus, hypergradient, lanczos, lanczos_solve
from tests.pathologies.faulty import INVERSES, METHODS, MODES, N_X, X0, Y0, A, B, C, J, N, operator, point, problem, run

J_ONE_WAY = operator(lambda v: J @ v, shape=(N_X, N))
J_BOTH_WAYS = operator(lambda v: J @ v, shape=(N_X, N), rmatvec=lambda u: J.T @ u)
BLACK = operator(lambda v: A @ v)
NONE, ESTIMATED, GIVEN = CertificateStatus.NONE, CertificateStatus.ESTIMATED, CertificateStatus.GIVEN


@pytest.mark.parametrize("inverse", INVERSES)
def test_without_an_adjoint_there_is_no_norm_and_no_bound(inverse):
    found = point(J=J_ONE_WAY, mu=0.9).hypergradient(inverse=inverse)
    assert found.success and found.value == pytest.approx(point().hypergradient().value, rel=1e-8)
    assert found.error_bound == np.inf and found.certificate.error == NONE
    assert found.certificate.cross_norm.value == np.inf and found.error_estimate == np.inf


def test_with_a_norm_that_the_caller_gives_there_is():
    found = point(J=J_ONE_WAY, mu=0.9, cross_norm=np.linalg.norm(J, 2)).hypergradient(rtol=1e-6)
    error = np.linalg.norm(found.value - (C - J @ np.linalg.solve(A, B)))
    assert error <= found.error_bound < np.inf and found.certificate.error == ESTIMATED


def test_with_an_adjoint_the_norm_is_estimated():
    found = point(J=J_BOTH_WAYS, mu=0.9).hypergradient()
    assert found.certificate.cross_norm.status == ESTIMATED
    assert np.linalg.norm(J, 2) <= found.certificate.cross_norm.value <= 2.1 * np.linalg.norm(J, 2)
    assert np.isfinite(found.error_bound) and found.certificate.error == ESTIMATED


@pytest.mark.parametrize("mu, status", [(0.9, ESTIMATED), ("estimate", ESTIMATED), (None, NONE)], ids=str)
@pytest.mark.parametrize("inverse", INVERSES)
def test_black_hessian(inverse, mu, status):
    found = point(BLACK).hypergradient(inverse=inverse, mu=mu, maxiter=2000)
    assert found.success and found.certificate.error == status
    assert (found.error_bound < np.inf) == (status != NONE)
    assert np.linalg.norm(found.value - (C - J @ np.linalg.solve(A, B))) <= found.error_bound


@pytest.mark.parametrize("method", METHODS)
def test_minimize_needs_no_adjoint(method):
    black = problem(
        {"lower.hessian": lambda x, y: BLACK, "lower.cross": lambda x, y: operator(lambda v: -J @ v, shape=(N_X, N))}
    )
    assert run(black, method).x == pytest.approx(run(None, method).x, rel=1e-9)


def test_check_says_that_it_could_not_look():
    black = problem({"lower.cross": lambda x, y: operator(lambda v: -J @ v, shape=(N_X, N))})
    rows = {row.name: row for row in black.check(X0, Y0, rng=0)}
    assert rows["J adjoint"].verdict == "not available" and rows["J adjoint"].note == "J has no rmatvec"
    assert black.check(X0, Y0, rng=0).ok


class OnlyMatmat(LinearOperator):
    """Defines the product with a matrix alone, as SciPy allows."""

    def __init__(self):
        super().__init__(np.float64, (N, N))

    def _matmat(self, V):
        return A @ V


class DuckTyped:
    """Not a LinearOperator, but with the two attributes that SciPy asks for."""

    shape, dtype = (N, N), np.dtype(float)

    def matvec(self, v):
        return A @ v


class NoType(LinearOperator):
    """Says nothing about its dtype."""

    def __init__(self):
        super().__init__(None, (N, N))

    def _matvec(self, v):
        return A @ v


@pytest.mark.parametrize(
    "make", [OnlyMatmat, DuckTyped, NoType, lambda: aslinearoperator(A), lambda: 2 * (BLACK * 0.5)]
)
def test_every_kind_of_linear_operator(make):
    assert lanczos(make(), B, 5).alpha == pytest.approx(lanczos(A, B, 5).alpha, rel=1e-12)
    for mode in MODES:
        assert lanczos_solve(make(), B, rtol=1e-12, reorthogonalization=mode)[1] == 0
    expected = point().hypergradient().value
    assert point(make()).hypergradient().value == pytest.approx(expected, rel=1e-8)
    of_problem = hypergradient(problem({"lower.hessian": lambda x, y: make()}), X0, Y0).value
    assert of_problem == pytest.approx(hypergradient(problem(), X0, Y0).value, rel=1e-8)


def test_operators_that_come_back_are_operators():
    H, K = problem().hessian(X0, Y0), problem().cross(X0, Y0)
    assert np.array_equal(H @ np.eye(N), A) and np.array_equal(K @ np.eye(N), -J)
    assert pytest.approx(A @ B) == (H @ B) and pytest.approx(-J.T @ X0) == (K.T @ X0)
    assert np.allclose((H + H) @ B, 2 * A @ B)
