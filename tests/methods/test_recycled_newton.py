"""Recycled Krylov–Newton: its formulas against dense ones, its limit, its counts, its bits, and its ends."""

from __future__ import annotations

import copy
import math
import tracemalloc

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    CertificateStatus,
    HyperObjective,
    LipschitzConstants,
    LowerLevel,
    Minibatched,
    SolveStatus,
    UpperLevel,
    minimize,
    problems,
)
from lancbio_ref.datasets import corrupt_labels, load_digits, stratified_split
from lancbio_ref.inverse.recycled import Levels
from lancbio_ref.krylov.recycled import RecycledInverse
from lancbio_ref.methods import RecycledNewton, choose
from lancbio_ref.methods.recycled_end import as_box
from lancbio_ref.methods.recycled_model import Gains, Model
from lancbio_ref.methods.recycled_newton import RecycledNewtonState


def run(problem, x0, y0, tol=1e-6, **options):
    return minimize(problem, x0, y0, method="recycled-newton", tol=tol, **options)


def truth(problem, x, y0):
    """‖∇φ(x)‖ by another road: Lanczos solves to 1e-10."""
    return float(np.linalg.norm(HyperObjective(problem, y0, accuracy=1e-10, relative=0.0, strict=False).gradient(x)))


def cleaning(samples=60):
    images, labels = load_digits()
    train, val = stratified_split(labels, (samples, samples), 1)
    noisy, _ = corrupt_labels(labels[train], 0.5, 1)
    return problems.data_cleaning(images[train] / 16.0, noisy, images[val] / 16.0, labels[val])


def logistic(n=80, p=8, classes=2, **options):
    rng = np.random.default_rng(3)
    X, slopes = rng.standard_normal((2 * n, p)), rng.standard_normal((p, classes))
    labels = np.argmax(X @ slopes + 2 * rng.standard_normal((2 * n, classes)), axis=1)
    return problems.logistic(X[:n], labels[:n], X[n:], labels[n:], **options)


def ready(name):
    """A problem of the package and a start."""
    rng = np.random.default_rng(0)
    if name == "synthetic":
        problem = problems.synthetic(60, 1e3, rng=rng)
        x, y, _ = problem.initial_point(rng)
        return problem, x, y
    problem = {
        "quadratic": lambda: problems.quadratic(4, 9, rng=0),
        "matrix-free": lambda: problems.synthetic(200, 1e2, matrix_free=True, rng=rng),
        "ridge": lambda: problems.random_ridge(30, 30, 10, rng=rng),
        "cleaning": cleaning,
        "logistic": logistic,
        "logistic, one penalty": lambda: logistic(weights="all"),
        "softmax": lambda: logistic(classes=3, p=5),
    }[name]()
    if name == "matrix-free":
        x, y, _ = problem.initial_point(rng)
        return problem, x, y
    return problem, np.zeros(problem.n_x), np.zeros(problem.n_y)


# -- the formulas -----------------------------------------------------------------------------------------


def exact_model(problem, x, y):
    """The model at y*(x) and v*, with H = A⁻¹ known whole."""
    A = problem.hessian(x, y)
    H = RecycledInverse(y.size, y.size)
    H.extend([(e, A.matvec(e)) for e in np.eye(y.size)])
    state = RecycledNewtonState(k=0, x=x, x_next=x, y=y, v=y)
    levels = Levels(problem, H, state)
    point = problem.linearize(x, y)
    v = np.linalg.solve(np.stack([A.matvec(e) for e in np.eye(y.size)]), point.b)
    h, r = point.c - point.J.matvec(v), point.b - point.A.matvec(v)
    return Model(levels, point.J, (x, y, v), (h, r, problem.lower_grad_y(x, y)), Gains()), state


def lower_point(problem, x, y):
    return HyperObjective(problem, y, accuracy=1e-12, relative=0.0, strict=False).evaluate(x).y


@pytest.mark.parametrize("name", ["quadratic", "ridge", "logistic", "synthetic"])
def test_products_with_the_hyper_hessian_are_those_of_differences_of_the_gradient(name):
    problem, x, y0 = ready(name)
    model, _ = exact_model(problem, x, lower_point(problem, x, y0))
    F = HyperObjective(problem, y0, accuracy=1e-12, relative=0.0, strict=False)
    rng = np.random.default_rng(1)
    for split in (False, True):
        u = rng.standard_normal(x.size)
        Bu, p, q, Jtu = model.product(u, split)
        t = 1e-5
        forward, backward = F.evaluate(x + t * u), F.evaluate(x - t * u)
        for ours, plus, minus in ((Bu, forward.gradient, backward.gradient), (p, forward.y, backward.y)):
            theirs = (plus - minus) / (2 * t)
            assert np.linalg.norm(ours - theirs) <= 2e-4 * np.linalg.norm(theirs), (split, name)
        theirs = (forward.v - backward.v) / (2 * t)
        assert np.linalg.norm(q - theirs) <= 2e-4 * np.linalg.norm(theirs) + 1e-6
        np.testing.assert_allclose(Jtu, model.J.rmatvec(u))


