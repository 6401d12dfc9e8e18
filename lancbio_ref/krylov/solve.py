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
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..errors import RepresentationError
from ..operators.proofs import rayleigh_quotient
from ..rounding import norm2, scale, scale_number, unit_roundoff
from ..status import SolveStatus
from .iterates import ShortIterate, StoredIterate
from .process import LanczosProcess
from .residual import Residual, asked, evaluate
from .scaling import ScaledOperator, exponent_of, restore
from .tridiagonal import extreme_ritz_values

BASIS_BYTES = 2**30  # the default bound of a stored basis
SHORT = ("none", "local")  # short recurrences
SEMI = ("selective", "partial")  # where semi-orthogonality has ruined T above the floor, a cycle of `full` follows


@dataclass
class SolveReport:
    """What a solve found.

    Attributes
    ----------
    x : ndarray, shape (n,)
        The best iterate.
    status : SolveStatus
        CONVERGED, FLOOR, INDEFINITE; NOT_CONVERGED where `maxiter` ended it, STALLED where more steps would not help.
    residual : ndarray, shape (n,)
        b − A x, evaluated.
    iterations, n_products : int
        Lanczos steps, and products with A (steps and evaluations).
    direction : ndarray or None
        With INDEFINITE: z with zᵀAz + rounding < 0, normalized; `curvature` is zᵀAz.
    alpha, beta : ndarray, shape (k,)
        T of the last cycle, as :func:`lanczos` gives it.
    start_norm : float
        The norm that cycle started from.
    ritz_values : (float, float)
        Smallest and largest Ritz value seen; (inf, 0) if no step was made.
    norm_A : float
        The largest ‖A q‖/‖q‖ seen, a lower bound of ‖A‖₂.
    lowest : ndarray or None
        The Ritz vector of the smallest Ritz value, where that is below the `mu` under suspicion.
    corrections : list of float
        The evaluated residual norm before the first and after every cycle that was kept.
    """

    x: np.ndarray
    status: SolveStatus
    residual: np.ndarray
    iterations: int = 0
    n_products: int = 0
    direction: np.ndarray | None = None
    curvature: float = 0.0
    alpha: np.ndarray = field(default_factory=lambda: np.zeros(0))
    beta: np.ndarray = field(default_factory=lambda: np.zeros(0))
    start_norm: float = 0.0
    ritz_values: tuple[float, float] = (math.inf, 0.0)
    norm_A: float = 0.0
    lowest: np.ndarray | None = None
    corrections: list[float] = field(default_factory=list)

    @property
    def condition_estimate(self) -> float:
        """θ_max/θ_min, a lower bound of the condition number; inf where no step was made."""
        low, high = self.ritz_values
        return high / low if 0 < low < math.inf else math.inf


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
    reorthogonalization: str = "selective",
    restart: int | None = None,
    norm_A: float | None = None,
    mu: float | None = None,
) -> SolveReport:
    """Solve A x = b to ‖b − A x‖ ≤ max(`rtol` ‖b‖, `tolerance`), or as far as rounding allows.

    Arguments are those of :func:`lanczos_solve`, already checked; besides, `norm_A` is an upper bound of ‖A‖₂ if one
    is known, and `mu` a lower bound of the spectrum that is to be doubted. Data near the ends of the floating-point
    range are scaled by exact powers of two, and the answer is scaled back.

    Raises
    ------
    RepresentationError
        The solution overflows or underflows.
    """
    if not b.any():  # whatever x0: A x0 may underflow to 0, and would look like a solution
        return SolveReport(np.zeros_like(b), SolveStatus.CONVERGED, b.copy(), corrections=[0.0])
    if norm_A is not None and not math.isfinite(norm_A):
        norm_A = None
    powers = _Powers(exponent_of(norm2(b), b.dtype), exponent_of(norm_A, b.dtype) if norm_A else 0, 0)
    loop = _Cycles(A, M, reorthogonalization, restart, maxiter, callback)
    system = A, M, b, x0, tolerance, rtol, norm_A, mu
    try:
        return _solve_scaled(loop, powers, *system)
    except _OutOfRange as found:
        loop.in_range = True  # as near to it as A and M come: they are not measured again
        powers = powers._replace(A=powers.A + found.A_exponent, M=found.M_exponent)
        return _solve_scaled(loop, powers, *system)


class _Powers(NamedTuple):
    """The exponents by which b, A and M are scaled."""

    b: int
    A: int
    M: int


