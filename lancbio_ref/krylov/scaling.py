"""Exact scaling by powers of two, for data near the ends of the floating-point range."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from ..errors import RepresentationError
from ..operators import structure_of
from ..operators.base import StructuredOperator
from ..parallel import dot
from ..rounding import SAFE_SQUARES, norm2, real_view, scale, scale_number, smallest_subnormal, unit_roundoff

NO_LIMIT = 2**30


def exponent_of(size: float, dtype: npt.DTypeLike) -> int:
    """0 where numbers of this size square safely; else e with size ≈ 2^e."""
    if size == 0 or not math.isfinite(size):
        return 0
    exponent = math.frexp(size)[1]
    return exponent if abs(exponent) > largest_exponent(dtype) else 0


def largest_exponent(dtype: npt.DTypeLike) -> int:
    """A fifth of the largest there is, rounded down."""
    return _largest_exponent(np.dtype(dtype))


@cache
def _largest_exponent(dtype: np.dtype) -> int:
    return int(0.2 * np.finfo(dtype).maxexp)


class ScaledOperator(StructuredOperator):
    """2^−e A, half of the power applied before the product and half after, so that nothing in between overflows.

    Where A knows how its product rounds, so does this: the powers of two are exact but for what they push below the
    smallest normal number, and `abs_product` is raised by more than that.
    """

    _settled = ("A", "exponent", "before", "after", "structure", "has_bounds", "terms")

    def __init__(self, A: LinearOperator, exponent: int) -> None:
        self.A, self.exponent = A, exponent
        self.before = -exponent // 2
        self.after = -exponent - self.before
        self.structure = structure_of(A)
        self.has_bounds = self.structure is not None
        self.terms = 0 if self.structure is None else self.structure.terms
        super().__init__(A.dtype, A.shape)

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found by whoever asked
            return scale(self.A.matvec(scale(v, self.before)), self.after)

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        """|2^−e A| v, with what v and the product may lose by underflow, over u ≤ γ_terms."""
        assert self.structure is not None
        tiny = 2 * smallest_subnormal(v.dtype) / unit_roundoff(v.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            enlarged = scale(v + v.dtype.type(scale_number(tiny, max(-self.before, 0))), self.before)
            inner = self.structure.abs_product(enlarged) + v.dtype.type(tiny)
            return scale(inner, self.after)

    def norm_bound(self) -> float:
        assert self.structure is not None
        return math.nextafter(scale_number(self.structure.norm_bound(), -self.exponent), math.inf)

    def _rmatvec(self, v: np.ndarray) -> np.ndarray:
        return scale(self.A.rmatvec(scale(v, self.before)), self.after)


def restore(x: np.ndarray, exponent: int) -> np.ndarray:
    """2^exponent x.

    Raises
    ------
    RepresentationError
        An entry overflows, or the whole vector falls below the smallest normal number and is not exact there.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        out = scale(x, exponent)
    too_small = norm2(out) < float(np.finfo(out.dtype).tiny) and not np.array_equal(scale(out, -exponent), x)
    if not np.isfinite(out).all() or too_small:
        wanted = math.log2(norm2(x)) + exponent
        raise RepresentationError(
            f"the solution has a norm of about 2^{wanted:.0f}, which {out.dtype} cannot represent: rescale b or A"
        )
    return out


def root_of_product(w: np.ndarray, z: np.ndarray) -> tuple[float, bool]:
    """√|Re wᴴz| for vectors that are not zero, and whether the product is negative; only the root may overflow."""
    w, z = real_view(w), real_view(z)
    product, exponent = dot(w, z), 0
    if not SAFE_SQUARES[0] < abs(product) < SAFE_SQUARES[1]:
        i, j = math.frexp(norm2(w))[1], math.frexp(norm2(z))[1]
        product, exponent = dot(scale(w.astype(np.float64), -i), scale(z.astype(np.float64), -j)), i + j
    odd = exponent % 2
    return scale_number(math.sqrt(abs(product) * (1 + odd)), (exponent - odd) // 2), product < 0
