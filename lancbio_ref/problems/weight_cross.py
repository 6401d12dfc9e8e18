"""∂_x∂_y of penalties that blocks of a matrix of coefficients share."""

from __future__ import annotations

import math

import numpy as np

from ..kernels import largest_size
from ..operators import StructuredOperator
from ..operators.norms import row_norms
from ..operators.vectors import read_only
from ..rounding import ROUND_UP, SMALLEST_NORMAL


class WeightCross(StructuredOperator):
    """(J V)_k = Σ E_cj V_cj over the block of weight k: one column, one row or all of (C, p).

    Parameters
    ----------
    E : ndarray, shape (C, p)
        ∂/∂x_k of the penalty's gradient, D ∘ Y.
    axis : 0, 1 or None
        Of the sum.

    Notes
    -----
    The blocks are disjoint, so J Jᵀ is diagonal and ‖J‖ = max_k ‖E_k‖. As many terms as a block has; one more for the
    bound itself.
    """

    _settled = ("E", "axis", "is_diagonal", "blocks", "terms")
    _held = ("E", "blocks")

    def __init__(self, E: np.ndarray, axis: int | None) -> None:
        self.E, self.axis = read_only(E), axis
        self.is_diagonal = axis == 0 and len(E) == 1  # each block is one entry: J is diag(E)
        self.blocks = E.reshape(1, -1) if axis is None else E if axis else E.T
        self.terms = self.blocks.shape[1] + 1
        super().__init__(E.dtype, (self.blocks.shape[0], E.size))

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        if self.is_diagonal:
            return self.E[0] * v
        return np.atleast_1d((self.E * v.reshape(self.E.shape)).sum(axis=self.axis))

    def _rmatvec(self, u: np.ndarray) -> np.ndarray:
        return (self.E * (u[:, None] if self.axis == 1 else u[None, :])).ravel()

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            terms = np.abs(self.E.astype(np.float64, copy=False)) * v.reshape(self.E.shape)
            return terms[0] if self.is_diagonal else np.atleast_1d(terms.sum(axis=self.axis))

    def norm_bound(self) -> float:
        if self.is_diagonal:  # as `row_norms` has it of single entries
            largest = largest_size(self.E[0])
            bound = largest * ROUND_UP
            return (math.nextafter(bound, math.inf) if largest > 0 and bound < SMALLEST_NORMAL else bound) * ROUND_UP
        return float(row_norms(self.blocks).max()) * ROUND_UP
