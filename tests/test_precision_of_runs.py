"""One precision at the door of `minimize`: the widest among x0, y0, v0 and the problem's own data."""

import itertools

import numpy as np
import pytest

from lancbio_ref import Minibatched, minimize, problems
from tests.pathologies.faulty import METHODS, problem

TYPES = (np.float32, np.float64)
rng = np.random.default_rng(0)
X, LABELS = rng.standard_normal((12, 3)), rng.integers(0, 2, 12)


def make(name, dtype):
    """A ready problem with data of this type."""
    data = X.astype(dtype)
    if name == "ridge":
        return problems.ridge(data, data[:, 0], data[::-1].copy(), data[:, 1])
    if name == "logistic":
        return problems.logistic(data, LABELS, data[::-1].copy(), LABELS)
    if name == "cleaning":
        return problems.data_cleaning(data, LABELS, data[::-1].copy(), LABELS, n_classes=2)
    eye = np.eye(3, dtype=dtype)
    return problems.quadratic_from_arrays(eye, eye, d=np.ones(3, dtype), t=np.ones(3, dtype))


NAMES = ("ridge", "logistic", "cleaning", "quadratic")


@pytest.mark.parametrize(
    "types", list(itertools.product(TYPES, TYPES, TYPES)), ids=lambda t: "-".join(d.__name__ for d in t)
)
@pytest.mark.parametrize("name", NAMES)
def test_all_eight_combinations(name, types):
    of_data, of_x, of_y = types
    made = make(name, of_data)
    own = getattr(made, "dtype", None)
    wanted = np.result_type(of_x, of_y, *([own] if own is not None else []))
    start = np.full(made.n_x, 0.1, of_x), np.full(made.n_y, 0.2, of_y)
    options = dict(step_x=0.1, step_y=0.1, maxiter=4, subspace=2)
    result = minimize(made, *start, **options)
    for part in (result.x, result.y, result.v, result.hypergradient):
        assert part.dtype == wanted
    promoted = minimize(made, start[0].astype(wanted), start[1].astype(wanted), **options)
    for part in ("x", "y", "v", "hypergradient"):
        assert np.array_equal(getattr(result, part), getattr(promoted, part))
    if wanted == np.float64:  # nothing is lost: a float32 in a float64 run is the number it is
        assert result.x.dtype == np.float64 and (result.x != result.x.astype(np.float32)).any()


def test_a_problem_that_says_its_type_is_never_run_in_a_narrower_one():
    made = make("cleaning", np.float64)
    assert made.dtype == np.float64
    start = np.zeros(made.n_x, np.float32), np.ones(made.n_y, np.float32)
    for batch in (None, 4):
        result = minimize(made, *start, step_x=0.1, step_y=0.1, maxiter=3, batch_size=batch, rng=0)
        assert {getattr(result, part).dtype for part in ("x", "y", "v")} == {np.dtype(np.float64)}
    result = minimize(Minibatched(made, 4, 4, rng=0), *start, step_x=0.1, step_y=0.1, maxiter=3)
    assert result.x.dtype == result.y.dtype == np.float64


@pytest.mark.parametrize("strange", [None, "float64", np.dtype(int), np.dtype(object), 3])
def test_a_dtype_that_is_none_of_ours_has_no_say(strange):
    made = problem()
    made.dtype = strange
    result = minimize(made, np.ones(3), np.zeros(12), maxiter=2, **METHODS["lancbio"])
    assert result.x.dtype == np.float64


def test_v0_counts_too():
    made = make("cleaning", np.float32)
    start = np.zeros(made.n_x, np.float32), np.ones(made.n_y, np.float32)
    result = minimize(made, *start, v0=np.ones(made.n_y), step_x=0.1, step_y=0.1, maxiter=2)
    assert result.x.dtype == np.float64
