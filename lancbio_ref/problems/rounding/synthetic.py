"""Rounding in ∇_y g = γ cos(x + y) + x ∘ p + e ∘ y + G y of the synthetic problem, p = softmax(x ∘ y).

z = fl(x ∘ y) is off by u|z| + η; subtracting its maximum costs u|z − max z| more, at most uζ where the exponential is
not zero anyway. So p̂ = p(1 + κ) up to η_min, with

    1 + κ = e^{2(2u max|z| + uζ + 2η)} (1 + (n + 4)u + 2ε_exp).

cos is 1-Lipschitz and x + y is off by u|x + y|. Every term passes at most three additions:

    |ĝ_y − ∇_y g| ≤ γ(u|x + y| + ε_cos) + κ|x|p̂/(1 − κ) + 5u(γ + |x|p̂ + |e||y| + |Gy|) + |fl(G y) − G y|.

f has no Lipschitz constants that hold for all x, so nothing else is asked for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...formation import FormationErrors
from ...operators import structure_of
from ...rounding import Proven, norm2, smallest_normal, smallest_subnormal, unit_roundoff
from ..elementary import FUNCTION_UNITS, softmax
from .model import chain, proven, stretched, sums

if TYPE_CHECKING:
    from ..synthetic import Synthetic


def synthetic_errors(problem: Synthetic, x: np.ndarray, y: np.ndarray) -> FormationErrors:
    """ε_g at (x, y), where G is an operator that knows how its products round."""
    G = structure_of(problem.G)
    if G is None:
        return FormationErrors()
    u, eta, tiny = unit_roundoff(y.dtype), smallest_subnormal(y.dtype), smallest_normal(y.dtype)
    n = y.size

    def grad_y() -> Proven | None:
        z = (x * y).astype(np.float64)
        beyond = -2 * math.log(tiny)
        exponent = 2 * (2 * u * float(np.abs(z).max()) + u * beyond + 2 * eta)
        kappa = chain(stretched(exponent), (2 * FUNCTION_UNITS + n + 4) * u)
        if not kappa < 0.5:
            return None
        p = softmax(x * y).astype(np.float64)
        parts = problem.gamma * (u * np.abs(x + y) + chain(FUNCTION_UNITS * u))
        weighted = np.abs(x) * (p + tiny)
        parts = parts + kappa / (1 - kappa) * weighted + np.abs(x) * tiny
        absolute = G.abs_product(np.abs(y)).astype(np.float64)
        sizes = problem.gamma + weighted + np.abs(problem.ridge * y) + absolute
        parts = parts + chain(sums(6, u)) * sizes + G.product_factor(y.dtype) * absolute
        return proven(norm2(parts), n * eta * (8 + G.terms))

    return FormationErrors(grad_y=grad_y)
