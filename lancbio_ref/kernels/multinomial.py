"""The loop over the rows of X that multiplies by Σ_i w_i (diag p_i − p_i p_iᵀ) ⊗ x_i x_iᵀ, eight rows at a time.

The parameters V are C × p, a class a row. Blocks, and what is said of rows and columns, are those of
:mod:`lancbio_ref.kernels.dense`; the eight rows are read from memory once, and from the cache for every class.

*Order of the sums.* x_iᵀv_c is reassociated, sixteen at a time (four rows, four classes) so that each number loaded is
used four times. A sum over rows goes row by row: of r terms no more than r roundings each, as in any order.
"""

from __future__ import annotations

import numpy as np

from .compiling import inlined, loop, reduction
from .dense import EIGHT, _add_row, _dot, _eight_dots


@reduction
def _sixteen_dots(zero, X, i, V, c, n):
    """x_kᵀv_l for the rows k = i … i + 3 and the classes l = c … c + 3, a row after another."""
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = zero
    for j in range(np.uintp(0), n):
        v0, v1, v2, v3 = V[c, j], V[c + 1, j], V[c + 2, j], V[c + 3, j]
        x = X[i, j]
        a0 += x * v0
        a1 += x * v1
        a2 += x * v2
        a3 += x * v3
        x = X[i + 1, j]
        b0 += x * v0
        b1 += x * v1
        b2 += x * v2
        b3 += x * v3
        x = X[i + 2, j]
        c0 += x * v0
        c1 += x * v1
        c2 += x * v2
        c3 += x * v3
        x = X[i + 3, j]
        d0 += x * v0
        d1 += x * v1
        d2 += x * v2
        d3 += x * v3
    return (a0, a1, a2, a3), (b0, b1, b2, b3), (c0, c1, c2, c3), (d0, d1, d2, d3)


@inlined
def _put_four(out, k, c, four):
    """out[k, c] … out[k, c + 3] ← four."""
    out[k, c], out[k, c + 1], out[k, c + 2], out[k, c + 3] = four


@loop
def _scores_of_eight(zero, X, i, V, S):
    """S[k, c] ← x_{i+k}ᵀv_c for k < 8."""
    n, classes, fours = np.uintp(X.shape[1]), V.shape[0], V.shape[0] // 4 * 4
    for c in range(0, fours, 4):
        for k in range(0, EIGHT, 4):
            first, second, third, fourth = _sixteen_dots(zero, X, i + k, V, c, n)
            _put_four(S, k, c, first)
            _put_four(S, k + 1, c, second)
            _put_four(S, k + 2, c, third)
            _put_four(S, k + 3, c, fourth)
    for c in range(fours, classes):
        S[0, c], S[1, c], S[2, c], S[3, c], S[4, c], S[5, c], S[6, c], S[7, c] = _eight_dots(
            zero, X, i, V[c], np.uintp(0), n
        )


@loop
def _curve(zero, P, w, i, S, k):
    """S[k] ← w_i (p_i ∘ s − p_i p_iᵀs) of the scores s = S[k]."""
    total = zero
    for c in range(np.uintp(P.shape[1])):
        S[k, c] = P[i, c] * S[k, c]
        total += S[k, c]
    for c in range(np.uintp(P.shape[1])):
        S[k, c] = w[i] * (S[k, c] - P[i, c] * total)


@loop
def _add_eight_in_order(sums, S, c, X, i, n):
    """sums_j ← sums_j + Σ_k S[k, c] x_{i+k, j}, row by row; each sum is loaded once."""
    c0, c1, c2, c3, c4, c5, c6, c7 = S[0, c], S[1, c], S[2, c], S[3, c], S[4, c], S[5, c], S[6, c], S[7, c]
    for j in range(np.uintp(0), n):
        t = ((sums[j] + c0 * X[i, j]) + c1 * X[i + 1, j]) + c2 * X[i + 2, j]
        t = (t + c3 * X[i + 3, j]) + c4 * X[i + 4, j]
        sums[j] = ((t + c5 * X[i + 5, j]) + c6 * X[i + 6, j]) + c7 * X[i + 7, j]


@loop
def multinomial_gram(first, last, rows, X, P, w, V, work, partial):
    """partial[b] ← Σ_i w_i (p_i ∘ (V x_i) − p_i p_iᵀ(V x_i)) x_iᵀ over the rows x_i of block b.

    X : m × n, read once.   P : m × C, read.   w : m, read.   V : C × n, read.   work : 8 × C a block, written.
    partial : C × n a block, written, and read once for eight rows.
    """
    m, n, classes, zero = X.shape[0], np.uintp(X.shape[1]), V.shape[0], partial.dtype.type(0)
    for b in range(first, last):
        sums, S, start, end = partial[b], work[b], b * rows, min(m, (b + 1) * rows)
        sums[:] = 0
        eights = start + (end - start) // EIGHT * EIGHT
        for i in range(start, eights, EIGHT):
            _scores_of_eight(zero, X, i, V, S)
            for k in range(EIGHT):
                _curve(zero, P, w, i + k, S, k)
            for c in range(classes):
                _add_eight_in_order(sums[c], S, c, X, i, n)
        for i in range(eights, end):
            for c in range(classes):
                S[0, c] = _dot(zero, X, i, V[c], np.uintp(0), n)
            _curve(zero, P, w, i, S, 0)
            for c in range(classes):
                _add_row(sums[c], S[0, c], X, i, np.uintp(0), n)
