"""Loops over the rows of sparse m × n matrices in CSR form.

Block b has the rows starts[b] … starts[b + 1] − 1. `data` and `indices` have an entry for each stored number,
`indptr` m + 1: all three are read, the first two once. What is gathered from v, and scattered to a row of `partial`,
costs more than they do.

A row may have three entries: no view of it is made and no function called, either costs as much as the row. Four sums,
for one would wait for itself; unsigned places, which need no test for counting from the end. The loop over a_iᵀv stands
in two kernels: as a function that Numba puts into both it is three times slower (measured). Rows in the order of their
lengths, whose ends a processor guesses better, gain a fifth with five entries a row and lose a third with ninety, which
then come from memory in no order (measured); so rows stay where they are.

*Order of the sums.* Along a row: entry k into sum k mod 4, what is left of the last four into the first, then (s_0 +
s_1) + (s_2 + s_3). Over rows: first to last. Of r terms no more than r roundings each, as in any order.

*Wide* matrices, n > `WIDE`: v and the sums together are more than a core's cache holds beside the entries, and each
would drive out the other row by row. So n/2 rows are gathered first and scattered then, at the price of a second
reading: at n = 10⁵ and 2 · 10⁵ a quarter less time, at 6 · 10⁴ none. By n/16 rows, which bring v and the sums back
eight times as often, it is 7 to 24 % more where rows have 5 or 20 entries, and as much where they have 100 (measured).
The bits are those of one reading.

*Four* products at once have one vector a column of V, n × 4: what an entry gathers lies side by side. The bits are
those of the products one by one.
"""

from __future__ import annotations

import numpy as np

from .compiling import inlined, loop

WIDE = 2**16  # columns: v and the sums are 1 MB


@inlined
def _add_row(sums, c, start, end, data, indices):
    """sums ← sums + c a_i for the row a_i whose entries are start … end − 1."""
    for k in range(start, end):
        sums[np.uintp(indices[k])] += c * data[k]


@loop
def sparse_product(first, last, starts, data, indices, indptr, v, zero, out):
    """out_i ← a_iᵀv for the rows a_i of these blocks, summed from `zero` and in its type.

    v : n, read.   out : m, written.
    """
    one, two, three, four = np.uintp(1), np.uintp(2), np.uintp(3), np.uintp(4)
    end = np.uintp(indptr[starts[first]])
    for i in range(starts[first], starts[last]):
        start, end = end, np.uintp(indptr[i + 1])
        s0 = s1 = s2 = s3 = zero
        k, fours = start, start + (end - start) // four * four
        while k < fours:
            s0 += data[k] * v[np.uintp(indices[k])]
            s1 += data[k + one] * v[np.uintp(indices[k + one])]
            s2 += data[k + two] * v[np.uintp(indices[k + two])]
            s3 += data[k + three] * v[np.uintp(indices[k + three])]
            k += four
        while k < end:
            s0 += data[k] * v[np.uintp(indices[k])]
            k += one
        out[i] = (s0 + s1) + (s2 + s3)


@loop
def sparse_transposed(first, last, starts, data, indices, indptr, u, partial):
    """partial[b] ← Σ_i u_i a_i over the rows a_i of block b.

    u : m, read.   partial : n a block, written, and read at every entry.
    """
    for b in range(first, last):
        sums = partial[b]
        sums[:] = 0
        end = np.uintp(indptr[starts[b]])
        for i in range(starts[b], starts[b + 1]):
            start, end = end, np.uintp(indptr[i + 1])
            _add_row(sums, u[i], start, end, data, indices)


@loop
def _wide_gram(first, last, starts, data, indices, indptr, d, v, partial):
    """`sparse_gram` by two readings of n/2 rows at a time: u = d ∘ (A v), then Aᵀu."""
    most = v.size // 2
    u, whole = np.empty(min(most, d.size), partial.dtype), np.zeros(2, np.int64)
    for b in range(first, last):
        sums = partial[b]
        sums[:] = 0
        for row in range(starts[b], starts[b + 1], most):
            rows, ends = min(most, starts[b + 1] - row), indptr[row:]
            whole[1] = rows
            sparse_product(0, 1, whole, data, indices, ends, v, partial.dtype.type(0), u)
            end = np.uintp(ends[0])
            for i in range(rows):
                start, end = end, np.uintp(ends[i + 1])
                _add_row(sums, d[row + i] * u[i], start, end, data, indices)


