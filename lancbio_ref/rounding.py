"""The model of floating-point arithmetic that every certificate of the package rests on.

    fl(a ∘ b) = (a ∘ b)(1 + δ) + η,   |δ| ≤ u,   |η| ≤ underflow (sums never underflow)
    γ_k = k u / (1 − k u)             (Higham, *Accuracy and Stability*, 2002, section 3.1)

A sum of m products, in any order and with or without fused multiply-add, has an error of at
most γ_m Σ |a_i||b_i| + m·underflow.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt
from numba.extending import overload, register_jitable

from . import kernels, parallel

U = 2.0**-53  # that of float64, in which all bounds are evaluated
ROUND_UP = 1 + 2.0**-20  # absorbs the rounding of a bound's own evaluation in float64, in fewer than 2³² operations
SMALLEST_NORMAL = 2.0**-1022
SAFE_SQUARES = 2.0**-900, 2.0**900  # a sum of squares outside of this may have lost what under- or overflowed


def unit_roundoff(dtype: npt.DTypeLike) -> float:
    """u: half the distance from 1 to the next number of `dtype` (2⁻⁵³ in float64, 2⁻²⁴ in float32)."""
    return _limits(np.dtype(dtype))[0]


def smallest_subnormal(dtype: npt.DTypeLike) -> float:
    """The absolute error that an underflowing product may have (2⁻¹⁰⁷⁴ in float64)."""
    return _limits(np.dtype(dtype))[1]


def smallest_normal(dtype: npt.DTypeLike) -> float:
    """2⁻¹⁰²² in float64."""
    return _limits(np.dtype(dtype))[2]


@cache
def _limits(dtype: np.dtype) -> tuple[float, float, float]:
    limits = np.finfo(dtype)
    return float(limits.eps) / 2, float(limits.smallest_subnormal), float(limits.smallest_normal)


@register_jitable
def gamma(k: int, u: float) -> float:
    """γ_k = ku/(1 − ku), rounded up; infinite where ku ≥ 1."""
    ku = k * u
    return math.inf if ku >= 1 else ku / (1 - ku) * (1 + 2.0**-50)


@cache
def rounding_factor(coarse: int, fine: int = 0, u: float = 2.0**-53) -> float:
    """g with |fl(A v) − A v| ≤ g fl(|A||v|), for products that collect `coarse` factors 1 + δ, |δ| ≤ u, and `fine` ones
    with |δ| ≤ 2⁻⁵³; infinite where nothing is proven.

    The product of all factors is 1 + θ, |θ| ≤ γ = (1 + γ_coarse)(1 + γ_fine) − 1 with u and with 2⁻⁵³. The computed
    |A||v| is at least (1 − γ)|A||v|, for it collects no more of them, hence g = γ/(1 − γ).
    """
    rough, small = gamma(coarse, u), gamma(fine, 2.0**-53)
    theta = rough + small * (1 + rough) * (1 + 2.0**-50) if fine else rough
    return theta / (1 - theta) if theta < 1 else math.inf


def norm2(x: np.ndarray) -> float:
    """‖x‖₂ that neither overflows nor underflows, and is the same on any number of threads.

    Squares are summed in float64; where their sum is near an end of the range, again, of x scaled by a power of two.
    ``np.linalg.norm([1e-170])`` is 0; this is 1e-170.
    """
    if x.size <= kernels.BLOCK and x.ndim == 1 and x.dtype.char in "fd" and x.flags.c_contiguous:
        square = kernels.short_dot(x, x)
    else:
        x = real_view(x)
        square = parallel.dot(x, x)
    if SAFE_SQUARES[0] < square < SAFE_SQUARES[1]:
        return math.sqrt(square)
    largest = float(np.max(np.abs(x), initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    exponent = math.frexp(largest)[1]
    scaled = scale(x.astype(np.float64), -exponent)
    return scale_number(math.sqrt(parallel.dot(scaled, scaled)), exponent)


def upper_norm2(x: np.ndarray) -> float:
    """At least ‖x‖₂: what rounds a subnormal result is half a unit, and no relative slack covers it."""
    size = norm2(x)
    return math.nextafter(size * ROUND_UP, math.inf) if size else 0.0


def largest(x: np.ndarray) -> float:
    """‖x‖_∞; infinite where an entry is not finite."""
    if x.size <= kernels.BLOCK and x.dtype.char in "fd" and x.flags.carray:
        return kernels.largest_finite(x)
    size = max(float(x.max()), -float(x.min()))  # NaN is larger than all, and infinity too
    return size if math.isfinite(size) else math.inf


def real_view(x: np.ndarray) -> np.ndarray:
    """A vector as a contiguous real one, a complex one of twice the length: a view wherever x is contiguous floats."""
    if x.dtype.char in "fd" and x.ndim == 1 and x.flags.c_contiguous:
        return x
    if x.dtype.char not in "fdFD":
        x = x.astype(np.float64)
    x = np.ascontiguousarray(x).ravel()
    return x.view(x.real.dtype) if x.dtype.kind == "c" else x


def is_finite(array: np.ndarray) -> bool:
    """Whether all entries are: one pass over them, and only a suspicious sum pays for the exact test."""
    if array.dtype.kind not in "fc":
        return True  # integers and booleans
    plain = array.dtype.char in "fd" and array.ndim == 1 and array.flags.c_contiguous  # the view is the array
    view = array if plain else real_view(array)
    short = view.size <= kernels.BLOCK
    total = kernels.sum_entries(view) if short else parallel.total(kernels.entries, view.size, view)
    return math.isfinite(total) or bool(np.isfinite(array).all())


@np.errstate(under="ignore")
def scale(x: np.ndarray, exponent: int) -> np.ndarray:
    """x · 2^exponent, exact unless the result leaves the normal range."""
    if x.dtype.kind == "c":
        return np.ldexp(x.real, exponent) + 1j * np.ldexp(x.imag, exponent)
    return np.ldexp(x, exponent)


def scale_number(x: float, exponent: int) -> float:
    """x · 2^exponent; infinite on overflow, where ``math.ldexp`` raises."""
    try:
        return math.ldexp(x, exponent)
    except OverflowError:
        return math.copysign(math.inf, x)


@overload(scale_number, strict=False)
def _scale_number(x, exponent):  # type: ignore[no-untyped-def]
    return lambda x, exponent: math.ldexp(x, exponent)  # compiled, it says infinity by itself


def scale_up(x: float, exponent: int) -> float:
    """x · 2^exponent for x ≥ 0, never below it: rounded up among the subnormal numbers."""
    scaled = scale_number(x, exponent)
    return math.nextafter(scaled, math.inf) if x > 0 and scaled < SMALLEST_NORMAL else scaled


def upper_product(*factors: float) -> float:
    """A number that is at least the product of the non-negative `factors`, and at most a few units above it.

    No partial product leaves the range, 0 times infinity is 0, and what is beyond the range is infinite.

    Examples
    --------
    >>> upper_product(1e200, 1e200, 1e-200) >= 1e200, upper_product(0.0, float("inf")), upper_product(1e200, 1e200)
    (True, 0.0, inf)
    """
    if 0 in factors:
        return 0.0
    value, exponent = 1.0, 0
    for factor in factors:
        mantissa, power = math.frexp(factor)
        value, shift = math.frexp(value * mantissa)
        exponent += power + shift
    return scale_up(value * (1 + (len(factors) + 2) * 2.0**-52), exponent)


def binary_exponent(array: np.ndarray | float) -> int:
    """e with max|a| = m·2^e, ½ ≤ m < 1; 0 where that is 0, infinite or not a number."""
    largest = float(np.max(np.abs(array), initial=0.0))
    return math.frexp(largest)[1] if math.isfinite(largest) else 0


def nan_to_infinity(array: np.ndarray) -> np.ndarray:
    """A bound that came to ∞ · 0 or ∞ − ∞ says nothing: infinity."""
    return np.where(np.isnan(array), np.inf, array) if np.isnan(array).any() else array


@register_jitable
def scaled_quotient(a: float, b: float, c: float) -> float:
    """a · b / c, to 3u relatively wherever the result is normal: nothing in between leaves the range."""
    product = a * b
    if 1e-280 < product < 1e280 and 1e-280 < product / c < 1e280:  # the bits of what follows
        return product / c
    (a, i), (b, j), (c, k) = math.frexp(a), math.frexp(b), math.frexp(c)
    return scale_number(a * b / c, i + j - k)


class Proven(float):
    """A number whose inequality is a theorem about the floats in hand, not somebody's word.

    ``mu``, ``smoothness``, ``cross_norm`` and Lipschitz constants may be plain numbers, which a
    certificate reports as ``given``, or ``Proven`` ones, which let it say ``certified``. The
    problems of this package derive theirs from their structure. Whoever writes ``Proven(0.02)``
    vouches for the proof.

    Examples
    --------
    >>> from lancbio_ref import Proven
    >>> Proven(0.02)
    Proven(0.02)
    >>> Proven(0.02) == 0.02
    True
    """

    def __repr__(self) -> str:
        return f"Proven({float(self)!r})"
