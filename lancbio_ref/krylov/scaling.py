"""Exact scaling by powers of two, for data near the ends of the floating-point range."""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..errors import RepresentationError
from ..operators.vectors import VectorOperator
from ..rounding import norm2, scale


def exponent_of(size: float, dtype) -> int:
    """0 where numbers of this size square safely; else e with size ≈ 2^e."""
    if size == 0 or not math.isfinite(size):
        return 0
    exponent = math.frexp(size)[1]
    return exponent if abs(exponent) > 0.2 * np.finfo(dtype).maxexp else 0


class ScaledOperator(VectorOperator):
    """2^−e A, half of the power applied before the product and half after, so that nothing in between overflows."""

    def __init__(self, A: LinearOperator, exponent: int) -> None:
        self.A = A
        self.before = -exponent // 2
        self.after = -exponent - self.before
        super().__init__(A.dtype, A.shape)

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return scale(self.A.matvec(scale(v, self.before)), self.after)

    def _rmatvec(self, v: np.ndarray) -> np.ndarray:
        return scale(self.A.rmatvec(scale(v, self.before)), self.after)


def restore(x: np.ndarray, exponent: int) -> np.ndarray:
    """2^exponent x.

    Raises
    ------
    RepresentationError
        An entry overflows, or the whole vector falls below the smallest normal number and is not exact there.
    """
    with np.errstate(over="ignore", under="ignore"):
        out = scale(x, exponent)
    too_small = norm2(out) < np.finfo(out.dtype).tiny and not np.array_equal(scale(out, -exponent), x)
    if not np.isfinite(out).all() or too_small:
        wanted = math.log2(norm2(x)) + exponent
        raise RepresentationError(
            f"the solution has a norm of about 2^{wanted:.0f}, which {out.dtype} cannot represent: rescale b or A"
        )
    return out
