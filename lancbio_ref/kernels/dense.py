"""Loops over the rows of dense matrices, eight rows at a time.

Block b has the rows b·rows … (b + 1)·rows − 1 of the m × n matrix; `rows` is a multiple of eight, so only the last
block may have rows that are left over, and these go one by one. Every kernel reads the rows of its blocks once; of
eight rows and a vector that they share, the vector comes once and not eight times. A row is named by its number and not
by a view of it, which costs as much as a short row (measured: a fifth of a product of 2000 × 100), and columns by
unsigned numbers, which need no test for counting from the end. Short rows of a large matrix are asked for before they
are needed (:mod:`.ahead`): `ahead` bytes before, or not at all where that is 0.

*Order of the sums.* A sum along a row is reassociated for vector instructions: of n terms, each goes through at most n
roundings, in any order. A sum over rows has one order, Σ over eight rows as a tree of three levels, the eights first to
last: of r rows, a term goes through r/8 + 4 roundings, and one for each of the rows that are left over
(`lancbio_ref.operators.products.row_roundings`). What bounds a product, a sum of absolute values, has the order of the
product, so it takes no more roundings than that.
"""

from __future__ import annotations

import numpy as np

from .ahead import ask_for_eight, distance
from .compiling import PIECE, exact, inlined, inner_loop, inner_reduction, loop

EIGHT = 8


@inner_reduction
def _dot(zero, A, i, v, start, end):
    """Σ_j a_ij v_j for j = start … end − 1, in the type of `zero`."""
    total = zero
    for j in range(start, end):
        total += A[i, j] * v[j]
    return total


