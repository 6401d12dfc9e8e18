"""Rounding in the quadratic problem: f = ½‖y − t‖² + ½ρ‖x‖², g = ½yᵀAy − yᵀ(Bx + d).

A and J = −Bᵀ are data, and exact. Of a sum of products every term passes as many roundings as the sum is long, then
one a subtraction, so that with |·| entrywise and k = max(n_x, n_y) + 2

    ĝ_y = fl(A y − B x − d):      |ĝ_y − ∇_y g| ≤ γ_k (|A||y| + |B||x| + |d|) + (n_x + n_y) η
    b̂ = fl(y − t),  ĉ = fl(ρx):   |b̂ − b| ≤ u|b̂|,   |ĉ − c| ≤ u|ĉ| + η
    f̂:  both sums are of squares, each of which passes at most max(n_x, n_y) + 6 roundings; f is at most f̂/(1 − γ).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...formation import FormationErrors
from ...rounding import Proven, norm2, smallest_subnormal, unit_roundoff
from .model import proven, sums

if TYPE_CHECKING:
    from ..quadratic import Quadratic


def quadratic_errors(problem: Quadratic, x: np.ndarray, y: np.ndarray) -> FormationErrors:
    """The six bounds at (x, y)."""
    u, eta = unit_roundoff(y.dtype), smallest_subnormal(y.dtype)
    n_x, n_y, k = x.size, y.size, max(x.size, y.size)

    def grad_y() -> Proven | None:
        absolute = np.abs(problem.A) @ np.abs(y) + np.abs(problem.B) @ np.abs(x) + np.abs(problem.d)
        return proven(sums(k + 6, u) * norm2(absolute), (n_x + n_y + 2) * n_y * eta)

    def value() -> Proven | None:
        return proven(sums(k + 8, u) * problem.value(x, y), (n_x + n_y + 4) * (1 + problem.rho) * eta)

    return FormationErrors(
        value=value,
        grad_y=grad_y,
        A=Proven(0.0),
        J=Proven(0.0),
        b=lambda: proven(u * norm2(y - problem.t)),
        c=lambda: proven(u * norm2(problem.rho * x), n_x * eta),
    )
