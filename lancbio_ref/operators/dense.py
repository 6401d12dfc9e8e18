"""A dense matrix as a structured operator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .. import kernels
from ..arguments import as_array
from ..errors import ArgumentError
from ..parallel import GRAIN
from ..rounding import rounding_factor, unit_roundoff
from .base import StructuredOperator
from .cholesky import spectral_norm_bound
from .norms import entrywise_norm_bound
from .products import (
    Counts,
    dense_absolute_product,
    dense_product,
    dense_products,
    dense_transposed,
    product_counts,
    rows_of_product,
    transposed_counts,
)
from .vectors import read_only, silent

_DOUBLE = np.dtype(np.float64)


class DenseOperator(StructuredOperator):
    """y = A v for an (m × n) array; at most n terms in a sum.

    Parameters
    ----------
    A : array_like, shape (m, n), float32, float64, complex64 or complex128
        Not changed, and copied only where it is neither in C nor in Fortran order; what is held is a read-only view.
    name : str
        What error messages call it.

    Raises
    ------
    ArgumentError
        Not two-dimensional, not numbers, not finite; integers that float64 does not have; a masked array.
    """

    _settled = ("A", "terms")
    _held = ("A",)

    def __init__(self, A: npt.ArrayLike, *, name: str = "A") -> None:
        A = as_array(name, A, "a 2-D array")
        if A.ndim != 2 or 0 in A.shape:
            raise ArgumentError(name, f"shape {A.shape}", "a 2-D array with at least one entry")
        if A.dtype.char not in "fdFD":
            raise ArgumentError(name, f"dtype {A.dtype}", "float32, float64, complex64 or complex128")
        if not np.isfinite(A).all():
            row, column = np.argwhere(~np.isfinite(A))[0]
            raise ArgumentError(name, f"{A[row, column]} at [{row}, {column}]", "finite entries")
        self._hold(A)

    def _hold(self, A: np.ndarray) -> None:
        super().__init__(A.dtype, A.shape)
        self.A = read_only(A if A.flags.forc else np.ascontiguousarray(A))
        self.terms = A.shape[1]
        self._counts: dict[tuple[Callable[[np.ndarray, bool], Counts], bool], Counts] = {}

    def counts(self, of: Callable[[np.ndarray, bool], Counts], single: bool) -> Counts:
        """``of(A, single)``, for a function of the shape and the order of A: computed once."""
        if (found := self._counts.get((of, single))) is None:
            found = self._counts[of, single] = of(self.A, single)
        return found

    def rows(self, indices: np.ndarray | slice) -> DenseOperator:
        """These rows of A as an operator: what has been checked once is not checked again.

        To do so would take as long as copying them: 10 % of an iteration of SOBA with batches of 64 rows of 785.
        """
        part = object.__new__(DenseOperator)
        part._hold(self.A[indices])
        return part

    @silent
    def _matvec(self, v: np.ndarray) -> np.ndarray:
        A = self.A
        alike = v.dtype is A.dtype is _DOUBLE and A.flags.c_contiguous and v.flags.c_contiguous and v.flags.aligned
        if alike and A.size < 2 * GRAIN:
            out, rows = np.empty(A.shape[0]), rows_of_product(*A.shape)
            kernels.dense_product(0, -(-A.shape[0] // rows), rows, A, v, out)
            return out
        return self._product(v)

    @np.errstate(under="ignore")
    def _product(self, v: np.ndarray) -> np.ndarray:
        return dense_product(self.A, v)

    def _matvecs(self, V: np.ndarray) -> np.ndarray | None:
        return dense_products(self.A, V)

    def _rmatvec(self, v: np.ndarray) -> np.ndarray:
        return np.conj(dense_transposed(self.A, np.conj(v))) if self.dtype.kind == "c" else dense_transposed(self.A, v)

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        return dense_absolute_product(self.A, v)

    def abs_adjoint_product(self, u: np.ndarray) -> np.ndarray:
        return dense_absolute_product(self.A.T, u)

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        """In the order of the sums: `product_counts`."""
        return self._factor(product_counts, self.result_type(dtype))

    def adjoint_factor(self, dtype: npt.DTypeLike) -> float:
        return self._factor(transposed_counts, self.result_type(dtype))

    def _factor(self, counts: Callable[[np.ndarray, bool], Counts], result: np.dtype) -> float:
        coarse, fine = self.counts(counts, result == np.float32)
        return rounding_factor(2 * coarse + 4 if result.kind == "c" else coarse, fine, unit_roundoff(result))

    def is_symmetric(self) -> bool:
        return self.shape[0] == self.shape[1] and bool((self.A == self.A.T).all())

    def diagonal(self) -> np.ndarray:
        """The entries A_ii."""
        return self.A.diagonal().copy()

    def norm_bound(self) -> float:
        """‖A‖₂ to about 1e-9 where the smaller dimension is at most 300, else from row and column sums."""
        with np.errstate(over="ignore"):  # |a + bi| of two large numbers
            entrywise = entrywise_norm_bound(np.abs(self.A))
        if min(self.shape) > 300 or self.dtype.kind == "c":
            return entrywise
        return min(entrywise, spectral_norm_bound(self.A))

    def toarray(self) -> np.ndarray:
        return self.A
