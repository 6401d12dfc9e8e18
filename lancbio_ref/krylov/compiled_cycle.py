"""A cycle of `solve` whose steps are made by compiled code (:mod:`lancbio_ref.krylov.steps`), where that can be.

It can for an operator that is a tuple of arrays (:mod:`lancbio_ref.operators.ready`), without a preconditioner or a
callback, where a product is too small to be shared among threads. The process and the iterate are those of the Python
path; they are filled in when the compiled steps come back, and what Python alone can do is done by their own methods.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import parallel
from ..kernels import JIT
from ..operators import CheckedOperator
from ..operators.ready import Ready, ready
from . import steps
from .iterates import ShortIterate, StoredIterate
from .lapack import address_of
from .process import _NOTHING, LanczosProcess
from .reorthogonalization import Selective

if TYPE_CHECKING:
    from .report import SolveReport
    from .solve import System

PAUSE = 2**26  # entries that are read before Python has a look at Ctrl-C: some hundredths of a second


def compiled_form(system: System, mode: str, dtype: np.dtype) -> tuple[Ready, int] | None:
    """A as compiled steps take it, and the entries that a product reads; None where the steps are Python's."""
    A = system.A
    if not JIT or system.M is not None or mode not in steps.MODES or type(A) is not CheckedOperator:
        return None
    form = ready(A.inner, dtype)
    if form is None or (parallel.threads() > 1 and max(form[1], A.shape[0]) >= 2 * parallel.GRAIN):
        return None
    return form


def count_products(A: Any, made: int) -> None:
    """Tell a `CheckedOperator` of products that compiled code has made."""
    A.products += made
    what = A.name + " @ v"
    A.calls[what] = A.calls.get(what, 0) + made


class CompiledCycle:
    """The steps of one cycle.

    Parameters
    ----------
    form : (tuple, int)
        As `compiled_form` gives it.
    system, process, iterate, report, tolerance
        Of the cycle; the process has made no step.
    maxiter, restart : int
        Steps of the whole solve, and vectors of a basis.
    moderate : int
        The largest binary exponent that the norm of A may have.
    """

    def __init__(
        self,
        form: tuple[Ready, int],
        system: System,
        process: LanczosProcess,
        iterate: StoredIterate,
        report: SolveReport,
        tolerance: float,
        *,
        maxiter: int,
        restart: int,
        moderate: int,
    ) -> None:
        self.form, self.system, self.process, self.iterate, self.report = form[0], system, process, iterate, report
        n, u = process.n, process.unit_roundoff
        self.counted = 0
        known = dict(
            mode=steps.MODES[process.reorthogonalization],
            u=u,
            tolerance=tolerance,
            most=maxiter - report.iterations,
            restart=restart,
            known_norm=system.norm_A or 0.0,
            floor_from=math.sqrt(u) * report.residual_norms[0],
            moderate=moderate,
            from_zero=not iterate.start.any(),
            start_norm=process.start_norm,
            ptsv=address_of("dptsv"),
            pause=max(PAUSE // (form[1] + n), 16),
            unit=process.unit,
            residual_norm=process.residual_norm,
            z=process.start_norm,
            definite=1,
            proposed=process.residual_norm,
            floor_at=math.inf,
            size=-1.0,
        )
        self.cycle = np.empty(1, steps.CYCLE)  # np.zeros of a record takes ten times as long
        self.cycle[0] = tuple((_ZEROS | known).values())
        if isinstance(iterate, ShortIterate):
            self.x, self.p = iterate.current, iterate.p
        else:
            self.x = self.p = np.empty(n, process.dtype)
        self.ritz, self.good = np.empty((0, n), process.dtype), _NO_CLUSTERS

    def run(self) -> int:
        """Make the steps: DONE, MEMORY_FULL or NOT_MODERATE, of `steps`.   Writes process, iterate and report."""
        process, cycle = self.process, self.cycle
        while True:
            steps.take_steps(
                self.form,
                process._basis._q,
                process._alpha,
                process._beta,
                self.ritz,
                self.good,
                self.iterate.start,
                self.x,
                self.p,
                cycle,
            )
            reason = self._fill_in()
            if reason in (steps.DONE, steps.MEMORY_FULL, steps.NOT_MODERATE):
                return reason
            if reason == steps.ASK_SIZE:
                cycle["size"] = self.iterate.norm()
            elif reason != steps.PAUSE:
                last = cycle["phase"] == steps.LAST_STEP
                self._step() if reason == steps.STEP_IN_PYTHON else self._reorthogonalize()
                self._take_over()
                if last:
                    return steps.DONE

    def solution(self) -> np.ndarray:
        """x_j."""
        return self.x if self.cycle["has_x"] else self.iterate.x()

    def _step(self) -> None:
        """A step by Python: it says what is not finite, or makes room."""
        self.process.columns = [_NOTHING] * self.process.k
        self.process.step(self.system.A)
        self.report.n_products += 1
        self.report.iterations += 1
        self.cycle["steps"] += 1
        self.counted += 1

    def _reorthogonalize(self) -> None:
        """The end of a step that has found good Ritz vectors."""
        process, rule = self.process, self.process._rule
        process.columns = [_NOTHING] * process.k
        beta = process._reorthogonalized(process._basis.q(process.k + 1), float(process.beta[-1]))
        process._divide(process.k + 1, beta)
        assert isinstance(rule, Selective)
        if rule.clusters:
            self.ritz = rule.vectors
            self.good = np.array([(c.low, c.high, c.residual, len(c.rows)) for c in rule.clusters]).T.copy()
        else:
            self.ritz, self.good = np.empty((0, process.n), process.dtype), np.empty((4, 0))

    def _fill_in(self) -> int:
        """Tell the process, the iterate and the report of the steps that were made; why they ended."""
        process, iterate, report = self.process, self.iterate, self.report
        c = dict(zip(_NAMES, self.cycle.item(), strict=True))
        process.k, process.scale, process.unit = c["k"], c["scale"], c["unit"]
        process.residual_norm, process.breakdown = c["residual_norm"], bool(c["breakdown"])
        process.n_reorthogonalized, process.norm_A = c["n_reorthogonalized"], c["scale"]
        factor = iterate.factor
        factor.z, factor.multiplier, factor.pivot, factor.last = c["z"], c["multiplier"], c["pivot"], c["last"]
        factor.definite = iterate.definite = bool(c["definite"])
        iterate.taken, iterate.columns, iterate.residual_norm = c["taken"], c["columns"], c["proposed"]
        if isinstance(iterate, ShortIterate):
            iterate.p_square = c["p_square"]
        made = c["steps"] - self.counted
        self.counted += made
        report.n_products += made
        report.iterations += made
        count_products(self.system.A, made)
        return c["reason"]

    def _take_over(self) -> None:
        """Go on from where Python has brought the process: the step is made, and its tests are due."""
        process, cycle = self.process, self.cycle
        for name in ("k", "scale", "unit", "residual_norm", "breakdown", "n_reorthogonalized"):
            cycle[name] = getattr(process, name)
        cycle["phase"] = steps.ADVANCE


_NAMES = steps.CYCLE.names or ()
_NO_CLUSTERS = np.empty((4, 0))
_ZEROS: dict[str, float] = dict.fromkeys(_NAMES, 0)
