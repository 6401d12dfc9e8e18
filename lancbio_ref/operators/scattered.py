"""An operator whose rows go to some places of a longer vector: the mixed derivative of a mini-batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .base import StructuredOperator


class ScatteredRows(StructuredOperator):
    """Row i of `inner` as row ``rows[i]`` of an operator with n rows, the others zero.

    Moving numbers rounds nothing: `terms` and the norm are those of `inner`.

    Parameters
    ----------
    inner : StructuredOperator, shape (m, p)
    rows : ndarray of int, shape (m,)
        Different places in 0 … n − 1.
    n : int

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.operators import DenseOperator
    >>> from lancbio_ref.operators.scattered import ScatteredRows
    >>> ScatteredRows(DenseOperator([[1.0, 2.0]]), np.array([1]), 3).toarray()
    array([[0., 0.],
           [1., 2.],
           [0., 0.]])
    """

    _settled = ("inner", "rows", "terms", "has_bounds")

    def __init__(self, inner: StructuredOperator, rows: np.ndarray, n: int) -> None:
        self.inner, self.rows = inner, rows
        self.terms, self.has_bounds = inner.terms, inner.has_bounds
        super().__init__(inner.dtype, (n, inner.shape[1]))

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._scattered(self.inner._matvec(v))

    def _rmatvec(self, u: np.ndarray) -> np.ndarray:
        return self.inner._rmatvec(u[self.rows])

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        return self._scattered(self.inner.abs_product(v))

    def abs_adjoint_product(self, u: np.ndarray) -> np.ndarray:
        return self.inner.abs_adjoint_product(u[self.rows])

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        return self.inner.product_factor(dtype)

    def adjoint_factor(self, dtype: npt.DTypeLike) -> float:
        return self.inner.adjoint_factor(dtype)

    def norm_bound(self) -> float:
        return self.inner.norm_bound()

    def _scattered(self, values: np.ndarray) -> np.ndarray:
        full = np.zeros(self.shape[0], values.dtype)
        full[self.rows] = values
        return full
