"""Strategies for v ≈ A⁻¹b: each a callable (linearization, v0, *, rtol, maxiter) → (v, status).

A strategy sees the linearization and nothing else. Those of this package return a :class:`SolveReport`, which unpacks
to (v, status) and carries what they learned of A on the way. Statuses are decided by the evaluated residual
(:mod:`lancbio_ref.krylov.residual`): CONVERGED, FLOOR, INDEFINITE, NOT_CONVERGED where `maxiter` ended it, and STALLED
where more steps would not help.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, cg

from ..arguments import Reorthogonalization, as_choice, as_integer, as_number, plain_array
from ..errors import ArgumentError, CallableError, RepresentationError
from ..krylov import SolveReport, lanczos, solve
from ..krylov.equilibration import row_sizes, scaled_solve
from ..krylov.reorthogonalization import MODES
from ..krylov.residual import Residual, evaluate, is_tiny
from ..krylov.scaling import exponent_of, restore
from ..krylov.tridiagonal import extreme_ritz_values
from ..linearization import Linearization
from ..operators import as_dense, structure_of
from ..operators.proofs import rayleigh_quotient
from ..operators.vectors import asked, is_ours, read_only
from ..rounding import norm2, scale, scale_number, unit_roundoff
from ..status import SolveStatus

FAR = 1e-8  # a residual that is allowed this is seldom as small as rounding, whose bound then needs no |A||v|


@dataclass(frozen=True)
class LanczosInverse:
    """Lanczos cycles with evaluated residuals (:mod:`lancbio_ref.krylov.solve`); the default.

    Parameters
    ----------
    reorthogonalization : {"selective", "full", "partial", "local", "none"}
        ``selective`` is ``full`` where n_y ≤ 2048.
    restart : int, optional
        Most basis vectors stored.
    """

    reorthogonalization: Reorthogonalization = "selective"
    restart: int | None = None

    def __post_init__(self) -> None:
        as_choice("reorthogonalization", self.reorthogonalization, MODES)
        if self.restart is not None:
            as_integer("restart", self.restart, least=1)

    def __call__(
        self, linearization: Linearization, v0: np.ndarray | None, *, rtol: float, maxiter: int
    ) -> SolveReport:
        return self.of(
            linearization.A,
            linearization.b,
            v0,
            rtol=rtol,
            maxiter=maxiter,
            M=linearization.M,
            norm_A=linearization.smoothness,
            mu=linearization.mu,
        )

    def of(
        self,
        A: LinearOperator,
        b: np.ndarray,
        v0: np.ndarray | None = None,
        *,
        rtol: float,
        maxiter: int,
        M: LinearOperator | None = None,
        norm_A: float | None,
        mu: float | None,
    ) -> SolveReport:
        """The same of what a linearization holds."""
        structure = structure_of(A)
        far = rtol >= FAR and structure is not None and structure.absolute_norm() is not None
        return solve(
            A,
            b,
            v0,
            rtol=rtol,
            maxiter=maxiter,
            M=M,
            reorthogonalization=self.reorthogonalization,
            restart=self.restart,
            norm_A=norm_A,
            mu=mu,
            bounds=not far,
        )


@dataclass(frozen=True)
class ExactInverse:
    """Dense Cholesky factorization; n_y products to form A where it is not stored. `v0` and `maxiter` have no say.

    LAPACK sums in an order that depends on the number of BLAS threads, and the last digits of v with it, from n_y of
    about 200 on: the bits repeat for a fixed ``OPENBLAS_NUM_THREADS``.
    """

    def __call__(
        self, linearization: Linearization, v0: np.ndarray | None, *, rtol: float, maxiter: int
    ) -> SolveReport:
        A, b = linearization.A, linearization.b
        structure = structure_of(A)
        dense = as_dense(A, b.dtype) if structure is None else structure.toarray()
        if not np.isfinite(dense).all():
            raise RepresentationError(
                f"the entries of A overflow {b.dtype} once it is formed: inverse='lanczos' may do"
            )
        # LAPACK squares, and divides by what it has squared: it gets numbers of moderate size, by exact powers of two
        powers = exponent_of(float(np.abs(dense).max()), b.dtype), exponent_of(norm2(b), b.dtype)
        dense = scale(dense, -powers[0])
        dense = (dense / 2 + dense.T / 2).astype(b.dtype)
        values, vectors = _eigh(dense)
        if values[0] <= 0 and _is_negative(A, vectors[:, 0], linearization.smoothness, float(np.abs(values).max())):
            return SolveReport(np.zeros_like(b), SolveStatus.INDEFINITE, b.copy(), direction=vectors[:, 0])
        try:
            v = scipy.linalg.cho_solve(scipy.linalg.cho_factor(dense), scale(b, -powers[1]))
        except np.linalg.LinAlgError:
            return SolveReport(np.zeros_like(b), SolveStatus.STALLED, b.copy())
        if not np.isfinite(v).all():  # of numbers of moderate size: A is singular to working precision
            return SolveReport(np.zeros_like(b), SolveStatus.STALLED, b.copy())
        v = restore(v, powers[1] - powers[0])
        condition = float(values[-1]) / float(values[0]) if values[0] > 0 else math.inf
        found = evaluate(A, v, b)
        norm_A = scale_number(float(values[-1]), powers[0])
        status = _judge(found, v, rtol, norm_A, cut=False)
        return SolveReport(v, status, found.vector, suspect=vectors[:, 0], condition_estimate=condition)


@dataclass(frozen=True)
class ConjugateGradientInverse:
    """``scipy.sparse.linalg.cg``, for comparison."""

    def __call__(
        self, linearization: Linearization, v0: np.ndarray | None, *, rtol: float, maxiter: int
    ) -> SolveReport:
        A, b, given = linearization.A, linearization.b, linearization.M

        def product(p: np.ndarray) -> np.ndarray:
            if not np.isfinite(p).all():
                raise _Breakdown
            return A.matvec(p)

        def precondition(r: np.ndarray) -> np.ndarray:
            if not np.isfinite(r).all():
                raise _Breakdown
            assert given is not None
            return given.matvec(r)

        def keep(x: np.ndarray) -> None:
            if np.isfinite(x).all():
                last[:] = x

        M = None if given is None else LinearOperator(A.shape, precondition, dtype=given.dtype)
        last = np.zeros_like(b) if v0 is None else v0.copy()
        info = 0
        try:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # cg divides by pᵀAp unseen
                v, info = cg(
                    LinearOperator(A.shape, product, dtype=A.dtype),
                    b,
                    v0,
                    rtol=max(rtol, unit_roundoff(b.dtype)),
                    maxiter=maxiter,
                    M=M,
                    callback=keep,
                )
        except _Breakdown:
            v = last
        v = v if np.isfinite(v).all() else last
        found = evaluate(A, v, b)
        status = _judge(found, v, rtol, linearization.smoothness, cut=info > 0)  # info: maxiter, which was reached
        return SolveReport(v, status, found.vector)


class _Breakdown(Exception):
    """cg has divided by pᵀAp = 0, or overflowed; the iterate before is the last that is one."""


@dataclass(frozen=True)
class NeumannInverse:
    """v ← v + η(b − A v), from v0: the partial sums of η Σ_q (I − ηA)^q b when v0 = 0; the error falls as (1 − ηλ)^q.

    Parameters
    ----------
    step : float, optional
        η < 2/‖A‖; 1/L by default, L the linearization's smoothness or 1.1 times the largest Ritz value of 20 Lanczos
        steps.
    """

    step: float | None = None

    def __post_init__(self) -> None:
        if self.step is not None:
            as_number("step", self.step, above=0.0)

    def __call__(
        self, linearization: Linearization, v0: np.ndarray | None, *, rtol: float, maxiter: int
    ) -> SolveReport:
        A, b = linearization.A, linearization.b
        smoothness = linearization.smoothness
        if not b.any():
            return SolveReport(np.zeros_like(b), SolveStatus.CONVERGED, b.copy())
        if self.step is None and (smoothness is None or not math.isfinite(smoothness)):
            run = lanczos(A, b, 20)
            smoothness = 1.1 * max(map(abs, extreme_ritz_values(run.alpha, run.beta)))
        v = first = np.zeros_like(b) if v0 is None else v0.copy()
        residual = at_first = b - A.matvec(v) if v.any() else b.copy()
        step = self.step if self.step is not None else _inverse_of(smoothness or 0.0)
        with np.errstate(over="ignore"):
            factor = b.dtype.type(step)
        if not (0 < factor < math.inf):  # A = 0, or 1/L is no number of this type
            found = evaluate(A, v, b)
            return SolveReport(v, _judge(found, v, rtol, smoothness, cut=False), found.vector)
        start = norm2(residual)
        best = residual_norm = start
        tolerance = rtol * norm2(b)
        stalled, cut = 0, False
        for iteration in range(maxiter + 1):
            if residual_norm <= tolerance:
                break
            if iteration == maxiter:
                cut = True
                break
            with np.errstate(over="ignore", invalid="ignore"):
                v = v + factor * residual
            _require_representable(v)
            residual = b - A.matvec(v)
            residual_norm = norm2(residual)
            stalled = stalled + 1 if residual_norm >= best else 0
            best = min(best, residual_norm)
            if stalled > 20 or residual_norm > 1e3 * start:
                # the residual has turned to the eigenvector that grows fastest
                z = residual / residual.dtype.type(residual_norm)
                if _is_negative(A, z, smoothness, 0.0):
                    return SolveReport(first, SolveStatus.INDEFINITE, at_first, direction=z / norm2(z))
                if residual_norm > 1e3 * start:
                    raise ArgumentError("step", f"{step:.4g}", "a step below 2/||A||: the Neumann series diverges")
                break
        found = evaluate(A, v, b) if is_tiny(b) else Residual.of(residual, b)
        return SolveReport(v, _judge(found, v, rtol, smoothness, cut=cut), found.vector)


def _judge(found: Residual, v: np.ndarray, rtol: float, norm_A: float | None, *, cut: bool) -> SolveStatus:
    """CONVERGED by the evaluated residual, FLOOR if rounding alone explains it.

    Else NOT_CONVERGED where `maxiter` cut it short, and STALLED where it ended by itself.
    """
    if found.meets(rtol):
        return SolveStatus.CONVERGED
    # a huge v, as of a singular A, excuses any residual, and solves nothing
    if found.size <= min(found.floor(v, norm_A or 0.0), 0.1 * found.right):
        return SolveStatus.FLOOR
    return SolveStatus.NOT_CONVERGED if cut else SolveStatus.STALLED


def _is_negative(A: LinearOperator, z: np.ndarray, *norms_A: float | None) -> bool:
    """Whether zᵀAz stays negative with the rounding of its evaluation added."""
    if not 0 < norm2(z) < math.inf:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        curvature, error = rayleigh_quotient(A, z / norm2(z), max(norm or 0.0 for norm in norms_A))
    return curvature + error < 0


def _eigh(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors, by LAPACK's other driver where the first gives up, or returns no numbers."""
    try:
        values, vectors = scipy.linalg.eigh(dense)
        if np.isfinite(values).all() and np.isfinite(vectors).all():
            return values, vectors
    except np.linalg.LinAlgError:
        pass
    return np.linalg.eigh(dense)


