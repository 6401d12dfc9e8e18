"""A dense matrix as a structured operator."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..rounding import gamma, scale_number, unit_roundoff
from .base import StructuredOperator
from .products import dense_absolute_product, dense_product, dense_transposed


class DenseOperator(StructuredOperator):
    """y = A v for an (m × n) array; at most n terms in a sum.

    Parameters
    ----------
    A : array_like, shape (m, n), float32, float64, complex64 or complex128
        Not changed, and copied only where it is neither in C nor in Fortran order.
    name : str
        What error messages call it.

    Raises
    ------
    ArgumentError
        Not two-dimensional, not numbers, or not finite.
    """

    def __init__(self, A: Any, *, name: str = "A") -> None:
        try:
            A = np.asarray(A)
        except ValueError as error:
            raise ArgumentError(name, f"an object that is no array ({error})", "a 2-D array") from None
        if A.dtype.kind in "biu":
            A = A.astype(np.float64)
        A = A.astype(A.dtype.newbyteorder("="), copy=False)
        if A.ndim != 2 or 0 in A.shape:
            raise ArgumentError(name, f"shape {A.shape}", "a 2-D array with at least one entry")
        if A.dtype.char not in "fdFD":
            raise ArgumentError(name, f"dtype {A.dtype}", "float32, float64, complex64 or complex128")
        if not np.isfinite(A).all():
            row, column = np.argwhere(~np.isfinite(A))[0]
            raise ArgumentError(name, f"{A[row, column]} at [{row}, {column}]", "finite entries")
        super().__init__(A.dtype, A.shape)
        self.A = A if A.flags.forc else np.ascontiguousarray(A)
        self.terms = A.shape[1]

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return dense_product(self.A, v)

    def _rmatvec(self, v: np.ndarray) -> np.ndarray:
        return np.conj(dense_transposed(self.A, np.conj(v))) if self.dtype.kind == "c" else dense_transposed(self.A, v)

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        return dense_absolute_product(self.A, v)

    def diagonal(self) -> np.ndarray:
        """The entries A_ii."""
        return self.A.diagonal().copy()

    def norm_bound(self) -> float:
        """‖A‖₂ to about 1e-9 where the smaller dimension is at most 300, else from row and column sums."""
        from .proofs import spectral_norm_bound

        entrywise = entrywise_norm_bound(np.abs(self.A))
        if min(self.shape) > 300 or self.dtype.kind == "c":
            return entrywise
        return min(entrywise, spectral_norm_bound(self.A))

    def toarray(self) -> np.ndarray:
        return self.A


def entrywise_norm_bound(absolute) -> float:
    """‖A‖₂ ≤ min(‖A‖_F, √(‖A‖₁‖A‖_∞)) from |A| (dense or sparse), rounded up."""
    u = unit_roundoff(absolute.dtype)
    slack = 1 + 2 * gamma(absolute.shape[0] * absolute.shape[1] + 8, 2.0**-53) + 4 * u
    largest = float(absolute.max())
    if largest == 0:
        return 0.0
    exponent = max(math.frexp(largest)[1], -1000)  # 2¹⁰⁷⁴ is no float64
    scaled = (absolute.astype(np.float64)) * math.ldexp(0.5, -exponent + 1)
    frobenius = math.sqrt(float((scaled.multiply(scaled) if hasattr(scaled, "multiply") else scaled * scaled).sum()))
    rows, columns = float(np.max(scaled.sum(axis=1))), float(np.max(scaled.sum(axis=0)))
    return math.nextafter(scale_number(min(frobenius, math.sqrt(rows * columns)) * slack, exponent), math.inf)
