"""The machine's memory bandwidth: the triad a ← b + s c on arrays far larger than any cache, 24 bytes an entry."""

from common import interleaved, part


def measure(threads: int) -> dict:
    import numpy as np
    from numba import njit

    from lancbio_ref import parallel
    from lancbio_ref.kernels import BLOCK

    @njit(nogil=True)
    def triad(first, last, a, b, s, c):
        here = slice(first * BLOCK, last * BLOCK)
        ab, bb, cb = a[here], b[here], c[here]
        for i in range(ab.size):
            ab[i] = bb[i] + s * cb[i]

    n = 2 * 10**7
    a, b, c = (np.ones(n) for _ in range(3))
    times = interleaved({"triad": lambda: parallel.each(triad, n, a, b, 2.0, c)}, seconds=3)["triad"]
    return dict(triad=times, bytes_per_second=24 * n / times["median"], n=n)


if __name__ == "__main__":
    part(measure)
