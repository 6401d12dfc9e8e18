"""The steps y ← y − θ∇_y g(x, y) that a method makes at one x.

Of short vectors a step is one call of the problem's callable and one compiled loop: the loop that moves y looks at
the gradient's entries too, which the problem would else have read once more, and the tests that are the same for all
steps are made once.
"""

from __future__ import annotations

import numpy as np

from .. import kernels, parallel
from ..errors import LancbioError
from ..kernels import BLOCK
from ..operators.base import as_owned, require_finite
from ..operators.vectors import asked_at
from ..problem import BilevelProblem, as_floats

NAME = "lower.grad_y"  # in `BilevelProblem.calls`, and in what is raised


@np.errstate(under="ignore")
def inner_steps(
    problem: BilevelProblem, x: np.ndarray, y: np.ndarray, theta: np.floating, count: int, gradient: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """`count` steps: y, and the last gradient, which is `gradient` where there is no step.

    What is raised on the way knows the y at which it was.
    """
    short, n = _is_short(problem, x, y, theta), y.size
    if short:
        calls, function, lends = problem.calls, problem.lower.grad_y, problem._lends
    try:
        for _ in range(count):
            if not short:
                gradient = problem.lower_grad_y(x, y)
                y = parallel.step_along(y, theta, gradient)
                continue
            call = calls[NAME] = calls.get(NAME, 0) + 1
            gradient = as_owned(asked_at(function, x, y, NAME, call) if lends else function(x, y), NAME, call, n)
            if not (gradient.dtype.char == "d" and gradient.flags.carray):
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
    kind = type(problem)
    as_it_is = kind.lower_grad_y is BilevelProblem.lower_grad_y and "lower_grad_y" not in problem.__dict__
    as_it_is = as_it_is and kind.promoted is BilevelProblem.promoted
    double = x.dtype.char == y.dtype.char == theta.dtype.char == "d"
    return as_it_is and double and y.size <= BLOCK and y.flags.carray


def locate(error: Exception, x: np.ndarray, y: np.ndarray) -> None:
    """Give `error` ``at = (x, y)`` where it does not know yet: within an iteration nobody else knows its y."""
    if not getattr(error, "at", ()):
        error.at = x, y  # type: ignore[attr-defined]
