"""The bilevel problem of one fit of a generalized linear model whose samples come in blocks.

It is :class:`~lancbio_ref.problems.GeneralizedLinearProblem`, whose levels, penalties, constants and bounds it has;
what it does itself is to form every sum over samples as one over blocks, in as few passes over X as it can:

* what one y makes of the samples is made once, until y changes, whatever x does;
* the first product A v at a y, the curvatures ℓ″ and, with fixed weights, ∇_y g come from one reading;
* all bounds of the rounding at a point come from one reading of either set.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from ...blocks import added
from ...blocks.base import pieces_of
from ...blocks.together import Readings, called
from ...formation import FormationErrors
from ...rounding import ROUND_UP, Proven
from ..generalized_linear.losses import Loss
from ..generalized_linear.penalty import Penalty
from ..generalized_linear.problem import GeneralizedLinearProblem, Point
from ..generalized_linear.sums import DataConstants, Floor, joined
from ..generalized_linear.weighting import Weighting
from ..once import once
from ..portions import Portion
from ..rounding.generalized_linear import PointErrors
from . import fits, passes
from .fits import Weights
from .samples import BlockedErrors, BlockedFit, BlockedSamples

T = TypeVar("T")


def products_of(calls: dict[str, int]) -> int:
    """Of A and J and of their transposes with a vector, and ∇_y g: what a pass can have several of."""
    return sum(count for name, count in calls.items() if name.endswith("@ v") or name == "lower.grad_y")


class BlockedPoint(Point):
    """All of one (x, y), each part from one pass where it needs any."""

    problem: BlockedProblem

    @once
    def fit(self) -> BlockedFit:  # type: ignore[override]
        return self.problem.fit_at("train", self.y)

    @once
    def validation_fit(self) -> BlockedFit:  # type: ignore[override]
        return self.problem.fit_at("validation", self.y)

    @once
    def w(self) -> Weights:  # type: ignore[override]
        """None where the weights are fixed: every block has its own."""
        return self.problem.weighting.values(self.parameters, self.y.dtype) if self.problem.weighting.n else None

    @property
    def v(self) -> None:  # type: ignore[override]
        """The validation weights, which every block has."""
        return None

    @once
    def errors(self) -> FormationErrors:
        return _BlockedPointErrors(self).known()

    @property
    def validation_loss(self) -> float:
        return self.validation_fit.loss(None)

    @property
    def loss(self) -> float:
        return self.fit.loss(self.w)

    @property
    def longest_row(self) -> float:
        return self.problem.train.longest_row

    @property
    def curvature_bound(self) -> float:
        parts = self.fit.block_errors(self.w, self.problem.weighting.error(self.parameters, self.y.dtype))
        return math.fsum(part.curvature for part in parts) * ROUND_UP

    def floor(self, radius: float) -> Floor:
        fit = self.fit
        return Floor(*added(fit.map(fits.floor, fit.cut(self.w), radius, known=True)))

    def proven_modulus(self, radius: float) -> float:
        """0: it would need as many products as there are coefficients."""
        return 0.0

    def data_constants(self, radius: float | None) -> DataConstants:
        if radius is None:
            return self.problem.constants_everywhere(self.w, self.factors, self.y.dtype)
        found = []
        for fit, w, d, validation in (
            (self.fit, self.w, self.factors, False),
            (self.validation_fit, None, None, True),
        ):
            found += list(fit.map(fits.constants, fit.cut(w), fit.cut(d), radius, validation, known=True))
        return joined(found)


class _BlockedPointErrors(PointErrors):
    """The bounds of one point, from one pass over either set of samples."""

    point: BlockedPoint

    @once
    def train(self) -> BlockedErrors:  # type: ignore[override]
        return BlockedErrors(self.point.fit)

    @once
    def validation(self) -> BlockedErrors:  # type: ignore[override]
        return BlockedErrors(self.point.validation_fit, with_hessian=False)

    def value(self) -> Proven | None:
        return self.point.validation_fit.loss_error()


class BlockedProblem(GeneralizedLinearProblem):
    """What :func:`~lancbio_ref.problems.generalized_linear` returns for X that is read in blocks.

    Attributes
    ----------
    train, validation : BlockedSamples
        ``train.blocks`` and ``train.column_norms`` among them.
    n_samples : tuple of int
        (validation, training) samples, as `minibatch` counts them.
    n_passes, n_passes_upper : int
        How often the training data, and the validation data, have been read.
    products_per_pass : float
        Products with A and J and gradients ∇_y g, over the readings of the training data, but for what looked at it.
    others
        As :class:`~lancbio_ref.problems.GeneralizedLinearProblem` has them.

    Notes
    -----
    *Bounds.* The norm of a sum over blocks is bounded by the sum of theirs, each from its own rows and its own norm.
    Where features are not penalized, no μ is proven: that would take a pass for every coefficient.

    *Memory.* Two blocks, what a block's bounds need (some copies of it), a few vectors like y, and at most 96 MB, in
    the process, of what is kept of samples; with learned weights, x and what goes with it, of length n.

    *Bits.* Those of values, gradients and products depend on where X is cut, not on where it is or on threads.
    """

    in_memory = False
    train: BlockedSamples  # type: ignore[assignment]
    validation: BlockedSamples  # type: ignore[assignment]

    def __init__(
        self,
        train: BlockedSamples,
        validation: BlockedSamples,
        loss: Loss,
        penalty: Penalty,
        weighting: Weighting,
        *,
        intercept: bool,
        centre: tuple[np.ndarray, float] | None = None,
    ) -> None:
        self._fits: dict[str, BlockedFit] = {}
        self._constants: dict[np.dtype, DataConstants] = {}
        super().__init__(train, validation, loss, penalty, weighting, intercept=intercept, centre=centre)  # type: ignore[arg-type]
        self._looked = self.n_passes

    @property
    def n_passes(self) -> int:
        return self.train.blocks.n_passes

    @property
    def n_passes_upper(self) -> int:
        return self.validation.blocks.n_passes

    def together(self, *functions: Callable[[], T]) -> list[T]:
        """What these return, all that they need of the training data from readings that they share."""
        readings: Readings | None = getattr(self.train.blocks, "readings", None)  # a batch has none
        return super().together(*functions) if readings is None else readings.together(called, functions)

    @property
    def products_per_pass(self) -> float:
        return products_of(self.calls) / max(self.n_passes - self._looked, 1)

    def at(self, x: np.ndarray, y: np.ndarray) -> BlockedPoint:
        return BlockedPoint(self, x, y)

    def fit_at(self, level: str, y: np.ndarray) -> BlockedFit:
        """What y makes of the samples ``"train"`` or ``"validation"``: the last fit, where it was of the same y."""
        last = self._fits.get(level)
        if last is None or last.y.dtype != y.dtype or not np.array_equal(last.y, y):
            last = self._fits[level] = getattr(self, level).at(y.copy())
        return last

    def constants_everywhere(self, w: Weights, d: Weights, dtype: np.dtype) -> DataConstants:
        """What the samples say to the Lipschitz constants over all y: once, unless weights are learned."""
        if w is None and dtype in self._constants:
            return self._constants[dtype]
        found = []
        for data, own, slopes, validation in ((self.train, w, d, False), (self.validation, None, None, True)):
            pieces = [None if part is None else pieces_of(data.blocks.rows, part) for part in (own, slopes)]
            arguments = (data.facts, data.rows, data.model, dtype, *pieces, validation)
            found += list(data.blocks.map(passes.everywhere, *arguments))
        if w is None:
            self._constants[dtype] = joined(found)
        return joined(found)

    def portion(self, *, upper: Portion | None, lower: Portion | None) -> BlockedProblem:
        """The problem with its sums over these rows alone, times their factors; see `minibatch`.

        Rows are copied where the blocks are that have them; no other row is read.
        """
        part = BlockedProblem(
            self.train if lower is None else self.train.taken(lower),
            self.validation if upper is None else self.validation.taken(upper),
            self.loss,
            self.penalty,
            self.weighting.portion(lower) if self.weighting.n else self.weighting,
            intercept=self.has_intercept,
            centre=self.centre,
        )
        part._is_portion = True
        return part
