"""The steps y ← y − θ∇_y g(x, y) that a method makes at one x, and the point that they lead to.

Of short vectors a step is one call of the problem's callable and one compiled loop: the loop that moves y looks at
the gradient's entries too, which the problem would else have read once more, and the tests that are the same for all
steps are made once. The point is then asked for A, J, b and c alone: an iteration needs none of the bounds that a
linearization has ready beside them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import kernels, parallel
from ..errors import LancbioError
from ..kernels import BLOCK
from ..linearization import Linearization
from ..operators import CheckedOperator
from ..operators.base import as_owned, as_returned, require_finite
from ..operators.vectors import asked_at
from ..problem import BilevelProblem, as_floats

NAME = "lower.grad_y"  # in `BilevelProblem.calls`, and in what is raised
_OVERRIDDEN = {"linearize", "hessian", "cross", "upper_grad_y", "upper_grad_x", "formation_errors", "promoted"}
_DOUBLE = np.dtype(np.float64)


class ShortPoint(NamedTuple):
    """A, J, b and c at a point, all float64, b and c contiguous and of one block."""

    A: CheckedOperator
    J: CheckedOperator
    b: np.ndarray
    c: np.ndarray

    @property
    def dtype(self) -> np.dtype:
        return _DOUBLE


@np.errstate(under="ignore")
def to_the_point(
    problem: BilevelProblem, x: np.ndarray, y: np.ndarray, theta: np.floating, count: int, gradient: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, ShortPoint | Linearization]:
    """`count` steps: y, the last gradient, which is `gradient` where there is no step, and the point (x, y).

    What is raised on the way knows the y at which it was.
    """
    y, gradient = inner_steps(problem, x, y, theta, count, gradient)
    try:
        return y, gradient, _point(problem, x, y)
    except (LancbioError, ArithmeticError, ValueError) as error:
        locate(error, x, y)
        raise


@np.errstate(under="ignore")
def point_at(problem: BilevelProblem, x: np.ndarray, y: np.ndarray) -> ShortPoint | Linearization:
    """A, J, b and c at (x, y), and their type: of a linearization, or without one."""
    return _point(problem, x, y)


def _point(problem: BilevelProblem, x: np.ndarray, y: np.ndarray) -> ShortPoint | Linearization:
    return _short_point(problem, x, y) if _is_plain(problem, x, y) else problem.linearize(x, y)


def inner_steps(
    problem: BilevelProblem, x: np.ndarray, y: np.ndarray, theta: np.floating, count: int, gradient: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The steps of `to_the_point`."""
    short, n = _is_short(problem, x, y, theta), y.size
    if short:
        calls, function, lends, shape = problem.calls, problem.lower.grad_y, problem._lends, y.shape
    try:
        for left in range(count - 1, -1, -1):
            if not short:
                gradient = problem.lower_grad_y(x, y)
                y = parallel.step_along(y, theta, gradient)
                continue
            call = calls[NAME] = calls.get(NAME, 0) + 1
            if left:  # y moves along it, and nobody keeps it: it may be somebody else's memory
                gradient = asked_at(function, x, y, NAME, call) if lends else function(x, y)
                if not (type(gradient) is np.ndarray and gradient.dtype is _DOUBLE and gradient.shape == shape):
                    gradient = as_returned(gradient, NAME, call, n)
            else:
                gradient = as_owned(asked_at(function, x, y, NAME, call) if lends else function(x, y), NAME, call, n)
            if not (gradient.dtype is _DOUBLE and gradient.flags.carray):
                require_finite(gradient, NAME, call, at=(x, y))
                gradient = as_floats(NAME, call, gradient)
                y = parallel.step_along(y, theta, gradient)
                continue
            y_next = np.empty(n)
            if kernels.short_step(y, theta, gradient, y_next):
                require_finite(gradient, NAME, call, at=(x, y))
            y = y_next
    except (LancbioError, ArithmeticError, ValueError) as error:
        locate(error, x, y)
        raise
    return y, gradient


def _is_short(problem: BilevelProblem, x: np.ndarray, y: np.ndarray, theta: np.floating) -> bool:
    """Whether `problem.lower_grad_y` is the callable and its checks, and no more, all float64 of one block."""
    kind, plain = type(problem), BilevelProblem
    as_it_is = kind is plain or (kind.lower_grad_y is plain.lower_grad_y and kind.promoted is plain.promoted)
    as_it_is = as_it_is and "lower_grad_y" not in problem.__dict__
    double = x.dtype.char == y.dtype.char == theta.dtype.char == "d"
    return as_it_is and double and y.size <= BLOCK and y.flags.carray


def _is_plain(problem: BilevelProblem, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether `problem.linearize` asks its callables, checks what they say, and no more; x and y float64, one block."""
    if not (x.dtype.char == y.dtype.char == "d" and x.size <= BLOCK and y.size <= BLOCK):
        return False
    kind, plain = type(problem), BilevelProblem
    as_it_is = kind is plain or (
        (kind.linearize is plain.linearize and kind.formation_errors is plain.formation_errors)
        and (kind.hessian is plain.hessian and kind.cross is plain.cross and kind.promoted is plain.promoted)
        and (kind.upper_grad_y is plain.upper_grad_y and kind.upper_grad_x is plain.upper_grad_x)
    )
    return as_it_is and problem.lower.preconditioner is None and _OVERRIDDEN.isdisjoint(problem.__dict__)


def _short_point(problem: BilevelProblem, x: np.ndarray, y: np.ndarray) -> ShortPoint | Linearization:
    """A, J, b and c, asked for, counted and checked as `problem.linearize` does it."""
    lower, upper, n_x, n_y = problem.lower, problem.upper, x.size, y.size
    A = problem._operator("lower.hessian", lower.hessian, x, y, (n_y, n_y))
    J = problem._operator("lower.cross", lower.cross, x, y, (n_x, n_y))
    b = _vector(problem, "upper.grad_y", upper.grad_y, x, y, n_y)
    c = _vector(problem, "upper.grad_x", upper.grad_x, x, y, n_x)
    if not (b.dtype is c.dtype is _DOUBLE and A.dtype == J.dtype == _DOUBLE and b.flags.carray and c.flags.carray):
        return Linearization(A, J, b, c, at=(x, y))
    return ShortPoint(A, J, b, c)


def _vector(problem: BilevelProblem, name: str, function: Any, x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    """What `function` says, owned and finite."""
    call = problem.calls[name] = problem.calls.get(name, 0) + 1
    array = as_owned(asked_at(function, x, y, name, call) if problem._lends else function(x, y), name, call, size)
    if not (array.dtype is _DOUBLE and array.flags.carray and math.isfinite(kernels.sum_entries(array))):
        require_finite(array, name, call, at=(x, y))
    return array if array.dtype.char in "fd" else as_floats(name, call, array)


def locate(error: Exception, x: np.ndarray, y: np.ndarray) -> None:
    """Give `error` ``at = (x, y)`` where it does not know yet: within an iteration nobody else knows its y."""
    if not getattr(error, "at", ()):
        error.at = x, y  # type: ignore[attr-defined]
