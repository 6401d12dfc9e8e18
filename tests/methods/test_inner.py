"""The short way of a step: the bits, the exceptions and the copies of the long one."""

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    CallableError,
    DivergenceError,
    LancBiO,
    LowerLevel,
    UpperLevel,
    hypergradient,
)
from lancbio_ref.methods import base, inner
from lancbio_ref.methods.inner import inner_steps
from lancbio_ref.operators import DenseOperator

N, THETA = 7, np.float64(0.1)
RNG = np.random.default_rng(3)
X, Y, C = RNG.standard_normal((3, N))
MATRIX = RNG.standard_normal((N, N))


def long_steps(*arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inner, "_is_short", lambda *_: False)
        return inner_steps(*arguments)


def problem(grad_y, cross=None):
    upper = UpperLevel(value=lambda x, y: 0.0, grad_x=lambda x, y: C, grad_y=lambda x, y: 2 * y)
    return BilevelProblem(
        upper, LowerLevel(grad_y=grad_y, hessian=lambda x, y: MATRIX, cross=cross or (lambda x, y: MATRIX))
    )


KINDS = {
    "float64": lambda y: MATRIX @ y,
    "float32": lambda y: (MATRIX @ y).astype(np.float32),
    "integers": lambda y: np.arange(N),
    "a column": lambda y: (MATRIX @ y)[:, None],
    "strided": lambda y: np.repeat(MATRIX @ y, 2)[::2],
    "a list": lambda y: list(MATRIX @ y),
    "its argument": lambda y: y,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_of_the_long_way(kind):
    some = problem(lambda x, y: KINDS[kind](y))
    assert inner._is_short(some, X, Y, THETA)
    short, long = (steps(some, X, Y, THETA, 2, None) for steps in (inner_steps, long_steps))
    for one, other in zip(short, long, strict=True):
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes()
    assert not np.shares_memory(short[1], Y)


def test_a_buffer_that_is_written_again_is_copied():
    buffer = np.empty(N)

    def grad_y(x, y):
        buffer[:] = MATRIX @ y
        return buffer

    _, gradient = inner_steps(problem(grad_y), X, Y, THETA, 3, None)
    kept = gradient.copy()
    buffer[:] = 0
    assert not np.shares_memory(gradient, buffer) and (gradient == kept).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("steps", [inner_steps, long_steps])
def test_no_number_goes_on(steps, bad):
    spoilt = problem(lambda x, y: np.where(np.arange(N) == 4, bad, 1.0))
    with pytest.raises(CallableError, match=r"lower\.grad_y, call 1: returned .* at index 4"):
        steps(spoilt, X, Y, THETA, 1, None)
    with pytest.raises(DivergenceError):
        steps(spoilt, X, np.where(np.arange(N) == 0, np.inf, 1.0), THETA, 1, None)


def test_what_is_raised_knows_where():
    calls = []

    def grad_y(x, y):
        calls.append(y.copy())
        return np.full(N, np.nan) if len(calls) == 3 else y

    with pytest.raises(CallableError, match="call 3") as caught:
        inner_steps(problem(grad_y), X, Y, THETA, 5, None)
    assert (caught.value.at[1] == calls[2]).all()


def test_a_problem_that_overrides_its_gradient_is_asked():
    class Other(BilevelProblem):
        def lower_grad_y(self, x, y):
            return np.ones(N)

    plain = problem(lambda x, y: y)
    y, gradient = inner_steps(Other(plain.upper, plain.lower), X, Y, THETA, 1, None)
    assert (gradient == 1).all() and (y == Y - THETA).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_cross_product_that_is_no_number(bad):
    point = problem(lambda x, y: y, cross=lambda x, y: DenseOperator(MATRIX)).linearize(X, Y)
    inner_matvec = point.J.inner._matvec
    h, x_next = base._short_descent(point, Y, X, 0.1)
    expected = base.difference_and_step(point.c, point.J.matvec(Y), X, 0.1)
    assert h.tobytes() == expected[0].tobytes() and x_next.tobytes() == expected[1].tobytes()
    point.J.inner._matvec = lambda v: np.where(np.arange(N) == 2, bad, inner_matvec(v))
    with pytest.raises(CallableError, match=r"lower\.cross\(x, y\) @ v, call 3: returned .* at index 2"):
        base._short_descent(point, Y, X, 0.1)


class InSingle(BilevelProblem):
    """One that computes in float32 and refuses what float32 has not, as those of JAX and PyTorch do."""

    def promoted(self, x, y):
        if any((z.astype(np.float32) != z).any() for z in (x, y)):
            raise ArgumentError("x", "float64 numbers", "those of float32")
        return x.astype(np.float32), y.astype(np.float32)


@pytest.mark.parametrize(
    "ask",
    [
        lambda p: p.linearize(X, Y),
        lambda p: p.upper_grad_y(X, Y),
        lambda p: p.lower_grad_y(X, Y),
        lambda p: p.hessian(X, Y),
        lambda p: p.cross(X, Y),
        lambda p: inner_steps(p, X, Y, THETA, 2, None),
        lambda p: hypergradient(p, X, Y),
        lambda p: LancBiO(step_x=0.1, step_y=0.1).step(p, LancBiO(step_x=0.1, step_y=0.1).init(p, X, Y, Y, RNG)),
    ],
)
def test_a_problem_decides_itself_in_which_type_it_computes(ask):
    """Two vectors of float64 are no reason not to ask it: it would round them in silence."""
    some = problem(lambda x, y: y)
    with pytest.raises(ArgumentError, match="those of float32"):
        ask(InSingle(some.upper, some.lower))


def asked_for(grad_y=None, grad_x=None, hessian=None, cross=None):
    """A problem whose callables note in which order they were asked, and the notes."""
    order = []

    def noted(name, function):
        return lambda x, y: order.append(name) or function(x, y)

    upper = UpperLevel(
        lambda x, y: 0.0,
        noted("upper.grad_x", grad_x or (lambda x, y: C * x)),
        noted("upper.grad_y", grad_y or (lambda x, y: 2 * y)),
    )
    lower = LowerLevel(
        grad_y=lambda x, y: y,
        hessian=noted("hessian", hessian or (lambda x, y: MATRIX)),
        cross=noted("cross", cross or (lambda x, y: DenseOperator(MATRIX))),
    )
    return BilevelProblem(upper, lower), order


PARTS = {
    "float64": {},
    "a float32 b": dict(grad_y=lambda x, y: y.astype(np.float32)),
    "integers": dict(grad_x=lambda x, y: np.arange(N)),
    "its argument": dict(grad_y=lambda x, y: y),
    "strided": dict(grad_x=lambda x, y: np.repeat(x, 2)[::2]),
    "a float32 A": dict(hessian=lambda x, y: MATRIX.astype(np.float32)),
    "NaN": dict(grad_y=lambda x, y: np.where(np.arange(N) == 2, np.nan, y)),
    "an infinite c": dict(grad_x=lambda x, y: np.where(np.arange(N) == 2, np.inf, x)),
    "a short c": dict(grad_x=lambda x, y: x[1:]),
    "a J of another shape": dict(cross=lambda x, y: MATRIX[1:]),
    "a complex A": dict(hessian=lambda x, y: MATRIX * 1j),
    "who writes": dict(grad_y=lambda x, y: np.add(y, 1, out=y)),
    "who divides": dict(grad_y=lambda x, y: 1 // 0),
}


@pytest.mark.parametrize("kind", PARTS)
def test_a_short_point_is_the_linearization(kind):
    """The same numbers of the same types, asked for in the same order, counted alike; or the same exception."""
    found = []
    for way in (lambda problem: inner.to_the_point(problem, X, Y, THETA, 0, None)[2], lambda p: p.linearize(X, Y)):
        problem, order = asked_for(**PARTS[kind])
        assert inner._is_plain(problem, X, Y)
        try:
            point = way(problem)
        except Exception as error:
            parts = [type(error), str(error)]
        else:
            parts = [point.dtype, *(z.dtype for z in (point.A, point.J, point.b, point.c))]
            parts += [z.tobytes() for z in (point.b, point.c, point.A.matvec(Y), point.J.matvec(Y))]
        found.append([parts, order, problem.calls])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "name", ["linearize", "hessian", "cross", "upper_grad_y", "upper_grad_x", "formation_errors", "promoted"]
)
def test_a_problem_that_overrides_a_part_of_its_point_is_asked(name):
    plain, _ = asked_for()
    override = type("Other", (BilevelProblem,), {name: lambda self, *at: getattr(BilevelProblem, name)(self, *at)})
    assert inner._is_plain(plain, X, Y) and not inner._is_plain(override(plain.upper, plain.lower), X, Y)
    setattr(plain, name, getattr(plain, name))
    assert not inner._is_plain(plain, X, Y)
