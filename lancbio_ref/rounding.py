"""The model of floating-point arithmetic that every certificate of the package rests on.

    fl(a ∘ b) = (a ∘ b)(1 + δ) + η,   |δ| ≤ u,   |η| ≤ underflow (sums never underflow)
    γ_k = k u / (1 − k u)             (Higham, *Accuracy and Stability*, 2002, section 3.1)

A sum of m products, in any order and with or without fused multiply-add, has an error of at
most γ_m Σ |a_i||b_i| + m·underflow.
"""

from __future__ import annotations

import math

import numpy as np


def unit_roundoff(dtype) -> float:
    """u: half the distance from 1 to the next number of `dtype` (2⁻⁵³ in float64, 2⁻²⁴ in float32)."""
    return float(np.finfo(dtype).eps) / 2


def smallest_subnormal(dtype) -> float:
    """The absolute error that an underflowing product may have (2⁻¹⁰⁷⁴ in float64)."""
    return float(np.finfo(dtype).smallest_subnormal)


def gamma(k: int, u: float) -> float:
    """γ_k = ku/(1 − ku), rounded up; infinite where ku ≥ 1."""
    ku = k * u
    return math.inf if ku >= 1 else ku / (1 - ku) * (1 + 2.0**-50)


def norm2(x: np.ndarray) -> float:
    """‖x‖₂ that neither overflows nor underflows: scaled by an exact power of two.

    ``np.linalg.norm([1e-170])`` is 0; this is 1e-170.
    """
    if x.size == 0:
        return 0.0
    largest = float(np.max(np.abs(x)))
    if largest == 0 or not math.isfinite(largest):
        return largest
    exponent = math.frexp(largest)[1]
    if x.dtype.char in "fF":  # squares of float32 overflow at 1e19: accumulate in float64
        x = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
    elif abs(exponent) < 400:
        return float(np.linalg.norm(x))
    return scale_number(float(np.linalg.norm(scale(x, -exponent))), exponent)


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


def scaled_quotient(a: float, b: float, c: float) -> float:
    """a · b / c, to 3u relatively wherever the result is normal: nothing in between leaves the range."""
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
