"""Folds of samples in blocks: K fits that share every reading.

Each fold is a :class:`~.problem.BlockedProblem` of its rows of the shared blocks. What is asked of all of them is asked
of each in turn, their readings are one (:mod:`lancbio_ref.blocks.together`), and the sums of a fold are its own: its
numbers have the bits that it has alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ...blocks import Blocks
from ...blocks.together import Readings, called
from ...errors import ArgumentError
from ...operators import BlockDiagonal, SideBySide, diagonal_of
from ...operators.base import StructuredOperator
from ..folds import Folds
from ..splits import as_rows, as_splits
from .passes import targets_of
from .problem import BlockedProblem, products_of

T = TypeVar("T")


class FoldsHessian(BlockDiagonal):
    """diag(A_1, …, A_K): the products with all blocks from one reading.

    Parameters
    ----------
    blocks : sequence of operators
    readings : Readings
    """

    def __init__(self, blocks: Sequence[Any], readings: Readings) -> None:
        super().__init__(blocks)
        self._readings = readings

    def _by_blocks(self, products: Sequence[Callable[[np.ndarray], np.ndarray]], v: np.ndarray) -> np.ndarray:
        pieces = np.split(v.ravel(), self._cuts)
        return np.concatenate(self._readings.together(lambda product, piece: product(piece), products, pieces))

    def _matvecs(self, V: np.ndarray) -> np.ndarray | None:
        V = V.astype(self.result_type(V.dtype), copy=False)
        pieces = np.split(V, self._cuts, axis=1)
        return np.concatenate(
            self._readings.together(lambda block, piece: (block @ piece.T).T, self.blocks, pieces), axis=1
        )

    def diagonal(self) -> np.ndarray:
        return np.concatenate(self._readings.together(diagonal_of, self.blocks)).astype(self.dtype, copy=False)

    def norm_bound(self) -> float:
        return max(self._readings.together(lambda structure: structure.norm_bound(), self._structures))


class FoldsCross(SideBySide):
    """(J_1 … J_K): the products with all parts from one reading.

    Parameters
    ----------
    parts : sequence of StructuredOperator
    readings : Readings
    """

    def __init__(self, parts: Sequence[StructuredOperator], readings: Readings) -> None:
        super().__init__(parts)
        self._readings = readings

    def _each(self, function: Callable[..., Any], *columns: Sequence[Any]) -> list[Any]:
        return self._readings.together(function, self.parts, *columns)


class BlockedFolds(Folds):
    """What :func:`~lancbio_ref.problems.generalized_linear` returns for folds of X that is read in blocks.

    Attributes
    ----------
    n_passes : int
        How often the data have been read: once for all folds.
    products_per_pass : float
        As :class:`~.problem.BlockedProblem` has it, a product of all folds counting as one.
    others
        As :class:`~lancbio_ref.problems.Folds` has them.

    Notes
    -----
    *Cost.* Of every block that is read, each fold has the products with its training rows, of which most are all rows
    of the block, some with the weight 0. With many folds these cost more than reading.

    Mini-batches have no folds: take a validation split.
    """

    in_memory = False

    def __init__(
        self, problems: Sequence[BlockedProblem], weights: npt.ArrayLike | None = None, *, readings: Readings
    ) -> None:
        self.readings = readings
        super().__init__(problems, weights)
        self._looked = self.n_passes

    @property
    def products_per_pass(self) -> float:
        return products_of(self.calls) / max(self.n_passes - self._looked, 1)

    @property
    def n_passes(self) -> int:
        return self.readings.blocks.n_passes

    def together(self, *functions: Callable[[], T]) -> list[T]:
        """What these return, all folds of all of them from readings that they share."""
        return self.readings.together(called, functions)

    def _each(self, function: Callable[..., Any], *columns: Sequence[Any]) -> list[Any]:
        return self.readings.together(function, *columns)

    def _diagonal(self, blocks: Sequence[Any]) -> BlockDiagonal:
        return FoldsHessian(blocks, self.readings)

    def _beside(self, parts: Sequence[StructuredOperator]) -> SideBySide:
        return FoldsCross(parts, self.readings)


def rows_of_folds(folds: Any, blocks: Blocks) -> list[tuple[np.ndarray, np.ndarray]]:
    """(training rows, validation rows) of each fold, increasing.

    Parameters
    ----------
    folds : int, splitter, or iterable of pairs of index arrays
        A number K: folds of whole blocks, of which fold k holds out those with the numbers k, k + K, k + 2K, …

    Raises
    ------
    ArgumentError
        More folds than blocks, or fewer than two; rows that are not there.
    """
    n, m = blocks.shape[0], len(blocks.rows)
    if isinstance(folds, (int, np.integer)) and not isinstance(folds, bool):
        if not 2 <= folds <= m:
            raise ArgumentError("folds", folds, f"2 … {m} folds of {m} whole blocks, or a splitter, or index arrays")
        of_row = np.repeat(np.arange(m) % folds, blocks.rows)
        return [(np.flatnonzero(of_row != k), np.flatnonzero(of_row == k)) for k in range(folds)]
    t = np.empty(0)
    if hasattr(folds, "split"):
        t = np.concatenate(list(blocks.map(targets_of)))
    pairs = as_splits(folds, np.broadcast_to(0.0, (n, 1)), t)  # a splitter asks how many rows there are, no more
    return [
        (as_rows(f"folds[{k}][0]", train, n), as_rows(f"folds[{k}][1]", held_out, n))
        for k, (train, held_out) in enumerate(pairs)
    ]
