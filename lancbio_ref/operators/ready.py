"""Operators as compiled loops see them: tuples of arrays, and one nopython function that multiplies by any of them.

``product(A, v, out)`` is compiled for the kind of tuple that A is, with the kernels and the blocks of the operator's
own ``_matvec``: the same bits, without a call of Python. `ready` makes the tuple; an operator that has none, or parts
of several types, is multiplied by as always.

Everything is of one type, float32 or float64, that of v and out too, and contiguous.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse as sp
from numba.extending import overload, register_jitable
from scipy.sparse.linalg import LinearOperator

from .. import kernels
from ..kernels import BLOCK, PIECE
from .dense import DenseOperator
from .diagonal_low_rank import DiagonalLowRank
from .generalized_linear import GeneralizedLinear
from .products import _partial, _rows, _tile
from .sparse import SparseOperator


class Dense(NamedTuple):
    """A v for A in C order, by `rows` rows a block."""

    A: np.ndarray
    rows: int


class Transposed(NamedTuple):
    """Aᵀv, with a vector of sums a block."""

    A: np.ndarray
    rows: int
    partial: np.ndarray


class Gram(NamedTuple):
    """Xᵀ(d ∘ (X v)) + ridge ∘ v for X in C order, with a vector of sums a block."""

    X: np.ndarray
    d: np.ndarray
    ridge: np.ndarray
    rows: int
    partial: np.ndarray


class GramByColumns(NamedTuple):
    """Xᵀ(d ∘ (X v)) + ridge ∘ v for X in Fortran order, `tile` rows at a time; `u` holds d ∘ (X v)."""

    XT: np.ndarray
    d: np.ndarray
    ridge: np.ndarray
    rows: int
    tile: int
    u: np.ndarray
    partial: np.ndarray


class Sparse(NamedTuple):
    """A v for A in CSR form; `wide` holds v in float64, in which sums are formed."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    starts: np.ndarray
    wide: np.ndarray


class SparseGram(NamedTuple):
    """Xᵀ(d ∘ (X v)) + ridge ∘ v for X in CSR form."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    starts: np.ndarray
    d: np.ndarray
    ridge: np.ndarray
    wide: np.ndarray
    partial: np.ndarray


class Diagonal(NamedTuple):
    """d ∘ v."""

    d: np.ndarray


class LowRank(NamedTuple):
    """d ∘ v + U (s ∘ (Vᵀv)), the columns of U and V as rows."""

    d: np.ndarray
    s: np.ndarray
    left: np.ndarray
    right: np.ndarray


class Sum(NamedTuple):
    """A v + B v; `work` holds B v."""

    A: Any
    B: Any
    work: np.ndarray


Ready = Dense | Transposed | Gram | GramByColumns | Sparse | SparseGram | Diagonal | LowRank | Sum
Made = tuple[Ready, int] | None


def ready(A: LinearOperator, dtype: np.dtype) -> Made:
    """A as a tuple for `product` of vectors of this type, and the entries that one product reads; else None."""
    make = _MAKERS.get(type(A))
    if make is None or "_matvec" in vars(A) or A.dtype != dtype or dtype.char not in "fd":
        return None
    return make(A, dtype)


def _dense(operator: DenseOperator, dtype: np.dtype) -> Made:
    if not _fit(dtype, operator.A):
        return None
    A = _shown_once(operator)
    if A.flags.c_contiguous:
        if dtype == np.float32 and A.shape[1] > PIECE:
            return None
        return Dense(A, _rows(A)), A.size
    rows, partial = _partial(A.T, dtype)
    return Transposed(A.T, rows, partial), A.size


def _sparse(operator: SparseOperator, dtype: np.dtype) -> Made:
    products, A = operator.products, operator.A
    if not _fit(dtype, A.data):
        return None
    data, indices, indptr = _shown_once(operator)
    return Sparse(data, indices, indptr, products._rows, np.empty(A.shape[1])), A.nnz


def _generalized_linear(operator: GeneralizedLinear, dtype: np.dtype) -> Made:
    X, d, ridge, sparse = operator.X, operator.d, operator.ridge, operator._sparse
    if not _fit(dtype, d, ridge, X if sparse is None else X.data):
        return None
    d, ridge, shown = _shown(d), _shown(ridge), _shown_once(operator.data)
    if sparse is not None:
        partial = np.empty((sparse.blocks, X.shape[1]))
        data, indices, indptr = shown
        return SparseGram(data, indices, indptr, sparse._blocks, d, ridge, np.empty(X.shape[1]), partial), X.nnz
    if X.flags.c_contiguous:
        rows, partial = _partial(X, dtype)
        return Gram(shown, d, ridge, rows, partial), X.size
    tile = _tile(X)
    rows, partial = _partial(X, dtype, tile)
    return GramByColumns(shown.T, d, ridge, rows, tile, np.empty(X.shape[0], dtype), partial), X.size


def _diagonal_low_rank(operator: DiagonalLowRank, dtype: np.dtype) -> Made:
    d, s, left, right = operator.d, operator.s, operator._left, operator._right
    if not _fit(dtype, d, *((s, left, right) if s.size else ())):
        return None
    own: Ready = Diagonal(_shown(d))
    if s.size:
        own = LowRank(_shown(d), _shown(s), left, right)
    entries = d.size + left.size + right.size
    if operator.base is None:
        return own, entries
    base = ready(operator.base, dtype)
    return None if base is None else (Sum(own, base[0], np.empty(d.size, dtype)), entries + base[1])


def _fit(dtype: np.dtype, *arrays: np.ndarray) -> bool:
    """Whether they are all of this type, contiguous in some order, and aligned."""
    return all(a.dtype == dtype and a.flags.forc and a.flags.aligned for a in arrays)


class _Shown:
    """An array's memory without its flag: for loops that only read, a second type would be compiled again."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.__array_interface__ = array.__array_interface__ | {"data": (array.ctypes.data, False)}


