"""What a solve returns: one report, which the solver fills, a strategy hands on and a hyper-gradient holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..rounding import norm2
from ..status import SolveStatus


@dataclass
class SolveReport:
    """What a solve found; unpacks as ``x, status``.

    Attributes
    ----------
    x : ndarray, shape (n,)
        The best iterate; also as `v`.
    status : SolveStatus
        CONVERGED, FLOOR, INDEFINITE; NOT_CONVERGED where `maxiter` ended it, STALLED where more steps would not help.
    residual : ndarray, shape (n,)
        b − A x, evaluated.
    absolute : ndarray or None
        |A||x| as the operator's `abs_product` has it, float64, where it was formed beside b − A x.
    iterations, n_products : int
        Lanczos steps, and products with A (steps and evaluations); 0 where another method solved.
    direction : ndarray or None
        Proof: with INDEFINITE z of norm 1 with zᵀAz + rounding < 0, and `curvature` is zᵀAz where the solver kept it;
        with MU_REFUTED, of a hyper-gradient, one with zᵀAz + rounding < μ.
    suspect : ndarray or None
        A vector whose Rayleigh quotient seems to lie below the `mu` in doubt, to be verified: the Ritz vector of the
        smallest Ritz value, where that is below `mu`.
    alpha, beta : ndarray, shape (k,)
        T of the last cycle, as :func:`lanczos` gives it; of length 0 where no Lanczos process solved.
    start_norm : float
        The norm that cycle started from.
    ritz_values : (float, float)
        Smallest and largest Ritz value seen; (inf, 0) if no step was made.
    norm_A : float
        The largest ‖A q‖/‖q‖ seen, a lower bound of ‖A‖₂; 0 where none was.
    condition_estimate : float
        θ_max/θ_min of the Ritz values of A, a lower bound of its condition number, or λ_max/λ_min where the method has
        these; inf where nothing is known of it.
    residual_norms : list of float
        The evaluated residual norm before the first and after every cycle that was kept.
    """

    x: np.ndarray
    status: SolveStatus
    residual: np.ndarray = field(repr=False)
    iterations: int = 0
    n_products: int = 0
    direction: np.ndarray | None = field(default=None, repr=False)
    suspect: np.ndarray | None = field(default=None, repr=False)
    curvature: float = 0.0
    alpha: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    beta: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    start_norm: float = 0.0
    ritz_values: tuple[float, float] = (math.inf, 0.0)
    norm_A: float = 0.0
    condition_estimate: float = math.inf
    residual_norms: list[float] = field(default_factory=list, repr=False)
    absolute: np.ndarray | None = field(default=None, repr=False)

    @property
    def v(self) -> np.ndarray:
        """`x`, by its name in A v = b."""
        return self.x

    def __iter__(self) -> Iterator[np.ndarray | SolveStatus]:
        return iter((self.x, self.status))

    def __repr__(self) -> str:
        size = f"n={self.x.size}, status={self.status}, residual_norm={norm2(self.residual):.3g}"
        return f"SolveReport({size}, iterations={self.iterations}, n_products={self.n_products})"

    def widen(self, low: float, high: float, *, preconditioned: bool = False) -> None:
        """Take in the extreme Ritz values of one more T; of a preconditioned A they do not tell the condition of A."""
        lowest, highest = self.ritz_values = min(self.ritz_values[0], low), max(self.ritz_values[1], high)
        if not preconditioned:
            self.condition_estimate = highest / lowest if 0 < lowest < math.inf else math.inf
