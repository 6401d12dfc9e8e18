"""What bounds the rounding of products with dense matrices: sums of absolute values, by the blocks of `dense`.

A bound takes as many roundings as the product that it is for, or fewer: the order of its sums is that of
:mod:`lancbio_ref.kernels.dense`.
"""

from __future__ import annotations

from .compiling import inlined, loop, reduction
from .dense import EIGHT, _eight, _put_eight


@reduction
def _dot(zero, A, i, v):
    """Σ_j |a_ij| v_j, in the type of `zero`."""
    total = zero
    for j in range(v.size):
        total += abs(A[i, j]) * v[j]
    return total


@reduction
def _eight_dots(zero, A, i, v):
    """`_dot` of the rows i … i + 7; each v_j is loaded once."""
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


@loop
def _add_row(sums, c, A, i):
    """sums ← sums + c |a_i|."""
    for j in range(sums.size):
        sums[j] += c * abs(A[i, j])


@loop
def _add_eight(sums, c, A, i):
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
        _add_eight(sums, _lifted(_eight(d, i), _eight_dots(zero, X, i, v), tau), X, i)
    for i in range(eights, last):
        _add_row(sums, abs(d[i]) * (_dot(zero, X, i, v) + tau) + tau, X, i)


@loop
def dense_absolute_product(first, last, rows, A, v, out):
    """out_i ← Σ_j |A_ij| v_j for the rows of these blocks.

    A : m × n, read, perhaps complex.   v : n, read.   out : m, real, written.
    """
    start, end, zero = first * rows, min(A.shape[0], last * rows), out.dtype.type(0)
    eights = start + (end - start) // EIGHT * EIGHT
    for i in range(start, eights, EIGHT):
        _put_eight(out, i, _eight_dots(zero, A, i, v))
    for i in range(eights, end):
        out[i] = _dot(zero, A, i, v)


@loop
def dense_absolute_gram(first, last, rows, X, d, v, tau, partial):
    """partial[b] ← Σ_i (|d_i| (|x_i|ᵀv + τ) + τ) |x_i| over the rows x_i of block b.

    X : m × n, read.   d : m, read.   v : n, read.   partial : n a block, written, and read once for eight rows.
    """
    for b in range(first, last):
        partial[b] = 0
        _add_absolute_gram_of_rows(b * rows, min(X.shape[0], (b + 1) * rows), X, d, v, tau, partial[b])
