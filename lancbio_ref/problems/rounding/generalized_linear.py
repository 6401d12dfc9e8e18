"""Rounding in the family of generalized linear models, of any loss that says how ℓ, ℓ′ and ℓ″ round.

*Scores.* ŝ = fl(X y) is off by σ_i, which the operator of X bounds. Between ŝ_i and s_i, ℓ′ moves by at most
σ_i sup ℓ″, ℓ″ by the difference of its largest and least value there, ℓ by (|ℓ′| + σ_i sup ℓ″)σ_i; to these come the
loss's own errors. So a kink costs what it must, and only where a score is within its rounding of it:

    |r̂_i − r_i| ≤ δ_i = σ_i sup ℓ″ + ε_ℓ′,      |ĉ_i − ℓ″_i| ≤ κ_i = (sup − inf) ℓ″ + ε_ℓ″.

*Sums.* With weights ŵ_i = w_i(1 + ω), |fl(Xᵀ(ŵ ∘ r̂)) − Xᵀ(w ∘ r)| ≤ |X|ᵀ(ŵ ∘ ((1 + ω)δ + (g + ω + 4u)|r̂|)) entrywise, g
the factor of Xᵀ. Â is off by ‖Σ ŵ_i((1 + ω)κ_i + (ω + 2u)ĉ_i) x_i x_iᵀ‖ and J by the matrix of rows d̂_i((1 + ω)δ_i +
ω|r̂_i|) x_i. Of several classes :mod:`.classification` has the same bounds. On the simplex, with G = Σ w_k r_k x_k and
its error ε_G, the rank-one part w Gᵀ of J adds ‖ŵ‖(ω‖Ĝ‖ + (1 + ω)ε_G).

*Penalty.* D̂ is off by ε_D D, D̂ ∘ y by one u more; what pins the intercepts' mean by (C + 4)u PIN‖b‖.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formation import FormationErrors
from ...operators.norms import weighted_gram_bound
from ...rounding import ROUND_UP, Proven, norm2, smallest_subnormal, unit_roundoff
from ..once import once
from .classification import FitErrors, fit_errors
from .model import chain, proven, sums

if TYPE_CHECKING:
    from ..generalized_linear.problem import Point
    from ..generalized_linear.samples import ScalarFit


@dataclass(frozen=True)
class ScalarErrors:
    """Of a fit with one score a sample: numbers a sample, and the sums of them."""

    fit: ScalarFit

    @once
    def residual(self) -> np.ndarray:
        """|r̂_i|."""
        return np.abs(self.fit.R[:, 0].astype(np.float64))

    @once
    def _ranges(self) -> tuple[np.ndarray, np.ndarray]:
        return self.fit.curvature_range(np.zeros(len(self.residual)))

    @once
    def residual_error(self) -> np.ndarray:
        """δ_i."""
        fit = self.fit
        own = fit.loss.derivative_error(fit.scores, fit.t, unit_roundoff(fit.scores.dtype))
        return (fit.score_error * self._ranges[1] + own) * ROUND_UP

    def _curvature_error(self) -> np.ndarray:
        """κ_i."""
        fit, (least, largest) = self.fit, self._ranges
        own = fit.loss.curvature_error(fit.scores, fit.t, unit_roundoff(fit.scores.dtype))
        return (largest - least + own) * ROUND_UP

    @once
    def loss_error(self) -> np.ndarray:
        """Of ℓ_i."""
        fit = self.fit
        own = fit.loss.value_error(fit.scores, fit.t, unit_roundoff(fit.scores.dtype))
        return (fit.score_error * (self.residual + self.residual_error) + own) * ROUND_UP

    def gradient(self, w: np.ndarray, of_w: float) -> Proven | None:
        """Σ w_i r_i x_i."""
        operator, dtype = self.fit.data.design.operator, w.dtype
        u, small, (n, q) = unit_roundoff(dtype), float(np.finfo(dtype).smallest_normal), operator.shape
        factor = chain(operator.adjoint_factor(dtype), of_w, 4 * u)
        each = w.astype(np.float64) * ((1 + of_w) * self.residual_error + factor * self.residual)
        each = each + small * (1 + self.residual)  # where w, or its product with r, underflows
        return proven(norm2(operator.abs_adjoint_product(each)), n * q * small)

    def hessian(self, w: np.ndarray, of_w: float) -> Proven | None:
        """Σ w_i ℓ″_i x_i x_iᵀ."""
        design, of_w = self.fit.data.design, chain(of_w, 2 * unit_roundoff(w.dtype))
        curvatures, small = self.fit.curvatures.astype(np.float64), float(np.finfo(w.dtype).smallest_normal)
        m = w.astype(np.float64) * ((1 + of_w) * self._curvature_error() + of_w * curvatures) + small * (1 + curvatures)
        return proven(weighted_gram_bound(design.row_norms, design.norm, m * ROUND_UP))

    def cross(self, d: np.ndarray, of_d: float) -> Proven | None:
        """The matrix whose row i is d_i r_i x_i."""
        design, small = self.fit.data.design, float(np.finfo(d.dtype).smallest_normal)
        each = d.astype(np.float64) * ((1 + of_d) * self.residual_error + of_d * self.residual)
        each = each + small * (self.residual + 1)
        return proven(min(norm2(each * design.row_norms), float(each.max()) * design.norm))


def errors_of(fit: Any) -> ScalarErrors | FitErrors:
    """Of either kind of fit."""
    return ScalarErrors(fit) if hasattr(fit, "scores") else fit_errors(fit)


def generalized_linear_errors(point: Point) -> FormationErrors:
    """The six bounds at a point."""
    return PointErrors(point).known()


class PointErrors:
    """The bounds of one point, the errors of its two fits computed once."""

    def __init__(self, point: Point) -> None:
        self.point = point
        self.u, self.eta = unit_roundoff(point.y.dtype), smallest_subnormal(point.y.dtype)

    def known(self) -> FormationErrors:
        return FormationErrors(
            value=self.value, grad_y=self.grad_y, A=self.hessian, J=self.cross, b=self.b, c=Proven(0.0)
        )

    @once
    def train(self) -> ScalarErrors | FitErrors:
        return errors_of(self.point.fit)

    @once
    def validation(self) -> ScalarErrors | FitErrors:
        return errors_of(self.point.validation_fit)

    @once
    def of_w(self) -> float:
        at = self.point
        return at.problem.weighting.error(at.parameters, at.y.dtype)

    @once
    def of_penalty(self) -> float:
        return chain(self.point.problem.penalty.error(self.u))

    def value(self) -> Proven | None:
        at = self.point
        v, losses = at.problem.validation.base, np.abs(at.validation_fit.losses.astype(np.float64))
        summed = float(v @ losses)
        return proven(float(v @ self.validation.loss_error) * ROUND_UP, sums(2 * len(v) + 8, 2.0**-53) * summed)

    def grad_y(self) -> Proven | None:
        at = self.point
        data = self.train.gradient(at.w, self.of_w)
        if data is None:
            return None
        penalty = chain(self.of_penalty, 4 * self.u) * norm2(at.D * at.y)
        # the sums of the three parts are off by u of each; the data's own u is among the factors of `gradient`
        pinned = (at.problem.n_scores + 6) * self.u * norm2(at.y) if at.problem.n_scores > 1 else 0.0
        return proven(data, penalty, pinned, 2 * self.u * norm2(at.gradient), at.y.size * self.eta * (3 + norm2(at.y)))

    def hessian(self) -> Proven | None:
        at = self.point
        data = self.train.hessian(at.w, self.of_w)
        pinned = 2 * self.u if at.problem.n_scores > 1 else 0.0
        return None if data is None else proven(data, self.of_penalty * float(at.D.max()), pinned, self.eta)

    def cross(self) -> Proven | None:
        at, problem = self.point, self.point.problem
        parts = [at.y.size * self.eta * (2 + norm2(at.y))]
        if problem.penalty.n:
            E = problem.penalty.exponentials(at.penalties) * at.y
            parts.append(chain(self.of_penalty, 2 * self.u) * norm2(E))
        if problem.weighting.n:
            of_d = problem.weighting.slope_error(at.parameters, at.y.dtype)
            data = self.train.cross(problem.weighting.slopes(at.parameters, at.y.dtype), of_d)
            if data is None:
                return None
            parts.append(data)
            if problem.weighting.kind == "simplex":
                gradient, error = at.fit.gradient(at.w), self.train.gradient(at.w, self.of_w)
                if error is None:
                    return None
                every = problem.weighting.of_all(at.parameters, at.w)
                small = math.sqrt(every.size) * float(np.finfo(at.y.dtype).smallest_normal)
                size = norm2(every) * (1 + self.of_w) + small
                parts.append(size * error + (size * self.of_w + small) * norm2(gradient))
        return proven(*(part * ROUND_UP for part in parts))

    def b(self) -> Proven | None:
        return self.validation.gradient(self.point.v, self.point.problem.validation.roundings * self.u)
