"""A sparse matrix as a structured operator."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from ..rounding import rounding_factor, unit_roundoff
from .base import StructuredOperator
from .csr import as_csr
from .norms import entrywise_norm_bound
from .products import SparseProducts
from .vectors import read_only


class SparseOperator(StructuredOperator):
    """y = A v for a sparse matrix in any SciPy format; as many terms in a sum as the fullest row has.

    Parameters
    ----------
    A : sparse array or matrix, shape (m, n)
        Held as CSR, read-only; not changed.
    name : str
        What error messages call it.

    Raises
    ------
    ArgumentError
        Indices outside of the matrix; not numbers, or not finite.
    """

    _settled = ("A", "products")
    _held = ("A",)

    def __init__(self, A: sp.sparray | sp.spmatrix, *, name: str = "A") -> None:
        self._hold(as_csr(name, A))

    def _hold(self, A: sp.csr_array) -> None:
        super().__init__(A.dtype, A.shape)
        A.data, A.indices, A.indptr = read_only(A.data), read_only(A.indices), read_only(A.indptr)
        self.A, self.products = A, SparseProducts(A)

    @cached_property
    def terms(self) -> int:  # type: ignore[override]  # read-only, and nobody writes it
        """Counted when a bound asks: a block of samples is made an operator for one product."""
        return int(np.max(np.diff(self.A.indptr), initial=1))

    def rows(self, indices: np.ndarray | slice) -> SparseOperator:
        """These rows of A, increasing, as an operator: what has been checked once is not again: +50 % of time."""
        part = object.__new__(SparseOperator)
        part._hold(self.A[indices])
        return part

    @cached_property
    def column_terms(self) -> int:
        """As many terms in a sum as the fullest column has."""
        return int(np.max(np.bincount(self.A.indices), initial=1))

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self.products.product(v)

    def _matvecs(self, V: np.ndarray) -> np.ndarray | None:
        return self.products.products(V)

    def _rmatvec(self, v: np.ndarray) -> np.ndarray:
        # SciPy sums in the type of its result; in float64 its bits are those of always. No real matrix is copied.
        return self.products.transposed(v) if self.is_single(v.dtype) else self.A.conj(copy=False).T @ v

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        return abs(self.A) @ v.astype(np.float64, copy=False)

    def abs_adjoint_product(self, u: np.ndarray) -> np.ndarray:
        return abs(self.A).T @ u.astype(np.float64, copy=False)

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        """float32 is summed in float64 and rounded once."""
        if not self.is_single(dtype):
            return super().product_factor(dtype)
        return rounding_factor(1, self.terms, unit_roundoff(np.float32))

    def adjoint_factor(self, dtype: npt.DTypeLike) -> float:
        result, terms = self.result_type(dtype), self.column_terms
        if result == np.float32:
            return rounding_factor(1, terms + self.products.blocks, unit_roundoff(np.float32))
        return rounding_factor(2 * terms + 4 if result.kind == "c" else terms, 0, unit_roundoff(result))

    def is_symmetric(self) -> bool:
        difference = self.A - self.A.T
        return self.shape[0] == self.shape[1] and not difference.data.any()

    def diagonal(self) -> np.ndarray:
        """The entries A_ii."""
        return self.A.diagonal().copy()

    def norm_bound(self) -> float:
        with np.errstate(over="ignore"):
            return entrywise_norm_bound(abs(self.A)) if self.A.nnz else 0.0

    def toarray(self) -> np.ndarray:
        return self.A.toarray()
