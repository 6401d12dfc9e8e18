"""Error bounds of a computed hyper-gradient, with the rounding of their own evaluation included.

Everything refers to the floating-point A, J, b, c (and ∇_y g) in hand. With r̂ = fl(b − fl(Av)), m and mJ the terms in a
row of A and J, u the unit roundoff and γ_k = ku/(1 − ku):

    E = γ_m/(1−γ_m) · fl(|A||v|)                                 rounding of the product
    ρ = (1 + γ_{n+6}) ‖(1+u)|r̂| + E‖                             ≥ ‖b − A v‖
    η = (1 + γ_{n+6}) ‖u|h| + γ_{mJ}/(1−γ_{mJ}) fl(|J||v|)‖      ≥ ‖ĥ − (c − J v)‖
    error_bound = (‖J‖ρ/μ + η)(1 + 8u)                           ≥ ‖ĥ − h(x, y, A⁻¹b)‖

The lower-level part says what lies between the A, J, b, c in hand (here with hats, v̂ = Â⁻¹b̂) and ∇φ(x): their own
rounding ε (:mod:`lancbio_ref.formation`), and an inexact y. From A(v̂ − v) = (A − Â)v̂ + (b̂ − b), with v = A⁻¹b,

    ε_v = (ε_A‖v̂‖ + ε_b)/μ                                       ≥ ‖v̂ − v‖
    ε_c + ε_J‖v̂‖ + (‖Ĵ‖ + ε_J) ε_v                               ≥ ‖(ĉ − Ĵv̂) − (c − J v)‖

and with ρ_y = (‖ĝ_y‖ + ε_g)/μ ≥ ‖y − y*‖ (Ghadimi and Wang 2018, Lemma 2.2)

    ρ_y(L_fx + L_gxy‖v‖) + (‖J‖ + L_gxy ρ_y)/μ · ρ_y(L_fy + L_gyy‖v‖)   ≥ ‖(c − J v) − ∇φ(x)‖.

lower_level_bound is the sum of the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba.extending import register_jitable
from scipy.sparse.linalg import LinearOperator

from .formation import MODEL_SAFETY, Bound
from .kernels import BLOCK, squares_with_errors
from .operators import StructuredOperator, coarsest, structure_of
from .rounding import (
    ROUND_UP,
    SAFE_SQUARES,
    gamma,
    is_finite,
    norm2,
    scaled_quotient,
    smallest_subnormal,
    unit_roundoff,
    upper_product,
)
from .status import CertificateStatus

CERTIFIED, GIVEN = CertificateStatus.CERTIFIED, CertificateStatus.GIVEN
ESTIMATED, NONE = CertificateStatus.ESTIMATED, CertificateStatus.NONE
EXACT = {name: Bound(0.0, CERTIFIED) for name in ("A", "J", "b", "c")}
FAR_BELOW = 2000.0  # times the rounding of a product: a residual as large as this hides how sharp the bound of it is
NORM_SAFETY = 2.0  # an estimated norm is multiplied, an estimated mu divided, by this


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


def absolute_product(
    structure: StructuredOperator, v: np.ndarray, residual: np.ndarray, known: np.ndarray | None = None
) -> np.ndarray:
    """fl(|A||v|), or a vector that may stand for it beside the residual r; `known` is the former, if at hand.

    E enters by ‖(1 + u)|r| + E‖ and ‖E‖. Where ‖E‖ ≤ e = g(N‖v‖ + ν) is so small beside ‖r‖ that nobody could tell the
    difference, A need not be read for it: E = |r| e/‖r‖ has the norm e, and ‖(1 + u)|r| + |r| e/‖r‖‖ = (1 + u)‖r‖ + e.
    """
    return absolute_beside(structure, structure.absolute_norm(), v, residual, known)


def absolute_beside(
    structure: StructuredOperator,
    norms: tuple[float, float] | None,
    v: np.ndarray,
    residual: np.ndarray,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """`absolute_product` with N and ν as `absolute_norm` has them."""
    if norms is not None:
        size = norm2(residual)
        most = (norms[0] * norm2(v) + norms[1]) * ROUND_UP
        if most > 1e-280 and FAR_BELOW * structure.product_factor(v.dtype) * most <= size < math.inf:
            return np.abs(residual).astype(np.float64, copy=False) * (most / size * ROUND_UP)
    return structure.abs_product(np.abs(v)) if known is None else known


@np.errstate(under="ignore")
def residual_bound(
    A: LinearOperator, v: np.ndarray, residual: np.ndarray, norm_A: Bound, absolute: np.ndarray | None = None
) -> tuple[Bound, float]:
    """ρ ≥ ‖b − A v‖ from the evaluated residual, and the part of it that is rounding; `absolute` is |A||v| if at hand.

    A black box has the model ‖fl(Av) − Av‖ ≤ 4(n + 10) u ‖A‖‖v‖, which is `estimated` at best; u is that of the
    coarsest array that took part.
    """
    n, u = v.size, unit_roundoff(v.dtype)
    outer = 1 + gamma(n + 6, 2.0**-53)  # norm2 and what it is given are float64
    structure = structure_of(A)
    if structure is not None:
        absolute = absolute_product(structure, v, residual, absolute)
        both, rounding, size = _norms_with_errors(1 + u, residual, structure, v, absolute)
        underflow = structure.terms * math.sqrt(n) * smallest_subnormal(v.dtype)
        return Bound(outer * both + underflow, CERTIFIED), outer * rounding + u * size + underflow
    product = MODEL_SAFETY * (n + 10) * coarsest(A, v.dtype) * norm_A.value * norm2(v) if v.any() else 0.0
    status = ESTIMATED if math.isfinite(product) else NONE
    return Bound(outer * ((1 + u) * norm2(residual) + product), status), product


@np.errstate(under="ignore")
def product_bound(J: LinearOperator, v: np.ndarray, h: np.ndarray, norm_J: Bound) -> Bound:
    """η ≥ ‖ĥ − (c − J v)‖, the rounding of the hyper-gradient itself."""
    n, u = h.size, unit_roundoff(h.dtype)
    outer = 1 + gamma(n + 6, 2.0**-53)  # norm2 and what it is given are float64
    structure = structure_of(J)
    if structure is not None:
        underflow = structure.terms * math.sqrt(n) * smallest_subnormal(h.dtype)
        return Bound(outer * _norms_with_errors(u, h, structure, v)[0] + underflow, CERTIFIED)
    product = MODEL_SAFETY * (v.size + 10) * coarsest(J, v.dtype) * norm_J.value * norm2(v) if v.any() else 0.0
    return Bound(outer * (u * norm2(h) + product), ESTIMATED if math.isfinite(product) else NONE)


def _norms_with_errors(
    a: float, r: np.ndarray, structure: Any, v: np.ndarray, absolute: np.ndarray | None = None
) -> tuple[float, float, float]:
    """‖a|r| + E‖, ‖E‖ and ‖r‖ for E = g fl(|A||v|), g = γ_m/(1 − γ_m) or what the operator says of its sums."""
    factor = structure.product_factor(v.dtype)
    if absolute is None:
        absolute = structure.abs_product(np.abs(v))
    if r.size <= BLOCK and r.flags.c_contiguous and absolute.flags.c_contiguous:
        squares = squares_with_errors(a, r, factor, absolute)
        if all(SAFE_SQUARES[0] < square < SAFE_SQUARES[1] for square in squares):
            both, errors, alone = squares
            return math.sqrt(both), math.sqrt(errors), math.sqrt(alone)
    with np.errstate(invalid="ignore", over="ignore"):
        error = factor * absolute.astype(np.float64, copy=False)
    if not is_finite(error):
        error = np.where(np.isnan(error), math.inf, error)  # inf · 0 while bounding: nothing is known
    return norm2(a * np.abs(r).astype(np.float64, copy=False) + error), norm2(error), norm2(r)


def error_bound(mu: Bound, norm_J: Bound, rho: Bound, eta: Bound, u: float) -> Bound:
    """(‖J‖ρ/μ + η)(1 + 8u), with the weakest of the four statuses; inf where an input is absent."""
    status = min(mu.status, norm_J.status, rho.status, eta.status)
    if status == NONE or not mu.value > 0:
        return Bound(math.inf, NONE)
    value = error_value(mu.value, norm_J.value, rho.value, eta.value, u)
    return Bound(value, status) if math.isfinite(value) else Bound(math.inf, NONE)


@register_jitable
def error_value(mu: float, norm_J: float, rho: float, eta: float, u: float) -> float:
    """(‖J‖ρ/μ + η)(1 + 8u), rounded up."""
    if rho == 0 and eta == 0:
        return 0.0
    value = (scaled_quotient(norm_J, rho, mu) + eta) * (1 + 8 * max(u, 2.0**-53))
    return math.nextafter(value, math.inf)


def lower_level_bound(
    lipschitz: Any,
    gradient_norm: Bound | float,
    v_norm: float,
    mu: Bound,
    norm_J: Bound,
    formation: Mapping[str, Bound] = EXACT,
    *,
    pointwise: bool,
) -> Bound:
    """The bound of ‖(ĉ − Ĵ Â⁻¹b̂) − ∇φ(x)‖ for the Â, Ĵ, b̂, ĉ in hand and an inexact y.

    Parameters
    ----------
    lipschitz : LipschitzConstants
    gradient_norm : Bound or float
        ‖∇_y g(x, y)‖, its rounding included; a plain number is ``given``.
    v_norm : float
        A bound of ‖Â⁻¹b̂‖.
    mu, norm_J : Bound
        norm_J of the Ĵ in hand.
    formation : mapping
        ε of "A", "J", "b" and "c"; all are exact by default.
    pointwise : bool
        Whether `mu` bounds the spectrum of Â, at this y alone. Then ε_A is taken off it, and ρ_y = ‖∇_y g‖/μ would be
        wrong; with a Lipschitz Hessian, q = 2 L_gyy‖∇_y g‖/μ² < 1 gives ρ_y = 2‖∇_y g‖/(μ(1 + √(1 − q))), and
        μ√(1 − q) is a modulus on the way from y to y*.
    """
    if not isinstance(gradient_norm, Bound):
        gradient_norm = Bound.of(gradient_norm)
    constants = [Bound.of(getattr(lipschitz, name)) for name in ("fx", "fy", "gxy", "gyy")]
    fx, fy, gxy, gyy = (c.value for c in constants)
    e_A, e_J, e_b, e_c = (formation[name].value for name in ("A", "J", "b", "c"))
    status = min(x.status for x in (gradient_norm, mu, norm_J, *constants, *formation.values()))
    modulus = math.nextafter(mu.value - e_A, -math.inf) if pointwise else mu.value
    if status == NONE or not modulus > 0:
        return Bound(math.inf, NONE)
    known = (fx, fy, gxy, gyy), (e_A, e_J, e_b, e_c)
    value = lower_level_value(modulus, norm_J.value, gradient_norm.value, v_norm, *known, pointwise)
    return Bound(value, status) if math.isfinite(value) else Bound(math.inf, NONE)


@register_jitable
def lower_level_value(
    modulus: float,
    norm_J: float,
    gradient_norm: float,
    v_norm: float,
    lipschitz: tuple[float, float, float, float],
    formation: tuple[float, float, float, float],
    pointwise: bool,
) -> float:
    """The sum of the two bounds of the lower-level part, rounded up; inf where the way from y to y* has no modulus.

    `lipschitz` are L_fx, L_fy, L_gxy and L_gyy, `formation` ε_A, ε_J, ε_b and ε_c.
    """
    fx, fy, gxy, gyy = lipschitz
    e_A, e_J, e_b, e_c = formation
    e_v = _up(e_A, v_norm, modulus) + _up(e_b, 1.0, modulus)
    J, v = norm_J + e_J, v_norm + e_v
    rounding = e_c + _up(e_J, v_norm) + _up(J, e_v)
    distance, path = _up(gradient_norm, 1.0, modulus), modulus
    if pointwise and gyy > 0:
        root = 1 - 2 * _up(gyy, distance, modulus)  # 1 − q, rounded down: so is what follows from it
        root = math.sqrt(max(root - 2.0**-50, 0.0)) * (1 - 2.0**-50)
        distance, path = _up(2 * gradient_norm, 1.0, modulus * (1 + root) * (1 - 2.0**-50)), modulus * root
        if not path > 0:
            return math.inf
    slope = fx + _up(gxy, v) + _up(J + _up(gxy, distance), fy + _up(gyy, v), path)
    return (rounding + _up(distance, slope)) * (1 + 2.0**-40)


def value_bound(
    f: float,
    correction: float,
    v: np.ndarray,
    gradient: np.ndarray,
    lipschitz: Any,
    mu: Bound,
    residual: Bound,
    errors: Mapping[str, Bound],
) -> Bound:
    """½ρ_y²(L_fy + L_gyy‖v‖) + (ρ + ε_b + ε_A‖v‖)ρ_y + ε_f + ‖v‖ε_g + γ_{n+2}‖v‖‖∇_y g‖  ≥  |f − vᵀĝ − φ(x)|.

    ĝ is the ∇_y g in hand and vᵀĝ the `correction`; :mod:`lancbio_ref.hyper_objective` has the derivation.

    `residual` is ρ ≥ ‖b − A v‖; `errors` are those of `formation_bounds`, and ε_f as "value".
    """
    fy, gyy = Bound.of(lipschitz.fy), Bound.of(lipschitz.gyy)
    e_f, largest = errors["value"], errors["grad_y"].value  # ε_f, and ‖∇_y g‖ + ε_g
    size, u = math.nextafter(norm2(v) * (1 + 2.0**-40), math.inf) if v.any() else 0.0, unit_roundoff(v.dtype)
    e_g = largest - norm2(gradient)
    distance = math.nextafter(scaled_quotient(largest, 1.0, mu.value) * (1 + 2.0**-50), math.inf)  # ρ_y
    second = fy.value + upper_product(gyy.value, size)
    e_b = residual.value + errors["b"].value + upper_product(errors["A"].value, size)
    bound = upper_product(0.5, distance, distance, second) + upper_product(e_b, distance)
    bound += e_f.value + upper_product(size, e_g)
    bound += upper_product(gamma(v.size + 4, max(u, 2.0**-53)), size, largest)
    bound = (bound + 2 * 2.0**-53 * (abs(f) + abs(correction))) * (1 + 2.0**-40) + v.size * 2.0**-1022
    inputs = (mu, residual, fy, gyy, *(errors[name] for name in ("value", "grad_y", "b", "A")))
    status = min(part.status for part in inputs)
    return Bound(bound, status) if bound < math.inf and status else Bound.of(None)


@register_jitable
def _up(a: float, b: float, c: float = 1.0) -> float:
    """a · b/c, not below it: also where it, or what is in between, leaves the range; 0 where a or b is 0."""
    if a == 0 or b == 0:
        return 0.0
    if math.isinf(a) or math.isinf(b):
        return math.inf
    return math.nextafter(scaled_quotient(a, b, c) * (1 + 2.0**-50), math.inf)
