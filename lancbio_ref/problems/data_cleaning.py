"""Hyper-data cleaning: learn one weight a training sample, so that a classifier trained on it does well elsewhere.

    min_x  f(y*(x)),   f(y) = mean_i CE_i(y)                      on clean validation data
    y*(x) = argmin_y g(x, y),   g = mean_i σ(x_i) CE_i(y) + c‖y‖²    on training data, partly mislabelled

with y ∈ R^{C × (p + 1)} (bias column last, flattened in C order), CE_i(y) = log Σ_c exp(y_c·x_i) − y_{l_i}·x_i and σ
the logistic function (Franceschi et al., ICML 2017; here as in Yang, Gao, Yuan, ICLR 2025). All derivatives come from
P = softmax(X yᵀ), R = P − onehot(labels), w = σ(x)/n and d = σ′(x)/n; see :mod:`lancbio_ref.operators.multinomial`.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit

from ..arguments import as_generator, as_integer, as_number
from ..errors import ArgumentError
from ..linearization import Linearization
from ..operators.multinomial import (
    ROUND_UP,
    DesignMatrix,
    MultinomialCross,
    MultinomialHessian,
    curvature_bound,
    softmax,
)
from ..problem import BilevelProblem, LipschitzConstants, LowerLevel, UpperLevel
from ..rounding import Proven, norm2


class LabelledSet:
    """Samples with a bias column, and their labels.

    Attributes
    ----------
    design : DesignMatrix, shape (n, p + 1)
    labels : ndarray, shape (n,)
    """

    def __init__(self, name: str, X: Any, labels: Any, n_classes: int) -> None:
        X = np.asarray(X)
        if X.ndim != 2:
            raise ArgumentError(f"X_{name}", f"shape {X.shape}", "shape (samples, features)")
        X = DesignMatrix(X, name=f"X_{name}").X
        self.design = DesignMatrix(np.hstack([X, np.ones((len(X), 1), X.dtype)]))
        self.labels = np.asarray(labels)
        if self.labels.shape != (len(X),) or self.labels.dtype.kind not in "iu":
            found = f"{self.labels.dtype} of shape {self.labels.shape}"
            raise ArgumentError(f"labels_{name}", found, f"integers of shape ({len(X)},)")
        if self.labels.min() < 0 or self.labels.max() >= n_classes:
            found = f"values {self.labels.min()}..{self.labels.max()}"
            raise ArgumentError(f"labels_{name}", found, f"0..{n_classes - 1}")

    def at(self, y: np.ndarray) -> Fit:
        """What parameters y make of these samples."""
        return Fit(self, y.reshape(-1, self.design.shape[1]))


class Fit:
    """Logits, probabilities and residuals of a set at one y, computed once and shared by all derivatives."""

    def __init__(self, data: LabelledSet, Y: np.ndarray) -> None:
        self.data, self.Y = data, Y
        self.logits = data.design.X @ Y.T

    @cached_property
    def losses(self) -> np.ndarray:
        """CE_i = log Σ_c exp(s_ic − m_i) − (s_{i,l_i} − m_i), m_i the largest logit: no overflow, nothing lost."""
        shifted = self.logits - self.logits.max(axis=1, keepdims=True)
        chosen = shifted[np.arange(len(shifted)), self.data.labels]
        return np.log(np.exp(shifted).sum(axis=1)) - chosen

    @cached_property
    def P(self) -> np.ndarray:
        return softmax(self.logits)

    @cached_property
    def R(self) -> np.ndarray:
        residual = self.P.copy()
        residual[np.arange(len(residual)), self.data.labels] -= 1
        return residual

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """∇_y Σ_i w_i CE_i = vec((w ∘ R)ᵀ X)."""
        return ((w[:, None] * self.R).T @ self.data.design.X).ravel()


class DataCleaning(BilevelProblem):
    """See :func:`data_cleaning`, which makes it.

    Attributes
    ----------
    n_x, n_y : int
        Training samples; C (p + 1) parameters.
    n_classes : int
        C.
    dtype : numpy.dtype
        Of X_train.
    ridge : float
        2 · regularization, rounded to `dtype`: the modulus μ.
    """

    def __init__(self, train: LabelledSet, validation: LabelledSet, regularization: float, n_classes: int) -> None:
        self.train, self.validation, self.n_classes = train, validation, n_classes
        self.n_x, self.dtype = train.design.shape[0], train.design.dtype
        self.ridge = float(self.dtype.type(2 * regularization))
        if not 0 < self.ridge < math.inf:
            raise ArgumentError(
                "regularization", repr(regularization), f"a number whose double is a normal {self.dtype}"
            )
        upper = UpperLevel(
            value=lambda x, y: float(np.mean(validation.at(y).losses)),
            grad_x=lambda x, y: np.zeros_like(x),
            grad_y=lambda x, y: self._validation_gradient(y),
        )
        lower = LowerLevel(
            value=lambda x, y: float(self._w(x) @ train.at(y).losses) + 0.5 * self.ridge * float(y @ y),
            grad_x=lambda x, y: self._d(x) * train.at(y).losses,
            grad_y=lambda x, y: self._train_gradient(x, train.at(y)),
            hessian=lambda x, y: self._hessian(x, train.at(y)),
            cross=lambda x, y: self._cross(x, train.at(y)),
            mu=Proven(self.ridge),
            smoothness=lambda x, y: Proven(curvature_bound(train.design, self._w(x)) + self.ridge * ROUND_UP),
            cross_norm=lambda x, y: Proven(self._cross(x, train.at(y)).norm_bound()),
        )
        super().__init__(upper, lower, lipschitz=self._lipschitz_constants(), n_y=n_classes * train.design.shape[1])

    def linearize(self, x: np.ndarray, y: np.ndarray) -> Linearization:
        """(A, J, b, c) from one product X yᵀ and one softmax; the norms of A and J come from their structure."""
        fit = self.train.at(y)
        point = Linearization(
            self._operator("lower.hessian", lambda x, y: self._hessian(x, fit), x, y, (y.size, y.size)),
            self._operator("lower.cross", lambda x, y: self._cross(x, fit), x, y, (x.size, y.size)),
            self.upper_grad_y(x, y),
            self.upper_grad_x(x, y),
            grad_y=lambda: self._vector("lower.grad_y", lambda x, y: self._train_gradient(x, fit), x, y, y.size),
            mu=Proven(self.ridge),
        )
        point.lipschitz, point.y_norm = self.lipschitz, norm2(y)
        return point

    def accuracy(self, y: np.ndarray, X: np.ndarray, labels: np.ndarray) -> float:
        """The fraction of the samples X (without bias column) that parameters y put into their class."""
        Y = np.asarray(y).reshape(self.n_classes, -1)
        return float(np.mean(np.argmax(X @ Y[:, :-1].T + Y[:, -1], axis=1) == labels))

    def initial_point(self, rng: Any = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x_0 = 0 (equal weights ½), y_0 ~ N(0, 2/C) (the variance) and v_0 ~ U(0, 1), as the paper starts."""
        rng = as_generator(rng)
        y = math.sqrt(2 / self.n_classes) * rng.standard_normal(self.n_y)
        return np.zeros(self.n_x, self.dtype), y.astype(self.dtype), rng.random(self.n_y).astype(self.dtype)

    def _w(self, x: np.ndarray) -> np.ndarray:
        return expit(x) / self.n_x

    def _d(self, x: np.ndarray) -> np.ndarray:
        return expit(x) * expit(-x) / self.n_x  # σ′ = σ(x)σ(−x): 1 − σ(x) would cancel

    def _validation_gradient(self, y: np.ndarray) -> np.ndarray:
        n = self.validation.design.shape[0]
        return self.validation.at(y).gradient(np.full(n, 1 / n, y.dtype))

    def _train_gradient(self, x: np.ndarray, fit: Fit) -> np.ndarray:
        return fit.gradient(self._w(x)) + self.ridge * fit.Y.ravel()

    def _hessian(self, x: np.ndarray, fit: Fit) -> MultinomialHessian:
        return MultinomialHessian(self.train.design, fit.P, self._w(x), self.ridge)

    def _cross(self, x: np.ndarray, fit: Fit) -> MultinomialCross:
        return MultinomialCross(self.train.design, fit.R, self._d(x))

    def _lipschitz_constants(self) -> LipschitzConstants:
        """The constants that :func:`data_cleaning` derives, rounded up."""
        largest, norm = float(self.train.design.row_norms.max()), self.train.design.norm
        n_validation = self.validation.design.shape[0]
        return LipschitzConstants(
            fx=Proven(0.0),
            fy=Proven(curvature_bound(self.validation.design, np.full(n_validation, 1 / n_validation)) * ROUND_UP),
            gxy=Proven(largest * norm / (8 * self.n_x) * ROUND_UP),
            gyy=Proven(largest * norm**2 / (math.sqrt(2) * self.n_x) * ROUND_UP),
        )


