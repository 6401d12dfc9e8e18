"""Products with dense and sparse matrices by blocks of rows, threaded, the same bits on any number of threads.

How many rows make a block depends on the shape of the matrix and its type alone. Aᵀu and XᵀDX v need a vector of sums
for every block, so blocks are few and large there: what the sums cost stays a small part of reading the matrix once.

A sum of m float32 terms in float32 is worth nothing at m = 10⁶: the bound of its rounding is 10⁶u = 6 %. So float32
terms are added in float32 in pieces of at most `PIECE` along a row, and of at most `MOST_SINGLE` rows over rows, which
keep the speed of float32, and the pieces in float64; a sparse matrix's terms are added in float64 at once. How many
roundings of each kind a product collects is said by `product_counts`, `transposed_counts` and `gram_counts`, as
:func:`lancbio_ref.rounding.rounding_factor` takes them.
"""

from __future__ import annotations

from functools import cache, cached_property

import numpy as np
import scipy.sparse as sp

from .. import kernels, parallel
from ..kernels import EIGHT, PIECE

ENTRIES = 2**14  # of the matrix in one block, at least, where blocks need no sums of their own
MOST_BLOCKS, LEAST_ROWS, LEAST_ENTRIES = 64, 64, 2**15  # where they do
MOST_SINGLE = 2**11  # rows in a block whose sums are float32: a term goes through 2⁸ + 11 roundings
SEVERAL = 8  # vectors that share one reading of a matrix: their sums stay in the cache
LEAST_AT_ONCE = 3  # of four sparse products: one or two are faster alone
CLASSES_A_READING = 4  # that take as long as one product with a row of X that comes from the cache
SHORT_TILE, LONG_TILE, WIDE = 2**8, 2**9, 2**8  # rows of a matrix in Fortran order that stay in the cache


def ready(v: np.ndarray) -> np.ndarray:
    """v as a contiguous vector of floating-point numbers: itself, wherever it is one."""
    if v.ndim == 1 and v.dtype.char in "fd" and v.flags.c_contiguous and v.dtype.isnative:
        return v
    dtype = v.dtype.newbyteorder("=") if v.dtype.char in "fdFD" else np.float64
    return np.ascontiguousarray(v, dtype).ravel()


