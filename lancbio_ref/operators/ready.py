"""Operators as compiled loops see them: tuples of arrays (:mod:`lancbio_ref.operators.ready_products` has products).

`ready` makes the tuple; an operator that has none, or parts of several types, is multiplied by as always.

Everything is of one type, float32 or float64, that of v and out too, and contiguous.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from ..kernels import PIECE
from .block_diagonal import BlockDiagonal
from .dense import DenseOperator
from .diagonal_low_rank import DiagonalLowRank
from .generalized_linear import GeneralizedLinear
from .multinomial import MultinomialHessian
from .products import CLASSES_A_READING, _partial, _rows, _tile, partial_of_classes
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


class Multinomial(NamedTuple):
    """Σ_i w_i (p_i ∘ (V x_i) − p_i p_iᵀ(V x_i)) x_iᵀ + ridge V for X in C order, with a matrix of sums a block."""

    X: np.ndarray
    P: np.ndarray
    w: np.ndarray
    ridge: np.floating
    rows: int
    work: np.ndarray
    partial: np.ndarray


class Beside(NamedTuple):
    """(A v_1, B v_2) for v = (v_1, v_2) and an A of n rows; B may be another of these."""

    A: Any
    B: Any
    n: int


class Sum(NamedTuple):
    """A v + B v; `work` holds B v."""

    A: Any
    B: Any
    work: np.ndarray


Ready = (
    Dense | Transposed | Gram | GramByColumns | Sparse | SparseGram | Diagonal | LowRank | Multinomial | Beside | Sum
)
Made = tuple[Ready, int] | None
MOST_BLOCKS = 10  # of a block diagonal: another type, and a compilation, for each number of them


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
    alike = X.dtype == d.dtype == ridge.dtype == dtype and d.flags.carray and ridge.flags.carray
    if alike and (found := _GRAMS.get(operator.data)) is not None:  # all that is of X alone
        shown, rows, blocks = found
        return Gram(shown, d, ridge, rows, np.empty((blocks, ridge.size), dtype)), X.size
    if not _fit(dtype, d, ridge, X if sparse is None else X.data):
        return None
    d, ridge, shown = _shown(d), _shown(ridge), _shown_once(operator.data)
    if sparse is not None:
        partial = np.empty((sparse.blocks, X.shape[1]))
        data, indices, indptr = shown
        return SparseGram(data, indices, indptr, sparse._blocks, d, ridge, np.empty(X.shape[1]), partial), X.nnz
    if X.flags.c_contiguous:
        rows, partial = _partial(X, dtype)
        _GRAMS[operator.data] = shown, rows, len(partial)
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


def _multinomial(operator: MultinomialHessian, dtype: np.dtype) -> Made:
    if not operator.at_once:
        return None
    X, (P, w) = operator.design.X, operator.by_class
    if not _fit(dtype, X, P, w):
        return None
    rows, work, partial = partial_of_classes(X, P)
    entries = X.size * (-(-len(P) // CLASSES_A_READING))
    X = _shown_once(operator.design.operator)
    return Multinomial(X, _shown(P), _shown(w), operator.ridge, rows, work, partial), entries


def _block_diagonal(operator: BlockDiagonal, dtype: np.dtype) -> Made:
    if len(operator.blocks) > MOST_BLOCKS:
        return None
    made = [each for block in operator.blocks if (each := ready(block, dtype)) is not None]
    if len(made) < len(operator.blocks):
        return None
    sizes = [block.shape[0] for block in operator.blocks]
    form, entries = made[-1]
    for n, (block, more) in zip(sizes[-2::-1], made[-2::-1], strict=True):  # (A_1, (A_2, (A_3, A_4)))
        form, entries = Beside(block, form, n), entries + more
    return form, entries


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
_GRAMS: WeakKeyDictionary[Any, tuple[np.ndarray, int, int]] = WeakKeyDictionary()  # X shown, rows and blocks of `Gram`


_MAKERS: dict[type, Any] = {
    DenseOperator: _dense,
    SparseOperator: _sparse,
    GeneralizedLinear: _generalized_linear,
    DiagonalLowRank: _diagonal_low_rank,
    MultinomialHessian: _multinomial,
    BlockDiagonal: _block_diagonal,
}
