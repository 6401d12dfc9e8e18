"""Vectors in compiled steps (:mod:`.steps`): norms, and sums of rows, by the kernels and blocks of the Python path."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels
from ..kernels import BLOCK, FIRST, compiled
from ..rounding import SAFE_SQUARES

LOW, HIGH = SAFE_SQUARES
OPTIONS: dict[str, Any] = dict(nogil=True, error_model="numpy")
_sources: Any = [module.__file__ for module in (kernels.vectors, kernels.compiling)]
within = compiled(no_cpython_wrapper=True, no_cfunc_wrapper=True, sources=_sources, **OPTIONS)  # Python calls none


@within
def total(partial):
    """What `parallel.total` returns."""
    return partial[0] if partial.size == 1 else kernels.sum_in_order(partial)


@within
def norm(x, partial):
    """`rounding.norm2`."""
    kernels.dot(FIRST, partial.size, x, x, partial)
    square = total(partial)
    if LOW < square < HIGH:
        return math.sqrt(square)
    largest = 0.0
    for i in range(x.size):
        size = abs(np.float64(x[i]))
        if not size <= largest:  # NaN too
            largest = size
            if size != size:
                break
    if largest == 0 or not math.isfinite(largest):
        return largest
    exponent = math.frexp(largest)[1]
    scaled = np.empty(x.size)
    for i in range(x.size):
        scaled[i] = math.ldexp(np.float64(x[i]), -exponent)
    kernels.dot(FIRST, partial.size, scaled, scaled, partial)
    return math.ldexp(math.sqrt(total(partial)), exponent)


@within
def all_finite(x):
    finite = True
    for i in range(x.size):
        finite = finite and math.isfinite(x[i])
    return finite


@within
def subtract(w, vectors):
    """`fused.subtract`, of rows that are their own duals.   Writes w."""
    blocks, k = -(-w.size // BLOCK), vectors.shape[0]
    partial = np.empty((blocks, k))
    kernels.coefficients(FIRST, blocks, vectors, w, partial)
    if blocks == 1:
        h = partial[0]
    else:
        h = np.empty(k)
        kernels.add_in_order(FIRST, -(-k // BLOCK), partial, h)
    kernels.subtract_rows(FIRST, blocks, vectors, h, w)


@within
def combination(Q, y, x):
    """x ← Σ y_i q_i for the rows q_i of Q; y changes its sign.   Writes x and y."""
    for i in range(y.size):
        y[i] = -y[i]
    x[:] = 0
    kernels.subtract_rows(FIRST, -(-x.size // BLOCK), Q, y, x)
