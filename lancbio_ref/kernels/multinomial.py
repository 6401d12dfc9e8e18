"""The loop over the rows of X that multiplies by Σ_i w_i (diag p_i − p_i p_iᵀ) ⊗ x_i x_iᵀ, eight rows at a time.

The parameters V are C × n, a class a row, and so are the probabilities, C × m. Blocks, and what is said of rows and
columns, are those of :mod:`lancbio_ref.kernels.dense`; eight rows come from memory once, and from the cache for every
class. A class is named by its number too: a view of its row costs a third of the loop (measured at 65 columns).

*Order of the sums.* x_iᵀv_c is reassociated, sixteen at a time (four rows, four classes) so that each number loaded is
used four times. A sum over rows goes row by row: of r terms no more than r roundings each, as in any order.
"""

from __future__ import annotations

import numpy as np

from .compiling import inlined, loop, reduction
from .dense import EIGHT


@reduction
def _sixteen_dots(zero, X, i, V, c, n):
    """x_kᵀv_l for the classes l = c … c + 3 and the rows k = i … i + 3, a class after another."""
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = zero
    for j in range(np.uintp(0), n):
        x0, x1, x2, x3 = X[i, j], X[i + 1, j], X[i + 2, j], X[i + 3, j]
        v0, v1, v2, v3 = V[c, j], V[c + 1, j], V[c + 2, j], V[c + 3, j]
        a0 += x0 * v0
        a1 += x1 * v0
        a2 += x2 * v0
        a3 += x3 * v0
        b0 += x0 * v1
        b1 += x1 * v1
        b2 += x2 * v1
        b3 += x3 * v1
        c0 += x0 * v2
        c1 += x1 * v2
        c2 += x2 * v2
        c3 += x3 * v2
        d0 += x0 * v3
        d1 += x1 * v3
        d2 += x2 * v3
        d3 += x3 * v3
    return (a0, a1, a2, a3), (b0, b1, b2, b3), (c0, c1, c2, c3), (d0, d1, d2, d3)


@reduction
def _four_dots(zero, X, i, V, c, n):
    """x_kᵀv_c for the rows k = i … i + 3."""
    s0 = s1 = s2 = s3 = zero
    for j in range(np.uintp(0), n):
        v = V[c, j]
        s0 += X[i, j] * v
        s1 += X[i + 1, j] * v
        s2 += X[i + 2, j] * v
        s3 += X[i + 3, j] * v
    return s0, s1, s2, s3


@reduction
def _one_dot(zero, X, i, V, c, n):
    """x_iᵀv_c."""
    total = zero
    for j in range(np.uintp(0), n):
        total += X[i, j] * V[c, j]
    return total


@inlined
def _four(S, c, k):
    """S[c, k] … S[c, k + 3]."""
    return S[c, k], S[c, k + 1], S[c, k + 2], S[c, k + 3]


@inlined
def _put_four(S, c, k, four):
    """S[c, k] … S[c, k + 3] ← four."""
    S[c, k], S[c, k + 1], S[c, k + 2], S[c, k + 3] = four


@loop
def _curve(zero, rows, P, w, i, S, totals):
    """S[:, k] ← w_{i+k} (p_{i+k} ∘ s − p_{i+k} p_{i+k}ᵀs) of the scores s = S[:, k], for k < rows."""
    for k in range(rows):
        totals[k] = zero
    for c in range(np.uintp(P.shape[0])):
        for k in range(rows):
            S[c, k] = P[c, i + k] * S[c, k]
            totals[k] += S[c, k]
    for c in range(np.uintp(P.shape[0])):
        for k in range(rows):
            S[c, k] = w[i + k] * (S[c, k] - P[c, i + k] * totals[k])


