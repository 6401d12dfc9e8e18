"""Blocks of one machine: read one at a time, the next one while this one is worked on, and let go of.

What `keep` keeps is made when a `map` first needs it, in that same reading; see :mod:`.keeping` for how long it stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..errors import ArgumentError
from .base import Block, Each, Kept, as_chosen, checked_block, seen_before, starts_of
from .keeping import Made, begin_reading, piece_of
from .source import cuts_of, is_lazy, source_of


class LocalBlocks:
    """Samples in blocks of rows, of which two are in memory at a time.

    Parameters
    ----------
    X : array, memory map, CSR matrix, HDF5 or Zarr array, or list of arrays or CSR matrices, shape (n, p)
        Read and never written to; see :mod:`lancbio_ref.blocks.source`. A list has its own blocks.
    t : array_like, shape (n,), or list of them
        Targets; a memory map stays one.
    s : array_like, shape (n,), or list of them, optional
        Weights of the samples.
    block_rows : int, optional
        Rows of a block; about 16 MB by default. The bits of every sum depend on it.
    name : str
        What error messages call X.

    Attributes
    ----------
    rows, shape, dtype, n_passes
        As :class:`~lancbio_ref.blocks.Blocks` has them.
    targets, sample_weight : array or None
        t and s, as they were given.

    Raises
    ------
    ArgumentError
        No matrix, shapes that do not fit, ragged or empty blocks; when a block is first read, NaN, infinity or indices
        outside of the matrix, with the block and the row.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.blocks import LocalBlocks, added
    >>> blocks = LocalBlocks(np.arange(6.0).reshape(3, 2), np.zeros(3), block_rows=2)
    >>> blocks.rows
    (2, 1)
    >>> added(blocks.map(lambda block: (block.X.sum(axis=0),)))
    [array([6., 9.])]
    >>> blocks.n_passes
    1
    """

    def __init__(self, X: Any, t: Any, s: Any = None, *, block_rows: int | None = None, name: str = "X") -> None:
        self._source = source_of(name, X)
        self._cuts = cuts_of(self._source, block_rows)
        self.rows = tuple(int(n) for n in np.diff(self._cuts))
        self.shape, self.dtype, self.name = self._source.shape, self._source.dtype, name
        self.targets = _one_a_row(f"the targets of {name}", t, self.shape[0])
        self.sample_weight = None if s is None else _one_a_row(f"the sample weights of {name}", s, self.shape[0])
        self.n_passes = 0
        self._canonical: list[bool | None] = [None] * len(self.rows)  # whether its entries are in order; None: unseen
        self._offset: np.ndarray | None = None

    def keep(self, function: Callable[..., Any], *arguments: Any) -> Kept:
        """``function(block, *arguments)`` of every block: made when a `map` needs it, and kept or made again."""
        return Made(function, arguments)

    def place(self, pieces: Sequence[Any]) -> Each:
        """One piece a block, which are here already."""
        return Each(pieces)

    def map(self, function: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
        """``function(block, *arguments)`` of one block after another; a block is read when its result is asked for."""
        self.n_passes += 1
        begin_reading(arguments)
        for block in self._blocks():
            yield function(block, *(piece_of(argument, block) for argument in arguments))

    def with_offset(self, offset: np.ndarray) -> LocalBlocks:
        """The samples [X 0] + 1bᵀ, X untouched: shape (n, q), q entries in b."""
        new = object.__new__(LocalBlocks)
        new.__dict__.update(self.__dict__, _offset=offset, shape=(self.shape[0], offset.size))
        return new

    def take(self, indices: np.ndarray) -> LocalBlocks:
        """Copies of these rows, increasing, in the blocks they are in; blocks without any of them are left out."""
        chosen = as_chosen(np.asarray(indices), self.rows)
        parts, starts = [], starts_of(self.rows)
        for k, rows in chosen:
            part = self._source.take(rows + starts[k])
            parts.append(checked_block(self.name, part, rows, None, k, 0, self._source.shape[1], self.dtype).X)
            self._source.release(int(starts[k]), int(starts[k + 1]))
        s = None if self.sample_weight is None else np.asarray(self.sample_weight[indices])
        new = LocalBlocks(parts, np.asarray(self.targets[indices]), s, name=self.name)
        return new if self._offset is None else new.with_offset(self._offset)

    # -- one block after another -----------------------------------------------------------

    def _blocks(self) -> Iterator[Block]:
        ends = [(int(a), int(b)) for a, b in zip(self._cuts[:-1], self._cuts[1:], strict=True)]
        if not self._source.waits or len(ends) == 1:
            for k, (start, stop) in enumerate(ends):
                yield self._read(k, start, stop)
                self._source.release(start, stop)
            return
        k = 0
        try:
            with ThreadPoolExecutor(1) as reader:
                self._source.expect(*ends[0])
                coming = reader.submit(self._ahead, 0, ends)
                for k in range(len(ends)):
                    block = coming.result()
                    if k + 1 < len(ends):
                        coming = reader.submit(self._ahead, k + 1, ends)
                    yield block
                    del block
        finally:  # nobody reads any more
            for start, stop in ends[max(k - 1, 0) : k + 2]:
                self._source.release(start, stop)

    def _ahead(self, k: int, ends: list[tuple[int, int]]) -> Block:
        """Block k, by the thread that reads, which first lets go of the last block but one; that of before is in use.

        The disk has the next one to go on with when it has ended this one.
        """
        if k > 1:
            self._source.release(*ends[k - 2])
        if k + 1 < len(ends):
            self._source.expect(*ends[k + 1])
        return self._read(k, *ends[k])

    def _read(self, k: int, start: int, stop: int) -> Block:
        X = self._source.read(start, stop)
        t = np.asarray(self.targets[start:stop])
        s = None if self.sample_weight is None else np.asarray(self.sample_weight[start:stop])
        if (canonical := self._canonical[k]) is not None:
            return Block(seen_before(X, self.dtype, canonical=canonical), t, s, k, start, self._offset)
        block = checked_block(self.name, X, t, s, k, start, self._source.shape[1], self.dtype)
        self._canonical[k] = not sp.issparse(X) or bool(X.has_canonical_format)
        return replace(block, offset=self._offset)


def _one_a_row(name: str, values: Any, n: int) -> Any:
    """A vector of n entries that can be sliced: as it is, or a list of vectors as one."""
    if isinstance(values, (list, tuple)) and values and all(np.ndim(part) == 1 for part in values):
        values = np.concatenate([np.asarray(part) for part in values])
    if not isinstance(values, np.ndarray) and not is_lazy(values):
        values = np.asarray(values)
    if tuple(values.shape) != (n,):
        raise ArgumentError(name, f"shape {tuple(values.shape)}", f"one a row of X, shape ({n},)")
    return values