@inner_reduction
def _eight_dots(zero, A, i, v, start, end):
    """`_dot` of the rows i … i + 7; each v_j is loaded once."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = zero
    for j in range(start, end):
        x = v[j]
        s0 += A[i, j] * x
        s1 += A[i + 1, j] * x
        s2 += A[i + 2, j] * x
        s3 += A[i + 3, j] * x
        s4 += A[i + 4, j] * x
        s5 += A[i + 5, j] * x
        s6 += A[i + 6, j] * x
        s7 += A[i + 7, j] * x
    return s0, s1, s2, s3, s4, s5, s6, s7


@inner_loop
def _add_row(sums, c, A, i, start, end):
    """sums_j ← sums_j + c a_ij for j = start … end − 1."""
    for j in range(start, end):
        sums[j] += c * A[i, j]


@inner_loop
def _add_eight(sums, c, A, i, start, end):
    """sums_j ← sums_j + Σ_k c_k a_{i+k, j} for j = start … end − 1 and eight numbers c; each sum is loaded once."""
    c0, c1, c2, c3, c4, c5, c6, c7 = c
    for j in range(start, end):
        fours = (c0 * A[i, j] + c1 * A[i + 1, j]) + (c2 * A[i + 2, j] + c3 * A[i + 3, j])
        others = (c4 * A[i + 4, j] + c5 * A[i + 5, j]) + (c6 * A[i + 6, j] + c7 * A[i + 7, j])
        sums[j] += fours + others


@inlined
def _eight(u, i):
    """u_i … u_{i+7}."""
    return u[i], u[i + 1], u[i + 2], u[i + 3], u[i + 4], u[i + 5], u[i + 6], u[i + 7]


@inlined
def _put_eight(out, i, s):
    """out_i … out_{i+7} ← s."""
    out[i], out[i + 1], out[i + 2], out[i + 3], out[i + 4], out[i + 5], out[i + 6], out[i + 7] = s


@inner_loop
def _product_of_rows(first, last, A, v, out, ahead):
    """out_i ← a_iᵀv for i = first … last − 1."""
    zero, none, n = out.dtype.type(0), np.uintp(0), np.uintp(v.size)
    eights = first + (last - first) // EIGHT * EIGHT
    for i in range(first, eights, EIGHT):
        ask_for_eight(A, i, ahead)
        _put_eight(out, i, _eight_dots(zero, A, i, v, none, n))
    for i in range(eights, last):
        out[i] = _dot(zero, A, i, v, none, n)


@loop
def _add_rows(first, last, A, u, sums, start, end, ahead):
    """sums_j ← sums_j + Σ_i u_i a_ij for i = first … last − 1 and j = start … end − 1."""
    eights = first + (last - first) // EIGHT * EIGHT
    for i in range(first, eights, EIGHT):
        ask_for_eight(A, i, ahead)
        _add_eight(sums, _eight(u, i), A, i, start, end)
    for i in range(eights, last):
        _add_row(sums, u[i], A, i, start, end)


@loop
def _add_gram_of_rows(first, last, X, d, v, sums, ahead):
    """sums ← sums + Σ_i d_i (x_iᵀv) x_i for i = first … last − 1: rows are used again while they are in the cache."""
    zero, none, n = sums.dtype.type(0), np.uintp(0), np.uintp(v.size)
    eights = first + (last - first) // EIGHT * EIGHT
    for i in range(first, eights, EIGHT):
        ask_for_eight(X, i, ahead)
        s0, s1, s2, s3, s4, s5, s6, s7 = _eight_dots(zero, X, i, v, none, n)
        d0, d1, d2, d3, d4, d5, d6, d7 = _eight(d, i)
        _add_eight(sums, (d0 * s0, d1 * s1, d2 * s2, d3 * s3, d4 * s4, d5 * s5, d6 * s6, d7 * s7), X, i, none, n)
    for i in range(eights, last):
        _add_row(sums, d[i] * _dot(zero, X, i, v, none, n), X, i, none, n)


@loop
def dense_product(first, last, rows, A, v, out):
    """out_i ← a_iᵀ v for the rows a_i of these blocks.

    A : m × n, read.   v : n, read.   out : m, written.
    """
    _product_of_rows(first * rows, min(A.shape[0], last * rows), A, v, out, distance(A))


@loop
def dense_product_in_pieces(first, last, rows, A, v, out):
    """`dense_product` for long float32 rows: `PIECE` terms in float32, the pieces in float64.

    A : m × n, read.   v : n, read.   out : m, written.
    """
    start, end, n, zero = first * rows, min(A.shape[0], last * rows), A.shape[1], out.dtype.type(0)
    eights = start + (end - start) // EIGHT * EIGHT
    for i in range(start, eights, EIGHT):
        t0 = t1 = t2 = t3 = t4 = t5 = t6 = t7 = 0.0
        for j in range(0, n, PIECE):
            s0, s1, s2, s3, s4, s5, s6, s7 = _eight_dots(zero, A, i, v, np.uintp(j), np.uintp(min(j + PIECE, n)))
            t0 += np.float64(s0)
            t1 += np.float64(s1)
            t2 += np.float64(s2)
            t3 += np.float64(s3)
            t4 += np.float64(s4)
            t5 += np.float64(s5)
            t6 += np.float64(s6)
            t7 += np.float64(s7)
        _put_eight(out, i, (t0, t1, t2, t3, t4, t5, t6, t7))
    for i in range(eights, end):
        total = 0.0
        for j in range(0, n, PIECE):
            total += np.float64(_dot(zero, A, i, v, np.uintp(j), np.uintp(min(j + PIECE, n))))
        out[i] = total


@loop
def dense_transposed(first, last, rows, A, u, partial):
    """partial[b] ← Σ_i u_i a_i over the rows a_i of block b.

    A : m × n, read.   u : m, read.   partial : n a block, written, and read once for eight rows.
    """
    none, n, ahead = np.uintp(0), np.uintp(A.shape[1]), distance(A)
    for b in range(first, last):
        partial[b] = 0
        _add_rows(b * rows, min(A.shape[0], (b + 1) * rows), A, u, partial[b], none, n, ahead)


@loop
def dense_gram(first, last, rows, X, d, v, partial):
    """partial[b] ← Σ_i d_i (x_iᵀv) x_i over the rows x_i of block b: X_bᵀ(d_b ∘ (X_b v)).

    X : m × n, read once, not once for X v and again for Xᵀ.   d : m, read.   v : n, read.
    partial : n a block, written, and read once for eight rows.
    """
    ahead = distance(X)
    for b in range(first, last):
        partial[b] = 0
        _add_gram_of_rows(b * rows, min(X.shape[0], (b + 1) * rows), X, d, v, partial[b], ahead)


@exact
def dense_gram_with_ridge(rows, X, d, ridge, v, partial, out):
    """out ← Xᵀ(d ∘ (X v)) + ridge ∘ v in one call, with the bits of `dense_gram`, `add_in_order` and NumPy's sum.

    X : m × n, read.   d : m, read.   ridge, v : n, read.   out : n, written.
    partial : n for each block of `rows` rows, written; nothing where there is one block, which is summed in `out`.
    """
    m, blocks = X.shape[0], partial.shape[0]
    if blocks == 0:
        for j in range(out.size):
            out[j] = 0
        _add_gram_of_rows(0, m, X, d, v, out, 0)
    for b in range(blocks):
        sums = partial[b]
        for j in range(out.size):
            sums[j] = 0
        _add_gram_of_rows(b * rows, min(m, (b + 1) * rows), X, d, v, sums, 0)
    if blocks:
        for j in range(out.size):
            total = np.float64(partial[0, j])
            for b in range(1, blocks):
                total += partial[b, j]
            out[j] = total
    for j in range(out.size):
        out[j] += ridge[j] * v[j]


@loop
def dense_products(first, last, rows, A, V, out):
    """`dense_product` of several vectors, the rows of V, with the bits of each alone.

    A : m × n, read once.   V : k × n, read.   out : k × m, written.
    """
    end = min(A.shape[0], last * rows)
    for i in range(first * rows, end, EIGHT):
        for r in range(V.shape[0]):
            _product_of_rows(i, min(i + EIGHT, end), A, V[r], out[r], 0)


@loop
def dense_grams(first, last, rows, X, d, V, partial):
    """`dense_gram` of several vectors, the rows of V, with the bits of each alone.

    X : m × n, read once.   d : m, read.   V : k × n, read.
    partial : k × n a block, written, and read once for eight rows.
    """
    for b in range(first, last):
        sums, end = partial[b], min(X.shape[0], (b + 1) * rows)
        sums[:] = 0
        for i in range(b * rows, end, EIGHT):
            for r in range(V.shape[0]):
                _add_gram_of_rows(i, min(i + EIGHT, end), X, d, V[r], sums[r], 0)


@loop
def dense_gram_by_columns(first, last, rows, tile, XT, d, v, tau, u, partial):
    """`dense_gram` for an X in Fortran order, whose transpose XT is in C order: `tile` rows of X at a time.

    τ is 0 for the product, and what covers underflow for its bound (`dense_absolute_gram`).

    XT : n × m, read once, and again while a tile, n × `tile` numbers, is in the cache; `rows` is a multiple of `tile`.
    d : m, read.   v : n, read.   u : m, written: d ∘ (X v + τ) + τ.   partial : n a block, written, read once a tile.
    """
    n, m = XT.shape
    zero, eights = partial.dtype.type(0), n // EIGHT * EIGHT
    for b in range(first, last):
        sums, end_of_block = partial[b], min(m, (b + 1) * rows)
        sums[:] = 0
        for first_row in range(b * rows, end_of_block, tile):
            start, end = np.uintp(first_row), np.uintp(min(first_row + tile, end_of_block))
            for i in range(start, end):
                u[i] = 0
            _add_rows(0, n, XT, v, u, start, end, 0)  #  X v for these rows, column by column
            for i in range(start, end):
                u[i] = d[i] * (u[i] + tau) + tau
            for j in range(0, eights, EIGHT):
                s0, s1, s2, s3, s4, s5, s6, s7 = _eight_dots(zero, XT, j, u, start, end)
                t0, t1, t2, t3, t4, t5, t6, t7 = _eight(sums, j)
                _put_eight(sums, j, (t0 + s0, t1 + s1, t2 + s2, t3 + s3, t4 + s4, t5 + s5, t6 + s6, t7 + s7))
            for j in range(eights, n):
                sums[j] += _dot(zero, XT, j, u, start, end)


@loop
def dense_weighted_squares(first, last, rows, X, d, partial):
    """partial[b] ← Σ_i d_i x_i ∘ x_i over the rows x_i of block b: the diagonal of X_bᵀ diag(d_b) X_b.

    X : m × n, read.   d : m, read.   partial : n a block, written, and read once a row.
    """
    for b in range(first, last):
        sums = partial[b]
        sums[:] = 0
        for i in range(b * rows, min(X.shape[0], (b + 1) * rows)):
            x = X[i]
            for j in range(sums.size):
                sums[j] += d[i] * x[j] * x[j]


@inner_reduction
def _absolute_dot(zero, A, i, v):
    """Σ_j |a_ij| v_j, in the type of `zero`."""
    total = zero
    for j in range(v.size):
        total += abs(A[i, j]) * v[j]
    return total


@inner_reduction
def _eight_absolute_dots(zero, A, i, v):
    """`_absolute_dot` of the rows i … i + 7; each v_j is loaded once."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = zero
    for j in range(v.size):
        x = v[j]
        s0 += abs(A[i, j]) * x
        s1 += abs(A[i + 1, j]) * x
        s2 += abs(A[i + 2, j]) * x
        s3 += abs(A[i + 3, j]) * x
        s4 += abs(A[i + 4, j]) * x
        s5 += abs(A[i + 5, j]) * x
        s6 += abs(A[i + 6, j]) * x
        s7 += abs(A[i + 7, j]) * x
    return s0, s1, s2, s3, s4, s5, s6, s7


