"""Who runs: the methods of the package at the best of one common search, SciPy on φ, and the ablations.

*The search*, the same for every method that has a step to choose: a 7 × 7 grid, in three rounds. All 49 get a little
work, the best seven (by the true ‖∇φ‖ where they end) six times as much, and the best of these runs to the end. Steps
of y and v are fractions of 1/λ_max(A) at the start, those of x multiples of √n_x/‖∇φ(x_0)‖, a move by one in every
coordinate. HOAG and MAID, which find their steps, are searched over first steps and tolerances.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy.optimize import minimize as scipy_minimize

from lancbio_ref import HyperObjective, LancbioError, lanczos, minimize
from lancbio_ref.jobs.settings import OPTIONS, default_options
from lancbio_ref.methods import names, recycled_model, recycled_newton, recycled_values
from lancbio_ref.rounding import norm2

from .referee import TARGETS, NewtonTruth, Referee, RoughTruth, Truth
from .suite import Entry

OWN = "recycled-newton"
RECYCLED = f"{OWN}, L-BFGS-B in place of Newton"  # HyperObjective(recycle=True)
STEPS_X = tuple(5.0**k for k in range(-4, 3))
STEPS_Y = (1 / 64, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 1.8)
SCHEDULES = (  # of HOAG: τ and how ε_k falls
    (0.1, "exponential"), (1e-2, "exponential"), (1e-4, "exponential"), (0.1, "quadratic"), (1e-2, "quadratic"),
    (0.1, "cubic"), (1e-3, "cubic"),
)  # fmt: skip
TOLERANCES = (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8)  # of MAID
LBFGS = ((1e-3, 10), (1e-2, 10), (1e-1, 10), (0.3, 10), (1e-2, 40), (1e-1, 40))  # relative accuracy, memory
BFGS = ((1e-1, 0), (1e-2, 0))
KRYLOV = ((1e-3, 0),)
DENSE = 300  # the most n_y at which STABLE, which forms A, is run
MEMORIES = (0, 10, 50)  # of the own method: 0 is no recycling, 100 is its default


@dataclass(frozen=True)
class Budget:
    """W of the three rounds, and processor seconds of a run; a rival stops at `times` the own method's W to 10⁻⁶."""

    first: float
    second: float
    last: float
    seconds: float
    times: float = math.inf

    def of_rival(self, own: float | None) -> Budget:
        """That of a rival, where the own method needed the work `own`: one that gets no further is *more than*."""
        if own is None or not math.isfinite(self.times * own):
            return self
        last = min(self.last, self.times * own)
        return replace(self, first=min(self.first, last), second=min(self.second, last), last=last)


QUICK = Budget(100, 500, 4000, 2)
DEFAULT = Budget(200, 1000, 30_000, 15)
FULL = Budget(1000, 10_000, 300_000, 300)


