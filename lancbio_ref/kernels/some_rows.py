"""Loops over some rows of an array, named by their numbers: `coefficients` and `subtract_rows` of Gram–Schmidt, and
combinations that are written into them."""

from __future__ import annotations

import numpy as np

from .compiling import BLOCK, PIECE, loop, reduction


@reduction
def coefficients_of(first, last, Q, rows, w, partial):
    """partial[b, i] ← q_rᴴ w over block b, r = rows[i], four rows at a time.

    Q : k × n, read.   rows : m, read.   w : n, read.   partial : m a block, float64 or complex128, written.
    Moves m + 1 in: of w, a block stays in the cache.
    """
    m = rows.size
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        wb, sums = w[part], partial[b]
        sums[:] = 0
        zero = sums[0]
        for i in range(0, m - 3, 4):
            q0, q1, q2, q3 = Q[rows[i], part], Q[rows[i + 1], part], Q[rows[i + 2], part], Q[rows[i + 3], part]
            s0, s1, s2, s3 = zero, zero, zero, zero
            for j in range(wb.size):
                s0 += np.conj(q0[j]) * wb[j]
                s1 += np.conj(q1[j]) * wb[j]
                s2 += np.conj(q2[j]) * wb[j]
                s3 += np.conj(q3[j]) * wb[j]
            sums[i], sums[i + 1], sums[i + 2], sums[i + 3] = s0, s1, s2, s3
        for i in range(m - m % 4, m):
            q0, s0 = Q[rows[i], part], zero
            for j in range(wb.size):
                s0 += np.conj(q0[j]) * wb[j]
            sums[i] = s0


@loop
def subtract_some(first, last, Q, rows, h, w):
    """w ← w − Σ_i h_i q_r, r = rows[i], four rows at a time.

    Q : k × n, read.   rows, h : m, read.   w : n, read and written.
    Moves m + 1 in, 1 out.
    """
    m = rows.size
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        wb = w[part]
        for i in range(0, m - 3, 4):
            q0, q1, q2, q3 = Q[rows[i], part], Q[rows[i + 1], part], Q[rows[i + 2], part], Q[rows[i + 3], part]
            h0, h1, h2, h3 = h[i], h[i + 1], h[i + 2], h[i + 3]
            for j in range(wb.size):
                wb[j] -= (h0 * q0[j] + h1 * q1[j]) + (h2 * q2[j] + h3 * q3[j])
        for i in range(m - m % 4, m):
            q0, h0 = Q[rows[i], part], h[i]
            for j in range(wb.size):
                wb[j] -= h0 * q0[j]


@loop
def combine_into(first, last, Q, H, rows, out):
    """out_r ← −Σ_i h_ic q_i, r = rows[c], for every column c of H, four rows q_i at a time: the bits of each alone.

    Q : k × n, read.   H : k × m, read.   rows : m, read.   out : as many rows as there are × n, these written.
    Moves k in, m out: pieces of four rows stay in the cache for all columns.
    """
    k, m = H.shape
    for start in range(first * BLOCK, min(last * BLOCK, Q.shape[1]), PIECE):
        part = slice(start, min(start + PIECE, last * BLOCK))
        for c in range(m):
            out[rows[c], part] = 0
        for i in range(0, k - 3, 4):
            q0, q1, q2, q3 = Q[i, part], Q[i + 1, part], Q[i + 2, part], Q[i + 3, part]
            for c in range(m):
                y, h0, h1, h2, h3 = out[rows[c], part], H[i, c], H[i + 1, c], H[i + 2, c], H[i + 3, c]
                for j in range(y.size):
                    y[j] -= (h0 * q0[j] + h1 * q1[j]) + (h2 * q2[j] + h3 * q3[j])
        for i in range(k - k % 4, k):
            q0 = Q[i, part]
            for c in range(m):
                y, h0 = out[rows[c], part], H[i, c]
                for j in range(y.size):
                    y[j] -= h0 * q0[j]
