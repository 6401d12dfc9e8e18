"""Loops over the rows of dense matrices.

Block b has the rows b·rows … (b + 1)·rows − 1 of the m × n matrix, of which `group` are taken at once: 1 or 4. Every
kernel reads the rows of its blocks once; vectors of n entries come once for each group, from the cache as a rule.
"""

from __future__ import annotations

import numpy as np

from .compiling import PIECE, loop, reduction


@reduction
def _dot_from(total, x, y):
    """total + Σ x_i y_i, in the type of these."""
    for i in range(x.size):
        total += x[i] * y[i]
    return total


@reduction
def _four_dots(zero, a0, a1, a2, a3, v):
    """The products of four rows with v, each loaded once."""
    s0, s1, s2, s3 = zero, zero, zero, zero
    for j in range(v.size):
        s0 += a0[j] * v[j]
        s1 += a1[j] * v[j]
        s2 += a2[j] * v[j]
        s3 += a3[j] * v[j]
    return s0, s1, s2, s3


@reduction
def _absolute_dot(total, x, y):
    """total + Σ |x_i| y_i."""
    for i in range(x.size):
        total += np.abs(x[i]) * y[i]
    return total


@loop
def _add_multiple(sums, c, x):
    """sums ← sums + c x."""
    for j in range(sums.size):
        sums[j] += c * x[j]


@loop
def _add_four(sums, c0, c1, c2, c3, x0, x1, x2, x3):
    """sums ← sums + c_0 x_0 + … + c_3 x_3, loaded once."""
    for j in range(sums.size):
        sums[j] += (c0 * x0[j] + c1 * x1[j]) + (c2 * x2[j] + c3 * x3[j])


@loop
def dense_product(first, last, rows, group, A, v, out):
    """out_i ← a_iᵀ v for the rows a_i of these blocks.

    A : m × n, read.   v : n, read.   out : m, written.
    """
    start, end = first * rows, min(A.shape[0], last * rows)
    out[start:end] = 0
    zero = out[start]
    fours = start + (end - start) // 4 * 4 if group == 4 else start
    for i in range(start, fours, 4):
        out[i], out[i + 1], out[i + 2], out[i + 3] = _four_dots(zero, A[i], A[i + 1], A[i + 2], A[i + 3], v)
    for i in range(fours, end):
        out[i] = _dot_from(zero, A[i], v)


@loop
def dense_product_in_pieces(first, last, rows, group, A, v, out):
    """`dense_product` for long float32 rows: `PIECE` terms in float32, the pieces in float64.

    A : m × n, read.   v : n, read.   out : m, written.
    """
    start, end, columns = first * rows, min(A.shape[0], last * rows), A.shape[1]
    out[start:end] = 0
    zero = out[start]
    fours = start + (end - start) // 4 * 4 if group == 4 else start
    for i in range(start, fours, 4):
        t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
        for j in range(0, columns, PIECE):
            part = slice(j, min(j + PIECE, columns))
            s0, s1, s2, s3 = _four_dots(zero, A[i, part], A[i + 1, part], A[i + 2, part], A[i + 3, part], v[part])
            t0 += np.float64(s0)
            t1 += np.float64(s1)
            t2 += np.float64(s2)
            t3 += np.float64(s3)
        out[i], out[i + 1], out[i + 2], out[i + 3] = t0, t1, t2, t3
    for i in range(fours, end):
        total = 0.0
        for j in range(0, columns, PIECE):
            part = slice(j, min(j + PIECE, columns))
            total += np.float64(_dot_from(zero, A[i, part], v[part]))
        out[i] = total


@loop
def dense_transposed(first, last, rows, group, A, u, partial):
    """partial[b] ← Σ_i u_i a_i over the rows a_i of block b.

    A : m × n, read.   u : m, read.   partial : n a block, written, and read once a group.
    """
    for b in range(first, last):
        start, end, sums = b * rows, min(A.shape[0], (b + 1) * rows), partial[b]
        sums[:] = 0
        fours = start + (end - start) // 4 * 4 if group == 4 else start
        for i in range(start, fours, 4):
            _add_four(sums, u[i], u[i + 1], u[i + 2], u[i + 3], A[i], A[i + 1], A[i + 2], A[i + 3])
        for i in range(fours, end):
            _add_multiple(sums, u[i], A[i])


@loop
def dense_gram(first, last, rows, group, X, d, v, partial):
    """partial[b] ← Σ_i d_i (x_iᵀv) x_i over the rows x_i of block b: X_bᵀ(d_b ∘ (X_b v)).

    X : m × n, read once, not once for X v and again for Xᵀ.   d : m, read.   v : n, read.
    partial : n a block, written, and read once a group.
    """
    for b in range(first, last):
        start, end, sums = b * rows, min(X.shape[0], (b + 1) * rows), partial[b]
        sums[:] = 0
        zero = sums[0]
        fours = start + (end - start) // 4 * 4 if group == 4 else start
        for i in range(start, fours, 4):
            x0, x1, x2, x3 = X[i], X[i + 1], X[i + 2], X[i + 3]
            c0, c1, c2, c3 = _four_dots(zero, x0, x1, x2, x3, v)
            _add_four(sums, d[i] * c0, d[i + 1] * c1, d[i + 2] * c2, d[i + 3] * c3, x0, x1, x2, x3)
        for i in range(fours, end):
            _add_multiple(sums, d[i] * _dot_from(zero, X[i], v), X[i])


@loop
def dense_absolute_product(first, last, rows, A, v, out):
    """out_i ← Σ_j |A_ij| v_j for the rows of these blocks.

    A : m × n, read, perhaps complex.   v : n, read.   out : m, real, written.
    """
    for i in range(first * rows, min(A.shape[0], last * rows)):
        out[i] = 0
        out[i] = _absolute_dot(out[i], A[i], v)


@loop
def dense_absolute_gram(first, last, rows, X, d, v, tau, partial):
    """partial[b] ← Σ_i (|d_i| (|x_i|ᵀv + τ) + τ) |x_i| over the rows x_i of block b.

    X : m × n, read.   d : m, read.   v : n, read.   partial : n a block, written, and read once a row.
    """
    for b in range(first, last):
        sums = partial[b]
        sums[:] = 0
        zero = sums[0]
        for i in range(b * rows, min(X.shape[0], (b + 1) * rows)):
            x, c = X[i], np.abs(d[i]) * (_absolute_dot(zero, X[i], v) + tau) + tau
            for j in range(sums.size):
                sums[j] += c * np.abs(x[j])


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
