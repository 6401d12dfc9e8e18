"""Blocks of rows on the workers of a Dask cluster: X stays there, vectors travel.

    X = [X_1; …; X_m],      Xᵀu = Σ_b X_bᵀu_b       one task a block; whoever asked adds them, b = 1 … m in order

Who computes a block, on how many workers, and in which order they end moves no bit: a task is a pure function of its
block, and its kernels give the same bits on any number of threads. A block is loaded once and kept on a worker; so are
the results of :meth:`DaskBlocks.keep`. All of them are tasks whose graph the scheduler knows: what a worker takes along
when it dies is made again, from the same numbers. Nothing is scattered, for what is scattered lives on one worker and
nobody could make it again; a vector that is `LARGE` times the blocks is a task of its own, and workers hand it on to
each other.

A product is one round trip: all tasks of it go in one message, then their results are gathered at once. What does not
wait for an answer, what is kept and products that do not need each other, goes before it in the same stream.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import numpy as np
import scipy.sparse as sp

from .. import __version__, parallel
from ..arguments import as_array, plain_array
from ..errors import ArgumentError, ClusterError
from ..labels import Classes, as_label_array
from .base import Block, Each, Kept, as_chosen, checked_block, starts_of, with_offset
from .cluster import gathered, require_alive, sent

try:
    from dask.sizeof import sizeof
except ImportError as error:
    raise ImportError("lancbio_ref.blocks.dask needs Dask (pip install dask distributed)") from error

if TYPE_CHECKING:
    from distributed import Client, Future

LARGE = 2**20  # bytes of one product's arguments, all blocks together, above which they travel as a task of their own


@sizeof.register(Block)
def _bytes_of(block: Block) -> int:
    """What the scheduler asks before it sends a block to a worker that has nothing to do."""
    X: Any = block.X
    arrays = (X.data, X.indices, X.indptr) if sp.issparse(X) else (X,)
    return sum(part.nbytes for part in (*arrays, block.t, block.s) if part is not None)


class DaskKept(Kept):
    """One future a block."""

    def __init__(self, futures: list[Future]) -> None:
        self.futures = futures


@dataclass(frozen=True)
class _Call:
    """A function and its arguments, with the numbers of the pieces in the places of those that differ by block.

    Dask looks into tuples and lists for what it has to bring along; into this it does not.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    places: tuple[int, ...]  # −1 where the argument is the same for every block, else which of the pieces it is

    def __call__(self, block: Block, pieces: Sequence[Any]) -> Any:
        pairs = zip(self.arguments, self.places, strict=True)
        return self.function(block, *[own if place < 0 else pieces[place] for own, place in pairs])