class Ring:
    """One problem with one seed: the truth about its start, and the units of the steps."""

    def __init__(self, entry: Entry, seed: int) -> None:
        self.entry, self.seed = entry, seed
        self.start = entry.make(seed)
        judge = entry.make(seed).problem
        dense = NewtonTruth.fits(judge, self.start.x0, self.start.y0)
        self.truth = (NewtonTruth if dense else Truth)(judge, self.start.y0)
        self.rough = RoughTruth(judge, self.start.y0)
        self.start_norm, self.start_value = self.truth.at(self.start.x0)
        A = judge.hessian(self.start.x0, self.start.y0)
        run = lanczos(A, np.random.default_rng(0).standard_normal(self.start.y0.size), min(20, self.start.y0.size))
        self.curvature = float(np.abs(np.linalg.eigvalsh(run.T)).max())
        self.unit_x = math.sqrt(self.start.x0.size) / self.start_norm

    def referee(self, work: float, seconds: float, *, exact: bool = False) -> Referee:
        return Referee(self.start.problem, self.truth, self.start_norm, work=work, seconds=seconds, exact=exact)

    # -- methods of the package ------------------------------------------------------------

    def run_method(self, name: str, options: dict[str, Any], referee: Referee) -> dict[str, Any]:
        """One run of a method; what ended it, in words, where it was not the referee."""
        start, target = self.start, TARGETS["1e-6"] * self.start_norm

        def look(state: Any) -> None:
            if referee.see(state.x, norm2(state.h)):
                raise StopIteration

        tol = dict(tol=0.5 * target) if name == OWN else {}
        try:
            found = minimize(
                start.problem, start.x0, start.y0, v0=start.v0, method=name, maxiter=10**7, rng=self.seed,
                callback=look, **tol, **options,
            )  # fmt: skip
            why = found.message if not referee.end else ""
        except (LancbioError, ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
            why = f"{type(error).__name__}: {error}"
        return referee.verdict(why)

    def grid(self, name: str) -> Iterator[dict[str, Any]]:
        """The 49 settings of a method."""
        for x in STEPS_X:
            step_x = float(f"{x * self.unit_x:.3g}")
            if name == "hoag":
                yield from (dict(step_x=step_x, tolerance=tau, decrease=how) for tau, how in SCHEDULES)
            elif name == "maid":
                yield from (dict(step_x=step_x, tolerance=tau) for tau in TOLERANCES)
            else:
                for y in STEPS_Y:
                    step_y = float(f"{y / self.curvature:.3g}")
                    steps = dict(step_x=step_x, step_y=step_y, step_v=step_y)
                    own = default_options("ridge", name) | {k: s for k, s in steps.items() if k in OPTIONS[name]}
                    yield own

    def search(self, name: str, budget: Budget) -> tuple[dict[str, Any], dict[str, Any]]:
        """The best settings of the grid, and how the search went."""
        ranked: list[tuple[float, int, dict[str, Any]]] = [
            (0.0, i, options) for i, options in enumerate(self.grid(name))
        ]
        for work, kept in ((budget.first, 7), (budget.second, 1)):
            tried = []
            for _, i, options in ranked:
                referee = Referee(
                    self.start.problem, self.rough, self.start_norm, work=work, seconds=budget.seconds / 4, exact=True
                )
                found = self.run_method(name, options, referee)
                failed = found["end"] == "own" or not math.isfinite(
                    found["norm"]
                )  # an exception, which is a step too long
                tried.append((math.inf if failed else found["norm"], i, options))
            ranked = sorted(tried, key=lambda entry: entry[:2])[:kept]
        score, i, options = ranked[0]
        return options, dict(row=i // 7, column=i % 7, norm=score)

    # -- optimizers of φ -------------------------------------------------------------------

    def run_optimizer(
        self, method: str, settings: tuple[float, int], referee: Referee, *, recycle: bool = False
    ) -> dict[str, Any]:
        """SciPy's `method` on a HyperObjective of relative accuracy settings[0], with memory settings[1]."""
        start, target = self.start, TARGETS["1e-6"] * self.start_norm
        accuracy = dict(accuracy=0.2 * target, relative=settings[0])
        F = HyperObjective(start.problem, start.y0, **accuracy, strict=False, recycle=recycle)
        last: dict[str, np.ndarray] = {}

        def fun(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = F(x)
            last.update(x=x.copy(), gradient=gradient)
            if referee.see(x, norm2(gradient)):
                raise Enough
            return value, gradient

        def product(x: np.ndarray, p: np.ndarray) -> np.ndarray:  # ∇²φ p by a difference of gradients
            if not np.array_equal(x, last["x"]):
                fun(x)
            t, gradient = 1e-3 * max(1.0, norm2(x)) / max(norm2(p), 1e-300), last["gradient"]
            return (F.gradient(x + t * p) - gradient) / t

        own: dict[str, Any] = dict(maxiter=10**6)
        if method == "L-BFGS-B":
            own |= dict(gtol=0.0, ftol=0.0, maxcor=settings[1], maxfun=10**6)
        else:
            own |= dict(gtol=0.0)
        more = dict(hessp=product) if method == "trust-krylov" else {}
        try:
            with np.errstate(all="ignore"):
                why = str(scipy_minimize(fun, start.x0, jac=True, method=method, options=own, **more).message)
        except Enough:
            why = ""
        except (LancbioError, ArithmeticError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
        return referee.verdict(why)


class Enough(Exception):
    """The referee has seen enough."""


Contestant = Callable[[Ring, Budget, dict[str, Any] | None], dict[str, Any]]


def searched(name: str) -> Contestant:
    """A method at the best of the search; on other seeds than the first at what was found for that one."""

    def run(ring: Ring, budget: Budget, known: dict[str, Any] | None) -> dict[str, Any]:
        if name == "stable" and ring.start.y0.size > DENSE:
            return dict(skipped=f"forms A, n_y = {ring.start.y0.size} > {DENSE}")
        options, how = (schedule(name) | known, {}) if known is not None else ring.search(name, budget)
        found = ring.run_method(name, options, ring.referee(budget.last, budget.seconds))
        return found | dict(options={k: v for k, v in options.items() if k != "subspace"}, search=how)

    return run


def schedule(name: str) -> dict[str, Any]:
    """The one option of a method that is no number, and the same in every run."""
    return {k: v for k, v in default_options("ridge", name).items() if k == "subspace"}


def optimizer(method: str, settings: tuple[tuple[float, int], ...], *, recycle: bool = False) -> Contestant:
    """SciPy on φ at the best of its settings; with the products of all evaluations kept, or each solved by itself."""

    def run(ring: Ring, budget: Budget, known: dict[str, Any] | None) -> dict[str, Any]:
        tries = settings if known is None else ((known["relative"], known["memory"]),)
        found: list[dict[str, Any]] = []
        for relative, memory in tries:
            least = min((order(one)[0] for one in found), default=math.inf)  # beyond it this setting is not the best
            referee = ring.referee(min(budget.last, least), budget.seconds, exact=True)
            one = ring.run_optimizer(method, (relative, memory), referee, recycle=recycle)
            found.append(one | dict(options=dict(relative=relative, memory=memory)))
        return min(found, key=order)

    return run


def own(change: Callable[[], AbstractContextManager[Any]] = nullcontext, **options: Any) -> Contestant:
    """The method without steps, as it is or with a part of it taken away by `change`."""

    def run(ring: Ring, budget: Budget, known: dict[str, Any] | None) -> dict[str, Any]:
        with change():
            referee = ring.referee(budget.last, budget.seconds, exact=True)
            return ring.run_method(OWN, options, referee) | dict(options=options)

    return run


@contextmanager
def without_prediction() -> Iterator[None]:
    """y and v begin each solve where they were at the last x: y′s and v′s are thrown away."""
    whole = recycled_model.Model.minimize

    def minimize(self: Any, *arguments: Any, **named: Any) -> Any:
        step = whole(self, *arguments, **named)
        return replace(step, y=np.zeros_like(step.y), v=np.zeros_like(step.v))

    with patch.object(recycled_model.Model, "minimize", minimize):
        yield


@contextmanager
def tight() -> Iterator[None]:
    """Both levels a hundred times more accurate than descent asks for."""
    zeta, share = recycled_newton.ZETA / 100, recycled_values.SHARE / 1e4
    with patch.object(recycled_newton, "ZETA", zeta), patch.object(recycled_values, "SHARE", share):
        yield


def order(found: dict[str, Any]) -> tuple[float, float, float]:
    """The better of two runs: W to the harder target, W to the easier, the norm at the end."""
    work = [math.inf if (at := found["reached"][name]) is None else at["W"] for name in ("1e-6", "1e-3")]
    return work[0], work[1], found["norm"]


def contestants() -> dict[str, Contestant]:
    """By name: all methods that the package knows, SciPy's optimizers, and the own method with less memory."""
    found: dict[str, Contestant] = {name: searched(name) for name in names() if name != OWN}
    for method, settings in (("L-BFGS-B", LBFGS), ("BFGS", BFGS), ("trust-krylov", KRYLOV)):
        found[method] = optimizer(method, settings)
    if OWN in names():
        found[OWN] = own()
        found[RECYCLED] = optimizer("L-BFGS-B", LBFGS, recycle=True)
        found |= {f"{OWN}, memory {memory}": own(memory=memory) for memory in MEMORIES}
        found[f"{OWN}, no prediction"] = own(without_prediction)
        found[f"{OWN}, tight accuracy"] = own(tight)
    return found
