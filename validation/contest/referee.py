"""The referee: what a run has cost, and when the true ‖∇φ‖ first fell below each target.

Work is counted by the problem itself (`BilevelProblem.calls`), the same way for everyone. The truth is Newton's
method with dense matrices where A has an array, else a :class:`~lancbio_ref.HyperObjective` at 10⁻¹⁰, on a problem
object of its own, whose work and time count for nobody.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.linalg

from lancbio_ref import HyperObjective, LancbioError
from lancbio_ref.operators import structure_of
from lancbio_ref.rounding import norm2

CALLS = {  # what is counted, under the names of `BilevelProblem.calls`
    "hvp": "lower.hessian(x, y) @ v",
    "grad": "lower.grad_y",
    "cross": "lower.cross(x, y) @ v",
    "adjoint": "lower.cross(x, y).T @ v",
    "upper": "upper.grad_y",
    "value": "upper.value",
    "grad_x": "lower.grad_x",
}
#: of the weighted sum, in products A v: J v is half of the two sweeps over the data that A v and ∇_y g are
WEIGHTS = dict(hvp=1.0, grad=1.0, cross=0.5, adjoint=0.5, upper=1.0, value=0.5, grad_x=1.0)
TARGETS = {"1e-3": 1e-3, "1e-6": 1e-6}  # of ‖∇φ(x_0)‖
NEAR = 1.2  # times the target: an own ‖h‖ below this is worth a look at the truth
OFTEN, SELDOM = 1.03, 1.3  # growth of the work between two looks: where the own ‖h‖ is near, and where it is not
LARGEST = 1000  # n_y of a dense solve
NEWTON_STEPS = 100  # of one
LOST = 1e4  # of an entry of x: all problems here have entries of the size 1
BELIEVED = 6  # looks at which an own ‖h‖ far below the target was not true, before a run is given up as biased


def counts(problem: Any) -> dict[str, int]:
    """What `problem` was asked for so far."""
    return {name: problem.calls.get(call, 0) for name, call in CALLS.items()}


def weighted(count: Mapping[str, float]) -> float:
    """The weighted sum W."""
    return sum(weight * count[name] for name, weight in WEIGHTS.items())


class Truth:
    """‖∇φ‖ and φ, each x evaluated once.

    Parameters
    ----------
    problem : BilevelProblem
        An object of its own.
    y0 : ndarray
    relative : float
        Of ‖∇φ‖; 0.1 is enough to rank runs.
    """

    def __init__(self, problem: Any, y0: np.ndarray, relative: float = 1e-3) -> None:
        self.F = HyperObjective(problem, y0, accuracy=1e-10, relative=relative, strict=False)

    def at(self, x: np.ndarray) -> tuple[float, float]:
        """(‖∇φ(x)‖, φ(x)); infinite and NaN where they cannot be evaluated."""
        try:
            with np.errstate(all="ignore"):
                found = self.F.evaluate(np.array(x, dtype=float))
        except (LancbioError, ArithmeticError, ValueError):
            return math.inf, math.nan
        return norm2(found.gradient), found.value

    def norm(self, x: np.ndarray) -> float:
        return self.at(x)[0]


class RoughTruth:
    """‖∇φ‖ well enough to rank runs, by Newton's method with dense matrices where A has an array: in milliseconds.

    Parameters
    ----------
    problem : BilevelProblem
        An object of its own.
    y0 : ndarray
    """

    def __init__(self, problem: Any, y0: np.ndarray) -> None:
        self.problem, self.y0, self.otherwise = problem, y0, Truth(problem, y0, 0.3)

    def at(self, x: np.ndarray) -> tuple[float, float]:
        """(‖∇φ(x)‖, f(x, y)) to about 1e-6 of ∇_y g at the start; infinite and NaN where Newton fails."""
        problem, y = self.problem, self.y0
        if float(np.abs(x).max()) > LOST:
            return math.inf, math.nan
        if y.size > LARGEST or structure_of(problem.hessian(x, y)) is None:
            return self.otherwise.at(x)
        try:
            with np.errstate(all="ignore"):
                g = problem.lower_grad_y(x, y)
                least = 1e-6 * norm2(g)
                for _ in range(40):
                    A = structure_of(problem.hessian(x, y)).toarray()
                    if norm2(g) <= least:
                        break
                    d, t, before = scipy.linalg.cho_solve(scipy.linalg.cho_factor(A), g), 1.0, norm2(g)
                    while t > 1e-4 and norm2(g := problem.lower_grad_y(x, y - t * d)) > (1 - 1e-4 * t) * before:
                        t /= 2
                    y = y - t * d
                point = problem.linearize(x, y)
                h = point.c - point.J.matvec(scipy.linalg.cho_solve(scipy.linalg.cho_factor(A), point.b))
                return norm2(h), float(problem.value(x, y))
        except (LancbioError, ArithmeticError, ValueError):  # NumPy's LinAlgError is a ValueError
            return math.inf, math.nan

    def norm(self, x: np.ndarray) -> float:
        return self.at(x)[0]


class NewtonTruth:
    """‖∇φ‖ and φ by Newton's method with dense matrices, where those of :class:`Truth` do not come to an end.

    Where penalties run to e^(−30), A is singular to working precision, but only for its scale: with D = diag(A),
    D^(−½)A D^(−½) is what is factored, and its condition is near the best of all scalings (A. van der Sluis, Numer.
    Math. 14, 1969). y and v are done when h = c − J v has not moved by more than `relative` in two steps.

    Parameters
    ----------
    problem : BilevelProblem
        An object of its own.
    y0 : ndarray
    relative : float
        Of ‖∇φ‖.
    """

    def __init__(self, problem: Any, y0: np.ndarray, relative: float = 1e-3) -> None:
        self.problem, self.y0, self.y, self.relative, self.why = problem, y0, y0, relative, ""

    @staticmethod
    def fits(problem: Any, x: np.ndarray, y: np.ndarray) -> bool:
        """Whether A has an array, and one of a size that can be factored again and again."""
        return y.size <= LARGEST and structure_of(problem.hessian(x, y)) is not None

    def at(self, x: np.ndarray) -> tuple[float, float]:
        """(‖∇φ(x)‖, φ(x)); infinite and NaN where Newton's method does not get there, and `why` says where it was."""
        self.why = "x has run away" if float(np.abs(x).max()) > LOST else ""
        for start in (self.y, self.y0) if not self.why else ():
            with np.errstate(all="ignore"):
                found = self._from(x, start)
            if found is not None:
                return found
        return math.inf, math.nan

    def _from(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float] | None:
        problem, still, last = self.problem, 0, math.inf
        h = np.full(x.size, math.inf)
        try:
            for _ in range(NEWTON_STEPS):
                point = problem.linearize(x, y)
                A = structure_of(point.A).toarray()
                scale = 1 / np.sqrt(np.diag(A))
                factor = scipy.linalg.cho_factor(A * scale * scale[:, None])
                g = problem.lower_grad_y(x, y)
                d, v = (scale * scipy.linalg.cho_solve(factor, scale * r) for r in (g, point.b))
                before, h = h, point.c - point.J.matvec(v)
                last = norm2(h - before)
                still = still + 1 if last <= self.relative * norm2(h) else 0
                if still == 2:
                    self.y, self.why = y, ""
                    return norm2(h), float(problem.value(x, y))
                t = 1.0  # g falls along d in the norm of A⁻¹
                while t > 1e-4:
                    left = problem.lower_grad_y(x, y - t * d)
                    if float(d @ left) >= -0.9 * float(d @ g):  # g(y − t d) has not risen beyond its lowest on the way
                        break
                    t /= 2
                y = y - t * d
        except (LancbioError, ArithmeticError, ValueError) as error:  # NumPy's LinAlgError is a ValueError
            self.why = f"{type(error).__name__}: {error}"[:160]
            return None
        self.why = f"after {NEWTON_STEPS} Newton steps the gradient, {norm2(h):.1e}, still moves by {last:.1e}"
        return None

    def norm(self, x: np.ndarray) -> float:
        return self.at(x)[0]


