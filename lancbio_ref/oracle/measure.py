"""Errors of floating-point answers against enclosures, where the measuring itself must lose nothing.

An answer that is right to its last digit differs from the nearest float64 by less than that has digits, so truth is a
pair hi + lo of float64 numbers. An A-norm at κ = 10¹⁴ is lost to the rounding of A e, so eᵀA e is formed exactly, in
integers. Nothing leaves the floating-point range: differences are scaled by powers of two.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from ..rounding import norm2, scale_number

Scaled = tuple[np.ndarray, int]  # (a, s) stands for a·2^s, with max|a_i| in [1/2, 1), or for zeros


def normalized(a: np.ndarray, exponent: int = 0) -> Scaled:
    """a·2^exponent as a `Scaled`."""
    largest = float(np.max(np.abs(a), initial=0.0))
    shift = math.frexp(largest)[1]
    return np.ldexp(a, -shift), exponent + shift


@lru_cache(maxsize=4096)
def _split(mid: tuple[str, ...], rad: tuple[str, ...], hi: tuple[float, ...]) -> tuple[Scaled, Scaled]:
    """mid − hi and rad, each as a `Scaled`: exact but for one rounding an entry."""
    low = [Fraction(text) - Fraction(nearest) for text, nearest in zip(mid, hi, strict=True)]
    return _scaled(low), _scaled([Fraction(text) for text in rad])


def _scaled(values: list[Fraction]) -> Scaled:
    sizes = [value.numerator.bit_length() - value.denominator.bit_length() for value in values if value]
    shift = max(sizes, default=0)
    return normalized(np.array([float(value / Fraction(2) ** shift) for value in values]), shift)


def truth(enclosure: Any) -> tuple[np.ndarray, Scaled, Scaled]:
    """(hi, lo, rad), flat: the real numbers lie within rad of hi + lo."""
    hi = np.asarray(enclosure.float64, dtype=np.float64).ravel()
    lo, rad = _split(tuple(enclosure.mid), tuple(enclosure.rad), tuple(hi.tolist()))
    return hi, lo, rad


def difference(values: np.ndarray, enclosure: Any) -> Scaled:
    """values − truth, entry by entry, less the radius: what no number in the enclosure explains."""
    hi, (lo, lo_exponent), (rad, rad_exponent) = truth(enclosure)
    values = np.asarray(values, dtype=np.float64).ravel()
    shift = math.frexp(max(float(np.max(np.abs(values), initial=0.0)), float(np.max(np.abs(hi), initial=0.0))))[1]
    gap = np.ldexp(values, -shift - 1) - np.ldexp(hi, -shift - 1)  # halves, so that it cannot overflow
    gap = gap - np.ldexp(lo, max(lo_exponent - shift - 1, -2000))
    gap = np.sign(gap) * np.maximum(np.abs(gap) - np.ldexp(rad, max(rad_exponent - shift - 1, -2000)), 0.0)
    return normalized(gap, shift + 1)


def ratio(error: Scaled, size: Scaled) -> float:
    """‖error‖₂/‖size‖₂; infinite where only the size is zero."""
    top, bottom = norm2(error[0]), norm2(size[0])
    if top == 0:
        return 0.0
    return math.inf if bottom == 0 else scale_number(top / bottom, error[1] - size[1])


def energy_ratio(A: np.ndarray, error: Scaled, size: Scaled) -> float:
    """‖error‖_A/‖size‖_A, both forms exact; NaN where A is not positive along one of them."""
    top, bottom = quadratic_form(A, error[0]), quadratic_form(A, size[0])
    if top == 0 and not error[0].any():
        return 0.0
    if top <= 0 or (bottom <= 0 and size[0].any()):
        return math.nan
    if bottom == 0:
        return math.inf
    quotient = top / bottom
    shift = (quotient.numerator.bit_length() - quotient.denominator.bit_length()) // 2 * 2
    return scale_number(math.sqrt(quotient / Fraction(2) ** shift), shift // 2 + error[1] - size[1])


def quadratic_form(A: np.ndarray, e: np.ndarray) -> Fraction:
    """eᵀA e, exactly."""
    matrix, matrix_bits = _integers(A)
    vector, vector_bits = _integers(e)
    return Fraction(int(vector @ (matrix @ vector))) / Fraction(2) ** (matrix_bits + 2 * vector_bits)


def _integers(a: np.ndarray) -> tuple[np.ndarray, int]:
    """a·2^bits as Python integers, and bits."""
    ratios = [value.as_integer_ratio() for value in a.ravel().tolist()]
    bits = max((denominator.bit_length() - 1 for _, denominator in ratios), default=0)
    entries = np.empty(a.size, dtype=object)
    entries[:] = [numerator << (bits - denominator.bit_length() + 1) for numerator, denominator in ratios]
    return entries.reshape(a.shape), bits


def digits(error: float) -> float:
    """−log₁₀ of a relative error, at most 17, which stands for none at all.

    >>> digits(1e-9), digits(0.0)
    (9.0, 17.0)
    """
    if math.isnan(error) or error == math.inf:
        return -math.inf
    return min(17.0, -math.log10(error)) if error > 0 else 17.0
