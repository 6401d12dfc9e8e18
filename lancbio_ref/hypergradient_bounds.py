"""The bounds of a hyper-gradient's error that its certificate holds, formula by formula.

ρ ≥ ‖b − A v‖,   ‖h − (c − J A⁻¹b)‖ ≤ ‖J‖ρ/μ + η,   what y ≠ y*(x) adds,   and the estimate ‖J‖‖e‖_A/√μ
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .certificate import NONE, error_bound, lower_level_bound, product_bound, residual_bound
from .formation import Bound
from .krylov import SolveReport
from .krylov.bounds import cg_coefficients, radau_upper
from .linearization import Linearization
from .rounding import norm2, unit_roundoff


class Bounds(NamedTuple):
    """ρ and the rounding in it, the two bounds with their statuses, and the estimate."""

    rho: Bound
    rounding: float
    error: Bound
    lower_level: Bound
    estimate: float


def bounds_of(
    linearization: Linearization,
    report: SolveReport,
    modulus: Bound,
    norm_A: Bound,
    norm_J: Bound,
    h: np.ndarray,
    pointwise: bool,
) -> Bounds:
    """The bounds of h, formula by formula; `compiled_bounds` has the same bits."""
    A, J, v = linearization.A, linearization.J, report.v
    rho, rounding = residual_bound(A, v, report.residual, norm_A, report.absolute)
    eta = product_bound(J, v, h, norm_J)
    error = error_bound(modulus, norm_J, rho, eta, unit_roundoff(linearization.dtype))
    lower_level = Bound(math.inf, NONE)
    constants = linearization.lipschitz
    gradient = None if constants is None or modulus.status == NONE else linearization.grad_y
    if constants is not None and gradient is not None:
        formation = linearization.formation_bounds(gradient, norm_A, norm_J)
        v_norm = norm2(v) + rho.value / modulus.value
        lower_level = lower_level_bound(
            constants, formation.pop("grad_y"), v_norm, modulus, norm_J, formation, pointwise=pointwise
        )
    estimate = _estimate(linearization, report, rounding, modulus, norm_J)
    return Bounds(rho, rounding, error, lower_level, estimate)


def _estimate(
    linearization: Linearization, report: SolveReport, rounding: float, modulus: Bound, norm_J: Bound
) -> float:
    """‖J‖‖e‖_A/√μ with the Gauss–Radau estimate of ‖e‖_A; inf where the recurrence and the evaluation have parted."""
    size, start = norm2(report.residual), report.start_norm
    if linearization.M is not None or report.alpha.size == 0 or norm_J.status == NONE:
        return math.inf
    mu = modulus.value if modulus.status != NONE else report.ritz_values[0]
    if not 0 < mu < math.inf or size <= 1000 * rounding:
        return math.inf
    coefficients = cg_coefficients(report.alpha, report.beta, start)
    recurrence = math.sqrt(coefficients[1][-1])
    if abs(recurrence - size) > 0.1 * size:  # T speaks of another vector than the one in hand
        return math.inf
    return norm_J.value * float(radau_upper(*coefficients, mu)[-1]) / math.sqrt(mu)
