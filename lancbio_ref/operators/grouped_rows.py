"""J of penalties that share one parameter a block: (J v)_k = Σ_{j in block k} E_j v_j."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..arguments import as_vector
from ..errors import ArgumentError
from ..rounding import ROUND_UP, rounding_factor, unit_roundoff
from .base import StructuredOperator
from .vectors import read_only


class GroupedRows(StructuredOperator):
    """(J v)_k = Σ E_j v_j over the j with ``block[j] == k``; entries of no block, −1, count nowhere.

    Parameters
    ----------
    E : array_like, shape (n,), float32 or float64
    block : array_like of int, shape (n,)
        −1 … m − 1.
    m : int
        The number of blocks; empty ones are rows of zeros.

    Raises
    ------
    ArgumentError
        Shapes that do not fit, NaN or infinity, blocks that are not there.

    Notes
    -----
    The blocks are disjoint, so J Jᵀ is diagonal and ‖J‖ = max_k ‖E_k‖ over the blocks. A sum has as many terms as its
    block; float32 terms are multiplied and added in float64 and rounded once.

    Examples
    --------
    >>> from lancbio_ref.operators import GroupedRows
    >>> GroupedRows([1.0, 2.0, 3.0], [0, 1, 0], 2).toarray()
    array([[1., 0., 3.],
           [0., 2., 0.]])
    """

    _settled = ("E", "block", "terms")
    _held = ("block",)

    def __init__(self, E: npt.ArrayLike, block: npt.ArrayLike, m: int) -> None:
        self.E = as_vector("E", E)
        self.block = read_only(np.asarray(block))
        if self.block.shape != self.E.shape or self.block.dtype.kind not in "iu":
            found = f"{self.block.dtype} of shape {self.block.shape}"
            raise ArgumentError("block", found, f"integers of shape {self.E.shape}")
        if self.block.min() < -1 or self.block.max() >= m:
            raise ArgumentError("block", f"values {self.block.min()}..{self.block.max()}", f"-1..{m - 1}")
        super().__init__(self.E.dtype, (m, self.E.size))
        self._used = self.block >= 0
        self._place = np.where(self._used, self.block, m)  # the last bin is thrown away
        self.terms = int(np.bincount(self._place, minlength=m + 1)[:m].max(initial=0)) + 2

    def _sums(self, terms: np.ndarray) -> np.ndarray:
        """Over the blocks, in float64 or complex128."""
        if terms.dtype.kind == "c":
            return self._sums(terms.real) + 1j * self._sums(terms.imag)
        return np.bincount(self._place, weights=terms, minlength=self.shape[0] + 1)[: self.shape[0]]

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        terms = self.E.astype(np.float64) * v.astype(np.result_type(v, np.float64))
        with np.errstate(over="ignore"):
            return self._sums(terms).astype(self.result_type(v.dtype))

    def _rmatvec(self, u: np.ndarray) -> np.ndarray:
        return self.E * np.where(self._used, u[self.block], u.dtype.type(0))

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return self._sums(np.abs(self.E.astype(np.float64)) * v)

    def abs_adjoint_product(self, u: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.abs(self.E.astype(np.float64)) * np.where(self._used, u[self.block], 0.0)

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        """float32: one rounding, of the sum."""
        if not self.is_single(dtype):
            return super().product_factor(dtype)
        return rounding_factor(1, self.terms, unit_roundoff(np.float32))

    def adjoint_factor(self, dtype: npt.DTypeLike) -> float:
        return rounding_factor(3, 0, unit_roundoff(self.result_type(dtype)))

    def norm_bound(self) -> float:
        """max_k ‖E_k‖, each from its entries scaled by the largest: nothing in between leaves the range."""
        size = np.abs(self.E.astype(np.float64))
        largest = np.zeros(self.shape[0] + 1)
        np.maximum.at(largest, self._place, size)
        largest = np.where(largest > 0, largest, 1.0)
        with np.errstate(over="ignore", under="ignore"):
            norms = np.sqrt(self._sums((size / largest[self._place]) ** 2)) * largest[:-1] * ROUND_UP
        bound = float(norms.max(initial=0.0))
        return float(np.nextafter(bound, np.inf)) if bound > 0 or (self._used.any() and size[self._used].any()) else 0.0
