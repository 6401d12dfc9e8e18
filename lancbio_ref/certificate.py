"""Error bounds of a computed hyper-gradient, with the rounding of their own evaluation included.

Everything refers to the floating-point A, J, b, c (and ∇_y g) in hand. With r̂ = fl(b − fl(Av)), m and mJ the terms in a
row of A and J, u the unit roundoff and γ_k = ku/(1 − ku):

    E = γ_m/(1−γ_m) · fl(|A||v|)                                 rounding of the product
    ρ = (1 + γ_{n+6}) ‖(1+u)|r̂| + E‖                             ≥ ‖b − A v‖
    η = (1 + γ_{n+6}) ‖u|h| + γ_{mJ}/(1−γ_{mJ}) fl(|J||v|)‖      ≥ ‖ĥ − (c − J v)‖
    error_bound = (‖J‖ρ/μ + η)(1 + 8u)                           ≥ ‖ĥ − h(x, y, A⁻¹b)‖

The lower-level part, for an inexact y, with ρ_y ≥ ‖y − y*‖ and v* = A⁻¹b at y (Ghadimi and Wang 2018, Lemma 2.2):

    lower_level_bound = ρ_y(L_fx + L_gxy‖v*‖) + (‖J‖ + L_gxy ρ_y)/μ · ρ_y(L_fy + L_gyy‖v*‖)   ≥ ‖h(x, y, v*) − ∇φ(x)‖
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .operators import structure_of
from .rounding import Proven, gamma, norm2, scaled_quotient, smallest_subnormal, unit_roundoff
from .status import CertificateStatus

CERTIFIED, GIVEN = CertificateStatus.CERTIFIED, CertificateStatus.GIVEN
ESTIMATED, NONE = CertificateStatus.ESTIMATED, CertificateStatus.NONE
NORM_SAFETY = 2.0  # an estimated norm is multiplied, an estimated mu divided, by this


@dataclass(frozen=True)
class Bound:
    """A number with how far it can be trusted; absent is (inf, NONE)."""

    value: float
    status: CertificateStatus

    @classmethod
    def of(cls, value: float | None, absent: float = math.inf) -> Bound:
        """A `Proven` number is certified, a plain one given, None absent."""
        if value is None:
            return cls(absent, NONE)
        return cls(float(value), CERTIFIED if isinstance(value, Proven) else GIVEN)


@dataclass(frozen=True)
class Certificate:
    """Where the bounds of a hyper-gradient come from.

    Attributes
    ----------
    error, lower_level : CertificateStatus
        Of `error_bound` and of `lower_level_bound`: the weakest input decides.
    mu, cross_norm : Bound
        The modulus and the norm of J that were used, each with its own status.
    residual : Bound
        ρ ≥ ‖b − A v‖, rounding included.
    rounding : float
        The part of ρ that is rounding: below 1000 times this, a smaller residual is hard to tell from noise.
    """

    error: CertificateStatus
    lower_level: CertificateStatus
    mu: Bound
    cross_norm: Bound
    residual: Bound
    rounding: float

    def __str__(self) -> str:
        return (
            f"error bound {self.error}, lower-level bound {self.lower_level} "
            f"(mu = {self.mu.value:.4g} {self.mu.status}, "
            f"||J|| <= {self.cross_norm.value:.4g} {self.cross_norm.status}, "
            f"||b - Av|| <= {self.residual.value:.3g} {self.residual.status})"
        )


def residual_bound(A: LinearOperator, v: np.ndarray, residual: np.ndarray, norm_A: Bound) -> tuple[Bound, float]:
    """ρ ≥ ‖b − A v‖ from the evaluated residual, and the part of it that is rounding.

    A black box has the model ‖fl(Av) − Av‖ ≤ n u ‖A‖‖v‖, which is `estimated` at best.
    """
    n, u = v.size, unit_roundoff(v.dtype)
    outer = 1 + gamma(n + 6, u)
    structure = structure_of(A)
    if structure is not None:
        error = _product_error(structure, v, u)
        underflow = structure.terms * math.sqrt(n) * smallest_subnormal(v.dtype)
        rho = outer * norm2((1 + u) * np.abs(residual).astype(np.float64) + error) + underflow
        return Bound(rho, CERTIFIED), outer * norm2(error) + u * norm2(residual) + underflow
    product = n * u * norm_A.value * norm2(v) if v.any() else 0.0
    status = ESTIMATED if math.isfinite(product) else NONE
    return Bound(outer * ((1 + u) * norm2(residual) + product), status), product


def product_bound(J: LinearOperator, v: np.ndarray, h: np.ndarray, norm_J: Bound) -> Bound:
    """η ≥ ‖ĥ − (c − J v)‖, the rounding of the hyper-gradient itself."""
    n, u = h.size, unit_roundoff(h.dtype)
    outer = 1 + gamma(n + 6, u)
    structure = structure_of(J)
    if structure is not None:
        underflow = structure.terms * math.sqrt(n) * smallest_subnormal(h.dtype)
        error = u * np.abs(h).astype(np.float64) + _product_error(structure, v, u)
        return Bound(outer * norm2(error) + underflow, CERTIFIED)
    product = v.size * u * norm_J.value * norm2(v) if v.any() else 0.0
    return Bound(outer * (u * norm2(h) + product), ESTIMATED if math.isfinite(product) else NONE)


def _product_error(structure: Any, v: np.ndarray, u: float) -> np.ndarray:
    """E = g fl(|A||v|), g = γ_m/(1 − γ_m) or what the operator says of its sums, in float64."""
    factor = structure.product_factor(v.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        error = factor * structure.abs_product(np.abs(v)).astype(np.float64)
    return np.where(np.isnan(error), math.inf, error)  # inf · 0 while bounding: nothing is known


def error_bound(mu: Bound, norm_J: Bound, rho: Bound, eta: Bound, u: float) -> Bound:
    """(‖J‖ρ/μ + η)(1 + 8u), with the weakest of the four statuses; inf where an input is absent."""
    status = min(mu.status, norm_J.status, rho.status, eta.status)
    if status == NONE or not mu.value > 0:
        return Bound(math.inf, NONE)
    value = (scaled_quotient(norm_J.value, rho.value, mu.value) + eta.value) * (1 + 8 * max(u, 2.0**-53))
    value = math.nextafter(value, math.inf) if rho.value or eta.value else 0.0
    return Bound(value, status) if math.isfinite(value) else Bound(math.inf, NONE)


def lower_level_bound(
    lipschitz: Any, gradient_norm: float, v_norm: float, mu: Bound, norm_J: Bound, *, pointwise: bool
) -> Bound:
    """The bound of ‖h(x, y, A⁻¹b) − ∇φ(x)‖ for an inexact y.

    Parameters
    ----------
    lipschitz : LipschitzConstants
    gradient_norm : float
        ‖∇_y g(x, y)‖, its rounding included.
    v_norm : float
        A bound of ‖A⁻¹b‖.
    mu, norm_J : Bound
    pointwise : bool
        Whether `mu` bounds the spectrum of A(x, y) at this y alone. Then ρ_y = ‖∇_y g‖/μ would be wrong; with a
        Lipschitz Hessian, 2 L_gyy‖∇_y g‖ ≤ μ_0² gives ρ_y = (μ_0 − √(μ_0² − 2 L_gyy‖∇_y g‖))/L_gyy, and μ_0 − L_gyy ρ_y
        is a modulus on the way from y to y*.
    """
    constants = [Bound.of(getattr(lipschitz, name)) for name in ("fx", "fy", "gxy", "gyy")]
    fx, fy, gxy, gyy = (c.value for c in constants)
    # the gradient in hand was rounded by code that nobody proved: `given` is the most there is
    status = min(GIVEN, mu.status, norm_J.status, *(c.status for c in constants))
    if status == NONE or not mu.value > 0:
        return Bound(math.inf, NONE)
    modulus = mu.value
    if pointwise and gyy > 0:
        discriminant = mu.value * mu.value - 2 * gyy * gradient_norm
        if discriminant < 0:
            return Bound(math.inf, NONE)
        # (μ_0 − √D)/L = 2‖∇_y g‖/(μ_0 + √D), without cancellation
        distance = 2 * gradient_norm / (mu.value + math.sqrt(discriminant))
        modulus = mu.value - gyy * distance
    else:
        distance = gradient_norm / modulus
    value = distance * (fx + gxy * v_norm) + (norm_J.value + gxy * distance) / modulus * distance * (fy + gyy * v_norm)
    return Bound(value * (1 + 2.0**-40), status) if math.isfinite(value) else Bound(math.inf, NONE)
