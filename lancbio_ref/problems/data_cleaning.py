"""Hyper-data cleaning: learn one weight a training sample, so that a classifier trained on it does well elsewhere.

    min_x  f(y*(x)),   f(y) = mean_i CE_i(y)                      on clean validation data
    y*(x) = argmin_y g(x, y),   g = mean_i σ(x_i) CE_i(y) + c‖y‖²    on training data, partly mislabelled

with y ∈ R^{C × (p + 1)} (bias column last, flattened in C order), CE_i(y) = log Σ_c exp(y_c·x_i) − y_{l_i}·x_i and σ
the logistic function (Franceschi et al., ICML 2017; here as in Yang, Gao, Yuan, ICLR 2025). All derivatives come from
P = softmax(X yᵀ), R = P − onehot(labels), w = σ(x)/n and d = σ′(x)/n; see :mod:`lancbio_ref.operators.multinomial`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arguments import BlockRows, Operator, Seed, as_generator, as_number, as_vector
from ..errors import ArgumentError
from ..formation import FormationErrors
from ..labels import Classes
from ..linearization import Linearization
from ..minibatch import as_indices
from ..operators import MultinomialCross, MultinomialHessian, ScatteredRows
from ..operators.multinomial import curvature_bound
from ..parallel import dot
from ..problem import BilevelProblem, LipschitzConstants, LowerLevel, UpperLevel, finite, proven_constants
from ..rounding import ROUND_UP, Proven
from .blocked.door import BlockedClassifier, blocked_cleaning, comes_in_blocks
from .classification import Fit, LabelledSet, as_classes, as_samples
from .elementary import expit
from .rounding import data_cleaning_errors


class DataCleaning(BilevelProblem):
    """See :func:`data_cleaning`, which makes it.

    Attributes
    ----------
    n_x, n_y : int
        Training samples; C (p + 1) parameters.
    n_classes : int
        C.
    classes : Classes
        ``classes.values`` are the labels of the classes 0 … C − 1.
    n_samples : tuple of int
        Validation and training samples, as `minibatch` counts them.
    dtype : numpy.dtype
        Of the features.
    ridge : float
        2 · regularization, rounded to `dtype`: the modulus μ.
    """

    def __init__(
        self,
        train: LabelledSet,
        validation: LabelledSet,
        regularization: float,
        classes: Classes,
        *,
        batch: tuple[int, np.ndarray | None] | None = None,
    ) -> None:
        self.train, self.validation, self.classes = train, validation, classes
        self.n_classes = n_classes = len(classes)
        self.n_samples = len(validation), len(train)
        self.dtype = np.result_type(train.design.dtype, validation.design.dtype)
        # of a batch: how long x is in all, and which of its entries weigh the samples in `train`
        self.n_x, self._rows = (len(train), None) if batch is None else batch
        self.ridge = float(self.dtype.type(2 * regularization))
        if not 0 < self.ridge < math.inf:
            raise ArgumentError(
                "regularization", repr(regularization), f"a number whose double is a normal {self.dtype}"
            )
        upper = UpperLevel(value=self._f, grad_x=self._f_grad_x, grad_y=self._f_grad_y)
        lower = LowerLevel(
            value=self._g,
            grad_x=self._g_grad_x,
            grad_y=self._g_grad_y,
            hessian=self._g_hessian,
            cross=self._g_cross,
            mu=Proven(self.ridge),
            smoothness=self._smoothness,
            cross_norm=self._cross_norm,
        )
        lipschitz = self._lipschitz_constants() if batch is None else None  # of a batch they would cost more than it
        super().__init__(upper, lower, lipschitz=lipschitz, n_y=n_classes * train.design.shape[1])

    @np.errstate(under="ignore")
    def linearize(self, x: np.ndarray, y: np.ndarray) -> Linearization:
        """(A, J, b, c) from one product X yᵀ and one softmax; the norms of A and J come from their structure."""
        x, y = self.promoted(x, y)
        fit, at = self.train.at(y), (x, y)
        return Linearization.of_parts(
            self._made_operator("lower.hessian", self._hessian(x, fit), (y.size, y.size)),
            self._made_operator("lower.cross", self._cross(x, fit), (x.size, y.size)),
            self.upper_grad_y(x, y),
            self.upper_grad_x(x, y),
            grad_y=lambda: self._made("lower.grad_y", self._train_gradient(x, fit), at),
            mu=Proven(self.ridge),
            lipschitz=self.lipschitz,
            at=at,
            formation=data_cleaning_errors(self, x, y, fit),
        )

    def formation_errors(self, x: np.ndarray, y: np.ndarray) -> FormationErrors:
        """See :mod:`lancbio_ref.problems.rounding.classification`."""
        return data_cleaning_errors(self, *self.promoted(x, y))

    def minibatch(self, *, upper: npt.ArrayLike | None = None, lower: npt.ArrayLike | None = None) -> DataCleaning:
        """The problem with its means over these rows only; x keeps its length, None means all rows.

        f = 1/|B| Σ_{i ∈ B} CE_i and g = 1/|B| Σ_{i ∈ B} σ(x_i) CE_i + c‖y‖², whose gradients and products have those of
        the whole problem as their mean over all B of one size. It carries no Lipschitz constants.

        Parameters
        ----------
        upper, lower : array_like of int, optional
            Rows of the validation and of the training samples, increasing.

        Raises
        ------
        ArgumentError
            No rows, rows that are not increasing or not there.
        """
        validation, train, rows = self.validation, self.train, self._rows
        if upper is not None:
            validation = validation.rows(as_indices("upper", upper, len(validation)))
        if lower is not None:
            chosen = as_indices("lower", lower, len(train))
            train, rows = train.rows(chosen), chosen if rows is None else rows[chosen]
        return DataCleaning(train, validation, self.ridge / 2, self.classes, batch=(self.n_x, rows))

    def predict(self, y: npt.ArrayLike, X: Operator) -> np.ndarray:
        """The labels, of the kind that the problem was made with, of the classes that parameters y put the samples X
        (without bias column) into, shape (samples,)."""
        return self.classes.values[self._scored(y, as_samples(X, self.train.design.shape[1] - 1))]

    def accuracy(self, y: npt.ArrayLike, X: Operator, labels: npt.ArrayLike) -> float:
        """The fraction of the samples X (without bias column) that parameters y put into their class."""
        X = as_samples(X, self.train.design.shape[1] - 1)
        codes = self.classes.codes("labels", labels, X.shape[0])
        return float(np.mean(self._scored(y, X) == codes))

    def _scored(self, y: npt.ArrayLike, X: Any) -> np.ndarray:
        Y = as_vector("y", y, self.n_y).reshape(self.n_classes, -1)
        return np.argmax(X @ Y[:, :-1].T + Y[:, -1], axis=1)

    def initial_point(self, rng: Seed = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x_0 = 0 (equal weights ½), y_0 ~ N(0, 2/C) (the variance) and v_0 ~ U(0, 1), as the paper starts."""
        rng = as_generator(rng)
        y = math.sqrt(2 / self.n_classes) * rng.standard_normal(self.n_y)
        return np.zeros(self.n_x, self.dtype), y.astype(self.dtype), rng.random(self.n_y).astype(self.dtype)

    def _own(self, x: np.ndarray) -> np.ndarray:
        return x if self._rows is None else x[self._rows]

    def _scatter(self, x: np.ndarray, values: np.ndarray) -> np.ndarray:
        """`values`, one a sample, as a vector like x; zero where x weighs no sample of the batch."""
        if self._rows is None:
            return values
        full = np.zeros(x.size, values.dtype)
        full[self._rows] = values
        return full

    def weights(self, x: np.ndarray) -> np.ndarray:
        """w = σ(x)/n of the samples at hand."""
        return expit(self._own(x)) / len(self.train)

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """d = ∂w/∂x = σ′(x)/n."""
        x = self._own(x)
        return expit(x) * expit(-x) / len(self.train)  # σ′ = σ(x)σ(−x): 1 − σ(x) would cancel

    def _f(self, x: np.ndarray, y: np.ndarray) -> float:
        return float(np.mean(self.validation.at(y).losses, dtype=np.float64))

    def _f_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.zeros_like(x)

    def _f_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._validation_gradient(y)

    def _g(self, x: np.ndarray, y: np.ndarray) -> float:
        return dot(self.weights(x), self.train.at(y).losses) + 0.5 * self.ridge * dot(y, y)

    def _g_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._scatter(x, self.slopes(x) * self.train.at(y).losses)

    def _g_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._train_gradient(x, self.train.at(y))

    def _g_hessian(self, x: np.ndarray, y: np.ndarray) -> MultinomialHessian:
        return self._hessian(x, self.train.at(y))

    def _g_cross(self, x: np.ndarray, y: np.ndarray) -> MultinomialCross | ScatteredRows:
        return self._cross(x, self.train.at(y))

    def _smoothness(self, x: np.ndarray, y: np.ndarray) -> Proven | None:
        return finite(curvature_bound(self.train.design, self.weights(x)) + self.ridge * ROUND_UP)

    def _cross_norm(self, x: np.ndarray, y: np.ndarray) -> Proven | None:
        return finite(self._g_cross(x, y).norm_bound())

    def _validation_gradient(self, y: np.ndarray) -> np.ndarray:
        n = len(self.validation)
        return self.validation.at(y).gradient(np.full(n, 1 / n, y.dtype))

    def _train_gradient(self, x: np.ndarray, fit: Fit) -> np.ndarray:
        return fit.gradient(self.weights(x)) + self.ridge * fit.Y.ravel()

    def _hessian(self, x: np.ndarray, fit: Fit) -> MultinomialHessian:
        return MultinomialHessian(self.train.design, fit.P, self.weights(x), self.ridge)

    def _cross(self, x: np.ndarray, fit: Fit) -> MultinomialCross | ScatteredRows:
        J = MultinomialCross(self.train.design, fit.R, self.slopes(x))
        return J if self._rows is None else ScatteredRows(J, self._rows, self.n_x)

    def _lipschitz_constants(self) -> LipschitzConstants | None:
        """The constants that :func:`data_cleaning` derives, rounded up; None where one is larger than any float."""
        largest, norm = float(self.train.design.row_norms.max()), self.train.design.norm
        n_validation = len(self.validation)
        return proven_constants(
            fx=0.0,
            fy=curvature_bound(self.validation.design, np.full(n_validation, 1 / n_validation)) * ROUND_UP,
            gxy=largest * norm / (8 * self.n_x) * ROUND_UP,
            gyy=largest * norm * norm / (math.sqrt(2) * self.n_x) * ROUND_UP,
        )