@loop
def sparse_gram(first, last, starts, data, indices, indptr, d, v, partial):
    """partial[b] ← Σ_i d_i (a_iᵀv) a_i over the rows a_i of block b: `dense_gram` for a CSR matrix.

    d : m, read.   v : n, read.   partial : n a block, written, and read at every entry.
    """
    if v.size > WIDE:
        _wide_gram(first, last, starts, data, indices, indptr, d, v, partial)
        return
    one, two, three, four, zero = np.uintp(1), np.uintp(2), np.uintp(3), np.uintp(4), partial.dtype.type(0)
    for b in range(first, last):
        sums = partial[b]
        sums[:] = 0
        end = np.uintp(indptr[starts[b]])
        for i in range(starts[b], starts[b + 1]):
            start, end = end, np.uintp(indptr[i + 1])
            s0 = s1 = s2 = s3 = zero
            k, fours = start, start + (end - start) // four * four
            while k < fours:
                s0 += data[k] * v[np.uintp(indices[k])]
                s1 += data[k + one] * v[np.uintp(indices[k + one])]
                s2 += data[k + two] * v[np.uintp(indices[k + two])]
                s3 += data[k + three] * v[np.uintp(indices[k + three])]
                k += four
            while k < end:
                s0 += data[k] * v[np.uintp(indices[k])]
                k += one
            _add_row(sums, d[i] * ((s0 + s1) + (s2 + s3)), start, end, data, indices)


@loop
def sparse_absolute_gram(first, last, starts, data, indices, indptr, d, v, tau, partial):
    """partial[b] ← Σ_i (|d_i| (|a_i|ᵀv + τ) + τ) |a_i| over the rows a_i of block b: `dense_absolute_gram`, in the
    order of `sparse_gram`.

    d : m, read.   v : n, read.   partial : n a block, written, and read at every entry.
    """
    one, two, three, four, zero = np.uintp(1), np.uintp(2), np.uintp(3), np.uintp(4), partial.dtype.type(0)
    for b in range(first, last):
        sums = partial[b]
        sums[:] = 0
        end = np.uintp(indptr[starts[b]])
        for i in range(starts[b], starts[b + 1]):
            start, end = end, np.uintp(indptr[i + 1])
            s0 = s1 = s2 = s3 = zero
            k, fours = start, start + (end - start) // four * four
            while k < fours:
                s0 += abs(data[k]) * v[np.uintp(indices[k])]
                s1 += abs(data[k + one]) * v[np.uintp(indices[k + one])]
                s2 += abs(data[k + two]) * v[np.uintp(indices[k + two])]
                s3 += abs(data[k + three]) * v[np.uintp(indices[k + three])]
                k += four
            while k < end:
                s0 += abs(data[k]) * v[np.uintp(indices[k])]
                k += one
            c = abs(d[i]) * (((s0 + s1) + (s2 + s3)) + tau) + tau
            for place in range(start, end):
                sums[np.uintp(indices[place])] += c * abs(data[place])


