"""Ridge regression with one penalty a feature: tune the penalties on validation data.

    f(x, y) = 1/(2m) ‖X_val y − t_val‖²
    g(x, y) = 1/(2n) ‖X y − t‖² + ½ Σ_j exp(x_j) y_j²,       n_x = n_y = p

    ∇_y g = Xᵀ(X y − t)/n + exp(x) ∘ y,   ∇²_yy g = XᵀX/n + diag(exp x),   ∇²_xy g = diag(exp(x) ∘ y)
    y*(x) = (XᵀX/n + diag(exp x))⁻¹ Xᵀt/n,   ∇φ(x) = −exp(x) ∘ y* ∘ v,   ∇²_yy g v = ∇_y f(x, y*)

How all that rounds is derived in :mod:`lancbio_ref.problems.rounding.ridge`.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.linalg import cho_solve

from ..arguments import BlockRows, Operator, Seed, as_generator, as_integer, as_number, as_vector, common_type
from ..errors import ArgumentError
from ..formation import FormationErrors
from ..linearization import Linearization
from ..minibatch import as_indices
from ..operators import DenseOperator, DiagonalLowRank, GeneralizedLinear, SparseOperator, as_operator
from ..operators.cholesky import cholesky
from ..parallel import dot
from ..problem import BilevelProblem, LowerLevel, UpperLevel, proven_constants
from ..ready_point import ASKED, ReadyPoint
from ..rounding import Proven, unit_roundoff
from .blocked import BlockedProblem
from .blocked.door import blocked_ridge, comes_in_blocks
from .elementary import FUNCTION_UNITS, exponential
from .rounding import ridge_errors


class Ridge(BilevelProblem):
    """What :func:`ridge` and :func:`random_ridge` return: the problem, its data and closed forms.

    Attributes
    ----------
    n_x, n_y : int
        Both p.
    X_train, X_val : ndarray or csr_array, shape (n, p), (m, p)
    training, validation : LinearOperator, shape (n, p), (m, p)
        X_train and X_val.
    t_train, t_val : ndarray, shape (n,), (m,)
    n_samples : tuple of int
        (m, n), as `minibatch` counts them.

    Notes
    -----
    μ(x) = min exp(x_j), since XᵀX is positive semidefinite; L(x) = ‖XᵀX/n‖ + max exp(x_j), and ‖J‖ = max |exp(x_j)
    y_j|. All three are proven, the exponential's own error included. ∇²_xy g moves in y at the rate max exp(x_j),
    which no constant bounds over all x: the Lipschitz constants are those of a point, and its linearization has them.
    """

    def __init__(self, X_train: Operator, t_train: np.ndarray, X_val: Operator, t_val: np.ndarray) -> None:
        self.training, self.validation = as_operator("X_train", X_train), as_operator("X_val", X_val)
        self.X_train, self.t_train, self.X_val, self.t_val = self.training.A, t_train, self.validation.A, t_val
        n, p = X_train.shape
        self.n_x, self.n_samples = p, (X_val.shape[0], n)
        self.dtype = np.result_type(self.X_train, t_train, self.X_val, t_val)
        self._weight, self._weight_val = 1 / n, 1 / X_val.shape[0]
        self._whole = True  # of a batch, the norm of the validation data would cost more than the batch
        upper = UpperLevel(value=self._f, grad_x=self._f_grad_x, grad_y=self._f_grad_y)
        lower = LowerLevel(
            grad_y=self._g_grad_y,
            hessian=self._g_hessian,
            cross=self._g_cross,
            value=self._g,
            grad_x=self._g_grad_x,
            mu=self._modulus,
            smoothness=self._smoothness,
            cross_norm=self._cross_norm,
        )
        super().__init__(upper, lower, n_y=p)

    def minibatch(self, *, upper: npt.ArrayLike | None = None, lower: npt.ArrayLike | None = None) -> Ridge:
        """The problem with its means over these rows only, None meaning all; the penalty stays what it is.

        Its gradients and products have those of the whole problem as their mean over all batches of one size.

        Parameters
        ----------
        upper, lower : array_like of int, optional
            Rows of the validation and of the training data, increasing.

        Raises
        ------
        ArgumentError
            No rows, rows that are not increasing or not there.
        """
        data = [self.training, self.t_train, self.validation, self.t_val]
        for name, rows, first, total in (
            ("lower", lower, 0, self.n_samples[1]),
            ("upper", upper, 2, self.n_samples[0]),
        ):
            if rows is not None:
                chosen = as_indices(name, rows, total)
                data[first : first + 2] = data[first].rows(chosen), data[first + 1][chosen]
        batch = Ridge(*data)
        batch._whole = False
        return batch

    # -- closed forms ----------------------------------------------------------------------

    def solution(self, x: npt.ArrayLike) -> np.ndarray:
        """y*(x) = (XᵀX/n + diag(exp x))⁻¹ Xᵀt/n, shape (p,), by a dense Cholesky factorization."""
        return cho_solve(self._factor(self._point(x)), self.X_train.T @ (self._weight * self.t_train))

    def hypergradient(self, x: npt.ArrayLike) -> np.ndarray:
        """∇φ(x) = −exp(x) ∘ y* ∘ v with (XᵀX/n + diag(exp x)) v = ∇_y f(x, y*), shape (p,)."""
        x = self._point(x)
        factor, y = self._factor(x), self.solution(x)
        return -exponential(x) * y * cho_solve(factor, self._f_grad_y(x, y))

    def _factor(self, x: np.ndarray) -> Any:
        return cholesky("X_train", self._gram + np.diag(exponential(x)))

    @cached_property
    def _gram(self) -> np.ndarray:
        with np.errstate(over="ignore"):
            gram = self.X_train.T @ self.X_train
        return self._weight * (gram.toarray() if sp.issparse(gram) else gram)

    @cached_property
    def data_norm(self) -> float:
        """An upper bound of ‖|X|ᵀ|X|‖/n."""
        return GeneralizedLinear(self.training, np.full(self.n_samples[1], self._weight), 0.0).norm_bound()

    def _point(self, x: npt.ArrayLike) -> np.ndarray:
        x = as_vector("x", x, self.n_x)
        return x.astype(common_type(self.dtype, x), copy=False)

    # -- the two levels --------------------------------------------------------------------

    def formation_errors(self, x: np.ndarray, y: np.ndarray) -> FormationErrors:
        """See :mod:`lancbio_ref.problems.rounding.ridge`."""
        return ridge_errors(self, *self.promoted(x, y))

    def hessian_at(self, x: np.ndarray) -> GeneralizedLinear:
        """XᵀX/n + diag(exp x), which no y moves."""
        return GeneralizedLinear(self.training, np.full(self.n_samples[1], self._weight, x.dtype), exponential(x))

    def validation_gram(self, dtype: npt.DTypeLike) -> GeneralizedLinear:
        """X_valᵀX_val/m = ∇²_yy f."""
        return GeneralizedLinear(self.validation, np.full(self.n_samples[0], self._weight_val, dtype), 0.0)

    @np.errstate(under="ignore")
    def linearize(self, x: np.ndarray, y: np.ndarray) -> Linearization:
        """The linearization, with the Lipschitz constants of this x: max exp(x_j) for J = diag(exp(x) ∘ y)."""
        x, y = self.promoted(x, y)
        constants = None
        if self._whole:
            largest = float(exponential(x).max()) * (1 + FUNCTION_UNITS * unit_roundoff(x.dtype))
            constants = proven_constants(0.0, self.validation_norm, largest, 0.0)
        return Linearization.of_parts(
            self.hessian(x, y),
            self.cross(x, y),
            self.upper_grad_y(x, y),
            self.upper_grad_x(x, y),
            grad_y=lambda: self.lower_grad_y(x, y),
            mu=lambda: self.lower_bound("mu", x, y),
            smoothness=lambda: self.lower_bound("smoothness", x, y),
            cross_norm=lambda: self.lower_bound("cross_norm", x, y),
            lipschitz=constants,
            at=(x, y),
            formation=self.formation_errors(x, y),
        )

    def ready_point(self, x: np.ndarray, y: np.ndarray) -> ReadyPoint | None:
        """With the whole data, of one type."""
        x, y = self.promoted(x, y)
        if not (self._whole and x.size == y.size == self.n_y and x.dtype == self.dtype):
            return None
        errors = self.formation_errors(x, y)
        largest = float(exponential(x).max()) * (1 + FUNCTION_UNITS * unit_roundoff(x.dtype))
        return ReadyPoint.of(
            self.hessian_at(x),
            self._g_cross(x, y),
            self._f_grad_y(x, y),
            self._f_grad_x(x, y),
            self._g_grad_y(x, y),
            self._modulus(x, y),
            self._smoothness(x, y),
            self._cross_norm(x, y),
            proven_constants(0.0, self.validation_norm, largest, 0.0),
            tuple(errors[name] for name in ("grad_y", "A", "J", "b", "c")),
            ASKED,
        )

    @cached_property
    def validation_norm(self) -> float:
        """An upper bound of ‖|X_val|ᵀ|X_val|‖/m."""
        return self.validation_gram(np.float64).norm_bound()

    def _f(self, x: np.ndarray, y: np.ndarray) -> float:
        r = self.validation.matvec(y) - self.t_val
        return 0.5 * self._weight_val * dot(r, r)

    def _f_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.zeros_like(x)

    def _f_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.validation.rmatvec(self._weight_val * (self.validation.matvec(y) - self.t_val))

    def _g(self, x: np.ndarray, y: np.ndarray) -> float:
        r = self.training.matvec(y) - self.t_train
        return 0.5 * (self._weight * dot(r, r) + dot(exponential(x), y**2))

    def _g_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        r = self.training.matvec(y) - self.t_train
        return self.training.rmatvec(self._weight * r) + exponential(x) * y

    def _g_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 0.5 * exponential(x) * y**2

    def _g_hessian(self, x: np.ndarray, y: np.ndarray) -> GeneralizedLinear:
        return self.hessian_at(x)

    def _g_cross(self, x: np.ndarray, y: np.ndarray) -> DiagonalLowRank:
        return DiagonalLowRank(exponential(x) * y)

    def _modulus(self, x: np.ndarray, y: np.ndarray) -> Proven:
        return Proven(exponential(x).min() * (1 - FUNCTION_UNITS * unit_roundoff(x.dtype)))

    def _smoothness(self, x: np.ndarray, y: np.ndarray) -> Proven:
        largest = float(exponential(x).max()) * (1 + FUNCTION_UNITS * unit_roundoff(x.dtype))
        return Proven((self.data_norm + largest) * (1 + 2.0**-50))

    def _cross_norm(self, x: np.ndarray, y: np.ndarray) -> Proven:
        u = max(unit_roundoff(x.dtype), unit_roundoff(y.dtype))
        largest = float(np.abs(exponential(x) * y).max())
        return Proven(math.nextafter(largest * (1 + (FUNCTION_UNITS + 2) * u), math.inf))


def ridge(
    X_train: Operator,
    t_train: npt.ArrayLike,
    X_val: Operator,
    t_val: npt.ArrayLike,
    *,
    block_rows: BlockRows = None,
    progress: bool = False,
) -> Ridge | BlockedProblem:
    """Tune exp(x_j), the penalty of feature j in a ridge regression, on validation data.

    Parameters
    ----------
    X_train, X_val : array_like or sparse matrix, shape (n, p), (m, p)
        What is not in memory is read in blocks, as :func:`~lancbio_ref.problems.generalized_linear` says.
    t_train, t_val : array_like, shape (n,), (m,)
    block_rows, progress
        As :func:`~lancbio_ref.problems.generalized_linear` has them.

    Returns
    -------
    Ridge or BlockedProblem
        In memory with closed forms :meth:`Ridge.solution` and :meth:`Ridge.hypergradient`.

    Raises
    ------
    ArgumentError
        Shapes that do not fit, NaN or infinity; later, an x whose exponential is not a normal number.

    Examples
    --------
    One observation t = 2 of one feature: y* = 2/(1 + eˣ). Validation asks for y = 0, so dφ/dx = −eˣ y*²/(1 + eˣ):

    >>> from lancbio_ref import problems
    >>> problem = problems.ridge([[1.0]], [2.0], [[1.0]], [0.0])
    >>> problem.solution([0.0]), problem.hypergradient([0.0])
    (array([1.]), array([-0.5]))
    """
    if comes_in_blocks(block_rows, X_train, X_val):
        return blocked_ridge(X_train, t_train, X_val, t_val, block_rows, progress)
    return _in_memory(X_train, t_train, X_val, t_val)


def _in_memory(X_train: Operator, t_train: npt.ArrayLike, X_val: Operator, t_val: npt.ArrayLike) -> Ridge:
    X_train, X_val = _design("X_train", X_train), _design("X_val", X_val)
    n, p = X_train.shape
    if X_val.shape[1] != p:
        raise ArgumentError("X_val", f"shape {X_val.shape}", f"shape (m, {p})")
    return Ridge(X_train, as_vector("t_train", t_train, n), X_val, as_vector("t_val", t_val, X_val.shape[0]))


def random_ridge(n_train: int, n_val: int, n_features: int, *, noise: float = 0.1, rng: Seed = None) -> Ridge:
    """A ridge problem with Gaussian features, half of which do not matter.

    Parameters
    ----------
    n_train, n_val, n_features : int
    noise : float
        Standard deviation of what is added to the targets.
    rng : None, int or numpy.random.Generator

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import problems
    >>> problem = problems.random_ridge(20, 15, 6, rng=0)
    >>> problem.check(np.zeros(6), np.ones(6), rng=0).ok
    True
    """
    n_train, n_val = as_integer("n_train", n_train, least=1), as_integer("n_val", n_val, least=1)
    n_features, rng = as_integer("n_features", n_features, least=1), as_generator(rng)
    noise = as_number("noise", noise, least=0.0)
    truth = rng.standard_normal(n_features) * (np.arange(n_features) % 2 == 0)
    data = []
    for size in (n_train, n_val):
        X = rng.standard_normal((size, n_features))
        data += [X, X @ truth + noise * rng.standard_normal(size)]
    return _in_memory(*data)


def _design(name: str, X: Operator) -> np.ndarray | sp.csr_array:
    X = (SparseOperator if sp.issparse(X) else DenseOperator)(X, name=name)
    if X.dtype.kind == "c":
        raise ArgumentError(name, f"dtype {X.dtype}", "float32 or float64")
    return X
