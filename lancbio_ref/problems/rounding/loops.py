"""The sums over samples that bounds of logistic regression are made of, compiled."""

from __future__ import annotations

import numpy as np

from ...kernels import exact, reduction, weighted_squares
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


@exact
def residual_sum(
    w: np.ndarray,
    of_w: float,
    factor: float,
    slope: float,
    floor: float,
    rows: np.ndarray,
    misfits: np.ndarray,
    units: float,
    underflow: float,
) -> float:
    """Σ w_i ((1 + ω)δ_i + g|r_i|)‖x_i‖, ω = `of_w`, g = `factor`, δ_i the `relative_errors` of |r_i| = misfits_i.

    w, rows, misfits : n, read.
    """
    delta = np.empty(rows.size)
    relative_errors(slope, floor, rows, misfits, units, underflow, 1.0, delta)
    return weighted_sum(w, 1 + of_w, delta, factor, misfits, rows)


@exact
def curvature_sums(
    w: np.ndarray,
    of_w: float,
    slope: float,
    floor: float,
    rows: np.ndarray,
    curvatures: np.ndarray,
    units: float,
    underflow: float,
    tiny: float,
    m: np.ndarray,
) -> tuple[float, float]:
    """Σ m_i ‖x_i‖² and max m_i, m_i ← w_i (κ_i + ω) + tiny, κ_i the `relative_errors` of ĉ_i = curvatures_i.

    w, rows, curvatures : n, read.   m : n, float64, written.
    """
    relative_errors(slope, floor, rows, curvatures, units, underflow, 0.25, m)
    for i in range(m.size):
        m[i] = (np.float64(w[i]) * (m[i] + of_w) + tiny) * ROUND_UP
    return weighted_squares(m, rows)
