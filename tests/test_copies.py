"""Copies are whole and independent: a changed copy changes nobody else, and all of it is changed, or it says no.

A problem that was copied half goes on with the original's data in some of its callables. So the data of a copy are
changed in place, array by array: then the original must say what it said, and the derivatives of the copy must still be
those of its own functions.
"""

import copy
import multiprocessing
import pickle
import re
from functools import cached_property

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import (
    HyperObjective,
    LanczosProcess,
    Linearization,
    hypergradient,
    lanczos,
    lower_solution,
    methods,
    minimize,
    problems,
)
from lancbio_ref.minibatch import Minibatched
from lancbio_ref.operators import DenseOperator, DiagonalLowRank, GeneralizedLinear, PrescribedSpectrum, SparseOperator
from tests.test_minibatch import ALONE, RUNS

R = np.random.default_rng(3)
X, XV, T, TV = R.standard_normal((12, 3)), R.standard_normal((8, 3)), R.standard_normal(12), R.standard_normal(8)
TWO, TWO_V, THREE, THREE_V = np.arange(12) % 2, np.arange(8) % 2, np.arange(12) % 3, np.arange(8) % 3
PROBLEMS = {
    "quadratic": lambda: problems.quadratic(2, 3, rng=0),
    "quadratic from arrays": lambda: problems.quadratic_from_arrays(
        np.diag([2.0, 3]), np.eye(2), np.ones(2), np.ones(2)
    ),
    "ridge": lambda: problems.ridge(X, T, XV, TV),
    "sparse ridge": lambda: problems.ridge(sp.csr_array(X), T, sp.csr_array(XV), TV),
    "synthetic": lambda: problems.synthetic(4, 10.0, rng=0),
    "matrix-free synthetic": lambda: problems.synthetic(4, 10.0, matrix_free=True, rng=0),
    "logistic": lambda: problems.logistic(X, TWO, XV, TWO_V),
    "sparse logistic": lambda: problems.logistic(sp.csr_array(X), THREE, XV, THREE_V),
    "data_cleaning": lambda: problems.data_cleaning(X, THREE, XV, THREE_V, n_classes=3),
    "minibatched": lambda: Minibatched(problems.ridge(X, T, XV, TV), None, None),
}
TRIPS = {"deepcopy": copy.deepcopy, "pickle": lambda it: pickle.loads(pickle.dumps(it))}
try:
    import cloudpickle
except ImportError:
    pass
else:
    TRIPS["cloudpickle"] = lambda it: pickle.loads(cloudpickle.dumps(it))


def point(problem):
    r = np.random.default_rng(1)
    return 0.3 * r.standard_normal(problem.n_x), 0.3 * r.standard_normal(problem.n_y)


def numbers(problem):
    """All that a problem says at one point."""
    x, y = point(problem)
    here = problem.linearize(x, y)
    found = hypergradient(problem, x, y)
    parts = [problem.value(x, y), problem.lower_value(x, y), problem.lower_grad_y(x, y), problem.lower_grad_x(x, y)]
    parts += [here.b, here.c, problem.hessian(x, y).matvec(y), problem.cross(x, y).matvec(y), here.A.matvec(y)]
    return [*parts, here.J.matvec(y), found.value, found.error_bound, found.lower_level_bound, here.mu or 0.0]


