"""Poisson regression with the log link: ℓ = eˢ − t s for counts t ≥ 0, less the log t! that no score moves.

ℓ′ = eˢ − t and ℓ″ = ℓ‴ = eˢ, which no constant bounds: Lipschitz constants are those of a ball. Beyond `CAP` = 40, a
mean of 2·10¹⁷, eˢ goes on as its Taylor polynomial of degree two, so that no trial step of a solver overflows:

    E(s) = eˢ,  E = e^c (1 + z + ½z²) for z = s − c > 0,       E″ = e^{min(s, c)}: convex, twice differentiable.

A fit with a score that large is not one of counts; below, this is the Poisson loss to the letter.

With E₀ = fl(e^{min(s, c)}), off by ε_exp = `FUNCTION_UNITS` u, and z rounded once, ℓ″ is off by ε_exp E₀, ℓ′ by
(ε_exp + 4u) E₀(1 + z) + 2u|ℓ′| and ℓ by (ε_exp + 8u) E₀(1 + z + ½z²) + 4u|t s|.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ....errors import ArgumentError
from ...elementary import FUNCTION_UNITS
from .base import SLACK, ScalarLoss, tiny, wide

CAP = 40.0


class Poisson(ScalarLoss):
    """ℓ = eˢ − t s.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.problems.generalized_linear.losses import Poisson
    >>> Poisson().derivative(np.array([0.0, np.log(3.0)]), np.array([2.0, 3.0])).round(12)
    array([-1.,  0.])
    """

    name = "poisson"
    is_smooth = False

    def targets(self, name: str, t: npt.ArrayLike, n: int) -> np.ndarray:
        """n numbers ≥ 0: counts, or rates with their exposures as sample weights."""
        t = super().targets(name, t, n)
        if t.min() < 0:
            raise ArgumentError(name, f"a target {t.min()}", "counts >= 0")
        return t

    def value(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        E, z = self._parts(s)
        return E * (1 + z + 0.5 * z * z) - t * s

    def derivative(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        E, z = self._parts(s)
        return E * (1 + z) - t

    def curvature(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        return self._parts(s)[0]

    def value_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        E, z, s64, t = wide(*self._parts(s), s, t)
        return (FUNCTION_UNITS + 9) * u * E * (1 + z + 0.5 * z * z) + 5 * u * t * np.abs(s64) + 4 * tiny(s)

    def derivative_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        E, z, r = wide(*self._parts(s), self.derivative(s, t))
        return (FUNCTION_UNITS + 6) * u * E * (1 + z) + 2 * u * np.abs(r) + 4 * tiny(s)

    def curvature_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        return (FUNCTION_UNITS + 1) * u * wide(self.curvature(s, t))[0] + 4 * tiny(s)

    def curvature_range(self, low: np.ndarray, high: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        least, largest = (np.exp(np.minimum(ends, CAP)) for ends in wide(low, high))
        return np.maximum(least * (1 - SLACK) - tiny(least), 0.0), largest * (1 + SLACK) + tiny(least)

    def slope(self, low: np.ndarray, high: np.ndarray, t: np.ndarray) -> np.ndarray:
        return self.curvature_range(low, high, t)[1]

    def mean(self, s: np.ndarray) -> np.ndarray:
        E, z = self._parts(s)
        return E * (1 + z)

    def intercept_at(self, mean: float) -> float:
        return math.log(max(mean, 1e-6))

    @staticmethod
    def _parts(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """e^{min(s, c)} and z = max(s − c, 0)."""
        cap = s.dtype.type(CAP)
        return np.exp(np.minimum(s, cap)), np.maximum(s - cap, s.dtype.type(0))
