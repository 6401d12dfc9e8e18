"""The weight of a sample, fixed or learned: w_i = b_i ω(x_i), with fixed b_i that sum to one.

    fixed      w_i = b_i
    sigmoid    w_i = b_i σ(x_i)              ∂w_i/∂x_i = b_i σ(x_i)σ(−x_i)
    softplus   w_i = b_i log(1 + e^{x_i})    ∂w_i/∂x_i = b_i σ(x_i)
    simplex    w_i = b_i e^{x_i}/Σ_j b_j e^{x_j}     ∂w_i/∂x_k = w_i(δ_ik − w_k)

b is float64 and rounded once into the type of x; its own two roundings in float64 are in `error`. σ is off by
`SIGMOID_UNITS` u, the softplus by (2 `FUNCTION_UNITS` + 8)u, both relatively; on the simplex an exponent loses
u|x_i − max x|, and the sum of n terms is float64. A portion B of the samples has the weights m w_i, i ∈ B, with a
number m, those of the simplex normalized over all samples:

    ∂/∂x_k Σ_{i ∈ B} m w_i a_i = m w_k a_k [k ∈ B] − w_k Σ_{i ∈ B} m w_i a_i

m and its product are two roundings more, in float64 or the type of x.
"""

from __future__ import annotations

import math

import numpy as np

from ...arguments import as_choice
from ...operators import ScatteredRows
from ...operators.base import StructuredOperator
from ...operators.stacked import LessOuterProduct
from ...rounding import unit_roundoff
from ..elementary import FUNCTION_UNITS, SIGMOID_UNITS, expit
from ..portions import Portion
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

    _whole: Weighting | None = None  # of a portion: the weights of all, which rows of them, and times what
    _portion: Portion

    def __init__(self, kind: str, base: np.ndarray, rows: np.ndarray | None = None, total: int | None = None) -> None:
        self.kind, self.base, self.rows = as_choice("weights", kind, WEIGHTS), base, rows
        self.n = 0 if kind == "fixed" else (base.size if total is None else total)

    def portion(self, portion: Portion | None) -> Weighting:
        """The weights of these rows alone, times the factor; of no rows, one that is 0."""
        if portion is None:
            return self
        if not portion.rows.size:
            portion = Portion(np.zeros(1, np.intp), 0.0)
        rows = portion.rows if self.rows is None else self.rows[portion.rows]
        part = Weighting(self.kind, portion.times * self.base[portion.rows], rows, self.n)
        part._whole, part._portion = self, portion
        return part

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
        full, x = x, self._own(x)
        if self.kind == "sigmoid":
            return base * expit(x)
        if self.kind == "softplus":
            return base * np.logaddexp(dtype.type(0), x)
        if self._whole is not None:
            return dtype.type(self._portion.times) * self._whole.values(full, dtype)[self._portion.rows]
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
        if self._whole is not None:
            return chain(self._whole.error(x, dtype), 3 * u)
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
        if self._whole is not None:
            return chain(self._whole.slope_error(x, dtype), 3 * u)
        if self.kind == "simplex":
            return self.error(x, dtype)
        return chain((2 * SIGMOID_UNITS + 7) * u)

    def cross(self, x: np.ndarray, fit: ScalarFit | MultinomialFit, w: np.ndarray) -> StructuredOperator:
        """∂/∂x_i of Σ w_i r_i ⊗ x_i: row i is d_i r_i ⊗ x_i, and on the simplex less w_i Σ_k w_k r_k ⊗ x_k."""
        J: StructuredOperator = fit.cross(self.slopes(x, w.dtype))
        if self.kind != "simplex":
            return J if self.rows is None else ScatteredRows(J, self.rows, self.n)
        every, whole = self.of_all(x, w), self if self._whole is None else self._whole
        if self._whole is not None:
            J = ScatteredRows(J, self._portion.rows, every.size)
        J = LessOuterProduct(J, every, fit.gradient(w))
        return J if whole.rows is None else ScatteredRows(J, whole.rows, self.n)

    def of_all(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        """The weights of all samples of which w are a portion's; w itself where there is none."""
        return w if self._whole is None else self._whole.values(x, w.dtype)

    def grad_x(self, x: np.ndarray, losses: np.ndarray) -> np.ndarray:
        """∂/∂x_i Σ w_k ℓ_k, shape (n,)."""
        d = self.slopes(x, losses.dtype)
        if self.kind != "simplex":
            return self._scattered(d * losses)
        mean = losses.dtype.type(np.dot(d.astype(np.float64), losses.astype(np.float64)))
        if self._whole is None:
            return self._scattered(d * (losses - mean))
        full = -mean * self.of_all(x, d)
        full[self._portion.rows] += d * losses
        return self._whole._scattered(full)
