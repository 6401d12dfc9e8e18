"""exp, σ and softmax with what is known of their errors.

NumPy documents at most 4 units in the last place, 8u, for its vectorized exponential, sine, cosine and logarithm; twice
that is taken. σ(s) = 1/(1 + e⁻ˢ) passes the error of e⁻ˢ on, times e⁻ˢ/(1 + e⁻ˢ) < 1, and adds two roundings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from ..errors import DomainError
from ..kernels import extremes

FUNCTION_UNITS = 16  # of u, the relative error allowed to exp and log, and the absolute one allowed to sin and cos
SIGMOID_UNITS = FUNCTION_UNITS + 4


def exponential(x: np.ndarray) -> np.ndarray:
    """exp(x), where it is a normal number; :class:`DomainError` elsewhere."""
    smallest, largest = _logarithms(x.dtype)
    low, high = extremes(x)
    if not (smallest < low and high < largest):  # NaN too
        outside = ~((x > smallest) & (x < largest))
        index = int(np.flatnonzero(outside)[0])
        raise DomainError(
            "x", f"{x[index]} at index {index}", f"entries in ({smallest:.5g}, {largest:.5g}), for exp(x)"
        )
    return np.exp(x)


@cache
def _logarithms(dtype: np.dtype) -> tuple[float, float]:
    """Of the smallest normal number and of the largest one."""
    limits = np.finfo(dtype)
    return math.log(limits.smallest_normal), math.log(limits.max)


def expit(s: np.ndarray) -> np.ndarray:
    """σ(s) = 1/(1 + e⁻ˢ); scipy.special is loaded when first used: it takes a tenth of the import of this package."""
    return _expit()(s)


@cache
def _expit() -> Callable[[np.ndarray], np.ndarray]:
    from scipy.special import expit

    return expit


def softmax(z: np.ndarray) -> np.ndarray:
    """exp(z)/Σ exp(z), shape (n,); no exponential overflows."""
    z = z - z.max()
    np.exp(z, out=z)
    z /= z.sum()
    return z