def data_cleaning(
    X_train: Operator,
    labels_train: npt.ArrayLike,
    X_val: Operator,
    labels_val: npt.ArrayLike,
    *,
    regularization: float = 0.01,
    n_classes: int | None = None,
    block_rows: BlockRows = None,
    progress: bool = False,
) -> DataCleaning | BlockedClassifier:
    """Hyper-data cleaning with multinomial logistic regression.

    Parameters
    ----------
    X_train, X_val : array_like or sparse matrix, shape (n_train, p), (n_val, p), float32 or float64
        Features; a column of ones is appended. Their type is the arithmetic's. Sparse ones stay sparse; what is not
        in memory is read in blocks, as :func:`~lancbio_ref.problems.generalized_linear` says.
    labels_train, labels_val : array_like, shape (n_train,), (n_val,)
        Classes 0 … C − 1, or labels of any kind that :class:`~lancbio_ref.labels.Classes` maps to them; those of the
        training set may be wrong.
    regularization : float
        c > 0 in c‖y‖². All parameters are penalized, the bias too, so that g(x, ·) is 2c-strongly convex.
    n_classes : int, optional
        C; by default as many as the labels say.
    block_rows, progress
        As :func:`~lancbio_ref.problems.generalized_linear` has them.

    Returns
    -------
    DataCleaning or BlockedClassifier
        A :class:`~lancbio_ref.BilevelProblem` with ``accuracy(y, X, labels)``, ``predict(y, X)`` and
        ``initial_point(rng)``; x has length n_train, y has C(p + 1).

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
    regularization = as_number("regularization", regularization, above=0.0)
    if comes_in_blocks(block_rows, X_train, X_val):
        arguments = (X_train, labels_train, X_val, labels_val, regularization, n_classes, block_rows, progress)
        return blocked_cleaning(*arguments)
    classes, (labels_train, labels_val) = as_classes(n_classes, labels_train, labels_val)
    train = LabelledSet("train", X_train, labels_train, len(classes))
    validation = LabelledSet("val", X_val, labels_val, len(classes))
    if validation.design.shape[1] != train.design.shape[1]:
        found = f"{validation.design.shape[1] - 1} features"
        raise ArgumentError("X_val", found, f"{train.design.shape[1] - 1}, as many as X_train has")
    return DataCleaning(train, validation, regularization, classes)