@loop
def _add_to_four(sums, S, c, k, X, i, n):
    """sums[l, j] ← sums[l, j] + Σ_{m<4} S[l, k + m] x_{i+m, j} for the classes l = c … c + 3, row by row."""
    a0, a1, a2, a3 = _four(S, c, k)
    b0, b1, b2, b3 = _four(S, c + np.uintp(1), k)
    c0, c1, c2, c3 = _four(S, c + np.uintp(2), k)
    d0, d1, d2, d3 = _four(S, c + np.uintp(3), k)
    for j in range(np.uintp(0), n):
        x0, x1, x2, x3 = X[i, j], X[i + 1, j], X[i + 2, j], X[i + 3, j]
        sums[c, j] = (((sums[c, j] + a0 * x0) + a1 * x1) + a2 * x2) + a3 * x3
        sums[c + 1, j] = (((sums[c + 1, j] + b0 * x0) + b1 * x1) + b2 * x2) + b3 * x3
        sums[c + 2, j] = (((sums[c + 2, j] + c0 * x0) + c1 * x1) + c2 * x2) + c3 * x3
        sums[c + 3, j] = (((sums[c + 3, j] + d0 * x0) + d1 * x1) + d2 * x2) + d3 * x3


@loop
def _add_to_one(sums, S, c, k, X, i, n):
    """The same of the class c alone."""
    a0, a1, a2, a3 = _four(S, c, k)
    for j in range(np.uintp(0), n):
        sums[c, j] = (((sums[c, j] + a0 * X[i, j]) + a1 * X[i + 1, j]) + a2 * X[i + 2, j]) + a3 * X[i + 3, j]


@loop
def _add_row(sums, s, c, X, i, n):
    """sums[c, j] ← sums[c, j] + s x_ij."""
    for j in range(np.uintp(0), n):
        sums[c, j] += s * X[i, j]


@loop
def multinomial_gram(first, last, rows, X, P, w, V, work, partial):
    """partial[b] ← Σ_i w_i (p_i ∘ (V x_i) − p_i p_iᵀ(V x_i)) x_iᵀ over the rows x_i of block b.

    X : m × n, read once.   P : C × m, read.   w : m, read.   V : C × n, read.
    work : C + 1 times 8 a block, written.   partial : C × n a block, written, and read once for four rows.
    """
    m, n, zero, four = X.shape[0], np.uintp(X.shape[1]), partial.dtype.type(0), np.uintp(4)
    classes, fours = np.uintp(V.shape[0]), np.uintp(V.shape[0] // 4 * 4)
    for b in range(first, last):
        sums, S, totals, start, end = partial[b], work[b], work[b, classes], b * rows, min(m, (b + 1) * rows)
        sums[:] = 0
        eights = start + (end - start) // EIGHT * EIGHT
        for i in range(np.uintp(start), np.uintp(eights), np.uintp(EIGHT)):
            for k in range(np.uintp(0), np.uintp(EIGHT), four):
                for c in range(np.uintp(0), fours, four):
                    s0, s1, s2, s3 = _sixteen_dots(zero, X, i + k, V, c, n)
                    _put_four(S, c, k, s0)
                    _put_four(S, c + np.uintp(1), k, s1)
                    _put_four(S, c + np.uintp(2), k, s2)
                    _put_four(S, c + np.uintp(3), k, s3)
                for c in range(fours, classes):
                    _put_four(S, c, k, _four_dots(zero, X, i + k, V, c, n))
            _curve(zero, np.uintp(EIGHT), P, w, i, S, totals)
            for k in range(np.uintp(0), np.uintp(EIGHT), four):
                for c in range(np.uintp(0), fours, four):
                    _add_to_four(sums, S, c, k, X, i + k, n)
                for c in range(fours, classes):
                    _add_to_one(sums, S, c, k, X, i + k, n)
        for i in range(np.uintp(eights), np.uintp(end)):
            for c in range(classes):
                S[c, 0] = _one_dot(zero, X, i, V, c, n)
            _curve(zero, np.uintp(1), P, w, i, S, totals)
            for c in range(classes):
                _add_row(sums, S[c, 0], c, X, i, n)
