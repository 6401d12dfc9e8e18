"""Operators that hand out their argument or one buffer again and again, read-only and strided data: nothing leaks."""

import numpy as np
import pytest

from lancbio_ref import Linearization, certify_mu, hypergradient, lanczos, lanczos_solve, lower_solution, minimize
from tests.pathologies.faulty import (
    CALLABLES,
    HESSIAN_USERS,
    INVERSES,
    METHODS,
    MODES,
    X0,
    Y0,
    A,
    B,
    C,
    J,
    N,
    operator,
    point,
    problem,
    run,
)
from tests.thorough import sampled


def one_buffer(function):
    """`function`, with every answer in the same array."""
    buffer = np.empty(0)

    def answer(*arguments):
        nonlocal buffer
        right = np.asarray(function(*arguments))
        if buffer.shape != right.shape:
            buffer = np.empty(right.shape)
        buffer[...] = right
        return buffer

    return answer


def summary(found):
    """What an entry point found, as a list of arrays."""
    if isinstance(found, tuple):
        return [np.asarray(part) for part in found]
    names = ("alpha", "beta", "value", "v", "residual_norm", "error_bound", "y", "x", "fun", "grad_norm")
    return [np.asarray(getattr(found, name)) for name in names if hasattr(found, name)]


@pytest.mark.parametrize("entry", [name for name in HESSIAN_USERS if name != "problem.check"])
def test_same_buffer_each_time(entry):
    call, _ = HESSIAN_USERS[entry]
    clean, reused = summary(call(operator(lambda v: A @ v))), summary(call(operator(one_buffer(lambda v: A @ v))))
    assert clean and len(clean) == len(reused)
    for left, right in zip(clean, reused, strict=True):
        assert np.array_equal(left, right)


def test_same_buffer_in_the_check():
    product = operator(one_buffer(lambda v: A @ v))
    assert problem({"lower.hessian": lambda x, y: product}).check(X0, Y0, rng=0).ok


@pytest.mark.parametrize("name", ["upper.grad_x", "upper.grad_y", "lower.grad_y"])
@pytest.mark.parametrize("method", METHODS)
def test_gradients_in_one_buffer(method, name):
    reused = problem({name: one_buffer(CALLABLES[name])})
    clean, found = (
        run(None, method, trace=("x", "b", "c")),
        run(reused, method, trace=("x", "b", "c"), diagnostics_every=1),
    )
    for column in ("x", "b", "c", "h_norm"):
        assert np.array_equal(clean.trace[column], found.trace[column])
    assert reused.check(X0, Y0, rng=0).ok
    assert np.array_equal(hypergradient(reused, X0).value, hypergradient(problem(), X0).value)


@pytest.mark.parametrize("mode", MODES)
def test_operator_that_returns_its_own_argument(mode):
    itself = operator(lambda v: v)
    x, info = lanczos_solve(itself, B, rtol=1e-14, reorthogonalization=mode)
    assert info == 0 and x == pytest.approx(B, rel=1e-14)
    found = lanczos(itself, B, N, reorthogonalization=mode)
    assert found.breakdown and found.alpha == pytest.approx([1.0]) and np.linalg.norm(found.Q) == pytest.approx(1.0)


