"""Every route of an operator counts each vector once and checks what comes back; SciPy's own solvers work."""

import numpy as np
import pytest
import scipy.linalg as sl
import scipy.sparse.linalg as spl

import lancbio_ref
from lancbio_ref import CallableError, problems
from lancbio_ref.minibatch import Minibatched
from lancbio_ref.operators import (
    CheckedOperator,
    DenseOperator,
    as_operator,
)
from lancbio_ref.operators.vectors import VectorOperator
from tests.operators.test_linear_operator_contract import COMPLEX, SCIPY, SPD, TALL, black_box, close, numbers

# np.matrix is part of the contract for as long as SciPy takes it
pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")


def test_every_route_counts_each_vector_once():
    A = CheckedOperator(DenseOperator(TALL), "A")
    n, m = np.ones(3), np.ones(5)
    routes = [
        (lambda: A @ n, 1, 0),
        (lambda: A.matvec(n), 1, 0),
        (lambda: A @ n[:, None], 1, 0),
        (lambda: A @ np.ones((3, 4)), 4, 0),
        (lambda: A.matmat(np.ones((3, 0))), 0, 0),
        (lambda: A.rmatvec(m), 0, 1),
        (lambda: A.rmatmat(np.ones((5, 4))), 0, 4),
        (lambda: A.T @ m, 0, 1),
        (lambda: A.H @ np.ones((5, 2)), 0, 2),
        (lambda: m @ A, 0, 1),
        (lambda: (A + 2 * A) @ n, 2, 0),
        (lambda: A.H.H @ np.ones((3, 2)), 2, 0),
        (lambda: (A.H @ A) @ n, 1, 1),
    ]
    forward = back = 0
    for route, products, adjoints in routes:
        route()
        forward, back = forward + products, back + adjoints
        assert A.products == A.calls["A @ v"] == forward
        assert A.calls.get("A.T @ v", 0) == back


def test_what_does_not_fit_or_has_no_adjoint_is_not_counted():
    A = CheckedOperator(spl.LinearOperator((3, 3), lambda v: v, dtype=float), "A")
    for product in (A.rmatvec, A.T.matvec, A.H.dot):
        with pytest.raises(NotImplementedError):
            product(np.ones(3))
    for product in (A.matvec, A.dot, A.rmatvec):
        with pytest.raises(ValueError):
            product(np.ones(2))
    assert A.products == 0 and not any(A.calls.values())


@pytest.mark.parametrize("route", [
    lambda A: A @ np.ones(2), lambda A: A @ np.eye(2), lambda A: A.T @ np.ones(2), lambda A: (2 * A) @ np.ones(2),
    lambda A: A.rmatmat(np.eye(2)),
])  # fmt: skip
def test_what_a_black_box_returns_is_checked_on_every_route(route):
    for returned, word in ((np.full(2, np.nan), "nan"), (np.ones(3), "shape"), (np.array(["a", "b"]), "dtype")):
        inner = spl.LinearOperator((2, 2), lambda v, r=returned: r, lambda v, r=returned: r, dtype=float)
        with pytest.raises(CallableError, match=word):
            route(CheckedOperator(inner, "A"))


def test_operators_without_an_adjoint_say_so():
    class Forward(VectorOperator):
        def _matvec(self, v):
            return 2 * v

    A = Forward(np.float64, (3, 3))
    close(A @ np.eye(3), 2 * np.eye(3))
    for product in (A.rmatvec, A.H.matvec, A.T.dot):
        with pytest.raises(NotImplementedError, match="Forward"):
            product(np.ones(3))


def test_an_adjoint_that_a_subclass_gives_as_an_operator_is_used():
    class Skew(VectorOperator):
        def _matvec(self, v):
            return np.array([v[1], -v[0]])

        def _adjoint(self):
            return -1 * self

    A = Skew(np.float64, (2, 2))
    close(A.rmatvec(np.array([1.0, 2.0])), np.array([-2.0, 1.0]))
    close(A.rmatmat(np.eye(2)), np.array([[0.0, -1.0], [1.0, 0.0]]))


