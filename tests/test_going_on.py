"""A run that is gone on from is the run that never stopped, to the bit: in memory, pickled, and from a file."""

import json
import logging
import pickle
import zipfile

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    BilevelResult,
    CallableError,
    DivergenceError,
    LowerLevel,
    SolveStatus,
    Trace,
    UpperLevel,
    methods,
    minimize,
    problems,
)
from lancbio_ref.methods import LancBiO
from lancbio_ref.saving import TEXT
from tests.pathologies.faulty import CALLABLES, METHODS, X0, Y0, problem, run, spoiled
from tests.test_minibatch import ALONE, RUNS

STEPS = dict(step_x=0.1, step_y=0.1)
WHOLE = problems.random_ridge(12, 9, 3, rng=0)


def saved(result, tmp_path):
    result.save(tmp_path / "run.npz")
    return BilevelResult.load(tmp_path / "run.npz")


TRIPS = {
    "memory": lambda result, tmp_path: result,
    "pickle": lambda result, tmp_path: pickle.loads(pickle.dumps(result)),
    "file": saved,
}


def same(first, second, rest):
    """Whether two runs after one another, and what was traced of them, are one."""
    for name in ("x", "y", "v", "hypergradient"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    counts = ("nit", "n_hvp", "n_cross", "n_grad", "n_grad_upper", "fun")
    assert all(getattr(first, name) == getattr(second, name) for name in counts)
    for name in set(second.trace.columns) - {"seconds"}:
        assert np.array_equal(second.trace[name], first.trace[name][-rest:]), name
    return True


@pytest.mark.parametrize("trip", TRIPS)
@pytest.mark.parametrize(
    "method, batch_size",
    [*((name, None) for name in methods.names()), *((name, (4, 5)) for name in RUNS)],
    ids=lambda value: value if isinstance(value, str) else "whole" if value is None else "batches",
)
def test_as_if_it_had_never_stopped(method, batch_size, trip, tmp_path):
    options = dict(method=method, batch_size=batch_size, trace=("x", "v")) | (RUNS | ALONE)[method]
    x0 = np.full(3, 0.1)
    whole, start = (minimize(WHOLE, x0, x0, maxiter=maxiter, rng=1, **options) for maxiter in (7, 3))
    start = TRIPS[trip](start, tmp_path)
    for _ in range(2):  # the state is not changed: it may be gone on from again
        more = minimize(WHOLE, state=start.state, maxiter=4, **options)
        assert same(whole, more, 4)
    drawn = [*start.batches, *more.batches]
    assert [d[:3] for d in drawn] == [d[:3] for d in whole.batches] and bool(drawn) == bool(batch_size)
    assert all(np.array_equal(a.indices, b.indices) for a, b in zip(drawn, whole.batches, strict=True))


CUT = (SolveStatus.NOT_CONVERGED, SolveStatus.COMPLETED, SolveStatus.DIVERGING)


def in_pieces(made, k, maxiter, trip, tmp_path, start, **options):
    """A run of at most `maxiter` iterations, cut after every `k`, until one has another reason to end than the cut."""
    result = minimize(made, *start, maxiter=k, **options)
    while result.nit < maxiter and result.status in CUT:
        assert result.status != SolveStatus.DIVERGING or options["method"] != "recycled-newton"  # which has no step
        state = TRIPS[trip](result, tmp_path).state
        result = minimize(made, state=state, maxiter=min(k, maxiter - result.nit), **options)
    return result


def outcome(made, *arguments, cut, **options):
    """x, y, v, h, counts, status, and the words of what ended it; of an exception its words."""
    try:
        result = (in_pieces if cut else minimize)(made, *arguments, **options)
    except (DivergenceError, CallableError) as error:
        return str(error), error.result.nit, error.result.x.tobytes()
    words = result.message if result.status in (SolveStatus.UNBOUNDED, SolveStatus.CONVERGED) else ""
    arrays = tuple(getattr(result, name).tobytes() for name in ("x", "y", "v", "hypergradient"))
    return result.status, words, result.nit, result.n_hvp, result.n_grad, arrays


LONG = dict.fromkeys(("step_x", "step_y", "step_z", "step_v"), 1e3)  # all grow, or fall into what cannot be evaluated


@pytest.mark.parametrize("steps", ["as they are", "too long"])
@pytest.mark.parametrize("method", methods.names())
def test_a_run_that_is_cut_ends_as_one_that_is_not(method, steps, tmp_path):
    known = (RUNS | ALONE)[method]
    if steps == "too long":
        known = known | {name: value for name, value in LONG.items() if name in known}
    x0 = np.full(3, 0.1)
    options = dict(method=method, rng=1, **known)
    whole = outcome(WHOLE, x0, x0, cut=False, maxiter=24, **options)
    for k, trip in ((1, "memory"), (5, "file")):
        assert outcome(WHOLE, k, 24, trip, tmp_path, (x0, x0), cut=True, **options) == whole, (k, trip)


def grows(n=2):
    """φ = −10 Σ exp(x_i/10), refused beyond |x_i| = 300: ‖h‖ grows from step to step, and no step is to blame."""

    def e(y):
        if (np.abs(y) > 300).any():
            raise ArgumentError("y", float(np.abs(y).max()), "numbers whose exponential is one")
        return np.exp(y / 10)

    upper = UpperLevel(lambda x, y: -10 * float(e(y).sum()), lambda x, y: 0 * x, lambda x, y: -e(y))
    lower = LowerLevel(
        grad_y=lambda x, y: 2 * (y - x), hessian=lambda x, y: 2 * np.eye(n), cross=lambda x, y: -2 * np.eye(n), mu=2.0
    )
    return BilevelProblem(upper, lower)


@pytest.mark.parametrize("bounds", [None, (-7.0, 120.0)], ids=["free", "bounds"])
@pytest.mark.parametrize("k", range(1, 12))
def test_a_run_to_where_nothing_is_ends_there_in_pieces_too(k, bounds, tmp_path):
    options = dict(method="recycled-newton", tol=1e-6, bounds=bounds)
    whole = outcome(grows(), np.zeros(2), np.zeros(2), cut=False, maxiter=60, **options)
    assert whole[0] is (SolveStatus.UNBOUNDED if bounds is None else SolveStatus.CONVERGED)
    trip = list(TRIPS)[k % 3]
    assert outcome(grows(), k, 60, trip, tmp_path, (np.zeros(2), np.zeros(2)), cut=True, **options) == whole


@pytest.mark.parametrize("cut", [1, 7, 19])
def test_growth_counts_from_the_start_of_the_whole_run(cut, tmp_path):
    """θ = 3 is too long; what a last piece of one iteration sees by itself is no growth at all."""
    made, options = problems.quadratic(4, 5, rng=0), dict(step_x=1e-6, step_y=3.0)
    whole = minimize(made, np.ones(4), np.ones(5), maxiter=20, **options)
    first = saved(minimize(made, np.ones(4), np.ones(5), maxiter=cut, **options), tmp_path)
    rest = minimize(made, state=first.state, maxiter=20 - cut, **options)
    assert whole.status == rest.status == SolveStatus.DIVERGING
    assert rest.message.partition(", but ")[2] == whole.message.partition(", but ")[2]


def test_all_of_a_result_is_in_its_file(tmp_path):
    result = run(trace=("T", "Q", "status", "process"), diagnostics_every=2, check=True, maxiter=6)
    again = saved(result, tmp_path)
    assert str(again) == str(result) and again.status is result.status and again.success == result.success
    assert str(again.check) == str(result.check) and str(again.check.hypergradient) == str(result.check.hypergradient)
    assert again.trace.columns == result.trace.columns and len(again.trace) == 6
    for name in set(result.trace.columns) - {"process"}:
        mine, theirs = result.trace[name], again.trace[name]
        assert mine.dtype == theirs.dtype and all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True)), name
    assert np.array_equal(again.trace.diagnostics["fun"], result.trace.diagnostics["fun"])
    assert not zipfile.ZipFile(tmp_path / "run.npz").testzip()
    for name, array in np.load(tmp_path / "run.npz", allow_pickle=False).items():
        assert not array.dtype.hasobject, name
    infinite = run(maxiter=1)
    infinite.fun = np.inf
    assert saved(infinite, tmp_path).fun == np.inf


