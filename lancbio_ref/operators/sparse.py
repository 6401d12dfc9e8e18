"""A sparse matrix as a structured operator."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..errors import ArgumentError
from .base import StructuredOperator
from .dense import entrywise_norm_bound
from .products import SparseProducts


class SparseOperator(StructuredOperator):
    """y = A v for a sparse matrix in any SciPy format; as many terms in a sum as the fullest row has.

    Parameters
    ----------
    A : sparse array or matrix, shape (m, n)
        Held as CSR; not changed.
    name : str
        What error messages call it.

    Raises
    ------
    ArgumentError
        Not numbers, or not finite.
    """

    def __init__(self, A: Any, *, name: str = "A") -> None:
        A = sp.csr_array(A)
        if not A.has_canonical_format:  # entries given twice are added once, here: |A| and A must be of one matrix
            A = A.copy()
            A.sum_duplicates()
        if A.dtype.kind in "biu":
            A = A.astype(np.float64)
        A = A.astype(A.dtype.newbyteorder("="), copy=False)
        if A.dtype.char not in "fdFD":
            raise ArgumentError(name, f"dtype {A.dtype}", "float32, float64, complex64 or complex128")
        if not np.isfinite(A.data).all():
            raise ArgumentError(name, "NaN or infinity among the stored entries", "finite entries")
        super().__init__(A.dtype, A.shape)
        self.A, self.products = A, SparseProducts(A)
        self.terms = int(np.max(np.diff(A.indptr), initial=1))

    @cached_property
    def column_terms(self) -> int:
        """As many terms in a sum as the fullest column has."""
        return int(np.max(np.bincount(self.A.indices), initial=1))

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self.products.product(v)

    def _rmatvec(self, v: np.ndarray) -> np.ndarray:
        return self.A.conj().T @ v

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        return abs(self.A) @ v

    def diagonal(self) -> np.ndarray:
        """The entries A_ii."""
        return self.A.diagonal().copy()

    def norm_bound(self) -> float:
        return entrywise_norm_bound(abs(self.A)) if self.A.nnz else 0.0

    def toarray(self) -> np.ndarray:
        return self.A.toarray()
