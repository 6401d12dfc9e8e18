"""What a set of samples says to the constants: numbers that bound sums over it, and add up over several sets.

For A = Σ_b A_b over blocks of samples, ‖A‖ ≤ Σ_b ‖A_b‖; a matrix of stacked rows J has ‖J‖² ≤ Σ_b ‖J_b‖². Each part is
bounded by its own rows and its own norm, and the sum over parts of alike samples loses little against the whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from ...operators.norms import weighted_gram_bound
from ...rounding import ROUND_UP
from .losses import Loss, Multinomial
from .losses.multinomial import LARGEST, STEEPEST
from .samples import MultinomialFit, Samples, ScalarFit

BELOW = 1 - 2.0**-15  # of weights and curvatures in hand: they are off by less, in float32 too


@dataclass(frozen=True)
class Floor:
    """Of the weights m_i = w_i min ℓ″_i of a ball, where the last column of X is one of ones: Σ m_i, Σ m_i x_i and
    Σ m_i |x_i|, shapes (p,)."""

    total: float
    sums: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class DataConstants:
    """Lipschitz constants in y that the samples give: of ∇²_yy g, of the weights' rows of J, and of ∇_y f."""

    gyy: float
    gxy: float
    fy: float


def curvature_bound(fit: ScalarFit | MultinomialFit, w: np.ndarray) -> float:
    """≥ ‖Σ w_i ℓ″_i x_i x_iᵀ‖, of the numbers in hand."""
    curvatures = fit.curvatures if isinstance(fit, ScalarFit) else np.full(w.size, 0.5)
    design = fit.data.design
    return weighted_gram_bound(design.row_norms, design.norm, w.astype(np.float64) * curvatures * ROUND_UP)


def least_weights(fit: ScalarFit | MultinomialFit, w: np.ndarray, radius: float) -> np.ndarray:
    """≤ w_i ℓ″_i (of several classes: w_i min p) wherever y moves by at most `radius`, float64."""
    least, _ = fit.curvature_range(fit.data.design.row_norms * radius * ROUND_UP)
    return w.astype(np.float64) * least * BELOW


def floor_of(X: np.ndarray | sp.csr_array, weights: np.ndarray) -> Floor:
    """The sums of `least_weights`."""
    sums = np.asarray(X.astype(np.float64).T @ weights).ravel()[:-1]
    spread = np.asarray(abs(X.astype(np.float64)).T @ weights).ravel()[:-1]
    return Floor(float(weights.sum()), sums, spread)


Range = tuple[np.ndarray, np.ndarray]  # sup ℓ″ of each sample, and its Lipschitz constant


def range_everywhere(data: Samples, loss: Loss) -> Range:
    """Over all scores."""
    if isinstance(loss, Multinomial):
        return np.full(len(data), LARGEST), np.full(len(data), STEEPEST)
    low, high = np.full(len(data), -np.inf), np.full(len(data), np.inf)
    return loss.curvature_range(low, high, data.t)[1], loss.slope(low, high, data.t)


def range_within(fit: ScalarFit | MultinomialFit, radius: float) -> Range:
    """Wherever y moves by at most `radius`."""
    widths = fit.data.design.row_norms * radius * ROUND_UP
    return fit.curvature_range(widths)[1], fit.slope(widths)


def train_constants(data: Samples, range_: Range, w: np.ndarray, d: np.ndarray | None) -> DataConstants:
    """Of training samples with these weights; d are ∂w_i/∂x_i, where weights are learned. Infinite where ℓ″ jumps."""
    (largest, steepness), design = range_, data.design
    rows, w = design.row_norms, w.astype(np.float64) * ROUND_UP
    if not np.isfinite(steepness).all():
        return DataConstants(math.inf, math.inf, 0.0)
    gyy = weighted_gram_bound(rows, design.norm, w * steepness * rows) * ROUND_UP
    gxy = 0.0
    if d is not None:
        factors = d.astype(np.float64) * ROUND_UP
        gxy = float((factors * largest * rows).max()) * design.norm
    return DataConstants(gyy, gxy, 0.0)


def validation_constant(data: Samples, range_: Range) -> DataConstants:
    """Of validation samples."""
    v = data.base * ROUND_UP
    return DataConstants(0.0, 0.0, weighted_gram_bound(data.design.row_norms, data.design.norm, v * range_[0]))


def joined(parts: Iterable[DataConstants]) -> DataConstants:
    """Of all of them together."""
    found = list(parts)
    return DataConstants(
        math.fsum(part.gyy for part in found) * ROUND_UP,
        math.hypot(*(part.gxy for part in found)) * ROUND_UP,
        math.fsum(part.fy for part in found) * ROUND_UP,
    )