def test_only_what_was_computed_is_written(tmp_path):
    result = run(maxiter=1, subspace=4)
    assert result.state.process.capacity > 1
    rows = saved(result, tmp_path).state.process._basis._q
    assert not rows[2:].any()


def test_what_is_not_the_packages_is_refused(tmp_path):
    result = run(maxiter=1)
    result.trace = Trace(("k", "own"))
    result.trace.append(k=1, own=object())
    with pytest.raises(ArgumentError, match="or pickle"):
        result.save(tmp_path / "run.npz")
    with pytest.raises(ArgumentError, match="can be written"):
        run(maxiter=1).save(tmp_path / "nowhere" / "run.npz")
    assert not list(tmp_path.iterdir())


def damaged(document):
    """Documents that say something else than was saved."""
    yield "[]"
    yield document[:-20]
    yield document.replace('"version": 1', '"version": 2')
    yield document.replace("LancBiOState", "Popen")
    yield document.replace("LancBiOState", "BilevelProblem")
    yield document.replace('"array": "a0"', '"array": "a99"')
    yield document.replace('"enum": "SolveStatus"', '"enum": "os"')
    yield document.replace('"value": 6', '"value": 66')
    yield '{"list": [' * 10_000


def test_strangers_files(tmp_path):
    run(maxiter=1).save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz") as file:
        arrays = dict(file)
    document = str(arrays[TEXT][()])
    for other in damaged(document):
        assert other != document
        np.savez(tmp_path / "other.npz", **{**arrays, TEXT: np.array(other)})
        with pytest.raises(ArgumentError, match=r"other\.npz: found"):
            BilevelResult.load(tmp_path / "other.npz")
    np.savez(tmp_path / "other.npz", **{**arrays, TEXT: np.array([{}], object)})
    for path in ("other.npz", "none.npz"):
        with pytest.raises(ArgumentError, match=r"\.npz.*: found"):
            BilevelResult.load(tmp_path / path)
    with pytest.raises(ArgumentError, match="larger limit="):
        BilevelResult.load(tmp_path / "run.npz", limit=1000)
    assert json.loads(document)["is"] == "BilevelResult"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("x0", dict(x0=X0)),
        ("y0", dict(y0=Y0)),
        ("v0", dict(v0=Y0)),
        ("state", dict(method="subbio", step_v=0.1)),
        ("state", dict(state=3)),
        ("state", dict(problem=problems.quadratic(2, 3, rng=0))),
    ],
    ids=lambda part: str(part)[:20],
)
def test_a_state_that_does_not_fit(name, changes):
    given = dict(problem=problem(), state=run(maxiter=1).state, **STEPS) | changes
    with pytest.raises(ArgumentError) as caught:
        minimize(**given)
    assert caught.value.argument in (name, "x0")


