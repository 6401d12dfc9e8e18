"""Some rows of blocks as blocks: a fold reads what all folds read, and takes its rows of it.

Of a block a fold has nothing, and then skips it; consecutive rows, which are a view; few rows, which are copied; or
most rows: then it has all of them, and those that are not its own have the weight 0, which costs less than a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .base import Block, Blocks, Each, Kept, as_chosen, starts_of
from .together import Readings

Chosen = slice | np.ndarray  # rows in a row, row numbers, or which of all rows


class RowsOfBlocks:
    """The rows `rows` of shared blocks, all samples with a weight; blocks without any of them are left out.

    Parameters
    ----------
    readings : Readings
    rows : ndarray of int, increasing
    alone : bool
        Whether functions get these rows and no other: where each has a weight that is learned, a 0 would be in
        the way.

    Attributes
    ----------
    rows : tuple of int
        Of each block, as functions get it: with those of weight 0, unless `alone`.
    shape : tuple of int
        (how many rows are chosen, p).
    dtype, n_passes
        As :class:`~lancbio_ref.blocks.Blocks` has them; a reading that is shared counts once.
    """

    def __init__(self, readings: Readings, rows: np.ndarray, *, alone: bool = False) -> None:
        blocks, self.readings = readings.blocks, readings
        found = as_chosen(rows, blocks.rows)
        self._chosen: list[Chosen | None] = [None] * len(blocks.rows)
        for number, own in found:
            self._chosen[number] = _shortest(own, blocks.rows[number], alone)
        self.numbers = [number for number, _ in found]
        self.rows = tuple(_size(self._chosen[number], blocks.rows[number]) for number in self.numbers)
        self.shape, self.dtype, self._offset = (rows.size, blocks.shape[1]), blocks.dtype, None
        self._placed = blocks.place(self._chosen)

    @property
    def n_passes(self) -> int:
        return self.readings.blocks.n_passes

    def keep(self, function: Callable[..., Any], *arguments: Any) -> Kept:
        """``function(block, *arguments)`` of these rows of every block, staying there."""
        return self.readings.blocks.keep(_of_rows, self._placed, self._offset, function, *map(self._spread, arguments))

    def place(self, pieces: Sequence[Any]) -> Kept | Each:
        """One piece a block, to be where the blocks are."""
        return self.readings.blocks.place(self._spread(Each(pieces)).pieces)

    def map(self, function: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
        """``function(block, *arguments)`` of these rows of every block that has any, in the order of the blocks."""
        found = self.readings.map(_of_rows, self._placed, self._offset, function, *map(self._spread, arguments))
        return (result for result in found if result is not None)

    def with_offset(self, offset: np.ndarray) -> RowsOfBlocks:
        """The samples [X 0] + 1bᵀ, X untouched: shape (n, q), q entries in b."""
        new = object.__new__(RowsOfBlocks)
        new.__dict__.update(self.__dict__, _offset=offset, shape=(self.shape[0], offset.size))
        return new

    def take(self, indices: np.ndarray) -> Blocks:
        """Copies of these of the rows."""
        blocks = self.readings.blocks
        starts = starts_of(blocks.rows)
        own = [starts[k] + np.arange(blocks.rows[k])[self._chosen[k]] for k in self.numbers]
        part = blocks.take(np.concatenate(own)[indices])
        return part if self._offset is None else part.with_offset(self._offset)

    def _spread(self, argument: Any) -> Any:
        """Pieces of these blocks as pieces of all."""
        if not isinstance(argument, Each):
            return argument
        pieces: list[Any] = [None] * len(self._chosen)
        for number, piece in zip(self.numbers, argument.pieces, strict=True):
            pieces[number] = piece
        return Each(pieces)


def _shortest(rows: np.ndarray, n: int, alone: bool) -> Chosen:
    """How rows are taken out of n with the least to do."""
    if rows[-1] - rows[0] + 1 == rows.size:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    if alone or 2 * rows.size <= n:
        return rows.astype(np.int32 if n < 2**31 else np.int64)
    mask = np.zeros(n, bool)
    mask[rows] = True
    return mask


def _size(chosen: Chosen | None, n: int) -> int:
    """As many rows as functions get."""
    if isinstance(chosen, slice):
        return int(chosen.stop - chosen.start)
    return n if chosen is None or chosen.dtype == bool else chosen.size


def _of_rows(
    block: Block, chosen: Chosen | None, offset: np.ndarray | None, function: Callable[..., Any], *arguments: Any
) -> Any:
    """``function(rows of block, *arguments)``; None where there are none."""
    if chosen is None:
        return None
    s = np.ones(len(block)) if block.s is None else block.s
    if isinstance(chosen, np.ndarray) and chosen.dtype == bool:
        part = replace(block, s=np.where(chosen, s, s.dtype.type(0)), offset=offset)
    else:
        part = replace(block, X=block.X[chosen], t=block.t[chosen], s=s[chosen], offset=offset)
    return function(part, *arguments)
