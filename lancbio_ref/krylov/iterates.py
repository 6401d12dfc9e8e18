"""Two ways to hold the Galerkin iterate x_j = x_0 + Q_j T_j⁻¹(ρ e_1) of a running Lanczos process.

:class:`StoredIterate` keeps T and asks ``?ptsv`` when x_j is wanted; :class:`ShortIterate` updates x_j at every step by
the recurrence of conjugate gradients and needs no basis:

    T = L D Lᵀ;   p_j = q_j − l_j p_{j−1};   x_j = x_{j−1} + (z_j/d_j) p_j;   p_iᵀA p_j = d_j δ_ij
"""

from __future__ import annotations

import math

import numpy as np

from ..rounding import norm2
from . import fused
from .process import LanczosProcess
from .tridiagonal import solve_tridiagonal


class LDL:
    """T = L D Lᵀ row by row, with the last entry of T⁻¹(ρ e_1): three numbers a step, no vector.

        l_j = β_j/d_{j−1};   d_j = α_j − l_j β_j;   z_j = −l_j z_{j−1}, z_1 = ρ;   e_jᵀ T_j⁻¹ ρ e_1 = z_j/d_j

    Attributes
    ----------
    multiplier, pivot, last : float
        l_j, d_j and z_j/d_j of the last row.
    definite : bool
        Whether every pivot so far was positive.
    """

    def __init__(self, rho: float) -> None:
        self.z, self.multiplier, self.pivot, self.last, self.definite = rho, 0.0, 0.0, 0.0, True

    def append(self, alpha: float, beta: float) -> None:
        """The row with diagonal α_j; `beta` = β_j couples it to the row before (ignored in the first row)."""
        if self.pivot:
            self.multiplier = beta / self.pivot
            self.pivot = alpha - self.multiplier * beta
            self.z *= -self.multiplier
        else:
            self.pivot = alpha
        self.definite = self.definite and self.pivot > 0
        self.last = self.z / self.pivot if self.pivot else 0.0


class StoredIterate:
    """x_j from the stored basis and a tridiagonal solve.

    Attributes
    ----------
    residual_norm : float
        ‖w_j‖|e_jᵀ T_j⁻¹ ρ e_1|, the recurrence residual: it proposes when to stop, it certifies nothing.
    definite : bool
        Whether T_j is positive definite.
    """

    def __init__(self, process: LanczosProcess, x: np.ndarray) -> None:
        self.process, self.start = process, x
        self.factor = LDL(process.start_norm)
        self.residual_norm, self.definite = process.residual_norm, True
        self.columns = 0  # that x_j uses
        self.taken = 0  # steps that were taken in

    def advance(self) -> None:
        """Take in the step that the process has just made; an indefinite T leaves the iterate where it was."""
        process = self.process
        self.taken = process.k
        self.factor.append(float(process.alpha[-1]), float(process.beta[-2]) if process.k > 1 else 0.0)
        self.definite = self.factor.definite
        if self.definite:
            self.columns = process.k
            self.residual_norm = abs(self.factor.last) * process.residual_norm

    def coefficients(self) -> np.ndarray:
        """T_j⁻¹(ρ e_1)."""
        k = self.columns
        r = np.zeros(k)
        r[0] = self.process.start_norm
        y = solve_tridiagonal(self.process.alpha[:k], self.process.beta[: k - 1], r).y
        return np.zeros(k) if y is None else y

    def norm(self) -> float:
        """‖x_j‖, to the accuracy that a stopping test needs."""
        if self.process.M is None and not self.start.any():
            return norm2(self.coefficients())
        return norm2(self.x())

    def x(self) -> np.ndarray:
        """x_j, a new array."""
        if not self.columns:
            return self.start.copy()
        with np.errstate(over="ignore", invalid="ignore"):
            return self.start + self.process.combine(self.coefficients())

    def direction(self) -> np.ndarray:
        """The Ritz vector of the smallest Ritz value: where to look for negative curvature."""
        return self.process.ritz_vectors(0, 0)[0][0]

    def pivot_direction(self) -> np.ndarray | None:
        """Another direction to try where rounding hid the curvature of that one; None where there is none."""
        return None


class ShortIterate(StoredIterate):
    """x_j by the short recurrence: two vectors instead of a basis."""

    def __init__(self, process: LanczosProcess, x: np.ndarray) -> None:
        super().__init__(process, x)
        self.current, self.p = x.astype(process.dtype), np.zeros(process.n, process.dtype)
        self.p_square = 0.0

    def advance(self) -> None:
        super().advance()
        factor = self.factor
        self.p_square = 1 + factor.multiplier * factor.multiplier * self.p_square
        if self.p.dtype != self.process.dtype:  # the operator turned out to be of a wider type
            self.current, self.p = self.current.astype(self.process.dtype), self.p.astype(self.process.dtype)
        step = factor.last if self.definite else 0.0
        fused.descend(self.p, factor.multiplier, self.process.q, self.current, step)

    def norm(self) -> float:
        return norm2(self.current)

    def x(self) -> np.ndarray:
        return self.current.copy()

    def direction(self) -> np.ndarray:
        """Where the process has made a step more, the lowest Ritz vector in the span of p_j and q_{j+1}; else p_j.

        p_jᵀAp_j = d_j, p_jᵀAq_{j+1} = β_{j+1} and q_{j+1}ᵀAq_{j+1} = α_{j+1}: the determinant d_j α_{j+1} − β_{j+1}² is
        negative where d_j ≤ 0 < α_{j+1}, for d_j = 0 too. ‖p_j‖² = 1 + l_j²‖p_{j−1}‖².
        """
        process, p = self.process, self.pivot_direction()
        if process.k == self.taken:
            return p
        size = math.sqrt(self.p_square)
        corner, off, last = self.factor.pivot / self.p_square, float(process.beta[-2]) / size, float(process.alpha[-1])
        if not all(map(math.isfinite, (corner, off, last))):
            return p
        angle = 0.5 * math.atan2(off, 0.5 * corner - 0.5 * last)  # of the eigenvector of the larger eigenvalue
        q = process.q.astype(p.dtype)
        return p.dtype.type(math.cos(angle)) * q - p.dtype.type(math.sin(angle) / size) * p

    def pivot_direction(self) -> np.ndarray:
        """p_j, for p_jᵀAp_j = d_j."""
        return self.p.copy()
