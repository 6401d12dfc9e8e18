r"""X̃ = [X 0] + 1bᵀ for a tall X that is not to be copied: with an intercept, or less the means of its columns.

    X̃ v = X v_{1…p} + (bᵀv) 1,      X̃ᵀu = (Xᵀu, 0) + (Σ u_i) b,      b = e_{p+1}: a column of ones;  b = −m: centred

|X̃| ≤ [|X| 0] + 1|b|ᵀ =: Z entrywise, equal where no entry is added to another, as a column of ones is.

*Rounding*, with k nonzeros in b and `sum_roundings` R in the sum of n numbers. bᵀv is formed in float64 and rounded
once, by (γ_k + u)|b|ᵀ|v|; then every entry of X̃ v goes through one addition:

    |fl(X̃ v) − X̃ v| ≤ ((1 + max(g, γ_k + u))(1 + u) − 1) Z|v|,      g the factor of X itself,

and X̃ᵀu through the same with γ_R + u, of the sum and its product with b_j. Xᵀ diag(d) X̃ collects the roundings of both
and one for d; the rows of a dense X come in pieces that the cache holds from the first product to the second, so that X
is read once, and the sums of the pieces are added in float64, first to last.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from .. import kernels, parallel
from ..rounding import (
    ROUND_UP,
    nan_to_infinity,
    rounding_factor,
    smallest_normal,
    smallest_subnormal,
    unit_roundoff,
    upper_norm2,
)
from .base import StructuredOperator
from .dense import DenseOperator
from .design import FixedOrderDesign
from .norms import row_norms
from .sparse import SparseOperator
from .stacked import then_added
from .vectors import read_only

COLUMNS = 2**7  # of a vector, cut into rows that are added in order
PIECE_BYTES = 2**19  # of X, from its product to its transposed product in the cache
Matrix = DenseOperator | SparseOperator


def total(u: np.ndarray) -> Any:
    """Σ u_i, a float64 or two, with the same bits on any number of threads.

    Rows of `COLUMNS` in order, then the columns; of complex numbers each part.
    """
    if u.dtype.kind == "c":
        return complex(total(u.real), total(u.imag))
    wide = np.ascontiguousarray(u, np.float64)
    cut = wide.size - wide.size % COLUMNS
    rest = wide[cut:]
    if cut:
        rest = np.concatenate([parallel.added(wide[:cut].reshape(-1, COLUMNS)), rest])
    return float(kernels.sum_in_order(rest))


def sum_roundings(n: int) -> int:
    """How many roundings a term of `total` goes through at most."""
    return min(n, n // COLUMNS + 2 * COLUMNS)


class OffsetOperator(StructuredOperator):
    """X̃ = [X 0] + 1bᵀ.

    Parameters
    ----------
    X : DenseOperator or SparseOperator, shape (n, p)
    b : ndarray, shape (q,), q ≥ p
        Numbers of the type of X.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.operators import DenseOperator
    >>> from lancbio_ref.operators.offset import OffsetOperator
    >>> OffsetOperator(DenseOperator([[2.0], [3.0]]), np.array([0.0, 1.0])).toarray()
    array([[2., 1.],
           [3., 1.]])
    """

    _settled = ("inner", "b", "p", "terms")
    _held = ("b",)

    def __init__(self, X: Matrix, b: np.ndarray) -> None:
        self.inner, self.b, self.p = X, read_only(b), X.shape[1]
        super().__init__(np.result_type(X.dtype, b), (X.shape[0], b.size))
        self._places = np.flatnonzero(b)
        self._wide = b[self._places].astype(np.float64)
        self.terms = max(X.terms, self._places.size + 1) + 1

    @property
    def column_terms(self) -> int:
        """Roundings of a term in a sum over rows, in any order: those of X, the product with b and one addition."""
        return self.shape[0] + 2

    def offset(self, v: np.ndarray) -> np.inexact:
        """bᵀv, in the type of v."""
        if v.dtype.kind == "c":
            return v.dtype.type(complex(self.offset(v.real), self.offset(v.imag)))
        wide = v[self._places].astype(np.float64, copy=False)
        with np.errstate(over="ignore"):
            return v.dtype.type(parallel.dot(self._wide, wide))

    def lifted(self, sums: np.ndarray, total: float | complex) -> np.ndarray:
        """(Xᵀu, 0) + (Σ u_i) b, in the type of the first."""
        out = np.zeros(self.shape[1], sums.dtype)
        out[: self.p] = sums
        with np.errstate(over="ignore", invalid="ignore"):
            out[self._places] += (total * self._wide).astype(sums.dtype, copy=False)
        return out

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        v = v.astype(self.result_type(v.dtype), copy=False)
        out = self.inner._matvec(np.ascontiguousarray(v[: self.p]))
        out += self.offset(v)
        return out

    def _matvecs(self, V: np.ndarray) -> np.ndarray | None:
        V = V.astype(self.result_type(V.dtype), copy=False)
        products = self.inner._matvecs(np.ascontiguousarray(V[:, : self.p]))
        for product, v in zip(() if products is None else products, V, strict=False):
            product += self.offset(v)
        return products

    def _rmatvec(self, u: np.ndarray) -> np.ndarray:
        u = np.ascontiguousarray(u, self.result_type(u.dtype))
        return self.lifted(self.inner._rmatvec(u), total(u))

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        v = v.astype(np.float64, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            own = float(np.abs(self._wide) @ v[self._places])
            return nan_to_infinity(self.inner.abs_product(np.ascontiguousarray(v[: self.p])) + own)

    def abs_adjoint_product(self, u: np.ndarray) -> np.ndarray:
        u = np.ascontiguousarray(u, np.float64)
        out = np.zeros(self.shape[1])
        with np.errstate(over="ignore", invalid="ignore"):
            out[: self.p] = self.inner.abs_adjoint_product(u)
            out[self._places] += np.abs(self._wide) * total(u)
        return nan_to_infinity(out)

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        u = unit_roundoff(self.result_type(dtype))
        own = rounding_factor(1, self._places.size, u)
        return then_added(max(self.inner.product_factor(dtype), own), 1, u)

    def adjoint_factor(self, dtype: npt.DTypeLike) -> float:
        u = unit_roundoff(self.result_type(dtype))
        own = rounding_factor(1, sum_roundings(self.shape[0]) + 1, u)
        return then_added(max(self.inner.adjoint_factor(dtype), own), 1, u)

    def norm_bound(self) -> float:
        """That of a copy of X̃, and of what it is off by: entrywise 2⁻⁵³|X̃|, a 2-norm of at most 2⁻⁵³‖X̃‖_F."""
        wide = self.copied()
        bound = (SparseOperator if sp.issparse(wide) else DenseOperator)(wide).norm_bound()
        return bound if self.is_exact else (bound + 2.0**-52 * upper_norm2(row_norms(wide))) * ROUND_UP

    @property
    def is_exact(self) -> bool:
        """Whether a copy of X̃ has no rounding: no entry of X meets one of b."""
        return not self.b[: self.p].any()

    def copied(self, rows: slice = slice(None)) -> np.ndarray | sp.csr_array:
        """Rows of X̃: exact with a column of ones, and sparse where X is; else float64, each entry rounded."""
        X = self.inner.A[rows]
        if sp.issparse(X):
            return sp.csr_array(sp.hstack([X, np.full((X.shape[0], 1), self.b[-1])], format="csr"))
        wide = np.zeros((len(X), self.shape[1]), self.dtype if self.is_exact else np.float64)
        wide[:, : self.p] = X
        wide[:, self._places] += self.b[self._places]
        return wide


class OffsetGram(StructuredOperator):
    """A = X̃ᵀ diag(d) X̃, symmetric; X is read once.

    Parameters
    ----------
    X : OffsetOperator, shape (n, q)
    d : ndarray, shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.operators import DenseOperator
    >>> from lancbio_ref.operators.offset import OffsetGram, OffsetOperator
    >>> X = OffsetOperator(DenseOperator([[2.0], [3.0]]), np.array([0.0, 1.0]))
    >>> OffsetGram(X, np.array([1.0, 2.0])).toarray()
    array([[22.,  8.],
           [ 8.,  3.]])
    """

    _settled = ("X", "d")

    def __init__(self, X: OffsetOperator, d: np.ndarray) -> None:
        self.X, self.d = X, d
        super().__init__(np.result_type(X.dtype, d), (X.shape[1], X.shape[1]))

    @cached_property
    def terms(self) -> int:  # type: ignore[override]  # read-only, and nobody writes it
        """Counted when a bound asks, as that of :class:`GeneralizedLinear`."""
        return self.X.terms + self.X.column_terms + 2

    def is_symmetric(self) -> bool:
        return True

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._matvecs(v[None])[0]

    _rmatvec = _matvec

    def _matvecs(self, V: np.ndarray) -> np.ndarray:
        V = V.astype(self.result_type(V.dtype), copy=False)
        U = np.empty((len(V), self.X.shape[0]), V.dtype)
        sums = np.zeros((len(V), self.X.p), np.result_type(V, np.float64))
        inner, offsets = np.ascontiguousarray(V[:, : self.X.p]), [self.X.offset(v) for v in V]
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, self.X.shape[0], self._step):
                X, rows = self._piece(first)
                for k, v in enumerate(inner):
                    u = np.add(X._matvec(v), offsets[k], out=U[k, rows])
                    u *= self.d[rows]  #                                    d ∘ (X v + bᵀv)
                    sums[k] += X._rmatvec(u)
            return np.stack([self.X.lifted(own.astype(V.dtype), total(u)) for own, u in zip(sums, U, strict=True)])

    def _piece(self, first: int) -> tuple[Matrix, slice]:
        """As many rows from here on as stay in the cache; of a sparse X all."""
        rows, X = slice(first, first + self._step), self.X.inner
        return (X, rows) if isinstance(X, SparseOperator) else (X.rows(rows), rows)

    @cached_property
    def _step(self) -> int:
        X = self.X.inner
        return X.shape[0] if isinstance(X, SparseOperator) else max(PIECE_BYTES // (X.A.itemsize * X.shape[1]), 64)

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        """Zᵀ(|d| ∘ (Z v + τ) + τ): twice the smallest normal number covers what underflows inside."""
        tau = 2 * smallest_normal(self.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            inner = np.abs(self.d.astype(np.float64)) * (self.X.abs_product(v) + tau) + tau
            return self.X.abs_adjoint_product(inner)

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        """Those of X̃ v and of X̃ᵀu by pieces, and five: for d, the type of the result, b, and two for τ.

        `abs_product` sums X̃ᵀ in one piece: the larger of both factors covers what it may have lost.
        """
        u, (some, _) = unit_roundoff(self.result_type(dtype)), self._piece(0)
        pieces = -(-self.X.shape[0] // self._step)
        own = rounding_factor(2, sum_roundings(self.X.shape[0]) + 1, u)
        first = self.X.product_factor(dtype)
        second = max(then_added(some.adjoint_factor(dtype), pieces, 2.0**-53), own, self.X.adjoint_factor(np.float64))
        return then_added(first + second + 3 * first * second, 5, u)

    def norm_bound(self) -> float:
        row_sum = float(self.abs_product(np.ones(self.shape[0])).max())
        return row_sum * (1 + 2 * self.product_factor(np.float64)) + self.terms * smallest_subnormal(np.float64)


class OffsetDesign(FixedOrderDesign):
    """X̃ as the multinomial operators have their samples.

    Parameters
    ----------
    X : FixedOrderDesign, shape (n, p)
    b : ndarray, shape (q,)
    """

    def __init__(self, X: FixedOrderDesign, b: np.ndarray) -> None:
        self.inner = X
        self.operator: OffsetOperator = OffsetOperator(X.operator, b)

    @property
    def shape(self) -> tuple[int, int]:
        n, q = self.operator.shape
        return n, q

    @property
    def dtype(self) -> np.dtype:
        return self.operator.dtype

    @property
    def X(self) -> np.ndarray | sp.csr_array:  # type: ignore[override]
        """A copy of X̃, as `copied` has it."""
        return self.operator.copied()

    @cached_property
    def row_norms(self) -> np.ndarray:
        return row_norms(self.X) * ROUND_UP

    @cached_property
    def column_terms(self) -> int:
        return self.operator.column_terms

    @cached_property
    def largest_column_sum(self) -> float:
        b = self.operator.abs_adjoint_product(np.ones(self.shape[0]))
        return float(b.max()) * (1 + self.operator.adjoint_factor(np.float64))

    def scores(self, V: np.ndarray) -> np.ndarray:
        """X Vᵀ + (V b)ᵀ, shape (n, C)."""
        scores = self.inner.scores(np.ascontiguousarray(V[:, : self.operator.p]))
        scores = scores.astype(np.result_type(scores, V), copy=False)
        scores += np.array([self.operator.offset(v) for v in V.astype(scores.dtype, copy=False)])
        return scores

    def sums(self, U: np.ndarray) -> np.ndarray:
        """(UᵀX, 0) + (Uᵀ1) bᵀ, shape (C, q)."""
        columns = (total(np.ascontiguousarray(u)) for u in U.T)
        return np.stack([self.operator.lifted(own, s) for own, s in zip(self.inner.sums(U), columns, strict=True)])

    def counts(self) -> tuple[int, int, int]:
        """One addition more of either kind."""
        features, samples, pieces = self.inner.counts()
        return max(features, 1) + 1, max(samples, 1) + 1, pieces
