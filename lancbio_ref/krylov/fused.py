"""What a Lanczos step does to its vectors, as functions of arrays.

Blocks and threads, the real view of a complex vector and the case in which w lies where p_{j−1} was are seen to here;
the loops themselves are in :mod:`lancbio_ref.kernels`. Vectors are contiguous, of one type and of length n; the caller
owns them, and what is written is named.
"""

from __future__ import annotations

import numpy as np

from .. import kernels, parallel
from ..rounding import real_view


def dot_after(q: np.ndarray, Aq: np.ndarray, beta: float, p_before: np.ndarray) -> float:
    """Re qᴴ(Aq − β p_before), in float64."""
    if q.dtype.kind == "c":
        q, Aq, p_before = real_view(q), real_view(Aq), real_view(p_before)
    return parallel.total(kernels.dot_after, q.size, q, Aq, beta, p_before)


def next_vector(Aq: np.ndarray, beta: float, p_before: np.ndarray, alpha: float, p: np.ndarray, w: np.ndarray) -> float:
    """w ← (Aq − β p_before) − α p; returns ‖w‖², summed in float64.   Writes w, which may be `p_before` itself."""
    in_place = w is p_before
    if w.dtype.kind == "c":
        Aq, p_before, p, w = real_view(Aq), real_view(p_before), real_view(p), real_view(w)
    if in_place:  # one vector less to move
        return parallel.total(kernels.next_in_place, w.size, Aq, beta, alpha, p, w)
    return parallel.total(kernels.next_vector, w.size, Aq, beta, p_before, alpha, p, w)


def divide(w: np.ndarray, beta: float) -> None:
    """w ← w/β.   Writes w."""
    if w.dtype.kind == "c":
        w = real_view(w)
    parallel.each(kernels.divide, w.size, w, beta)


def descend(p: np.ndarray, multiplier: float, q: np.ndarray, x: np.ndarray, step: float) -> None:
    """p ← q − l p, l the multiplier, then x ← x + step·p.   Writes p and x."""
    if p.dtype.kind == "c":
        p, q, x = real_view(p), real_view(q), real_view(x)
    parallel.each(kernels.descend, p.size, p, multiplier, q, x, step)


def subtract(w: np.ndarray, vectors: np.ndarray, duals: np.ndarray) -> np.ndarray:
    """w ← w − Σ_i p_i (q_iᴴw) for the rows q_i of `vectors`, p_i of `duals`; returns the q_iᴴw.   Writes w."""
    h = parallel.coefficients(vectors, w)
    parallel.subtract_rows(duals, h, w)
    return h


def subtract_some(w: np.ndarray, vectors: np.ndarray, duals: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`subtract` for these rows alone; h has one number for each of them.   Writes w."""
    blocks, size = -(-w.size // kernels.BLOCK), rows.size * w.size
    partial = np.empty((blocks, rows.size), np.complex128 if w.dtype.kind == "c" else np.float64)
    parallel.run(kernels.coefficients_of, blocks, size, vectors, rows, w, partial)
    h = parallel.added(partial)
    parallel.run(kernels.subtract_some, blocks, size, duals, rows, h, w)
    return h


def combine_into(Q: np.ndarray, S: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """out_r ← Σ_i s_ic q_i, r = rows[c], for every column c of S; Q is read once.   Writes these rows of `out`."""
    blocks = -(-Q.shape[1] // kernels.BLOCK)
    parallel.run(kernels.combine_into, blocks, Q.size + rows.size * Q.shape[1], Q, np.negative(S), rows, out)