def _inverse_of(smoothness: float) -> float:
    return 1 / float(smoothness) if smoothness else math.inf  # Python's division, which overflows to inf unremarked


def _require_representable(v: np.ndarray) -> None:
    if not np.isfinite(v).all():
        raise RepresentationError(f"the solution overflows {v.dtype}: rescale b or A")


Strategy = Callable[..., SolveReport | tuple[np.ndarray, SolveStatus]]

STRATEGIES: dict[str, Callable[..., Strategy]] = {
    "lanczos": LanczosInverse,
    "exact": ExactInverse,
    "cg": ConjugateGradientInverse,
    "neumann": NeumannInverse,
}


def scaled_inverse(point: Linearization, v0: np.ndarray | None, *, rtol: float, maxiter: int) -> SolveReport:
    """A strategy: Lanczos, of the scaled system where the rows of A differ much in size and no M takes care of that."""
    if point.M is not None or row_sizes(point.A) is None:
        return LanczosInverse()(point, v0, rtol=rtol, maxiter=maxiter)
    found = scaled_solve(point.A, point.b, v0, tolerance=rtol * norm2(point.b), maxiter=maxiter)
    return SolveReport(found.x, found.status, found.residual, direction=found.direction)  # the rest is of the scaled A


def strategy_of(inverse: str | Strategy, reorthogonalization: Reorthogonalization | None) -> Strategy:
    """The strategy object behind a name; options that it has no use for are refused."""
    if reorthogonalization is not None:
        if inverse != "lanczos":
            raise ArgumentError("reorthogonalization", repr(reorthogonalization), "None unless inverse='lanczos'")
        return LanczosInverse(reorthogonalization)
    if callable(inverse):
        return inverse
    if not isinstance(inverse, str) or inverse not in STRATEGIES:
        raise ArgumentError("inverse", repr(inverse), "a callable or one of " + ", ".join(map(repr, STRATEGIES)))
    return STRATEGIES[inverse]()


