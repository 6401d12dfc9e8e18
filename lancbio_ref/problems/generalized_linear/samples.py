"""Samples with targets and fixed weights, and what scores s_i = Y x_i make of them: losses, residuals, curvatures.

    ∇_Y Σ_i w_i ℓ(s_i, t_i) = Σ_i w_i r_i x_iᵀ,      r_i = ∇ℓ(s_i, t_i)

A fit has all of one y, computed when first needed and shared by every derivative; of the multinomial loss it is the
:class:`~lancbio_ref.problems.classification.Fit` of data cleaning, of the others a :class:`ScalarFit`.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from ...arguments import Operator, as_array, as_vector
from ...errors import ArgumentError
from ...operators import DesignMatrix, DiagonalLowRank, GeneralizedLinear, MultinomialCross, MultinomialHessian
from ...operators.base import StructuredOperator
from ...rounding import ROUND_UP, binary_exponent, smallest_subnormal, unit_roundoff
from ..classification import MOST_CLASSES, Fit
from ..portions import Portion
from ..rounding.model import sums
from .losses import Loss, Multinomial, ScalarLoss
from .losses.multinomial import LARGEST, STEEPEST


class Samples:
    """Features, targets and fixed weights that sum to one.

    Parameters
    ----------
    name : str
        ``""`` or ``"_val"``: of X, t and the weights in messages.
    X : array_like or sparse matrix, shape (n, p)
    t : array_like, shape (n,)
        As the loss takes them.
    sample_weight : array_like, shape (n,), optional
        ≥ 0, not all 0; equal by default.
    loss : Loss
    intercept : bool
        Whether a column of ones is appended.

    Attributes
    ----------
    design : DesignMatrix, shape (n, q)
    t : ndarray, shape (n,)
        ``labels`` is another name of it.
    base : ndarray, shape (n,), float64
        s_i/Σs; of a portion of other samples, theirs times a factor.
    roundings : int
        That `base` has had, and one for a type that is not float64.
    """

    roundings = 4

    def __init__(
        self,
        name: str,
        X: Operator,
        t: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
        loss: Loss,
        *,
        intercept: bool,
    ) -> None:
        if not sp.issparse(X):
            X = as_array(f"X{name}", X, "shape (samples, features)")
        if X.ndim != 2 or 0 in X.shape:
            raise ArgumentError(f"X{name}", f"shape {X.shape}", "shape (samples, features), with at least one of each")
        self.design = DesignMatrix(X, name=f"X{name}")
        n = self.design.shape[0]
        if intercept:
            X, ones = self.design.X, np.ones((n, 1), self.design.dtype)
            stacked = sp.hstack([X, sp.csr_array(ones)], format="csr") if sp.issparse(X) else np.hstack([X, ones])
            self.design = DesignMatrix(stacked)
        self.t = loss.targets(f"t{name}", t, n)
        self.labels = self.t
        if isinstance(loss, Multinomial) and loss.n_classes > MOST_CLASSES and self.design.dtype == np.float32:
            raise ArgumentError("n_classes", loss.n_classes, f"at most {MOST_CLASSES} in float32: the proof of softmax")
        weight = np.ones(n) if sample_weight is None else as_vector(f"sample_weight{name}", sample_weight, n)
        self.base = normalized(f"sample_weight{name}", weight)

    @classmethod
    def of_checked(cls, design: DesignMatrix, t: np.ndarray, base: np.ndarray) -> Samples:
        """Of parts that have been looked at already: a block, whose weights need not sum to one."""
        samples = object.__new__(cls)
        samples.design, samples.t, samples.labels, samples.base = design, t, t, base
        return samples

    def __len__(self) -> int:
        return self.design.shape[0]

    def portion(self, portion: Portion | None) -> Samples:
        """These rows alone, their weights times the factor, copied once; of no rows, one whose weight is 0."""
        if portion is None:
            return self
        rows, times = (portion.rows, portion.times) if portion.rows.size else (np.zeros(1, np.intp), 0.0)
        part = object.__new__(Samples)
        part.design, part.t, part.base = self.design.rows(rows), self.t[rows], times * self.base[rows]
        part.labels, part.roundings = part.t, self.roundings + 2
        return part


def normalized(name: str, weight: np.ndarray) -> np.ndarray:
    """Non-negative numbers over their sum, in float64, to two roundings; :class:`ArgumentError` where that is 0."""
    weight = weight.astype(np.float64)
    if weight.min() < 0:
        raise ArgumentError(name, f"the weight {weight.min()}", "weights >= 0")
    if not weight.any():
        raise ArgumentError(name, "weights that are all 0", "at least one weight > 0")
    weight = np.ldexp(weight, -binary_exponent(weight) - 1)  # no sum overflows
    return weight / math.fsum(weight)


class ScalarFit:
    """Scores, losses, residuals and curvatures of a loss of one score a sample, at one y.

    Parameters
    ----------
    data : Samples
    loss : ScalarLoss
    y : ndarray, shape (q,)
    scores : ndarray, shape (n,), optional
        X y, where it is at hand.
    """

    def __init__(self, data: Samples, loss: ScalarLoss, y: np.ndarray, scores: np.ndarray | None = None) -> None:
        self.data, self.loss, self.y = data, loss, y
        self.scores = data.design.operator.matvec(y) if scores is None else scores
        self.t = data.t.astype(self.scores.dtype, copy=False)

    @cached_property
    def losses(self) -> np.ndarray:
        """ℓ(s_i, t_i), shape (n,)."""
        return self.loss.value(self.scores, self.t)

    @cached_property
    def R(self) -> np.ndarray:
        """r_i = ℓ′(s_i, t_i), shape (n, 1)."""
        return self.loss.derivative(self.scores, self.t)[:, None]

    @cached_property
    def curvatures(self) -> np.ndarray:
        """ℓ″(s_i, t_i), shape (n,)."""
        return self.loss.curvature(self.scores, self.t)

    @cached_property
    def score_error(self) -> np.ndarray:
        """≥ |ŝ_i − s_i|: the rounding of X y, (g |X||y|)_i, and pη where it underflows; float64, shape (n,)."""
        operator, dtype = self.data.design.operator, self.scores.dtype
        error = operator.product_factor(dtype) * operator.abs_product(np.abs(self.y)) * ROUND_UP
        return error + (operator.shape[1] + 1) * smallest_subnormal(dtype)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Xᵀ(w ∘ r), shape (q,)."""
        return self.data.design.operator.rmatvec(w * self.R[:, 0])

    def hessian(self, w: np.ndarray, D: np.ndarray) -> StructuredOperator:
        """Xᵀ diag(w ∘ ℓ″) X + diag(D)."""
        return GeneralizedLinear(self.data.design, w * self.curvatures, D)

    def cross(self, d: np.ndarray) -> MultinomialCross:
        """Row i is d_i r_i x_i."""
        return MultinomialCross(self.data.design, self.R, d)

    def curvature_range(self, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(least, largest) ℓ″ for scores within `widths` of those of the exact product X y."""
        widths = widths + self.score_error
        scores = self.scores.astype(np.float64)
        return self.loss.curvature_range(scores - widths * ROUND_UP, scores + widths * ROUND_UP, self.t)

    def slope(self, widths: np.ndarray) -> np.ndarray:
        """Lipschitz constants of ℓ″ there."""
        widths = widths + self.score_error
        scores = self.scores.astype(np.float64)
        return self.loss.slope(scores - widths * ROUND_UP, scores + widths * ROUND_UP, self.t)


class MultinomialFit(Fit):
    """The same of C scores a sample, y a (C, q) matrix, flattened."""

    data: Samples

    def __init__(self, data: Samples, Y: np.ndarray, scores: np.ndarray | None = None) -> None:
        super().__init__(data, Y, scores)

    @cached_property
    def score_error(self) -> np.ndarray:
        """≥ ‖ŝ_i − s_i‖: √C γ_p‖x_i‖ max_c‖Y_c‖, and what underflows."""
        design, dtype = self.data.design, self.logits.dtype
        rows = np.sqrt((self.Y.astype(np.float64) ** 2).sum(axis=1)).max() * ROUND_UP
        error = sums(design.row_terms + 2, unit_roundoff(dtype)) * design.row_norms * float(rows)
        return np.sqrt(self.Y.shape[0]) * (error + (design.shape[1] + 1) * smallest_subnormal(dtype)) * ROUND_UP

    def hessian(self, w: np.ndarray, D: np.ndarray) -> StructuredOperator:
        """Σ w_i M(p_i) ⊗ x_i x_iᵀ + diag(D), and what pins the intercepts' mean where there are any."""
        return DiagonalLowRank(D, base=MultinomialHessian(self.data.design, self.P, w))

    def cross(self, d: np.ndarray) -> MultinomialCross:
        """Row i is d_i r_i ⊗ x_i."""
        return MultinomialCross(self.data.design, self.R, d)

    def curvature_range(self, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(least, largest) with least Π ⪯ M(p_i) ⪯ largest I for scores within `widths` of the exact ones."""
        move = np.sqrt(2.0) * (widths + self.score_error) * ROUND_UP
        smallest = self.P.min(axis=1).astype(np.float64) * (1 - 2.0**-9)  # p̂ is off by less, scores apart
        least = (smallest - 4 * float(np.finfo(self.P.dtype).smallest_normal)) * np.exp(-move) * (1 - 2.0**-40)
        return np.maximum(least, 0.0), np.full(len(widths), LARGEST)

    def slope(self, widths: np.ndarray) -> np.ndarray:
        """1/√2 everywhere."""
        return np.full(len(widths), STEEPEST)


def fit_of(data: Samples, loss: Loss, y: np.ndarray, scores: np.ndarray | None = None) -> ScalarFit | MultinomialFit:
    """What y makes of these samples."""
    if isinstance(loss, Multinomial):
        return MultinomialFit(data, y.reshape(loss.n_classes, -1), scores)
    return ScalarFit(data, loss, y, scores)
