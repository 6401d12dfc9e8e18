"""What is kept of the blocks of one machine: results of functions of them, as long as there is room.

All that is kept takes `KEPT_BYTES` at most, in the whole process. What finds no room is made again from the block at
hand, for a product costs less than a reading: the functions are pure, so that the bits are the same.

Whoever needs room gets it from those that no reading has asked for since the last began to, the longest forgotten
first. So a solve, which asks for nothing but curvatures in one reading after another, has all of them soon; the scores
that they were made of, and the norms of rows, for which a bound asks once, give way.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock
from typing import Any
from weakref import WeakSet

import numpy as np

from .base import Block, Each, Kept

KEPT_BYTES = 3 * 2**25  # 96 MB: 16 bytes a sample of 6 million
_ABSENT = object()


class Made(Kept):
    """A function of blocks, and its results so far as there is room for them.

    Parameters
    ----------
    function : callable (block, *arguments)
    arguments : tuple
        Of which a :class:`Made` and an :class:`~lancbio_ref.blocks.Each` give a block their piece of it.
    """

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.function, self.arguments = function, arguments
        self.pieces: dict[int, Any] = {}
        self.held, self.asked = 0, 0  # bytes of the pieces; the last reading that asked for one
        self._last: tuple[int, Any] = (-1, None)

    def piece(self, block: Block) -> Any:
        """Its result of this block."""
        self.asked = _room.reading
        if (kept := self.pieces.get(block.index, _ABSENT)) is not _ABSENT:
            return kept
        if self._last[0] == block.index:  # of two functions that need it in one reading
            return self._last[1]
        made = self.function(block, *(piece_of(argument, block) for argument in self.arguments))
        if not _room.has(self, block.index, made):
            self._last = block.index, made
        return made


class _Room:
    """Who keeps how much, and how many readings there have been."""

    def __init__(self) -> None:
        self.reading = 0
        self._all: WeakSet[Made] = WeakSet()  # who keeps anything
        self.unlock()

    def unlock(self) -> None:
        """In a process that was forked, where whoever held the lock is not."""
        self._lock = Lock()

    def has(self, one: Made, index: int, made: Any) -> bool:
        """Whether there is room for the piece of `one` with this index, which then is kept."""
        size = size_of(made)
        with self._lock:
            free = KEPT_BYTES - sum(other.held for other in self._all)
            if size > free:
                forgotten = [other for other in self._all if other.asked < self.reading and other.pieces]
                for other in sorted(forgotten, key=lambda other: other.asked):
                    while size > free and other.pieces:
                        given = size_of(other.pieces.popitem()[1])
                        other.held, free = other.held - given, free + given
            if size <= free:
                one.pieces[index], one.held = made, one.held + size
                self._all.add(one)
            return size <= free


_room = _Room()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_room.unlock)


def begin_reading(arguments: tuple[Any, ...]) -> None:
    """From now on what is not among these, and nobody asks for, makes room."""
    _room.reading += 1
    for argument in arguments:
        if isinstance(argument, Made):
            argument.asked = _room.reading


def piece_of(argument: Any, block: Block) -> Any:
    """What a function of this block gets of an argument."""
    if isinstance(argument, Made):
        return argument.piece(block)
    return argument.pieces[block.index] if isinstance(argument, Each) else argument


def size_of(made: Any) -> int:
    """Bytes of the arrays in it."""
    if isinstance(made, np.ndarray):
        return made.nbytes
    return sum(map(size_of, made)) if isinstance(made, (tuple, list)) else 0