class Referee:
    """Sees every iterate of one run.

    Parameters
    ----------
    problem : BilevelProblem
        That the run works on; its counts begin at 0 here.
    truth : Truth, NewtonTruth or RoughTruth
    start_norm : float
        ‖∇φ(x_0)‖.
    work, seconds : float
        What the run may spend: of W, and of processor time.
    exact : bool
        Whether the truth is looked at whenever the own ‖h‖ is near; else every 3 % of work (30 % where it is not near).
    """

    def __init__(
        self,
        problem: Any,
        truth: Truth | NewtonTruth | RoughTruth,
        start_norm: float,
        *,
        work: float,
        seconds: float,
        exact: bool = False,
    ) -> None:
        self.problem, self.truth, self.work, self.seconds, self.exact = problem, truth, work, seconds, exact
        self.targets = {name: factor * start_norm for name, factor in TARGETS.items()}
        self.reached: dict[str, dict[str, Any]] = {}
        self.x: np.ndarray | None = None
        self.end, self.seen, self.looked, self.untrue, self.still = "", 0, 0.0, 0, 0
        problem.calls.clear()
        self.clocks, self.paused = (time.process_time(), time.perf_counter()), [0.0, 0.0]

    def times(self) -> tuple[float, float]:
        """Processor time and wall time of the run alone."""
        return (
            time.process_time() - self.clocks[0] - self.paused[0],
            time.perf_counter() - self.clocks[1] - self.paused[1],
        )

    def see(self, x: np.ndarray, own: float) -> bool:
        """Whether the run is over, at the iterate `x` whose own ‖h‖ is `own`."""
        self.still = self.still + 1 if self.x is not None and np.array_equal(x, self.x) else 0
        self.seen, self.x = self.seen + 1, x.copy()
        spent = self.spent()
        if not self.end:
            self._look(own, spent)
        if not self.end and self.still >= 5:
            self.end = "stalled"
        if not self.end and spent["W"] >= self.work:
            self.end = "work"
        if not self.end and spent["cpu"] >= self.seconds:
            self.end = "seconds"
        return bool(self.end)

    def spent(self) -> dict[str, Any]:
        """Counts, W, times and the number of iterates."""
        count, (cpu, wall) = counts(self.problem), self.times()
        return count | dict(W=weighted(count), cpu=cpu, wall=wall, k=self.seen)

    def _look(self, own: float, spent: dict[str, Any]) -> None:
        """Compare with the truth, where that is due."""
        target = next(self.targets[name] for name in self.targets if name not in self.reached)
        near = own <= NEAR * target
        growth = OFTEN if near else SELDOM
        if not (near and self.exact) and (self.exact or spent["W"] < max(growth * self.looked, 20.0)):
            return
        before = time.process_time(), time.perf_counter()
        norm = self.truth.norm(self.x)  # type: ignore[arg-type]
        self.looked = spent["W"]
        for name, value in self.targets.items():
            if norm <= value:
                self.reached.setdefault(name, spent | dict(norm=norm))
        self.untrue = self.untrue + 1 if own <= 0.1 * target < norm else 0
        if len(self.reached) == len(self.targets):
            self.end = "reached"
        elif self.untrue >= BELIEVED:
            self.end = "biased"
        self.paused[0] += time.process_time() - before[0]
        self.paused[1] += time.perf_counter() - before[1]

    def verdict(self, why: str = "") -> dict[str, Any]:
        """The numbers of the run: when each target was reached, what was spent, and where it ended."""
        spent = self.spent()
        norm, value = (math.inf, math.nan) if self.x is None else self.truth.at(self.x)
        reached = {name: self.reached.get(name) for name in self.targets}
        why = why or getattr(self.truth, "why", "")
        return dict(reached=reached, spent=spent, norm=norm, phi=value, end=self.end or "own", why=why[:160])