def solved(
    strategy: Strategy, linearization: Linearization, v0: np.ndarray | None, rtol: float, maxiter: int
) -> SolveReport:
    """Run a strategy; b = 0 has the answer 0 and needs none.

    Of a strategy that is not this package's the residual is evaluated, and a direction of negative curvature verified,
    here, whatever its report says of them.
    """
    A, b = linearization.A, linearization.b
    if norm2(b) == 0:
        return SolveReport(np.zeros_like(b), SolveStatus.CONVERGED, b.copy())
    if is_ours(type(strategy)) or strategy is scaled_inverse:
        return strategy(linearization, v0, rtol=rtol, maxiter=maxiter)  # type: ignore[return-value]
    shown = linearization.replaced()
    shown.b, shown.c = read_only(shown.b), read_only(shown.c)
    report = asked(partial(strategy, rtol=rtol, maxiter=maxiter), (shown, v0), "inverse", 1)
    try:
        v, status = (report.x, report.status) if isinstance(report, SolveReport) else report
        status = SolveStatus(status)
    except (TypeError, ValueError):
        raise CallableError("inverse", 1, repr(report)[:80], "(v, SolveStatus)") from None
    expected = f"finite v of shape {b.shape}"
    try:
        v = plain_array("v", v, expected)
    except ArgumentError as error:
        raise CallableError("inverse", 1, error.found, error.expected) from None
    if v.shape != b.shape or v.dtype.kind not in "fiu" or not np.isfinite(v).all():
        raise CallableError("inverse", 1, f"v of shape {v.shape}, dtype {v.dtype}", expected)
    v = v.astype(b.dtype)
    residual = b - A.matvec(v)
    if not isinstance(report, SolveReport):
        return SolveReport(v, status, residual)
    z = report.direction
    if z is not None and not (np.shape(z) == b.shape and _is_negative(A, z, linearization.smoothness)):
        z = None
    return replace(report, x=v, status=status, residual=residual, direction=z, absolute=None)
