"""Loops over the rows of sparse m × n matrices in CSR form.

Block b has the rows starts[b] … starts[b + 1] − 1. `data` and `indices` have an entry for each stored number,
`indptr` m + 1: all three are read, the first two once. What is gathered from v, and scattered to a row of `partial`,
costs more than they do.

A row may have three entries: no view of it is made and no function called, either costs as much as the row. Two sums,
for one would wait for itself; unsigned places, which need no test for counting from the end. The loop over a_iᵀv stands
in two kernels: as a function that Numba puts into both it is three times slower (measured).
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
    one, end = np.uintp(1), np.uintp(indptr[starts[first]])
    for i in range(starts[first], starts[last]):
        start, end = end, np.uintp(indptr[i + 1])
        even = odd = zero
        k = start
        while k + one < end:
            even += data[k] * v[np.uintp(indices[k])]
            odd += data[k + one] * v[np.uintp(indices[k + one])]
            k += one + one
        if k < end:
            even += data[k] * v[np.uintp(indices[k])]
        out[i] = even + odd


@loop
def sparse_gram(first, last, starts, data, indices, indptr, d, v, partial):
    """partial[b] ← Σ_i d_i (a_iᵀv) a_i over the rows a_i of block b: `dense_gram` for a CSR matrix.

    d : m, read.   v : n, read.   partial : n a block, written, and read at every entry.
    """
    one, zero = np.uintp(1), partial.dtype.type(0)
    for b in range(first, last):
        sums = partial[b]
        sums[:] = 0
        end = np.uintp(indptr[starts[b]])
        for i in range(starts[b], starts[b + 1]):
            start, end = end, np.uintp(indptr[i + 1])
            even = odd = zero
            k = start
            while k + one < end:
                even += data[k] * v[np.uintp(indices[k])]
                odd += data[k + one] * v[np.uintp(indices[k + one])]
                k += one + one
            if k < end:
                even += data[k] * v[np.uintp(indices[k])]
            _add_row(sums, d[i] * (even + odd), start, end, data, indices)


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
