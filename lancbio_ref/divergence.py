"""Whether a run diverges, told from what was seen, and which of its steps is too long, told by trying them.

A gradient step y ← y − θ∇_y g shrinks ‖∇_y g‖, or leaves it, where θ ≤ 2/‖A‖ and g is convex, and a step
v ← v − η(A v − b) does so with ‖A v − b‖. So a norm that grows is a proof against θ or η. It is looked for from the
last iterates of the run that were still of the size of its start, with x held there: where neither grows, the length of
the steps of x is left.

An error is called a divergence on evidence only. With s = max(1, ‖start‖_∞), an iterate z that came from z′ is *grown*
where it is not finite, or ‖z‖_∞ ≥ 10⁸ s, or ‖z‖_∞ ≥ 100 s while it still moves, ‖z − z′‖_∞ ≥ ‖z‖_∞/10. What happens at
the start, or near it, is somebody else's fault.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import ArgumentError, CallableError, DivergenceError, LancbioError, RepresentationError
from .methods import F2SA, TTSA, Automatic, HalvedSteps, HJFBiO, SubBiO
from .methods.base import State, decaying
from .minibatch import Minibatched
from .parallel import dot
from .rounding import largest, norm2
from .saving import may_hold
from .status import SolveStatus

ENORMOUS = 1e8  # times the start, whatever else is known
FAR = 1e4  # times the start: worth a word; and of ‖h‖, more than a way to a distant solution makes of it
LARGE, MOVING = 100.0, 0.1  # times the start, if the last change is still this part of it
CALM = 10.0  # times the start: where nothing has gone wrong yet
TRIAL_STEPS, TRIAL_GROWTH = 50, 10.0
SHOWING = (LancbioError, ArithmeticError, ValueError)  # what comes out of code that gets a huge or infinite number


@dataclass(frozen=True)
class Iterates:
    """x, y and v at one moment of a run; references, for methods make their vectors anew."""

    x: np.ndarray
    y: np.ndarray
    v: np.ndarray

    @classmethod
    def of(cls, state: State) -> Iterates:
        """Those that the next iteration begins with; of F2SA's y and z the larger."""
        y, v, z = (getattr(state, name, None) for name in ("y_next", "v_next", "z"))
        y, v = state.y if y is None else y, state.v if v is None else v
        return cls(state.x_next, y if z is None or largest(z) <= largest(y) else z, v)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        return iter((("x", self.x), ("y", self.y), ("v", self.v)))


