"""Products with dense and sparse matrices by blocks of rows, threaded, the same bits on any number of threads.

How many rows make a block depends on the shape of the matrix alone. Aᵀu and XᵀDX v need a vector of sums for every
block, so blocks are few and large there: what the sums cost stays a small part of reading the matrix once.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from .. import kernels, parallel

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
    parallel.run(kernels.dense_product, -(-A.shape[0] // rows), A.size, rows, _group(A), A, v, out)
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
    """|A| v, shape (m,), for a real v."""
    if not A.flags.c_contiguous:
        return dense_transposed(np.abs(A.T), v)
    v = ready(v)
    rows, out = max(1, ENTRIES // A.shape[1]), np.empty(A.shape[0], np.result_type(A.real, v))
    parallel.run(kernels.dense_absolute_product, -(-A.shape[0] // rows), A.size, rows, A, v, out)
    return out


def dense_absolute_gram(X: np.ndarray, d: np.ndarray, v: np.ndarray, tau: float) -> np.ndarray:
    """|X|ᵀ(|d| ∘ (|X| v + τ) + τ), shape (p,)."""
    if not X.flags.c_contiguous:
        absolute = np.abs(X)
        return dense_transposed(absolute, np.abs(d) * (dense_product(absolute, v) + tau) + tau)
    v = ready(v)
    rows, partial = _partial(X, np.result_type(X, d, v))
    parallel.run(kernels.dense_absolute_gram, partial.shape[0], X.size, rows, X, d, v, partial.dtype.type(tau), partial)
    return parallel.added(partial)


def dense_weighted_squares(X: np.ndarray, d: np.ndarray) -> np.ndarray:
    """The diagonal of Xᵀ diag(d) X, shape (p,)."""
    if not X.flags.c_contiguous:
        return dense_product(np.square(X.T), d)
    rows, partial = _partial(X, np.result_type(X, d))
    parallel.run(kernels.dense_weighted_squares, partial.shape[0], X.size, rows, X, d, partial)
    return parallel.added(partial)


def _group(A: np.ndarray) -> int:
    return 4 if A.shape[1] >= LONG_ROW else 1


def _partial(A: np.ndarray, dtype: np.dtype) -> tuple[int, np.ndarray]:
    rows = max(-(-A.shape[0] // MOST_BLOCKS), LEAST_ROWS)
    return rows, np.empty((-(-A.shape[0] // rows), A.shape[1]), dtype)


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
        blocks = self._rows.size - 1
        parallel.run(kernels.sparse_product, blocks, A.nnz, self._rows, A.data, A.indices, A.indptr, v, out)
        return out

    def gram(self, d: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Aᵀ(d ∘ (A v)), shape (n,); the stored entries are read once."""
        A, v = self.A, ready(v)
        partial = np.empty((self._blocks.size - 1, A.shape[1]), np.result_type(A.dtype, d, v))
        parallel.run(
            kernels.sparse_gram, partial.shape[0], A.nnz, self._blocks, A.data, A.indices, A.indptr, d, v, partial
        )
        return parallel.added(partial)
