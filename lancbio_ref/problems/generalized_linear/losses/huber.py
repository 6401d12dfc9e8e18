"""Huber's loss of e = s − t: ½e² where |e| ≤ δ, δ|e| − ½δ² beyond; ℓ′ = e clipped to ±δ, ℓ″ = 1 or 0.

ℓ″ jumps at |e| = δ. So it has no Lipschitz constant over all scores, and the constant 0 on every interval without a
jump in it: certificates are those of a ball that no sample's score leaves its piece in. δ is a float32 number, that all
types have.

fl(e) is off by u|e|, hence ℓ′ by u|e| where it is not clipped and less where it is, and ℓ by 8u min(|e|, δ)|e|. The
test |e| ≤ δ may go wrong where |e| is within 2uδ of δ: there, and only there, ℓ″ may be off by 1.
"""

from __future__ import annotations

import numpy as np

from ....arguments import as_number
from .base import SLACK, ScalarLoss, tiny, wide


class Huber(ScalarLoss):
    """ℓ = ½e² or δ|e| − ½δ².

    Parameters
    ----------
    delta : float
        δ > 0, in units of t, rounded to float32.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.problems.generalized_linear.losses import Huber
    >>> Huber(1.0).derivative(np.array([0.5, 3.0, -9.0]), np.zeros(3))
    array([ 0.5,  1. , -1. ])
    """

    name = "huber"
    is_smooth = False

    def __init__(self, delta: float = 1.345) -> None:
        self.delta = float(np.float32(as_number("delta", delta, least=1e-30, most=1e30)))

    def value(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        e, delta = np.abs(s - t), s.dtype.type(self.delta)
        inner = np.minimum(e, delta)
        return inner * (e - s.dtype.type(0.5) * inner)

    def derivative(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        delta = s.dtype.type(self.delta)
        return np.clip(s - t, -delta, delta)

    def curvature(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        return (np.abs(s - t) <= s.dtype.type(self.delta)).astype(s.dtype)

    def value_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        e = np.abs(wide(s - t)[0])
        return 8 * u * np.minimum(e, self.delta) * e + tiny(s)

    def derivative_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        return 2 * u * np.minimum(np.abs(wide(s - t)[0]), self.delta)

    def curvature_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        return (np.abs(np.abs(wide(s - t)[0]) - self.delta) <= 4 * u * self.delta).astype(np.float64)

    def curvature_range(self, low: np.ndarray, high: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low, high, t = wide(low, high, t)
        margin = SLACK * (self.delta + np.abs(t))  # of low − t and high − t, where they are near ±δ
        least = (low - t > -self.delta + margin) & (high - t < self.delta - margin)
        largest = (low - t <= self.delta + margin) & (high - t >= -self.delta - margin)
        return least.astype(np.float64), largest.astype(np.float64)

    def slope(self, low: np.ndarray, high: np.ndarray, t: np.ndarray) -> np.ndarray:
        least, largest = self.curvature_range(low, high, t)
        return np.where(least == largest, 0.0, np.inf)
