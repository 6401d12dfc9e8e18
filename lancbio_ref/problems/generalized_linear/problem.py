"""The bilevel problem of one fit of a generalized linear model, its penalties and weights learned on validation data.

    f(y) = Σ_i v_i ℓ(Y x_i, t_i)                                            on validation data, Σ v_i = 1
    g(x, y) = Σ_i w_i(x) ℓ(Y x_i, t_i) + ½ Σ_j D_j(x) y_j²                  on training data

    ∇_y g = Σ w_i r_i x_iᵀ + D ∘ Y,    A = Σ w_i ℓ″_i ⊗ x_i x_iᵀ + diag D,    J = [E over blocks; d_i r_i ⊗ x_i]

x = (log-penalties, parameters of the weights), y = Y flattened, shape (C, q), q = p + 1 with intercepts, which come
last in a row. Losses, penalties and weights are those of :mod:`.losses`, :mod:`.penalty` and :mod:`.weighting`,
constants those of :mod:`.ball`, rounding is derived in :mod:`lancbio_ref.problems.rounding.generalized_linear`. With
several classes and intercepts b, ½ (Σ_c b_c)²/C is added to g: no probability depends on it, and without it nothing
would say how large the mean of the intercepts is.
"""

from __future__ import annotations

import math

import numpy as np

from ...arguments import Operator, as_vector
from ...formation import FormationErrors
from ...linearization import Linearization
from ...operators import DiagonalLowRank, StackedRows
from ...operators.base import StructuredOperator
from ...problem import LipschitzConstants, LowerLevel, UpperLevel, finite, proven_constants
from ...rounding import ROUND_UP, Proven, gamma, norm2, unit_roundoff
from ..classification import as_samples
from ..once import once
from ..portions import FiniteSum, Portion
from ..rounding.generalized_linear import generalized_linear_errors
from .ball import PIN, WEAK, Ball, ball_at, finite_bound, global_modulus, proven_modulus
from .losses import Loss, Multinomial, Squared
from .penalty import Penalty
from .samples import MultinomialFit, Samples, ScalarFit, fit_of
from .sums import (
    DataConstants,
    Floor,
    Range,
    curvature_bound,
    floor_of,
    least_weights,
    range_everywhere,
    range_within,
    train_constants,
    validation_constant,
)
from .weighting import Weighting


class Point:
    """All of one (x, y), each part computed once: the fit of the training data, w, D, and the ball."""

    def __init__(self, problem: GeneralizedLinearProblem, x: np.ndarray, y: np.ndarray) -> None:
        self.problem, self.x, self.y = problem, x, y
        self.penalties, self.parameters = x[: problem.penalty.n], x[problem.penalty.n :]

    @once
    def fit(self) -> ScalarFit | MultinomialFit:
        return fit_of(self.problem.train, self.problem.loss, self.y)

    @once
    def validation_fit(self) -> ScalarFit | MultinomialFit:
        return fit_of(self.problem.validation, self.problem.loss, self.y)

    @once
    def w(self) -> np.ndarray:
        return self.problem.weighting.values(self.parameters, self.y.dtype)

    @once
    def D(self) -> np.ndarray:
        return self.problem.penalty.diagonal(self.penalties, self.y.dtype)

    @once
    def v(self) -> np.ndarray:
        """The validation weights."""
        return self.problem.validation.base.astype(self.y.dtype)

    @once
    def gradient(self) -> np.ndarray:
        """∇_y g."""
        return self.fit.gradient(self.w) + self.D * self.y + self.problem.pinned(self.y)

    @once
    def errors(self) -> FormationErrors:
        return generalized_linear_errors(self)

    @property
    def validation_loss(self) -> float:
        """Σ v_i ℓ_i."""
        return weighted_mean(self.problem.validation.base, self.validation_fit.losses)

    @property
    def loss(self) -> float:
        """Σ w_i ℓ_i."""
        return weighted_mean(self.w, self.fit.losses)

    @property
    def longest_row(self) -> float:
        """max ‖x_i‖ of the training data."""
        return float(self.problem.train.design.row_norms.max())

    @property
    def curvature_bound(self) -> float:
        """≥ ‖Σ w_i ℓ″_i x_i x_iᵀ‖."""
        return curvature_bound(self.fit, self.w)

    def floor(self, radius: float) -> Floor:
        """What curvature is left on the ball."""
        return floor_of(self.problem.train.design.X, least_weights(self.fit, self.w, radius))

    def proven_modulus(self, radius: float) -> float:
        """Of Xᵀ diag(wc) X + D on the ball, where that is found; else 0."""
        return proven_modulus(self, least_weights(self.fit, self.w, radius))

    def data_constants(self, radius: float | None) -> DataConstants:
        """What the samples say to the Lipschitz constants on the ball, over all y where it is None."""
        problem = self.problem
        if radius is None:
            train, validation = problem.everywhere
        else:
            train, validation = (range_within(fit, radius) for fit in (self.fit, self.validation_fit))
        own = train_constants(problem.train, train, self.w, self.factors)
        return DataConstants(own.gyy, own.gxy, validation_constant(problem.validation, validation).fy)

    @property
    def factors(self) -> np.ndarray | None:
        """d_i = ∂w_i/∂x_i, the largest of them for all on the simplex; None of fixed weights."""
        weighting = self.problem.weighting
        if not weighting.n:
            return None
        d = weighting.slopes(self.parameters, self.y.dtype)
        return np.full(d.size, d.max()) if weighting.kind == "simplex" else d

    @once
    def gradient_bound(self) -> float:
        """≥ ‖∇_y g(x, y)‖, exact."""
        error = self.errors["grad_y"]
        if error is None:
            return math.inf
        return norm2(self.gradient) * (1 + gamma(self.y.size + 6, 2.0**-53)) * ROUND_UP + error

    @once
    def ball(self) -> Ball | None:
        return ball_at(self, self.gradient_bound) if self.gradient_bound < math.inf else None