def test_a_state_that_an_unfinished_iteration_has_written_into_is_not_given():
    for method in METHODS:
        broken = problem({"lower.cross": spoiled(CALLABLES["lower.cross"], 3, np.nan)})
        with pytest.raises(CallableError) as caught:
            run(broken, method, rng=0)
        state = caught.value.result.state
        if method == "lancbio" or state is None:
            assert state is None
        else:
            options = {**METHODS[method], "maxiter": 5 - state.k}
            assert same(run(None, method, rng=0), minimize(problem(), state=state, **options), 5 - state.k)


class OwnError(Exception):
    pass


@pytest.mark.parametrize("name", sorted(CALLABLES.keys() - {"lower.value", "lower.grad_x", "upper.value"}))
@pytest.mark.parametrize("error", [OwnError, ZeroDivisionError, RuntimeError, MemoryError, KeyError])
def test_any_exception_carries_the_result(name, error):
    def fails(*_):
        raise error("mine")

    with pytest.raises(error) as caught:
        run(problem({name: spoiled(CALLABLES[name], 3, fails)}))
    result = caught.value.result
    assert result.nit == 2 and result.status == SolveStatus.NOT_CONVERGED and len(result.trace) == 2
    assert np.array_equal(result.x, run(maxiter=2).x) and "mine" in result.message