def dense_product(A: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A v, shape (m,), for A in C or Fortran order."""
    if not A.flags.c_contiguous:
        return _dense_transposed(A.T, ready(v))
    v = ready(v)
    rows, out = _rows(A), np.empty(A.shape[0], v.dtype if v.dtype == A.dtype else np.result_type(A, v))
    in_pieces = out.dtype == np.float32 and A.shape[1] > PIECE
    kernel = kernels.dense_product_in_pieces if in_pieces else kernels.dense_product
    parallel.run(kernel, -(-A.shape[0] // rows), A.size, rows, A, v, out)
    return out


def dense_transposed(A: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Aᵀu, shape (n,), for A in C or Fortran order."""
    return _dense_transposed(A, ready(u)) if A.flags.c_contiguous else dense_product(A.T, u)


def _dense_transposed(A: np.ndarray, u: np.ndarray) -> np.ndarray:
    rows, partial = _partial(A, u.dtype if u.dtype == A.dtype else np.result_type(A, u))
    parallel.run(kernels.dense_transposed, partial.shape[0], A.size, rows, A, u, partial)
    return parallel.added(partial)


def dense_gram(X: np.ndarray, d: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Xᵀ(d ∘ (X v)), shape (p,): X is read once, in C order by rows, in Fortran order by tiles of rows."""
    v = ready(v)
    dtype = v.dtype if v.dtype == X.dtype == d.dtype else np.result_type(X, d, v)  # 1 µs
    if X.flags.c_contiguous:
        rows, partial = _partial(X, dtype)
        parallel.run(kernels.dense_gram, partial.shape[0], X.size, rows, X, d, v, partial)
        return parallel.added(partial)
    return _dense_gram_by_columns(X, d, v, 0.0, dtype)


def _dense_gram_by_columns(X: np.ndarray, d: np.ndarray, v: np.ndarray, tau: float, dtype: np.dtype) -> np.ndarray:
    """Xᵀ(d ∘ (X v + τ) + τ) for X in Fortran order."""
    tile = _tile(X)
    rows, partial = _partial(X, dtype, tile)
    u, tau = np.empty(X.shape[0], dtype), dtype.type(tau)
    parallel.run(kernels.dense_gram_by_columns, partial.shape[0], X.size, rows, tile, X.T, d, v, tau, u, partial)
    return parallel.added(partial)


def one_call_blocks(m: int, p: int, *, single: bool) -> tuple[int, int]:
    """(rows, sums) of `kernels.dense_gram_with_ridge` for the blocks of `dense_gram`: one block needs no sums."""
    rows = _rows_of_shape(m, p, single, EIGHT)
    blocks = -(-m // rows)
    return rows, blocks if blocks > 1 else 0


def dense_products(A: np.ndarray, V: np.ndarray) -> np.ndarray | None:
    """A v for the rows v of V, shape (k, m), A being read once for `SEVERAL` of them; None where that cannot be."""
    dtype = np.result_type(A, V)
    if not A.flags.c_contiguous or (dtype == np.float32 and A.shape[1] > PIECE):
        return None
    rows, out = _rows(A), np.empty((V.shape[0], A.shape[0]), dtype)
    for k in range(0, len(V), SEVERAL):
        some, part = V[k : k + SEVERAL], out[k : k + SEVERAL]
        parallel.run(kernels.dense_products, -(-A.shape[0] // rows), A.size * len(some), rows, A, some, part)
    return out


def dense_grams(X: np.ndarray, d: np.ndarray, V: np.ndarray) -> np.ndarray | None:
    """Xᵀ(d ∘ (X v)) for the rows v of V, shape (k, p), in the same way."""
    if not X.flags.c_contiguous:
        return None
    out = np.empty(V.shape, np.result_type(X, d, V))
    rows = _rows_of_partial(X, out.dtype)
    for k in range(0, len(V), SEVERAL):
        some = V[k : k + SEVERAL]
        partial = np.empty((-(-X.shape[0] // rows), *some.shape), out.dtype)
        parallel.run(kernels.dense_grams, len(partial), X.size * len(some), rows, X, d, some, partial)
        out[k : k + SEVERAL] = _added_rows(partial)
    return out


def multinomial_product(X: np.ndarray, P: np.ndarray, w: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Σ_i w_i (p_i ∘ (V x_i) − p_i p_iᵀ(V x_i)) x_iᵀ, shape (C, p), X being read once.

    All of one type and in C order; P is C × n, a class a row.
    """
    rows, work, partial = partial_of_classes(X, P)
    entries = X.size * (-(-len(P) // CLASSES_A_READING))
    parallel.run(kernels.multinomial_gram, len(partial), entries, rows, X, P, w, V, work, partial)
    return _added_rows(partial)


def partial_of_classes(X: np.ndarray, P: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Rows in a block of `multinomial_product`; the scores of eight rows and their totals, and the sums, for each."""
    (m, n), classes = X.shape, len(P)
    rows, blocks = blocks_of_classes(m, n, classes, single=X.dtype == np.float32)
    return rows, np.empty((blocks, classes + 1, EIGHT), X.dtype), np.empty((blocks, classes, n), X.dtype)


@cache
def blocks_of_classes(m: int, n: int, classes: int, *, single: bool) -> tuple[int, int]:
    """(rows, blocks) for m rows: the sums of a block are C × n numbers, at most a thirty-second of its rows of X."""
    rows = _multiple(max(-(-m // MOST_BLOCKS), 32 * classes, LEAST_ENTRIES // n), EIGHT)
    rows = min(rows, MOST_SINGLE) if single else rows
    return rows, -(-m // rows)


def _added_rows(partial: np.ndarray) -> np.ndarray:
    """Σ_b partial[b] for matrices."""
    return parallel.added(partial.reshape(len(partial), -1)).reshape(partial.shape[1:])


def dense_absolute_product(A: np.ndarray, v: np.ndarray) -> np.ndarray:
    """|A| v in float64, shape (m,), for a real v."""
    v = ready(v).astype(np.float64, copy=False)
    if not A.flags.c_contiguous:
        return dense_transposed(np.abs(A.T), v)
    rows, out = _rows(A), np.empty(A.shape[0], np.result_type(A.real, v))
    parallel.run(kernels.dense_absolute_product, -(-A.shape[0] // rows), A.size, rows, A, v, out)
    return out


def dense_absolute_gram(X: np.ndarray, d: np.ndarray, v: np.ndarray, tau: float) -> np.ndarray:
    """|X|ᵀ(|d| ∘ (|X| v + τ) + τ) in float64, shape (p,)."""
    v = ready(v).astype(np.float64, copy=False)
    if not X.flags.c_contiguous:
        return _dense_gram_by_columns(np.abs(X), np.abs(d), v, tau, v.dtype)
    rows, partial = _partial(X, v.dtype)
    parallel.run(kernels.dense_absolute_gram, partial.shape[0], X.size, rows, X, d, v, tau, partial)
    return parallel.added(partial)


def dense_weighted_squares(X: np.ndarray, d: np.ndarray) -> np.ndarray:
    """The diagonal of Xᵀ diag(d) X in float64, shape (p,)."""
    d = d.astype(np.float64, copy=False)
    if not X.flags.c_contiguous:
        return dense_product(np.square(X.T, dtype=np.float64), d)
    rows, partial = _partial(X, np.result_type(X, d))
    parallel.run(kernels.dense_weighted_squares, partial.shape[0], X.size, rows, X, d, partial)
    return parallel.added(partial)


def _rows(A: np.ndarray) -> int:
    """In a block of A v."""
    return rows_of_product(*A.shape)


@cache
def rows_of_product(m: int, n: int) -> int:
    """In a block of A v, for an m × n matrix."""
    return _multiple(ENTRIES // n, EIGHT)


def _rows_of_partial(A: np.ndarray, dtype: np.dtype, unit: int = EIGHT) -> int:
    """In a block of Aᵀu, a multiple of `unit`."""
    return _rows_of_shape(*A.shape, dtype == np.float32, unit)


@cache
def _rows_of_shape(m: int, n: int, single: bool, unit: int) -> int:
    rows = _multiple(max(-(-m // MOST_BLOCKS), LEAST_ROWS, LEAST_ENTRIES // n), unit)
    return min(rows, MOST_SINGLE) if single else rows


def _tile(X: np.ndarray) -> int:
    return LONG_TILE if X.shape[1] <= WIDE else SHORT_TILE


def _multiple(rows: int, unit: int) -> int:
    return max(-(-rows // unit), 1) * unit


def _partial(A: np.ndarray, dtype: np.dtype, unit: int = EIGHT) -> tuple[int, np.ndarray]:
    rows = _rows_of_partial(A, dtype, unit)
    return rows, np.empty((-(-A.shape[0] // rows), A.shape[1]), dtype)


Counts = tuple[int, int]


def product_counts(A: np.ndarray, single: bool) -> Counts:
    """(coarse, fine): the roundings in float32 (`single`) or float64, and in float64, of one product of a sum of A v.

    In float64 there is no difference, and all of them are coarse. A sum along a row of n entries: n, in any order.
    """
    if not A.flags.c_contiguous:
        return transposed_counts(A.T, single)
    n = A.shape[1]
    return (PIECE + 1, -(-n // PIECE)) if single and n > PIECE else (n, 0)


def transposed_counts(A: np.ndarray, single: bool) -> Counts:
    """`product_counts` for Aᵀu, a sum over m rows: those of a block of rows, and one for each block."""
    if not A.flags.c_contiguous:
        return product_counts(A.T, single)
    m, rows = A.shape[0], _rows_of_partial(A, np.dtype(np.float32 if single else np.float64))
    blocks = -(-m // rows)
    return _added(row_roundings(min(m, rows)), blocks, m, single)


def row_roundings(rows: int) -> int:
    """Of a term in a sum over at most so many rows, eight at a time (:mod:`lancbio_ref.kernels.dense`).

    One in its product, three in the tree of its eight, one for every eight; and one for each of the rows left over, at
    most seven of them. A sum of r terms has no more than r in any order.
    """
    return min(rows, rows // EIGHT + 4 + EIGHT - 1)


def _added(inner: int, sums: int, terms: int, single: bool) -> Counts:
    """Roundings of `sums` sums of `inner` roundings a term, added in float64; a float32 result is rounded once more."""
    if sums == 1:
        return inner, 0
    return (inner + 1, sums) if single else (min(inner + sums, terms), 0)


def gram_counts(X: np.ndarray, single: bool) -> Counts:
    """`product_counts` for Xᵀ(d ∘ (X v)): those of both products, and one for d."""
    m, p = X.shape
    if X.flags.c_contiguous:  # one pass over X: its rows are not cut
        coarse, fine = transposed_counts(X, single)
        return p + 1 + coarse, fine
    tile = _tile(X)
    rows = _rows_of_partial(X, np.dtype(np.float32 if single else np.float64), tile)
    in_block = min(min(m, tile) + -(-min(m, rows) // tile), m)  # along a tile in any order, and one for each tile
    coarse, fine = _added(in_block, -(-m // rows), m, single)
    return row_roundings(p) + 1 + coarse, fine


class SparseProducts:
    """The products with one CSR matrix, whose blocks have about as many stored entries each.

    Parameters
    ----------
    A : csr_array, shape (m, n)
    """

    def __init__(self, A: sp.csr_array) -> None:
        self.A = A

    @cached_property
    def _rows(self) -> np.ndarray:
        return self._starts(self.A.nnz // ENTRIES)

    @cached_property
    def _blocks(self) -> np.ndarray:
        """The sums of a block are n numbers: one block in 8n stored entries keeps them a sixth of the traffic.

        Where that is one, and there is work for two threads, two in 6n: a tenth more work, half the time.
        """
        nnz, n = self.A.nnz, self.A.shape[1]
        least = 2 if nnz >= max(6 * n, 2 * parallel.GRAIN) else 1
        return self._starts(min(max(nnz // (8 * n), least), MOST_BLOCKS))

    @property
    def blocks(self) -> int:
        """As many numbers are added to one of Aᵀu after those of the blocks have been."""
        return self._blocks.size - 1

    def _starts(self, blocks: int) -> np.ndarray:
        """Where the blocks start, and the end, shape (blocks + 1,)."""
        targets = np.ceil(np.linspace(0, self.A.nnz, max(blocks, 1) + 1))
        starts = np.searchsorted(self.A.indptr, targets.astype(self.A.indptr.dtype))  # of its type: else it is copied
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

    def absolute_gram(self, d: np.ndarray, v: np.ndarray, tau: float) -> np.ndarray:
        """|A|ᵀ(|d| ∘ (|A| v + τ) + τ) in float64, shape (n,); no |A| is made."""
        A, v = self.A, _wide(ready(v))
        partial = self._sums(v)
        arrays = A.data, A.indices, A.indptr
        parallel.run(kernels.sparse_absolute_gram, self.blocks, A.nnz, self._blocks, *arrays, d, v, tau, partial)
        return parallel.added(partial)

    def products(self, V: np.ndarray) -> np.ndarray:
        """A v for the rows v of V, shape (k, m); four of them share the stored entries, and what an entry gathers."""
        A = self.A
        out = np.empty((len(V), A.shape[0]), np.result_type(A.dtype, V))
        blocks, zero, arrays = self._rows.size - 1, np.result_type(out, _wide(V)).type(0), (A.data, A.indices, A.indptr)
        for k in range(0, len(V), 4):
            if len(V) - k < LEAST_AT_ONCE:
                for i in range(k, len(V)):
                    out[i] = self.product(V[i])
                break
            four, part = _four(V[k : k + 4]), np.empty((A.shape[0], 4), out.dtype)
            parallel.run(kernels.sparse_products, blocks, 4 * A.nnz, self._rows, *arrays, four, zero, part)
            out[k : k + 4] = part.T[: len(V) - k]
        return out

    def grams(self, d: np.ndarray, V: np.ndarray) -> np.ndarray:
        """Aᵀ(d ∘ (A v)) for the rows v of V, shape (k, n), in the same way."""
        A = self.A
        out = np.empty(V.shape, np.result_type(A.dtype, d, V))
        for k in range(0, len(V), 4):
            if len(V) - k < LEAST_AT_ONCE:
                for i in range(k, len(V)):
                    out[i] = self.gram(d, V[i])
                break
            four = _four(V[k : k + 4])
            partial = np.empty((self.blocks, *four.shape), np.result_type(A.dtype, d, four))
            arrays = A.data, A.indices, A.indptr
            parallel.run(kernels.sparse_grams, self.blocks, 4 * A.nnz, self._blocks, *arrays, d, four, partial)
            out[k : k + 4] = _added_rows(partial).T[: len(V) - k]
        return out

    def _sums(self, *vectors: np.ndarray) -> np.ndarray:
        return np.empty((self._blocks.size - 1, self.A.shape[1]), np.result_type(self.A.dtype, *vectors))


def _four(V: np.ndarray) -> np.ndarray:
    """Rows of V, four at most, as the columns of an n × 4 array, zeros for those that are not there; float64."""
    four = np.zeros((V.shape[1], 4), np.result_type(V, np.float64))
    four[:, : len(V)] = V.T
    return four


def _wide(v: np.ndarray) -> np.ndarray:
    """A float32 vector in float64, so that a sparse matrix's products with it are summed in float64."""
    return v.astype(np.float64) if v.dtype == np.float32 else v
