"""A run whose samples cannot be read any more, as when a disk or a cluster ceases, is gone on from to the bit."""

import numpy as np
import pytest

from lancbio_ref import minimize, problems

STEPS = dict(step_x=0.5, step_y=0.2)


@pytest.fixture
def make():
    rng = np.random.default_rng(0)
    X, t = rng.standard_normal((90, 3)), rng.integers(0, 2, 90)
    return lambda: problems.logistic([X[:40], X[40:60]], t[:60], [X[60:]], t[60:])


@pytest.mark.parametrize("method", ["lancbio", "amigo-cg"])
@pytest.mark.parametrize("call", [5, 6, 7])
def test_the_state_of_before_the_failure_is_there(make, method, call):
    expected, problem = minimize(make(), np.zeros(3), maxiter=9, method=method, **STEPS), make()
    calls, reading = [], problem.train.blocks.map

    def fails(*arguments):
        calls.append(1)
        if len(calls) > call:
            raise OSError("the disk is gone")
        return reading(*arguments)

    problem.train.blocks.map = fails
    with pytest.raises(OSError, match="the disk is gone") as caught:
        minimize(problem, np.zeros(3), maxiter=9, method=method, **STEPS)
    state = caught.value.result.state
    assert 0 < state.k == caught.value.result.nit < 9
    more = minimize(make(), state=state, maxiter=9 - state.k, method=method, **STEPS)
    assert more.x.tobytes() == expected.x.tobytes() and more.y.tobytes() == expected.y.tobytes()
