"""Fixed blocks, shared among threads: the same bits on any number of them.

A vector of n entries is cut into blocks of `BLOCK` entries whatever the number of threads. A kernel works on the blocks
first … last − 1 of those it is given; what it sums over a block goes to that block's own place, and the places are
added in their order at the end. So the number of threads decides who computes a block, never what is computed.

The kernels release Python's lock, so the threads are ordinary Python threads: nothing here depends on a compiler's
threading layer, and programs that fork, or call from threads of their own, may do so. A thread is worth waking for
`GRAIN` entries or more.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np

from . import kernels, memory
from .errors import ArgumentError
from .kernels import BLOCK

GRAIN = 2**17  # entries that a thread must have to be worth its waking, some 20 µs
VARIABLE = "LANCBIO_NUM_THREADS"


class _Team:
    """How many threads there are, and the pool of all but the caller's own."""

    def __init__(self) -> None:
        self.size, self.pool = 0, None

    def resize(self, size: int) -> None:
        self.size, self.pool = size, None

    def workers(self) -> ThreadPoolExecutor:
        if self.pool is None:
            self.pool = ThreadPoolExecutor(self.size, thread_name_prefix="lancbio_ref")
        return self.pool

    pool: ThreadPoolExecutor | None


_team = _Team()
if hasattr(os, "register_at_fork"):  # threads do not survive a fork: the child makes its own
    os.register_at_fork(after_in_child=lambda: _team.resize(_team.size))


def threads() -> int:
    """How many threads the kernels use: as set, else ``LANCBIO_NUM_THREADS``, else the cores that this process may use.

    Raises
    ------
    ArgumentError
        ``LANCBIO_NUM_THREADS`` is no positive integer.
    """
    if not _team.size:
        wanted = os.environ.get(VARIABLE, "")
        if wanted and not (wanted.isascii() and wanted.isdigit() and int(wanted)):
            raise ArgumentError(VARIABLE, repr(wanted), "a positive integer")
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        _team.resize(int(wanted) if wanted else available or 1)
    return _team.size


def set_threads(count: int) -> None:
    """Use `count` threads from now on, in the whole process. Results do not depend on it.

    Raises
    ------
    ArgumentError
        Not a positive integer.

    Examples
    --------
    >>> from lancbio_ref import parallel
    >>> before = parallel.threads()
    >>> parallel.set_threads(1)
    >>> parallel.threads()
    1
    >>> parallel.set_threads(before)
    """
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
        raise ArgumentError("count", repr(count), "a positive integer")
    _team.resize(int(count))


