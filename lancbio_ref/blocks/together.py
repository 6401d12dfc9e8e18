"""Readings that several computations share: folds of the same rows, ∇_y g beside A v and J v; each is written as if it
were alone.

Each computation asks for sums over blocks by :meth:`Readings.map`, and waits. When all that are under way wait, one
reading of the blocks serves them all, a block's result to each in turn; then they go on. So K fits take as many
readings as the one that needs the most of them, and no formula knows of it. One of them may have computations of its
own that go together: it then asks for what they ask for.

They are coroutines, kept apart by a thread each because they wait in the middle of what calls them: exactly one runs at
any time, in a fixed order, and each has its own sums, so that no bit depends on who shares a reading with whom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from threading import Semaphore, Thread
from typing import Any

import numpy as np

from .base import Block, Blocks

_running: ContextVar[_Part | None] = ContextVar("_running", default=None)


@dataclass(frozen=True)
class _Request:
    """``function(block, *arguments)`` of every block."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class _Stopped(BaseException):
    """Another computation failed, and this one is not to go on; nothing should catch it."""


_END = object()  # of the results of a reading


class Readings:
    """Blocks whose readings are shared.

    Parameters
    ----------
    blocks : Blocks

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.blocks import LocalBlocks
    >>> from lancbio_ref.blocks.together import Readings
    >>> blocks = LocalBlocks(np.arange(6.0).reshape(3, 2), np.zeros(3), block_rows=2)
    >>> readings = Readings(blocks)
    >>> def twice(factor):
    ...     total = sum(readings.map(lambda block: factor * block.X.sum()))
    ...     return float(total + sum(readings.map(lambda block: total)))
    >>> readings.together(twice, [1, 10]), blocks.n_passes
    ([45.0, 450.0], 2)
    """

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks

    def map(self, function: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
        """As that of the blocks: in a reading that others share, where this is called by what runs `together`."""
        part = _running.get()
        if part is None or part.readings is not self:
            return iter(self.blocks.map(function, *arguments))
        return _received(part, _Request(function, arguments))

    def together(self, function: Callable[..., Any], *columns: Sequence[Any]) -> list[Any]:
        """``function(*row)`` for every row of the columns, their readings shared.

        What one of them raises ends all of them, and is raised.
        """
        rows = list(zip(*columns, strict=True))
        if len(rows) == 1:
            return [function(*row) for row in rows]
        parts = [_Part(self, function, row) for row in rows]
        try:
            for part in parts:
                part.resume(None)
            going = [part for part in parts if part.request is not None]
            while going:
                going = self._served(going)
        finally:
            for part in parts:
                part.stop()
        return [part.result for part in parts]

    def _served(self, waiting: list[_Part]) -> list[_Part]:
        """One reading for all of them; those that then wait for another."""
        requests = [part.request for part in waiting if part.request is not None]
        functions, sizes = [one.function for one in requests], [len(one.arguments) for one in requests]
        taking = list(waiting)
        for results in self.map(_several, functions, sizes, *(a for one in requests for a in one.arguments)):
            for part, result in zip(waiting, results, strict=True):
                if part in taking:
                    part.resume(result)
            taking = [part for part in taking if not part.done and part.request is None]  # others need no more of it
        for part in taking:
            part.resume(_END)
        return [part for part in waiting if part.request is not None]


def called(function: Callable[[], Any]) -> Any:
    """What it returns: for :meth:`Readings.together` of different functions."""
    return function()


def _received(part: _Part, request: _Request) -> Iterator[Any]:
    """The results of a reading that others share."""
    result = part.wait(request)
    while result is not _END:
        yield result
        result = part.wait(None)


class Shared:
    """Blocks whose readings what runs together shares; all else is the blocks' own.

    Parameters
    ----------
    blocks : Blocks

    Attributes
    ----------
    readings : Readings
    rows, shape, dtype, n_passes
        As :class:`~lancbio_ref.blocks.Blocks` has them.
    """

    def __init__(self, blocks: Blocks) -> None:
        self.readings = Readings(blocks)
        self.rows, self.shape, self.dtype = blocks.rows, blocks.shape, blocks.dtype
        self.keep, self.place, self.take = blocks.keep, blocks.place, blocks.take
        self.map = self.readings.map

    @property
    def n_passes(self) -> int:
        return self.readings.blocks.n_passes

    def with_offset(self, offset: np.ndarray) -> Shared:
        """The samples [X 0] + 1bᵀ, X untouched, whose readings are others."""
        return Shared(self.readings.blocks.with_offset(offset))


def _several(block: Block, functions: list[Callable[..., Any]], sizes: list[int], *arguments: Any) -> list[Any]:
    """The results of several requests, whose arguments lie one after the other."""
    results, first = [], 0
    for function, size in zip(functions, sizes, strict=True):
        results.append(function(block, *arguments[first : first + size]))
        first += size
    return results


class _Part:
    """One computation, which runs while whoever resumed it waits.

    Attributes
    ----------
    readings : Readings
        Which it takes part in; those of other blocks are its own.
    request : _Request or None
        The reading that it waits for; None while it waits for the next result of one.
    done : bool
        Whether it has ended.
    """

    def __init__(self, readings: Readings, function: Callable[..., Any], row: tuple[Any, ...]) -> None:
        self.readings = readings
        self.request: _Request | None = None
        self.done = False
        self.result: Any = None
        self._error: BaseException | None = None
        self._go, self._back = Semaphore(0), Semaphore(0)
        self._inbox: Any = None
        context = copy_context()  # NumPy's error settings are in it
        self._thread = Thread(target=context.run, args=(self._run, function, row), daemon=True)
        self._thread.start()

    def _run(self, function: Callable[..., Any], row: tuple[Any, ...]) -> None:
        _running.set(self)
        try:
            self._received()
            self.result = function(*row)
        except BaseException as error:
            self._error = error
        self.done, self.request = True, None
        self._back.release()

    def wait(self, request: _Request | None) -> Any:
        """In the computation: wait for a reading, or for the next result of it."""
        self.request = request
        self._back.release()
        return self._received()

    def _received(self) -> Any:
        self._go.acquire()
        if isinstance(self._inbox, _Stopped):
            raise self._inbox
        return self._inbox

    def resume(self, value: Any) -> None:
        """Outside: give it what it waits for, and wait until it waits again or has ended."""
        self.request, self._inbox = None, value
        self._go.release()
        self._back.acquire()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End it, wherever it is."""
        while not self.done:
            self._inbox = _Stopped()
            self._go.release()
            self._back.acquire()
        self._thread.join()
