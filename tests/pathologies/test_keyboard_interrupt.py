"""Ctrl-C at any moment of `minimize`: the last finished iteration comes back, as a shorter run would have left it."""

import contextlib
import os
import signal
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from lancbio_ref import SolveStatus, lanczos_solve
from lancbio_ref import minimize as minimize_function
from tests.interrupt import interruptible
from tests.pathologies.faulty import CALLABLES, METHODS, X0, Y0, A, B, J, operator, problem, run

REPOSITORY = Path(__file__).parents[2]
EXACT_COLUMNS = ("k", "h_norm", "n_hvp", "n_cross", "n_grad", "n_grad_upper", "status", "x", "v")


def interrupts(function, call: int):
    """`function`, with Ctrl-C during its `call`-th call."""
    count = 0

    def answer(*arguments):
        nonlocal count
        count += 1
        if count == call:
            raise KeyboardInterrupt
        return function(*arguments)

    return answer


def assert_is_a_shorter_run(result, method, **changes):
    """Bit for bit what `maxiter = result.nit` gives."""
    assert result.status == SolveStatus.INTERRUPTED and not result.success
    assert f"interrupted after {result.nit} finished iterations" in result.message
    if result.nit == 0:
        assert np.array_equal(result.x, X0) and np.array_equal(result.y, Y0) and not result.v.any()
        assert result.hypergradient is None and result.trace["k"].size == 0
        return
    clean = run(None, method, maxiter=result.nit, trace=("x", "v"), **changes)
    for name in ("x", "y", "v", "hypergradient", "n_hvp", "n_cross", "n_grad", "n_grad_upper"):
        assert np.array_equal(getattr(result, name), getattr(clean, name)), name
    for name in EXACT_COLUMNS:
        assert np.array_equal(result.trace[name], clean.trace[name]), name
    assert len(result.trace["seconds"]) == result.nit


@pytest.mark.parametrize("call", [1, 2, 5])
@pytest.mark.parametrize("name", ["upper.grad_x", "upper.grad_y", "lower.grad_y", "lower.hessian", "lower.cross"])
@pytest.mark.parametrize("method", METHODS)
def test_inside_a_callable(method, name, call):
    result = run(problem({name: interrupts(CALLABLES[name], call)}), method, maxiter=8, trace=("x", "v"))
    assert result.nit == call - 1
    assert np.isfinite(result.fun)
    assert_is_a_shorter_run(result, method)


@pytest.mark.parametrize("call", [1, 4, 9])
@pytest.mark.parametrize("name", ["lower.hessian", "lower.cross"])
@pytest.mark.parametrize("method", METHODS)
def test_inside_a_product(method, name, call):
    matrix = {"lower.hessian": A, "lower.cross": -J}[name]
    product = operator(interrupts(lambda v: matrix @ v, call), shape=matrix.shape)
    result = run(problem({name: lambda x, y: product}), method, maxiter=20, trace=("x", "v"))
    assert 0 <= result.nit < call
    reference = {name: lambda x, y: operator(lambda v: matrix @ v, shape=matrix.shape)}
    clean = run(problem(reference), method, maxiter=max(result.nit, 1))
    assert result.nit == 0 or np.array_equal(result.x, clean.x)
    assert result.status == SolveStatus.INTERRUPTED and len(result.trace["k"]) == result.nit