def run(kernel: Callable[..., None], blocks: int, work: int, *arguments: Any) -> None:
    """``kernel(first, last, *arguments)`` for ranges that make up 0 … blocks, `work` being the entries they touch."""
    if blocks == 1 or work < 2 * GRAIN or (parts := min(work // GRAIN, blocks, threads())) == 1:
        kernel(0, blocks, *arguments)
        return
    ends = [blocks * part // parts for part in range(parts + 1)]
    lock, waiting, helped = Lock(), list(pairwise(ends[1:])), list[Future[None]]()
    held = list(arguments)  # all that a thread has of them: what is asked of a thread may outlive this call

    def help(first: int, last: int) -> None:
        with lock:  # each range is done once, by whoever comes first; what a thread has begun is waited for
            if (first, last) not in waiting:
                return
            waiting.remove((first, last))
            done = Future[None]()
            helped.append(done)
        try:
            kernel(first, last, *held)
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    try:
        with suppress(RuntimeError):  # no thread to be had, as while the interpreter ends: the caller does what is left
            for first, last in tuple(waiting):
                _team.workers().submit(help, first, last)
        kernel(0, ends[1], *arguments)
        while True:
            with lock:
                if not waiting:
                    break
                first, last = waiting.pop()
            kernel(first, last, *arguments)
    finally:
        with lock:
            waiting.clear()
        wait(helped)  # on Ctrl-C too: a caller who goes on finds nobody still writing
        held.clear()
    for other in helped:
        other.result()


def each(kernel: Callable[..., None], n: int, *arguments: Any) -> None:
    """`kernel` over the blocks of vectors of n entries."""
    run(kernel, -(-n // BLOCK), n, *arguments)


def total(kernel: Callable[..., None], n: int, *arguments: Any) -> float:
    """The sum that `kernel` forms over vectors of n entries; it writes one number a block into its last argument."""
    if n == 0:
        return 0.0
    blocks = -(-n // BLOCK)
    partial = np.empty(blocks)
    if blocks == 1:
        kernel(0, 1, *arguments, partial)
        return float(partial[0])
    run(kernel, blocks, n, *arguments, partial)
    return kernels.sum_in_order(partial)


def dot(x: np.ndarray, y: np.ndarray) -> float:
    """Σ x_i y_i for real contiguous vectors, summed in float64."""
    return kernels.short_dot(x, y) if x.size <= BLOCK else total(kernels.dot, x.size, x, y)


def coefficients(Q: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Qᴴw for the rows q_i of Q, shape (k,), float64 or complex128."""
    k, n = Q.shape
    dtype = np.complex128 if "c" in Q.dtype.kind + w.dtype.kind else np.float64
    partial = np.empty((-(-n // BLOCK), k), dtype)
    run(kernels.coefficients, partial.shape[0], k * n, Q, w, partial)
    return added(partial)


def added(partial: np.ndarray) -> np.ndarray:
    """Σ_b partial[b], first to last, shape (k,); float32 is added in float64 and rounded once."""
    if partial.shape[0] == 1:
        return partial[0]
    out = np.empty(partial.shape[1], np.float64 if partial.dtype == np.float32 else partial.dtype)
    run(kernels.add_in_order, -(-out.size // BLOCK), partial.size, partial, out)
    return out.astype(partial.dtype, copy=False)


def subtract_rows(Q: np.ndarray, h: np.ndarray, w: np.ndarray) -> None:
    """w ← w − Σ h_i q_i for the rows of Q.   Writes w."""
    run(kernels.subtract_rows, -(-w.size // BLOCK), Q.size, Q, h, w)


def combination(Q: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Σ h_i q_i for the rows of Q, shape (n,), in the type of Q."""
    out = memory.empty(Q.shape[1], Q.dtype)  # not np.zeros: NumPy asks for large pages for `empty` alone
    combine(Q, h, out)
    return out


def combine(Q: np.ndarray, h: np.ndarray, out: np.ndarray) -> None:
    """out ← Σ h_i q_i for the rows of Q, in the type of both.   Writes out."""
    out[:] = 0
    subtract_rows(Q, np.negative(h, dtype=np.float64), out)


def step_along(z: np.ndarray, t: np.floating, g: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """z − t g, with the bits of NumPy's expression.   Writes `out`, if given."""
    if not (t.dtype == z.dtype and _are_alike(z, g)):
        if out is None:
            return z - t * g
        out[:] = z - t * g
        return out
    if out is None:
        out = memory.empty(z.size, z.dtype)
    each(kernels.step_along, z.size, z, t, g, out)
    return out


def minus(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a − b."""
    return np.subtract(a, b, memory.empty(a.size, a.dtype)) if _are_alike(a, b) else a - b


def plus(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a + b."""
    return np.add(a, b, memory.empty(a.size, a.dtype)) if _are_alike(a, b) else a + b


def times(a: np.ndarray, factor: np.floating) -> np.ndarray:
    """factor · a."""
    return np.multiply(factor, a, memory.empty(a.size, a.dtype)) if factor.dtype == a.dtype else factor * a


def _are_alike(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether both are contiguous vectors of one real type, as compiled loops want them."""
    return a.dtype == b.dtype and a.dtype.char in "fd" and a.flags.carray and b.flags.carray


@np.errstate(under="ignore")
def blockwise(function: Callable[..., np.ndarray], *vectors: np.ndarray) -> np.ndarray:
    """``function(*vectors)``, which works entry by entry, a few blocks at a time.

    What it makes on the way stays in the cache, and nothing of length n is made but the result.
    """
    n, size = vectors[0].size, 8 * BLOCK
    if n <= size:
        return function(*vectors)
    out = memory.empty(n, np.result_type(*vectors))
    for start in range(0, n, size):
        here = slice(start, start + size)
        out[here] = function(*(vector[here] for vector in vectors))
    return out
