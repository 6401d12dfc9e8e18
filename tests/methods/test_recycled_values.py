"""The values of φ that recycled Krylov–Newton compares, against those of exact lower solves: no step that raised φ."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.linalg import eigh

from lancbio_ref import problems
from tests.methods.recycled_cases import ready, run
from tests.thorough import sampled

LEARNED_LATE = [("synthetic", 4), ("sparse", 2)]  # y was wrong where H had seen nothing, until a later solve
FAR_AWAY = [("sparse", 8), ("sparse", 13), ("sparse", 21)]  # E_y was small, and y* a long way off, where A is tiny


def made(kind, seed):
    """A synthetic problem of condition 1e4; logistic regression on rare features, one penalty each: A near singular."""
    rng = np.random.default_rng(seed)
    if kind == "synthetic":
        problem = problems.synthetic(60, 1e4, rng=rng)
        return problem, *problem.initial_point(rng)
    n, p = 60, 40
    X = (rng.random((2 * n, p)) < np.geomspace(0.3, 0.01, p)).astype(float)
    score = X @ rng.standard_normal(p)
    X, labels = X[:, X[:n].any(axis=0)], (score > np.median(score)).astype(np.int64)
    problem = problems.logistic(X[:n], labels[:n], X[n:], labels[n:], weights="feature")
    return problem, np.zeros(problem.n_x), np.zeros(problem.n_y), np.zeros(problem.n_y)


def matrix(problem, x, y):
    A = problem.hessian(x, y)
    return np.stack([A.matvec(e) for e in np.eye(y.size)])


def phi_of(problem, x, y):
    """φ(x), by Newton's method from y with A in full."""
    for _ in range(50):
        g = problem.lower_grad_y(x, y)
        d, t = np.linalg.solve(matrix(problem, x, y), g), 1.0
        if d @ g <= 1e-24:
            break
        while t > 1e-4 and np.linalg.norm(problem.lower_grad_y(x, y - t * d)) > (1 - 1e-4 * t) * np.linalg.norm(g):
            t /= 2
        y = y - t * d
    return float(problem.value(x, y))


def steps_of(problem, x, y, maxiter, **options):
    """(state, φ at its x) after each iteration."""
    seen = []
    run(problem, x, y, tol=0.0, maxiter=maxiter, callback=seen.append, **options)
    return [(state, phi_of(problem, state.x, state.y)) for state in seen]


KNOWN = LEARNED_LATE + FAR_AWAY
CASES = [(kind, seed) for kind in ("synthetic", "sparse") for seed in range(30 if kind == "sparse" else 6)]


@pytest.mark.parametrize("kind, seed", KNOWN + sampled([case for case in CASES if case not in KNOWN], 6))
def test_no_step_is_accepted_that_raises_phi(kind, seed):
    problem, x, y, v0 = made(kind, seed)
    steps, looked = steps_of(problem, x, y, 20, memory=20 if kind == "synthetic" else 100, v0=v0), 0
    for (_, before), (state, phi) in pairwise(steps):
        if state.accepted and -state.predicted > 1e-11 * max(1.0, abs(phi)):
            looked += 1
            assert phi < before, (state.k, state.ratio, before - phi, state.predicted)
    assert looked >= 7


@pytest.mark.parametrize("name", ["synthetic", "ridge", "cleaning", "logistic", "matrix-free"])
def test_phi_is_wrong_by_no_more_than_it_says_where_h_has_seen_all_of_a(name):
    problem, x, y = ready(name)
    for state, phi in steps_of(problem, x, y, 8):
        assert abs(state.phi - phi) <= 3 * state.error_phi + 1e-12 * abs(phi), state.k


def test_what_is_learned_elsewhere_mends_the_value_at_x_before_it_is_compared():
    """Where H has learned at x + s that φ̂ at x was wrong, it is put right and x stays."""
    problem, x, y, v0 = made(*FAR_AWAY[0])
    steps = steps_of(problem, x, y, 6, v0=v0)
    (last, phi), (state, same) = next((a, b) for a, b in pairwise(steps) if not b[0].accepted and a[0].phi != b[0].phi)
    assert phi == pytest.approx(same, rel=1e-9)
    assert abs(state.phi - phi) < 0.2 * abs(last.phi - phi)


def test_where_the_step_beyond_y_leaves_much_the_error_is_taken_to_be_farther():
    state = next(s for s, _ in steps_of(*made(*FAR_AWAY[0])[:3], 8) if s.accepted and s.gains.left > 0.3)
    farther = state.energy_y / (1 - state.gains.left)
    assert state.error_phi == pytest.approx(farther * (0.5 * state.gains.most * farther + state.energy_v), rel=1e-12)


def test_the_gain_along_the_error_is_between_the_curvatures_there_are():
    """For a quadratic, φ̂ along y − y* has W = f_yy: G_yy lies among the eigenvalues of W beside A."""
    problem, x, y = ready("quadratic")
    states = []
    run(problem, x, y, callback=states.append)
    b = problem.linearize(x, y).b
    W = np.stack([problem.linearize(x, y + e).b - b for e in np.eye(y.size)])
    gains, curvatures = (
        [state.gains.moved for state in states if state.gains.moved],
        eigh(W, matrix(problem, x, y), eigvals_only=True),
    )
    assert gains
    for gain in gains:
        assert curvatures[0] * (1 - 1e-6) <= gain <= curvatures[-1] * (1 + 1e-6)
