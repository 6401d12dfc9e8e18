"""What the outer loops have in common: the state, the checks of options, the way to a point and the step from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

import numpy as np

from .. import kernels, memory, parallel
from ..arguments import as_integer, as_number
from ..errors import ArgumentError
from ..kernels import BLOCK
from ..minibatch import Sampler
from ..operators import CheckedOperator
from ..status import SolveStatus, StepStatus
from .inner import ShortPoint, to_the_point
from .steps import Steps

if TYPE_CHECKING:
    from ..divergence import Growth
    from ..problem import BilevelProblem

SCALARS = ("step_x", "step_y", "step_z", "step_v", "penalty", "difference")  # that a method multiplies vectors with


@dataclass
class State:
    """Everything that an iteration of a method computed, under its name in the mathematics.

    Attributes
    ----------
    k : int
        The iteration that is done; 0 before the first.
    x : ndarray, shape (n_x,)
        x_k, at which y, v and h were formed.
    x_next : ndarray, shape (n_x,)
        x_{k+1}.
    y : ndarray, shape (n_y,)
        y_k, after the inner steps.
    v : ndarray, shape (n_y,)
        v_k ≈ A_k⁻¹b_k.
    h : ndarray, shape (n_x,), or None before the first iteration
        h_k = c_k − J_k v_k.
    b, c : ndarray or None
        ∇_y f and ∇_x f at (x_k, y_k).
    direction_y : ndarray, shape (n_y,), or None
        What the last step of y went against: ∇_y g where it was taken from (F2SA: with its share of ∇_y f).
    status : StepStatus
    tol : float
        The run's.
    ended : (SolveStatus, str) or None
        How the run is over, and in words: set by a method that has ``ends_itself = True`` and asks more of its end than
        ‖h_k‖ ≤ tol.
    n_hvp, n_cross, n_grad, n_grad_upper : int
        Used since the start: Hessian products, cross products, gradients ∇_y g, gradients of f (b and c are one).
    sampler : Sampler or None
        Of the run's mini-batches, where ``minimize(..., batch_size=...)`` makes them; it moves on as they are drawn.
    steps : Steps or None
        What :mod:`lancbio_ref.methods.automatic` has chosen, and what its next choice needs.
    growth : Growth or None
        What the run has seen of its own growth, by which it is told apart from one that diverges; the driver's.
    """

    k: int
    x: np.ndarray
    x_next: np.ndarray
    y: np.ndarray
    v: np.ndarray
    h: np.ndarray | None = None
    b: np.ndarray | None = None
    c: np.ndarray | None = None
    direction_y: np.ndarray | None = None
    status: StepStatus = field(default=StepStatus.REGULAR)
    tol: float = 0.0
    ended: tuple[SolveStatus, str] | None = None
    n_hvp: int = 0
    n_cross: int = 0
    n_grad: int = 0
    n_grad_upper: int = 0
    sampler: Sampler | None = None
    steps: Steps | None = None
    growth: Growth | None = None

    _made_anew: ClassVar[tuple[str, ...]] = ()  # what `let_go` may forget

    def renewed(self, **changes: object) -> Self:
        """The state of the next iteration, before anything but `changes` is new: it shares the vectors of this one."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__, **changes)
        return new

    def let_go(self) -> None:
        """Forget what no later iteration asks for, before the next one makes it anew."""
        self.__dict__.update(dict.fromkeys(self._made_anew))

    def __getstate__(self) -> dict[str, Any]:
        """What a copy, or a pickle, gets: all but the memory of the run."""
        return {name: value for name, value in self.__dict__.items() if name != "_memory"}


S = TypeVar("S", bound=State)


class Method(Protocol[S]):
    """A frozen dataclass of options with these two functions."""

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> S:
        """The state before the first iteration."""

    def step(self, problem: BilevelProblem, state: S) -> S:
        """One outer iteration; may reuse the arrays of `state`."""


def ended(method: Any, state: Any, h_norm: float, start: tuple[Any, Any]) -> tuple[SolveStatus, str] | None:
    """How the run is over after this iteration; `start` are y_0 and v_0."""
    tol = state.tol
    # a single loop's h_1 says nothing: it is formed at y_0, or has v_0 in it
    untouched = state.k == 1 and (state.y is start[0] or state.v is start[1])
    if state.ended or getattr(method, "ends_itself", False) or not tol > 0 or not h_norm <= tol or untouched:
        return state.ended
    words = f"hyper-gradient norm {h_norm:.3g} <= tol = {tol:.3g} after {state.k} iterations"
    return SolveStatus.CONVERGED, words


