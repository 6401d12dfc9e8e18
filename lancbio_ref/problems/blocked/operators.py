"""A and J of samples in blocks, as operators that know how their products round.

    A v = Σ_b A_b v + D ∘ v,        J v = (J_1 v, J_2 v, …),        Jᵀu = Σ_b J_bᵀu_b

Every block's product rounds as that of its own matrix does, by a factor of at most max_b g_b. The products are added
first block to last in float64, B − 1 additions; the penalty is multiplied and added in float64, two roundings; and the
sum is rounded once into the type of the result.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...blocks import added
from ...operators.base import StructuredOperator
from ...operators.stacked import then_added
from ...rounding import ROUND_UP, gamma, nan_to_infinity, smallest_subnormal, unit_roundoff
from . import fits, passes

if TYPE_CHECKING:
    from .fits import Weights
    from .samples import BlockedFit


def _summed(factor: float, additions: int, result: np.dtype) -> float:
    """The factor of a product, then so many additions in float64, and one rounding into the type of the result."""
    factor = then_added(factor, additions, 2.0**-53)
    return factor if result == np.float64 else then_added(factor, 1, unit_roundoff(result))


class BlockedHessian(StructuredOperator):
    """A v = Σ_b A_b v + D ∘ v; one reading serves all vectors of a product with several.

    Parameters
    ----------
    fit : BlockedFit
    w : ndarray, shape (n,), or None
        Weights; None for the fixed ones.
    D : ndarray, shape (C q,)
        The penalty's second derivatives.

    Notes
    -----
    It is symmetric, and A ⪰ diag D where w ≥ 0, as every A_b ⪰ 0 for the floats in hand. The first product of a fit
    whose weights are fixed gives the fit its gradient.
    """

    _settled = ("fit", "D", "blocks", "curvatures", "has_bounds", "terms")

    def __init__(self, fit: BlockedFit, w: Weights, D: np.ndarray) -> None:
        self.fit, self.D, self.blocks = fit, D, fit.blocks
        super().__init__(np.result_type(self.blocks.dtype, fit.y, D), (D.size, D.size))
        self._fixed = w is None
        self.curvatures = fit.keep(fits.curvatures, fit.cut(w))
        facts, self.has_bounds = fit.data.facts.pieces, fit.data.has_bounds
        self.terms = len(facts) + 4 + (max(fact.gram_terms for fact in facts) if self.has_bounds else 0)

    def is_symmetric(self) -> bool:
        return True

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._matvecs(v[None])[0]

    _rmatvec = _matvec

    def _matvecs(self, V: np.ndarray) -> np.ndarray:
        V = V.astype(self.result_type(V.dtype), copy=False)
        wide = V.astype(np.result_type(V, np.float64), copy=False)
        if self._fixed and not self.fit.knows_gradient(None):
            sums, gradient = added(self.blocks.map(passes.product_and_gradient, self.curvatures, V, *self.fit.common))
            self.fit.learn_gradient(None, gradient)
        else:
            (sums,) = added(self.blocks.map(passes.hessian_products, self.curvatures, V))
        sums += self.D.astype(np.float64) * wide
        with np.errstate(over="ignore"):
            return sums.astype(V.dtype, copy=False)

    def diagonal(self) -> np.ndarray:
        """One pass."""
        (squares,) = added(self.blocks.map(passes.hessian_diagonal, self.curvatures))
        return (squares + self.D).astype(self.dtype, copy=False)

    def diagonal_part(self) -> np.ndarray:
        """D, shape (C q,)."""
        return self.D

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        v = v.astype(np.float64, copy=False)
        (sums,) = added(self.blocks.map(passes.absolute_hessian, self.curvatures, v))
        with np.errstate(over="ignore", invalid="ignore"):
            return nan_to_infinity(sums + np.abs(self.D) * v)

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        """max_b g_b, and B + 2 additions after it."""
        result, facts = self.result_type(dtype), self.fit.data.facts.pieces
        return _summed(max(fact.gram[result.char] for fact in facts), len(facts) + 2, result)

    def norm_bound(self) -> float:
        """‖A‖₂ ≤ ‖|A|‖_∞, A being symmetric; one pass."""
        row_sum = float(self.abs_product(np.ones(self.shape[0])).max())
        return row_sum * (1 + 2 * gamma(self.terms, 2.0**-53)) + self.terms * smallest_subnormal(np.float64)


class BlockedCross(StructuredOperator):
    """The rows d_i r_i ⊗ x_i of J, for weights that are learned.

    Parameters
    ----------
    fit : BlockedFit
    d : ndarray, shape (n,)
        ∂w_i/∂x_i.

    Notes
    -----
    ‖J‖² ≤ Σ ‖J_b‖².
    """

    _settled = ("fit", "d", "blocks", "R", "has_bounds", "terms")

    def __init__(self, fit: BlockedFit, d: np.ndarray) -> None:
        self.fit, self.d, self.blocks = fit, fit.cut(d), fit.blocks
        super().__init__(np.result_type(self.blocks.dtype, fit.y, d), (d.size, fit.y.size))
        self.R = fit.keep(fits.residuals)
        facts, self.has_bounds = fit.data.facts.pieces, fit.data.has_bounds
        self.terms = len(facts) + 2 + (max(fact.cross_terms for fact in facts) if self.has_bounds else 0)

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        v = v.astype(self.result_type(v.dtype), copy=False)
        return np.concatenate(list(self.blocks.map(passes.cross_product, self.R, self.d, v)))

    def _rmatvec(self, u: np.ndarray) -> np.ndarray:
        u = u.astype(self.result_type(u.dtype), copy=False)
        (sums,) = added(self.blocks.map(passes.cross_adjoint, self.R, self.d, self.fit.cut(u)))
        with np.errstate(over="ignore"):
            return sums.astype(u.dtype, copy=False)

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        v = v.astype(np.float64, copy=False)
        return np.concatenate(list(self.blocks.map(passes.absolute_cross, self.R, self.d, v)))

    def abs_adjoint_product(self, u: np.ndarray) -> np.ndarray:
        u = u.astype(np.float64, copy=False)
        (sums,) = added(self.blocks.map(passes.absolute_adjoint, self.R, self.d, self.fit.cut(u)))
        return nan_to_infinity(sums)

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        """max_b g_b."""
        char = self.result_type(dtype).char
        return max(fact.cross[char] for fact in self.fit.data.facts.pieces)

    def adjoint_factor(self, dtype: npt.DTypeLike) -> float:
        """The same of the adjoints, and B additions."""
        result, facts = self.result_type(dtype), self.fit.data.facts.pieces
        return _summed(max(fact.adjoint[result.char] for fact in facts), len(facts), result)

    def norm_bound(self) -> float:
        parts = list(self.blocks.map(passes.cross_norm, self.fit.data.facts, self.fit.data.rows, self.R, self.d))
        return math.hypot(*parts) * ROUND_UP
