"""Memory of vectors, written again when nobody holds what is in it.

An iteration makes some dozens of vectors of length n, and drops as many. Where they are long, memory that is given back
to the system and asked for again has to be cleared page by page first, which takes as long as what is done with it. So
a run has a :class:`Memory`, and within its iterations :func:`empty` hands out an earlier array instead, as soon as
*nobody but the memory refers to it*: Python counts that, and a view refers to its array. What a state, a callback or a
callable that remembers its last argument holds therefore stays as it is, as if every vector were made anew, and there
is no rule that anybody could break.

The basis of a solve is a thousand times as long, and touched for the first time each of its pages costs more than a
step does with it. Where one call makes many solves a :class:`Pages` keeps these pages from solve to solve.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar, cast

import numpy as np

from .kernels import BLOCK

MOST = 64  # arrays that a memory remembers: the oldest is then left to whoever holds it
PIECES = 2  # of memory for bases
F = TypeVar("F", bound=Callable[..., Any])


class _Current(threading.local):
    memory: Memory | None = None
    pages: Pages | None = None


_current = _Current()


class Memory:
    """Arrays that were handed out; a context in which :func:`empty`, in this thread, asks it first.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import memory
    >>> with memory.Memory():
    ...     first = memory.empty(10**5, np.dtype(float))
    ...     place = first.ctypes.data
    ...     second = memory.empty(10**5, np.dtype(float))  # not where `first` is, which is held
    ...     held = second.ctypes.data != place
    ...     del first
    ...     held, memory.empty(10**5, np.dtype(float)).ctypes.data == place
    (True, True)
    """

    def __init__(self) -> None:
        self._made: list[np.ndarray] = []
        self._outer: list[Memory | None] = []

    def __enter__(self) -> Memory:
        self._outer.append(_current.memory)
        _current.memory = self
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        _current.memory = self._outer.pop()

    def empty(self, n: int, dtype: np.dtype) -> np.ndarray:
        """An array of shape (n,) that nobody else holds; what is in it is anything."""
        for vector in self._made:
            if sys.getrefcount(vector) <= _ALONE and vector.size == n and vector.dtype == dtype:
                return vector
        vector = np.empty(n, dtype)
        if len(self._made) >= MOST:
            del self._made[0]
        self._made.append(vector)
        return vector


class Pages:
    """The pages of the bases of solves in one call: a context, at the end of which they are given back.

    There are two pieces of memory at most (vectors and, with a preconditioner, their duals), as large as the largest
    basis so far; the system backs what of them has been written. A piece is lent where nobody else refers to it. Within
    another such context this one is that other one.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import memory
    >>> with memory.Pages():
    ...     place = memory.rows((3, 10**5), np.dtype(float)).ctypes.data
    ...     memory.rows((2, 10**5), np.dtype(float)).ctypes.data == place
    True
    """

    def __init__(self) -> None:
        self._pieces: list[np.ndarray] = []
        self._outer: Pages | None = None

    def __enter__(self) -> Pages:
        self._outer = _current.pages
        _current.pages = self._outer or self
        return _current.pages

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        _current.pages = self._outer
        self._pieces.clear()

    def rows(self, count: int, n: int, dtype: np.dtype) -> np.ndarray:
        """An array of shape (count, n) that nobody else holds; what is in it is anything."""
        size, small = count * n * dtype.itemsize, None
        for piece in self._pieces:
            if sys.getrefcount(piece) <= _ALONE:
                if piece.size >= size:
                    return piece[:size].view(dtype).reshape(count, n)
                small = piece
        if small is not None:  # given back before there is a larger one
            self._pieces = [piece for piece in self._pieces if piece is not small]
            del piece, small
        if len(self._pieces) >= PIECES:
            return np.empty((count, n), dtype)
        self._pieces.append(np.empty(size, np.uint8))
        return self._pieces[-1].view(dtype).reshape(count, n)

    @property
    def nbytes(self) -> int:
        """Of address space; resident is what has been written."""
        return sum(piece.nbytes for piece in self._pieces)


def rows(shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """``np.empty(shape, dtype)``, out of the pages of the call that this thread is in, for a basis that ends with
    its solve.

    np.empty, for NumPy asks for large pages for it alone: the first touch of a row of np.zeros costs 20 times more.
    """
    if shape[1] <= BLOCK or (pages := _current.pages) is None:
        return np.empty(shape, dtype)
    return pages.rows(*shape, dtype)


def _alone() -> int:
    """References to an array in a list, as `Memory.empty` counts them."""
    made = [np.empty(1)]
    for vector in made:
        return sys.getrefcount(vector)
    return 0


_ALONE = _alone()


def empty(n: int, dtype: np.dtype) -> np.ndarray:
    """``np.empty(n, dtype)``, out of the memory of the run that this thread is in where n is worth it."""
    if n <= BLOCK or (memory := _current.memory) is None:
        return np.empty(n, dtype)
    return memory.empty(n, dtype)


def copied(array: np.ndarray) -> np.ndarray:
    """A copy of a vector, in such memory."""
    copy = empty(array.size, array.dtype)
    copy[:] = array
    return copy


def holds(array: np.ndarray) -> bool:
    """Whether the memory of the run refers to `array`: then that is one of its references."""
    if array.size <= BLOCK or (memory := _current.memory) is None:
        return False
    return any(made is array for made in memory._made)


def kept_by_its_state(step: F) -> F:
    """A ``step`` of a method, within a memory that goes from state to state; a copy of a state begins another."""

    @wraps(step)
    def stepping(method: Any, problem: Any, state: Any) -> Any:
        memory, outer = state.__dict__.get("_memory") or Memory(), _current.memory
        _current.memory = memory
        try:
            new = step(method, problem, state)
        finally:
            _current.memory = outer
        new.__dict__["_memory"] = memory
        return new

    return cast(F, stepping)
