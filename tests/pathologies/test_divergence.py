"""Steps that are too long: an exception of this package that carries the last finite result."""

from dataclasses import replace

import numpy as np
import pytest

from lancbio_ref import CallableError, DivergenceError, LancbioError
from lancbio_ref.divergence import Growth
from lancbio_ref.methods import State
from tests.pathologies.faulty import METHODS, A, problem, run

LONG = {
    "step_x": dict(step_x=1e9),
    "step_y": dict(step_y=1e9),
    "both": dict(step_x=1e9, step_y=1e9),
    "step_x-at-once": dict(step_x=1e308),
    "step_y-at-once": dict(step_y=1e308, inner_steps=3),
}


@pytest.mark.parametrize("steps", LONG)
@pytest.mark.parametrize("method", METHODS)
def test_it_is_told_and_nothing_finished_is_lost(method, steps):
    with pytest.raises((DivergenceError, CallableError)) as caught:
        run(None, method, maxiter=2000, trace=("x", "v"), **LONG[steps])
    result = caught.value.result
    for name in ("x", "y", "v"):
        assert np.isfinite(getattr(result, name)).all(), name
    assert np.isfinite(result.trace["x"]).all() and np.isfinite(result.trace["h_norm"]).all()
    assert len(result.trace["k"]) == result.nit and not result.success
    assert f"failed after {result.nit} finished iterations" in result.message
    shorter = {**LONG[steps], "maxiter": max(result.nit, 1)}
    if result.nit and np.isfinite(result.fun):
        assert np.array_equal(run(None, method, **shorter).x, result.x)


@pytest.mark.parametrize("method", METHODS)
def test_a_callable_is_not_blamed_for_a_point_that_is_not_finite(method):
    with pytest.raises(LancbioError) as caught:
        run(None, method, maxiter=2000, step_y=1e300, inner_steps=4)
    assert isinstance(caught.value, DivergenceError)
    assert "not finite" in str(caught.value)


def test_a_callable_that_hides_the_infinity_does_not_help():
    """Clipped gradients stay finite at an infinite x; the driver looks at the iterates themselves."""
    clipped = {
        "upper.grad_x": lambda x, y: np.clip(0.1 * x, -1, 1) + 1e200,
        "lower.grad_y": lambda x, y: A @ y - np.clip(x, -1, 1).sum(),
        "upper.value": lambda x, y: 0.0,
    }
    with pytest.raises(DivergenceError, match=r"x_next is not finite at iteration 1") as caught:
        run(problem(clipped), step_x=1e300)
    assert caught.value.result.nit == 0


def test_warnings_of_numpy_do_not_stand_in_for_the_exception():
    with np.errstate(all="raise"), pytest.raises(LancbioError):
        run(maxiter=2000, step_x=1e9)


def test_what_was_before_a_small_iterate_is_not_held():
    """And what has grown is the same as if it were."""
    ones = np.ones(3)
    growth = Growth.of(State(k=0, x=ones, x_next=ones, y=ones, v=ones))
    for k, size in enumerate([1.0, 99.0, 200.0, 201.0, 1e9, 2.0], start=1):
        earlier = growth.now
        growth = growth.after(State(k=k, x=ones, x_next=ones, y=size * ones, v=ones), 1.0, {})
        assert growth.before is (earlier if size > 100 else growth.now)
        assert growth.grown() == replace(growth, before=earlier).grown() == (["y"] if size in (200.0, 1e9) else [])
