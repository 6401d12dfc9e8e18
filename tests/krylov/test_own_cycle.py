"""Operators that make many steps in one call: a proposal, which is evaluated, and looked at again if it is strange."""

import numpy as np
import pytest

from lancbio_ref import Linearization, SolveStatus, lanczos, lanczos_solve
from lancbio_ref.krylov import solve
from lancbio_ref.krylov.own_cycle import OwnSteps
from lancbio_ref.operators import CheckedOperator
from lancbio_ref.operators.vectors import VectorOperator


class Own(VectorOperator):
    """A dense A that has conjugate gradients of its own; `wrong` spoils what they return."""

    def __init__(self, A, wrong=lambda found: found):
        super().__init__(A.dtype, A.shape)
        self.A, self.wrong, self.asked = A, wrong, 0

    def _matvec(self, v):
        return self.A @ v

    _rmatvec = _matvec

    def conjugate_gradients(self, x0, r0, tolerance, norm_A, most):
        self.asked += 1
        x, r, p, u = x0.copy(), r0.copy(), r0.copy(), np.finfo(r0.dtype).eps / 2
        gamma, squares, sound = [], [r @ r], True
        with np.errstate(all="ignore"):
            while len(gamma) < most and np.sqrt(squares[-1]) > max(tolerance, u * norm_A * np.linalg.norm(x)):
                Ap = self.A @ p
                sound = bool(p @ Ap > 0)
                gamma.append(squares[-1] / (p @ Ap))
                norm_A = max(norm_A, 1 / gamma[-1])
                x, r = x + gamma[-1] * p, r - gamma[-1] * Ap
                squares.append(r @ r)
                sound = sound and np.isfinite(squares[-1])
                if not sound:
                    break
                p = r + squares[-1] / squares[-2] * p
            return self.wrong(OwnSteps(x, self.A @ x, np.array(gamma), np.array(squares), sound))


def matrix(n=40, condition=1e3, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (Q * np.geomspace(1, condition, n)) @ Q.T
    return ((A + A.T) / 2).astype(dtype), rng.standard_normal(n).astype(dtype)


def solved(A, b, x0=None, **options):
    operator = CheckedOperator(A, "A")
    report = solve(operator, b, x0, **dict(maxiter=10 * b.size, rtol=1e-10) | options)
    largest = float(np.abs(A.A).max())
    if 1e-9 < largest < 1e8:  # else a run in other units begins anew
        assert report.n_products == operator.products
    return report


def test_T_is_that_of_the_lanczos_process():
    A, b = matrix(condition=30.0)
    report = solved(Own(A), b, rtol=1e-3)
    k = report.iterations
    run = lanczos(A, b, k, reorthogonalization="full")
    np.testing.assert_allclose(report.alpha, run.alpha, rtol=1e-6)
    np.testing.assert_allclose(report.beta, run.beta, rtol=1e-6)
    assert report.status == SolveStatus.CONVERGED and report.n_products == k + 1
    np.testing.assert_allclose(report.residual, b - A @ report.x, rtol=0, atol=1e-13 * np.linalg.norm(b))
    plain = solved(Plain(A), b, rtol=1e-3)
    assert plain.iterations == k
    for name in ("start_norm", "norm_A", "condition_estimate", "ritz_values"):
        np.testing.assert_allclose(getattr(report, name), getattr(plain, name), rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("condition, rtol, status", [(1e2, 0.0, "FLOOR"), (1e9, 1e-9, None), (1.0, 1e-12, "CONVERGED")])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_status_is_that_of_the_steps_with_a_basis(condition, rtol, status, dtype):
    A, b = matrix(condition=condition, dtype=dtype)
    own, plain = (solved(operator, b, rtol=rtol) for operator in (Own(A), Plain(A)))
    assert own.status == plain.status and (status is None or dtype == np.float32 or own.status.name == status)
    exact, norm = b - A.astype(np.longdouble) @ own.x, np.linalg.norm(b)
    np.testing.assert_allclose(own.residual, exact, rtol=0, atol=50 * np.finfo(dtype).eps * condition * norm)


class Plain(Own):
    conjugate_gradients = None


@pytest.mark.parametrize("mode, asked", [("selective", 1), ("none", 1), ("full", 0), ("partial", 0), ("local", 0)])
def test_a_basis_that_was_asked_for_is_kept(mode, asked):
    A, b = matrix(condition=10.0)
    operator = Own(A)
    assert solved(operator, b, reorthogonalization=mode).status == SolveStatus.CONVERGED
    assert operator.asked == asked


def test_what_is_strange_is_looked_at_with_a_basis():
    A, b = matrix()
    indefinite = solved(Own(A - 5 * np.eye(len(A))), b)
    assert indefinite.status == SolveStatus.INDEFINITE
    z = indefinite.direction
    assert z @ (A @ z) - 5 < 0
    doubted = solved(Own(A), b, mu=2.0)  # λ_min is 1
    z = doubted.suspect
    assert doubted.status == SolveStatus.CONVERGED and z @ (A @ z) < 1.1
    point = Linearization(Own(A), np.eye(len(A)), b, b, mu=2.0)
    assert point.hypergradient().status == SolveStatus.MU_REFUTED
    few = solved(Own(A), b, maxiter=3)
    assert few.status == SolveStatus.NOT_CONVERGED and few.iterations == 3


@pytest.mark.parametrize("scale", [1e-290, 1e290])
def test_sizes_near_the_ends_of_the_range(scale):
    A, b = matrix(condition=10.0)
    report = solved(Own(A * scale), b, rtol=1e-12)
    assert report.status == SolveStatus.CONVERGED
    np.testing.assert_allclose(report.x * scale, np.linalg.solve(A, b), rtol=1e-10)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda found: found._replace(x=np.full_like(found.x, np.nan)),
        lambda found: found._replace(Ax=np.full_like(found.x, np.inf)),
        lambda found: found._replace(sound=False),
        lambda found: found._replace(x=0 * found.x, Ax=0 * found.x),  # no progress
        lambda found: found._replace(gamma=found.gamma[:0], squares=found.squares[:1]),
    ],
    ids=["nan", "inf", "unsound", "idle", "empty"],
)
def test_own_steps_are_a_proposal(wrong):
    A, b = matrix(condition=10.0)
    report = solved(Own(A, wrong), b)
    assert report.status == SolveStatus.CONVERGED
    np.testing.assert_allclose(A @ report.x, b, rtol=1e-8)


def test_a_warm_start_and_a_callback():
    A, b = matrix(condition=10.0)
    x = np.linalg.solve(A, b)
    operator = Own(A)
    assert solved(operator, b, x).iterations == 0 and operator.asked == 0
    seen = []
    lanczos_solve(operator, b, callback=seen.append)
    assert seen and operator.asked == 0