def same(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def arrays(thing, seen=None):
    """(owner, name, array) of every array that a reader finds below `thing` under a public name, each once."""
    seen = set() if seen is None else seen
    for name, value in vars(thing).items():
        if name.startswith("_") or isinstance(getattr(type(thing), name, None), cached_property) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            yield f"{type(thing).__name__}.{name}", value
        elif sp.issparse(value):
            yield f"{type(thing).__name__}.{name}.data", value.data
        elif type(value).__module__.startswith("lancbio_ref.") and hasattr(value, "__dict__"):
            yield from arrays(value, seen)


def change(array):
    """Whether `array` could be changed in place."""
    other = np.roll(array, 1) if array.dtype.kind == "i" else 1.25 * array
    if array.flags.writeable:
        array[:] = other
        return True
    with pytest.raises(ValueError, match="read-only"):
        array[:] = other
    return False


@pytest.mark.parametrize("trip", TRIPS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_problem(name, trip):
    original = PROBLEMS[name]()
    before = numbers(original)
    again = TRIPS[trip](original)
    assert same(numbers(again), before)
    for where, array in list(arrays(again)):
        changed = change(array)
        assert same(numbers(original), before), where
        if not changed:
            continue
        assert not same(numbers(again), before), where
        x, y = point(again)
        assert again.check(x, y, rng=0).ok, (where, str(again.check(x, y, rng=0)))
    assert original.upper.value.__self__ is not again.upper.value.__self__


@pytest.mark.parametrize("name", PROBLEMS)
def test_data_that_bounds_were_derived_from_are_read_only(name):
    for problem in (PROBLEMS[name](), *(trip(PROBLEMS[name]()) for trip in TRIPS.values())):
        matrices = [array for where, array in arrays(problem) if array.ndim == 2 or where.endswith(".data")]
        assert all(not array.flags.writeable for array in matrices)


def test_the_callers_own_array_stays_writable():
    for make in (DenseOperator, SparseOperator):
        mine = sp.csr_array(X) if make is SparseOperator else X.copy()
        make(mine)
        (mine.data if make is SparseOperator else mine)[:] = 1.0


def test_shallow_copy_of_a_problem_is_one():
    original = problems.quadratic(2, 3, rng=0)
    before, again = numbers(original), copy.copy(original)
    vars(again)["t"] = again.t + 1  # past what refuses it, to see whose data the copy's callables read
    x, y = point(again)
    assert same(numbers(original), before) and not same(numbers(again), before) and again.check(x, y, rng=0).ok
    again.value(x, y)
    assert again.calls != original.calls


@pytest.mark.parametrize("trip", [*TRIPS, "copy"])
def test_minibatched_draws_from_its_own_generator(trip):
    whole = problems.ridge(X, T, XV, TV)
    first, twin = (Minibatched(whole, upper=3, lower=4, rng=5) for _ in range(2))
    x, y = point(whole)
    first.lower_grad_y(x, y)
    twin.lower_grad_y(x, y)
    again = TRIPS.get(trip, copy.copy)(first)
    drawn = [again.lower_grad_y(x, y), again.hessian(x, y).matvec(y), again.upper_grad_y(x, y)]
    assert len(first.log) == 1 and len(again.log) == 4
    assert same(drawn, [twin.lower_grad_y(x, y), twin.hessian(x, y).matvec(y), twin.upper_grad_y(x, y)])
    assert same(drawn, [first.lower_grad_y(x, y), first.hessian(x, y).matvec(y), first.upper_grad_y(x, y)])
    replay = Minibatched(whole, upper=3, lower=4, replay=iter(first.log))
    for each in (TRIPS.get(trip, copy.copy)(replay), replay):
        each.lower_grad_y(x, y)
        assert same([each.lower_grad_y(x, y), each.hessian(x, y).matvec(y), each.upper_grad_y(x, y)], drawn)


@pytest.mark.parametrize("trip", [*TRIPS, "copy"])
def test_hyper_objective_goes_on_alone(trip):
    F = HyperObjective(problems.quadratic(2, 3, rng=0))
    F([1.0, 2.0])
    again, counts = TRIPS.get(trip, copy.copy)(F), F.n_hvp
    value, gradient = again([0.5, 0.5])
    assert F.n_hvp == counts and F.last.x.tolist() == [1.0, 2.0]
    mine = F([0.5, 0.5])
    assert mine[0] == value and np.array_equal(mine[1], gradient)


def words(thing):
    """What it says of itself, but for addresses in memory."""
    return re.sub("0x[0-9a-fA-F]+", "", str(thing))


@pytest.mark.parametrize("trip", TRIPS)
@pytest.mark.parametrize("method", methods.names())
def test_states_and_results(method, trip):
    kept = []
    options = dict(method=method, maxiter=3, rng=0, trace=("x",)) | (RUNS | ALONE)[method]
    result = minimize(problems.random_ridge(6, 5, 3, rng=0), np.ones(3), callback=kept.append, **options)
    for thing in (kept[-1], result):
        again, x = TRIPS[trip](thing), thing.x.copy()
        assert np.array_equal(again.x, x) and words(again) == words(thing)
        again.x[:] = 0
        again.y[:] = 0
        assert np.array_equal(thing.x, x) and thing.y.any()


@pytest.mark.parametrize("trip", TRIPS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_linearizations_and_what_is_found_at_them(name, trip):
    problem = PROBLEMS[name]()
    x, y = point(problem)
    here = problem.linearize(x, y)
    again = TRIPS[trip](here)
    found, mine = again.hypergradient(), here.hypergradient()
    assert str(found) == str(mine) == str(TRIPS[trip](mine)) and np.array_equal(found.value, mine.value)
    lower = lower_solution(problem, x, tol=1e-6)
    assert np.array_equal(TRIPS[trip](lower).y, lower.y)


@pytest.mark.parametrize("trip", TRIPS)
def test_operators(trip):
    v = np.array([1.0, -2.0, 0.5])
    made = [
        DenseOperator(X[:3]),
        SparseOperator(sp.csr_array(X[:3])),
        DiagonalLowRank([1.0, 2, 3], U=X[:3, :2], s=[1.0, -0.1]),
        GeneralizedLinear(sp.csr_array(X), TWO + 1.0, 0.5),
        PrescribedSpectrum([1.0, 2, 3], rng=0),
    ]
    for operator in made:
        again, before = TRIPS[trip](operator), operator @ v
        assert np.array_equal(again @ v, before)
        for _, array in list(arrays(again)):
            if change(array):
                matrix, adjoint = again @ np.eye(3), again.rmatvec(v)
                assert np.allclose(adjoint, matrix.T @ v)
        assert np.array_equal(operator @ v, before)
    steps = lanczos(made[0] + made[0].T, v, 2)
    assert np.array_equal(TRIPS[trip](steps).Q, steps.Q)
    assert TRIPS[trip](Linearization(np.eye(3), X[:2], v, np.ones(2))).hypergradient().value.shape == (2,)


def _elsewhere(problem):
    return hypergradient(problem, point(problem)[0]).value


def test_pool_of_spawned_processes():
    made = [PROBLEMS[name]() for name in ("quadratic", "sparse logistic", "ridge")]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert same(pool.map(_elsewhere, made), [_elsewhere(problem) for problem in made])


def test_a_process_that_was_sent_as_a_read_only_memory_map():
    """joblib hands arrays above a size to its workers so; here every array is read-only."""
    A = np.diag(np.arange(1.0, 9.0))
    for mode in ("none", "full", "selective"):
        first, twin = (LanczosProcess(np.ones(8), reorthogonalization=mode, capacity=3) for _ in range(2))
        for _ in range(2):
            first.step(A)
            twin.step(A)
        sent = copy.deepcopy(first)
        for array in (sent._alpha, sent._beta, sent._basis._q):
            array.flags.writeable = False
        before = sent._basis._q.copy()
        frozen = sent._basis._q
        for _ in range(3):
            sent.step(A)
            twin.step(A)
        assert np.array_equal(sent.alpha, twin.alpha) and np.array_equal(sent.Q, twin.Q)
        assert np.array_equal(frozen, before, equal_nan=True)
