"""The squared hinge of two classes, t = ±1: ℓ = ½z², z = max(0, 1 − t s), ℓ′ = −t z, ℓ″ = 1 where t s < 1, else 0.

ℓ″ jumps at t s = 1: as with Huber's loss, constants are those of a ball. t s and the test t s < 1 are exact; z is off
by u|z|, ℓ′ by the same, ℓ relatively by (1 + u)³ − 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .base import ScalarLoss, tiny, wide
from .logistic import signs


class SquaredHinge(ScalarLoss):
    """ℓ = ½ max(0, 1 − t s)²; targets are given as 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.problems.generalized_linear.losses import SquaredHinge
    >>> SquaredHinge().value(np.array([-1.0, 2.0]), np.ones(2))
    array([2., 0.])
    """

    name = "squared_hinge"
    is_smooth = False

    def targets(self, name: str, t: npt.ArrayLike, n: int) -> np.ndarray:
        """±1 of n labels 0 and 1, in float32: all types have them."""
        return signs(name, t, n)

    def value(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        z = np.maximum(1 - t * s, s.dtype.type(0))
        return 0.5 * z * z

    def derivative(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        return -t * np.maximum(1 - t * s, s.dtype.type(0))

    def curvature(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        return (t * s < 1).astype(s.dtype)

    def value_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        return 5 * u * wide(self.value(s, t))[0] + tiny(s)

    def derivative_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        return 2 * u * np.abs(wide(self.derivative(s, t))[0])

    def curvature_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        return np.zeros(s.shape)

    def curvature_range(self, low: np.ndarray, high: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low, high, t = wide(low, high, t)
        first, last = np.minimum(t * low, t * high), np.maximum(t * low, t * high)  # of the margin
        return (last < 1).astype(np.float64), (first < 1).astype(np.float64)

    def slope(self, low: np.ndarray, high: np.ndarray, t: np.ndarray) -> np.ndarray:
        least, largest = self.curvature_range(low, high, t)
        return np.where(least == largest, 0.0, np.inf)

    def intercept_at(self, mean: float) -> float:
        return 0.0