def _shown(array: np.ndarray) -> np.ndarray:
    """`array`, or a view of it that does not say that it is read-only. Nobody writes to it."""
    return array if array.flags.writeable else np.asarray(_Shown(array))


def _shown_csr(A: sp.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return _shown(A.data), _shown(A.indices), _shown(A.indptr)


def _shown_once(operator: DenseOperator | SparseOperator) -> Any:
    """`_shown` of the array or of the three that it holds: made once, for each takes as long as a small product."""
    found = _VIEWS.get(operator)
    if found is None:
        A = operator.A
        found = _VIEWS[operator] = _shown_csr(A) if isinstance(operator, SparseOperator) else _shown(A)
    return found


_VIEWS: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


_MAKERS: dict[type, Any] = {
    DenseOperator: _dense,
    SparseOperator: _sparse,
    GeneralizedLinear: _generalized_linear,
    DiagonalLowRank: _diagonal_low_rank,
}


def product(A: Ready, v: np.ndarray, out: np.ndarray) -> None:
    """out ← A v, in compiled code.   Writes out, and what A has for sums."""
    raise NotImplementedError  # compiled code alone calls it: `_product` has what it is there


def product_and_absolute(A: Ready, v: np.ndarray, out: np.ndarray, absolute: np.ndarray) -> bool:
    """`product`, and absolute ← |A||v| as the operator's own `abs_product` has it, from one reading of A.

    Whether there is such a way for A; else `product` alone is made.   Writes out and absolute.
    """
    raise NotImplementedError  # as above


@overload(product_and_absolute, strict=False)
def _product_and_absolute(A, v, out, absolute):  # type: ignore[no-untyped-def]
    if getattr(A, "instance_class", None) is Gram:
        return _gram_and_absolute
    return _product_alone


def _product_alone(A, v, out, absolute):  # type: ignore[no-untyped-def]
    product(A, v, out)
    return False


def _gram_and_absolute(A: Gram, v: np.ndarray, out: np.ndarray, absolute: np.ndarray) -> bool:
    """|X|ᵀ(|d| ∘ (|X||v| + τ) + τ) + |ridge| ∘ |v|, in float64, and `_gram_product`."""
    sizes, bounds, blocks = np.empty(v.size), np.empty(A.partial.shape), A.partial.shape[0]
    for j in range(v.size):
        sizes[j] = abs(v[j])
    tau = 2 * np.float64(np.finfo(v.dtype).tiny)
    kernels.dense_gram_and_absolute(0, blocks, A.rows, A.X, A.d, v, sizes, tau, A.partial, bounds)
    _added(A.partial, out)
    _add_penalty(A.ridge, v, out)
    _added(bounds, absolute)
    for j in range(v.size):
        absolute[j] += abs(np.float64(A.ridge[j])) * sizes[j]
    return True


@overload(product, strict=False)  # which would compare the annotations
def _product(A, v, out):  # type: ignore[no-untyped-def]
    kind: Any = getattr(A, "instance_class", None)
    return _PRODUCTS.get(kind)


@register_jitable
def _added(partial: np.ndarray, out: np.ndarray) -> None:
    """`parallel.added`."""
    if partial.shape[0] == 1:
        for j in range(out.size):
            out[j] = partial[0, j]
        return
    sums = np.empty(out.size)
    kernels.add_in_order(0, -(-out.size // BLOCK), partial, sums)
    for j in range(out.size):
        out[j] = sums[j]


@register_jitable
def _add_penalty(ridge: np.ndarray, v: np.ndarray, out: np.ndarray) -> None:
    """Xᵀ(d ∘ (X v)) + ridge ∘ v."""
    for j in range(out.size):
        out[j] += ridge[j] * v[j]


@register_jitable
def _widened(v: np.ndarray, wide: np.ndarray) -> np.ndarray:
    """`wide`, with the numbers of v."""
    for j in range(v.size):
        wide[j] = v[j]
    return wide


def _dense_product(A: Dense, v: np.ndarray, out: np.ndarray) -> None:
    kernels.dense_product(0, -(-A.A.shape[0] // A.rows), A.rows, A.A, v, out)


def _transposed_product(A: Transposed, v: np.ndarray, out: np.ndarray) -> None:
    kernels.dense_transposed(0, A.partial.shape[0], A.rows, A.A, v, A.partial)
    _added(A.partial, out)


def _gram_product(A: Gram, v: np.ndarray, out: np.ndarray) -> None:
    kernels.dense_gram(0, A.partial.shape[0], A.rows, A.X, A.d, v, A.partial)
    _added(A.partial, out)
    _add_penalty(A.ridge, v, out)


def _gram_by_columns_product(A: GramByColumns, v: np.ndarray, out: np.ndarray) -> None:
    zero = out.dtype.type(0)
    kernels.dense_gram_by_columns(0, A.partial.shape[0], A.rows, A.tile, A.XT, A.d, v, zero, A.u, A.partial)
    _added(A.partial, out)
    _add_penalty(A.ridge, v, out)


def _sparse_product(A: Sparse, v: np.ndarray, out: np.ndarray) -> None:
    wide = _widened(v, A.wide)
    kernels.sparse_product(0, A.starts.size - 1, A.starts, A.data, A.indices, A.indptr, wide, 0.0, out)


def _sparse_gram_product(A: SparseGram, v: np.ndarray, out: np.ndarray) -> None:
    wide = _widened(v, A.wide)
    kernels.sparse_gram(0, A.partial.shape[0], A.starts, A.data, A.indices, A.indptr, A.d, wide, A.partial)
    _added(A.partial, out)
    _add_penalty(A.ridge, v, out)


def _diagonal_product(A: Diagonal, v: np.ndarray, out: np.ndarray) -> None:
    for j in range(out.size):
        out[j] = A.d[j] * v[j]


def _low_rank_product(A: LowRank, v: np.ndarray, out: np.ndarray) -> None:
    for j in range(out.size):
        out[j] = A.d[j] * v[j]
    blocks, rank = -(-v.size // BLOCK), A.s.size
    partial, h = np.empty((blocks, rank)), np.empty(rank)
    kernels.coefficients(0, blocks, A.right, v, partial)
    _added(partial, h)
    for i in range(rank):
        h[i] = -A.s[i] * h[i]
    kernels.subtract_rows(0, blocks, A.left, h, out)


def _sum_product(A: Sum, v: np.ndarray, out: np.ndarray) -> None:
    product(A.A, v, out)
    product(A.B, v, A.work)
    for j in range(out.size):
        out[j] = out[j] + A.work[j]


_PRODUCTS = {
    Dense: _dense_product,
    Transposed: _transposed_product,
    Gram: _gram_product,
    GramByColumns: _gram_by_columns_product,
    Sparse: _sparse_product,
    SparseGram: _sparse_gram_product,
    Diagonal: _diagonal_product,
    LowRank: _low_rank_product,
    Sum: _sum_product,
}
