"""Products with dense and sparse matrices by blocks of rows, threaded, the same bits on any number of threads.

How many rows make a block depends on the shape of the matrix and its type alone. Aᵀu and XᵀDX v need a vector of sums
for every block, so blocks are few and large there: what the sums cost stays a small part of reading the matrix once.

A sum of m float32 terms in float32 is worth nothing at m = 10⁶: the bound of its rounding is 10⁶u = 6 %. So float32
terms are added in float32 in pieces of at most `PIECE`, which keep the speed of float32, and the pieces in float64;
a sparse matrix's terms are added in float64 at once. How many roundings of each kind a product collects is said by
`product_counts`, `transposed_counts` and `gram_counts`, as :func:`lancbio_ref.rounding.rounding_factor` takes them.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from .. import kernels, parallel
from ..kernels import PIECE

ENTRIES = 2**14  # of the matrix in one block, at least, where blocks need no sums of their own
MOST_BLOCKS, LEAST_ROWS = 64, 64  # where they do
# Rows as long as this come from memory faster four at once, shorter ones one by one (measured: 1.0 to 1.8 and 1.0 to
# 2.3 times); and XᵀDX of a matrix in the cache gains from four, for v and the sums stay put
LONG_ROW, CACHED = 1500, 2**18


def ready(v: np.ndarray) -> np.ndarray:
    """v as a contiguous vector of floating-point numbers: itself, wherever it is one."""
    dtype = v.dtype.newbyteorder("=") if v.dtype.char in "fdFD" else np.float64
    return np.ascontiguousarray(v, dtype).ravel()


def dense_product(A: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A v, shape (m,), for A in C or Fortran order."""
    if not A.flags.c_contiguous:
        return _dense_transposed(A.T, ready(v))
    v = ready(v)
    rows, out = max(1, ENTRIES // A.shape[1]), np.empty(A.shape[0], np.result_type(A, v))
    in_pieces = out.dtype == np.float32 and A.shape[1] > PIECE
    kernel = kernels.dense_product_in_pieces if in_pieces else kernels.dense_product
    parallel.run(kernel, -(-A.shape[0] // rows), A.size, rows, _group(A), A, v, out)
    return out


def dense_transposed(A: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Aᵀu, shape (n,), for A in C or Fortran order."""
    return _dense_transposed(A, ready(u)) if A.flags.c_contiguous else dense_product(A.T, u)


def _dense_transposed(A: np.ndarray, u: np.ndarray) -> np.ndarray:
    rows, partial = _partial(A, np.result_type(A, u))
    parallel.run(kernels.dense_transposed, partial.shape[0], A.size, rows, _group(A), A, u, partial)
    return parallel.added(partial)


def dense_gram(X: np.ndarray, d: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Xᵀ(d ∘ (X v)), shape (p,): X is read once where it is in C order, twice in Fortran order."""
    if not X.flags.c_contiguous:
        return dense_transposed(X, d * dense_product(X, v))
    v = ready(v)
    rows, partial = _partial(X, np.result_type(X, d, v))
    group = 4 if X.size <= CACHED else _group(X)
    parallel.run(kernels.dense_gram, partial.shape[0], X.size, rows, group, X, d, v, partial)
    return parallel.added(partial)


def dense_absolute_product(A: np.ndarray, v: np.ndarray) -> np.ndarray:
    """|A| v in float64, shape (m,), for a real v."""
    v = ready(v).astype(np.float64, copy=False)
    if not A.flags.c_contiguous:
        return dense_transposed(np.abs(A.T), v)
    rows, out = max(1, ENTRIES // A.shape[1]), np.empty(A.shape[0], np.result_type(A.real, v))
    parallel.run(kernels.dense_absolute_product, -(-A.shape[0] // rows), A.size, rows, A, v, out)
    return out


def dense_absolute_gram(X: np.ndarray, d: np.ndarray, v: np.ndarray, tau: float) -> np.ndarray:
    """|X|ᵀ(|d| ∘ (|X| v + τ) + τ) in float64, shape (p,)."""
    v = ready(v).astype(np.float64, copy=False)
    if not X.flags.c_contiguous:
        absolute = np.abs(X)
        return dense_transposed(absolute, np.abs(d) * (dense_product(absolute, v) + tau) + tau)
    rows, partial = _partial(X, np.result_type(X, d, v))
    parallel.run(kernels.dense_absolute_gram, partial.shape[0], X.size, rows, X, d, v, partial.dtype.type(tau), partial)
    return parallel.added(partial)


def dense_weighted_squares(X: np.ndarray, d: np.ndarray) -> np.ndarray:
    """The diagonal of Xᵀ diag(d) X in float64, shape (p,)."""
    d = d.astype(np.float64, copy=False)
    if not X.flags.c_contiguous:
        return dense_product(np.square(X.T, dtype=np.float64), d)
    rows, partial = _partial(X, np.result_type(X, d))
    parallel.run(kernels.dense_weighted_squares, partial.shape[0], X.size, rows, X, d, partial)
    return parallel.added(partial)


def _group(A: np.ndarray) -> int:
    return 4 if A.shape[1] >= LONG_ROW else 1


def _rows_of_partial(A: np.ndarray, dtype: np.dtype) -> int:
    rows = max(-(-A.shape[0] // MOST_BLOCKS), LEAST_ROWS)
    return min(rows, PIECE) if dtype == np.float32 else rows


def _partial(A: np.ndarray, dtype: np.dtype) -> tuple[int, np.ndarray]:
    rows = _rows_of_partial(A, dtype)
    return rows, np.empty((-(-A.shape[0] // rows), A.shape[1]), dtype)


def product_counts(A: np.ndarray, single: bool) -> tuple[int, int]:
    """(coarse, fine): the roundings in float32 (`single`) or float64, and in float64, of one product of a sum of A v.

    In float64 there is no difference, and all of them, as many as a row has entries, are coarse.
    """
    if not A.flags.c_contiguous:
        return transposed_counts(A.T, single)
    n = A.shape[1]
    return (PIECE + 1, -(-n // PIECE)) if single and n > PIECE else (n, 0)


def transposed_counts(A: np.ndarray, single: bool) -> tuple[int, int]:
    """`product_counts` for Aᵀu."""
    if not A.flags.c_contiguous:
        return product_counts(A.T, single)
    m = A.shape[0]
    rows = _rows_of_partial(A, np.dtype(np.float32)) if single else m
    return (rows + 1, -(-m // rows)) if m > rows else (m, 0)


def gram_counts(X: np.ndarray, single: bool) -> tuple[int, int]:
    """`product_counts` for Xᵀ(d ∘ (X v)): those of both products, and one for d."""
    inner, outer = product_counts(X, single), transposed_counts(X, single)
    if X.flags.c_contiguous:
        inner = X.shape[1], 0  # one pass over X: its rows are not cut
    return inner[0] + 1 + outer[0], inner[1] + outer[1]


class SparseProducts:
    """The products with one CSR matrix, whose blocks have about as many stored entries each.

    Parameters
    ----------
    A : csr_array, shape (m, n)
    """

    def __init__(self, A: sp.csr_array) -> None:
        self.A = A
        self._rows = self._starts(A.nnz // ENTRIES)
        # the sums of a block are n numbers: one block in 8n stored entries keeps them a sixth of the traffic
        self._blocks = self._starts(min(A.nnz // (8 * A.shape[1]), MOST_BLOCKS))

    @property
    def blocks(self) -> int:
        """As many numbers are added to one of Aᵀu after those of the blocks have been."""
        return self._blocks.size - 1

    def _starts(self, blocks: int) -> np.ndarray:
        """Where the blocks start, and the end, shape (blocks + 1,)."""
        targets = np.linspace(0, self.A.nnz, max(blocks, 1) + 1)
        starts = np.searchsorted(self.A.indptr, targets)
        starts[0], starts[-1] = 0, self.A.shape[0]
        return starts

    def product(self, v: np.ndarray) -> np.ndarray:
        """A v, shape (m,)."""
        A, v = self.A, ready(v)
        out = np.empty(A.shape[0], np.result_type(A.dtype, v))
        v = _wide(v)
        zero = np.result_type(out, v).type(0)
        blocks = self._rows.size - 1
        parallel.run(kernels.sparse_product, blocks, A.nnz, self._rows, A.data, A.indices, A.indptr, v, zero, out)
        return out

    def transposed(self, u: np.ndarray) -> np.ndarray:
        """Aᵀu for float32, shape (n,)."""
        A, dtype = self.A, np.result_type(self.A.dtype, u)
        u = _wide(ready(u))
        partial = self._sums(u)
        parallel.run(
            kernels.sparse_transposed, partial.shape[0], A.nnz, self._blocks, A.data, A.indices, A.indptr, u, partial
        )
        return parallel.added(partial).astype(dtype, copy=False)

    def gram(self, d: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Aᵀ(d ∘ (A v)), shape (n,); the stored entries are read once."""
        A, v = self.A, ready(v)
        dtype, v = np.result_type(A.dtype, d, v), _wide(v)
        partial = self._sums(d, v)
        parallel.run(
            kernels.sparse_gram, partial.shape[0], A.nnz, self._blocks, A.data, A.indices, A.indptr, d, v, partial
        )
        return parallel.added(partial).astype(dtype, copy=False)

    def _sums(self, *vectors: np.ndarray) -> np.ndarray:
        return np.empty((self._blocks.size - 1, self.A.shape[1]), np.result_type(self.A.dtype, *vectors))


def _wide(v: np.ndarray) -> np.ndarray:
    """A float32 vector in float64, so that a sparse matrix's products with it are summed in float64."""
    return v.astype(np.float64) if v.dtype == np.float32 else v