@inner_loop
def _add_absolute_row(sums, c, A, i):
    """sums ← sums + c |a_i|."""
    for j in range(sums.size):
        sums[j] += c * abs(A[i, j])


@inner_loop
def _add_eight_absolute(sums, c, A, i):
    """sums ← sums + Σ_k c_k |a_{i+k}| for eight numbers c; each sum is loaded once."""
    c0, c1, c2, c3, c4, c5, c6, c7 = c
    for j in range(sums.size):
        fours = (c0 * abs(A[i, j]) + c1 * abs(A[i + 1, j])) + (c2 * abs(A[i + 2, j]) + c3 * abs(A[i + 3, j]))
        others = (c4 * abs(A[i + 4, j]) + c5 * abs(A[i + 5, j])) + (c6 * abs(A[i + 6, j]) + c7 * abs(A[i + 7, j]))
        sums[j] += fours + others


@inlined
def _lifted(d, s, tau):
    """|d| (s + τ) + τ for eight numbers each."""
    d0, d1, d2, d3, d4, d5, d6, d7 = d
    s0, s1, s2, s3, s4, s5, s6, s7 = s
    return (
        abs(d0) * (s0 + tau) + tau,
        abs(d1) * (s1 + tau) + tau,
        abs(d2) * (s2 + tau) + tau,
        abs(d3) * (s3 + tau) + tau,
        abs(d4) * (s4 + tau) + tau,
        abs(d5) * (s5 + tau) + tau,
        abs(d6) * (s6 + tau) + tau,
        abs(d7) * (s7 + tau) + tau,
    )


