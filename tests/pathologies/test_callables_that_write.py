"""Callables, products, strategies and callbacks that write into what they get: an error that names them, no number."""

import functools

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import (
    CallableError,
    HyperObjective,
    SolveStatus,
    hypergradient,
    lanczos_solve,
    lower_solution,
    minimize,
    problems,
)
from lancbio_ref.minibatch import Minibatched
from lancbio_ref.operators import DiagonalLowRank
from lancbio_ref.operators.vectors import VectorOperator
from tests.pathologies.faulty import (
    CALLABLES,
    HESSIAN_USERS,
    METHODS,
    X0,
    Y0,
    A,
    B,
    J,
    N,
    operator,
    point,
    problem,
    run,
)

USERS = {
    "hypergradient": (hypergradient, ["upper.grad_x", "upper.grad_y", "lower.hessian", "lower.cross"]),
    "lower_solution": (lambda p, x, y: lower_solution(p, x, y, tol=1e-8), ["lower.grad_y", "lower.hessian"]),
    "HyperObjective": (lambda p, x, y: HyperObjective(p, y)(x), ["upper.value", "lower.grad_y"]),
    "check": (lambda p, x, y: p.check(x, y), list(CALLABLES)),
    **{
        f"minimize-{name}": (
            lambda p, x, y, o=options: minimize(p, x, y, maxiter=3, **o),
            ["upper.grad_y", "lower.grad_y", "lower.hessian"],
        )
        for name, options in METHODS.items()
    },
}  # fmt: skip


def writing(function, into):
    """`function`, which first doubles its argument number `into`."""

    @functools.wraps(function)
    def answer(*arguments):
        arguments[into][:] = 2 * arguments[into]
        return function(*arguments)

    return answer


@pytest.mark.parametrize("into", [0, 1], ids="xy")
@pytest.mark.parametrize("user", USERS)
def test_callables(user, into):
    call, names = USERS[user]
    for name in names:
        x, y = X0.copy(), Y0.copy()
        with pytest.raises(CallableError, match="wants to write into its argument") as caught:
            call(problem({name: writing(CALLABLES[name], into)}), x, y)
        assert caught.value.callable_name == name and isinstance(caught.value.__cause__, ValueError)
        assert np.array_equal(x, X0) and np.array_equal(y, Y0)


@pytest.mark.parametrize("entry", HESSIAN_USERS)
def test_products(entry):
    call, name = HESSIAN_USERS[entry]
    with pytest.raises(CallableError, match="wants to write") as caught:
        call(operator(writing(lambda v: A @ v, 0)))
    assert caught.value.callable_name == name


def test_products_inside_of_other_operators():
    mine = operator(writing(lambda v: A @ v, 0))
    for outer in (mine + mine, 2 * mine, DiagonalLowRank(np.ones(N), base=mine)):
        with pytest.raises(CallableError, match="wants to write"):
            lanczos_solve(outer, B)


def test_own_kinds_of_operators():
    class Mine(VectorOperator):
        def __init__(self):
            super().__init__(float, (N, N))

        def _matvec(self, v):
            v *= 2
            return v

    with pytest.raises(CallableError, match="wants to write"):
        lanczos_solve(Mine(), B)


def test_adjoints_and_preconditioners():
    adjoint = LinearOperator(J.shape, matvec=lambda v: J @ v, rmatvec=writing(lambda u: J.T @ u, 0), dtype=float)
    with pytest.raises(CallableError, match="wants to write"):
        point(J=adjoint).hypergradient()
    with pytest.raises(CallableError, match="M @ v"):
        lanczos_solve(A, B, M=operator(writing(lambda v: v, 0)))


def test_strategies():
    def strategy(what):
        def solve(linearization, v0, *, rtol, maxiter):
            array = v0 if what == "v0" else getattr(linearization, what)
            array[:] = 0
            return v0, SolveStatus.CONVERGED

        return solve

    b, v0 = B.copy(), np.ones(N)
    for what in ("b", "c", "v0"):
        with pytest.raises(CallableError, match="inverse, call 1"):
            point(b=b).hypergradient(inverse=strategy(what), v0=v0)
    assert np.array_equal(b, B) and v0.all()


@pytest.mark.parametrize("method", METHODS)
def test_callbacks(method):
    def overwrite(name):
        def callback(state):
            getattr(state, name)[...] = 0

        return callback

    for name in ("x", "x_next", "y", "v", "h") + ("Q", "alpha", "q_next") * (method == "lancbio"):
        with pytest.raises(CallableError, match="callback, call 1: returned nothing") as caught:
            run(None, method, callback=overwrite(name))
        assert caught.value.result.nit == 1
    result = run(None, method, callback=lambda state: None)
    result.x += 1  # what leaves is the caller's


def test_methods_that_a_subclass_overrides():
    class Mine(type(problem())):
        def linearize(self, x, y):
            y[:] = 0
            return super().linearize(x, y)

    given = problem()
    y = Y0.copy()
    with pytest.raises(CallableError, match=r"Mine\.linearize, call 1"):
        hypergradient(Mine(given.upper, given.lower), X0, y)
    assert np.array_equal(y, Y0)


def test_batches_of_somebody_elses_problem():
    class Mine(problems.Ridge):
        def minibatch(self, **rows):
            batch = super().minibatch(**rows)
            return Mine(batch.training, batch.t_train, batch.validation, batch.t_val)

        def _g_grad_y(self, x, y):
            y *= 1
            return super()._g_grad_y(x, y)

    whole = problems.random_ridge(8, 6, 3, rng=0)
    mine = Mine(whole.training, whole.t_train, whole.validation, whole.t_val)
    with pytest.raises(CallableError, match="wants to write"):
        Minibatched(mine, None, 4, rng=0).lower_grad_y(np.zeros(3), np.ones(3))


def test_typed_buffers_are_named_too():
    def typed(x, y):
        raise ValueError("buffer source array is read-only")  # what Cython says of `double[:]`

    with pytest.raises(CallableError, match=r"lower.grad_y, call 1.*x.copy\(\)"):
        lower_solution(problem({"lower.grad_y": typed}), X0, Y0, tol=1e-8)
