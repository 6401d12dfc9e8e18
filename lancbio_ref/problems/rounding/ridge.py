"""Rounding in the ridge problem, of X y − t for X = X_train and X_val, and of exp(x).

With W = I/n and E = diag(exp x), ∇_y g = XᵀW r + E y with r = X y − t. Each product passes p roundings in X y, one in
−t, two with the rounded weight, n in Xᵀ and one in the last addition; e_j y_j those of the exponential and two more:

    |ĝ_y − ∇_y g| ≤ |X|ᵀW (γ_p|X||y| + (γ_n + 4u)|r̂|) + (ε_exp + 3u) E|y|,     ‖|X|ᵀW z‖ ≤ ‖|X|ᵀW|X|‖^½ ‖z‖/√n,

and likewise b̂, without E. Â differs from A by the rounded weight and the exponential, Ĵ by that and one product:

    ‖Â − A‖ ≤ u‖XᵀWX‖ + ε_exp max E,      ‖Ĵ − J‖ ≤ (ε_exp + u) max E|y| + η,      c = ĉ = 0.

A residual off by δ with ‖δ‖ ≤ γ_{p+1}‖|X_val||y| + |t_val|‖ makes f̂ wrong by (‖r̂‖‖δ‖ + ½‖δ‖²)/m, and the sum of its
squares by γ f̂. What underflows is off by η, amplified by |X|ᵀ: √(n‖|X|ᵀW|X|‖) bounds ‖|X|‖.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formation import FormationErrors
from ...rounding import Proven, norm2, smallest_subnormal, unit_roundoff
from ..elementary import FUNCTION_UNITS, exponential
from .model import chain, proven, sums

if TYPE_CHECKING:
    from ..ridge import Ridge


def ridge_errors(problem: Ridge, x: np.ndarray, y: np.ndarray) -> FormationErrors:
    """The six bounds at (x, y)."""
    u, eta = unit_roundoff(y.dtype), smallest_subnormal(y.dtype)
    penalty = exponential(x)
    largest, of_exp = float(penalty.max()), chain(FUNCTION_UNITS * u)

    def sums_error(X: Any, t: np.ndarray, data_norm: float, *more: float) -> Proven | None:
        """The bound of XᵀW(X y − t), and what else there is."""
        n, p = X.shape
        residual = np.abs(X.matvec(y) - t).astype(np.float64)
        rows = X.product_factor(y.dtype) * X.abs_product(np.abs(y)).astype(np.float64)
        rows += chain(X.adjoint_factor(y.dtype), 5 * u) * residual + (p + 3 * n) * eta
        return proven(math.sqrt(data_norm / n) * norm2(rows), (n + 3) * p * eta, *more)

    def value() -> Proven | None:
        X, m = problem.validation, problem.n_samples[0]
        f = problem.value(x, y) * (1 + 2 * sums(m + 10, u))
        residual = chain(X.product_factor(y.dtype), 2 * u) * (norm2(X.abs_product(np.abs(y))) + norm2(problem.t_val))
        residual += m * (X.shape[1] + 1) * eta
        wrong = math.sqrt(2 * f / m) * residual + 0.5 * residual * residual / m
        return proven(wrong, sums(m + 10, u) * f, (m + 2) * eta)

    return FormationErrors(
        value=value,
        grad_y=lambda: sums_error(
            problem.training, problem.t_train, problem.data_norm, chain(of_exp, 3 * u) * norm2(penalty * y)
        ),
        A=lambda: proven(chain(u) * problem.data_norm, of_exp * largest),
        J=lambda: proven(chain(of_exp, 2 * u) * norm2(penalty * y), eta),
        b=lambda: sums_error(problem.validation, problem.t_val, problem.validation_norm),
        c=Proven(0.0),
    )
