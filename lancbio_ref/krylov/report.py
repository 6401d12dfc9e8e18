"""What a solve returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ..status import SolveStatus


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
        With INDEFINITE z of norm 1 with zᵀAz + rounding < 0, and `curvature` is zᵀAz. Else, where `mu` is in doubt, the
        Ritz vector of the smallest Ritz value, if that is below `mu`: to be verified.
    alpha, beta : ndarray, shape (k,)
        T of the last cycle, as :func:`lanczos` gives it.
    start_norm : float
        The norm that cycle started from.
    ritz_values : (float, float)
        Smallest and largest Ritz value seen; (inf, 0) if no step was made.
    norm_A : float
        The largest ‖A q‖/‖q‖ seen, a lower bound of ‖A‖₂.
    residual_norms : list of float
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
    residual_norms: list[float] = field(default_factory=list)

    @property
    def condition_estimate(self) -> float:
        """θ_max/θ_min, a lower bound of the condition number; inf where no step was made."""
        low, high = self.ritz_values
        return high / low if 0 < low < math.inf else math.inf
