"""A cycle of `solve` whose steps are made by compiled code (:mod:`lancbio_ref.krylov.steps`), where that can be.

It can for an operator that is a tuple of arrays (:mod:`lancbio_ref.operators.ready`), without a preconditioner or a
callback, where a product is too small to be shared among threads. The process and the iterate of the Python path are
made, and filled in, where Python has to do something: what it alone can do is done by their own methods.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import parallel
from ..arguments import Reorthogonalization
from ..kernels import JIT
from ..operators import CheckedOperator
from ..operators.ready import Ready, ready
from ..rounding import norm2, unit_roundoff
from . import losses, steps
from .basis import Basis
from .iterates import ShortIterate, StoredIterate
from .lapack import address_of
from .process import _NOTHING, LanczosProcess
from .reorthogonalization import MODES, Selective

if TYPE_CHECKING:
    from .report import SolveReport
    from .solve import System

Evaluated = tuple[np.ndarray, np.ndarray | None] | None
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


def record(
    *,
    mode: str,
    u: float,
    tolerance: float,
    most: int,
    restart: int,
    known_norm: float,
    first_norm: float,
    moderate: int,
    from_zero: bool,
    start_norm: float,
    entries: int,
) -> np.ndarray:
    """The record of a cycle that begins, for `steps.take_steps`: one of type `steps.CYCLE`.

    `first_norm` is ‖r_0‖ of the whole solve, `entries` are those that a step reads; the rest are fields of the record.
    """
    known = _EMPTY | dict(
        mode=steps.MODES[mode],
        u=u,
        tolerance=tolerance,
        most=most,
        restart=restart,
        known_norm=known_norm,
        floor_from=math.sqrt(u) * first_norm,
        moderate=moderate,
        from_zero=from_zero,
        start_norm=start_norm,
        ptsv=address_of("dptsv"),
        pause=max(PAUSE // entries, 16),
        residual_norm=start_norm,
        z=start_norm,
        proposed=start_norm,
    )
    cycle = np.empty(1, steps.CYCLE)  # np.zeros of a record takes ten times as long
    cycle[0] = tuple(known.values())
    return cycle


class CompiledCycle:
    """The steps of one cycle; what a process and an iterate know of them has the same names here.

    Parameters
    ----------
    form : (tuple, int)
        As `compiled_form` gives it.
    system, b, report, tolerance
        Of the solve; the cycle starts from `report.x`, whose residual is `report.residual`.
    mode : str
        How the basis is kept orthogonal; `short` says whether by short recurrences.
    maxiter, restart : int
        Steps of the whole solve, and vectors of a basis.
    moderate : int
        The largest binary exponent that the norm of A may have.
    bounds : bool
        Whether |A||x| is wanted beside b − A x.

    Attributes
    ----------
    evaluated : (ndarray, ndarray or None) or None
        b − A x of the solution, where compiled code has evaluated it and it is finite, and |A||x| where it was formed.
    """

    def __init__(
        self,
        form: tuple[Ready, int],
        system: System,
        b: np.ndarray,
        report: SolveReport,
        tolerance: float,
        *,
        mode: Reorthogonalization,
        short: bool,
        maxiter: int,
        restart: int,
        moderate: int,
        bounds: bool,
    ) -> None:
        self.form, self.system, self.b, self.report, self.start = form[0], system, b, report, report.x
        self.mode, self.short, self.store, n = mode, short, not short, b.size
        self.start_norm, self.counted = report.residual_norms[-1], 0
        self.evaluated: Evaluated = None
        self.absolute = np.empty(n if bounds else 0)
        u = unit_roundoff(b.dtype)
        self.capacity = min(n, 16) if short else min(restart, n, maxiter)
        ring = (3 if MODES[mode].needs_last_two else 2) if short else 0
        self.basis = Basis(n, b.dtype, capacity=self.capacity, ring=ring, has_duals=False, ends_with_solve=True)
        self._alpha, self._beta = np.zeros(self.basis.capacity + 1), np.zeros(self.basis.capacity + 2)
        self.cycle = record(
            mode=mode,
            u=u,
            tolerance=tolerance,
            most=maxiter - report.iterations,
            restart=restart,
            known_norm=system.norm_A or 0.0,
            first_norm=report.residual_norms[0],
            moderate=moderate,
            from_zero=norm2(self.start) == 0,
            start_norm=self.start_norm,
            entries=form[1] + n,
        )
        self.r = report.residual.copy()
        self.x = self.p = np.empty(n, b.dtype)
        if short:
            self.x, self.p = self.start.copy(), np.zeros(n, b.dtype)
        self.ritz, self.good, self.lost = np.empty((0, n), b.dtype), _NO_CLUSTERS, _NOBODY
        self.known: dict[str, float] = {}

    def run(self) -> int:
        """Make the steps: DONE, MEMORY_FULL or NOT_MODERATE, of `steps`.   Writes report."""
        while True:
            norm, formed = steps.take_steps(
                self.form,
                self.basis._q,
                self._alpha,
                self._beta,
                self.ritz,
                self.good,
                self.lost,
                self.start,
                self.x,
                self.p,
                self.b,
                self.r,
                self.absolute,
                self.cycle,
            )
            reason = self._fill_in()
            if reason in (steps.DONE, steps.MEMORY_FULL, steps.NOT_MODERATE):
                self.evaluated = (self.r, self.absolute if formed else None) if norm >= 0 else None
                return reason
            if reason == steps.ASK_SIZE:
                self.cycle["size"] = self.iterate.norm()
            elif reason != steps.PAUSE:
                last = self.cycle["phase"] == steps.LAST_STEP
                self._step() if reason == steps.STEP_IN_PYTHON else self._reorthogonalize()
                self._take_over()
                if last:
                    return steps.DONE

    # -- what a process and an iterate have ------------------------------------------------

    @cached_property
    def process(self) -> LanczosProcess:
        """The process itself, made when Python has to do something."""
        r = self.report.residual
        process = LanczosProcess(r, reorthogonalization=self.mode, store=self.store, capacity=self.capacity)
        process._basis, process._alpha, process._beta = self.basis, self._alpha, self._beta
        self._tell_process(process)
        return process

    @cached_property
    def iterate(self) -> StoredIterate:
        """The iterate, likewise."""
        iterate = (ShortIterate if self.short else StoredIterate)(self.process, self.start)
        if isinstance(iterate, ShortIterate):
            iterate.current, iterate.p = self.x, self.p
        self._tell_iterate(iterate)
        return iterate

    @property
    def alpha(self) -> np.ndarray:
        return self._alpha[: int(self.known["k"])]

    @property
    def beta(self) -> np.ndarray:
        return self._beta[1 : int(self.known["k"]) + 1]

    @property
    def norm_A(self) -> float:
        return self.known["scale"]

    @property
    def definite(self) -> bool:
        return bool(self.known["definite"])

    def ritz_vectors(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        return self.process.ritz_vectors(first, last)

    def direction(self) -> np.ndarray:
        return self.iterate.direction()

    def pivot_direction(self) -> np.ndarray | None:
        return self.iterate.pivot_direction()

    def solution(self) -> np.ndarray:
        """x_j."""
        return self.x if self.short or self.cycle["has_x"] else self.iterate.x()

    # -- what is Python's ------------------------------------------------------------------

    def _step(self) -> None:
        """A step by Python: it says what is not finite, or makes room."""
        process = self.process
        process.columns = [_NOTHING] * process.k
        process.step(self.system.A)
        self._alpha, self._beta = process._alpha, process._beta
        self.report.n_products += 1
        self.report.iterations += 1
        self.cycle["steps"] += 1
        self.counted += 1

    def _reorthogonalize(self) -> None:
        """The end of a step that has found good Ritz vectors."""
        process = self.process
        process.columns = [_NOTHING] * process.k
        beta = process._reorthogonalized(process._basis.q(process.k + 1), float(process.beta[-1]))
        process._divide(process.k + 1, beta)

    def _take_ritz_vectors(self, rule: Selective) -> None:
        if rule.clusters:
            self.ritz, self.good, self.lost = rule.vectors, rule.ends().copy(), rule.known
        else:
            self.ritz, self.good, self.lost = np.empty((0, self.b.size), self.b.dtype), _NO_CLUSTERS, _NOBODY

    def _fill_in(self) -> int:
        """Tell the report, and the process and the iterate if they are made, of the steps; why they ended."""
        self.known = dict(zip(_NAMES, self.cycle.item(), strict=True))
        if "process" in self.__dict__:
            self._tell_process(self.process)
        if "iterate" in self.__dict__:
            self._tell_iterate(self.iterate)
        made = int(self.known["steps"]) - self.counted
        self.counted += made
        self.report.n_products += made
        self.report.iterations += made
        count_products(self.system.A, made)
        return int(self.known["reason"])

    def _tell_process(self, process: LanczosProcess) -> None:
        c: dict[str, Any] = self.known
        process.k, process.scale, process.unit = c["k"], c["scale"], c["unit"]
        process.residual_norm, process.breakdown = c["residual_norm"], bool(c["breakdown"])
        process.n_reorthogonalized, process.norm_A = c["n_reorthogonalized"], c["scale"]
        if isinstance(process._rule, Selective):
            process._rule.turn = c["turn"]

    def _tell_iterate(self, iterate: StoredIterate) -> None:
        c: dict[str, Any] = self.known
        factor = iterate.factor
        factor.z, factor.multiplier, factor.pivot, factor.last = c["z"], c["multiplier"], c["pivot"], c["last"]
        factor.definite = iterate.definite = bool(c["definite"])
        iterate.taken, iterate.columns, iterate.residual_norm = c["taken"], c["columns"], c["proposed"]
        if isinstance(iterate, ShortIterate):
            iterate.p_square = c["p_square"]

    def _take_over(self) -> None:
        """Go on from where Python has brought the process: the step is made, and its tests are due."""
        process, cycle = self.process, self.cycle
        for name in ("k", "scale", "unit", "residual_norm", "breakdown", "n_reorthogonalized"):
            cycle[name] = self.known[name] = getattr(process, name)
        if isinstance(process._rule, Selective):
            cycle["turn"] = self.known["turn"] = process._rule.turn
            self._take_ritz_vectors(process._rule)
        cycle["phase"] = steps.ADVANCE


_NAMES = steps.CYCLE.names or ()
_NO_CLUSTERS, _NOBODY = np.empty((4, 0)), np.empty((0, losses.COLUMNS))
_EMPTY: dict[str, float] = dict.fromkeys(_NAMES, 0)  # of a cycle that begins, what is the same for all of them
_EMPTY |= dict(phase=steps.BEGIN, unit=1.0, definite=1, floor_at=math.inf, size=-1.0)
