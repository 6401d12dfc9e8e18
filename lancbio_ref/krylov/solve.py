"""A x = b by Lanczos cycles: the recurrence proposes when to stop, the evaluated residual decides.

One cycle runs a fresh Lanczos process on r = b − A x and adds its Galerkin correction. The residual is then
evaluated; the correction is kept only if ‖r‖ fell, and the next cycle starts from what was evaluated. This one loop
is three things that are usually told apart: the restart that bounds memory, the correction that cures what
semi-orthogonality costs, and the defence against a recurrence residual that has parted from the true one.

A cycle stops when its recurrence residual is below the tolerance asked for, or below what rounding allows,
u‖A‖‖x_j‖; below that, more steps would only ruin T.

Near the ends of the floating-point range the loop runs on data scaled by powers of two. What leaves is x in the
caller's units, perhaps rounded to subnormal numbers there, and the status is that of this x: its residual is evaluated
again.

`solve` sees to the units, `_Cycles.run` repeats cycles, and `_Cycles._cycle` makes the steps of one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..arguments import Reorthogonalization
from ..errors import RepresentationError
from ..kernels.compiled import NotCompiledError
from ..operators.proofs import rayleigh_quotient
from ..operators.ready import Ready
from ..rounding import is_finite, norm2, scale, scale_number, unit_roundoff
from ..status import SolveStatus
from . import steps
from .compiled_cycle import CompiledCycle, Evaluated, compiled_form, count_products
from .cycle_process import CycleProcess
from .iterates import ShortIterate, StoredIterate
from .own_cycle import Own, own_cycle, own_steps
from .process import LanczosProcess
from .report import SolveReport
from .residual import asked, evaluate
from .scaling import NO_LIMIT, exponent_of, largest_exponent, restore
from .system import Powers, System
from .tridiagonal import extreme_ritz_values

BASIS_BYTES = 2**30  # the default bound of a stored basis
SHORT = ("none", "local")  # short recurrences
SEMI = ("selective", "partial")  # orthogonal to √u
FULL_UP_TO = 2048  # entries: to orthogonalize such vectors against all costs less than to know against which


@np.errstate(under="ignore")
def solve(
    A: LinearOperator,
    b: np.ndarray,
    x0: np.ndarray | None = None,
    *,
    tolerance: float = 0.0,
    rtol: float = 0.0,
    maxiter: int,
    M: LinearOperator | None = None,
    callback: Callable[[np.ndarray], object] | None = None,
    reorthogonalization: Reorthogonalization = "selective",
    restart: int | None = None,
    norm_A: float | None = None,
    mu: float | None = None,
    bounds: bool = False,
) -> SolveReport:
    """Solve A x = b to ‖b − A x‖ ≤ max(`rtol` ‖b‖, `tolerance`), or as far as rounding allows.

    Arguments are those of :func:`lanczos_solve`, already checked; besides, `norm_A` is an upper bound of ‖A‖₂ if one
    is known, `mu` a lower bound of the spectrum that is to be doubted, and `bounds` says whether the report shall have
    |A||x| where that takes no reading of A of its own. Data near the ends of the floating-point
    range are scaled by exact powers of two, and the answer is scaled back.

    Raises
    ------
    RepresentationError
        The solution overflows or underflows.
    """
    size = norm2(b)
    if size == 0:  # whatever x0: A x0 may underflow to 0, and would look like a solution
        return SolveReport(np.zeros_like(b), SolveStatus.CONVERGED, b.copy(), residual_norms=[0.0])
    system = System(A, M, norm_A if norm_A is not None and math.isfinite(norm_A) else None, mu)
    powers = Powers(exponent_of(size, b.dtype), exponent_of(system.norm_A or 0.0, b.dtype), 0)
    cycles = _Cycles(system, reorthogonalization, restart, maxiter, callback, bounds)
    report = cycles.run(powers, b, x0, tolerance, rtol, size)
    if cycles.powers != powers:  # the first product has shown that A, or M, lies near an end of the range
        powers = cycles.powers
        report = cycles.run(powers, b, x0, tolerance, rtol, size)
    if any(powers):
        _restore(report, system, powers, b, tolerance, rtol)
    return report


def _restore(report: SolveReport, system: System, powers: Powers, b: np.ndarray, tolerance: float, rtol: float) -> None:
    """The report of scaled data in the caller's units, with the status of the x that leaves.   Writes report."""
    report.x, report.absolute = restore(report.x, powers.x), None
    low, high = report.ritz_values
    report.ritz_values = scale_number(low, powers.A + powers.M), scale_number(high, powers.A + powers.M)
    report.norm_A = scale_number(report.norm_A, powers.A)
    report.residual_norms = [scale_number(norm, powers.b) for norm in report.residual_norms]
    report.alpha = report.beta = np.zeros(0)  # T of the scaled system would say nothing in these units
    found = evaluate(system.A, report.x, b)
    report.residual = found.vector
    report.n_products += 1
    if found.meets(rtol, tolerance):
        if report.status in (SolveStatus.NOT_CONVERGED, SolveStatus.STALLED, SolveStatus.FLOOR):
            report.status = SolveStatus.CONVERGED
    elif report.status.success:
        # as `_Cycles._at_floor`, the floor raised by what x may have lost where it became subnormal
        floor = min(found.floor(report.x, system.norm(report.norm_A)), 0.01 * found.right)
        at_floor = found.size <= floor and not system.is_singular(report)
        report.status = SolveStatus.FLOOR if at_floor else SolveStatus.STALLED