def check_options(method: Any, *, least_inverse_steps: int = 1) -> None:
    """λ, θ, η above 0, N at least 1, and Q at least so large, as far as `method` has them."""
    for name in ("step_x", "step_y", "step_v"):
        if hasattr(method, name):
            as_number(name, getattr(method, name), above=0.0)
    for name, least in dict(inner_steps=1, inverse_steps=least_inverse_steps).items():
        if hasattr(method, name):
            as_integer(name, getattr(method, name), least=least)


def advance(problem: BilevelProblem, state: Any, step_y: float, inner_steps: int) -> tuple[Any, Any]:
    """y_k by the inner steps at x_k, and the linearization there; v is still v_{k−1}, and h of no use yet."""
    x, y, theta, gradient = state.x_next, state.y, state.y.dtype.type(step_y), state.direction_y
    y, gradient, point = to_the_point(problem, x, y, theta, inner_steps, gradient)
    new = state.renewed(
        k=state.k + 1,
        x=x,
        y=y,
        b=point.b,
        c=point.c,
        direction_y=gradient,
        status=StepStatus.REGULAR,
        n_grad=state.n_grad + inner_steps,
        n_grad_upper=state.n_grad_upper + 1,
    )
    return new, point


def decaying(step: float, k: int, decay: float) -> float:
    """step/(k + 1)^decay; 0 where the power overflows, which Python raises for."""
    try:
        return step / (k + 1) ** decay
    except OverflowError:
        return 0.0


def descend(new: Any, point: Any, step_x: float) -> Any:
    """h_k = c_k − J_k v_k and x_{k+1} = x_k − λh_k, from the v_k that `new` holds."""
    if _is_short(point, new.v, new.x):
        new.h, new.x_next = _short_descent(point, new.v, new.x, step_x)
    else:
        Jv = point.J.matvec(new.v)
        h = Jv if isinstance(point.J, CheckedOperator) else None  # what that returns is nobody else's
        new.h, new.x_next = difference_and_step(point.c, Jv, new.x, step_x, h)
    new.n_cross += 1
    return new


def _is_short(point: Any, v: np.ndarray, x: np.ndarray) -> bool:
    """Whether all is float64 of one block."""
    if type(point) is ShortPoint:
        return v.dtype.char == "d" and x.flags.carray
    c, J = point.c, point.J
    alike = c.dtype.char == x.dtype.char == v.dtype.char == "d" and J.dtype == c.dtype
    return alike and x.size <= BLOCK and c.flags.carray and x.flags.carray


def _short_descent(point: Any, v: np.ndarray, x: np.ndarray, step_x: float) -> tuple[np.ndarray, np.ndarray]:
    """h = c − J v and x − λh: the loop that forms them looks at J v too."""
    J, h, x_next = point.J, np.empty(x.size), np.empty(x.size)
    Jv = J.product(v, point.c.dtype)
    if kernels.short_descent(point.c, Jv, x, step_x, h, x_next):
        J.require_finite(Jv, v)
    return h, x_next


def difference_and_step(
    c: np.ndarray, Jv: np.ndarray, x: np.ndarray, step_x: float, h: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """h = c − J v and x − λh, from one reading of all three.   Writes `h`, if given, which may be `Jv` itself."""
    step = x.dtype.type(step_x)
    if not (c.dtype == Jv.dtype == x.dtype and all(a.flags.carray for a in (c, Jv, x))):
        h = c - Jv
        return h, x - step * h
    h = memory.empty(x.size, x.dtype) if h is None else h
    x_next = memory.empty(x.size, x.dtype)
    parallel.each(kernels.difference_and_step, x.size, c, Jv, x, step, h, x_next)
    return h, x_next


def require_representable(method: Any, dtype: np.dtype) -> None:
    """Refuse a step that the type of the run would make infinite or zero."""
    method = getattr(method, "method", method)  # the one that HalvedSteps has
    for name in SCALARS:
        value = getattr(method, name, None)
        if isinstance(value, (int, float)) and value > 0:
            with np.errstate(all="ignore"):
                number = float(dtype.type(value))
            if not 0 < number < math.inf:
                raise ArgumentError(name, repr(value), f"a number that {dtype} can hold, the type of the run")