def test_the_gains_bound_what_errors_of_y_and_v_do_to_h():
    """For a quadratic with one number each: G_v = ‖J A⁻¹J…‖ along q, and an error e of v changes h by J e."""
    problem, x, y0 = ready("quadratic")
    model, _ = exact_model(problem, x, lower_point(problem, x, y0))
    u = np.random.default_rng(2).standard_normal(x.size)
    _, p, q, _ = model.product(u, True)
    A = np.stack([problem.hessian(x, model.y).matvec(e) for e in np.eye(y0.size)])
    q_A, p_A = math.sqrt(q @ A @ q), math.sqrt(p @ A @ p)
    assert model.gains.v == pytest.approx(np.linalg.norm(model.J.matvec(q)) / q_A, rel=1e-5)
    moved = problem.linearize(x, model.y + 1e-6 * p)
    v = np.linalg.solve(A, moved.b)
    change = np.linalg.norm((moved.c - moved.J.matvec(v)) - model.h) / 1e-6
    assert model.gains.y == pytest.approx(change / p_A, rel=1e-3)


def test_a_model_step_is_the_minimum_of_the_model_in_the_box():
    problem, x, y0 = ready("quadratic")
    model, _ = exact_model(problem, x, lower_point(problem, x, y0))
    B = np.stack([model.product(e, False)[0] for e in np.eye(x.size)])
    newton = np.linalg.solve(B, -model.h)
    wide, one = np.full(x.size, 1e3), RecycledInverse(x.size, 10)
    step = model.minimize(-wide, wide, 1e3, one, 1e-10)
    np.testing.assert_allclose(step.s, newton, rtol=1e-5, atol=1e-6)
    assert step.ended == "" and step.predicted == pytest.approx(0.5 * model.h @ newton, rel=1e-5)
    Jts = np.stack([model.J.rmatvec(e) for e in np.eye(x.size)]).T @ step.s
    np.testing.assert_allclose(step.Jts, Jts, rtol=1e-6, atol=1e-9)
    narrow = np.full(x.size, 0.3 * np.abs(newton).max())
    edge = model.minimize(-narrow, narrow, float(narrow[0]), RecycledInverse(x.size, 10), 1e-10)
    assert edge.ended == "edge" and np.abs(edge.s).max() == narrow[0] and 0 > edge.predicted > step.predicted


def test_steps_keep_to_bounds_of_x_and_go_on_with_the_others():
    problem, x, y0 = ready("quadratic")
    model, _ = exact_model(problem, x, lower_point(problem, x, y0))
    B = np.stack([model.product(e, False)[0] for e in np.eye(x.size)])
    newton = np.linalg.solve(B, -model.h)
    low, high = np.full(x.size, -100.0), np.full(x.size, 100.0)
    i = int(np.argmax(np.abs(newton)))
    if newton[i] > 0:
        high[i] = 0.1 * newton[i]
    else:
        low[i] = 0.1 * newton[i]
    step = model.minimize(low, high, 100.0, RecycledInverse(x.size, 10), 1e-10)
    others = np.arange(x.size) != i
    rest = np.linalg.solve(B[np.ix_(others, others)], -(model.h + B[:, i] * step.s[i])[others])
    assert step.s[i] == pytest.approx(0.1 * newton[i])
    np.testing.assert_allclose(step.s[others], rest, rtol=1e-4, atol=1e-6)


def test_solves_reach_what_they_are_asked_and_keep_their_products():
    problem, x, y = ready("synthetic")
    levels = Levels(problem, RecycledInverse(y.size, 60), RecycledNewtonState(k=0, x=x, x_next=x, y=y, v=y))
    lower = levels.lower(x, y, 1e-6)
    A = np.stack([problem.hessian(x, lower.y).matvec(e) for e in np.eye(y.size)])
    g = problem.lower_grad_y(x, lower.y)
    assert lower.energy <= 1e-6 and math.sqrt(g @ np.linalg.solve(A, g)) <= 3e-6
    point, before = problem.linearize(x, lower.y), levels.counts.n_hvp
    adjoint = levels.adjoint(point, np.zeros_like(y), 1e-8)
    np.testing.assert_allclose(point.b - point.A.matvec(adjoint.v), adjoint.residual, atol=1e-9)
    np.testing.assert_allclose(adjoint.v, np.linalg.solve(A, point.b), atol=1e-6)
    first = levels.counts.n_hvp - before
    levels.adjoint(point, np.zeros_like(y), 1e-8)
    assert levels.counts.n_hvp - before - first <= first / 4  # the second time for next to nothing


