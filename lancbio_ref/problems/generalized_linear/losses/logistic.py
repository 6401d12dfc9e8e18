"""The logistic loss of two classes, t = ±1: ℓ = log(1 + e^{−m}), m = t s, ℓ′ = −t σ(−m), ℓ″ = σ(m)σ(−m).

m is exact. The rounding is that of the functions (:mod:`lancbio_ref.problems.elementary`): log1p(e^{−|m|}) passes the
relative error of e^{−|m|} on, at most once, and adds its own and a sum; ℓ′ has that of σ, ℓ″ that of two and a product.

ℓ″ = ¼ sech²(s/2) is even and falls in |s|, so on an interval it lies between its values at the points farthest from and
nearest to 0. ℓ‴ = ℓ″·(1 − 2σ) is at most min(ℓ″, 1/(6√3)) in size: with q = σ(1 − σ), ℓ‴² = q²(1 − 4q) is largest at
q = 1/6.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ....arguments import as_array, plain_array
from ....errors import ArgumentError
from ...elementary import FUNCTION_UNITS, SIGMOID_UNITS, expit
from .base import SLACK, ScalarLoss, tiny, wide

STEEPEST = 1 / (6 * math.sqrt(3)) * (1 + SLACK)  # max |σ″|


class Logistic(ScalarLoss):
    """ℓ = log(1 + exp(−t s)); targets are given as 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.problems.generalized_linear.losses import Logistic
    >>> loss = Logistic()
    >>> t = loss.targets("t", [1, 0], 2)
    >>> loss.derivative(np.zeros(2), t)
    array([-0.5,  0.5])
    """

    name = "logistic"

    def targets(self, name: str, t: npt.ArrayLike, n: int) -> np.ndarray:
        """±1 of n labels 0 and 1, in float32: all types have them."""
        return signs(name, t, n)

    def value(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.logaddexp(s.dtype.type(0), -t * s)

    def derivative(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        return -t * expit(-t * s)

    def curvature(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        return expit(s) * expit(-s)

    def value_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        return (2 * FUNCTION_UNITS + 9) * u * wide(self.value(s, t))[0] + 4 * tiny(s)

    def derivative_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        return (SIGMOID_UNITS + 1) * u * np.abs(wide(self.derivative(s, t))[0]) + 4 * tiny(s)

    def curvature_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        return (2 * SIGMOID_UNITS + 3) * u * wide(self.curvature(s, t))[0] + 4 * tiny(s)

    def curvature_range(self, low: np.ndarray, high: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low, high = wide(low, high)
        far = np.maximum(np.abs(low), np.abs(high))
        near = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
        least, largest = expit(far) * expit(-far), expit(near) * expit(-near)
        return np.maximum(least * (1 - SLACK) - tiny(far), 0.0), np.minimum(largest * (1 + SLACK) + tiny(far), 0.25)

    def slope(self, low: np.ndarray, high: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.minimum(self.curvature_range(low, high, t)[1], STEEPEST)

    def mean(self, s: np.ndarray) -> np.ndarray:
        return expit(s)

    def intercept_at(self, mean: float) -> float:
        """Of ±1: σ(s) = (1 + mean)/2."""
        share = min(max((1 + mean) / 2, 1e-6), 1 - 1e-6)
        return math.log(share / (1 - share))


def signs(name: str, t: npt.ArrayLike, n: int) -> np.ndarray:
    """±1 in float32 of n labels 0 and 1."""
    labels = plain_array(name, t, f"labels 0 and 1 of shape ({n},)")
    if labels.dtype.kind not in "biu":
        labels = as_array(name, t, f"labels 0 and 1 of shape ({n},)")
    ones = labels == 1
    if labels.shape != (n,) or not (ones | (labels == 0)).all():
        found = f"{labels.dtype} of shape {labels.shape}"
        if labels.shape == (n,):
            found = f"a label {labels[~np.isin(labels, (0, 1))][0]}"
        raise ArgumentError(name, found, f"labels 0 and 1 of shape ({n},)")
    out = ones.astype(np.float32)
    out *= 2  # 2t − 1: of every block in every reading, and np.where waits for each label that it did not guess
    out -= 1
    return out