@loop
def sparse_products(first, last, starts, data, indices, indptr, V, zero, out):
    """out_i ← a_iᵀV for the rows a_i of these blocks: `sparse_product` of four vectors.

    V : n × 4, read.   out : m × 4, written.
    """
    one, two, three, four = np.uintp(1), np.uintp(2), np.uintp(3), np.uintp(4)
    end = np.uintp(indptr[starts[first]])
    for i in range(starts[first], starts[last]):
        start, end = end, np.uintp(indptr[i + 1])
        p0 = p1 = p2 = p3 = q0 = q1 = q2 = q3 = r0 = r1 = r2 = r3 = s0 = s1 = s2 = s3 = zero
        k, fours = start, start + (end - start) // four * four
        while k < fours:
            a, j = data[k], np.uintp(indices[k])
            p0, p1, p2, p3 = p0 + a * V[j, 0], p1 + a * V[j, 1], p2 + a * V[j, 2], p3 + a * V[j, 3]
            a, j = data[k + one], np.uintp(indices[k + one])
            q0, q1, q2, q3 = q0 + a * V[j, 0], q1 + a * V[j, 1], q2 + a * V[j, 2], q3 + a * V[j, 3]
            a, j = data[k + two], np.uintp(indices[k + two])
            r0, r1, r2, r3 = r0 + a * V[j, 0], r1 + a * V[j, 1], r2 + a * V[j, 2], r3 + a * V[j, 3]
            a, j = data[k + three], np.uintp(indices[k + three])
            s0, s1, s2, s3 = s0 + a * V[j, 0], s1 + a * V[j, 1], s2 + a * V[j, 2], s3 + a * V[j, 3]
            k += four
        while k < end:
            a, j = data[k], np.uintp(indices[k])
            p0, p1, p2, p3 = p0 + a * V[j, 0], p1 + a * V[j, 1], p2 + a * V[j, 2], p3 + a * V[j, 3]
            k += one
        out[i, 0], out[i, 1] = (p0 + q0) + (r0 + s0), (p1 + q1) + (r1 + s1)
        out[i, 2], out[i, 3] = (p2 + q2) + (r2 + s2), (p3 + q3) + (r3 + s3)


@loop
def sparse_grams(first, last, starts, data, indices, indptr, d, V, partial):
    """partial[b] ← Σ_i d_i a_i (a_iᵀV) over the rows a_i of block b: `sparse_gram` of four vectors.

    d : m, read.   V : n × 4, read.   partial : n × 4 a block, written, and read at every entry.
    """
    one, two, three, four, zero = np.uintp(1), np.uintp(2), np.uintp(3), np.uintp(4), partial.dtype.type(0)
    for b in range(first, last):
        sums = partial[b]
        sums[:] = 0
        end = np.uintp(indptr[starts[b]])
        for i in range(starts[b], starts[b + 1]):
            start, end = end, np.uintp(indptr[i + 1])
            p0 = p1 = p2 = p3 = q0 = q1 = q2 = q3 = r0 = r1 = r2 = r3 = s0 = s1 = s2 = s3 = zero
            k, fours = start, start + (end - start) // four * four
            while k < fours:
                a, j = data[k], np.uintp(indices[k])
                p0, p1, p2, p3 = p0 + a * V[j, 0], p1 + a * V[j, 1], p2 + a * V[j, 2], p3 + a * V[j, 3]
                a, j = data[k + one], np.uintp(indices[k + one])
                q0, q1, q2, q3 = q0 + a * V[j, 0], q1 + a * V[j, 1], q2 + a * V[j, 2], q3 + a * V[j, 3]
                a, j = data[k + two], np.uintp(indices[k + two])
                r0, r1, r2, r3 = r0 + a * V[j, 0], r1 + a * V[j, 1], r2 + a * V[j, 2], r3 + a * V[j, 3]
                a, j = data[k + three], np.uintp(indices[k + three])
                s0, s1, s2, s3 = s0 + a * V[j, 0], s1 + a * V[j, 1], s2 + a * V[j, 2], s3 + a * V[j, 3]
                k += four
            while k < end:
                a, j = data[k], np.uintp(indices[k])
                p0, p1, p2, p3 = p0 + a * V[j, 0], p1 + a * V[j, 1], p2 + a * V[j, 2], p3 + a * V[j, 3]
                k += one
            c0, c1 = d[i] * ((p0 + q0) + (r0 + s0)), d[i] * ((p1 + q1) + (r1 + s1))
            c2, c3 = d[i] * ((p2 + q2) + (r2 + s2)), d[i] * ((p3 + q3) + (r3 + s3))
            for place in range(start, end):
                a, j = data[place], np.uintp(indices[place])
                sums[j, 0] += c0 * a
                sums[j, 1] += c1 * a
                sums[j, 2] += c2 * a
                sums[j, 3] += c3 * a
