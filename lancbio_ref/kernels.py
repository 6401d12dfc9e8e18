"""Compiled loops: what one step does to vectors, what one product does to a matrix, and nothing else.

Conventions, for every kernel here:

* arrays are C-contiguous, float32 or float64; vectors have length n; `Q` holds one basis vector a *row*, k × n;
* the caller owns all memory; the argument that is written is named in the docstring; nothing is allocated;
* kernels over vectors accumulate sums in float64 whatever the type of the vectors (the square of a float32
  overflows at 1e19). Kernels over dense matrices sum in the type of their result, float32 in pieces of `PIECE` terms
  that are added in float64; kernels over sparse ones in float64 (conversions are free beside the gathers).

A kernel that begins with ``first, last`` works on those blocks of a fixed partition, of `BLOCK` entries of a vector or
of some rows of a matrix, and leaves what it sums in ``partial[block]``. Nobody else writes there, so threads can share
the blocks (:mod:`lancbio_ref.parallel`); `sum_in_order` and `add_in_order` add them up, first to last.

A complex vector is passed to the kernels with real coefficients as its real view of length 2n: Re(qᴴu) is
then a real dot product. Kernels with `conj` take real and complex rows alike.

Only the sums of `_sum` may be reassociated, for vector instructions, and only loops that write nothing are such sums: a
loop that writes has a second, scalar version for arrays that may overlap, and which of the two runs depends on where
the arrays lie. What writes keeps the order of its operations; a b + c may be fused, in both versions alike (tested). So
a run repeats to the bit.

Every kernel runs as plain Python under ``NUMBA_DISABLE_JIT=1``.
"""

from __future__ import annotations

import numpy as np

from .compiled import compiled

BLOCK = 2**13  # entries of a vector in one block: 64 kB of float64
PIECE = 2**9  # most float32 terms of a matrix that are added in float32: 512 u is 3e-5

_sum = compiled(nogil=True, fastmath={"reassoc", "contract"})
loop = compiled(nogil=True, fastmath={"contract"})

# -- sums ------------------------------------------------------------------------------------------


@_sum
def _dot(x, y):
    """Σ x_i y_i in float64."""
    total = 0.0
    for i in range(x.size):
        total += np.float64(x[i]) * y[i]
    return total


@_sum
def sum_entries(x):
    """Σ x_i of one block; NaN or infinite where an entry is."""
    total = 0.0
    for i in range(x.size):
        total += x[i]
    return total


@_sum
def _dot_after(q, u, beta, p):
    """Σ q_i (u_i − β p_i)."""
    total = 0.0
    for i in range(q.size):
        total += q[i] * (u[i] - beta * p[i])
    return total


@_sum
def _dot_from(total, x, y):
    """total + Σ x_i y_i, in the type of these."""
    for i in range(x.size):
        total += x[i] * y[i]
    return total


@_sum
def _four_dots(zero, a0, a1, a2, a3, v):
    """The products of four rows with v, each loaded once."""
    s0, s1, s2, s3 = zero, zero, zero, zero
    for j in range(v.size):
        s0 += a0[j] * v[j]
        s1 += a1[j] * v[j]
        s2 += a2[j] * v[j]
        s3 += a3[j] * v[j]
    return s0, s1, s2, s3


@_sum
def _absolute_dot(total, x, y):
    """total + Σ |x_i| y_i."""
    for i in range(x.size):
        total += np.abs(x[i]) * y[i]
    return total


# -- vectors ---------------------------------------------------------------------------------------


@loop
def dot(first, last, x, y, partial):
    """partial[b] ← Σ x_i y_i over block b."""
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        partial[b] = _dot(x[part], y[part])


@loop
def entries(first, last, x, partial):
    """partial[b] ← Σ x_i over block b."""
    for b in range(first, last):
        partial[b] = sum_entries(x[b * BLOCK : (b + 1) * BLOCK])


@loop
def dot_after(first, last, q, u, beta, p, partial):
    """partial[b] ← Σ q_i (u_i − β p_i) over block b.   (β_j q_{j−1} leaves before α_j is formed: Paige's order.)"""
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        partial[b] = _dot_after(q[part], u[part], beta, p[part])