def _solve_scaled(
    loop: _Cycles,
    powers: _Powers,
    A: LinearOperator,
    M: LinearOperator | None,
    b: np.ndarray,
    x0: np.ndarray | None,
    tolerance: float,
    rtol: float,
    norm_A: float | None,
    mu: float | None,
) -> SolveReport:
    """(2^−a A) x' = 2^−b b, preconditioned with 2^−m M, and everything in the report scaled back."""
    if not any(powers):
        loop.A, loop.M, loop.mu, loop.shift = A, M, mu, 0
        return loop.run(b, x0, tolerance, rtol, norm_A)
    loop.A = ScaledOperator(A, powers.A)
    loop.M = M if M is None or not powers.M else ScaledOperator(M, powers.M)
    loop.shift = shift = powers.b - powers.A  # x = 2^shift x'
    loop.mu = None if mu is None else scale_number(mu, -powers.A)
    report = loop.run(
        scale(b, -powers.b),
        None if x0 is None else _scaled_start(x0, -shift),
        scale_number(tolerance, -powers.b),
        rtol,
        None if norm_A is None else scale_number(norm_A, -powers.A),
    )
    report.x = restore(report.x, shift)
    low, high = report.ritz_values
    report.ritz_values = scale_number(low, powers.A + powers.M), scale_number(high, powers.A + powers.M)
    report.norm_A = scale_number(report.norm_A, powers.A)
    report.corrections = [scale_number(r, powers.b) for r in report.corrections]
    report.alpha = report.beta = np.zeros(0)  # T of the scaled system would say nothing in these units
    found = evaluate(A, report.x, b)
    report.residual = found.vector
    report.n_products += 1
    if found.meets(rtol, tolerance):
        if report.status in _OPEN:
            report.status = SolveStatus.CONVERGED
    elif report.status.success:
        report.status = SolveStatus.FLOOR if loop.at_floor(found, report, norm_A) else SolveStatus.STALLED
    return report


_OPEN = (SolveStatus.NOT_CONVERGED, SolveStatus.STALLED, SolveStatus.FLOOR)


