"""What blocks of samples can do, wherever they are: compute, keep, be added up in one fixed order.

A quantity of all samples is Σ_b f(X_b, t_b, s_b). `f` is a pure module-level function, so that it can be sent to where
a block is and done again where a worker died; its results are added first block to last, in float64, so that the sum
has the same bits on any number of threads or workers, from a file or from memory: they depend on the blocks alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from ..arguments import as_array
from ..errors import ArgumentError
from ..operators.csr import as_csr, in_canonical_order
from ..rounding import is_finite


@dataclass(frozen=True)
class Block:
    """Consecutive samples, in memory and looked at: no NaN, no infinity, no index outside of the matrix.

    Attributes
    ----------
    X : ndarray in C order or csr_array, shape (rows, p), float32 or float64
        Not to be written to, for it may be a page of a file, nor to be held longer than the function of it runs.
    t : ndarray, shape (rows,)
        Targets as they were given.
    s : ndarray, shape (rows,), or None
        Weights of the samples, where they were given.
    index, start : int
        The number of the block, and that of its first row, both from 0.
    offset : ndarray, shape (q,), q ≥ p, or None
        b, where the samples are the rows of [X 0] + 1bᵀ: with a last column of ones, or less the means of the columns.
        Nobody copies X for it: see :mod:`lancbio_ref.operators.offset`.
    """

    X: np.ndarray | sp.csr_array
    t: np.ndarray
    s: np.ndarray | None
    index: int
    start: int
    offset: np.ndarray | None = None

    def __len__(self) -> int:
        return self.X.shape[0]


class Kept:
    """What a function made of every block, and what stays where the blocks are; each kind of blocks has its own."""


@dataclass(frozen=True)
class Each:
    """An argument of which the i-th block gets the i-th piece."""

    pieces: Sequence[Any]


class Blocks(Protocol):
    """Blocks of rows of X with their targets.

    Attributes
    ----------
    rows : tuple of int
        Samples of each block, all above 0.
    shape : tuple of int
        (n, p).
    dtype : numpy.dtype
        Of X in the blocks: float32 or float64.
    n_passes : int
        How often all of X has been read, or gone through where it lies; `map` counts one.

    Notes
    -----
    Of the arguments of `map` and `keep`, a :class:`Kept` and an :class:`Each` give a block their piece of it; all
    others go to every block whole.
    """

    rows: tuple[int, ...]
    shape: tuple[int, int]
    dtype: np.dtype

    @property
    def n_passes(self) -> int:
        """See above."""

    def keep(self, function: Callable[..., Any], *arguments: Any) -> Kept:
        """``function(block, *arguments)`` of every block, staying there; made now or when a `map` first needs it."""

    def place(self, pieces: Sequence[Any]) -> Kept | Each:
        """One piece a block, to be where the blocks are: they travel once."""

    def map(self, function: Callable[..., Any], *arguments: Any) -> Iterable[Any]:
        """``function(block, *arguments)`` of every block, coming in the order of the blocks, to be gone through once.

        The blocks may be visited only as the results are taken: a caller takes them all.
        """

    def with_offset(self, offset: np.ndarray) -> Blocks:
        """The samples [X 0] + 1bᵀ, X untouched: shape (n, q), q entries in b."""

    def take(self, indices: np.ndarray) -> Blocks:
        """These rows alone, increasing, in the blocks they are in; blocks without any of them are left out."""


def added(results: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Σ_b of each place of the tuples, first block to last: arrays in float64, and numbers.

    One array is held for each place, however many blocks there are. A sum of B blocks costs B − 1 roundings.
    """
    total: list[Any] = []
    with np.errstate(over="ignore", invalid="ignore"):
        for result in results:
            if not total:
                wide = [np.result_type(part, np.float64) for part in result]
                total = [
                    part.astype(dtype) if isinstance(part, np.ndarray) else part
                    for part, dtype in zip(result, wide, strict=True)
                ]
                continue
            for place, part in enumerate(result):
                total[place] += part  # in place where it is an array
    return total


def pieces_of(rows: Sequence[int], vector: np.ndarray) -> Each:
    """A vector of all samples, cut as the blocks are."""
    return Each(np.split(vector, np.cumsum(rows)[:-1]))


