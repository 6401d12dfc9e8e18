"""LancBiO and SubBiO against a dense transcription: relative difference ≤ 1e-10 after 80 outer iterations."""

import numpy as np
import pytest

from lancbio_ref import LancBiO, SubBiO, SubspaceSchedule, minimize
from validation.truths import transcription as reference
from validation.truths.transcription import instance

TRACE = ("x", "y", "v", "h")


def compare(trace, rows):
    for name, column in zip(TRACE, zip(*rows, strict=True), strict=True):
        theirs = np.array(column)
        error = np.linalg.norm(trace[name] - theirs, axis=1) / np.linalg.norm(theirs, axis=1)
        assert error.max() <= 1e-10, (name, error.max())


@pytest.mark.parametrize("n, condition, m", [(20, 10.0, 1), (50, 100.0, 5), (200, 1e3, 10)])
@pytest.mark.parametrize("seed", [0, 1])
def test_lancbio_with_constant_subspace(n, condition, m, seed):
    ours, theirs, (x0, y0, v0) = instance(n, condition, seed)
    steps = dict(step_x=0.05, step_y=1 / (2 * condition), inner_steps=5)
    result = minimize(ours, x0, y0, v0=v0, maxiter=80, trace=TRACE, subspace=m, **steps)
    compare(result.trace, reference.lancbio(theirs, x0, y0, v0, 80, 0.05, 1 / (2 * condition), 5, m))
    assert result.n_hvp == 80 + -(-80 // m) and result.n_grad == 400 and result.n_cross == result.n_grad_upper == 80
    np.testing.assert_array_equal(result.trace["n_hvp"], [k + -(-k // m) for k in range(1, 81)])


def test_lancbio_with_the_published_schedule():
    ours, theirs, (x0, y0, v0) = instance(100, 100.0, 3)
    method = LancBiO(0.05, 0.005, inner_steps=5, subspace=SubspaceSchedule(1, 1.3, 5, 8))
    result = minimize(ours, x0, y0, v0=v0, method=method, maxiter=80, trace=(*TRACE, "m", "restarted"))
    compare(result.trace, reference.lancbio(theirs, x0, y0, v0, 80, 0.05, 0.005, 5, 1, 1.3, 5, 8))
    assert result.trace["m"][0] == 1 and result.trace["m"][-1] == 8
    assert result.n_hvp == 80 + result.trace["restarted"].sum()


@pytest.mark.parametrize("n, condition", [(20, 10.0), (200, 1e3)])
def test_subbio(n, condition):
    ours, theirs, (x0, y0, v0) = instance(n, condition, 5)
    step_y = 1 / (2 * condition)
    method = SubBiO(step_x=0.05, step_y=step_y, step_v=step_y, inner_steps=5)
    result = minimize(ours, x0, y0, v0=v0, method=method, maxiter=80, trace=TRACE)
    compare(result.trace, reference.subbio(theirs, x0, y0, v0, 80, 0.05, step_y, step_y, 5))
    assert result.n_hvp == 240
