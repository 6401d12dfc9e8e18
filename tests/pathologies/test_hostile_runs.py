"""Runs of one variable at the ends of the range and of the options: only the package's own exceptions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref import LancbioError, SolveStatus, minimize, problems
from lancbio_ref.jobs.settings import OPTIONS
from lancbio_ref.methods import names
from tests.thorough import few

SIZES = (1e-300, 1e-150, 1e-20, 1.0, 1e20, 1e150, 1e300)
ENDS = {
    "lancbio": [dict(subspace=1), dict(subspace=50), dict(reorthogonalization="full", inner_steps=3)],
    "subbio": [dict(inner_steps=3)],
    "amigo-cg": [dict(inverse_steps=1), dict(inverse_steps=50)],
    "amigo-gd": [dict(inverse_steps=20)],
    "soba": [{}],
    "stocbio": [dict(inverse_steps=0), dict(inverse_steps=20)],
    "bsa": [dict(inverse_steps=1), dict(inverse_steps=30)],
    "ttsa": [dict(decay_x=0.0, decay_y=0.0), dict(decay_x=1e308, decay_y=1e308)],
    "stable": [dict(mu=1e-300), dict(mu=1e300, cross_norm=1e-300), dict(mu=1.0, momentum=1.0)],
    "f2sa": [
        dict(penalty=1e300),
        dict(penalty=1e-300, penalty_growth=1e308),
        dict(decay_x=1e308, decay_y=1e308, decay_penalty=1e308, penalty_growth=1.0),
        dict(step_z=1e300),
    ],
    "hoag": [dict(decrease="cubic"), dict(tolerance=1e-300), dict(tolerance=1e300)],
    "maid": [dict(backtracks=1), dict(tolerance=1e-300), dict(tolerance=1e20)],
    "hjfbio": [dict(radius=1e-300), dict(difference=1e-300), dict(difference=1e300), dict(radius=1e300)],
}


@pytest.mark.parametrize("method", [name for name in names() if name != "maid"])
@few(25)
@given(data=st.data())
def test_one_variable(method, data):
    it_ends(method, data)


@few(5)
@given(data=st.data())
def test_one_variable_of_maid(data):
    """Which solves hundreds of lower levels in one iteration: of thirteen methods, nine tenths of the time."""
    it_ends("maid", data)


def it_ends(method, data):
    """A run from drawn numbers refuses them in words, or ends with finite numbers and a status."""
    size, signed = st.sampled_from(SIZES), st.sampled_from((0.0, 1e-300, -1.0, 1e300))
    a, b, d, t, x, y = (data.draw(kind) for kind in (size, size, signed, signed, signed, signed))
    steps = dict(step_x=data.draw(size), step_y=data.draw(size))
    steps["step_v"] = data.draw(size)
    steps = {name: step for name, step in steps.items() if name in OPTIONS[method]}
    options = steps | data.draw(st.sampled_from(ENDS.get(method, [{}])))
    single = data.draw(st.booleans())
    with np.errstate(all="ignore"):
        start = [np.array([z], np.float32 if single else np.float64) for z in (x, y)]
    try:
        made = problems.quadratic_from_arrays([[a]], [[b]], d=[d], t=[t])
        result = minimize(
            made, *start, method=method, rng=0, maxiter=1 if method == "maid" else 4, check=data.draw(st.booleans()),
            diagnostics_every=data.draw(st.integers(0, 2)), **options,
        )  # fmt: skip
    except LancbioError:
        return
    ends = {SolveStatus.COMPLETED, SolveStatus.DIVERGING}
    if method == "recycled-newton":  # it says how it ended
        ends |= {getattr(SolveStatus, name) for name in ("CONVERGED", "FLOOR", "RADIUS", "UNBOUNDED", "NOT_CONVERGED")}
    assert result.status in ends
    assert all(np.isfinite(part).all() for part in (result.x, result.y, result.v, result.hypergradient))
    assert np.isfinite(result.fun)