@loop
def _add_absolute_gram_of_rows(first, last, X, d, v, tau, sums):
    """sums ← sums + Σ_i (|d_i| (|x_i|ᵀv + τ) + τ) |x_i| for i = first … last − 1."""
    zero, eights = sums.dtype.type(0), first + (last - first) // EIGHT * EIGHT
    for i in range(first, eights, EIGHT):
        _add_eight_absolute(sums, _lifted(_eight(d, i), _eight_absolute_dots(zero, X, i, v), tau), X, i)
    for i in range(eights, last):
        _add_absolute_row(sums, abs(d[i]) * (_absolute_dot(zero, X, i, v) + tau) + tau, X, i)


@loop
def dense_absolute_product(first, last, rows, A, v, out):
    """out_i ← Σ_j |A_ij| v_j for the rows of these blocks.

    A : m × n, read, perhaps complex.   v : n, read.   out : m, real, written.
    """
    start, end, zero = first * rows, min(A.shape[0], last * rows), out.dtype.type(0)
    eights = start + (end - start) // EIGHT * EIGHT
    for i in range(start, eights, EIGHT):
        _put_eight(out, i, _eight_absolute_dots(zero, A, i, v))
    for i in range(eights, end):
        out[i] = _absolute_dot(zero, A, i, v)


@loop
def dense_absolute_gram(first, last, rows, X, d, v, tau, partial):
    """partial[b] ← Σ_i (|d_i| (|x_i|ᵀv + τ) + τ) |x_i| over the rows x_i of block b.

    X : m × n, read.   d : m, read.   v : n, read.   partial : n a block, written, and read once for eight rows.
    """
    for b in range(first, last):
        partial[b] = 0
        _add_absolute_gram_of_rows(b * rows, min(X.shape[0], (b + 1) * rows), X, d, v, tau, partial[b])


@loop
def dense_gram_and_absolute(first, last, rows, X, d, v, sizes, tau, partial, absolute):
    """`dense_gram` of v and `dense_absolute_gram` of `sizes` = |v|, with the bits of each alone.

    X : m × n, read once: the second has its rows from the cache.   d : m, read.   v, sizes : n, read.
    partial, absolute : n a block, written, and read once for eight rows.
    """
    for b in range(first, last):
        sums, bounds, end = partial[b], absolute[b], min(X.shape[0], (b + 1) * rows)
        sums[:] = 0
        bounds[:] = 0
        for i in range(b * rows, end, EIGHT):
            _add_gram_of_rows(i, min(i + EIGHT, end), X, d, v, sums, 0)
            _add_absolute_gram_of_rows(i, min(i + EIGHT, end), X, d, sizes, tau, bounds)