class _Cycles:
    """Cycles on data of moderate size, until a stopping test holds.

    Attributes
    ----------
    powers : Powers
        Those of the run; or those to run again with, where the first step has shown that A or M is not of moderate size
        yet. These come as near to it as powers can: the sizes are measured once.
    """

    def __init__(
        self,
        system: System,
        reorthogonalization: Reorthogonalization,
        restart: int | None,
        maxiter: int,
        callback: Callable[[np.ndarray], object] | None,
        bounds: bool,
    ) -> None:
        n = system.A.shape[0]
        self.given, self.maxiter, self.callback, self.asked = system, maxiter, callback, reorthogonalization
        self.mode: Reorthogonalization = reorthogonalization
        if reorthogonalization == "selective" and n <= FULL_UP_TO:
            self.mode = "full"
        if restart is None:
            restart = max(2, BASIS_BYTES // (np.dtype(system.A.dtype).itemsize * n * (1 if system.M is None else 2)))
        self.restart = restart
        self.measured, self.bounds = False, bounds
        self.absolute: np.ndarray | None = None  # |A||x| of the x that was evaluated last
        self.form: tuple[Ready, int] | None = None
        self.own: Own | None = None
        self.evaluated: Evaluated | None = None  # of the last x, by whoever made it

    def run(
        self, powers: Powers, b: np.ndarray, x0: np.ndarray | None, tolerance: float, rtol: float, size: float
    ) -> SolveReport:
        """Solve (2^−a A) x' = 2^−b b from 2^(a−b) x0, preconditioned with 2^−m M; a report in these units.

        `size` is ‖b‖, in the caller's.
        """
        self.powers, self.system = powers, self.given.scaled(powers)
        self.form = None if self.callback is not None else compiled_form(self.system, self.mode, b.dtype)
        self.own = None if self.callback is not None else own_steps(self.system, self.asked, b.dtype)
        if any(powers):
            b, tolerance = scale(b, -powers.b), scale_number(tolerance, -powers.b)
            x0, size = None if x0 is None else _scaled_start(x0, -powers.x), norm2(b)
        tolerance = asked(rtol, tolerance, size)
        x = np.zeros(b.size, b.dtype) if x0 is None else x0.copy()  # what leaves is never the caller's own
        report = SolveReport(x, SolveStatus.NOT_CONVERGED, b.copy())
        norm = size
        if x0 is not None and x.any():
            report.residual, norm = self._evaluate(b, x, report)
        report.residual_norms.append(norm)
        while norm > tolerance:
            if report.iterations >= self.maxiter:  # all steps are spent
                return report
            x, memory_full = self._cycle(b, report, tolerance)
            if report.status == SolveStatus.INDEFINITE or self.powers != powers:
                return report
            if not is_finite(x):  # A is so near to a singular one that the correction overflows
                report.status = SolveStatus.STALLED
                return report
            previous, (residual, new) = norm, self._evaluate(b, x, report)
            if not math.isfinite(new):  # nothing can be said of such an x, nor a cycle begun from it
                report.status = SolveStatus.STALLED
                return report
            # a cycle cut short by memory or maxiter has lowered ‖e‖_A, whatever ‖r‖ does on the way
            cut = memory_full or (report.iterations >= self.maxiter and norm > self._floor(b, report))
            if new < norm or cut:
                report.x, report.residual, report.absolute, norm = x, residual, self.absolute, new
                report.residual_norms.append(norm)
            if cut or norm <= tolerance or new < 0.5 * previous:
                continue
            # not halved by a whole cycle: it is rounding that decides now, and another of this kind would gain nothing
            if self._at_floor(b, report, norm):
                report.status = SolveStatus.FLOOR
                return report
            # nothing better to try: no basis is kept, or it is orthogonal to u already
            if self.mode not in SEMI and not (self.mode == "full" and self.own is not None):
                if report.iterations < self.maxiter:
                    report.status = SolveStatus.STALLED
                return report
            # semi-orthogonality has ruined T: once more, with a basis orthogonal to u
            self.mode, self.own = "full", None
        report.status = SolveStatus.CONVERGED
        return report

    def _cycle(self, b: np.ndarray, report: SolveReport, tolerance: float) -> tuple[np.ndarray, bool]:
        """Steps of one process from report.residual: the corrected x, and whether it was memory that ended them."""
        if self.form is not None:
            try:
                return self._compiled_cycle(self.form, b, report, tolerance)
            except NotCompiledError:
                self.form = None
        if self.own is not None and (found := self._own_cycle(b, report, tolerance)) is not None:
            return found
        system, short = self.system, self.mode in SHORT
        process = CycleProcess(
            report.residual,
            reorthogonalization=self.mode,
            M=system.M,
            store=not short,
            capacity=None if short else min(self.restart, system.A.shape[0], self.maxiter),
        )
        iterate = (ShortIterate if short else StoredIterate)(process, report.x)
        memory_full, floor, floor_at, u = False, 0.0, math.inf, process.unit_roundoff
        while True:
            self._step(process, report)
            if not self.measured and not self._is_moderate(process):
                return report.x, False
            iterate.advance()
            if self.callback is not None:
                self.callback(self._unscaled(iterate.x()))
            # the space is invariant: x_j is all that a cycle can give; or all steps are spent
            if process.breakdown or report.iterations >= self.maxiter:
                break
            # A is indefinite, or rounding says so. The pivot d_j may be 0: with one more column the lowest Ritz value
            # falls, and its vector shows the negative curvature
            if not iterate.definite:
                self._step(process, report)
                break
            proposed = iterate.residual_norm
            # the recurrence says that it is done: now the residual has to be evaluated
            if proposed <= tolerance:
                break
            # u‖A‖‖x_j‖ is what rounding x_j alone leaves in b − A x_j: more steps would not show in that, and ruin T.
            # ‖x_j‖ costs a solve with T, and is asked for from √u‖r_0‖ on, whenever the residual has fallen ten-fold
            if proposed <= 0.1 * floor_at and proposed <= math.sqrt(u) * report.residual_norms[0]:
                floor, floor_at = u * system.norm(process.norm_A) * iterate.norm(), proposed
            if proposed <= floor:
                break
            # no room for another vector: the next cycle starts from what is evaluated
            if not short and process.k >= self.restart:
                memory_full = True
                break
        self._record(report, process, iterate)
        return iterate.x(), memory_full

    def _compiled_cycle(
        self, form: tuple[Ready, int], b: np.ndarray, report: SolveReport, tolerance: float
    ) -> tuple[np.ndarray, bool]:
        """`_cycle` with the loop below it compiled, and b − A x of the x that it returns."""
        cycle = CompiledCycle(
            form,
            self.system,
            b,
            report,
            tolerance,
            mode=self.mode,
            short=self.mode in SHORT,
            maxiter=self.maxiter,
            restart=self.restart,
            moderate=NO_LIMIT if self.measured else largest_exponent(b.dtype),
            from_zero=not report.n_products or norm2(report.x) == 0,
            bounds=self.bounds,
        )
        ended = cycle.run()
        if ended == steps.NOT_MODERATE:
            self._is_moderate(cycle.process)
            return report.x, False
        self.measured = True
        self._record(report, cycle, cycle)
        self.evaluated = cycle.evaluated
        return cycle.solution(), ended == steps.MEMORY_FULL

    def _own_cycle(self, b: np.ndarray, report: SolveReport, tolerance: float) -> tuple[np.ndarray, bool] | None:
        """`_cycle` by A itself, and b − A x of the x that it returns; None where a basis has to say more."""
        assert self.own is not None
        before, most = report.iterations, min(b.size, self.maxiter - report.iterations)
        found = own_cycle(self.own, self.system, b, report, tolerance, most)
        full = report.iterations - before == b.size  # n steps would do, but for rounding, which a basis takes care of
        if found is None or full:
            self.own = None
        if found is None:
            return None
        self.measured, self.evaluated = True, Evaluated(found[1], norm2(found[1]), None)
        return found[0], full

    def _step(self, process: LanczosProcess, report: SolveReport) -> None:
        process.step(self.system.A)
        report.n_products += 1
        report.iterations += 1

    def _is_moderate(self, process: LanczosProcess) -> bool:
        """Whether A and M have a size at which T, and what is formed on the way to it, is far from overflow.

        If not, `powers` are those that give them such a size.
        """
        self.measured, M = True, self.system.M
        A_exponent = exponent_of(process.scale if M is None else process.norm_A, process.dtype)
        M_exponent = 0 if M is None else exponent_of(process.norm_M, process.dtype)
        self.powers = Powers(self.powers.b, self.powers.A + A_exponent, M_exponent)
        return A_exponent == M_exponent == 0

    def _record(
        self, report: SolveReport, process: LanczosProcess | CompiledCycle, iterate: StoredIterate | CompiledCycle
    ) -> None:
        """Keep T, the Ritz values, and where T shows it proof of negative curvature, or doubt of mu."""
        report.alpha, report.beta = process.alpha.copy(), process.beta.copy()
        report.start_norm = process.start_norm
        report.norm_A = max(report.norm_A, process.norm_A)
        low, high = extreme_ritz_values(report.alpha, report.beta)
        if not iterate.definite and not self._prove_negative(report, iterate.direction()):
            self._prove_negative(report, iterate.pivot_direction())
        mu, lowest = self.system.mu, report.ritz_values[0]
        if mu is not None and low < min(mu, lowest) and process.store and report.status != SolveStatus.INDEFINITE:
            report.suspect = process.ritz_vectors(0, 0)[0][0]
        report.widen(low, high, preconditioned=self.system.M is not None)

    def _prove_negative(self, report: SolveReport, z: np.ndarray | None) -> bool:
        """INDEFINITE if zᵀAz stays negative with the rounding of its evaluation added."""
        size = math.nan if z is None else norm2(z)
        if z is None or not 0 < size < math.inf:
            return False
        z = z / size
        with np.errstate(over="ignore", invalid="ignore"):
            curvature, error = rayleigh_quotient(self.system.A, z, self.system.norm(report.norm_A))
        report.n_products += 1
        if not curvature + error < 0:
            return False
        report.status, report.direction, report.curvature = SolveStatus.INDEFINITE, z, curvature
        return True

    def _evaluate(self, b: np.ndarray, x: np.ndarray, report: SolveReport) -> tuple[np.ndarray, float]:
        """b − A x and its norm."""
        report.n_products += 1
        found, self.evaluated, self.absolute = self.evaluated, None, None
        if found is None:
            residual = self.system.residual(b, x)
            return residual, norm2(residual)
        count_products(self.system.A, 1)
        self.absolute = found.absolute
        return found.residual, found.norm

    def _at_floor(self, b: np.ndarray, report: SolveReport, norm: float) -> bool:
        """Whether rounding explains the evaluated residual, so that none of the same x can be told to be better.

        Where A is singular to working precision x may be huge. Then the floor is so high that it excuses any residual,
        and such an x solves nothing: hence at most ‖b‖/100, and not where the Ritz values show such an A.
        """
        explained = norm <= self._floor(b, report)
        return explained and norm <= 0.01 * norm2(b) and not self.system.is_singular(report)

    def _floor(self, b: np.ndarray, report: SolveReport) -> float:
        """(n + 10) u (‖A‖‖x‖ + ‖b‖): what rounding alone may leave in b − A x when it is evaluated."""
        norm_A = self.system.norm(report.norm_A)
        return (b.size + 10) * unit_roundoff(b.dtype) * (norm_A * norm2(report.x) + norm2(b))

    def _unscaled(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):  # whether x can be represented is asked of the last one
            return scale(x, self.powers.x) if self.powers.x else x


def _scaled_start(x0: np.ndarray, exponent: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        scaled = scale(x0, exponent)
    if not np.isfinite(scaled).all():
        raise RepresentationError(
            f"the start exceeds the solution by more than {x0.dtype} can represent: start from zero"
        )
    return scaled
