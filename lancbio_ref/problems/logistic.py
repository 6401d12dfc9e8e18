"""Logistic regression with exponential ℓ2 weights, which validation data tune.

    f(y) = mean_i CE_i(y)                                             on validation data
    g(x, y) = mean_i CE_i(y) + 1/(2Cp) Σ_{c,j} exp(x_{k(c,j)}) y_cj²  on training data

k(c, j) = 1, j or c: one weight in all, one a feature, one a class (n_x = 1, p or C). With 20 Newsgroups and one weight
a feature this is the problem of Grazzi et al. (ICML 2020) and of the LancBiO paper. Two classes have one vector
y ∈ R^p and one logit, and C = 1 in the formula. With D_cj = exp(x_{k(c,j)})/(Cp),

    ∇_y g = mean_i r_i x_iᵀ + D ∘ Y,     A V = (mean's Hessian) V + D ∘ V,     (J V)_k = Σ_{k(c,j) = k} D_cj Y_cj V_cj

and λ_min(A) ≥ min D. How all that rounds is derived in :mod:`lancbio_ref.problems.rounding.classification`.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arguments import BlockRows, Operator, as_choice, as_vector
from ..errors import ArgumentError
from ..formation import FormationErrors
from ..kernels import extremes
from ..labels import Classes
from ..linearization import Linearization
from ..minibatch import as_indices
from ..operators import DiagonalLowRank, GeneralizedLinear, MultinomialHessian, StructuredOperator
from ..problem import BilevelProblem, LipschitzConstants, LowerLevel, UpperLevel, finite, proven_constants
from ..ready_point import ASKED, ReadyPoint
from ..rounding import ROUND_UP, Proven, smallest_normal, smallest_subnormal, unit_roundoff
from .blocked.door import BlockedClassifier, blocked_logistic, comes_in_blocks
from .classification import BinaryFit, Fit, LabelledSet, as_classes, as_samples
from .compiled_binary import binary_point
from .elementary import FUNCTION_UNITS, exponential
from .rounding import LogisticErrors, logistic_errors
from .weight_cross import WeightCross

AXES = {"all": None, "feature": 0, "class": 1}  # what (C, p) arrays are summed over for one number a weight


class Logistic(BilevelProblem):
    """What :func:`logistic` returns: the problem and its data.

    Attributes
    ----------
    n_x, n_y : int
        1, p or C; C p, and p for two classes.
    n_classes : int
        C, 2 included.
    classes : Classes
        ``classes.values`` are the labels of the classes 0 … C − 1.
    weights : str
    n_samples : tuple of int
        Validation and training samples, as `minibatch` counts them.
    train, validation : LabelledSet
    shape : tuple of int
        Of Y: (C, p), and (1, p) for two classes.

    Notes
    -----
    *μ, L, ‖J‖* are proven, the exponential's own error included: μ(x) = min D, for the rest of A is positive
    semidefinite for the floats in hand (:func:`~lancbio_ref.operators.multinomial.softmax`); L(x) = max D + the
    curvature of the mean, at most ½ min(mean ‖x_i‖², ‖X‖²/n), half that for two classes; ‖J‖ = max_k ‖(D ∘ Y)_k‖ over
    the blocks of k(c, j) = k, for J Jᵀ is diagonal.

    *Lipschitz constants*, at a given x: fx = 0 and fy = the curvature of f; gxy = max D, for J is linear in y; gyy =
    max‖x_i‖ ‖X‖²/n times 1/√2, the third cumulant of a softmax (see :func:`~lancbio_ref.problems.data_cleaning`), or
    for two classes times max|σ″| = 1/(6√3).
    """

    def __init__(
        self, train: LabelledSet, validation: LabelledSet, classes: Classes, weights: str, *, is_batch: bool = False
    ) -> None:
        self.train, self.validation, self.classes, self.weights = train, validation, classes, weights
        self.n_classes = n_classes = len(classes)
        self.n_samples, self._is_batch = (len(validation), len(train)), is_batch
        p, vectors = train.design.shape[1], 1 if n_classes == 2 else n_classes
        self.shape, self._axis = (vectors, p), AXES[weights]
        self.dtype = np.result_type(train.design.dtype, validation.design.dtype)
        self.n_x = {"all": 1, "feature": p, "class": vectors}[weights]
        upper = UpperLevel(
            value=self._f,
            grad_x=self._f_grad_x,
            grad_y=self._f_grad_y,
        )
        lower = LowerLevel(
            value=self._value,
            grad_x=self._g_grad_x,
            grad_y=self._g_grad_y,
            hessian=self._g_hessian,
            cross=self._g_cross,
            mu=self._mu,
            smoothness=self._g_smoothness,
            cross_norm=self._g_cross_norm,
        )
        super().__init__(upper, lower, n_y=vectors * p)

    @np.errstate(under="ignore")
    def linearize(self, x: np.ndarray, y: np.ndarray) -> Linearization:
        """(A, J, b, c) from one product with the training data, and one with the validation data."""
        x, y = self.promoted(x, y)
        D, fit, validation = self.penalty(x), self.fit(self.train, y), self.fit(self.validation, y)
        J, at = self._cross(D, y), (x, y)
        return Linearization.of_parts(
            self._made_operator("lower.hessian", self._hessian(D, y, fit), (y.size, y.size)),
            self._made_operator("lower.cross", J, (x.size, y.size)),
            self._made("upper.grad_y", validation.gradient(self.validation.equal(y.dtype)), at),
            self.upper_grad_x(x, y),
            grad_y=lambda: self._made("lower.grad_y", self._gradient(D, y, fit), at),
            mu=lambda: self._made_bound("lower.mu", self._modulus(D)),
            smoothness=lambda: self._made_bound("lower.smoothness", self._smoothness(D)),
            cross_norm=lambda: self._made_bound("lower.cross_norm", self._cross_norm(J)),
            lipschitz=None if self._is_batch else self._lipschitz_constants(D),
            at=at,
            formation=logistic_errors(self, D, y, fit, validation),
        )

    def ready_point(self, x: np.ndarray, y: np.ndarray) -> ReadyPoint | None:
        """Of two classes, with the whole data."""
        if self.n_classes != 2 or self._is_batch:
            return None
        x, y = self.promoted(x, y)
        if not (x.size == self.n_x and y.size == self.n_y):
            return None
        D = self.penalty(x)
        diagonal, ends = self._diagonal(D), extremes(D.ravel())
        if (at := binary_point(self.train, self.validation, diagonal, y)) is not None:
            A = GeneralizedLinear.of_checked(self.train.design, at.d, diagonal)
            J = WeightCross(at.E.reshape(self.shape), self._axis)
            b, gradient, norms = at.b, at.gradient, (at.E_norm, at.y_norm)
            errors = LogisticErrors(self, D, y, norms, lambda: at.train, lambda: at.validation, ends)
            known: tuple[float | None, ...] = errors.grad_y(), errors.hessian(), errors.cross(), errors.b(), 0.0
        else:
            fit, validation = self.fit(self.train, y), self.fit(self.validation, y)
            A, J = self._hessian(D, y, fit), self._cross(D, y)
            b, gradient = validation.gradient(self.validation.equal(y.dtype)), self._gradient(D, y, fit)
            of = logistic_errors(self, D, y, fit, validation)
            known = of["grad_y"], of["A"], of["J"], of["b"], of["c"]
        return ReadyPoint.of(
            A,
            J,
            b,
            self._f_grad_x(x, y),
            gradient,
            self._modulus(D, ends),
            self._smoothness(D, ends),
            self._cross_norm(J),
            self._lipschitz_constants(D, ends),
            known,
            ASKED,
        )

    @np.errstate(over="ignore", under="ignore", invalid="ignore")  # what overflows bounds nothing
    def formation_errors(self, x: np.ndarray, y: np.ndarray) -> FormationErrors:
        """See :mod:`lancbio_ref.problems.rounding.classification`."""
        x, y = self.promoted(x, y)
        return logistic_errors(self, self.penalty(x), y, self.fit(self.train, y), self.fit(self.validation, y))

    def minibatch(self, *, upper: npt.ArrayLike | None = None, lower: npt.ArrayLike | None = None) -> Logistic:
        """The problem with its means over these rows only, None meaning all; the penalty stays what it is.

        Its gradients and products have those of the whole problem as their mean over all batches of one size. It
        carries no Lipschitz constants.

        Parameters
        ----------
        upper, lower : array_like of int, optional
            Rows of the validation and of the training samples, increasing.

        Raises
        ------
        ArgumentError
            No rows, rows that are not increasing or not there.
        """
        train, validation = self.train, self.validation
        if lower is not None:
            train = train.rows(as_indices("lower", lower, len(train)))
        if upper is not None:
            validation = validation.rows(as_indices("upper", upper, len(validation)))
        return Logistic(train, validation, self.classes, self.weights, is_batch=True)

    def predict(self, y: npt.ArrayLike, X: Operator) -> np.ndarray:
        """The labels, of the kind that the problem was made with, of the classes that parameters y put the samples X
        into, shape (samples,)."""
        return self.classes.values[self._scored(y, as_samples(X, self.shape[1]))]

    def accuracy(self, y: npt.ArrayLike, X: Operator, labels: npt.ArrayLike) -> float:
        """The fraction of the samples X that parameters y put into their class."""
        X = as_samples(X, self.shape[1])
        codes = self.classes.codes("labels", labels, X.shape[0])
        return float(np.mean(self._scored(y, X) == codes))

    def _scored(self, y: npt.ArrayLike, X: Any) -> np.ndarray:
        scores = X @ as_vector("y", y, self.n_y).reshape(self.shape).T
        return (scores[:, 0] > 0).astype(np.int64) if self.n_classes == 2 else np.argmax(scores, axis=1)

    # -- the two levels --------------------------------------------------------------------

    def fit(self, data: LabelledSet, y: np.ndarray) -> Any:
        """What y makes of these samples."""
        return BinaryFit(data, y) if self.n_classes == 2 else Fit(data, y.reshape(self.shape))

    def penalty(self, x: np.ndarray) -> np.ndarray:
        """D, in a shape that fits (C, p): (1, 1), (1, p) or (C, 1)."""
        d = exponential(x) * x.dtype.type(1 / math.prod(self.shape))
        return d[:, None] if self.weights == "class" else d[None, :]

    def _sum(self, array: np.ndarray) -> np.ndarray:
        """Over (c, j) with k(c, j) = k."""
        return np.atleast_1d(array.sum(axis=self._axis))

    def _value(self, x: np.ndarray, y: np.ndarray) -> float:
        penalty = 0.5 * float((self.penalty(x) * y.reshape(self.shape) ** 2).sum())
        return float(np.mean(self.fit(self.train, y).losses, dtype=np.float64)) + penalty

    def _f(self, x: np.ndarray, y: np.ndarray) -> float:
        return float(np.mean(self.fit(self.validation, y).losses, dtype=np.float64))

    def _f_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.zeros(x.shape, x.dtype)  # a fifth of the time of np.zeros_like

    def _f_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.fit(self.validation, y).gradient(self.validation.equal(y.dtype))

    def _g_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 0.5 * self._sum(self.penalty(x) * y.reshape(self.shape) ** 2)

    def _g_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._gradient(self.penalty(x), y, self.fit(self.train, y))

    def _g_hessian(self, x: np.ndarray, y: np.ndarray) -> StructuredOperator:
        return self._hessian(self.penalty(x), y, self.fit(self.train, y))

    def _g_cross(self, x: np.ndarray, y: np.ndarray) -> WeightCross:
        return self._cross(self.penalty(x), y)

    def _mu(self, x: np.ndarray, y: np.ndarray) -> Proven | None:
        return self._modulus(self.penalty(x))

    def _g_smoothness(self, x: np.ndarray, y: np.ndarray) -> Proven | None:
        return self._smoothness(self.penalty(x))

    def _g_cross_norm(self, x: np.ndarray, y: np.ndarray) -> Proven | None:
        return self._cross_norm(self._g_cross(x, y))

    # -- at a penalty D and a fit that are at hand ------------------------------------------

    def _gradient(self, D: np.ndarray, y: np.ndarray, fit: Any) -> np.ndarray:
        return fit.gradient(self.train.equal(y.dtype)) + (D * y.reshape(self.shape)).ravel()

    def _hessian(self, D: np.ndarray, y: np.ndarray, fit: Any) -> StructuredOperator:
        diagonal, w = self._diagonal(D), self.train.equal(y.dtype)
        if self.n_classes == 2:
            return GeneralizedLinear.of_parts(self.train.design, w * fit.curvatures, diagonal)
        return DiagonalLowRank(diagonal, base=MultinomialHessian(self.train.design, fit.P, w))

    def _diagonal(self, D: np.ndarray) -> np.ndarray:
        """D for every entry of y, shape (C p,)."""
        return D.ravel() if D.shape == self.shape else np.broadcast_to(D, self.shape).ravel()

    def _cross(self, D: np.ndarray, y: np.ndarray) -> WeightCross:
        return WeightCross(D * y.reshape(self.shape), self._axis)

    # -- bounds ----------------------------------------------------------------------------

    def _modulus(self, D: np.ndarray, ends: tuple[float, float] | None = None) -> Proven | None:
        """min D, less the errors of exp and of one product; None where those are all there is.

        `ends` are min D and max D, here and below, where somebody has them at hand.
        """
        smallest = (ends or extremes(D.ravel()))[0]
        mu = smallest * (1 - (FUNCTION_UNITS + 2) * unit_roundoff(D.dtype)) - smallest_subnormal(D.dtype)
        return Proven(mu) if mu > 0 else None

    def _largest(self, D: np.ndarray, ends: tuple[float, float] | None = None) -> float:
        """max D, rounded up."""
        size = (ends or extremes(D.ravel()))[1] * (1 + (FUNCTION_UNITS + 2) * unit_roundoff(D.dtype))
        return (size + smallest_subnormal(D.dtype)) * ROUND_UP

    def _curvature(self, data: LabelledSet) -> float:
        """‖mean's Hessian‖, rounded up; of two classes half of that of several, for σ′ ≤ ¼."""
        return data.mean_curvature / 2 * ROUND_UP if self.n_classes == 2 else data.mean_curvature

    def _smoothness(self, D: np.ndarray, ends: tuple[float, float] | None = None) -> Proven | None:
        return finite((self._curvature(self.train) + self._largest(D, ends)) * ROUND_UP)

    def _cross_norm(self, J: WeightCross) -> Proven | None:
        u = unit_roundoff(J.dtype)
        underflow = J.shape[1] * smallest_normal(J.dtype)
        return finite(J.norm_bound() * (1 + (FUNCTION_UNITS + 4) * u) + underflow)

    def _lipschitz_constants(self, D: np.ndarray, ends: tuple[float, float] | None = None) -> LipschitzConstants | None:
        """None where one of them is larger than any float."""
        return proven_constants(0.0, self._curvature(self.validation), self._largest(D, ends), self._gyy)

    @cached_property
    def _gyy(self) -> float:
        design, n = self.train.design, len(self.train)
        cumulant = 1 / (6 * math.sqrt(3)) if self.n_classes == 2 else 1 / math.sqrt(2)
        return cumulant * float(design.row_norms.max()) * design.norm * design.norm / n * ROUND_UP


