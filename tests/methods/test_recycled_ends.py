"""How recycled Krylov–Newton ends on problems that are not nice, each time with its reason."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    CertificateStatus,
    LipschitzConstants,
    LowerLevel,
    SolveStatus,
    UpperLevel,
)
from lancbio_ref.methods import RecycledNewton
from lancbio_ref.methods.recycled_end import as_box
from lancbio_ref.methods.recycled_model import Model
from lancbio_ref.methods.recycled_newton import RUN
from tests.methods.recycled_cases import ready, run, truth
from tests.thorough import sampled


def plain(value, grad_x, grad_y, lower_grad, hessian, cross, **known):
    lower = LowerLevel(grad_y=lower_grad, hessian=hessian, cross=cross, **known)
    return BilevelProblem(UpperLevel(value, grad_x, grad_y), lower)


def follower(n, f, f_prime, **options):
    """y*(x) = x, so φ(x) = Σ f(x_i)."""
    return plain(
        lambda x, y: float(f(y).sum()),
        lambda x, y: 0 * x,
        lambda x, y: f_prime(y),
        lambda x, y: 2 * (y - x),
        lambda x, y: 2 * np.eye(n),
        lambda x, y: -2 * np.eye(n),
        mu=2.0,
        **options,
    )


def test_phi_that_falls_for_ever_is_unbounded_and_says_where():
    problem = follower(2, lambda y: np.array([1.0, -3.0]) * y, lambda y: np.array([1.0, -3.0]) + 0 * y)
    states = []
    result = run(problem, np.zeros(2), np.zeros(2), callback=states.append, maxiter=200)
    assert result.status == SolveStatus.UNBOUNDED and not result.success and "bounds=" in result.status.remedy
    direction = states[-1].direction
    assert np.linalg.norm(direction) == pytest.approx(1) and direction[0] < 0 < 0.5 < direction[1]


def test_phi_whose_infimum_is_not_reached_ends_where_its_gradient_is_small():
    """φ = Σ exp(−x_i): every tol > 0 is reached, and no minimizer."""
    result = run(follower(3, lambda y: np.exp(-y), lambda y: -np.exp(-y)), np.zeros(3), np.zeros(3))
    assert result.status == SolveStatus.CONVERGED and (result.x > 10).all() and result.nit < 40


def test_an_entry_that_ended_ten_subproblems_waits_and_moves_again_when_h_asks_for_it():
    """φ = ½Σ w_i(x_i − 1)², w = (1, 10⁻³): its second entry is quiet until the first is there."""
    w = np.array([1.0, 1e-3])
    problem = follower(2, lambda y: 0.5 * w * (y - 1) ** 2, lambda y: w * (y - 1))
    states = []
    method = RecycledNewton()
    state = method.init(problem, np.zeros(2), np.zeros(2), np.zeros(2), np.random.default_rng(0))
    state = method.step(problem, state)
    for quiet in (RUN - 1, RUN):
        one = copy.copy(state)
        one.quiet = quiet
        states.append(method.step(problem, one))
    moves, waits = states
    assert moves.accepted and moves.x[1] != 0 and waits.accepted and waits.x[1] == 0 != waits.x[0]
    for _ in range(20):
        waits = method.step(problem, waits)
    np.testing.assert_allclose(waits.x, 1, atol=1e-6)


def test_subproblems_that_end_at_quiet_entries_are_counted(monkeypatch):
    """And once there are ten, the next is told to hold such entries."""
    problem = follower(2, lambda y: 0.5 * (y - 1) ** 2, lambda y: y - 1)
    method, held, minimize = RecycledNewton(), [], Model.minimize

    def quiet(model, *arguments, hold, **options):
        held.append(hold)
        return replace(minimize(model, *arguments, hold=False, **options).shorter(1e-3), quiet=True)

    monkeypatch.setattr(Model, "minimize", quiet)
    state = method.init(problem, np.zeros(2), np.zeros(2), np.zeros(2), np.random.default_rng(0))
    while len(held) <= RUN:
        state = method.step(problem, state)
        assert state.quiet == len(held)
    assert held == [False] * RUN + [True]


def test_x_that_runs_to_where_exp_overflows_is_unbounded():
    """φ = −Σ exp(x_i/10) falls until exp is refused."""

    def guarded(y):
        if (np.abs(y) > 300).any():
            raise ArgumentError("y", float(np.abs(y).max()), "numbers whose exponential is one")
        return np.exp(y / 10)

    problem = follower(2, lambda y: -10 * guarded(y), lambda y: -guarded(y))
    result = run(problem, np.zeros(2), np.zeros(2), maxiter=300)
    assert result.status == SolveStatus.UNBOUNDED and "cannot be evaluated" in result.message


def test_bounds_keep_x_inside_and_end_at_their_stationary_point():
    problem = follower(3, lambda y: np.array([1.0, -3.0, 0.0]) * y + y**2, lambda y: np.array([1.0, -3.0, 0]) + 2 * y)
    result = run(problem, np.full(3, 0.5), np.zeros(3), bounds=(0.0, [1.0, 1.0, 2.0]), trace=("x",))
    assert result.status == SolveStatus.CONVERGED
    np.testing.assert_allclose(result.x, [0, 1, 0], atol=1e-6)
    assert (result.trace["x"] >= 0).all() and (result.trace["x"] <= [1, 1, 2]).all()
    linear = follower(2, lambda y: np.array([1.0, -3.0]) * y, lambda y: np.array([1.0, -3.0]) + 0 * y)
    np.testing.assert_array_equal(run(linear, np.zeros(2), np.zeros(2), bounds=(-7, 9)).x, [-7, 9])


@pytest.mark.parametrize(
    "bounds", [3, (1.0,), (0.0, "a"), ([0.0, 0.0, 0.0], 1.0), (2.0, 1.0), (np.nan, 1.0), (np.inf, np.inf), (1.0, 2.0)]
)
def test_bounds_that_cannot_be_used_are_refused(bounds):
    problem = follower(2, lambda y: y**2, lambda y: 2 * y)
    with pytest.raises(ArgumentError):
        run(problem, np.zeros(2), np.zeros(2), bounds=bounds)


def test_the_reduced_gradient_vanishes_where_no_way_inside_leads_down():
    box = as_box((0.0, 1.0), np.zeros(3))
    assert box.reduced_norm(np.array([0.0, 1.0, 0.5]), np.array([2.0, -3.0, 0.0])) == 0
    assert box.reduced_norm(np.array([0.0, 1.0, 0.5]), np.array([-0.3, 0.4, 0.0])) == pytest.approx(0.5)


def test_a_saddle_is_left_along_negative_curvature():
    """φ = Σ (y² − 1)²/4 from near its maximum: ∇²φ is indefinite on the way."""
    problem = follower(4, lambda y: (y**2 - 1) ** 2 / 4, lambda y: y * (y**2 - 1))
    result = run(problem, np.array([1e-3, -1e-3, 0.1, 2.0]), np.zeros(4))
    assert result.status == SolveStatus.CONVERGED
    np.testing.assert_allclose(np.abs(result.x), 1, atol=1e-5)


def test_a_flat_valley_is_no_obstacle():
    """∇²φ is singular: f sees one number of y."""
    w = np.array([1.0, 2.0, -1.0])
    problem = plain(
        lambda x, y: float((w @ y - 1) ** 2),
        lambda x, y: 0 * x,
        lambda x, y: 2 * (w @ y - 1) * w,
        lambda x, y: y - x,
        lambda x, y: np.eye(3),
        lambda x, y: -np.eye(3),
        mu=1.0,
    )
    result = run(problem, np.zeros(3), np.zeros(3))
    assert result.status == SolveStatus.CONVERGED and w @ result.x == pytest.approx(1, abs=1e-6)


def ill_conditioned(n, condition, adjoint=True, seed=4):
    """g = ½yᵀA y − xᵀC y with κ(A) = `condition`; J shows an adjoint or does not."""
    from scipy.sparse.linalg import LinearOperator

    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (Q * np.geomspace(1 / condition, 1.0, n)) @ Q.T
    A = (A + A.T) / 2
    C, target = A @ rng.standard_normal((n, 3)), rng.standard_normal(n)
    rmatvec = (lambda u: -C @ u) if adjoint else None
    return plain(
        lambda x, y: float(0.5 * ((y - target) @ (y - target))) + 0.5 * float(x @ x),
        lambda x, y: x,
        lambda x, y: y - target,
        lambda x, y: A @ y - C @ x,
        lambda x, y: A,
        lambda x, y: LinearOperator((3, n), matvec=lambda v: -C.T @ v, rmatvec=rmatvec, dtype=float),
    )


def test_a_lower_level_of_condition_1e12_ends_with_a_reason():
    """φ̂ is lost in the rounding of vᵀ∇_y g, and ρ comes from gradients: each seed to a thousandth of the start."""
    ends = []
    for seed in sampled(range(6), 3):
        problem, zero = ill_conditioned(30, 1e12, seed=seed), np.zeros(30)
        result = run(problem, np.zeros(3), zero, maxiter=100)
        assert result.status in (SolveStatus.FLOOR, SolveStatus.RADIUS), result.message
        assert "error estimated as" in result.message
        ends.append(truth(problem, result.x, zero) / truth(problem, np.zeros(3), zero))
    assert max(ends) < 1e-3, ends
    assert "ill-conditioned" in SolveStatus.RADIUS.remedy


def test_without_an_adjoint_products_come_from_differences_of_gradients():
    with_it, without = (ill_conditioned(20, 1e3, adjoint) for adjoint in (True, False))
    states = []
    first = run(with_it, np.zeros(3), np.zeros(20), tol=1e-5)
    second = run(without, np.zeros(3), np.zeros(20), tol=1e-5, callback=states.append)
    assert first.status == second.status == SolveStatus.CONVERGED and states[-1].differences
    np.testing.assert_allclose(first.x, second.x, atol=1e-5)
    assert second.n_grad == without.calls["lower.grad_y"]
    assert second.n_cross == without.calls["lower.cross(x, y) @ v"]


def test_a_tolerance_below_rounding_ends_at_the_floor_and_says_so():
    problem, x0, y0 = ready("logistic")
    result = run(problem, x0, y0, tol=1e-30, maxiter=300)
    assert result.status in (SolveStatus.FLOOR, SolveStatus.RADIUS), result.message
    assert "error estimated as" in result.message and np.linalg.norm(result.hypergradient) < 1e-9


def test_derivatives_that_are_wrong_end_the_run_by_name():
    """∇_y f of the wrong sign: φ rises along every step."""
    problem = follower(3, lambda y: (y - 1) ** 2, lambda y: -2 * (y - 1))
    result = run(problem, np.zeros(3), np.zeros(3), maxiter=300)
    assert result.status in (SolveStatus.RADIUS, SolveStatus.UNBOUNDED) and not result.success
    assert result.status != SolveStatus.RADIUS or "problem.check" in result.status.remedy


def test_an_indefinite_lower_level_is_no_silent_answer():
    A = np.diag([1.0, -1.0])
    problem = plain(
        lambda x, y: float(y @ y),
        lambda x, y: 0 * x,
        lambda x, y: 2 * y,
        lambda x, y: A @ y - x,
        lambda x, y: A,
        lambda x, y: -np.eye(2),
    )
    result = run(problem, np.ones(2), np.ones(2), maxiter=100)
    assert not result.success


def test_constants_of_the_caller_give_an_end_that_is_no_more_than_given():
    problem = follower(2, lambda y: y**2 - y, lambda y: 2 * y - 1)
    problem.lipschitz = LipschitzConstants(fx=0.0, fy=2.0, gxy=0.0, gyy=0.0)
    states = []
    result = run(problem, np.zeros(2), np.zeros(2), callback=states.append)
    assert result.status == SolveStatus.CONVERGED
    weakest = min(states[-1].proof.certificate.error, states[-1].proof.certificate.lower_level)
    assert CertificateStatus.NONE < weakest < CertificateStatus.CERTIFIED and f"({weakest})" in result.message
