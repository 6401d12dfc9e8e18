"""Products with the tuples of :mod:`lancbio_ref.operators.ready`, in compiled code.

``product(A, v, out)`` is compiled for the kind of tuple that A is, with the kernels and the blocks of the operator's
own ``_matvec``: the same bits, without a call of Python. No kind is compiled before an operator of it is multiplied.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload, register_jitable

from .. import kernels
from ..kernels import BLOCK, FIRST
from .ready import (
    Beside,
    Dense,
    Diagonal,
    Gram,
    GramByColumns,
    LowRank,
    Multinomial,
    Ready,
    Sparse,
    SparseGram,
    Sum,
    Transposed,
)


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
    kernels.dense_gram_and_absolute(FIRST, blocks, A.rows, A.X, A.d, v, sizes, tau, A.partial, bounds)
    added(A.partial, out)
    _add_penalty(A.ridge, v, out)
    added(bounds, absolute)
    for j in range(v.size):
        absolute[j] += abs(np.float64(A.ridge[j])) * sizes[j]
    return True


@overload(product, strict=False)  # which would compare the annotations
def _product(A, v, out):  # type: ignore[no-untyped-def]
    kind: Any = getattr(A, "instance_class", None)
    return _PRODUCTS.get(kind)


@register_jitable
def added(partial: np.ndarray, out: np.ndarray) -> None:
    """`parallel.added`."""
    if partial.shape[0] == 1:
        for j in range(out.size):
            out[j] = partial[0, j]
        return
    sums = np.empty(out.size)
    kernels.add_in_order(FIRST, -(-out.size // BLOCK), partial, sums)
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
    kernels.dense_product(FIRST, -(-A.A.shape[0] // A.rows), A.rows, A.A, v, out)


def _transposed_product(A: Transposed, v: np.ndarray, out: np.ndarray) -> None:
    kernels.dense_transposed(FIRST, A.partial.shape[0], A.rows, A.A, v, A.partial)
    added(A.partial, out)


def _gram_product(A: Gram, v: np.ndarray, out: np.ndarray) -> None:
    kernels.dense_gram(FIRST, A.partial.shape[0], A.rows, A.X, A.d, v, A.partial)
    added(A.partial, out)
    _add_penalty(A.ridge, v, out)


def _gram_by_columns_product(A: GramByColumns, v: np.ndarray, out: np.ndarray) -> None:
    zero = out.dtype.type(0)
    kernels.dense_gram_by_columns(FIRST, A.partial.shape[0], A.rows, A.tile, A.XT, A.d, v, zero, A.u, A.partial)
    added(A.partial, out)
    _add_penalty(A.ridge, v, out)


def _sparse_product(A: Sparse, v: np.ndarray, out: np.ndarray) -> None:
    wide = _widened(v, A.wide)
    kernels.sparse_product(FIRST, A.starts.size - 1, A.starts, A.data, A.indices, A.indptr, wide, 0.0, out)


def _sparse_gram_product(A: SparseGram, v: np.ndarray, out: np.ndarray) -> None:
    wide = _widened(v, A.wide)
    kernels.sparse_gram(FIRST, A.partial.shape[0], A.starts, A.data, A.indices, A.indptr, A.d, wide, A.partial)
    added(A.partial, out)
    _add_penalty(A.ridge, v, out)


def _diagonal_product(A: Diagonal, v: np.ndarray, out: np.ndarray) -> None:
    for j in range(out.size):
        out[j] = A.d[j] * v[j]


def _low_rank_product(A: LowRank, v: np.ndarray, out: np.ndarray) -> None:
    for j in range(out.size):
        out[j] = A.d[j] * v[j]
    blocks, rank = -(-v.size // BLOCK), A.s.size
    partial, h = np.empty((blocks, rank)), np.empty(rank)
    kernels.coefficients(FIRST, blocks, A.right, v, partial)
    added(partial, h)
    for i in range(rank):
        h[i] = -A.s[i] * h[i]
    kernels.subtract_rows(FIRST, blocks, A.left, h, out)


def _sum_product(A: Sum, v: np.ndarray, out: np.ndarray) -> None:
    product(A.A, v, out)
    product(A.B, v, A.work)
    for j in range(out.size):
        out[j] = out[j] + A.work[j]


def _multinomial_product(A: Multinomial, v: np.ndarray, out: np.ndarray) -> None:
    blocks, classes, n = A.partial.shape
    kernels.multinomial_gram(FIRST, blocks, A.rows, A.X, A.P, A.w, v.reshape((classes, n)), A.work, A.partial)
    added(A.partial.reshape((blocks, classes * n)), out)
    for j in range(out.size):
        out[j] += A.ridge * v[j]


def _beside_product(A: Beside, v: np.ndarray, out: np.ndarray) -> None:
    product(A.A, v[: A.n], out[: A.n])
    product(A.B, v[A.n :], out[A.n :])


_PRODUCTS = {
    Dense: _dense_product,
    Transposed: _transposed_product,
    Gram: _gram_product,
    GramByColumns: _gram_by_columns_product,
    Sparse: _sparse_product,
    SparseGram: _sparse_gram_product,
    Diagonal: _diagonal_product,
    LowRank: _low_rank_product,
    Multinomial: _multinomial_product,
    Beside: _beside_product,
    Sum: _sum_product,
}
