"""Rounding in logistic regression and data cleaning: logits, probabilities, residuals, and what is summed of them.

*Logits.* ŝ_i = fl(Y x_i) is off by at most σ_i = γ_p‖x_i‖ max_c‖Y_c‖ + pη, entrywise; of
a sparse X the p are those of its fullest row, and the n below those of its fullest column.

*Probabilities.* Subtracting the largest logit costs u|z| more, z_i the width of ŝ_i (at most ζ, beyond which
exponentials are zero), and (e_c/Σe)(1 + O(u)) passes errors of its exponents on as e^{±2·}. With C classes and the
deflation of :func:`~lancbio_ref.operators.multinomial.softmax`,

    |p̂_ic − p_ic| ≤ κ_i p_ic + η_min,   1 + κ_i = e^{2(σ_i + u z_i)} (1 + (2C + 8)u + 2ε_exp),

and never more than 1; so ‖p̂_i − p_i‖ ≤ δ_i = min(√2, κ_i/(1 − κ_i)‖p̂_i‖ + √C η_min). Of the two-class residual
−tσ(−ts) and curvature σ(s)σ(−s) the logarithms are 1-Lipschitz in s: κ_i = e^{σ_i}(1 + …) − 1, and e^σ − 1 ≤ σ + σ²
for σ < 1.

*Sums.* r̂_i = p̂_i − e_{l_i} is off by δ_i + u‖r̂_i‖. With weights ŵ_i = w_i(1 + ω),

    ‖fl(Σ ŵ_i r̂_i x_iᵀ) − Σ w_i r_i x_iᵀ‖_F ≤ Σ_i ŵ_i (δ_i + (γ_{n+2} + ω)‖r̂_i‖) ‖x_i‖ + underflow.

*Hessian.* M(p) = diag p − p pᵀ has ‖M(p̂) − M(p)‖ ≤ δ_∞ + δ(‖p̂‖ + ‖p‖) ≤ 3δ, and ‖M‖ ≤ ½. So Â is off by at most
‖Σ m_i I ⊗ x_i x_iᵀ‖ with m_i = ŵ_i(3δ_i + ω/2); for two classes m_i = ŵ_i ĉ_i κ_i.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...formation import FormationErrors
from ...kernels import extremes
from ...operators import DesignMatrix
from ...operators.multinomial import curvature_bound
from ...operators.norms import row_norms
from ...rounding import ROUND_UP, Proven, U, norm2, rounding_factor, smallest_normal, smallest_subnormal, unit_roundoff
from ..classification import BinaryFit, Fit
from ..elementary import FUNCTION_UNITS, SIGMOID_UNITS
from . import loops
from .model import chain, proven, sums

if TYPE_CHECKING:
    from ..data_cleaning import DataCleaning
    from ..logistic import Logistic


@dataclass(frozen=True)
class FitErrors:
    """What is known of a fit, one number a sample, and the sums of it.

    Attributes
    ----------
    residual, residual_error : ndarray, shape (n,)
        ‖r̂_i‖, of any type, and a bound of ‖r̂_i − r_i‖.
    loss_error, curvature_error : ndarray, shape (n,)
        A bound of what CE_i is off by, and of ‖M(p̂_i) − M(p_i)‖, or of |ĉ_i − c_i|; formed when they are asked for.
    """

    fit: Fit
    residual: np.ndarray
    residual_error: np.ndarray
    of_curvature: Callable[[], np.ndarray]
    of_loss: Callable[[], np.ndarray]

    @cached_property
    def curvature_error(self) -> np.ndarray:
        return self.of_curvature()

    @cached_property
    def loss_error(self) -> np.ndarray:
        return self.of_loss()

    @property
    def _rows(self) -> np.ndarray:
        return self.fit.data.design.row_norms

    def gradient(self, w: np.ndarray, of_w: float) -> Proven | None:
        """Σ w_i r_i x_iᵀ: w in hand, relatively wrong by `of_w` (and by what underflows)."""
        design, dtype = self.fit.data.design, w.dtype
        u, tiny, (n, p) = unit_roundoff(dtype), smallest_normal(dtype), design.shape
        classes, factor = self.fit.Y.shape[0], chain(_of_sums(design, dtype), of_w, 4 * u)
        each = loops.weighted_sum(w, 1 + of_w, self.residual_error, factor, self.residual, self._rows)
        underflow = (math.sqrt(classes) + 2) * tiny * design.sum_of_row_norms + n * classes * p * tiny
        return proven(each, underflow)

    def hessian(self, w: np.ndarray, of_w: float) -> Proven | None:
        """Σ w_i M(p_i) ⊗ x_i x_iᵀ."""
        m = w.astype(np.float64) * (self.curvature_error + of_w) + smallest_normal(w.dtype)
        return proven(2 * curvature_bound(self.fit.data.design, m * ROUND_UP))

    def cross(self, d: np.ndarray, of_d: float) -> Proven | None:
        """The matrix whose row i is d_i r_i ⊗ x_i."""
        design, tiny = self.fit.data.design, smallest_normal(d.dtype)
        each = d.astype(np.float64) * ((1 + of_d) * self.residual_error + of_d * self.residual) + tiny * (
            self.residual + 1
        )
        return proven(min(norm2(each * self._rows), float(each.max()) * design.norm))

    def mean_loss(self) -> Proven | None:
        """mean_i CE_i, summed in float64."""
        n = len(self.residual)
        return proven(
            float(self.loss_error.mean()), sums(n + 4, 2.0**-53) * float(np.mean(self.fit.losses, dtype=np.float64))
        )

    def weighted_loss(self, w: np.ndarray) -> float:
        return float(w.astype(np.float64) @ self.loss_error)


def _of_sums(design: DesignMatrix, dtype: np.dtype) -> float:
    """What the sums over samples round by in :func:`~lancbio_ref.operators.design.transposed_product`."""
    if dtype == np.float64:
        return sums(design.column_terms + 2, U)
    _, samples, pieces = design.counts()
    return rounding_factor(samples + 2, pieces + 4, unit_roundoff(dtype))


def fit_errors(fit: Fit) -> FitErrors:
    """Of several classes."""
    dtype = fit.logits.dtype
    u, eta, tiny = unit_roundoff(dtype), smallest_subnormal(dtype), smallest_normal(dtype)
    classes, p = fit.logits.shape[1], fit.data.design.shape[1]
    logit = sums(fit.data.design.row_terms + 2, u) * fit.data.design.row_norms * float(row_norms(fit.Y).max()) + p * eta
    width = (fit.logits.max(axis=1) - fit.logits.min(axis=1)).astype(np.float64) * (1 + 4 * u)
    beyond = -2 * math.log(tiny)  # exp(−ζ) is far below every float
    exponent = 2 * (logit + u * np.minimum(width, beyond))
    kappa = np.expm1(np.minimum(exponent, 1.0)) * ROUND_UP
    kappa = kappa + (1 + kappa) * chain((2 * FUNCTION_UNITS + 2 * classes + 8) * u)
    some = (kappa < 0.5) & (exponent < 1.0)
    kappa = np.where(some, kappa / (1 - np.where(some, kappa, 0.0)), math.inf)
    probability = row_norms(fit.P) + math.sqrt(classes) * tiny
    delta = np.where(some, np.minimum(np.where(some, kappa, 0.0) * probability + math.sqrt(classes) * tiny, 1.5), 1.5)
    residual = row_norms(fit.R)
    log = chain((2 * FUNCTION_UNITS + 2 * classes + 8) * u) * (1 + math.log(classes))
    return FitErrors(
        fit,
        residual,
        (delta + u * residual) * ROUND_UP,
        lambda: 3 * delta,
        lambda: 2 * logit + 2 * u * width + log + 4 * u * fit.losses.astype(np.float64),
    )


class RoundingOfFit(NamedTuple):
    """What of the errors of a two-class fit with equal weights holds at every y.

    Attributes
    ----------
    product, floor : float
        κ_i = e^σ − 1, σ = `product` ‖y‖‖x_i‖ + `floor`.
    units, curvature_units : float
        Those of σ(−m) and of σ(m)σ(−m).
    of_w, factor : float
        The relative error of a weight, and that of a sum over samples with it.
    underflow, tiny : float
    sum_floor : float
        What may underflow in a sum over samples.
    """

    product: float
    floor: float
    units: float
    curvature_units: float
    of_w: float
    factor: float
    underflow: float
    tiny: float
    sum_floor: float

    @classmethod
    def of(cls, design: DesignMatrix, dtype: np.dtype) -> RoundingOfFit:
        """Formed once for each type."""
        if (found := design.kept.get((cls, dtype))) is None:
            u, tiny = unit_roundoff(dtype), smallest_normal(dtype)
            found = design.kept[cls, dtype] = cls(
                product=design.product_factor(dtype),
                floor=design.shape[1] * smallest_subnormal(dtype),
                units=chain(SIGMOID_UNITS * u),
                curvature_units=chain((2 * SIGMOID_UNITS + 2) * u),
                of_w=2 * u,
                factor=chain(design.adjoint_factor(dtype), 2 * u, 4 * u),
                underflow=4 * tiny,
                tiny=tiny,
                sum_floor=3 * tiny * design.sum_of_row_norms + math.prod(design.shape) * tiny,
            )
        return found


class BinarySums(NamedTuple):
    """`loops.residual_sum`, `loops.curvature_sums` and the m_i of these, of equal weights, which are off by 2u."""

    each: float
    of_m: tuple[float, float] | None = None
    m: np.ndarray | None = None

    def gradient(self, of: RoundingOfFit) -> Proven | None:
        """Σ w_i r_i x_iᵀ."""
        return proven(self.each, of.sum_floor)

    def hessian(self, design: DesignMatrix) -> Proven | None:
        """Σ w_i c_i x_i x_iᵀ."""
        assert self.m is not None
        return proven(2 * curvature_bound(design, self.m, self.of_m))


class BinaryErrors:
    """`FitErrors` of two classes, whose numbers a sample are formed where they are summed."""

    def __init__(self, fit: BinaryFit) -> None:
        self.fit, self.design = fit, fit.data.design
        self.of, self.u = RoundingOfFit.of(self.design, fit.margins.dtype), unit_roundoff(fit.margins.dtype)

    @cached_property
    def slope(self) -> float:
        return self.of.product * norm2(self.fit.y) * ROUND_UP

    def gradient(self, w: np.ndarray, of_w: float) -> Proven | None:
        """Σ w_i r_i x_iᵀ: w in hand, relatively wrong by `of_w` (and by what underflows)."""
        of, at = self.of, (self.slope, self.of.floor, self.design.row_norms)
        factor = chain(self.design.adjoint_factor(w.dtype), of_w, 4 * self.u)
        each = loops.residual_sum(w, of_w, factor, *at, self.fit.misfits, of.units, of.underflow)
        return BinarySums(each).gradient(of)

    def hessian(self, w: np.ndarray, of_w: float) -> Proven | None:
        """Σ w_i c_i x_i x_iᵀ."""
        fit, of, m = self.fit, self.of, np.empty(w.size)
        at = self.slope, of.floor, self.design.row_norms
        of_m = loops.curvature_sums(w, of_w, *at, fit.curvatures, of.curvature_units, of.underflow, of.tiny, m)
        return BinarySums(math.nan, of_m, m).hessian(self.design)

    def mean_loss(self) -> Proven | None:
        """mean_i CE_i, summed in float64."""
        fit, rows = self.fit, self.fit.data.design.row_norms
        log = chain((2 * FUNCTION_UNITS + 8) * self.u)
        losses = fit.losses.astype(np.float64)
        each = self.slope * rows + self.of.floor + log * losses + self.of.underflow
        mean = float(np.mean(fit.losses, dtype=np.float64))
        return proven(float(each.mean()), sums(rows.size + 4, 2.0**-53) * mean)


def logistic_errors(
    problem: Logistic, penalty: np.ndarray, y: np.ndarray, fit: Any, validation: Any
) -> FormationErrors:
    """The six bounds where the penalty is D, from what y makes of the training and the validation data."""
    norms = norm2((penalty * y.reshape(problem.shape)).ravel()), norm2(y)

    def of(fit: Any) -> FitErrors | BinaryErrors:
        return BinaryErrors(fit) if isinstance(fit, BinaryFit) else fit_errors(fit)

    return LogisticErrors(problem, penalty, y, norms, lambda: of(fit), lambda: of(validation)).known()


class LogisticErrors:
    """The bounds at one point; `norms` are ‖D ∘ Y‖ and ‖y‖. The errors of the two fits are formed when asked for."""

    def __init__(
        self,
        problem: Logistic,
        penalty: np.ndarray,
        y: np.ndarray,
        norms: tuple[float, float],
        train: Callable[[], FitErrors | BinaryErrors],
        validation: Callable[[], FitErrors | BinaryErrors],
    ) -> None:
        self.problem, self.penalty, self.y, self._train, self._validation = problem, penalty, y, train, validation
        self.u, self.of = unit_roundoff(y.dtype), OfPenalty.of(y.dtype)
        self.terms = self.of.terms(norms, y.size)

    def known(self) -> FormationErrors:
        return FormationErrors(
            value=self.value, grad_y=self.grad_y, A=self.hessian, J=self.cross, b=self.b, c=Proven(0.0)
        )

    @cached_property
    def train(self) -> FitErrors | BinaryErrors:
        return self._train()

    def value(self) -> Proven | None:
        return self._validation().mean_loss()

    def grad_y(self) -> Proven | None:
        data = self.train.gradient(self.problem.train.equal(self.y.dtype), 2 * self.u)
        return None if data is None else proven(data, *self.terms)

    def hessian(self) -> Proven | None:
        data = self.train.hessian(self.problem.train.equal(self.y.dtype), 2 * self.u)
        return None if data is None else self.of.hessian(data, extremes(self.penalty.ravel())[1])

    def cross(self) -> Proven | None:
        return proven(*self.terms)

    def b(self) -> Proven | None:
        return self._validation().gradient(self.problem.validation.equal(self.y.dtype), 2 * self.u)


class OfPenalty(NamedTuple):
    """What D, and D ∘ Y in a sum, are relatively off by, and the smallest number of their type."""

    relative: float
    summed: float
    eta: float

    @staticmethod
    @cache
    def of(dtype: np.dtype) -> OfPenalty:
        """Formed once for each type."""
        u = unit_roundoff(dtype)
        relative = chain((FUNCTION_UNITS + 3) * u)
        return OfPenalty(relative, chain(relative, 2 * u), smallest_subnormal(dtype))

    def terms(self, norms: tuple[float, float], size: int) -> tuple[float, float]:
        """Of D ∘ Y, of `size` entries, from ‖D ∘ Y‖ and ‖y‖."""
        return self.summed * norms[0], size * self.eta * (2 + norms[1])

    def hessian(self, data: float, largest: float) -> Proven | None:
        """Of A, where that of the data's part of it is `data`, and max D is `largest`."""
        return proven(data, self.relative * largest, self.eta)