class DaskBlocks:
    """Blocks that the workers of a cluster hold; :func:`dask_blocks` makes them.

    Parameters
    ----------
    client : distributed.Client
    futures : list of Future
        Of :class:`~lancbio_ref.blocks.Block`.
    rows : tuple of int
    n_features : int
    dtype : numpy.dtype

    Attributes
    ----------
    rows, shape, dtype, n_passes
        As :class:`~lancbio_ref.blocks.Blocks` says.
    """

    def __init__(
        self, client: Client, futures: list[Future], rows: tuple[int, ...], n_features: int, dtype: np.dtype
    ) -> None:
        self.client, self.futures = client, futures
        self.rows, self.shape, self.dtype, self.n_passes = rows, (sum(rows), n_features), dtype, 0

    def keep(self, function: Callable[..., Any], *arguments: Any) -> DaskKept:
        """``function(block, *arguments)`` of every block, each result on the worker that has the block.

        Nothing is waited for: what goes wrong there is raised by the `map` that needs it.
        """
        return DaskKept(self._submitted(function, arguments))

    def place(self, pieces: Sequence[Any]) -> DaskKept:
        """One piece a block, on the worker that has the block: it travels once, and again when that one dies."""
        return self.keep(_itself, Each(pieces))

    def map(self, function: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
        """``function(block, *arguments)`` of every block, in the order of the blocks.

        The tasks are on their way when this returns, and are waited for when the first result is taken: of two calls
        that do not need each other both are made before either is gone through.

        Raises
        ------
        ClusterError
            The client is closed, the scheduler is gone, no worker is left, or workers died over one task.
        """
        self.n_passes += 1
        return gathered(self.client, self._submitted(function, arguments))

    def with_offset(self, offset: np.ndarray) -> DaskBlocks:
        """The samples [X 0] + 1bᵀ, X untouched: shape (n, q), q entries in b."""
        return self.made_over(with_offset, offset, columns=offset.size - self.shape[1])

    def made_over(self, function: Callable[..., Block], *arguments: Any, columns: int = 0) -> DaskBlocks:
        """``function(block, *arguments)`` in the place of every block, of as many rows and so many columns more.

        The blocks of before go when nobody holds them any more.
        """
        futures = self._submitted(function, arguments)
        return DaskBlocks(self.client, futures, self.rows, self.shape[1] + columns, self.dtype)

    def take(self, indices: np.ndarray) -> DaskBlocks:
        """These rows alone, increasing, each copied where its block is: row numbers travel, X does not."""
        chosen = as_chosen(indices, self.rows)
        rows = [here for _, here in chosen]
        sizes = tuple(here.size for here in rows)
        blocks, starts = [self.futures[old] for old, _ in chosen], starts_of(sizes)[:-1].tolist()
        require_alive(self.client, self.futures)
        futures = sent(self.client, "take", _taken, blocks, rows, range(len(rows)), starts)
        return DaskBlocks(self.client, futures, sizes, self.shape[1], self.dtype)

    def _submitted(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> list[Future]:
        """One task a block, all in one message."""
        require_alive(self.client, self.futures)
        pieces: list[Sequence[Any]] = []
        whole, places = [], []
        for argument in arguments:
            varies = isinstance(argument, (DaskKept, Each))
            whole.append(None if varies else argument)
            places.append(len(pieces) if varies else -1)
            if isinstance(argument, DaskKept):
                pieces.append(argument.futures)
            elif isinstance(argument, Each):
                pieces.append(argument.pieces)
        call: Any = _Call(function, tuple(whole), tuple(places))
        name, size = function.__name__.lstrip("_"), len(self.futures)
        if sizeof(tuple(whole)) * size > LARGE:
            call = self.client.submit(_same, call, pure=False, key=f"{name}-arguments-{uuid4().hex}")
        return sent(self.client, name, _called, self.futures, [call] * size, [_here()] * size, *pieces)


# -- what the workers run: pure functions of their arguments ---------------------------------


def _called(block: Block, call: _Call, home: tuple[str, int], *pieces: Any) -> Any:
    if _here() != home:
        _one_thread()
    return call(block, pieces)


def distinct(block: Block, name: str) -> np.ndarray:
    """The different labels of a block."""
    return np.unique(as_label_array(f"{name}, block {block.index}", block.t))


def coded(block: Block, name: str, classes: Classes) -> Block:
    """With classes 0 … C − 1 in the place of labels."""
    return replace(block, t=classes.codes(f"{name}, block {block.index}", block.t, len(block)))


def _same(call: _Call) -> _Call:
    return call


def _itself(block: Block, piece: Any) -> Any:
    return piece


def _taken(block: Block, rows: np.ndarray, index: int, start: int) -> Block:
    s = None if block.s is None else block.s[rows]
    return replace(block, X=block.X[rows], t=block.t[rows], s=s, index=index, start=start)


def _here() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


@cache
def _one_thread() -> None:
    """A worker computes as many blocks at a time as it was told to: each on one thread, unless its environment says."""
    if not os.environ.get(parallel.VARIABLE):
        parallel.set_threads(1)


class Look(NamedTuple):
    """What a piece of X turned out to be: its rows and columns, its type as a block, and its bytes."""

    rows: int
    columns: int
    dtype: str
    nbytes: int


def look_at(piece: Any, name: str, number: int, version: str) -> Look:
    """Refuses what can be no block; its numbers are looked at by `block_of`."""
    if version != __version__:
        raise ClusterError(
            f"the workers have lancbio_ref {__version__}, not {version}", "install the same there as here"
        )
    X, where = piece[0] if isinstance(piece, tuple) else piece, f"{name}, block {number}"
    shape: tuple[int, ...] = getattr(X, "shape", ())
    if len(shape) != 2:
        raise ArgumentError(where, f"a {type(X).__name__} of shape {shape}", "a 2-D array or sparse matrix")
    if not sp.issparse(X):
        X = as_array(where, X, "a 2-D array of numbers")
    dtype = np.dtype(np.float64) if X.dtype.kind in "biu" else X.dtype
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        raise ArgumentError(where, f"dtype {dtype}", "float32 or float64")
    arrays = (X.data, X.indices, X.indptr) if hasattr(X, "indptr") else (X,)
    return Look(shape[0], shape[1], dtype.newbyteorder("=").name, sum(getattr(part, "nbytes", 0) for part in arrays))


def block_of(piece: Any, t: Any, s: Any, number: int, index: int, start: int, name: str, p: int, dtype: str) -> Block:
    """A block with its targets, checked; `number` is the user's, who may have blocks without rows."""
    X = piece
    where = f"{name}, block {number}"
    if t is None:
        if not isinstance(piece, tuple) or len(piece) not in (2, 3):
            raise ArgumentError(where, f"a {type(piece).__name__} and no t", "(X, t) or (X, t, sample_weight), or t=")
        X, t, *rest = piece
        s = rest[0] if rest else s
    t = plain_array(f"{where}, targets", t, "a vector")
    s = None if s is None else plain_array(f"{where}, sample weights", s, "a vector")
    block = checked_block(name, X, t, s, number, start, p, np.dtype(dtype))
    return replace(block, index=index)


def waited_for(block: Block) -> None:
    """Waits for a block."""
