"""What one block's fit adds to the sums of the family: pure functions of a fit, for :func:`.passes.of_fit`.

`w` is the block's piece of the weights where they are learned, None where they are fixed: then they are the block's b.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arguments import as_vector
from ...parallel import dot
from ...rounding import ROUND_UP, norm2
from ..generalized_linear.samples import MultinomialFit, ScalarFit
from ..generalized_linear.sums import (
    DataConstants,
    curvature_bound,
    least_weights,
    range_within,
    train_constants,
    validation_constant,
)
from ..rounding.generalized_linear import errors_of
from ..rounding.model import sums

Weights = np.ndarray | None
Fit = ScalarFit | MultinomialFit


def weights(fit: Fit, w: Weights) -> np.ndarray:
    """w, in the type of y."""
    return fit.data.base.astype(_dtype(fit)) if w is None else w


def _dtype(fit: Fit) -> np.dtype:
    return fit.y.dtype if isinstance(fit, ScalarFit) else fit.Y.dtype


def curvatures(fit: Fit, w: Weights) -> Any:
    """What the block's part of A is made of: w ∘ ℓ″, which is looked at here, or P and w."""
    w = weights(fit, w)
    return as_vector("d", w * fit.curvatures, len(w)) if isinstance(fit, ScalarFit) else (fit.P, w)


def gradient(fit: Fit, w: Weights) -> tuple[np.ndarray]:
    """Σ w_i r_i ⊗ x_i."""
    return (fit.gradient(weights(fit, w)),)


def loss(fit: Fit, w: Weights) -> float:
    """Σ w_i ℓ_i; of fixed weights those in float64."""
    return dot((fit.data.base if w is None else w).astype(np.float64), fit.losses.astype(np.float64))


def losses(fit: Fit) -> np.ndarray:
    """ℓ_i."""
    return fit.losses


def residuals(fit: Fit) -> np.ndarray:
    """r_i, shape (rows, C)."""
    return fit.R


# -- bounds ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class BlockErrors:
    """Bounds of the rounding of a block's Σ w_i r_i x_i and A_b, infinite where there is none; the size of both."""

    gradient: float
    hessian: float
    size: float
    curvature: float


def errors(fit: Fit, w: Weights, of_w: float, with_hessian: bool) -> BlockErrors:
    """Of weights that are wrong by `of_w`, relatively."""
    own, w = errors_of(fit), weights(fit, w)
    return BlockErrors(
        _known(own.gradient(w, of_w)),
        _known(own.hessian(w, of_w)) if with_hessian else 0.0,
        norm2(fit.gradient(w)),
        curvature_bound(fit, w) if with_hessian else 0.0,
    )


def cross_errors(fit: Fit, d: np.ndarray, of_d: float) -> float:
    """Of the block's rows of J, in the 2-norm; infinite where nothing is known."""
    return _known(errors_of(fit).cross(d, of_d))


def _known(bound: float | None) -> float:
    return math.inf if bound is None else float(bound)


def loss_error(fit: Fit) -> float:
    """Of Σ b_i ℓ_i over the block."""
    v, losses = fit.data.base, np.abs(fit.losses.astype(np.float64))
    own = dot(v, errors_of(fit).loss_error) * ROUND_UP
    return own + sums(2 * len(v) + 10, 2.0**-53) * dot(v, losses) * ROUND_UP


def floor(fit: Fit, w: Weights, radius: float) -> tuple[float, np.ndarray, np.ndarray]:
    """What curvature is left on the ball."""
    least, operator = least_weights(fit, weights(fit, w), radius), fit.data.design.operator
    sums_, spread = operator.rmatvec(least), operator.abs_adjoint_product(least)
    return float(least.sum()), sums_[:-1], spread[:-1]


def constants(fit: Fit, w: Weights, d: Weights, radius: float, validation: bool) -> DataConstants:
    """What the samples say to the constants on the ball."""
    found = range_within(fit, radius)
    if validation:
        return validation_constant(fit.data, found)
    return train_constants(fit.data, found, weights(fit, w), d)