def errors_of_sums(
    train: BinarySums,
    validation: BinarySums,
    designs: tuple[DesignMatrix, DesignMatrix],
    norms: tuple[float, float],
    largest: float,
    y: np.ndarray,
) -> tuple[Proven | None, ...]:
    """ε_g, ε_A, ε_J, ε_b and ε_c of two classes: the numbers of `LogisticErrors` where the sums are at hand."""
    of, dtype = OfPenalty.of(y.dtype), y.dtype
    terms = of.terms(norms, y.size)
    gradient, hessian = train.gradient(RoundingOfFit.of(designs[0], dtype)), train.hessian(designs[0])
    return (
        None if gradient is None else proven(gradient, *terms),
        None if hessian is None else of.hessian(hessian, largest),
        proven(*terms),
        validation.gradient(RoundingOfFit.of(designs[1], dtype)),
        Proven(0.0),
    )


def data_cleaning_errors(
    problem: DataCleaning, x: np.ndarray, y: np.ndarray, fit: Fit | None = None
) -> FormationErrors:
    """The six bounds at (x, y); `fit` of the training data, where it is at hand."""
    u, eta = unit_roundoff(y.dtype), smallest_subnormal(y.dtype)
    of_w, of_d = chain((SIGMOID_UNITS + 3) * u), chain((2 * SIGMOID_UNITS + 4) * u)
    train: list[FitErrors] = []

    def on_train() -> FitErrors:
        if not train:
            train.append(fit_errors(problem.train.at(y) if fit is None else fit))
        return train[0]

    def on_validation() -> FitErrors:
        return fit_errors(problem.validation.at(y))

    def grad_y() -> Proven | None:
        data = on_train().gradient(problem.weights(x), of_w)
        return None if data is None else proven(data, chain(3 * u) * problem.ridge * norm2(y), y.size * eta)

    def on_b() -> Proven | None:
        n = len(problem.validation)
        return on_validation().gradient(np.full(n, 1 / n, y.dtype), 2 * u)

    return FormationErrors(
        value=lambda: on_validation().mean_loss(),
        grad_y=grad_y,
        A=lambda: on_train().hessian(problem.weights(x), of_w),
        J=lambda: on_train().cross(problem.slopes(x), of_d),
        b=on_b,
        c=Proven(0.0),
    )