@loop
def next_vector(first, last, u, beta, p, alpha, d, w, partial):
    """w ← (u − β p) − α d, partial[b] ← Σ w_i² over block b.   Writes w."""
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        ub, pb, db, wb = u[part], p[part], d[part], w[part]
        for i in range(wb.size):
            wb[i] = (ub[i] - beta * pb[i]) - alpha * db[i]
        partial[b] = _dot(wb, wb)


@loop
def next_in_place(first, last, u, beta, alpha, d, w, partial):
    """`next_vector` for a w that holds p: one vector less to move.   Writes w."""
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        ub, db, wb = u[part], d[part], w[part]
        for i in range(wb.size):
            wb[i] = (ub[i] - beta * wb[i]) - alpha * db[i]
        partial[b] = _dot(wb, wb)


@loop
def divide(first, last, w, beta):
    """w ← w / β.   Writes w."""
    wb = w[first * BLOCK : last * BLOCK]
    for i in range(wb.size):
        wb[i] /= beta


@loop
def descend(first, last, p, length, q, x, step):
    """p ← q − length·p, then x ← x + step·p.   Writes p and x."""
    part = slice(first * BLOCK, last * BLOCK)
    pb, qb, xb = p[part], q[part], x[part]
    for i in range(pb.size):
        pb[i] = qb[i] - length * pb[i]
        xb[i] += step * pb[i]


@_sum
def coefficients(first, last, Q, w, partial):
    """partial[b, i] ← q_iᴴ w over block b, for every row q_i of Q, four rows at a time (float64 or complex128)."""
    k = Q.shape[0]
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        wb, sums = w[part], partial[b]
        sums[:] = 0
        zero = sums[0]
        for i in range(0, k - 3, 4):
            q0, q1, q2, q3 = Q[i, part], Q[i + 1, part], Q[i + 2, part], Q[i + 3, part]
            s0, s1, s2, s3 = zero, zero, zero, zero
            for j in range(wb.size):
                s0 += np.conj(q0[j]) * wb[j]
                s1 += np.conj(q1[j]) * wb[j]
                s2 += np.conj(q2[j]) * wb[j]
                s3 += np.conj(q3[j]) * wb[j]
            sums[i], sums[i + 1], sums[i + 2], sums[i + 3] = s0, s1, s2, s3
        for i in range(k - k % 4, k):
            q0, s0 = Q[i, part], zero
            for j in range(wb.size):
                s0 += np.conj(q0[j]) * wb[j]
            sums[i] = s0


@loop
def subtract_rows(first, last, Q, h, w):
    """w ← w − Σ_i h_i q_i, four rows at a time, block by block: w comes from memory once.   Writes w."""
    k = Q.shape[0]
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        wb = w[part]
        for i in range(0, k - 3, 4):
            q0, q1, q2, q3 = Q[i, part], Q[i + 1, part], Q[i + 2, part], Q[i + 3, part]
            h0, h1, h2, h3 = h[i], h[i + 1], h[i + 2], h[i + 3]
            for j in range(wb.size):
                wb[j] -= (h0 * q0[j] + h1 * q1[j]) + (h2 * q2[j] + h3 * q3[j])
        for i in range(k - k % 4, k):
            q0, h0 = Q[i, part], h[i]
            for j in range(wb.size):
                wb[j] -= h0 * q0[j]


@loop
def sum_in_order(partial):
    """Σ_b partial[b], first to last."""
    total = 0.0
    for b in range(partial.size):
        total += partial[b]
    return total


# -- matrices, by blocks of rows; dense ones `group` rows at once, 1 or 4 --------------------------


@loop
def dense_product(first, last, rows, group, A, v, out):
    """out_i ← a_iᵀ v for the rows a_i of these blocks.   Writes out."""
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
    """`dense_product` for long float32 rows: `PIECE` terms in float32, the pieces in float64.   Writes out."""
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
    """partial[b] ← Σ_i u_i a_i over the rows a_i of block b."""
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
    """partial[b] ← Σ_i d_i (x_iᵀv) x_i over the rows x_i of block b: X_bᵀ(d_b ∘ (X_b v)), every row read once."""
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
    """out_i ← Σ_j |A_ij| v_j for the rows of these blocks.   Writes out, which is real."""
    for i in range(first * rows, min(A.shape[0], last * rows)):
        out[i] = 0
        out[i] = _absolute_dot(out[i], A[i], v)


