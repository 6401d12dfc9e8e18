"""Loops over vectors of n entries, in blocks of `BLOCK`; a partial sum a block.

Where nothing else is said `partial` has one float64 a block. It is written, and not read.
"""

from __future__ import annotations

import math

import numpy as np

from .compiling import BLOCK, exact, inner_reduction, loop, reduction


@reduction
def short_dot(x, y):
    """Σ x_i y_i of one block, in float64."""
    total = 0.0
    for i in range(x.size):
        total += np.float64(x[i]) * y[i]
    return total


@reduction
def sum_entries(x):
    """Σ x_i of one block; NaN or infinite where an entry is."""
    total = 0.0
    for i in range(x.size):
        total += x[i]
    return total


@inner_reduction
def _dot_after(q, Aq, beta, p_before):
    """Σ q_i (a_i − β p_i), a = Aq, p = p_before."""
    total = 0.0
    for i in range(q.size):
        total += q[i] * (Aq[i] - beta * p_before[i])
    return total


@loop
def dot(first, last, x, y, partial):
    """partial[b] ← Σ x_i y_i over block b.

    x, y : n, read.
    Moves 2 in.
    """
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        partial[b] = short_dot(x[part], y[part])


@loop
def entries(first, last, x, partial):
    """partial[b] ← Σ x_i over block b.

    x : n, read.
    Moves 1 in.
    """
    for b in range(first, last):
        partial[b] = sum_entries(x[b * BLOCK : (b + 1) * BLOCK])


@loop
def dot_after(first, last, q, Aq, beta, p_before, partial):
    """partial[b] ← Σ q_i (a_i − β p_i) over block b, a = Aq, p = p_before.

    β_j p_{j−1} leaves before α_j is formed: Paige's order.

    q, Aq, p_before : n, read.
    Moves 3 in.
    """
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        partial[b] = _dot_after(q[part], Aq[part], beta, p_before[part])


@loop
def next_vector(first, last, Aq, beta, p_before, alpha, p, w, partial):
    """w ← (Aq − β p_before) − α p, partial[b] ← Σ w_i² over block b.

    Aq, p_before, p : n, read.   w : n, written.
    Moves 3 in, 1 out: w is squared while it is in the cache.
    """
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        Aqb, before, pb, wb = Aq[part], p_before[part], p[part], w[part]
        for i in range(wb.size):
            wb[i] = (Aqb[i] - beta * before[i]) - alpha * pb[i]
        partial[b] = short_dot(wb, wb)


@loop
def next_in_place(first, last, Aq, beta, alpha, p, w, partial):
    """`next_vector` for a w that holds p_before.

    Aq, p : n, read.   w : n, read and written.
    Moves 3 in, 1 out, of three vectors in place of four.
    """
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        Aqb, pb, wb = Aq[part], p[part], w[part]
        for i in range(wb.size):
            wb[i] = (Aqb[i] - beta * wb[i]) - alpha * pb[i]
        partial[b] = short_dot(wb, wb)


@loop
def divide(first, last, w, beta):
    """w ← w / β.

    w : n, read and written.
    Moves 1 in, 1 out.
    """
    wb = w[first * BLOCK : last * BLOCK]
    for i in range(wb.size):
        wb[i] /= beta


@loop
def descend(first, last, p, multiplier, q, x, step):
    """p ← q − l p, l the multiplier, then x ← x + step·p.

    q : n, read.   p, x : n, read and written.
    Moves 3 in, 2 out.
    """
    part = slice(first * BLOCK, last * BLOCK)
    pb, qb, xb = p[part], q[part], x[part]
    for i in range(pb.size):
        pb[i] = qb[i] - multiplier * pb[i]
        xb[i] += step * pb[i]


@reduction
def coefficients(first, last, Q, w, partial):
    """partial[b, i] ← q_iᴴ w over block b, for every row q_i of Q, four rows at a time.

    Q : k × n, read.   w : n, read.   partial : k a block, float64 or complex128, written.
    Moves k + 1 in: of w, a block stays in the cache.
    """
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
    """w ← w − Σ_i h_i q_i over the rows q_i of Q, four rows at a time.

    Q : k × n, read.   h : k, read.   w : n, read and written.
    Moves k + 1 in, 1 out: block by block, so w comes from memory once.
    """
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


@exact
def extremes(x):
    """min x_i and max x_i, in float64; NaN where an entry is none.   x : n > 0, read."""
    least = largest = np.float64(x[0])
    for i in range(x.size):
        value = np.float64(x[i])
        if value != value:
            return value, value
        least, largest = min(least, value), max(largest, value)
    return least, largest


@reduction
def squares_with_errors(a, r, factor, absolute):
    """Σ (a|r_i| + g e_i)², Σ (g e_i)² and Σ r_i², g the factor and e the absolute product, in float64.

    r, absolute : n, read.
    """
    both = errors = alone = 0.0
    for i in range(r.size):
        size, error = abs(np.float64(r[i])), factor * absolute[i]
        both += (a * size + error) * (a * size + error)
        errors += error * error
        alone += size * size
    return both, errors, alone


@exact
def largest_size(x):
    """max |x_i|, in float64; NaN where an entry is none.   x : n, read."""
    largest = 0.0
    for i in range(x.size):
        size = abs(np.float64(x[i]))
        if not size <= largest:
            largest = size
            if size != size:
                break
    return largest


@reduction
def weighted_squares(w, x):
    """Σ w_i x_i² and max w_i, for w ≥ 0, in float64; no finite number where an entry is none.

    w, x : n, read.
    """
    total, largest = 0.0, 0.0
    for i in range(x.size):
        weight, size = np.float64(w[i]), np.float64(x[i])
        total += weight * size * size
        largest = max(largest, weight)
    return total, largest


@exact
def scaled_to_one(x, out):
    """out ← |x|/2^e with a largest entry in [½, 1); returns e, and whether there is one: x is finite and not 0.

    x : n, read.   out : n, float64, written.
    """
    largest, finite = 0.0, True
    for i in range(x.size):
        size = abs(np.float64(x[i]))
        finite = finite and math.isfinite(size)
        largest = max(largest, size)
    if not finite or largest == 0:
        return 0, False
    e = math.frexp(largest)[1]
    if -1000 < e < 1000:
        power = math.ldexp(1.0, -e)
        for i in range(x.size):
            out[i] = abs(np.float64(x[i])) * power
    else:
        for i in range(x.size):
            out[i] = math.ldexp(abs(np.float64(x[i])), -e)
    return e, True


@loop
def sum_in_order(partial):
    """Σ_b partial[b], first to last; partial : a number a block, read."""
    total = 0.0
    for b in range(partial.size):
        total += partial[b]
    return total


@loop
def add_in_order(first, last, partial, out):
    """out_j ← Σ_b partial[b, j], first to last, for j in these blocks of `out`, in its type.

    partial : B × n, read.   out : n, written.
    Moves B in, 1 out.
    """
    for b in range(first, last):
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        sums, start = out[part], partial[0, part]
        for j in range(sums.size):  # `sums[:] = start` compiles ten times as long
            sums[j] = start[j]
        for row in range(1, partial.shape[0]):
            more = partial[row, part]
            for j in range(sums.size):
                sums[j] += more[j]