def test_a_plain_step_costs_one_gradient_and_no_product():
    problem, x, y = ready("ridge")
    levels = Levels(problem, RecycledInverse(y.size, 60), RecycledNewtonState(k=0, x=x, x_next=x, y=y, v=y))
    levels.H.extend([(e, problem.hessian(x, y).matvec(e)) for e in np.eye(y.size)])
    levels.contraction = 1e-9
    lower = levels.lower(x, y + 1, 1e-6)
    assert lower.energy <= 1e-6 and levels.counts.n_hvp == 0 and levels.counts.n_grad <= 3


# -- whole runs --------------------------------------------------------------------------------------------

READY = ("quadratic", "synthetic", "matrix-free", "ridge", "cleaning", "logistic", "logistic, one penalty", "softmax")


@pytest.mark.parametrize("name", READY)
def test_it_ends_at_a_stationary_point_of_every_ready_problem(name):
    problem, x0, y0 = ready(name)
    problem.calls.clear()
    result = run(problem, x0, y0, trace=("phi", "accepted", "error", "n_value"))
    assert result.status == SolveStatus.CONVERGED and "||grad phi||" in result.message
    called = {
        "n_hvp": "lower.hessian(x, y) @ v",
        "n_grad": "lower.grad_y",
        "n_grad_upper": "upper.grad_y",
    }
    for count, what in called.items():
        assert getattr(result, count) == problem.calls[what] == result.trace[count][-1], count
    crosses = problem.calls["lower.cross(x, y) @ v"] + problem.calls.get("lower.cross(x, y).T @ v", 0)
    assert result.n_cross == crosses and result.trace["n_value"][-1] == problem.calls["upper.value"] - 1
    assert truth(problem, result.x, y0) <= 1e-6
    accepted = result.trace["accepted"].copy()
    accepted[0] = True
    phi = result.trace["phi"][accepted]
    assert (np.diff(phi) <= 1e-12 * np.abs(phi[1:]) + result.trace["error"][accepted][1:]).all()


def test_its_limit_is_the_stationary_point_of_phi():
    problem = problems.quadratic(5, 12, rng=2)
    result = run(problem, np.ones(5), np.zeros(12), tol=1e-10)
    np.testing.assert_allclose(result.x, problem.stationary_point(), atol=1e-9)
    assert result.nit <= 12  # a Newton method on a quadratic
    assert "h was not checked" not in result.message


def test_a_check_of_its_end_changes_nothing_and_agrees():
    problem, x0, y0 = ready("quadratic")
    plain, checked = (run(problem, x0, y0, check=check) for check in (False, True))
    np.testing.assert_array_equal(plain.x, checked.x)
    assert plain.n_hvp == checked.n_hvp and checked.check.verdict.name == "AGREES"
    assert checked.check.message in checked.message


def test_the_end_is_certified_where_the_problem_proves_its_constants():
    problem, x0, y0 = ready("cleaning")
    states = []
    result = run(problem, x0, y0, callback=states.append)
    proof = states[-1].proof
    assert proof is not None and proof.certificate.error == CertificateStatus.CERTIFIED
    bound = np.linalg.norm(proof.value) + proof.error_bound + proof.lower_level_bound
    assert bound <= 1e-6 and "certified" in result.message and truth(problem, result.x, y0) <= bound


def test_the_end_says_where_it_is_not_proven():
    problem, x0, y0 = ready("synthetic")
    result = run(problem, x0, y0)
    assert "estimated, not proven: no bound is known without mu and Lipschitz constants" in result.message


def test_the_estimated_error_of_h_is_about_the_true_one():
    problem, x0, y0 = ready("synthetic")
    F = HyperObjective(problem, y0, accuracy=1e-11, relative=0.0, strict=False)
    trace = run(problem, x0, y0, trace=("x", "h", "error")).trace
    for x, h, error in zip(trace["x"], trace["h"], trace["error"], strict=True):
        assert np.linalg.norm(h - F.gradient(x)) <= 0.5 * np.linalg.norm(h), error


