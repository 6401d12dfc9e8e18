"""Compiled loops over vectors: what one Lanczos step does to memory, and nothing else.

Conventions, for every kernel here:

* vectors are contiguous, of length n, float32 or float64; `Q` holds one basis vector a *row*, k × n;
* the caller owns all memory; the argument that is written is named in the docstring; nothing is allocated;
* sums are accumulated in float64 whatever the type of the vectors (the square of a float32 overflows at 1e19).

A complex vector is passed to the kernels with real coefficients as its real view of length 2n: Re(qᴴu) is
then a real dot product. Kernels with `conj` take real and complex rows alike.

``reassoc`` lets the compiler use vector instructions for sums: the order of additions is fixed by the machine
code, so a run repeats to the bit. Every kernel runs as plain Python under ``NUMBA_DISABLE_JIT=1``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_sum = njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
_loop = njit(cache=True, nogil=True)


@_sum
def dot(x, y):
    """Σ x_i y_i for real vectors."""
    total = 0.0
    for i in range(x.size):
        total += np.float64(x[i]) * y[i]
    return total


@_sum
def subtract_and_dot(u, beta, p, q):
    """u ← u − β p, return qᵀu.   Writes u.   (β_j q_{j−1} leaves before α_j is formed: Paige's stable order.)"""
    total = 0.0
    for i in range(u.size):
        u[i] -= beta * p[i]
        total += np.float64(q[i]) * u[i]
    return total


@_sum
def subtract_and_square(u, alpha, p):
    """u ← u − α p, return ‖u‖².   Writes u."""
    total = 0.0
    for i in range(u.size):
        u[i] -= alpha * p[i]
        total += np.float64(u[i]) * u[i]
    return total


@_loop
def divide(w, beta, out):
    """out ← w / β.   Writes out, which may be w."""
    for i in range(w.size):
        out[i] = w[i] / beta


@_loop
def descend(p, length, q, x, step):
    """p ← q − length·p, then x ← x + step·p.   Writes p and x."""
    for i in range(p.size):
        p[i] = q[i] - length * p[i]
        x[i] += step * p[i]


@_sum
def coefficients(Q, k, w, h):
    """h_i ← q_iᴴ w for i < k.   Writes h[:k] (float64 or complex128)."""
    for i in range(k):
        h[i] = 0
        total = h[i]
        for j in range(w.size):
            total += np.conj(Q[i, j]) * w[j]
        h[i] = total


@_sum
def subtract_rows(Q, k, h, w):
    """w ← w − Σ_{i<k} h_i q_i, return nothing.   Writes w."""
    for i in range(k):
        c = h[i]
        for j in range(w.size):
            w[j] -= c * Q[i, j]


@_loop
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


@_loop
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
