"""Upper bounds of norms that hold for every array of floats: subnormal numbers, and numbers near the largest one.

A bound in floating-point arithmetic fails at the ends of the range, where u no longer bounds a rounding. So arrays are
scaled by powers of two, which rounds nothing that matters, their norms are bounded near 1, and the result is scaled
back, upwards. For ordinary numbers this changes no bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp

from .. import kernels
from ..parallel import dot
from ..rounding import ROUND_UP, SMALLEST_NORMAL, binary_exponent, gamma, norm2, scale_number, scale_up, unit_roundoff


def entrywise_norm_bound(absolute: Any) -> float:
    """‖A‖₂ ≤ min(‖A‖_F, √(‖A‖₁‖A‖_∞)) from |A| (dense or sparse), rounded up."""
    u = unit_roundoff(absolute.dtype)
    slack = 1 + 2 * gamma(absolute.shape[0] * absolute.shape[1] + 8, 2.0**-53) + 4 * u
    largest = float(absolute.max())
    if largest == 0 or not math.isfinite(largest):
        return largest
    exponent = max(math.frexp(largest)[1], -1000)  # 2¹⁰⁷⁴ is no float64
    scaled = (absolute.astype(np.float64)) * math.ldexp(0.5, -exponent + 1)
    frobenius = math.sqrt(float((scaled.multiply(scaled) if hasattr(scaled, "multiply") else scaled * scaled).sum()))
    rows, columns = float(np.max(scaled.sum(axis=1))), float(np.max(scaled.sum(axis=0)))
    return math.nextafter(scale_number(min(frobenius, math.sqrt(rows * columns)) * slack, exponent), math.inf)


@np.errstate(under="ignore")
def row_norms(A: Any) -> np.ndarray:
    """Upper bounds of the 2-norms of the rows of a dense or sparse A, in float64; infinite where they overflow."""
    A = abs(A.astype(np.float64, copy=False))
    if A.shape[1] == 1 and not sp.issparse(A):
        bounds = A[:, 0] * ROUND_UP
        return np.where((bounds < SMALLEST_NORMAL) & (A[:, 0] > 0), np.nextafter(bounds, np.inf), bounds)
    largest = A.max(axis=1).toarray().ravel() if sp.issparse(A) else A.max(axis=1)
    divisors = np.where(largest > 0, largest, 1.0)
    if sp.issparse(A):
        scaled = A.copy()
        with np.errstate(over="ignore"):
            inverse = 1 / divisors  # what SciPy multiplies by; infinite for a subnormal number
        rows = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
        fits = np.isfinite(inverse)[rows]
        scaled.data = np.where(fits, A.data * np.where(fits, inverse[rows], 1.0), A.data / divisors[rows])
    else:
        scaled = A / divisors[:, None]
    with np.errstate(over="ignore"):
        bounds = largest * np.sqrt(np.asarray((scaled * scaled).sum(axis=1)).ravel()) * ROUND_UP
    # of a subnormal number, one unit is more than any relative slack
    return np.where((bounds < SMALLEST_NORMAL) & (largest > 0), np.nextafter(bounds, np.inf), bounds)


def largest_column_sum(absolute: Any) -> float:
    """max_j Σ_i |a_ij| from |A|, rounded up."""
    with np.errstate(over="ignore"):
        return scale_up(float(np.max(absolute.sum(axis=0, dtype=np.float64))) * ROUND_UP, 0)


def weighted_gram_bound(rows: np.ndarray, norm: float, w: np.ndarray, sums: tuple[float, float] | None = None) -> float:
    """min(Σ w_i r_i², max w_i ‖X‖²) ≥ ‖Σ w_i x_i x_iᵀ‖ for r_i ≥ ‖x_i‖, norm ≥ ‖X‖, w ≥ 0; rounded up.

    In units of 2^(2e + f), max r_i ~ 2^e and max w_i ~ 2^f, no square overflows, and what underflows is below
    n·2⁻¹⁰⁷⁴ of a sum that is bounded by n. `sums` are the two of :func:`~lancbio_ref.kernels.weighted_squares`, if at
    hand.
    """
    value, largest = kernels.weighted_squares(w, rows) if sums is None else sums
    if 1e-200 < value < 1e200 and 1e-50 < norm < 1e50 and largest < 1e100:  # the same numbers, far from both ends
        return scale_up(min(value, largest * norm * norm) * ROUND_UP, 0)
    scaled_rows, scaled_w = np.empty(rows.size), np.empty(w.size)
    (e, usable), (f, w_usable) = kernels.scaled_to_one(rows, scaled_rows), kernels.scaled_to_one(w, scaled_w)
    if not (usable and w_usable):
        if not w.any() or not rows.any():
            return 0.0
        return math.inf
    norm = scale_up(norm, -e)
    value = min(dot(scaled_w, scaled_rows * scaled_rows), float(scaled_w.max()) * norm * norm)
    return scale_up(value * ROUND_UP + 2 * SMALLEST_NORMAL, 2 * e + f)


def scaled_rows_bound(factors: list[np.ndarray], norm: float) -> float:
    """min(‖(f_i r_i)_i‖, max f_i ‖X‖) for f = Π `factors[:-1]` and r = `factors[-1]` ≥ ‖x_i‖, norm ≥ ‖X‖; rounded up.

    Of a Hadamard product (D K D) ∘ (X Xᵀ) with K_ii ≤ 1; all are non-negative vectors of the same length.
    """
    if not all(f.any() for f in factors):
        return 0.0
    if not all(np.isfinite(f).all() for f in factors):
        return math.inf
    exponents = [binary_exponent(f) for f in factors]
    *weights, rows = (np.ldexp(f, -e) for f, e in zip(factors, exponents, strict=True))
    weight = weights[0]
    for more in weights[1:]:
        weight = weight * more
    # what underflows is below 2⁻¹⁰⁷⁴ an entry, in units in which no factor exceeds 1
    norm = scale_up(norm, -exponents[-1])
    value = min(norm2(weight * rows), float(weight.max()) * norm) * ROUND_UP + SMALLEST_NORMAL * (1 + norm)
    return scale_up(value, sum(exponents))