def test_an_operator_of_unknown_type_stays_one():
    class NoType(spl.LinearOperator):
        def __init__(self):
            super().__init__(None, (2, 2))

        def _matvec(self, v):
            return 2 * v

    A = CheckedOperator(NoType(), "A")
    assert A.dtype is None and "unspecified" in repr(A)
    close(A @ np.eye(2), 2 * np.eye(2))
    close(A @ np.ones((2, 0)), np.ones((2, 0)))


def test_batches_of_matrices_are_no_operators():
    if SCIPY < (1, 18):
        pytest.skip("SciPy has none before 1.18")
    batch = spl.LinearOperator((7, 2, 2), lambda v: v, dtype=float)
    with pytest.raises(lancbio_ref.ArgumentError, match=r"\(7, 2, 2\)"):
        as_operator("A", batch, (2, 2))
    with pytest.raises(lancbio_ref.ArgumentError, match=r"\(7, 2, 2\)"):
        as_operator("A", batch)


# -- SciPy's own solvers ---------------------------------------------------------------------


def hessians():
    ridge = problems.random_ridge(12, 8, 6, rng=0)
    batched = Minibatched(ridge, upper=None, lower=3, rng=0)
    x, y = np.zeros(6), np.ones(6)
    fixed = batched.batch("lower.hessian").hessian(x, y)
    linear = problems.random_ridge(12, 8, 6, rng=0).linearize(x, y).A
    black = CheckedOperator(black_box(SPD), "A")
    return {"ridge": ridge.hessian(x, y), "one batch": fixed, "linearization": linear, "black box": black}


@pytest.mark.parametrize("name", hessians())
def test_scipys_solvers(name):
    A = hessians()[name]
    dense = A @ np.eye(A.shape[0])
    b = numbers(len(dense))
    expected = np.linalg.solve(dense, b)
    for solver in (spl.cg, spl.minres, spl.gmres, spl.bicgstab, spl.lgmres, spl.tfqmr, spl.qmr, spl.bicg):
        x, info = solver(A, b, rtol=1e-12)
        assert info == 0
        np.testing.assert_allclose(x, expected, rtol=1e-8, err_msg=solver.__name__)
    for solver in (spl.lsqr, spl.lsmr):
        np.testing.assert_allclose(solver(A, b, atol=1e-14, btol=1e-14)[0], expected, rtol=1e-7)
    np.testing.assert_allclose(np.sort(spl.eigsh(A, 2)[0]), np.linalg.eigvalsh(dense)[-2:], rtol=1e-10)
    U, s, Vt = spl.svds(A, 2, rng=0) if "rng" in _parameters(spl.svds) else spl.svds(A, 2, random_state=0)
    np.testing.assert_allclose(np.sort(s), np.linalg.eigvalsh(dense)[-2:], rtol=1e-10)
    np.testing.assert_allclose(dense @ Vt.T, U * s, atol=1e-8 * s.max())
    assert spl.onenormest(A) == pytest.approx(np.abs(dense).sum(axis=0).max())
    moved = spl.expm_multiply(-0.1 * A, b, traceA=-0.1 * np.trace(dense))
    np.testing.assert_allclose(moved, sl.expm(-0.1 * dense) @ b, rtol=1e-10)


def _parameters(function):
    from inspect import signature

    return signature(function).parameters


def test_solvers_for_rectangular_and_complex_operators():
    J = CheckedOperator(DenseOperator(TALL), "J")
    np.testing.assert_allclose(np.sort(spl.svds(J, 2)[1]), np.linalg.svd(TALL)[1][1::-1], rtol=1e-10)
    b = numbers(5)
    np.testing.assert_allclose(spl.lsqr(J, b, atol=1e-14)[0], np.linalg.lstsq(TALL, b)[0], rtol=1e-8)
    hermitian = COMPLEX.conj().T @ COMPLEX + np.eye(3)
    A = CheckedOperator(DenseOperator(hermitian), "A")
    for solver in (spl.cg, spl.gmres, spl.bicgstab):
        np.testing.assert_allclose(solver(A, b[:3], rtol=1e-12)[0], np.linalg.solve(hermitian, b[:3]), rtol=1e-8)
    np.testing.assert_allclose(spl.eigsh(A, 1)[0], np.linalg.eigvalsh(hermitian)[-1:], rtol=1e-10)
