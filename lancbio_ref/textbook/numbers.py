"""What floating-point arithmetic asks of every level: sizes, a rounding unit, and refusals in words."""

from __future__ import annotations

import numpy as np


def roundoff(A):
    """u, half the distance from 1 to the next number: 2⁻⁵³ in float64, 2⁻²⁴ in float32."""
    return np.finfo(A.dtype).eps / 2


def exponent(a):
    """The e with 2^{e−1} ≤ max|a_i| < 2^e; 0 for zeros."""
    return int(np.frexp(np.max(np.abs(a), initial=0.0))[1])


def norm(a):
    """‖a‖₂; a power of two goes out before the squares are formed, which would underflow below 10⁻¹⁵⁴."""
    e = exponent(a)
    scaled = np.ldexp(a, -e)
    return np.ldexp(np.sqrt(scaled @ scaled), e)


def refuse_unless_spd(A, b):
    """ValueError unless A is finite, symmetric and positive definite beyond rounding, and b is finite."""
    if not (np.isfinite(A).all() and np.isfinite(b).all()):
        raise ValueError("A and b must be finite")
    if not np.array_equal(A, A.T):
        raise ValueError("A is not symmetric")
    pivots = np.diag(np.linalg.cholesky(np.ldexp(A, -exponent(A)))) ** 2  # LinAlgError, where A is not definite
    if pivots.min() <= len(b) * roundoff(A):
        raise ValueError("A is singular to working precision")


def refuse_unless_finite(v):
    """v, or OverflowError where an entry is too large for its type."""
    if not np.isfinite(v).all():
        raise OverflowError("the solution is not representable")
    return v
