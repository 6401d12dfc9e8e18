"""Half the squared error: ℓ = ½(s − t)², ℓ′ = s − t, ℓ″ = 1.

fl(s − t) = (s − t)(1 + δ), so ℓ′ is off by u|s − t|, and ℓ, with its square and the exact half, by a relative
(1 + u)³ − 1 < 4u; the computed numbers stand for the exact ones at the price of one more u. ℓ″ is exact.
"""

from __future__ import annotations

import numpy as np

from .base import ScalarLoss, tiny, wide


class Squared(ScalarLoss):
    """ℓ = ½(s − t)².

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.problems.generalized_linear.losses import Squared
    >>> Squared().value(np.array([3.0]), np.array([1.0])), Squared().derivative(np.array([3.0]), np.array([1.0]))
    (array([2.]), array([2.]))
    """

    name = "squared"

    def value(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        e = s - t
        return 0.5 * e * e

    def derivative(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        return s - t

    def curvature(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.ones_like(s)

    def value_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        return 5 * u * wide(self.value(s, t))[0] + tiny(s)

    def derivative_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        return 2 * u * np.abs(wide(s - t)[0])

    def curvature_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        return np.zeros(s.shape)

    def curvature_range(self, low: np.ndarray, high: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.ones(len(t)), np.ones(len(t))

    def slope(self, low: np.ndarray, high: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.zeros(len(t))
