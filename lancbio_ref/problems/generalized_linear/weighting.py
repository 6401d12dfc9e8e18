"""The weight of a sample, fixed or learned: w_i = b_i ω(x_i), with fixed b_i that sum to one.

    fixed      w_i = b_i
    sigmoid    w_i = b_i σ(x_i)              ∂w_i/∂x_i = b_i σ(x_i)σ(−x_i)
    softplus   w_i = b_i log(1 + e^{x_i})    ∂w_i/∂x_i = b_i σ(x_i)
    simplex    w_i = b_i e^{x_i}/Σ_j b_j e^{x_j}     ∂w_i/∂x_k = w_i(δ_ik − w_k)

b is float64 and rounded once into the type of x; its own two roundings in float64 are in `error`. σ is off by
`SIGMOID_UNITS` u, the softplus by (2 `FUNCTION_UNITS` + 8)u, both relatively; on the simplex an exponent loses
u|x_i − max x|, and the sum of n terms is float64.
"""

from __future__ import annotations

import math

import numpy as np

from ...arguments import as_choice
from ...operators import MultinomialCross, ScatteredRows
from ...operators.base import StructuredOperator
from ...operators.stacked import LessOuterProduct
from ...rounding import unit_roundoff
from ..elementary import FUNCTION_UNITS, SIGMOID_UNITS, expit
from ..rounding.model import chain, stretched, sums
from .samples import MultinomialFit, ScalarFit

WEIGHTS = ("fixed", "sigmoid", "softplus", "simplex")


class Weighting:
    """ω and its derivative.

    Parameters
    ----------
    kind : {"fixed", "sigmoid", "softplus", "simplex"}
    base : ndarray, shape (n,), float64
        b.
    rows : ndarray of int, shape (n,), optional
        Which entries of a longer x weigh these samples; all of it by default.
    total : int, optional
        The length of that x; n by default.
    """

    def __init__(self, kind: str, base: np.ndarray, rows: np.ndarray | None = None, total: int | None = None) -> None:
        self.kind, self.base, self.rows = as_choice("weights", kind, WEIGHTS), base, rows
        self.n = 0 if kind == "fixed" else (base.size if total is None else total)

    def _own(self, x: np.ndarray) -> np.ndarray:
        return x if self.rows is None else x[self.rows]

    def _scattered(self, values: np.ndarray) -> np.ndarray:
        if self.rows is None:
            return values
        full = np.zeros(self.n, values.dtype)
        full[self.rows] = values
        return full

    def values(self, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """w, shape (n,), in this type."""
        base = self.base.astype(dtype)
        if self.kind == "fixed":
            return base
        x = self._own(x)
        if self.kind == "sigmoid":
            return base * expit(x)
        if self.kind == "softplus":
            return base * np.logaddexp(dtype.type(0), x)
        powers = base * np.exp(x - x.max())
        return powers / dtype.type(powers.sum(dtype=np.float64))

    def slopes(self, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """d: ∂w_i/∂x_i, and on the simplex w, whose derivative has the rank-one part of `cross` too."""
        base = self.base.astype(dtype)
        if self.kind == "simplex":
            return self.values(x, dtype)
        x = self._own(x)
        return base * expit(x) * expit(-x) if self.kind == "sigmoid" else base * expit(x)

    def error(self, x: np.ndarray, dtype: np.dtype) -> float:
        """≥ |fl(w_i) − w_i|/w_i, what underflows apart."""
        u = unit_roundoff(dtype)
        if self.kind == "fixed":
            return 4 * u
        if self.kind == "sigmoid":
            return chain((SIGMOID_UNITS + 6) * u)
        if self.kind == "softplus":
            return chain((2 * FUNCTION_UNITS + 12) * u)
        x = self._own(x).astype(np.float64)
        width = min(float(x.max() - x.min()), -2 * math.log(float(np.finfo(dtype).tiny)))
        one = chain(stretched(2 * u * width), (FUNCTION_UNITS + 6) * u)
        return chain(one, one, one, sums(self.base.size + 4, 2.0**-53))

    def slope_error(self, x: np.ndarray, dtype: np.dtype) -> float:
        """≥ |fl(d_i) − d_i|/d_i."""
        u = unit_roundoff(dtype)
        if self.kind == "simplex":
            return self.error(x, dtype)
        return chain((2 * SIGMOID_UNITS + 7) * u)

    def cross(self, x: np.ndarray, fit: ScalarFit | MultinomialFit, w: np.ndarray) -> StructuredOperator:
        """∂/∂x_i of Σ w_i r_i ⊗ x_i: row i is d_i r_i ⊗ x_i, and on the simplex less w_i Σ_k w_k r_k ⊗ x_k."""
        J: MultinomialCross | LessOuterProduct = fit.cross(self.slopes(x, w.dtype))
        if self.kind == "simplex":
            J = LessOuterProduct(J, w, fit.gradient(w))
        return J if self.rows is None else ScatteredRows(J, self.rows, self.n)

    def grad_x(self, x: np.ndarray, losses: np.ndarray) -> np.ndarray:
        """∂/∂x_i Σ w_k ℓ_k, shape (n,)."""
        d = self.slopes(x, losses.dtype)
        if self.kind == "simplex":
            losses = losses - losses.dtype.type(np.dot(d.astype(np.float64), losses.astype(np.float64)))
        return self._scattered(d * losses)