def test_replay_is_the_same_to_the_bit_and_so_is_going_on_from_a_copied_state():
    problem, x0, y0 = ready("logistic")
    first, second = (run(problem, x0, y0, trace=("x", "v", "h", "phi", "n_inner")).trace for _ in range(2))
    for name in ("x", "v", "h", "phi", "n_inner", "n_hvp", "n_grad"):
        assert np.array_equal(first[name], second[name])
    method = RecycledNewton()
    state = method.init(problem, x0, y0, np.zeros_like(y0), np.random.default_rng(0))
    state.tol = 1e-6
    for k in range(8):
        state = method.step(problem, state)
        np.testing.assert_array_equal(state.x, first["x"][k])
        if k == 3:
            kept = copy.deepcopy(state)
    for k in range(4, 8):
        kept = method.step(problem, kept)
        np.testing.assert_array_equal(kept.h, first["h"][k])
    assert (kept.n_hvp, kept.n_grad, kept.n_cross) == (state.n_hvp, state.n_grad, state.n_cross)


def test_recycling_is_what_saves_products():
    problem, x0, y0 = ready("synthetic")
    kept, forgotten = (run(problem, x0, y0, memory=memory).n_hvp for memory in (None, 0))
    assert forgotten > 3 * kept


# -- problems that are not nice ------------------------------------------------------------------------------


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
    """How far it gets is up to the rounding: five of six seeds to a fiftieth of the start."""
    ends = []
    for seed in range(6):
        problem, zero = ill_conditioned(30, 1e12, seed=seed), np.zeros(30)
        result = run(problem, np.zeros(3), zero, maxiter=100)
        assert result.status in (SolveStatus.FLOOR, SolveStatus.RADIUS), result.message
        assert "error estimated as" in result.message
        ends.append(truth(problem, result.x, zero) / truth(problem, np.zeros(3), zero))
    assert ends[4] < 0.02 and sorted(ends)[4] < 0.02 and max(ends) < 0.5, ends
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


@pytest.mark.parametrize("n_x, n_y", [(300, 5), (2, 400)])
def test_levels_of_very_different_size(n_x, n_y):
    problem = problems.quadratic(n_x, n_y, rng=0)
    result = run(problem, np.zeros(n_x), np.zeros(n_y))
    assert result.status == SolveStatus.CONVERGED and result.nit < 40
    assert np.linalg.norm(problem.hypergradient(result.x)) <= 1e-6


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


def test_float32():
    problem = problems.quadratic(3, 6, rng=1)
    result = run(problem, np.zeros(3, np.float32), np.zeros(6, np.float32), tol=1e-3)
    assert result.success
    np.testing.assert_allclose(result.x, problem.stationary_point(), atol=2e-2)


def test_what_it_holds_is_ten_vectors_a_pair_kept_and_130_more():
    n, memory = 50_000, 5
    problem = problems.synthetic(n, 1e3, matrix_free=True, rng=0)
    x0, y0, _ = problem.initial_point(0)
    tracemalloc.start()
    try:
        result = minimize(problem, x0, y0, method="recycled-newton", memory=memory, maxiter=1)
        peak = tracemalloc.get_traced_memory()[1] / y0.nbytes
    finally:
        tracemalloc.stop()
    assert result.n_hvp > 10 * memory  # a solve alone makes more pairs than are kept
    assert peak <= 10 * memory + 130, peak


def test_auto_is_this_method_to_the_bit_and_another_on_mini_batches():
    problem, x0, y0 = ready("ridge")
    named, auto = run(problem, x0, y0), minimize(problem, x0, y0, method="auto", tol=1e-6)
    assert auto.status == SolveStatus.CONVERGED and named.x.tobytes() == auto.x.tobytes()
    steps = dict(step_x=0.01, step_y=0.01, step_v=0.01)
    of_batches = minimize(problem, x0, y0, method="auto", batch_size=4, rng=0, maxiter=3, **steps)
    assert type(of_batches.state).__name__ == "SOBAState"
    assert choose(Minibatched(problem, 4, 4, rng=0)) == "soba"
    with pytest.raises(ArgumentError, match="memory"):  # an option of another method names those of this one
        minimize(problem, x0, y0, method="auto", step_x=0.1)


def test_mini_batches_are_refused():
    problem, x0, y0 = ready("ridge")
    with pytest.raises(ArgumentError, match=r"batch_size.*a difference of two batches is noise.*soba"):
        run(problem, x0, y0, batch_size=5)


def test_constants_of_the_caller_give_an_end_that_is_no_more_than_given():
    problem = follower(2, lambda y: y**2 - y, lambda y: 2 * y - 1)
    problem.lipschitz = LipschitzConstants(fx=0.0, fy=2.0, gxy=0.0, gyy=0.0)
    states = []
    result = run(problem, np.zeros(2), np.zeros(2), callback=states.append)
    assert result.status == SolveStatus.CONVERGED
    weakest = min(states[-1].proof.certificate.error, states[-1].proof.certificate.lower_level)
    assert CertificateStatus.NONE < weakest < CertificateStatus.CERTIFIED and f"({weakest})" in result.message
