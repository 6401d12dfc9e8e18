"""NaN or infinity out of one of the problem's callables: it is named, with the number of the call."""

import numpy as np
import pytest

from lancbio_ref import CallableError, LipschitzConstants, hypergradient, lower_solution
from tests.pathologies.faulty import CALLABLES, METHODS, X0, Y0, A, N, point, problem, run, spoiled, with_entry

GRADIENTS = ("upper.grad_x", "upper.grad_y", "lower.grad_y")
BOUNDS = ("lower.mu", "lower.smoothness", "lower.cross_norm")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("method", METHODS)
def test_gradient_in_minimize(method, name, value):
    with pytest.raises(CallableError) as caught:
        run(problem({name: spoiled(CALLABLES[name], 3, with_entry(value))}), method)
    error = caught.value
    assert (error.callable_name, error.call, error.found) == (name, 3, f"{value} at index 2")
    clean = run(None, method, maxiter=2)
    assert error.result.nit == 2 and np.array_equal(error.result.x, clean.x) and np.array_equal(error.result.y, clean.y)


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient_in_hypergradient(name):
    broken = problem(
        {name: lambda x, y: with_entry(np.nan)(CALLABLES[name](x, y))}, lipschitz=LipschitzConstants(1, 1, 0, 0)
    )
    with pytest.raises(CallableError) as caught:
        hypergradient(broken, X0, Y0, mu=0.5)
    assert (caught.value.callable_name, caught.value.call) == (name, 1)


@pytest.mark.parametrize("call", [1, 2])
def test_gradient_in_lower_solution(call):
    broken = problem({"lower.grad_y": spoiled(CALLABLES["lower.grad_y"], call, with_entry(np.nan))})
    with pytest.raises(CallableError) as caught:
        lower_solution(broken, X0, tol=1e-8)
    assert (caught.value.callable_name, caught.value.call) == ("lower.grad_y", call)


@pytest.mark.parametrize("name", ["lower.hessian", "lower.cross"])
def test_operator_with_nan_among_its_entries(name):
    with pytest.raises(CallableError) as caught:
        run(problem({name: spoiled(CALLABLES[name], 4, with_entry(np.nan, 5))}))
    assert (caught.value.callable_name, caught.value.call, caught.value.found) == (name, 4, "nan at [0, 5]")
    assert caught.value.result.nit == 3


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_value_at_the_end_of_minimize(value):
    with pytest.raises(CallableError) as caught:
        run(problem({"upper.value": lambda x, y: value}))
    assert (caught.value.callable_name, caught.value.call) == ("upper.value", 1)
    clean = run()
    assert caught.value.result.nit == 5 and np.array_equal(caught.value.result.x, clean.x)
    assert np.isnan(caught.value.result.fun)


def test_value_that_fails_does_not_hide_the_first_error():
    broken = problem(
        {
            "upper.value": lambda x, y: np.nan,
            "lower.grad_y": spoiled(CALLABLES["lower.grad_y"], 2, with_entry(np.nan)),
        }
    )
    with pytest.raises(CallableError) as caught:
        run(broken)
    assert caught.value.callable_name == "lower.grad_y" and caught.value.result.nit == 1


def test_value_in_the_diagnostics():
    broken = problem({"upper.value": spoiled(CALLABLES["upper.value"], 2, np.nan)})
    with pytest.raises(CallableError) as caught:
        run(broken, diagnostics_every=1)
    assert (caught.value.callable_name, caught.value.call, caught.value.result.nit) == ("upper.value", 2, 2)


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, "1", 1j, np.ones(1)], ids=str)
def test_bound_of_the_lower_level(name, value):
    broken = problem({name: lambda x, y: value})
    with pytest.raises(CallableError) as caught:
        hypergradient(broken, X0, Y0)
    assert (caught.value.callable_name, caught.value.call) == (name, 1)
    with pytest.raises(CallableError) as caught:
        broken.check(X0, Y0, rng=0)
    assert caught.value.callable_name == name


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0], ids=str)
def test_modulus_in_lower_solution(value):
    with pytest.raises(CallableError) as caught:
        lower_solution(problem({"lower.mu": lambda x, y: value}), X0, tol=1e-8)
    assert (caught.value.callable_name, caught.value.call) == ("lower.mu", 1)


def test_modulus_zero_is_refused_and_cross_norm_zero_is_not():
    with pytest.raises(CallableError, match=r"lower\.mu, call 1: returned 0\.0, expected a finite number > 0"):
        hypergradient(problem({"lower.mu": lambda x, y: 0.0}), X0, Y0)
    flat = problem({"lower.cross": lambda x, y: np.zeros((3, N)), "lower.cross_norm": lambda x, y: 0.0})
    assert np.isfinite(hypergradient(flat, X0, Y0, mu=0.5).error_bound)


@pytest.mark.parametrize("name", ["mu", "smoothness", "cross_norm"])
def test_lazy_bound_of_a_linearization(name):
    with pytest.raises(ValueError, match=f"{name}: found nan"):
        point(A, **{name: lambda: np.nan}).hypergradient()


@pytest.mark.parametrize(
    "name", ["upper.value", "upper.grad_x", "upper.grad_y", "lower.grad_y", "lower.value", "lower.grad_x"]
)
def test_check_names_the_callable(name):
    def broken(x, y):
        right = CALLABLES[name](x, y)
        return np.nan if np.ndim(right) == 0 else with_entry(np.nan)(right)

    with pytest.raises(CallableError) as caught:
        problem({name: broken}).check(X0, Y0, rng=0)
    assert (caught.value.callable_name, caught.value.call) == (name, 1)
