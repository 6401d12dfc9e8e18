"""The sums over samples that bounds of logistic regression are made of, compiled."""

from __future__ import annotations

import numpy as np

from ...kernels import exact, reduction
from ...rounding import ROUND_UP


@exact
def relative_errors(
    slope: float,
    floor: float,
    rows: np.ndarray,
    sizes: np.ndarray,
    units: float,
    underflow: float,
    most: float,
    out: np.ndarray,
) -> None:
    """out_i ← min(ε_i/(1 − ε_i) |s_i| + underflow, most), 1 + ε_i = e^{σ_i}(1 + units), σ_i = slope · rows_i + floor.

    `most` where ε_i is not below ½, or σ_i not below 1: for σ < 1, e^σ − 1 ≤ σ + σ².

    rows, sizes : n, read.   out : n, float64, written.
    """
    for i in range(out.size):
        sigma = slope * rows[i] + floor
        kappa = (sigma + sigma * sigma) * ROUND_UP
        error = kappa + (1 + kappa) * units
        if sigma < 1 and error < 0.5:
            out[i] = min(error / (1 - error) * np.float64(sizes[i]) + underflow, most)
        else:  # NaN too
            out[i] = most


@reduction
def weighted_sum(w: np.ndarray, a: float, x: np.ndarray, b: float, y: np.ndarray, rows: np.ndarray) -> float:
    """Σ w_i (a x_i + b y_i) rows_i, in float64; all n, read."""
    total = 0.0
    for i in range(rows.size):
        total += np.float64(w[i]) * (a * x[i] + b * np.float64(y[i])) * rows[i]
    return total