def _scaled_start(x0: np.ndarray, exponent: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        scaled = scale(x0, exponent)
    if not np.isfinite(scaled).all():
        raise RepresentationError(
            f"the start exceeds the solution by more than {x0.dtype} can represent: start from zero"
        )
    return scaled


class _OutOfRange(Exception):
    """The first product shows that A, or M, lies near an end of the floating-point range."""

    def __init__(self, A_exponent: int, M_exponent: int) -> None:
        self.A_exponent, self.M_exponent = A_exponent, M_exponent


class _Cycles:
    """The loop of cycles on data of moderate size."""

    def __init__(self, A, M, reorthogonalization, restart, maxiter, callback) -> None:
        self.A, self.M, self.mode, self.maxiter, self.callback = A, M, reorthogonalization, maxiter, callback
        self.mu: float | None = None
        self.shift, self.in_range = 0, False
        n, bases = A.shape[0], 1 if M is None else 2
        fits = BASIS_BYTES // (np.dtype(A.dtype).itemsize * n * bases)
        self.restart = max(2, fits) if restart is None else restart

    def run(
        self, b: np.ndarray, x0: np.ndarray | None, tolerance: float, rtol: float, norm_A: float | None
    ) -> SolveReport:
        self.norm_A = norm_A
        tolerance = asked(rtol, tolerance, norm2(b))
        x = np.zeros_like(b) if x0 is None else x0.copy()  # what leaves is never the caller's own
        report = SolveReport(x, SolveStatus.NOT_CONVERGED, b.copy())
        if x.any():
            report.residual = self._evaluate(b, x, report)
        norm = norm2(report.residual)
        report.corrections.append(norm)
        while norm > tolerance:
            if report.iterations >= self.maxiter:
                return report
            x = self._cycle(report, tolerance)
            if report.status == SolveStatus.INDEFINITE:
                return report
            if not np.isfinite(x).all():  # A is so near to a singular one that the correction overflows
                report.status = SolveStatus.STALLED
                return report
            residual = self._evaluate(b, x, report)
            previous, new = norm, norm2(residual)
            if not math.isfinite(new):
                report.status = SolveStatus.STALLED
                return report
            # a cycle cut short by memory or maxiter has lowered ‖e‖_A, whatever ‖r‖ does on the way
            cut = self.exhausted or (report.iterations >= self.maxiter and norm > self._floor(b, report))
            if new < norm or cut:
                report.x, report.residual, norm = x, residual, new
                report.corrections.append(norm)
            # less than halved: another cycle of this kind would gain nothing
            if norm > tolerance and not cut and not new < 0.5 * previous:
                if norm <= self._floor(b, report) and not self._hopeless(b, report, norm):
                    report.status = SolveStatus.FLOOR
                    return report
                if self.mode not in SEMI:
                    if report.iterations < self.maxiter:
                        report.status = SolveStatus.STALLED
                    return report
                self.mode = "full"
        report.status = SolveStatus.CONVERGED
        return report

    def _cycle(self, report: SolveReport, tolerance: float) -> np.ndarray:
        """Steps of one process from report.residual; returns the corrected x."""
        short = self.mode in SHORT
        process = LanczosProcess(
            report.residual,
            reorthogonalization=self.mode,
            M=self.M,
            store=not short,
            capacity=None if short else min(self.restart, self.A.shape[0], self.maxiter),
        )
        iterate = (ShortIterate if short else StoredIterate)(process, report.x)
        self.exhausted = False  # whether the store of basis vectors ended the cycle
        floor, floor_at, u = 0.0, math.inf, process.unit_roundoff
        while True:
            process.step(self.A)
            report.n_products += 1
            report.iterations += 1
            if process.k == 1 and report.iterations == 1 and not self.in_range:
                self._require_range(process)
            iterate.advance()
            if self.callback is not None:
                self.callback(self._unscaled(iterate.x()))
            if process.breakdown or report.iterations >= self.maxiter:
                break
            if not iterate.definite:  # the pivot may be 0: one more column, and the lowest Ritz value falls
                process.step(self.A)
                report.n_products += 1
                report.iterations += 1
                break
            proposed = iterate.residual_norm
            if proposed <= tolerance:
                break
            if proposed <= 0.1 * floor_at and proposed <= math.sqrt(u) * report.corrections[0]:
                floor, floor_at = u * max(self.norm_A or 0.0, process.norm_A) * iterate.norm(), proposed
            if proposed <= floor:
                break
            if not short and process.k >= self.restart:
                self.exhausted = True
                break
        self._record(report, process, iterate)
        return iterate.x()

    def _record(self, report: SolveReport, process: LanczosProcess, iterate: StoredIterate) -> None:
        """Keep T, the Ritz values, and proof of negative curvature where T shows it."""
        report.alpha, report.beta = process.alpha.copy(), process.beta.copy()
        report.start_norm = process.start_norm
        report.norm_A = max(report.norm_A, process.norm_A)
        low, high = extreme_ritz_values(process.alpha, process.beta)
        if not iterate.definite and not self._prove_negative(report, iterate.direction()):
            self._prove_negative(report, iterate.pivot_direction())
        if self.mu is not None and low < self.mu and low < report.ritz_values[0] and process.store:
            report.lowest = process.ritz_vectors(0, 0)[0][0]
        report.ritz_values = min(report.ritz_values[0], low), max(report.ritz_values[1], high)

    def _require_range(self, process: LanczosProcess) -> None:
        """:class:`_OutOfRange` where A or M has a size at which T, or what is formed on the way to it, may overflow."""
        A_exponent = exponent_of(process.scale if self.M is None else process.norm_A, process.dtype)
        M_exponent = 0 if self.M is None else exponent_of(process.norm_M, process.dtype)
        if A_exponent or M_exponent:
            raise _OutOfRange(A_exponent, M_exponent)

    def _unscaled(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):  # whether x can be represented is asked of the last one
            return scale(x, self.shift) if self.shift else x

    def _prove_negative(self, report: SolveReport, z: np.ndarray | None) -> bool:
        """INDEFINITE if zᵀAz stays negative with the rounding of its evaluation added."""
        size = math.nan if z is None else norm2(z)
        if z is None or not 0 < size < math.inf:
            return False
        z = z / size
        with np.errstate(over="ignore", invalid="ignore"):
            curvature, error = rayleigh_quotient(self.A, z, max(self.norm_A or 0.0, report.norm_A))
        report.n_products += 1
        if curvature + error < 0:
            report.status, report.direction, report.curvature = SolveStatus.INDEFINITE, z, curvature
        return report.status == SolveStatus.INDEFINITE

    def _evaluate(self, b: np.ndarray, x: np.ndarray, report: SolveReport) -> np.ndarray:
        report.n_products += 1
        with np.errstate(over="ignore", invalid="ignore"):
            return b - self.A.matvec(x)

    def at_floor(self, found: Residual, report: SolveReport, norm_A: float | None) -> bool:
        """Whether rounding, that of x to subnormal numbers too, explains what is left of b in the caller's units."""
        floor = found.floor(report.x, max(norm_A or 0.0, report.norm_A))
        return found.size <= min(floor, 0.01 * found.right) and not self._singular(report)

    def _hopeless(self, b: np.ndarray, report: SolveReport, norm: float) -> bool:
        """Whether A is singular to working precision: a huge x excuses any residual, and solves nothing."""
        return self._singular(report) or norm > 0.01 * norm2(b)

    def _singular(self, report: SolveReport) -> bool:
        u = unit_roundoff(report.x.dtype)
        return self.M is None and report.condition_estimate * (report.x.size + 10) * u > 1

    def _floor(self, b: np.ndarray, report: SolveReport) -> float:
        """(n + 10) u (‖A‖‖x‖ + ‖b‖): what rounding alone may leave in the evaluated residual."""
        norm_A = max(self.norm_A or 0.0, report.norm_A)
        return (b.size + 10) * unit_roundoff(b.dtype) * (norm_A * norm2(report.x) + norm2(b))