@dataclass(frozen=True)
class Growth:
    """What a run has seen of its own growth; its state holds it, so that a run gone on from is judged as one.

    Attributes
    ----------
    start, before, now, calm : Iterates
        At the start, at the last but one and the last finished iteration, and the last of the size of the start. What
        was before an iterate that is small is of no use: there `before` is `now`, and three vectors fewer are held.
    units : dict
        s = max(1, ‖start‖_∞) of x, y and v, by name.
    calm_k : int
        The iteration of `calm`.
    h, lower : (float, float)
        ‖h‖ of the first iteration that has a right to it and of the last; the same of the direction of y.
    """

    start: Iterates
    before: Iterates
    now: Iterates
    calm: Iterates
    units: dict[str, float]
    calm_k: int = 0
    h: tuple[float, float] = (0.0, 0.0)
    lower: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, state: State) -> Growth:
        """Before the first iteration."""
        start = Iterates.of(state)
        return cls(start, start, start, start, {name: max(1.0, largest(z)) for name, z in start})

    def after(self, state: State, h_norm: float, sizes: dict[int, float]) -> Growth:
        """What is known after iteration `state.k`; `sizes` are ‖z‖_∞ of arrays of the state, by the id of the array."""
        now, calm, calm_k, lower = Iterates.of(state), self.calm, self.calm_k, self.lower
        before, is_calm = now, True
        for name, z in now:
            size, unit = sizes[id(z)] if id(z) in sizes else largest(z), self.units[name]
            is_calm = is_calm and size <= CALM * unit
            if not size < LARGE * unit:  # else it is not grown, wherever it came from
                before = self.now
        if is_calm:
            calm, calm_k = now, state.k
        # h_1 has y_0 or v_0 in it and may be 0; h_2 a v that was made at y_0, where all steps are taken at once
        first = self.h[0] if self.h[0] > 0 and state.k > 3 else h_norm
        if state.direction_y is not None:
            size = norm2(state.direction_y)
            lower = lower[0] or size, size
        return Growth(self.start, before, now, calm, self.units, calm_k, (first, h_norm), lower)

    def is_grown(self, name: str, z: np.ndarray, before: np.ndarray) -> bool:
        """Whether z, which came from `before`, is *grown*: see the head of this file."""
        size, unit = largest(z), self.units[name]
        if size >= ENORMOUS * unit or not size < math.inf:
            return True
        return size >= LARGE * unit and largest(z - before) >= MOVING * size

    def grown(self, error: BaseException | None = None) -> list[str]:
        """The iterates that have grown, those that `error` was raised at included."""
        found = {name for name, z in self.now if self.is_grown(name, z, getattr(self.before, name))}
        for name, z in self.unfinished(error).items():
            if self.is_grown(name, z, getattr(self.now, name)):
                found.add(name)
        refused = error.argument if isinstance(error, ArgumentError) else ""
        if refused in ("x", "y") and getattr(self.now, refused) is not getattr(self.start, refused):
            found.add(refused)  # the problem does so with an iterate that nobody gave it
        return sorted(found, key="xyv".index)

    def is_lost(self, error: BaseException | None) -> bool:
        """Whether any iterate is enormous, or not finite."""
        last = dict(self.now) | self.unfinished(error)
        return any(not largest(z) < ENORMOUS * self.units[name] for name, z in last.items())

    def unfinished(self, error: BaseException | None) -> dict[str, np.ndarray]:
        """The iterates within the iteration that failed, by name, as far as the error knows them."""
        at: tuple[np.ndarray, ...] = getattr(error, "at", ())
        if len(at) == 2 and at[0].shape == self.now.x.shape and at[1].shape == self.now.y.shape:
            return dict(x=at[0], y=at[1])
        if len(at) == 1 and at[0].shape == self.now.v.shape:
            return dict(v=at[0])
        return {}

    @property
    def x_moved(self) -> bool:
        """Whether x has left the start."""
        return self.now.x is not self.start.x

    def sizes(self, last: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
        """(‖z‖₂ at the start, ‖z‖₂ now) of x, y and v; `last` are those of an unfinished iteration, by name."""
        last = dict(self.now) | last
        return {name: (norm2(z), norm2(last[name])) for name, z in self.start}

    def lasting(self) -> str:
        """What seems to have grown without bound though every number is finite, in words; empty where nothing has.

        ‖h‖ by `ENORMOUS`, or x or y where ‖h‖ or the direction of y has grown by `FAR`. Where neither has, a large
        iterate is on its way to a distant solution: 1 is no scale of a problem, and y_0 = 0 says nothing of it.
        """
        if self.h[1] >= ENORMOUS * self.h[0] > 0:
            return f"||h|| has grown from {self.h[0]:.3g} to {self.h[1]:.3g}"
        return self.far(ENORMOUS) if self.is_swollen or self.lower[1] > FAR * self.lower[0] else ""

    @property
    def is_swollen(self) -> bool:
        """Whether ‖h‖ has grown by `FAR`: steps of x that are too long by themselves show in it."""
        return self.h[1] > FAR * self.h[0]

    def far(self, factor: float = FAR) -> str:
        """Which of x and y is `factor` times as large as at the start, in words; empty where neither is."""
        far = [name for name, z in self.now if name != "v" and largest(z) >= factor * self.units[name]]
        return " and ".join(
            f"||{name}|| has grown from {norm2(getattr(self.start, name)):.3g} to {norm2(getattr(self.now, name)):.3g}"
            for name in far
        )


may_hold(Growth, Iterates)


def describe_sizes(sizes: dict[str, tuple[float, float]]) -> str:
    """In words, for a message."""
    return ", ".join(f"||{name}|| = {now:.3g} ({start:.3g} at the start)" for name, (start, now) in sizes.items())


def diverged(
    problem: Any, method: Any, growth: Growth, k: int, shown: str, last: dict[str, np.ndarray], *, x_moved: bool
) -> DivergenceError | None:
    """The exception for a run that diverges at iteration `k`, which `shown` says how; the step is found by trying.

    `last` are the iterates of the unfinished iteration, by name. None where no step has had a part in it: y and v take
    steps that do not grow, and x was not `x_moved`.
    """
    step, value, blame = too_long(problem, method, growth, x_moved)
    if not blame:
        return None
    sizes = growth.sizes(last)
    message = f"the run diverges: {shown} at iteration {k}, with {describe_sizes(sizes)}; {blame}"
    return DivergenceError(message, iteration=k, step=step, value=value, sizes=sizes)


def judged(problem: Any, method: Any, growth: Growth, k: int, error: Exception, calls: dict[str, int]) -> Exception:
    """`error` out of iteration `k` as what it is: a :class:`DivergenceError` on evidence, else itself, saying where.

    Parameters
    ----------
    problem, method
        Of the run.
    growth : Growth
    k : int
    error : Exception
    calls : dict of str to int
        The problem's call counts when the run began: an exception counts within its run.
    """
    if isinstance(error, CallableError):
        error.recount(calls.get(error.callable_name, 0))
    if grown := growth.grown(error):
        # y and v that are large may be on their way, however far that is: x is blamed for its own growth, or that of h
        x_moved = growth.x_moved and ("x" in grown or (growth.is_swollen and growth.is_lost(error)))
        shown = f"it fails ({_recounted(error, calls)})"
        if found := diverged(problem, method, growth, k, shown, growth.unfinished(error), x_moved=x_moved):
            return found
    if isinstance(error, DivergenceError):  # something infinite, of which no step is the cause
        sizes = describe_sizes(growth.sizes(growth.unfinished(error)))
        why = (
            f"{_recounted(error, calls)}, at iteration {k}, with {sizes}, and no step is to blame: rescale the problem"
        )
        return RepresentationError(why)
    if isinstance(error, LancbioError):
        counted = ", calls counted from its start" if isinstance(error, CallableError) else ""
        error.where = (
            f"at iteration {k} of the run{counted}, with {describe_sizes(growth.sizes(growth.unfinished(error)))}"
        )
    return error


def _recounted(error: Exception, calls: dict[str, int]) -> str:
    """What `error` says, the call that a :class:`DivergenceError` names in it counted within the run too."""
    text = str(error) or type(error).__name__
    named = re.match(r"(.*), call (\d+): ", text) if isinstance(error, DivergenceError) else None
    if named is None:
        return text
    return f"{named[1]}, call {int(named[2]) - calls.get(named[1], 0)}: {text[named.end() :]}"


# -- which step -------------------------------------------------------------------------------------------


def too_long(problem: Any, method: Any, growth: Growth, x_moved: bool = True) -> tuple[str | None, float | None, str]:
    """Name and value of the step that is too long, and what to say about it; by the trials at the head of this file."""
    if getattr(method, "ends_itself", False):  # it takes no step that makes phi rise, and none is anybody's choice
        return None, None, ""
    k = growth.calm_k + 1
    if isinstance(method, HalvedSteps):
        method = method.method if k < method.start else method.halved
    if isinstance(problem, Minibatched):  # batches of the same sizes, which the run's own log does not see
        problem = Minibatched(problem.full, problem.sizes["upper"], problem.sizes["lower"], rng=0)
    x, y, v = growth.calm.x, _moved(growth.calm.y), _moved(growth.calm.v)
    with suppress(*SHOWING):
        for name, field, length, start in _trials(problem, method, k, x, y, v):
            curved = _grows(field, start, length)
            if curved is None:
                continue
            if curved < 0:
                level = "the lower level has negative curvature there, and no step is short enough"
                return None, None, f"with x held, the steps with {name} grow: {level}; {SolveStatus.INDEFINITE.remedy}"
            value = getattr(method, name)
            held = "with x held, its steps grow by themselves"
            return name, value, f"{name} = {value:g} is too long ({held}): choose a smaller {name}"
    if not x_moved:
        return None, None, ""
    if isinstance(method, Automatic):
        return None, None, "halving the steps that were chosen did not help: give step_x, or try problem.check"
    if (value := getattr(method, "step_x", None)) is None:
        return None, None, "choose shorter steps"
    blame = f"step_x = {value:g} is too long: choose a smaller step_x"
    n_y, m = growth.start.y.size, getattr(getattr(method, "schedule", None), "maximum", 0)
    if 2 * m > n_y:
        blame += f", or a smaller subspace than m = {m}, more than half of R^{n_y} while A moves"
    return "step_x", value, blame


def _moved(z: np.ndarray) -> np.ndarray:
    """z a little aside: at an exact solution nothing would move."""
    return z + (1e-3 * max(1.0, largest(z)) * np.random.default_rng(0).standard_normal(z.size)).astype(z.dtype)


Trial = tuple[str, Callable[[np.ndarray], np.ndarray], float, np.ndarray]


def _trials(problem: Any, method: Any, k: int, x: np.ndarray, y: np.ndarray, v: np.ndarray) -> Iterator[Trial]:
    """(option, field, length, start) of each iteration z ← z − length · field(z) that the method makes with x held."""
    step_y, step_v = getattr(method, "step_y", None), getattr(method, "step_v", None)
    if step_y is None:
        return

    def lower(z: np.ndarray) -> np.ndarray:
        return problem.lower_grad_y(x, z)

    if isinstance(method, F2SA):
        sigma = y.dtype.type(method.penalty)
        yield "step_y", lambda z: problem.upper_grad_y(x, z) + sigma * lower(z), decaying(step_y, k, method.decay_y), y
        if method.step_z is not None:
            yield "step_z", lower, method.step_z, y
            return
    yield "step_y", lower, decaying(step_y, k, method.decay_y) if isinstance(method, TTSA) else step_y, y
    if step_v is None or isinstance(method, SubBiO):  # whose η bends a direction, and makes no step
        return
    b = problem.upper_grad_y(x, y)
    if isinstance(method, HJFBiO):
        delta = y.dtype.type(method.difference)
        yield "step_v", lambda z: (lower(y + delta * z) - lower(y - delta * z)) / (2 * delta) - b, step_v, v
    else:
        A = problem.hessian(x, y)
        yield "step_v", lambda z: A.matvec(z) - b, step_v, v


def _grows(field: Callable[[np.ndarray], np.ndarray], z: np.ndarray, length: float) -> int | None:
    """None where ‖field‖ does not grow along z ← z − length · field(z); else the sign of the curvature along it.

    Of a linear field with matrix A, d = field(z) becomes d′ = (I − length · A)d: dᵀd′ > dᵀd is a negative dᵀA d.
    """
    step, first, before, sign = z.dtype.type(length), 0.0, None, 1
    try:
        with np.errstate(all="ignore"):
            for trial in range(TRIAL_STEPS):
                d = field(z)
                size = norm2(d)
                first = size if trial == 0 else first
                if before is not None:
                    sign = -1 if dot(before / norm2(before), d) > norm2(before) else 1
                if not size <= TRIAL_GROWTH * first:
                    return sign
                z, before = z - step * d, d
    except SHOWING:
        return None if before is None else sign  # at its start nothing had moved yet
    return None
