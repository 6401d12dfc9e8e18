"""One stochastic step has the deterministic one as its mean, for every method that says so, with its noise all in.

On ridge, A depends on x alone and all gradients are affine in y; with independent batches E v and E h are then exactly
those of the whole problem. Means of N steps are compared entry by entry: |mean − truth| ≤ 6 s/√N, which fails with
probability 2e-9 an entry by the normal approximation, 2e-7 for all entries here together.
"""

import numpy as np
import pytest

from lancbio_ref import Minibatched, problems
from lancbio_ref.methods import BSA, F2SA, SOBA, TTSA, AmIGOGD, HJFBiO, StocBiO

N = 400
STEPS = dict(step_x=0.1, step_y=0.05)
SERIES = StocBiO(**STEPS, step_v=0.05, inner_steps=2, inverse_steps=3)  # four terms: the mean of Q = 4 random ones
CASES = {
    "stocbio": (SERIES, SERIES, "v"),
    "bsa": (BSA(**STEPS, step_v=0.05, inner_steps=2, inverse_steps=4), SERIES, "v"),
    "ttsa": (
        TTSA(**STEPS, step_v=0.05, inverse_steps=4, decay_x=0.0, decay_y=0.0),
        StocBiO(**STEPS, step_v=0.05, inner_steps=1, inverse_steps=3),
        "v",
    ),
    "amigo-gd": (AmIGOGD(**STEPS, step_v=0.05, inner_steps=2, inverse_steps=3),) * 2 + ("v",),
    "soba": (SOBA(**STEPS, step_v=0.05),) * 2 + ("v_next",),
    "f2sa": (F2SA(**STEPS, inner_steps=2, penalty=2.0),) * 2 + ("y",),
    "hjfbio": (HJFBiO(**STEPS, step_v=0.05),) * 2 + ("v_next",),
}


def one_step(method, problem, seed=0):
    rng = np.random.default_rng(9)
    x, y, v = (rng.standard_normal(4) for _ in range(3))
    return method.step(problem, method.init(problem, x, y, v, np.random.default_rng([7, seed])))


def samples(method, size=5):
    whole = problems.random_ridge(12, 10, 4, rng=3)
    return [one_step(method, Minibatched(whole, size, size, rng=seed), seed) for seed in range(N)]


def misses(states, truth, quantity):
    """|mean − truth|/(s/√N), entry by entry."""
    values = np.array([getattr(state, quantity) for state in states])
    error = values.std(axis=0, ddof=1) / np.sqrt(N)  # 0 in h of SOBA: neither c nor J is a mean over samples
    return np.abs(values.mean(axis=0) - getattr(truth, quantity)) / np.maximum(error, 1e-14)


@pytest.mark.parametrize("name", CASES)
def test_the_mean_step_is_the_deterministic_one(name):
    method, deterministic, quantity = CASES[name]
    states, truth = samples(method), one_step(deterministic, problems.random_ridge(12, 10, 4, rng=3))
    for wanted in (quantity, "h"):
        assert misses(states, truth, wanted).max() < 6


def test_a_bias_of_a_fifth_would_be_seen():
    method, deterministic, quantity = CASES["stocbio"]
    states, truth = samples(method), one_step(deterministic, problems.random_ridge(12, 10, 4, rng=3))
    for state in states:
        state.v = 1.2 * state.v
    assert misses(states, truth, quantity).max() > 6
