"""The parts of recycled Krylov–Newton against dense formulas: products with ∇²φ, gains, the model, both solves."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from lancbio_ref import (
    HyperObjective,
)
from lancbio_ref.inverse.recycled import Levels
from lancbio_ref.krylov.recycled import RecycledInverse
from lancbio_ref.methods import RecycledNewtonState
from lancbio_ref.methods.recycled_model import Gains, Model
from tests.methods.recycled_cases import ready


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


def test_quiet_entries_of_x_are_named_where_they_end_a_step_and_wait_where_they_are_to():
    """h = (1, 10⁻³), B = diag(1, 10⁻⁶): what says nothing is a thousand times as far away as what does."""
    problem, x, y0 = ready("quadratic")
    model, _ = exact_model(problem, x, lower_point(problem, x, y0))
    h, B = np.zeros(x.size), np.ones(x.size)
    h[0], h[1], B[1] = 1.0, 1e-3, 1e-6
    model.h = h
    model.product = lambda u, split: (B * u, np.zeros(y0.size), np.zeros(y0.size), np.zeros(y0.size))
    M = RecycledInverse(x.size, 10)
    M.extend([(e, b * e) for e, b in zip(np.eye(x.size), B, strict=True)])
    wide = np.full(x.size, 2.0)
    ended = model.minimize(-wide, wide, 2.0, copy.copy(M), 1e-6)
    assert ended.quiet and ended.ended == "edge" and ended.s[1] == -2 and abs(ended.s[0]) < 0.01
    assert ended.shorter(0.5).quiet
    waits = model.minimize(-wide, wide, 2.0, copy.copy(M), 1e-6, hold=True)
    assert not waits.quiet and waits.ended == "" and waits.s[1] == 0 and waits.s[0] == pytest.approx(-1)
    assert waits.predicted < 100 * ended.predicted < 0
    low = np.where(np.arange(x.size) == 0, 0.0, -wide)  # the largest entry can not move: the others are no longer quiet
    others = model.minimize(low, wide, 2.0, copy.copy(M), 1e-6, hold=True)
    assert not others.quiet and others.s[0] == 0 and others.s[1] == -2


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