class GeneralizedLinearProblem(FiniteSum):
    """What :func:`generalized_linear` returns for a validation split.

    Attributes
    ----------
    n_x, n_y : int
        Penalties and weights that are learned; C q coefficients.
    loss : Loss
    penalty : Penalty
    weighting : Weighting
    train, validation : Samples
    n_samples : tuple of int
        Validation and training samples, as `minibatch` counts them.
    shape : tuple of int
        (C, q) of the coefficients Y.
    has_intercept : bool
        Whether the last column of Y is one of intercepts.
    centre : (ndarray, float) or None
        The means of the features and targets that were taken off them.
    features : ndarray of int
        The places in y that are no intercepts.

    Notes
    -----
    *μ* is min D where that is all that can be said over all y; it is the modulus of a ball that holds y and y* (see
    :mod:`.ball`) where D says little: with an intercept, and with features that are not penalized. *L* and ‖J‖ are
    proven at the point. *Lipschitz constants* are those of all y where the loss has any, at this x: fx = 0; fy and gyy
    from sup ℓ″ and its Lipschitz constant; gxy = max D, or max d_i ℓ″ ‖x_i‖‖X‖ for learned weights, and the root of
    the sum of their squares for both. For the other losses they are those of the ball, and where no ball is found there
    are none.
    """

    in_memory = True  # whether the samples are arrays here

    def __init__(
        self,
        train: Samples,
        validation: Samples,
        loss: Loss,
        penalty: Penalty,
        weighting: Weighting,
        *,
        intercept: bool,
        centre: tuple[np.ndarray, float] | None = None,
        is_portion: bool = False,
    ) -> None:
        self.centre, self._is_portion = centre, is_portion
        self.train, self.validation, self.loss = train, validation, loss
        self.penalty, self.weighting, self.has_intercept = penalty, weighting, intercept
        self.n_samples = len(validation), len(train)
        self.n_scores = loss.n_classes if isinstance(loss, Multinomial) else 1
        q = train.design.shape[1]
        self.shape = (self.n_scores, q)
        self.n_x = penalty.n + weighting.n
        targets = [] if isinstance(loss, Multinomial) else [train.t, validation.t]
        self.dtype = np.result_type(train.design.dtype, validation.design.dtype, *targets)
        places = np.arange(self.n_scores * q).reshape(self.shape)
        self.features = (places[:, :-1] if intercept else places).ravel()
        self._intercepts = places[:, -1] if intercept and self.n_scores > 1 else None
        upper = UpperLevel(value=self._f, grad_x=self._f_grad_x, grad_y=self._f_grad_y)
        lower = LowerLevel(
            value=self._g,
            grad_x=self._g_grad_x,
            grad_y=self._g_grad_y,
            hessian=self._g_hessian,
            cross=self._g_cross,
            mu=self._mu,
            smoothness=self._smoothness,
            cross_norm=self._cross_norm,
        )
        super().__init__(upper, lower, n_y=self.n_scores * q)

    @property
    def has_constant_curvature(self) -> bool:
        """Whether no y moves A."""
        return isinstance(self.loss, Squared)

    def at(self, x: np.ndarray, y: np.ndarray) -> Point:
        """The point (x, y)."""
        return Point(self, x, y)

    @np.errstate(under="ignore")
    def linearize(self, x: np.ndarray, y: np.ndarray) -> Linearization:
        """(A, J, b, c) from one product with each of the two sets of samples."""
        x, y = self.promoted(x, y)
        at = self.at(x, y)
        return Linearization.of_parts(
            self._made_operator("lower.hessian", self.hessian_at(at), (y.size, y.size)),
            self._made_operator("lower.cross", self.cross_at(at), (x.size, y.size)),
            self._made("upper.grad_y", at.validation_fit.gradient(at.v), (x, y)),
            self.upper_grad_x(x, y),
            grad_y=lambda: self._made("lower.grad_y", at.gradient.copy(), (x, y)),
            mu=lambda: modulus_at(at),
            smoothness=lambda: self.smoothness_at(at),
            cross_norm=lambda: self.cross_norm_at(at),
            lipschitz=lambda: self.constants_at(at),
            at=(x, y),
            formation=at.errors,
        )

    def formation_errors(self, x: np.ndarray, y: np.ndarray) -> FormationErrors:
        """See :mod:`lancbio_ref.problems.rounding.generalized_linear`."""
        return self.at(*self.promoted(x, y)).errors

    def portion(self, *, upper: Portion | None, lower: Portion | None) -> GeneralizedLinearProblem:
        """The problem with its sums over these rows alone, times their factors; see `minibatch`."""
        return GeneralizedLinearProblem(
            self.train.portion(lower),
            self.validation.portion(upper),
            self.loss,
            self.penalty,
            self.weighting.portion(lower),
            intercept=self.has_intercept,
            centre=self.centre,
            is_portion=True,
        )

    def scores(self, y: np.ndarray, X: Operator) -> np.ndarray:
        """Y x_i + b of samples X (without a column of ones), shape (n, C)."""
        X = as_samples(X, self.shape[1] - self.has_intercept)
        Y, b = self.coefficients(y)
        return X @ Y.T + b

    def coefficients(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(coefficients, intercepts) for samples as they were given, shapes (C, p) and (C,); centring is undone."""
        Y = as_vector("y", y, self.n_y).reshape(self.shape)
        if self.has_intercept:
            return Y[:, :-1], Y[:, -1]
        if self.centre is None:
            return Y, np.zeros(self.n_scores, Y.dtype)
        means, mean = self.centre
        return Y, mean - Y @ means

    # -- the two levels --------------------------------------------------------------------

    def _f(self, x: np.ndarray, y: np.ndarray) -> float:
        return self.at(x, y).validation_loss

    def _f_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.zeros_like(x)

    def _f_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        at = self.at(x, y)
        return at.validation_fit.gradient(at.v)

    def _g(self, x: np.ndarray, y: np.ndarray) -> float:
        at = self.at(x, y)
        pinned = 0.5 * float(np.dot(self.pinned(y), y))
        return at.loss + 0.5 * weighted_mean(at.D, y.astype(np.float64) ** 2) + pinned

    def _g_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        at, parts = self.at(x, y), []
        if self.penalty.n:
            parts.append(self.penalty.grad_x(at.penalties, y))
        if self.weighting.n:
            parts.append(self.weighting.grad_x(at.parameters, at.fit.losses))
        return np.concatenate(parts)

    def _g_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.at(x, y).gradient

    def _g_hessian(self, x: np.ndarray, y: np.ndarray) -> StructuredOperator:
        return self.hessian_at(self.at(x, y))

    def _g_cross(self, x: np.ndarray, y: np.ndarray) -> StructuredOperator:
        return self.cross_at(self.at(x, y))

    def hessian_at(self, at: Point) -> StructuredOperator:
        """A."""
        if self._intercepts is None:
            return at.fit.hessian(at.w, at.D)
        U = np.zeros((at.y.size, 1), at.y.dtype)
        U[self._intercepts] = 1
        s = np.full(1, PIN / self.n_scores, at.y.dtype)
        return DiagonalLowRank(np.zeros_like(at.y), U=U, s=s, base=at.fit.hessian(at.w, at.D))

    def cross_at(self, at: Point) -> StructuredOperator:
        """J: the rows of the penalties above those of the weights."""
        parts: list[StructuredOperator] = []
        if self.penalty.n:
            parts.append(self.penalty.cross(at.penalties, at.y))
        if self.weighting.n:
            parts.append(self.weighting.cross(at.parameters, at.fit, at.w))
        return parts[0] if len(parts) == 1 else StackedRows(parts)

    def pinned(self, y: np.ndarray) -> np.ndarray:
        """The gradient of ½ PIN (Σ_c b_c)²/C, of several classes' intercepts b."""
        out = np.zeros_like(y)
        if self._intercepts is not None:
            out[self._intercepts] = y.dtype.type(PIN / self.n_scores) * y[self._intercepts].sum(dtype=y.dtype)
        return out

    # -- constants -------------------------------------------------------------------------

    def _mu(self, x: np.ndarray, y: np.ndarray) -> Proven | None:
        return modulus_at(self.at(x, y))

    def _smoothness(self, x: np.ndarray, y: np.ndarray) -> Proven | None:
        return self.smoothness_at(self.at(x, y))

    def _cross_norm(self, x: np.ndarray, y: np.ndarray) -> Proven | None:
        return self.cross_norm_at(self.at(x, y))

    def smoothness_at(self, at: Point) -> Proven | None:
        """‖A‖ ≤ ‖Σ w_i ℓ″_i x_i x_iᵀ‖ + max D + PIN, of the numbers in hand."""
        pinned = 0.0 if self._intercepts is None else PIN
        return finite((at.curvature_bound + self.penalty.largest(at.D) + pinned) * ROUND_UP)

    def cross_norm_at(self, at: Point) -> Proven | None:
        """‖J‖ as its structure bounds it."""
        J = self.cross_at(at)
        u, underflow = unit_roundoff(at.y.dtype), at.y.size * float(np.finfo(at.y.dtype).smallest_normal)
        return finite(J.norm_bound() * (1 + 40 * u) * ROUND_UP + underflow)

    def constants_at(self, at: Point) -> LipschitzConstants | None:
        """At this x, over all y where ℓ″ is Lipschitz, else on the ball; None where that is not found either, and of a
        portion: they would cost more than it."""
        if self._is_portion or (not self.loss.is_smooth and at.ball is None):
            return None
        data = at.data_constants(None if self.loss.is_smooth or at.ball is None else at.ball.radius)
        if not data.gyy < math.inf:
            return None
        gxy = self.penalty.largest(at.D) if self.penalty.n else 0.0
        if self.weighting.n:
            gxy = math.hypot(gxy, data.gxy) * ROUND_UP
        return proven_constants(fx=0.0, fy=data.fy, gxy=gxy * ROUND_UP, gyy=data.gyy)

    @once
    def everywhere(self) -> list[Range]:
        """(sup ℓ″, its Lipschitz constant) over all scores, for both sets of samples."""
        return [range_everywhere(data, self.loss) for data in (self.train, self.validation)]


def modulus_at(at: Point) -> Proven | None:
    """min D, and the modulus of the ball where that may be larger; None where nothing is proven."""
    problem = at.problem
    everywhere = global_modulus(at)
    smallest, largest = float(at.D.min()), at.longest_row**2
    weakly = problem.has_intercept or smallest <= WEAK * largest
    if weakly and not problem.has_constant_curvature and at.ball is not None:
        everywhere = max(everywhere or 0.0, at.ball.mu)
    return finite_bound(everywhere)


def weighted_mean(w: np.ndarray, losses: np.ndarray) -> float:
    """Σ w_i ℓ_i in float64."""
    return float(np.dot(w.astype(np.float64), losses.astype(np.float64)))
