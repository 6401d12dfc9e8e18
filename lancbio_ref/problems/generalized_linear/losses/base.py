"""What a loss ℓ(s, t) of one score s and one target t must say of itself, so that every certificate follows.

A loss is a file: ℓ, ℓ′ and ℓ″ in s, how each rounds, and between which numbers ℓ″ stays on an interval of scores. From
that :mod:`lancbio_ref.problems.generalized_linear` has g, its derivatives, μ, ‖A‖, ‖J‖ and Lipschitz constants, and
:mod:`lancbio_ref.problems.rounding.generalized_linear` the rounding of all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ....arguments import as_vector

SLACK = 2.0**-40  # relative, of what is evaluated in float64 on intervals: more than any rounding in there


class ScalarLoss(ABC):
    """ℓ(s, t), convex and once continuously differentiable in s.

    Attributes
    ----------
    name : str
        What ``loss=`` calls it.
    is_smooth : bool
        Whether ℓ″ has one finite Lipschitz constant over all scores; where not, constants are those of a ball.

    Notes
    -----
    `s` and `t` have one floating-point type, whose unit roundoff is `u`; the three errors are absolute, in float64, and
    bound what is returned against ℓ, ℓ′, ℓ″ at the floats s and t. `least`, `largest` and `slope` are float64.
    """

    name: ClassVar[str]
    is_smooth: ClassVar[bool] = True

    def targets(self, name: str, t: npt.ArrayLike, n: int) -> np.ndarray:
        """n targets, checked: any finite numbers."""
        return as_vector(name, t, n)

    @abstractmethod
    def value(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        """ℓ, shape (n,)."""

    @abstractmethod
    def derivative(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        """ℓ′, shape (n,)."""

    @abstractmethod
    def curvature(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        """ℓ″ ≥ 0, shape (n,); where it jumps, either of its two values."""

    @abstractmethod
    def value_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        """≥ |fl(ℓ) − ℓ|, shape (n,)."""

    @abstractmethod
    def derivative_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        """≥ |fl(ℓ′) − ℓ′|, shape (n,)."""

    @abstractmethod
    def curvature_error(self, s: np.ndarray, t: np.ndarray, u: float) -> np.ndarray:
        """≥ |fl(ℓ″) − ℓ″|, shape (n,)."""

    @abstractmethod
    def curvature_range(self, low: np.ndarray, high: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(least, largest) ℓ″ on [low, high], each of shape (n,); the ends may be infinite."""

    @abstractmethod
    def slope(self, low: np.ndarray, high: np.ndarray, t: np.ndarray) -> np.ndarray:
        """A Lipschitz constant of ℓ″ on [low, high], shape (n,); infinite where ℓ″ jumps in there."""

    def mean(self, s: np.ndarray) -> np.ndarray:
        """What a score predicts: E[t], or the score itself."""
        return s

    def intercept_at(self, mean: float) -> float:
        """A score whose prediction is about this mean of the targets; a start, of which nothing is proven."""
        return mean


def wide(*arrays: np.ndarray) -> list[np.ndarray]:
    """In float64."""
    return [np.asarray(array, np.float64) for array in arrays]


def tiny(s: np.ndarray) -> float:
    """The smallest normal number of the type of s: more than what an underflow costs."""
    return float(np.finfo(s.dtype).smallest_normal)
