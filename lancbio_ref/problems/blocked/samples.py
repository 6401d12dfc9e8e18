"""Samples in blocks, and what one y makes of them: the sums of the family, each a pass, several from one where it can.

    Σ_i w_i r_i ⊗ x_i = Σ_b (the block's part),     A = Σ_b A_b + diag D,     J = [J_1; J_2; …]

Parts are added first block to last in float64 and rounded once into the type of y: with parts that are off by ε_b,

    ‖fl(Σ ĝ_b) − Σ g_b‖ ≤ Σ ε_b + (γ_B + u) Σ ‖ĝ_b‖.

A fit's scores are kept, or made again from a block at hand; the first product A v of a fit whose weights are fixed
gives its gradient too, from the same reading.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...blocks import Blocks, Each, Kept, added
from ...blocks.base import pieces_of
from ...errors import ArgumentError
from ...operators.base import StructuredOperator
from ...rounding import ROUND_UP, Proven, gamma, smallest_subnormal, unit_roundoff
from ..generalized_linear.losses import Loss
from ..generalized_linear.samples import normalized
from ..portions import Portion
from ..rounding.model import proven
from . import fits, passes
from .fits import BlockErrors, Weights
from .operators import BlockedCross, BlockedHessian
from .passes import Model

Watched = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True)
class Shape:
    """What the family asks of a design matrix that is nowhere in one piece."""

    shape: tuple[int, int]
    dtype: np.dtype


class BlockedSamples:
    """Samples in blocks with what the bounds need of them, from one pass.

    Parameters
    ----------
    name : str
        ``""`` or ``"_val"``: of t and the weights in messages.
    blocks : Blocks
        With a last column of ones where there is an intercept.
    loss : Loss
    watched : callable (results, blocks) → results
        Shows how far the pass is.
    mean : float
        What the targets are less of.

    Attributes
    ----------
    blocks : Blocks
    model : Model
    facts : Each
        :class:`~lancbio_ref.problems.blocked.passes.Facts` of each block.
    design, t
        Of the shape and the types that there are, and without entries.
    column_norms : ndarray, shape (q,), float64
        ‖X e_j‖₂.
    has_weights : bool
        Whether the samples have weights of their own.
    roundings : int
        That the weights have had, three and one of a batch, and one for a type that is not float64.
    """

    roundings = 5

    def __init__(self, name: str, blocks: Blocks, loss: Loss, watched: Watched, mean: float = 0.0) -> None:
        self.blocks, self.name, self.rows = blocks, name, blocks.keep(passes.rows_of)  # ≥ ‖x_i‖₂
        self.model = Model(loss, name, blocks.shape[0], mean=mean)
        facts, squares = [], np.zeros(blocks.shape[1])
        for fact, own in watched(blocks.map(passes.survey_and_squares, self.rows, self.model), len(blocks.rows)):
            facts.append(fact)
            squares += own
        self.facts, self.column_norms = Each(facts), np.sqrt(squares)
        self.has_weights = facts[0].has_weights
        if self.has_weights:
            exponent = max(fact.exponent for fact in facts)
            total = math.fsum(math.ldexp(fact.weight, fact.exponent - exponent) for fact in facts)
            if not total > 0:
                raise ArgumentError(f"sample_weight{name}", "weights that are all 0", "at least one weight > 0")
            self.model = replace(self.model, total=total, exponent=exponent)
        self.t = np.empty(0, np.result_type(*(fact.targets for fact in facts)))
        self.has_bounds = True

    @property
    def design(self) -> Shape:
        return Shape(self.blocks.shape, self.blocks.dtype)

    def __len__(self) -> int:
        return self.blocks.shape[0]

    @property
    def longest_row(self) -> float:
        return max(fact.longest for fact in self.facts.pieces)

    @property
    def base(self) -> np.ndarray:
        """s_i/Σs of all samples, for weights that are learned; a pass."""
        if not self.has_weights:
            return np.full(len(self), 1 / len(self))
        return normalized(f"sample_weight{self.name}", np.concatenate(list(self.blocks.map(passes.weights_of))))

    def taken(self, portion: Portion) -> BlockedSamples:
        """These rows alone, their weights times the factor. No bounds are known."""
        part = object.__new__(BlockedSamples)
        part.blocks = self.blocks.take(portion.rows)
        part.name, part.column_norms, part.t = self.name, self.column_norms, self.t
        part.model = replace(self.model, scale=self.model.scale * portion.times)
        part.rows, part.facts = part.blocks.keep(passes.rows_of), Each([None] * len(part.blocks.rows))
        part.has_bounds, part.has_weights = False, self.has_weights
        return part

    def at(self, y: np.ndarray) -> BlockedFit:
        """What y makes of them."""
        return BlockedFit(self, y)


class BlockedFit:
    """What :class:`~lancbio_ref.problems.generalized_linear.samples.ScalarFit` is for samples in one piece.

    Parameters
    ----------
    data : BlockedSamples
    y : ndarray, shape (C q,)

    Notes
    -----
    Weights `w` are None, for the fixed ones, or an array of all samples.
    """

    def __init__(self, data: BlockedSamples, y: np.ndarray) -> None:
        self.data, self.blocks, self.y = data, data.blocks, y
        self.scores = self.blocks.keep(passes.scores_of, data.model, y)
        self._gradients: list[tuple[Weights, np.ndarray]] = []
        self._errors: dict[float, list[BlockErrors]] = {}
        self._asked = 0  # who waits for a gradient in a reading that others share

    @property
    def common(self) -> tuple[Model, np.ndarray, Kept]:
        """What every pass has of this fit."""
        return self.data.model, self.y, self.scores

    def map(self, function: Callable[..., Any], *arguments: Any, known: bool = False) -> Iterable[Any]:
        """``function(fit, *arguments)`` of the fit of every block; for bounds with what is `known` of its samples."""
        facts = (self.data.facts, self.data.rows) if known else (None, None)
        return self.blocks.map(passes.of_fit, function, *facts, *self.common, *arguments)

    def keep(self, function: Callable[..., Any], *arguments: Any) -> Kept:
        """The same, staying where the blocks are."""
        return self.blocks.keep(passes.of_fit, function, None, None, *self.common, *arguments)

    def cut(self, w: Weights) -> Each | None:
        """As the blocks are."""
        return None if w is None else pieces_of(self.blocks.rows, w)

    def knows_gradient(self, w: Weights) -> bool:
        """Whether `gradient` of these weights needs no pass, or is on its way."""
        return self._asked > 0 or any(known is w for known, _ in self._gradients)

    def learn_gradient(self, w: Weights, sums: np.ndarray) -> np.ndarray:
        """Σ w_i r_i ⊗ x_i, from a pass that had it beside."""
        self._gradients = [(w, sums.astype(self.y.dtype))]
        return self._gradients[0][1]

    def gradient(self, w: Weights) -> np.ndarray:
        """Σ w_i r_i ⊗ x_i, shape (C q,)."""
        for known, gradient in self._gradients:
            if known is w:
                return gradient.copy()
        self._asked += 1
        try:
            (sums,) = added(self.map(fits.gradient, self.cut(w)))
        finally:
            self._asked -= 1
        return self.learn_gradient(w, sums).copy()

    def hessian(self, w: Weights, D: np.ndarray) -> StructuredOperator:
        """Σ w_i ℓ″_i ⊗ x_i x_iᵀ + diag D."""
        return BlockedHessian(self, w, D)

    def cross(self, d: np.ndarray) -> StructuredOperator:
        """Row i is d_i r_i ⊗ x_i."""
        return BlockedCross(self, d)

    def loss(self, w: Weights) -> float:
        """Σ w_i ℓ_i."""
        return math.fsum(self.map(fits.loss, self.cut(w)))

    @property
    def losses(self) -> np.ndarray:
        """ℓ_i, shape (n,)."""
        return np.concatenate(list(self.map(fits.losses)))

    # -- bounds ------------------------------------------------------------------------

    def block_errors(self, w: Weights, of_w: float, with_hessian: bool = True) -> list[BlockErrors]:
        """Of each block, from one pass."""
        if of_w not in self._errors:
            self._errors[of_w] = list(self.map(fits.errors, self.cut(w), of_w, with_hessian, known=True))
        return self._errors[of_w]

    def loss_error(self) -> Proven | None:
        """Of Σ b_i ℓ_i."""
        parts = list(self.map(fits.loss_error, known=True))
        total = math.fsum(parts) * (1 + 4 * unit_roundoff(np.float64))
        return proven(total, 2 * unit_roundoff(np.float64) * self.loss(None))


@dataclass(frozen=True)
class BlockedErrors:
    """How the sums of a fit round: `ScalarErrors` of every block, and the additions of the blocks."""

    fit: BlockedFit
    with_hessian: bool = True

    def gradient(self, w: Weights, of_w: float) -> Proven | None:
        """Σ ε_b + (γ_B + u) Σ ‖ĝ_b‖."""
        parts, dtype = self.fit.block_errors(w, of_w, self.with_hessian), self.fit.y.dtype
        additions = gamma(len(parts) + 1, 2.0**-53) + unit_roundoff(dtype)
        own, size = math.fsum(part.gradient for part in parts), math.fsum(part.size for part in parts)
        return proven(own * ROUND_UP, additions * size * ROUND_UP, self.fit.y.size * smallest_subnormal(dtype))

    def hessian(self, w: Weights, of_w: float) -> Proven | None:
        """Σ ε_b: A is the exact sum of what the blocks have in hand."""
        return proven(math.fsum(part.hessian for part in self.fit.block_errors(w, of_w, self.with_hessian)))

    def cross(self, d: np.ndarray, of_d: float) -> Proven | None:
        """√Σ ε_b²."""
        parts = self.fit.map(fits.cross_errors, self.fit.cut(d), of_d, known=True)
        return proven(math.hypot(*parts) * ROUND_UP)
