"""A cycle of `solve` whose steps are made by compiled code (:mod:`lancbio_ref.krylov.steps`), where that can be.

It can for an operator that is a tuple of arrays (:mod:`lancbio_ref.operators.ready`), without a preconditioner or a
callback, where a product is too small to be shared among threads. The process and the iterate of the Python path are
made, and filled in, where Python has to do something: what it alone can do is done by their own methods.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import parallel
from ..arguments import Reorthogonalization
from ..kernels import JIT
from ..operators import CheckedOperator
from ..operators.ready import Ready, ready
from ..rounding import unit_roundoff
from . import losses, steps
from .basis import Basis
from .cycle_process import CycleProcess
from .iterates import ShortIterate, StoredIterate
from .lapack import address_of
from .process import _NOTHING
from .reorthogonalization import MODES, SelectiveWhileCheap

if TYPE_CHECKING:
    from .report import SolveReport
    from .system import System

THERE: set[tuple[type, np.dtype]] = set()  # kinds of A for which this process has made compiled steps
PAUSE = 2**26  # entries that are read before Python has a look at Ctrl-C: some hundredths of a second


class Evaluated(NamedTuple):
    """b − A x, its norm, and |A||x| where it was formed by the way."""

    residual: np.ndarray
    norm: float
    absolute: np.ndarray | None


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


class Record:
    """What a cycle keeps between calls, one record of type ``steps.CYCLE``, by the places of its fields: a field by its
    name costs five times as much.
    """

    def __init__(self) -> None:
        self.integers = _BEGINS.copy()
        self.reals, self.cycle = self.integers.view(np.float64), self.integers.view(steps.CYCLE)

    def begin(
        self,
        form: tuple[Ready, int],
        b: np.ndarray,
        mode: str,
        most: int,
        restart: int,
        moderate: int,
        from_zero: bool,
    ) -> None:
        """A cycle of at most so many steps."""
        integers = self.integers
        integers[:] = _BEGINS
        integers[_MODE], integers[_MOST], integers[_RESTART] = steps.MODES[mode], most, restart
        integers[_PAUSE], integers[_PTSV] = max(PAUSE // (form[1] + b.size), 16), address_of("dptsv")
        integers[_MODERATE], integers[_FROM_ZERO], integers[_LOOK] = moderate, from_zero, SelectiveWhileCheap.look

    def measure(self, u: float, tolerance: float, norm_A: float, first_norm: float, start_norm: float) -> None:
        """The numbers that it is judged by: ‖b − A x‖ is `start_norm`, and was `first_norm` at first."""
        reals = self.reals
        reals[_U], reals[_TOLERANCE], reals[_KNOWN_NORM] = u, tolerance, norm_A
        reals[_FLOOR_FROM] = math.sqrt(u) * first_norm
        reals[_START_NORM] = reals[_RESIDUAL_NORM] = reals[_Z] = reals[_PROPOSED] = start_norm

    @property
    def reason(self) -> int:
        return self.integers.item(_REASON)

    @property
    def k(self) -> int:
        return self.integers.item(_K)

    @property
    def scale(self) -> float:
        return self.reals.item(_SCALE)


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
    from_zero : bool
        Whether `report.x` is 0.
    bounds : bool
        Whether |A||x| is wanted beside b − A x.

    Attributes
    ----------
    evaluated : Evaluated or None
        Of the solution, where compiled code has evaluated it and it is finite.
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
        from_zero: bool,
        bounds: bool,
    ) -> None:
        self.form, self.system, self.b, self.report, self.start = form[0], system, b, report, report.x
        self.mode, self.short, self.store, n = mode, short, not short, b.size
        self.start_norm, self.counted = report.residual_norms[-1], 0
        self.evaluated: Evaluated | None = None
        self.absolute = np.empty(n if bounds else 0)
        self.capacity = min(n, 16) if short else min(restart, n, maxiter)
        ring = (3 if MODES[mode].needs_last_two else 2) if short else 0
        self.basis = Basis(n, b.dtype, capacity=self.capacity, ring=ring, has_duals=False, ends_with_solve=True)
        self._alpha, self._beta = np.zeros(self.basis.capacity + 1), np.zeros(self.basis.capacity + 2)
        self.record = record = Record()
        self.integers, self.reals, self.cycle = record.integers, record.reals, record.cycle
        record.begin(form, b, mode, maxiter - report.iterations, restart, moderate, from_zero)
        sizes = report.residual_norms[0], self.start_norm
        record.measure(unit_roundoff(b.dtype), tolerance, system.norm_A or 0.0, *sizes)
        self.r = report.residual.copy()
        self.x = self.p = np.empty(n, b.dtype)
        if short:
            self.x, self.p = self.start.copy(), np.zeros(n, b.dtype)
        self.ritz, self.good, self.lost = np.empty((0, n), b.dtype), NO_CLUSTERS, NOBODY

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
            THERE.add((type(self.form), self.b.dtype))
            reason = self._fill_in()
            if reason in (steps.DONE, steps.MEMORY_FULL, steps.NOT_MODERATE):
                self.evaluated = Evaluated(self.r, norm, self.absolute if formed else None) if norm >= 0 else None
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
    def process(self) -> CycleProcess:
        """The process itself, made when Python has to do something."""
        r = self.report.residual
        process = CycleProcess(r, reorthogonalization=self.mode, store=self.store, capacity=self.capacity)
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
        return self._alpha[: self.integers.item(_K)]

    @property
    def beta(self) -> np.ndarray:
        return self._beta[1 : self.integers.item(_K) + 1]

    @property
    def norm_A(self) -> float:
        return self.reals.item(_SCALE)

    @property
    def definite(self) -> bool:
        return bool(self.integers.item(_DEFINITE))

    @property
    def known(self) -> dict[str, Any]:
        """All fields of the record."""
        return dict(zip(_NAMES, self.cycle.item(), strict=True))

    def ritz_vectors(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        return self.process.ritz_vectors(first, last)

    def direction(self) -> np.ndarray:
        return self.iterate.direction()

    def pivot_direction(self) -> np.ndarray | None:
        return self.iterate.pivot_direction()

    def solution(self) -> np.ndarray:
        """x_j."""
        return self.x if self.short or self.integers.item(_HAS_X) else self.iterate.x()

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

    def _take_ritz_vectors(self, rule: SelectiveWhileCheap) -> None:
        if rule.clusters:
            self.ritz, self.good, self.lost = rule.vectors, rule.ends().copy(), rule.known
        else:
            self.ritz, self.good, self.lost = np.empty((0, self.b.size), self.b.dtype), NO_CLUSTERS, NOBODY

    def _fill_in(self) -> int:
        """Tell the report, and the process and the iterate if they are made, of the steps; why they ended."""
        if "process" in self.__dict__:
            self._tell_process(self.process)
        if "iterate" in self.__dict__:
            self._tell_iterate(self.iterate)
        made = self.integers.item(_STEPS) - self.counted
        self.counted += made
        self.report.n_products += made
        self.report.iterations += made
        count_products(self.system.A, made)
        return self.integers.item(_REASON)

    def _tell_process(self, process: CycleProcess) -> None:
        c = self.known
        process.k, process.scale, process.unit = c["k"], c["scale"], c["unit"]
        process.residual_norm, process.breakdown = c["residual_norm"], bool(c["breakdown"])
        process.n_reorthogonalized, process.norm_A = c["n_reorthogonalized"], c["scale"]
        if isinstance(rule := process._rule, SelectiveWhileCheap):
            rule.turn = c["turn"]
            if c["mode"] == steps.FULL and not rule.changed:
                rule.change()
                self._take_ritz_vectors(rule)

    def _tell_iterate(self, iterate: StoredIterate) -> None:
        c = self.known
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
            cycle[name] = getattr(process, name)
        if isinstance(rule := process._rule, SelectiveWhileCheap):
            cycle["turn"] = rule.turn
            if rule.changed:
                cycle["mode"] = steps.FULL
            self._take_ritz_vectors(rule)
        cycle["phase"] = steps.ADVANCE


_NAMES = steps.CYCLE.names or ()
_PLACES = {name: place for place, name in enumerate(_NAMES)}  # each field has 8 bytes: a view costs less than a name
_MODE, _MOST, _RESTART, _PAUSE = (_PLACES[name] for name in ("mode", "most", "restart", "pause"))
_MODERATE, _FROM_ZERO, _PTSV, _LOOK = (_PLACES[name] for name in ("moderate", "from_zero", "ptsv", "look"))
_U, _TOLERANCE, _KNOWN_NORM = (_PLACES[name] for name in ("u", "tolerance", "known_norm"))
_FLOOR_FROM, _START_NORM, _RESIDUAL_NORM = (_PLACES[name] for name in ("floor_from", "start_norm", "residual_norm"))
_Z, _PROPOSED, _SCALE = (_PLACES[name] for name in ("z", "proposed", "scale"))
_K, _STEPS, _REASON, _DEFINITE, _HAS_X = (_PLACES[name] for name in ("k", "steps", "reason", "definite", "has_x"))
NO_CLUSTERS, NOBODY = np.empty((4, 0)), np.empty((0, losses.COLUMNS))
_BEGINS = np.zeros(len(_NAMES), np.int64)  # of a cycle that begins, what is the same for all of them; a copy
for _name, _value in dict(phase=steps.BEGIN, unit=1.0, definite=1, floor_at=math.inf, size=-1.0).items():
    _BEGINS.view(steps.CYCLE)[_name] = _value  # of the record itself takes 17 µs
