"""X, the rows of observations that many operators share, and the products with several vectors that they need.

    S = X Vᵀ, scores of C classes;      Uᵀ X, sums over samples

What bounds their rounding, and the norms of X, are computed once for all operators of a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from ..arguments import Operator, refuse_masked
from ..errors import ArgumentError
from .dense import DenseOperator
from .norms import largest_column_sum, row_norms
from .products import dense_product, dense_transposed, transposed_counts
from .sparse import SparseOperator

ROWS = 2**11  # whose sums the BLAS forms in float32, before they are added in float64


def transposed_product(U: np.ndarray, X: Any) -> np.ndarray:
    """Uᵀ X in the type of both, shape (C, p), for a dense or sparse X of n rows, whatever n.

    The last digits depend on the number of BLAS threads where n is some thousand.

    float32: of a dense X, the sums over `ROWS` rows in float32, these in float64; of a sparse one, all in float64.
    """
    if np.result_type(U, X.dtype) != np.float32:
        return U.T @ X
    if sp.issparse(X):
        return (U.T.astype(np.float64) @ X).astype(np.float32)
    if len(U) <= ROWS:
        return U.T @ X
    total = np.zeros((U.shape[1], X.shape[1]))
    for start in range(0, len(U), ROWS):
        total += U[start : start + ROWS].T @ X[start : start + ROWS]
    return total.astype(np.float32)


class DesignMatrix:
    """X with what the bounds need of it, computed once and shared by the operators of every iteration.

    Parameters
    ----------
    X : array_like or sparse matrix, shape (n, p), float32 or float64
        Dense, or anything that SciPy turns into CSR; not changed.

    Attributes
    ----------
    X, absolute : ndarray or csr_array, shape (n, p)
        X and |X| (the same object where X ≥ 0 and dense).
    row_norms : ndarray, shape (n,), float64
        Upper bounds of ‖x_i‖₂.
    at_once : bool
        Whether operators may multiply by X and by Xᵀ in one pass of their own, with an order of sums of their own.

    Raises
    ------
    ArgumentError
        Not two-dimensional, not real, not finite.
    """

    def __init__(self, X: Operator, *, name: str = "X") -> None:
        refuse_masked(name, X)
        self._hold((SparseOperator if sp.issparse(X) else DenseOperator)(X, name=name))
        if sp.issparse(X):
            self._hold(self.operator.rows(slice(None)))  # a copy: the caller may change theirs
        if self.X.dtype.kind == "c":
            raise ArgumentError(name, f"dtype {self.X.dtype}", "float32 or float64")

    def _hold(self, operator: SparseOperator | DenseOperator) -> None:
        self.operator, self.X = operator, operator.A

    @classmethod
    def of_checked(cls, X: np.ndarray | sp.csr_array) -> Self:
        """X, finite floats in C order or CSR that have been looked at already, uncopied."""
        design, operator = object.__new__(cls), object.__new__(SparseOperator if sp.issparse(X) else DenseOperator)
        operator._hold(X)
        design._hold(operator)
        return design

    def rows(self, indices: np.ndarray) -> DesignMatrix:
        """These rows, increasing, copied once: what has been checked once is not checked again."""
        part = object.__new__(DesignMatrix)
        part._hold(self.operator.rows(indices))
        return part

    @property
    def at_once(self) -> bool:
        return not sp.issparse(self.X)

    @property
    def shape(self) -> tuple[int, int]:
        return self.X.shape

    @property
    def dtype(self) -> np.dtype:
        return self.X.dtype

    @cached_property
    def absolute(self) -> np.ndarray | sp.csr_array:
        return self.X if not sp.issparse(self.X) and self.X.min() >= 0 else abs(self.X)

    @cached_property
    def row_norms(self) -> np.ndarray:
        return row_norms(self.X)

    @cached_property
    def sum_of_row_norms(self) -> float:
        """Σ `row_norms`."""
        return float(self.row_norms.sum())

    @cached_property
    def largest_row_norm(self) -> float:
        """max `row_norms`."""
        return float(self.row_norms.max())

    def product(self, v: np.ndarray) -> np.ndarray:
        """X v."""
        return self.operator.matvec(v) if sp.issparse(self.X) else dense_product(self.X, v)

    def transposed(self, u: np.ndarray) -> np.ndarray:
        """Xᵀu."""
        return self.operator.rmatvec(u) if sp.issparse(self.X) else dense_transposed(self.X, u)

    def product_factor(self, dtype: np.dtype) -> float:
        """That of `operator`, computed once for each type."""
        return self._factor("product_factor", dtype)

    def adjoint_factor(self, dtype: np.dtype) -> float:
        """That of `operator`, in the same way."""
        return self._factor("adjoint_factor", dtype)

    def _factor(self, name: str, dtype: np.dtype) -> float:
        if (found := self._factors.get((name, dtype))) is None:
            found = self._factors[name, dtype] = getattr(self.operator, name)(dtype)
        return found

    @cached_property
    def _factors(self) -> dict[tuple[str, np.dtype], float]:
        return {}

    @cached_property
    def kept(self) -> dict[Any, Any]:
        """What others have derived of X alone, under keys of their own."""
        return {}

    @cached_property
    def norm(self) -> float:
        """A proven upper bound of ‖X‖₂."""
        return self.operator.norm_bound()

    @cached_property
    def largest_column_sum(self) -> float:
        """max_j Σ_i |x_ij|, rounded up."""
        return largest_column_sum(self.absolute)

    @property
    def row_terms(self) -> int:
        """As many terms as a sum over features has: those of the fullest row of a sparse X."""
        return self.operator.terms

    @cached_property
    def column_terms(self) -> int:
        """As many terms as a sum over samples has: those of the fullest column of a sparse X."""
        return self.operator.column_terms if isinstance(self.operator, SparseOperator) else self.shape[0]

    def scores(self, V: np.ndarray) -> np.ndarray:
        """X Vᵀ, shape (n, C)."""
        return self.X @ V.T

    def sums(self, U: np.ndarray) -> np.ndarray:
        """UᵀX, shape (C, p)."""
        return transposed_product(U, self.X)

    def counts(self) -> tuple[int, int, int]:
        """(features, samples, pieces): float32 roundings in X Vᵀ and in Uᵀ X, and the additions in float64."""
        if sp.issparse(self.X):  # Uᵀ X is summed in float64, and rounded once
            return self.row_terms, 1, self.column_terms
        return self.row_terms, min(self.shape[0], ROWS) + 1, -(-self.shape[0] // ROWS)

    def absolute_product(self, V: np.ndarray) -> np.ndarray:
        """|X| Vᵀ in float64, shape (n, C)."""
        V = V.astype(np.float64, copy=False)
        if sp.issparse(self.X) or self.dtype == np.float64:
            return self.absolute @ V.T
        return np.concatenate([X.astype(np.float64) @ V.T for X in self._pieces()])

    def absolute_transposed(self, U: np.ndarray) -> np.ndarray:
        """Uᵀ|X| in float64, shape (C, p)."""
        U = U.astype(np.float64, copy=False)
        if sp.issparse(self.X) or self.dtype == np.float64:
            return U.T @ self.absolute
        total = np.zeros((U.shape[1], self.shape[1]))
        for i, X in enumerate(self._pieces()):
            total += U[i * ROWS : (i + 1) * ROWS].T @ X.astype(np.float64)
        return total

    def _pieces(self) -> Iterator[np.ndarray]:
        return (self.absolute[start : start + ROWS] for start in range(0, self.shape[0], ROWS))


class FixedOrderDesign(DesignMatrix):
    """The same whose products have the same bits on any number of threads, the BLAS's too: class by class.

    For blocks, which may be on machines with other threads. The BLAS is faster where classes are many.
    """

    at_once = False

    def scores(self, V: np.ndarray) -> np.ndarray:
        """X Vᵀ, shape (n, C); a dense X is read once for eight classes."""
        if sp.issparse(self.X):
            return super().scores(V)
        products = None if V.dtype.kind == "c" else self.operator._matvecs(np.ascontiguousarray(V))
        if products is None:
            products = np.stack([self.operator._matvec(v) for v in V])
        return np.ascontiguousarray(products.T)

    def sums(self, U: np.ndarray) -> np.ndarray:
        """UᵀX, shape (C, p)."""
        if sp.issparse(self.X):
            return super().sums(U)
        return np.stack([self.operator._rmatvec(np.ascontiguousarray(u)) for u in U.T])

    def counts(self) -> tuple[int, int, int]:
        """Those of a sum over rows in its order."""
        if sp.issparse(self.X):
            return super().counts()
        samples, pieces = transposed_counts(self.X, True)
        return self.row_terms, samples, pieces

    def absolute_product(self, V: np.ndarray) -> np.ndarray:
        return np.stack([self.operator.abs_product(v) for v in np.ascontiguousarray(V)], axis=1)

    def absolute_transposed(self, U: np.ndarray) -> np.ndarray:
        return np.stack([self.operator.abs_adjoint_product(np.ascontiguousarray(u)) for u in U.T])
