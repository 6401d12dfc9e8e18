"""What an outer iteration does to its vectors, each operation rounded on its own: the bits of NumPy's expressions."""

from __future__ import annotations

import math

from .compiling import BLOCK, exact


@exact
def step_along(first, last, z, t, g, out):
    """out ← z − t g.

    z, g : n, read.   out : n, written; it may be z or g.
    Moves 2 in, 1 out.
    """
    part = slice(first * BLOCK, last * BLOCK)
    zb, gb, outb = z[part], g[part], out[part]
    for i in range(outb.size):
        outb[i] = zb[i] - t * gb[i]


@exact
def short_step(z, t, g, out):
    """`step_along` for short vectors; returns how many entries of g are no number or infinite.

    z, g : n, read.   out : n, written.
    """
    outside = 0
    for i in range(out.size):
        out[i] = z[i] - t * g[i]
        outside += g[i] - g[i] != 0  # of a finite number that is 0
    return outside


@exact
def difference_and_step(first, last, c, Jv, x, t, h, x_next):
    """h ← c − J v, then x_next ← x − t h.

    c, Jv, x : n, read.   h, x_next : n, written.
    Moves 3 in, 2 out.
    """
    part = slice(first * BLOCK, last * BLOCK)
    cb, Jb, xb, hb, nextb = c[part], Jv[part], x[part], h[part], x_next[part]
    for i in range(hb.size):
        hb[i] = cb[i] - Jb[i]
        nextb[i] = xb[i] - t * hb[i]


@exact
def short_descent(c, Jv, x, t, h, x_next):
    """`difference_and_step` for short vectors; returns how many entries of J v are no number or infinite.

    c, Jv, x : n, read.   h, x_next : n, written.
    """
    outside = 0
    for i in range(h.size):
        h[i] = c[i] - Jv[i]
        x_next[i] = x[i] - t * h[i]
        outside += Jv[i] - Jv[i] != 0
    return outside


@exact
def largest_finite(x):
    """max |x_i|; infinite where an entry is infinite or NaN.

    x : n, read.
    Moves 1 in.
    """
    largest = 0.0
    for i in range(x.size):
        size = abs(x[i])
        if not size <= largest:  # NaN too
            largest = size
            if not math.isfinite(size):
                return math.inf
    return float(largest)


@exact
def short_difference(a, b, out):
    """out ← a − b, for short vectors; returns max |out_i|, infinite where an entry is infinite or NaN.

    a, b : n, read.   out : n, written.
    """
    for i in range(out.size):
        out[i] = a[i] - b[i]
    return largest_finite(out)