def logistic(
    X_train: Operator,
    labels_train: npt.ArrayLike,
    X_val: Operator,
    labels_val: npt.ArrayLike,
    *,
    weights: str = "feature",
    n_classes: int | None = None,
    block_rows: BlockRows = None,
    progress: bool = False,
) -> Logistic | BlockedClassifier:
    """Tune the ℓ2 weights of a logistic regression on validation data.

    Parameters
    ----------
    X_train, X_val : array_like or sparse matrix, shape (n, p), (m, p), float32 or float64
        Sparse ones are held as CSR and never made dense; what is not in memory is read in blocks, as
        :func:`~lancbio_ref.problems.generalized_linear` says. No bias is added: append a column of ones for one.
    labels_train, labels_val : array_like, shape (n,), (m,)
        Classes 0 … C − 1, or labels of any kind that :class:`~lancbio_ref.labels.Classes` maps to them: ±1, texts.
    weights : {"feature", "all", "class"}
        One weight a feature, one in all, or one a class (three classes or more); n_x = p, 1 or C.
    n_classes : int, optional
        C; by default as many as the labels say: one more than the largest, where they count from 0. With 2, y is one
        vector of length p, and the penalty is 1/(2p) Σ exp(x_j) y_j²; with more, y is a C × p matrix, flattened, and
        it is 1/(2Cp) Σ exp(x_j) y_cj².
    block_rows, progress
        As :func:`~lancbio_ref.problems.generalized_linear` has them.

    Returns
    -------
    Logistic or BlockedClassifier
        A :class:`~lancbio_ref.BilevelProblem` with proven μ, L and ‖J‖, ``minibatch``, ``accuracy(y, X, labels)``
        and ``predict(y, X)``.

    Raises
    ------
    ArgumentError
        Shapes that do not fit, labels outside 0 … C − 1, NaN or infinity; later, an x whose exponential is not a normal
        number.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import hypergradient, problems
    >>> X, labels = np.array([[2.0, 1.0], [1.0, -1.0], [-1.0, 1.0]]), np.array([1, 1, 0])
    >>> problem = problems.logistic(X, labels, X, labels)
    >>> h = hypergradient(problem, np.zeros(2))
    >>> h.value.shape, str(h.certificate.error)
    ((2,), 'certified')
    """
    as_choice("weights", weights, AXES)
    if comes_in_blocks(block_rows, X_train, X_val):
        arguments = (X_train, labels_train, X_val, labels_val, weights, n_classes, block_rows, progress)
        return blocked_logistic(*arguments)
    classes, (labels_train, labels_val) = as_classes(n_classes, labels_train, labels_val)
    if weights == "class" and len(classes) == 2:
        raise ArgumentError("weights", "'class' with two classes", "'all' or 'feature': two classes share one vector y")
    train = LabelledSet("train", X_train, labels_train, len(classes), bias=False)
    validation = LabelledSet("val", X_val, labels_val, len(classes), bias=False)
    if validation.design.shape[1] != train.design.shape[1]:
        found = f"{validation.design.shape[1]} features"
        raise ArgumentError("X_val", found, f"{train.design.shape[1]}, as many as X_train has")
    return Logistic(train, validation, classes, weights)