def test_an_exception_of_the_callback_leaves_a_state_to_go_on_from():
    def fails(state):
        if state.k == 3:
            raise OwnError

    with pytest.raises(OwnError) as caught:
        run(callback=fails, maxiter=7)
    options = {**METHODS["lancbio"], "maxiter": 4}
    assert same(run(maxiter=7), minimize(problem(), state=caught.value.result.state, **options), 4)


def test_an_exception_that_takes_no_attributes_passes_all_the_same():
    class Closed(Exception):
        def __setattr__(self, name, value):
            raise AttributeError(name)

    def fails(state):
        raise Closed

    with pytest.raises(Closed):
        run(callback=fails)


def test_lower_level_starts_at_zero_where_nothing_is_said():
    whole = minimize(WHOLE, np.zeros(3), maxiter=3, **STEPS)
    assert np.array_equal(whole.x, minimize(WHOLE, np.zeros(3), np.zeros(3), maxiter=3, **STEPS).x)
    single = minimize(WHOLE, np.zeros(3, np.float32), maxiter=1, method=LancBiO(**STEPS))
    assert single.x.dtype == np.float64  # that of the data
    with pytest.raises(ArgumentError, match="y0"):
        minimize(problem(n_y=None), X0, **METHODS["lancbio"])
    with pytest.raises(ArgumentError, match="x0"):
        minimize(WHOLE, **STEPS)


def test_trace_is_a_table():
    trace = run(trace=("x",), maxiter=4).trace
    assert len(trace) == 4 and [row["k"] for row in trace] == [1, 2, 3, 4] and trace[-1]["h_norm"] == trace["h_norm"][3]
    assert "x" in trace and "nothing" not in trace and len(trace[1:]) == 3 and trace[1:]["k"].tolist() == [2, 3, 4]
    assert bool(Trace(("k",)))


def test_trace_in_pandas():
    pandas = pytest.importorskip("pandas")
    trace = run(trace=("x",), maxiter=4, diagnostics_every=2).trace
    frame = pandas.DataFrame(trace)
    assert list(frame.columns) == list(trace.columns) and len(frame) == 4
    assert frame["h_norm"].tolist() == trace["h_norm"].tolist() and np.array_equal(frame["x"][1], trace["x"][1])
    assert pandas.DataFrame(trace.diagnostics)["fun"].tolist() == trace.diagnostics["fun"].tolist()


def test_lines_of_a_run(caplog, capsys):
    with caplog.at_level(logging.INFO, "lancbio_ref"):
        run(maxiter=10, verbose=5)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["iteration 5", "iteration 10"]
    caplog.clear()
    with caplog.at_level(logging.INFO, "lancbio_ref"):
        run(maxiter=20, verbose=True)
        assert len(caplog.records) == 10
        run(maxiter=20)
    assert len(caplog.records) == 10 and capsys.readouterr().err == ""
    for wrong in (-1, "often", 1.5, None):
        with pytest.raises(ArgumentError, match="verbose"):
            run(verbose=wrong)


def test_lines_where_nobody_listens_go_to_stderr(capsys, monkeypatch):
    logger = logging.getLogger("lancbio_ref")
    monkeypatch.setattr(logger, "propagate", False)
    result = run(maxiter=2, verbose=1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[1].startswith(f"iteration 2: hyper-gradient norm {result.trace['h_norm'][1]:.3e}")
    assert not logger.handlers and logger.level == logging.NOTSET


def test_a_bar_on_a_terminal(monkeypatch, capsys):
    pytest.importorskip("rich")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    run(maxiter=4, verbose=2)
    assert "hyper-gradient norm" in capsys.readouterr().err


def test_the_tree_of_a_plain_problem_is_its_arrays(tmp_path):
    result = minimize(problems.quadratic(2, 3, rng=0), [1.0, 1.0], maxiter=3, step_x=0.1, step_y=0.1)
    result.save(tmp_path / "run.npz")
    for tree in (result.tree, BilevelResult.load(tmp_path / "run.npz").tree):
        assert (tree.x == result.x).all() and (tree.y == result.y).all() and (tree.v == result.v).all()
        assert (tree.hypergradient == result.hypergradient).all()