@loop
def dense_absolute_gram(first, last, rows, X, d, v, tau, partial):
    """partial[b] ← Σ_i (|d_i| (|x_i|ᵀv + τ) + τ) |x_i| over the rows x_i of block b."""
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
    """partial[b] ← Σ_i d_i x_i ∘ x_i over the rows x_i of block b: the diagonal of X_bᵀ diag(d_b) X_b."""
    for b in range(first, last):
        sums = partial[b]
        sums[:] = 0
        for i in range(b * rows, min(X.shape[0], (b + 1) * rows)):
            x = X[i]
            for j in range(sums.size):
                sums[j] += d[i] * x[j] * x[j]


@loop
def _add_multiple(sums, c, x):
    for j in range(sums.size):
        sums[j] += c * x[j]


@loop
def _add_four(sums, c0, c1, c2, c3, x0, x1, x2, x3):
    for j in range(sums.size):
        sums[j] += (c0 * x0[j] + c1 * x1[j]) + (c2 * x2[j] + c3 * x3[j])


# A sparse row may have three entries: no view of it is made and no function called, either costs as much as the row.
# Two sums, for one would wait for itself; unsigned places, which need no test for counting from the end.


@loop
def sparse_product(first, last, starts, data, indices, indptr, v, zero, out):
    """out_i ← Σ_j A_ij v_j for the rows starts[first] … starts[last] − 1 of a CSR matrix, from `zero`.   Writes out."""
    one, end = np.uintp(1), np.uintp(indptr[starts[first]])
    for i in range(starts[first], starts[last]):
        k, end = end, np.uintp(indptr[i + 1])
        even = odd = zero
        while k + one < end:
            even += data[k] * v[np.uintp(indices[k])]
            odd += data[k + one] * v[np.uintp(indices[k + one])]
            k += one + one
        if k < end:
            even += data[k] * v[np.uintp(indices[k])]
        out[i] = even + odd


@loop
def sparse_gram(first, last, starts, data, indices, indptr, d, v, partial):
    """`dense_gram` for a CSR matrix; block b has the rows starts[b] … starts[b + 1] − 1."""
    one = np.uintp(1)
    for b in range(first, last):
        sums = partial[b]
        sums[:] = 0
        end = np.uintp(indptr[starts[b]])
        for i in range(starts[b], starts[b + 1]):
            start, end = end, np.uintp(indptr[i + 1])
            even = odd = partial.dtype.type(0)
            k = start
            while k + one < end:
                even += data[k] * v[np.uintp(indices[k])]
                odd += data[k + one] * v[np.uintp(indices[k + one])]
                k += one + one
            if k < end:
                even += data[k] * v[np.uintp(indices[k])]
            c = d[i] * (even + odd)  # c = d_i x_iᵀv
            for place in range(start, end):
                sums[np.uintp(indices[place])] += c * data[place]


@loop
def sparse_transposed(first, last, starts, data, indices, indptr, u, partial):
    """partial[b] ← Σ_i u_i a_i over the rows a_i of block b of a CSR matrix."""
    for b in range(first, last):
        sums = partial[b]
        sums[:] = 0
        end = np.uintp(indptr[starts[b]])
        for i in range(starts[b], starts[b + 1]):
            start, end = end, np.uintp(indptr[i + 1])
            c = u[i]
            for place in range(start, end):
                sums[np.uintp(indices[place])] += c * data[place]


@loop
def add_in_order(first, last, partial, out):
    """out_j ← Σ_b partial[b, j], first to last, for j in these blocks, in the type of `out`.   Writes out."""
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        sums = out[part]
        sums[:] = partial[0, part]
        for row in range(1, partial.shape[0]):
            more = partial[row, part]
            for j in range(sums.size):
                sums[j] += more[j]
