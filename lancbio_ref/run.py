"""One run as it goes on: the state, the trace, what is safe to return, and what an exception means."""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .divergence import SHOWING, Growth, describe_sizes, diverged, judged, too_long
from .errors import ArgumentError, RepresentationError
from .final_check import FinalCheck
from .methods import Automatic, Method, State
from .minibatch import Minibatched
from .result import BilevelResult
from .rounding import largest, norm2
from .status import SolveStatus
from .trace import COLUMNS, Trace

if TYPE_CHECKING:
    from .problem import BilevelProblem

DIAGNOSTICS = ("k", "fun", "residual", "lower_grad_norm", "n_hvp", "n_grad")


@dataclass
class Finished:
    """References to what the last finished iteration made; methods make these anew, so they stay."""

    k: int
    x: np.ndarray
    y: np.ndarray
    v: np.ndarray
    h: np.ndarray | None
    formed_at: np.ndarray
    counts: tuple[int, int, int, int]

    @classmethod
    def of(cls, s: State) -> Finished:
        return cls(s.k, s.x_next, s.y, s.v, s.h, s.x, (s.n_hvp, s.n_cross, s.n_grad, s.n_grad_upper))


class Run:
    """One run: the state, the trace, and what is safe to return."""

    def __init__(
        self, problem: BilevelProblem, method: Method[Any], state: State, columns: tuple[str, ...], every: int
    ) -> None:
        self.problem, self.method, self.state, self.columns, self.every = problem, method, state, columns, every
        self.minibatched = problem if isinstance(problem, Minibatched) else None
        self.full = problem if self.minibatched is None else self.minibatched.full  # what draws nothing
        self.diagnostics = Trace(DIAGNOSTICS)
        self.passes_before = getattr(self.full, "n_passes", None)
        own = () if self.passes_before is None else ("n_passes",)
        self.chosen = method.missing if isinstance(method, Automatic) else ()
        self.trace = Trace(COLUMNS + own + columns + self.chosen, self.diagnostics if every else None)
        self.finished, self.seconds, self.h_norm = Finished.of(state), 0.0, np.inf
        self.growth = Growth.of(state) if state.growth is None else state.growth
        self.before, self.under_way = state.k, False
        self.remembered: State | None = None  # what an iteration that fails would have overwritten
        self.calls = [dict(getattr(p, "calls", {})) for p in (self.problem, self.full)]

    def take(self) -> None:
        """One iteration, and its row."""
        k, self.under_way = self.state.k + 1, True
        if self.minibatched is not None:
            self.minibatched.k = k  # for its log
        if not getattr(self.full, "in_memory", True) and _overwrites(self.state):  # a disk or a cluster may fail
            self.remembered = copy.deepcopy(self.state)
        if sys.getrefcount(self.state) <= _ALONE and _overwrites(self.state):  # nobody will see it again
            self.state.let_go()
        start = time.perf_counter()
        try:
            with np.errstate(all="ignore"):  # all that comes out is checked, and named in an exception
                state = self.method.step(self.problem, self.state)
        except SHOWING as error:
            self.fail(error, k, self.problem, self.calls[0])
        self.seconds += time.perf_counter() - start
        sizes = self._finite_sizes(state)
        assert state.h is not None  # each iteration forms it
        self.h_norm = norm2(state.h)
        growth = state.growth = self.growth.after(state, self.h_norm, sizes)
        extra = {name: copy.deepcopy(getattr(state, name)) for name in self.columns}
        if self.chosen and state.steps is not None:
            extra |= {name: state.steps.chosen[name] for name in self.chosen}
        if self.passes_before is not None:
            extra["n_passes"] = getattr(self.full, "n_passes", 0) - self.passes_before
        self.trace.append(
            k=state.k,
            h_norm=self.h_norm,
            n_hvp=state.n_hvp,
            n_cross=state.n_cross,
            n_grad=state.n_grad,
            n_grad_upper=state.n_grad_upper,
            seconds=self.seconds,
            status=int(state.status),
            **extra,
        )
        self.state, self.finished, self.growth, self.under_way = state, Finished.of(state), growth, False
        if self.every and state.k % self.every == 0:
            try:
                with np.errstate(all="ignore"):
                    self._diagnose(state)
            except SHOWING as error:
                self.fail(error, k, self.full, self.calls[1])

    def fail(self, error: Exception, k: int, problem: BilevelProblem, calls: dict[str, int]) -> NoReturn:
        """Raise `error`, which iteration `k` met, or the divergence that it shows."""
        found = judged(problem, self.method, self.growth, k, error, calls)
        if found is error:
            raise error
        raise found from error

    def _finite_sizes(self, state: State) -> dict[int, float]:
        """‖z‖_∞ of x_{k+1}, y, v and h, by the id of the array.

        :class:`DivergenceError` where one is infinite, :class:`RepresentationError` where no step is why.
        """
        sizes = {id(z): largest(z) for z in (state.x_next, state.y, state.v, state.h)}  # type: ignore[arg-type]
        if max(sizes.values()) < math.inf:
            return sizes
        h_is_finite = sizes[id(state.h)] < math.inf
        for name in ("x_next", "y", "v", "h"):
            value = getattr(state, name)
            if sizes[id(value)] < math.inf:
                continue
            shown, last = f"{name} is not finite", {} if name == "h" else {name[0]: value}
            # at the first iteration x has left the start only where λh is too long, h being finite
            x_moved = self.growth.x_moved or (name == "x_next" and h_is_finite)
            if found := diverged(self.problem, self.method, self.growth, state.k, shown, last, x_moved=x_moved):
                raise found
            described = describe_sizes(self.growth.sizes(last))
            raise RepresentationError(
                f"{shown} at iteration {state.k}, with {described}, and no step is to blame: rescale the problem"
            )
        return sizes

    def _diagnose(self, state: State) -> None:
        point = self.full.linearize(state.x, state.y)
        count = len(self.diagnostics["k"]) + 1
        self.diagnostics.append(
            k=state.k,
            fun=self.full.value(state.x, state.y),
            residual=norm2(point.A.matvec(state.v) - point.b),
            lower_grad_norm=norm2(self.full.lower_grad_y(state.x, state.y)),
            n_hvp=count,
            n_grad=count,
        )

    def value(self) -> float:
        """f at what is finished."""
        try:
            with np.errstate(all="ignore"):
                return self.full.value(self.finished.x, self.finished.y)
        except SHOWING as error:
            self.fail(error, self.finished.k, self.full, self.calls[1])

    def growing(self, status: SolveStatus, message: str) -> tuple[SolveStatus, str]:
        """Status and message, if the iterates grew beyond all bounds and yet are finite: that, and by which step."""
        words = self.growth.lasting()
        if words and (blame := too_long(self.problem, self.method, self.growth, self.growth.is_swollen)[2]):
            return SolveStatus.DIVERGING, f"{message}, but {words}: {blame}"
        if words := self.growth.far():
            message += f"; {words}"
        return status, message

    def last(self) -> tuple[Any, ...]:
        """x_K, y_K, v_K and h_K, which belong together."""
        return self.finished.formed_at, self.finished.y, self.finished.v, self.finished.h

    def value_if_possible(self) -> float:
        """The same, NaN where it fails: beside an exception, which matters more."""
        try:
            return self.value()
        except SHOWING:
            return math.nan

    def interrupted(self) -> BilevelResult:
        """What is finished, after Ctrl-C; a second one while f is evaluated leaves that out."""
        message = f"interrupted after {self.finished.k} finished iterations"
        try:
            return self.result(SolveStatus.INTERRUPTED, message, self.value())
        except (KeyboardInterrupt, *SHOWING) as error:
            without = f"{message}; f(x, y) was not evaluated ({type(error).__name__})"
            return self.result(SolveStatus.INTERRUPTED, without, math.nan)

    def result(self, status: SolveStatus, message: str, fun: float, check: FinalCheck | None = None) -> BilevelResult:
        done = self.finished
        self.trace.truncate(done.k - self.before)  # an interrupt may fall between a row and its iteration's end
        return BilevelResult(
            done.x,
            done.y,
            done.v,
            fun,
            done.h,
            done.k,
            *done.counts,
            status,
            f"{status.name}: {message}",
            self.trace,
            [] if self.minibatched is None else [draw for draw in self.minibatched.log if draw.k <= done.k],
            check,
            self.remembered if self.under_way and _overwrites(self.state) else self.state,
            self.full.structures,
        )


class _Holder:
    def __init__(self) -> None:
        self.state = object()

    def references(self) -> int:
        return sys.getrefcount(self.state)


_ALONE = _Holder().references()  # to a state that only its run holds


def _overwrites(state: State) -> bool:
    """Whether an iteration writes into what `state` holds: a Lanczos basis, a generator."""
    return any(getattr(state, name, None) is not None for name in ("process", "rng", "sampler"))


def columns_of(trace: Sequence[str], state: State) -> tuple[str, ...]:
    """The extra columns of the trace; each must be a quantity of the state."""
    if isinstance(trace, str) or not isinstance(trace, Iterable):
        raise ArgumentError("trace", repr(trace), "a sequence of names, such as ('x', 'v')")
    names = [name for name in dir(state) if not name.startswith("_")]
    for name in trace:
        if name not in names:
            raise ArgumentError("trace", repr(name), "quantities of the state: " + ", ".join(names))
    return tuple(name for name in dict.fromkeys(trace) if name not in COLUMNS)
