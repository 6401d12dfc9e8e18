"""Finite sums with unequal terms: batches of their samples that have the whole as their mean.

    Σ_i b_i a_i  ≈  (n/|B|) Σ_{i ∈ B} b_i a_i,       B drawn uniformly from n samples without replacement

A sample is in B with probability |B|/n, so the right is the left on average, whatever the weights b are; they are not
normalized over B, which would bias it. That also holds for the samples of several sums counted one after the other:
each sum takes what falls to it, with the factor of all, and one that nothing falls to has the data term 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from ..minibatch import LEVELS, as_indices
from ..problem import BilevelProblem


@dataclass(frozen=True)
class Portion:
    """Rows of one level, and what their terms are multiplied with.

    Attributes
    ----------
    rows : ndarray of int
        Increasing; may be empty.
    times : float
    """

    rows: np.ndarray
    times: float

    def of(self, start: int, stop: int) -> Portion:
        """The rows in start … stop − 1, counted from start."""
        first, last = np.searchsorted(self.rows, (start, stop))
        return Portion(self.rows[first:last] - start, self.times)


class FiniteSum(BilevelProblem):
    """A problem that can be made on a part of its samples.

    Attributes
    ----------
    n_samples : tuple of int
        Validation and training samples, as `minibatch` counts them.
    """

    n_samples: tuple[int, int]
    in_memory = True  # whether `portion` can take rows out of it
    _origin: tuple[FiniteSum, dict[str, np.ndarray | None]] | None = None  # of a batch: the whole, and which rows

    def portion(self, *, upper: Portion | None, lower: Portion | None) -> FiniteSum:
        """The problem with its sums over these rows alone, times their factors; None is all rows, as they are."""
        raise NotImplementedError

    def minibatch(self, *, upper: npt.ArrayLike | None = None, lower: npt.ArrayLike | None = None) -> FiniteSum:
        """The problem with its sums over these rows only, times n/|B|; the penalty stays what it is, and so does x.

        Its gradients and products have those of the whole problem as their mean over all batches of one size. It
        carries no Lipschitz constants.

        Parameters
        ----------
        upper, lower : array_like of int, optional
            Rows of the validation and of the training samples, increasing; None means all. Those of folds are counted
            one fold after the other.

        Raises
        ------
        ArgumentError
            No rows, rows that are not increasing or not there; folds of problems that are no finite sums.
        """
        if not hasattr(self, "n_samples"):
            raise ArgumentError("problem", "parts that are no finite sums", "parts of problems.generalized_linear")
        whole, known = (self, dict.fromkeys(LEVELS)) if self._origin is None else self._origin
        chosen: dict[str, np.ndarray | None] = dict(known)
        for level, rows, total in zip(LEVELS, (upper, lower), self.n_samples, strict=True):
            if rows is not None:
                own, before = as_indices(level, rows, total), known[level]
                chosen[level] = own if before is None else before[own]
        portions = {
            level: None if rows is None else Portion(rows, total / rows.size)
            for (level, rows), total in zip(chosen.items(), whole.n_samples, strict=True)
        }
        part = whole.portion(upper=portions["upper"], lower=portions["lower"])
        part._origin = whole, chosen
        return part