def starts_of(rows: Sequence[int]) -> np.ndarray:
    """The first row of each block, and the end, shape (blocks + 1,)."""
    return np.concatenate([[0], np.cumsum(rows, dtype=np.int64)])


def checked_block(
    name: str, X: Any, t: np.ndarray, s: np.ndarray | None, index: int, start: int, p: int, dtype: np.dtype
) -> Block:
    """A block of what somebody gave.

    Raises
    ------
    ArgumentError
        Another number of columns or rows, another type, NaN, infinity or an index outside: with the block and the row.
    """
    where = f"{name}, block {index}"
    if not hasattr(X, "shape") or len(X.shape) != 2:
        raise ArgumentError(where, f"a {type(X).__name__}", "a 2-D array or sparse matrix")
    if X.shape[0] == 0:
        raise ArgumentError(where, "no rows", "at least one: leave an empty block out")
    if X.shape[1] != p:
        raise ArgumentError(where, f"{X.shape[1]} columns", f"{p}, as many as the others have")
    own: np.ndarray | sp.csr_array
    if sp.issparse(X):
        own = as_csr(where, _finite_rows(where, X, start))
    else:
        own = in_order(as_array(where, X, "a 2-D array of numbers"))
        _require_finite(where, own, start)
    if own.dtype != dtype:
        raise ArgumentError(where, f"dtype {own.dtype}", f"{dtype}, as the others have: X.astype({str(dtype)!r})")
    for what, vector in (("targets", t), ("sample weights", s)):
        if vector is not None and vector.shape != (own.shape[0],):
            raise ArgumentError(where, f"{what} of shape {vector.shape}", f"one a row, shape ({own.shape[0]},)")
    return Block(own, t, s, index, start)


def seen_before(X: Any, dtype: np.dtype, *, canonical: bool) -> np.ndarray | sp.csr_array:
    """What `checked_block` made of X when it looked at all of it: no number and no index is looked at again.

    Entries of a sparse X that are not `canonical` are put in order, those given twice added, in every reading.
    """
    if not sp.issparse(X):
        return in_order(X.astype(dtype, copy=False))
    X.data = X.data.astype(dtype, copy=False)
    return X if canonical else in_canonical_order(X)


def with_offset(block: Block, offset: np.ndarray) -> Block:
    """The samples [X 0] + 1bᵀ."""
    return replace(block, offset=offset)


def ones_column(p: int, dtype: np.dtype) -> np.ndarray:
    """The offset of a last column of ones: e_{p+1}, shape (p + 1,)."""
    offset = np.zeros(p + 1, dtype)
    offset[p] = 1
    return offset


def in_order(X: np.ndarray) -> np.ndarray:
    """X itself where compiled loops read it as it lies: C order, aligned, the machine's bytes; else a copy."""
    if X.flags.c_contiguous and X.flags.aligned and X.dtype.isnative:
        return X
    return np.array(X, X.dtype.newbyteorder("="), order="C")


def _require_finite(where: str, X: np.ndarray, start: int) -> None:
    if not is_finite(X):
        row, column = np.argwhere(~np.isfinite(X))[0]
        found = f"{X[row, column]} in row {row} of it, row {start + row} of all, column {column}"
        raise ArgumentError(where, found, "finite entries")


def _finite_rows(where: str, X: Any, start: int) -> Any:
    """X; what is not finite in a CSR matrix is named by its row, other formats by `as_csr`."""
    if X.format == "csr" and X.dtype.kind == "f" and not np.isfinite(X.data).all():
        place = int(np.flatnonzero(~np.isfinite(X.data))[0])
        row = int(np.searchsorted(X.indptr, place, side="right")) - 1
        raise ArgumentError(where, f"{X.data[place]} in row {row} of it, row {start + row} of all", "finite entries")
    return X


def as_chosen(indices: np.ndarray, rows: Sequence[int]) -> list[tuple[int, np.ndarray]]:
    """(block, its rows, counted in it) for increasing row numbers, blocks without any left out."""
    starts = starts_of(rows)
    cuts = np.searchsorted(indices, starts)
    return [(k, indices[cuts[k] : cuts[k + 1]] - starts[k]) for k in range(len(rows)) if cuts[k] < cuts[k + 1]]