@pytest.mark.parametrize("call", [1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_inside_the_callback_that_iteration_is_finished(method, call):
    result = run(None, method, callback=interrupts(lambda state: None, call), trace=("x", "v"))
    assert result.nit == call
    assert_is_a_shorter_run(result, method)


@pytest.mark.parametrize("call", [1, 3])
def test_inside_the_diagnostics_that_iteration_is_finished(call):
    result = run(
        problem({"upper.value": interrupts(CALLABLES["upper.value"], call)}), diagnostics_every=1, trace=("x", "v")
    )
    assert result.nit == call and len(result.trace.diagnostics["k"]) == call - 1
    assert_is_a_shorter_run(result, "lancbio")


def test_while_the_last_value_is_evaluated():
    result = run(problem({"upper.value": interrupts(CALLABLES["upper.value"], 1)}), trace=("x", "v"))
    assert result.nit == 5 and np.isfinite(result.fun)
    assert_is_a_shorter_run(result, "lancbio")


def test_twice_leaves_the_value_out_and_says_so():
    def impatient(x, y):
        raise KeyboardInterrupt

    result = run(problem({"upper.value": impatient}), trace=("x", "v"))
    assert result.nit == 5 and np.isnan(result.fun)
    assert "f(x, y) was not evaluated (KeyboardInterrupt)" in result.message
    assert_is_a_shorter_run(result, "lancbio")


@contextlib.contextmanager
def interrupt_at_line(number: int, files: tuple[str, ...]):
    """KeyboardInterrupt at the `number`-th line executed within the loop of minimize, in these files of the package."""
    count, armed = 0, False

    def local(frame, event, argument):
        nonlocal count
        if event == "line" and armed:
            count += 1
            if count == number:
                raise KeyboardInterrupt
        return local

    def trace(frame, event, argument):
        nonlocal armed
        name = frame.f_code.co_filename.replace(os.sep, "/")
        if frame.f_code.co_name == "take":  # from here on the loop runs
            armed = True
        if frame.f_code.co_name == "result" and count < number:
            armed = False  # the run is over
        return local if name.endswith(files) else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("method", METHODS)
def test_between_any_two_lines(method):
    files = (
        "lancbio_ref/minimize.py",
        "lancbio_ref/run.py",
        "lancbio_ref/trace.py",
        f"lancbio_ref/methods/{method}.py",
    )
    finished = set()
    for number in range(1, 2000):
        with interrupt_at_line(number, files):
            result = run(None, method, maxiter=3, trace=("x", "v"))
        if result.status == SolveStatus.COMPLETED:
            break
        finished.add(result.nit)
        assert_is_a_shorter_run(result, method)
    assert number > 100 and finished == {0, 1, 2, 3}


def test_error_settings_are_given_back():
    """Whatever is set when Ctrl-C comes, as on the way out of an np.errstate, the caller goes on with its own."""

    def callback(state):
        np.seterr(all="ignore")
        raise KeyboardInterrupt

    with np.errstate(divide="raise", invalid="warn"):
        before = np.geterr()
        result = run(None, "subbio", maxiter=3, callback=callback)
        assert result.status == SolveStatus.INTERRUPTED and np.geterr() == before


def test_the_result_continues_the_run():
    """SubBiO's state is (x, y, v): an interrupted run and its continuation are the uninterrupted one."""
    first = run(None, "subbio", maxiter=8, callback=interrupts(lambda state: None, 3))
    rest = minimize_function(problem(), first.x, first.y, v0=first.v, maxiter=5, **METHODS["subbio"])
    whole = run(None, "subbio", maxiter=8)
    assert np.array_equal(rest.x, whole.x) and np.array_equal(rest.v, whole.v)


def test_elsewhere_it_passes_through():
    with pytest.raises(KeyboardInterrupt):
        lanczos_solve(operator(interrupts(lambda v: A @ v, 3)), B, rtol=1e-12)


@pytest.mark.skipif(os.name == "nt", reason="SIGINT is sent in another way on Windows")
def test_a_real_signal():
    script = textwrap.dedent(
        """
        import numpy as np
        from lancbio_ref import minimize
        from tests.pathologies.faulty import METHODS, X0, Y0, problem

        def tell(state):
            if state.k == 3:
                print("ready", flush=True)

        result = minimize(problem(), X0, Y0, maxiter=10**9, callback=tell, **METHODS["lancbio"])
        again = minimize(problem(), X0, Y0, maxiter=result.nit, **METHODS["lancbio"])
        print(result.status, result.nit >= 3, np.array_equal(result.x, again.x), np.array_equal(result.v, again.v))
        """
    )
    with interruptible([sys.executable, "-c", script], cwd=REPOSITORY) as child:
        assert child.stdout.readline() == "ready\n", child.stderr.read()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert out == "INTERRUPTED True True True\n", err
    assert child.returncode == 0
