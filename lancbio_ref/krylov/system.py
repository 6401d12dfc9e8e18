"""A and what a solve knows of it, in the caller's units or in others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..rounding import scale_number, unit_roundoff
from .report import SolveReport
from .scaling import ScaledOperator


class Powers(NamedTuple):
    """Exponents of the powers of two that b, A and M are divided by."""

    b: int
    A: int
    M: int

    @property
    def x(self) -> int:
        """That of x = A⁻¹b."""
        return self.b - self.A


class System(NamedTuple):
    """A, and what a solve knows of it.

    Attributes
    ----------
    A : LinearOperator, shape (n, n)
    M : LinearOperator or None
        The preconditioner.
    norm_A : float or None
        An upper bound of ‖A‖₂.
    mu : float or None
        A lower bound of the spectrum that is to be doubted.
    """

    A: LinearOperator
    M: LinearOperator | None
    norm_A: float | None
    mu: float | None

    def scaled(self, powers: Powers) -> System:
        """2^−a A with 2^−m M, and what is known of them."""
        if not any(powers):
            return self
        return System(
            ScaledOperator(self.A, powers.A),
            ScaledOperator(self.M, powers.M) if self.M is not None and powers.M else self.M,
            None if self.norm_A is None else scale_number(self.norm_A, -powers.A),
            None if self.mu is None else scale_number(self.mu, -powers.A),
        )

    def norm(self, seen: float) -> float:
        """‖A‖ as far as it is known: the bound, and at least the largest ‖A q‖/‖q‖ that was `seen`."""
        return max(self.norm_A or 0.0, seen)

    def residual(self, b: np.ndarray, x: np.ndarray) -> np.ndarray:
        """b − A x, not finite where it overflows."""
        with np.errstate(over="ignore", invalid="ignore"):
            return b - self.A.matvec(x)

    def is_singular(self, report: SolveReport) -> bool:
        """Whether A is singular to working precision."""
        u = unit_roundoff(report.x.dtype)
        return self.M is None and report.condition_estimate * (report.x.size + 10) * u > 1
