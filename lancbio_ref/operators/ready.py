"""Operators as compiled loops see them: tuples of arrays, and one nopython function that multiplies by any of them.

``product(A, v, out)`` is compiled for the kind of tuple that A is, with the kernels and the blocks of the operator's
own ``_matvec``: the same bits, without a call of Python. `ready` makes the tuple; an operator that has none, or parts
of several types, is multiplied by as always.

Everything is of one type, float32 or float64, that of v and out too, and contiguous.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload, register_jitable
from scipy.sparse.linalg import LinearOperator

from .. import kernels
from ..kernels import BLOCK, PIECE
from .dense import DenseOperator
from .generalized_linear import GeneralizedLinear
from .products import CACHED, ENTRIES, _group, _partial


class Dense(NamedTuple):
    """A v for A in C order, by `rows` rows a block, `group` at a time."""

    A: np.ndarray
    rows: int
    group: int


class Transposed(NamedTuple):
    """Aᵀv, with a vector of sums a block."""

    A: np.ndarray
    rows: int
    group: int
    partial: np.ndarray


class Gram(NamedTuple):
    """Xᵀ(d ∘ (X v)) + ridge ∘ v, with a vector of sums a block."""

    X: np.ndarray
    d: np.ndarray
    ridge: np.ndarray
    rows: int
    group: int
    partial: np.ndarray


Ready = Dense | Transposed | Gram


def ready(A: LinearOperator, dtype: np.dtype) -> tuple[Ready, int] | None:
    """A as a tuple for `product` of vectors of this type, and the entries that one product reads; else None."""
    make = _MAKERS.get(type(A))
    if make is None or "_matvec" in vars(A) or A.dtype != dtype or dtype.char not in "fd":
        return None
    return make(A, dtype)


def _dense(operator: DenseOperator, dtype: np.dtype) -> tuple[Ready, int] | None:
    A = operator.A
    if not _fit(dtype, A):
        return None
    A = _shown(A)
    if A.flags.c_contiguous:
        if dtype == np.float32 and A.shape[1] > PIECE:
            return None
        return Dense(A, max(1, ENTRIES // A.shape[1]), _group(A)), A.size
    rows, partial = _partial(A.T, dtype)
    return Transposed(A.T, rows, _group(A.T), partial), A.size


def _generalized_linear(operator: GeneralizedLinear, dtype: np.dtype) -> tuple[Ready, int] | None:
    X, d, ridge = operator.X, operator.d, operator.ridge
    if operator._sparse is not None or not (_fit(dtype, X, d, ridge) and X.flags.c_contiguous):
        return None
    rows, partial = _partial(X, dtype)
    X, d, ridge = _shown(X), _shown(d), _shown(ridge)
    return Gram(X, d, ridge, rows, 4 if X.size <= CACHED else _group(X), partial), X.size


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


_MAKERS: dict[type, Any] = {DenseOperator: _dense, GeneralizedLinear: _generalized_linear}


def product(A: Ready, v: np.ndarray, out: np.ndarray) -> None:
    """out ← A v, in compiled code.   Writes out, and the sums of A."""
    raise NotImplementedError  # compiled code alone calls it: `_product` has what it is there


@overload(product)
def _product(A, v, out):  # type: ignore[no-untyped-def]
    return _PRODUCTS.get(getattr(A, "instance_class", None)) if isinstance(A, types.BaseNamedTuple) else None


@register_jitable
def _added(partial, out):
    """`parallel.added`."""
    if partial.shape[0] == 1:
        for j in range(out.size):
            out[j] = partial[0, j]
        return
    sums = np.empty(out.size)
    kernels.add_in_order(0, -(-out.size // BLOCK), partial, sums)
    for j in range(out.size):
        out[j] = sums[j]


def _dense_product(A, v, out):
    kernels.dense_product(0, -(-A.A.shape[0] // A.rows), A.rows, A.group, A.A, v, out)


def _transposed_product(A, v, out):
    kernels.dense_transposed(0, A.partial.shape[0], A.rows, A.group, A.A, v, A.partial)
    _added(A.partial, out)


def _gram_product(A, v, out):
    kernels.dense_gram(0, A.partial.shape[0], A.rows, A.group, A.X, A.d, v, A.partial)
    _added(A.partial, out)
    for j in range(out.size):  # Xᵀ(d ∘ (X v)) + ridge ∘ v
        out[j] += A.ridge[j] * v[j]


_PRODUCTS = {Dense: _dense_product, Transposed: _transposed_product, Gram: _gram_product}
