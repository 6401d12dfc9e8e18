"""A = Xᵀ diag(d) X + diag(ridge): the Hessian of every (generalized) linear model with an ℓ2 penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from .. import kernels
from ..arguments import Operator, as_number, as_type, as_vector, refuse_masked
from ..errors import ArgumentError
from ..kernels import BLOCK, largest_size, weighted_squares
from ..parallel import GRAIN
from ..rounding import (
    ROUND_UP,
    gamma,
    is_finite,
    nan_to_infinity,
    rounding_factor,
    smallest_normal,
    smallest_subnormal,
    unit_roundoff,
)
from .base import StructuredOperator
from .dense import DenseOperator
from .design import DesignMatrix
from .products import (
    dense_absolute_gram,
    dense_gram,
    dense_grams,
    dense_weighted_squares,
    gram_counts,
    one_call_blocks,
)
from .sparse import SparseOperator
from .vectors import silent

READ_QUICKLY = 2**16  # entries: a reading of fewer takes no longer than a bound without one


class GeneralizedLinear(StructuredOperator):
    """A v = Xᵀ(d ∘ (X v)) + ridge ∘ v, symmetric, for n observations of p features.

    Parameters
    ----------
    X : array_like, sparse matrix, DenseOperator, SparseOperator or DesignMatrix, shape (n, p), float32 or float64
        Dense, or held as CSR with duplicates summed; not changed. An operator has been checked already.
    d : array_like, shape (n,)
        Second derivatives of the loss, with the weights of the observations in them.
    ridge : float or array_like, shape (p,)
        The penalty's second derivatives.

    Raises
    ------
    ArgumentError
        Shapes that do not fit, NaN, infinity or complex numbers.

    Notes
    -----
    *Definiteness.* Where d ≥ 0, λ_min(A) ≥ min ridge exactly.

    *Rounding.* One product of the triple sum collects at most p factors (1 + δ) in X v (or the nonzeros of the
    fullest row), 1 times d, n in Xᵀ(…) (or the nonzeros of the fullest column) and 1 in the last addition:

        |fl(A v) − A v| ≤ γ_{n+p+2} |A||v|,   |A||v| := |X|ᵀ(|d| ∘ (|X||v|)) + |ridge| ∘ |v|.

    `terms` = n + p + 4 leaves one for the addition of τ, twice the smallest normal number, to the two inner
    quantities (uτ = η, so it covers their underflow, amplified by |X|ᵀ|d|), and one so that γ_terms times the
    *computed* |A||v| still bounds the error.

    *Norm.* A is symmetric, so ‖A‖₂ ≤ ‖|A|‖_∞ = max_i (|A| (1, …, 1)ᵀ)_i.

    Examples
    --------
    >>> from lancbio_ref.operators import GeneralizedLinear
    >>> A = GeneralizedLinear([[1.0, 2.0]], d=[0.5], ridge=0.25)
    >>> A.toarray()
    array([[0.75, 1.  ],
           [1.  , 2.25]])
    >>> round(A.norm_bound(), 9)  # λ_max is 2.75
    3.25
    """

    _settled = ("design", "data", "X", "d", "ridge")
    X: Any  # ndarray or csr_array
    design: DesignMatrix | None  # of X, which has the norms of its rows for all operators
    _one_call: tuple[int, int, np.ndarray] | None = None  # what `_matvec` needs, when it has been found

    def __init__(self, X: Operator | DesignMatrix, d: npt.ArrayLike, ridge: npt.ArrayLike = 0.0) -> None:
        refuse_masked("X", X)
        if isinstance(X, DesignMatrix):
            self.design, X = X, X.operator
        else:
            self.design = None
        if not isinstance(X, (DenseOperator, SparseOperator)):
            X = (SparseOperator if sp.issparse(X) else DenseOperator)(X, name="X")
        self.data, self._sparse = X, X.products if isinstance(X, SparseOperator) else None
        X = X.A
        if X.dtype.kind == "c":
            raise ArgumentError("X", f"dtype {X.dtype}", "float32 or float64")
        n, p = X.shape
        self.X, self.d = X, as_vector("d", d, n)
        if np.ndim(ridge) == 0:
            one = np.array([as_number("ridge", ridge)])
            self.ridge = np.full(p, as_type("ridge", one, np.result_type(X, self.d))[0])
        else:
            self.ridge = as_vector("ridge", ridge, p)
        super().__init__(np.result_type(X, self.d, self.ridge), (p, p))

    @classmethod
    def of_parts(
        cls, X: DenseOperator | SparseOperator | DesignMatrix, d: np.ndarray, ridge: np.ndarray
    ) -> GeneralizedLinear:
        """That of vectors which this package has made: they fit, and are finite where `d` is."""
        return cls.of_checked(X, as_vector("d", d, X.shape[0]), ridge)

    @classmethod
    def of_checked(
        cls, X: DenseOperator | SparseOperator | DesignMatrix, d: np.ndarray, ridge: np.ndarray
    ) -> GeneralizedLinear:
        """The same of a `d` that is known to be finite: to look at it again takes a part of a product in 1/p."""
        new = object.__new__(cls)
        design, operator = (X, X.operator) if isinstance(X, DesignMatrix) else (None, X)
        sparse = operator.products if isinstance(operator, SparseOperator) else None
        new.__dict__.update(design=design, data=operator, _sparse=sparse, X=operator.A, d=d, ridge=ridge)
        dtype = d.dtype if operator.dtype == d.dtype == ridge.dtype else np.result_type(operator.dtype, d, ridge)
        super().__init__(new, dtype, (operator.shape[1], operator.shape[1]))
        return new

    @property
    def terms(self) -> int:  # type: ignore[override]  # read-only, and nobody writes it
        """Counted when a bound asks, once for X: the entries of all columns of a sparse X take as long as a product."""
        X = self.data
        return X.terms + (X.column_terms if isinstance(X, SparseOperator) else X.shape[0]) + 4

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        """Of a dense X, the roundings of both sums in their order (`gram_counts`), and four: two for τ, one for the
        penalty, one for a float32 result.
        """
        if self.design is None:
            return self._product_factor(dtype)
        kept, of = self.design.kept, ("product_factor", self.dtype, dtype)
        if (found := kept.get(of)) is None:
            found = kept[of] = self._product_factor(dtype)
        return found

    def _product_factor(self, dtype: npt.DTypeLike) -> float:
        single = self.is_single(dtype)
        if self._sparse is None:
            coarse, fine = self.data.counts(gram_counts, single)
        elif single:  # in float32 every part is float32; a sparse triple sum is all in float64
            coarse, fine = 0, self.terms + self._sparse.blocks
        else:
            return super().product_factor(dtype)
        return rounding_factor(coarse + 4, fine, unit_roundoff(self.result_type(dtype)))

    def is_symmetric(self) -> bool:
        return True

    @silent
    def _matvec(self, v: np.ndarray) -> np.ndarray:
        rows, blocks, partial = self._one_call or self._find_one_call()
        if rows and v.dtype is self.dtype and v.flags.c_contiguous and v.flags.aligned:
            out = np.empty(v.size, v.dtype)
            if blocks:
                partial = np.empty((blocks, v.size), v.dtype)
            kernels.dense_gram_with_ridge(rows, self.X, self.d, self.ridge, v, partial, out)
            return out
        return self._product(v)

    def _find_one_call(self) -> tuple[int, int, np.ndarray]:
        """Rows in a block, blocks to be summed and room for none, of a dense X too small for threads; else no rows."""
        X, rows, blocks = self.X, 0, 0
        alike = self._sparse is None and X.dtype == self.d.dtype == self.ridge.dtype == self.dtype
        plain = alike and X.flags.c_contiguous and self.d.flags.carray and self.ridge.flags.carray
        if plain and X.size < 2 * GRAIN and X.shape[1] <= BLOCK:
            rows, blocks = one_call_blocks(*X.shape, single=self.dtype == np.float32)
        self._one_call = rows, blocks, np.empty((0, X.shape[1]), self.dtype)
        return self._one_call

    @np.errstate(under="ignore")
    def _product(self, v: np.ndarray) -> np.ndarray:
        if v.dtype != self.dtype:
            v = v.astype(np.result_type(v, self.dtype), copy=False)
        gram = dense_gram(self.X, self.d, v) if self._sparse is None else self._sparse.gram(self.d, v)
        self._add_penalty(gram, v)  #  Xᵀ(d ∘ (X v)) + ridge ∘ v
        return gram

    def _add_penalty(self, gram: np.ndarray, v: np.ndarray) -> None:
        """gram ← gram + ridge ∘ v, a few thousand entries at a time: no vector is made for the product."""
        if v.size <= BLOCK:
            gram += self.ridge * v
            return
        for start in range(0, v.size, BLOCK):
            here = slice(start, start + BLOCK)
            gram[here] += self.ridge[here] * v[here]

    _rmatvec = _matvec

    def _matvecs(self, V: np.ndarray) -> np.ndarray | None:
        V = V.astype(np.result_type(V, self.dtype), copy=False)
        grams = dense_grams(self.X, self.d, V) if self._sparse is None else self._sparse.grams(self.d, V)
        for gram, v in zip(() if grams is None else grams, V, strict=False):
            self._add_penalty(gram, v)
        return grams

    def diagonal(self) -> np.ndarray:
        """Σ_i d_i x_ij² + ridge_j, shape (p,): one pass over X."""
        if self._sparse is None:
            squares = dense_weighted_squares(self.X, self.d)
        else:
            squares = self.X.astype(np.float64).power(2).T @ self.d
        return (squares + self.ridge).astype(self.dtype, copy=False)

    def diagonal_part(self) -> np.ndarray:
        """The penalty, shape (p,)."""
        return self.ridge

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        v = v.astype(np.float64, copy=False)
        tau = 2 * smallest_normal(self.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            if self._sparse is None:
                sums = dense_absolute_gram(self.X, self.d, v, tau)
            else:
                sums = self._sparse.absolute_gram(self.d, v, tau)
            sums += np.abs(self.ridge) * v
        return sums if is_finite(sums) else nan_to_infinity(sums)

    def absolute_norm(self) -> tuple[float, float] | None:
        """‖|X|ᵀ|D||X| + |Λ|‖ ≤ Σ |d_i| r_i² + max |λ_j|, and τ(1 + max |d_i|) Σ r_i for the τ of `abs_product`.

        Where the norms r_i of the rows are found once for many A, and X is so large that a reading takes longer.
        """
        if self.design is None or self.X.size <= READ_QUICKLY:
            return None
        with np.errstate(over="ignore"):
            total, largest = weighted_squares(np.abs(self.d, dtype=np.float64), self.design.row_norms)
            N = (total + largest_size(self.ridge)) * ROUND_UP
            lifted = 2 * smallest_normal(self.dtype) * (1 + largest) * self.design.sum_of_row_norms
            return (N, lifted * ROUND_UP) if 1e-200 < N < 1e200 else None

    def norm_bound(self) -> float:
        row_sum = float(self.abs_product(np.ones(self.shape[0])).max())
        return row_sum * (1 + 2 * gamma(self.terms, 2.0**-53)) + self.terms * smallest_subnormal(np.float64)
