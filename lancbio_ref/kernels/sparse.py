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

*Several* products at once have one vector a column of V, n × k: what an entry gathers lies side by side. The bits are
those of the products one by one.
"""

from __future__ import annotations

import numpy as np

from .compiling import inlined, loop


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
def sparse_gram(first, last, starts, data, indices, indptr, d, v, partial):
    """partial[b] ← Σ_i d_i (a_iᵀv) a_i over the rows a_i of block b: `dense_gram` for a CSR matrix.

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
def _dots(sums, start, end, data, indices, V):
    """sums[0] ← a_iᵀV for the row a_i whose entries are start … end − 1, `sums` being four sums of k entries."""
    one, last = np.uintp(1), start + (end - start) // np.uintp(4) * np.uintp(4)
    sums[:] = 0
    place = start
    while place < end:
        a, column = data[place], np.uintp(indices[place])
        lane = (place - start) % np.uintp(4) if place < last else np.uintp(0)
        for r in range(sums.shape[1]):
            sums[lane, r] += a * V[column, r]
        place += one
    for r in range(sums.shape[1]):
        sums[0, r] = (sums[0, r] + sums[1, r]) + (sums[2, r] + sums[3, r])


@loop
def sparse_products(first, last, starts, data, indices, indptr, V, room, out):
    """out_i ← a_iᵀV for the rows a_i of these blocks, summed in the type of `room`: `sparse_product` of k vectors.

    V : n × k, read.   room : 4 × k a block, written.   out : m × k, written.
    """
    for b in range(first, last):
        sums, end = room[b], np.uintp(indptr[starts[b]])
        for i in range(starts[b], starts[b + 1]):
            start, end = end, np.uintp(indptr[i + 1])
            _dots(sums, start, end, data, indices, V)
            for r in range(V.shape[1]):
                out[i, r] = sums[0, r]


@loop
def sparse_grams(first, last, starts, data, indices, indptr, d, V, room, partial):
    """partial[b] ← Σ_i d_i a_i (a_iᵀV) over the rows a_i of block b: `sparse_gram` of k vectors.

    d : m, read.   V : n × k, read.   room : 4 × k a block, written.   partial : n × k a block, written.
    """
    for b in range(first, last):
        total, sums, end = partial[b], room[b], np.uintp(indptr[starts[b]])
        total[:] = 0
        for i in range(starts[b], starts[b + 1]):
            start, end = end, np.uintp(indptr[i + 1])
            _dots(sums, start, end, data, indices, V)
            for r in range(V.shape[1]):
                sums[0, r] *= d[i]
            for place in range(start, end):
                a, column = data[place], np.uintp(indices[place])
                for r in range(V.shape[1]):
                    total[column, r] += sums[0, r] * a
