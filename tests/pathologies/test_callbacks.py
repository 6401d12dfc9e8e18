"""Callbacks that stop, that raise, that are none; and exceptions of the caller's own, which pass through untouched."""

import numpy as np
import pytest

from lancbio_ref import ArgumentError, LancbioError, SolveStatus, hypergradient, lanczos_solve, lower_solution
from tests.pathologies.faulty import CALLABLES, METHODS, MODES, X0, Y0, A, B, operator, point, problem, run, spoiled


class OwnError(Exception):
    pass


def fails(*_):
    raise OwnError("mine")


@pytest.mark.parametrize("wrong", [3, "print", [], object()], ids=["number", "text", "list", "object"])
def test_no_callable(wrong):
    for call, arguments in (
        (lambda: run(callback=wrong), "state"),
        (lambda: lanczos_solve(A, B, callback=wrong), "xk"),
    ):
        with pytest.raises(ArgumentError) as caught:
            call()
        assert caught.value.argument == "callback" and caught.value.expected == f"a callable of {arguments} or None"


@pytest.mark.parametrize("method", METHODS)
def test_stop_iteration_ends_the_run(method):
    def stop(state):
        if state.k == 3:
            raise StopIteration

    result = run(None, method, callback=stop, maxiter=50)
    assert result.status == SolveStatus.STOPPED and result.nit == 3 and not result.success
    assert "stopped by the callback after 3 iterations" in result.message
    assert np.array_equal(result.x, run(None, method, maxiter=3).x)


def test_called_after_every_iteration_the_last_too():
    seen = []
    result = run(callback=lambda state: seen.append(state.k), maxiter=400, tol=1e-3)
    assert result.status == SolveStatus.CONVERGED and seen == list(range(1, result.nit + 1))


def test_what_it_returns_does_not_matter():
    assert np.array_equal(run(callback=lambda state: True).x, run().x)


@pytest.mark.parametrize("error", [OwnError, ZeroDivisionError, ValueError, MemoryError, SystemExit])
def test_its_own_exception_passes_through(error):
    def raises(_):
        raise error("mine")

    for call in (lambda: run(callback=raises), lambda: lanczos_solve(A, B, callback=raises)):
        with pytest.raises(error) as caught:
            call()
        assert not isinstance(caught.value, LancbioError) and caught.value.args == ("mine",)


@pytest.mark.parametrize("name", ["upper.grad_x", "upper.grad_y", "lower.grad_y", "lower.hessian", "lower.cross"])
def test_exception_of_a_callable_passes_through(name):
    for call in (
        lambda: run(problem({name: fails})),
        lambda: hypergradient(problem({name: fails}), X0, lower_tol=1e-6),
    ):
        with pytest.raises(OwnError, match="mine"):
            call()


@pytest.mark.parametrize("mode", MODES)
def test_exception_of_a_product_passes_through(mode):
    broken = operator(spoiled(lambda v: A @ v, 3, fails))
    with pytest.raises(OwnError, match="mine"):
        lanczos_solve(broken, B, rtol=1e-12, reorthogonalization=mode)


def test_stop_iteration_out_of_a_callable_is_not_taken_for_the_callbacks():
    exhausted = iter(())
    with pytest.raises(StopIteration):
        run(problem({"lower.grad_y": lambda x, y: next(exhausted)}))


def test_exception_of_the_inverse_passes_through():
    with pytest.raises(OwnError, match="mine"):
        point().hypergradient(inverse=lambda linearization, v0, *, rtol, maxiter: fails())


@pytest.mark.parametrize("mode", MODES)
def test_iterates_that_a_callback_spoils_are_its_own(mode):
    def spoil(xk):
        xk[:] = np.nan

    x, info = lanczos_solve(A, B, callback=spoil, rtol=1e-10, reorthogonalization=mode)
    assert info == 0 and np.array_equal(x, lanczos_solve(A, B, rtol=1e-10, reorthogonalization=mode)[0])


def test_lower_solution_at_the_limit_of_its_steps_says_so():
    found = lower_solution(
        problem({"lower.grad_y": lambda x, y: CALLABLES["lower.grad_y"](x, y) + y**3}), X0, Y0, tol=0.0, maxiter=1
    )
    assert found.status == SolveStatus.NOT_CONVERGED and found.n_iter == 1