@pytest.mark.parametrize("inverse", INVERSES)
def test_inverse_of_an_operator_that_returns_its_own_argument(inverse):
    found = point(operator(lambda v: v)).hypergradient(inverse=inverse)
    assert found.success and found.v == pytest.approx(B, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_that_return_x_or_y_themselves(method):
    itself = problem({"upper.grad_x": lambda x, y: x, "upper.grad_y": lambda x, y: y, "lower.grad_y": lambda x, y: y})
    copied = problem(
        {
            "upper.grad_x": lambda x, y: x.copy(),
            "upper.grad_y": lambda x, y: y.copy(),
            "lower.grad_y": lambda x, y: y.copy(),
        }
    )
    start = np.arange(1.0, N + 1)
    results = [minimize(p, X0, start, maxiter=6, **METHODS[method]) for p in (itself, copied)]
    assert np.array_equal(results[0].x, results[1].x) and np.array_equal(results[0].y, results[1].y)


@pytest.mark.parametrize("mode", sampled(MODES, 2))
def test_strided_and_reversed_arrays(mode):
    strided, reversed_, fortran = np.repeat(B, 2)[::2], B[::-1].copy()[::-1], np.asfortranarray(A)
    expected = lanczos_solve(A, B, reorthogonalization=mode)[0]
    for b in (strided, reversed_):
        assert not b.flags.c_contiguous
        assert np.array_equal(
            lanczos_solve(A, b, b, reorthogonalization=mode)[0], lanczos_solve(A, B, B, reorthogonalization=mode)[0]
        )
        assert np.array_equal(
            lanczos(A, b, 5, reorthogonalization=mode).Q, lanczos(A, B, 5, reorthogonalization=mode).Q
        )
        assert np.array_equal(point(b=b).hypergradient(v0=b).value, point().hypergradient(v0=B).value)
    assert lanczos_solve(fortran, B, reorthogonalization=mode)[0] == pytest.approx(expected, rel=1e-10)
    assert lanczos_solve(np.kron(A, np.ones((2, 2)))[::2, ::2], B, reorthogonalization=mode)[1] == 0


@pytest.mark.parametrize("method", METHODS)
def test_strided_starts_of_minimize(method):
    x0, y0 = np.repeat(X0, 3)[::3], np.repeat(Y0 + 0.5, 2)[::2]
    found = minimize(problem(), x0, y0, v0=y0, maxiter=3, **METHODS[method])
    assert np.array_equal(found.x, minimize(problem(), X0, Y0 + 0.5, v0=Y0 + 0.5, maxiter=3, **METHODS[method]).x)


def test_inputs_are_not_written_to():
    """Whoever wrote into these would change them; the read-only module arrays of the other tests raise instead."""
    arrays = dict(A=A.copy(), J=J.copy(), b=B.copy(), c=C.copy(), x=X0.copy(), y=Y0 + 0.5, v=B * 0.1)
    before = {name: array.copy() for name, array in arrays.items()}
    a = arrays
    for mode in MODES:
        lanczos(a["A"], a["b"], 5, reorthogonalization=mode)
        lanczos_solve(a["A"], a["b"], a["v"], M=a["A"], reorthogonalization=mode)
    for inverse in INVERSES:
        Linearization(a["A"], a["J"], a["b"], a["c"], grad_y=a["v"], mu=0.5).hypergradient(inverse=inverse, v0=a["v"])
    certify_mu(a["A"], 0.5)
    lower_solution(problem(), a["x"], a["y"], tol=1e-8)
    hypergradient(problem(), a["x"], a["y"], v0=a["v"])
    problem().check(a["x"], a["y"], rng=0)
    for options in METHODS.values():
        minimize(problem(), a["x"], a["y"], v0=a["v"], maxiter=4, **options)
    for name, array in arrays.items():
        assert np.array_equal(array, before[name]), name


def test_results_are_not_the_inputs():
    """A result that was the caller's own array would change when the caller goes on working with it."""
    D = np.eye(N)
    v0, y0 = B.copy(), np.linalg.solve(A, J.T @ X0)
    found = point(D, b=B).hypergradient(v0=v0)
    solution = lower_solution(problem(), X0, y0, tol=1e-3)
    x, _ = lanczos_solve(D, B, v0)
    stopped = minimize(problem(), X0.copy(), y0, maxiter=1, **METHODS["lancbio"])
    assert not any(np.shares_memory(v0, other) for other in (found.v, found.value, x))
    assert not any(np.shares_memory(y0, other) for other in (solution.y, stopped.y))
    assert found.residual_norm == 0


def test_an_operator_may_change_its_mind_about_nothing():
    """The same operator object serves many calls: no state of one run reaches the next."""
    product = operator(one_buffer(lambda v: A @ v))
    first, second = (lanczos(product, B, 6) for _ in range(2))
    assert np.array_equal(first.Q, second.Q) and not np.shares_memory(first.Q, second.Q)
