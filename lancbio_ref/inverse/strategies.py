"""Strategies for v ≈ A⁻¹b: each a callable (linearization, v0, *, rtol, maxiter) → (v, status).

A strategy sees the linearization and nothing else. Those of this package return an :class:`InverseReport`, which
unpacks to (v, status) and carries what they learned of A on the way. Statuses are decided by the evaluated residual.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, cg

from ..arguments import as_choice, as_integer, as_number
from ..errors import ArgumentError, RepresentationError
from ..krylov import lanczos, solve
from ..krylov.reorthogonalization import MODES
from ..krylov.tridiagonal import extreme_ritz_values
from ..operators import structure_of
from ..operators.proofs import rayleigh_quotient
from ..rounding import norm2, unit_roundoff
from ..status import SolveStatus
from .report import InverseReport


@dataclass(frozen=True)
class LanczosInverse:
    """Lanczos cycles with evaluated residuals (:mod:`lancbio_ref.krylov.solve`); the default.

    Parameters
    ----------
    reorthogonalization : {"selective", "full", "partial", "local", "none"}
    restart : int, optional
        Most basis vectors stored.
    """

    reorthogonalization: str = "selective"
    restart: int | None = None

    def __post_init__(self) -> None:
        as_choice("reorthogonalization", self.reorthogonalization, MODES)
        if self.restart is not None:
            as_integer("restart", self.restart, least=1)

    def __call__(self, linearization: Any, v0: np.ndarray | None, *, rtol: float, maxiter: int) -> InverseReport:
        b, smoothness = linearization.b, linearization.smoothness
        report = solve(
            linearization.A,
            b,
            v0,
            tolerance=rtol * norm2(b),
            maxiter=maxiter,
            M=linearization.M,
            reorthogonalization=self.reorthogonalization,
            restart=self.restart,
            norm_A=smoothness,
            mu=linearization.mu,
        )
        return InverseReport(
            report.x,
            report.status,
            report.residual,
            report,
            report.lowest,
            report.direction,
            report.condition_estimate if linearization.M is None else math.inf,
        )


@dataclass(frozen=True)
class ExactInverse:
    """Dense Cholesky factorization; n_y products to form A where it is not stored. `v0` and `maxiter` have no say."""

    def __call__(self, linearization: Any, v0: np.ndarray | None, *, rtol: float, maxiter: int) -> InverseReport:
        A, b = linearization.A, linearization.b
        structure = structure_of(A)
        if structure is not None:
            dense = structure.toarray()
        else:
            dense = np.stack([A.matvec(e) for e in np.eye(b.size, dtype=b.dtype)], axis=1)
        dense = (dense / 2 + dense.T / 2).astype(b.dtype)
        values, vectors = scipy.linalg.eigh(dense)
        if values[0] <= 0:
            z = vectors[:, 0]
            curvature, error = rayleigh_quotient(A, z, linearization.smoothness or float(np.abs(values).max()))
            if curvature + error < 0:
                return InverseReport(np.zeros_like(b), SolveStatus.INDEFINITE, direction=z)
        try:
            v = scipy.linalg.cho_solve(scipy.linalg.cho_factor(dense), b)
        except np.linalg.LinAlgError:
            return InverseReport(np.zeros_like(b), SolveStatus.NOT_CONVERGED)
        _require_representable(v)
        condition = float(values[-1] / values[0]) if values[0] > 0 else math.inf
        residual = b - A.matvec(v)
        return InverseReport(
            v, _judge(residual, v, b, rtol, float(values[-1])), residual, None, vectors[:, 0], None, condition
        )


@dataclass(frozen=True)
class ConjugateGradientInverse:
    """``scipy.sparse.linalg.cg``, for comparison."""

    def __call__(self, linearization: Any, v0: np.ndarray | None, *, rtol: float, maxiter: int) -> InverseReport:
        A, b = linearization.A, linearization.b

        def product(p: np.ndarray) -> np.ndarray:
            if not np.isfinite(p).all():
                raise _Breakdown
            return A.matvec(p)

        def keep(x: np.ndarray) -> None:
            if np.isfinite(x).all():
                last[:] = x

        last = np.zeros_like(b) if v0 is None else v0.copy()
        try:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # cg divides by pᵀAp unseen
                v, _ = cg(
                    LinearOperator(A.shape, product, dtype=A.dtype),
                    b,
                    v0,
                    rtol=max(rtol, unit_roundoff(b.dtype)),
                    maxiter=maxiter,
                    M=linearization.M,
                    callback=keep,
                )
        except _Breakdown:
            v = last
        v = v if np.isfinite(v).all() else last
        residual = b - A.matvec(v)
        return InverseReport(v, _judge(residual, v, b, rtol, linearization.smoothness), residual)


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

    def __call__(self, linearization: Any, v0: np.ndarray | None, *, rtol: float, maxiter: int) -> InverseReport:
        A, b = linearization.A, linearization.b
        smoothness = linearization.smoothness
        if self.step is None and smoothness is None:
            run = lanczos(A, b, 20)
            smoothness = 1.1 * max(map(abs, extreme_ritz_values(run.alpha, run.beta)))
        v = first = np.zeros_like(b) if v0 is None else v0.copy()
        residual = b - A.matvec(v) if v.any() else b.copy()
        if self.step is None and smoothness == 0:  # A = 0
            return InverseReport(v, _judge(residual, v, b, rtol, 0.0), residual)
        step = 1 / smoothness if self.step is None else self.step
        start = norm2(residual)
        best = residual_norm = start
        tolerance = rtol * norm2(b)
        stalled = 0
        for _ in range(maxiter):
            if residual_norm <= tolerance:
                break
            with np.errstate(over="ignore"):
                v = v + b.dtype.type(step) * residual
            _require_representable(v)
            residual = b - A.matvec(v)
            residual_norm = norm2(residual)
            stalled = stalled + 1 if residual_norm >= best else 0
            best = min(best, residual_norm)
            if stalled > 20 or residual_norm > 1e3 * start:
                z = residual / residual_norm  # it has turned to the eigenvector that grows fastest
                curvature, error = rayleigh_quotient(A, z, smoothness)
                if curvature + error < 0:
                    return InverseReport(first, SolveStatus.INDEFINITE, direction=z)
                if residual_norm > 1e3 * start:
                    raise ArgumentError("step", f"{step:.4g}", "a step below 2/||A||: the Neumann series diverges")
                break
        return InverseReport(v, _judge(residual, v, b, rtol, smoothness), residual)


def _judge(residual: np.ndarray, v: np.ndarray, b: np.ndarray, rtol: float, norm_A: float | None) -> SolveStatus:
    """CONVERGED by the evaluated residual, FLOOR if rounding alone explains it, else NOT_CONVERGED."""
    size = norm2(residual)
    if size <= rtol * norm2(b):
        return SolveStatus.CONVERGED
    norm_A = norm_A if norm_A is not None and math.isfinite(norm_A) else 0.0
    floor = (b.size + 10) * unit_roundoff(b.dtype) * (norm_A * norm2(v) + norm2(b))
    # a huge v, as of a singular A, excuses any residual, and solves nothing
    return SolveStatus.FLOOR if size <= min(floor, 0.1 * norm2(b)) else SolveStatus.NOT_CONVERGED


def _require_representable(v: np.ndarray) -> None:
    if not np.isfinite(v).all():
        raise RepresentationError(f"the solution overflows {v.dtype}: rescale b or A")


STRATEGIES: dict[str, Callable] = {
    "lanczos": LanczosInverse,
    "exact": ExactInverse,
    "cg": ConjugateGradientInverse,
    "neumann": NeumannInverse,
}