def data_cleaning(
    X_train: Any,
    labels_train: Any,
    X_val: Any,
    labels_val: Any,
    *,
    regularization: float = 0.01,
    n_classes: int = 10,
) -> DataCleaning:
    """Hyper-data cleaning with multinomial logistic regression.

    Parameters
    ----------
    X_train, X_val : array_like, shape (n_train, p), (n_val, p), float32 or float64
        Features; a column of ones is appended. Their type is the arithmetic's.
    labels_train, labels_val : array_like of integers, shape (n_train,), (n_val,)
        Classes 0 … C − 1; those of the training set may be wrong.
    regularization : float
        c > 0 in c‖y‖². All parameters are penalized, the bias too, so that g(x, ·) is 2c-strongly convex.
    n_classes : int
        C.

    Returns
    -------
    DataCleaning
        A :class:`~lancbio_ref.BilevelProblem` with ``accuracy(y, X, labels)`` and ``initial_point(rng)``; x has length
        n_train, y has C(p + 1).

    Raises
    ------
    ArgumentError
        Shapes that do not fit, labels outside 0 … C − 1, NaN or infinity, regularization ≤ 0.

    Notes
    -----
    What is ``Proven``: μ = 2c exactly (rounded to the features' type, as A's own ridge is), for the probabilities are
    scaled down until diag p − p pᵀ ⪰ 0 holds for the floats in hand; ‖A‖ and ‖J‖ from their structure; and with
    M(p) = diag p − p pᵀ, the derivative of the softmax, ‖M‖ ≤ ½, σ ≤ 1 and σ′ ≤ ¼, the Lipschitz constants in y

    * fx = 0, since x does not enter f; fy = λ_max(mean_i M(p_i) ⊗ x_ix_iᵀ) ≤ ½ min(mean ‖x_i‖², ‖X‖²/n), with the X of
      the validation data;
    * gxy: row i of J(y) − J(y′) is d_i (p_i − p_i′) ⊗ x_i, at most d_i ½‖ΔY x_i‖‖x_i‖ long, and
      Σ_i ‖ΔY x_i‖² ≤ ‖X‖²‖Δy‖², so ‖J(y) − J(y′)‖_F ≤ max‖x_i‖ ‖X‖/(8n) ‖Δy‖;
    * gyy: d/dt zᵀM(p(s + th))z is the third cumulant E[(h − Eh)(z − Ez)²] under p, at most
      (max h − min h) Var z ≤ √2‖h‖ ½‖z‖². With h = ΔY x_i, z = V x_i and Σ w_i‖V x_i‖² ≤ ‖X‖²/n:
      ‖A(y) − A(y′)‖ ≤ max‖x_i‖ ‖X‖²/(√2 n) ‖Δy‖.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import hypergradient, problems
    >>> X, labels = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> problem = problems.data_cleaning(X, np.array([0, 1, 1, 1]), X, labels, n_classes=2)
    >>> h = hypergradient(problem, np.zeros(4)).value
    >>> int(np.argmax(h))  # f falls fastest with less weight on sample 1, the wrong one
    1
    """
    n_classes = as_integer("n_classes", n_classes, least=2)
    regularization = as_number("regularization", regularization, above=0.0)
    train = LabelledSet("train", X_train, labels_train, n_classes)
    validation = LabelledSet("val", X_val, labels_val, n_classes)
    if validation.design.shape[1] != train.design.shape[1]:
        found = f"{validation.design.shape[1] - 1} features"
        raise ArgumentError("X_val", found, f"{train.design.shape[1] - 1}, as many as X_train has")
    return DataCleaning(train, validation, regularization, n_classes)
