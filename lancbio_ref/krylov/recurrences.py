"""Compiled recurrences over the k coefficients of T: its eigenvalues, and what orthogonality has been lost.

As in :mod:`lancbio_ref.kernels` the caller owns all memory, and what is written is named.
"""

from __future__ import annotations

import numpy as np

from ..kernels import loop


@loop
def last_components(d, e, z):
    """Eigenvalues of a symmetric tridiagonal matrix and the last component of each eigenvector.

    QL iteration with implicit shifts, the rotations applied to the single row e_kᵀ of the eigenvector matrix
    (Golub and Welsch, Math. Comp. 23, 1969): O(k²) instead of O(k³).

    d : diagonal, k;  overwritten by the eigenvalues, unordered.
    e : off-diagonal, k (the last entry is not read);  destroyed.
    z : k;  overwritten by the last components.
    Returns False where an eigenvalue took more than 60 iterations, else True.
    """
    k = d.size
    for i in range(k):
        z[i] = 0.0
    z[k - 1] = 1.0
    e[k - 1] = 0.0
    for start in range(k):
        for sweep in range(61):
            end = start  # the block start..end has no negligible off-diagonal entry
            while end < k - 1 and abs(e[end]) > 1.2e-16 * (abs(d[end]) + abs(d[end + 1])):
                end += 1
            if end == start:
                break
            if sweep == 60:
                return False
            half = (d[start + 1] - d[start]) / (2.0 * e[start])  # Wilkinson's shift
            root = np.hypot(half, 1.0)
            g = d[end] - d[start] + e[start] / (half + (root if half >= 0 else -root))
            s, c, p = 1.0, 1.0, 0.0
            deflated = False
            for i in range(end - 1, start - 1, -1):  # chase the bulge upwards by plane rotations
                f, b = s * e[i], c * e[i]
                r = np.hypot(f, g)
                e[i + 1] = r
                if r == 0.0:
                    d[i + 1] -= p
                    e[end] = 0.0
                    deflated = True
                    break
                s, c = f / r, g / r
                g = d[i + 1] - p
                r = (d[i] - g) * s + 2.0 * c * b
                p = s * r
                d[i + 1] = g + p
                g = c * r - b
                f = z[i + 1]
                z[i + 1] = s * z[i] + c * f
                z[i] = c * z[i] - s * f
            if not deflated:
                d[start] -= p
                e[start] = g
                e[end] = 0.0
    return True


@loop
def omega_recurrence(alpha, beta, j, theta, before, row, after):
    """Simon's estimate of q_{j+1}ᵀq_k for k < j, from those of q_j (`row`) and q_{j−1} (`before`); indices from 0.

        β_{j+1} ω_{j+1,k} = β_{k+1} ω_{j,k+1} + (α_k − α_j) ω_{j,k} + β_k ω_{j,k−1} − β_j ω_{j−1,k} ± ϑ

    alpha, beta : coefficients, at least j + 1; beta[i] couples q_i and q_{i+1}.
    theta : ϑ, the size of the rounding error of one step, given the sign that makes |ω| larger.
    before, row : rows of ω for q_{j−1} and q_j;  not written.
    after : row for q_{j+1}, j + 2;  written, except the entries j and j + 1, which the caller sets.
    Returns the largest |ω|.
    """
    largest = 0.0
    for k in range(j):
        value = beta[k] * row[k + 1] + (alpha[k] - alpha[j]) * row[k]
        if k > 0:
            value += beta[k - 1] * row[k - 1]
        value -= beta[j - 1] * before[k]
        value = (value + (theta if value >= 0 else -theta)) / beta[j]
        after[k] = value
        largest = max(largest, abs(value))
    return largest
