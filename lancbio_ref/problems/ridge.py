"""Ridge regression with one penalty a feature: tune the penalties on validation data.

    f(x, y) = 1/(2m) ‖X_val y − t_val‖²
    g(x, y) = 1/(2n) ‖X y − t‖² + ½ Σ_j exp(x_j) y_j²,       n_x = n_y = p

    ∇_y g = Xᵀ(X y − t)/n + exp(x) ∘ y,   ∇²_yy g = XᵀX/n + diag(exp x),   ∇²_xy g = diag(exp(x) ∘ y)
    y*(x) = (XᵀX/n + diag(exp x))⁻¹ Xᵀt/n,   ∇φ(x) = −exp(x) ∘ y* ∘ v,   ∇²_yy g v = ∇_y f(x, y*)

The weights 1/n, 1/m mean those numbers rounded, once; so all derivatives belong to the same f and g.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve

from ..arguments import as_generator, as_integer, as_number, as_vector
from ..errors import ArgumentError
from ..operators import DenseOperator, DiagonalLowRank, GeneralizedLinear, SparseOperator
from ..problem import BilevelProblem, LowerLevel, UpperLevel
from ..rounding import Proven, unit_roundoff

EXP_UNITS = 8  # NumPy documents at most 4 units in the last place for its exponential; twice that is taken


class Ridge(BilevelProblem):
    """What :func:`ridge` and :func:`random_ridge` return: the problem, its data and closed forms.

    Attributes
    ----------
    n_x, n_y : int
        Both p.
    X_train, X_val : ndarray or csr_array, shape (n, p), (m, p)
    t_train, t_val : ndarray, shape (n,), (m,)

    Notes
    -----
    μ(x) = min exp(x_j), since XᵀX is positive semidefinite; L(x) = ‖XᵀX/n‖ + max exp(x_j), and ‖J‖ = max |exp(x_j)
    y_j|. All three are proven, the exponential's own error included. ∇²_xy g moves in y at the rate max exp(x_j),
    which no constant bounds over all x, so there are no Lipschitz constants and no `lower_level_bound`.
    """

    def __init__(self, X_train: Any, t_train: Any, X_val: Any, t_val: Any) -> None:
        self.X_train, self.X_val = _design("X_train", X_train), _design("X_val", X_val)
        n, p = self.X_train.shape
        m = self.X_val.shape[0]
        if self.X_val.shape[1] != p:
            raise ArgumentError("X_val", f"shape {self.X_val.shape}", f"shape (m, {p})")
        self.t_train, self.t_val = as_vector("t_train", t_train, n), as_vector("t_val", t_val, m)
        self.n_x = p
        self._weight, self._weight_val = 1 / n, 1 / m
        gram = self.X_train.T @ self.X_train
        self._gram = self._weight * (gram.toarray() if sp.issparse(gram) else gram)
        self._data_norm = GeneralizedLinear(self.X_train, np.full(n, self._weight), 0.0).norm_bound()
        upper = UpperLevel(value=self._f, grad_x=lambda x, y: np.zeros_like(x), grad_y=self._f_grad_y)
        lower = LowerLevel(
            grad_y=self._g_grad_y,
            hessian=lambda x, y: GeneralizedLinear(self.X_train, np.full(n, self._weight), self._penalty(x)),
            cross=lambda x, y: DiagonalLowRank(self._penalty(x) * y),
            value=self._g,
            grad_x=lambda x, y: 0.5 * self._penalty(x) * y**2,
            mu=lambda x, y: Proven(self._penalty(x).min() * (1 - EXP_UNITS * unit_roundoff(x.dtype))),
            smoothness=self._smoothness,
            cross_norm=self._cross_norm,
        )
        super().__init__(upper, lower, n_y=p)

    # -- closed forms ----------------------------------------------------------------------

    def solution(self, x: Any) -> np.ndarray:
        """y*(x) = (XᵀX/n + diag(exp x))⁻¹ Xᵀt/n, shape (p,), by a dense Cholesky factorization."""
        return cho_solve(self._factor(self._point(x)), self.X_train.T @ (self._weight * self.t_train))

    def hypergradient(self, x: Any) -> np.ndarray:
        """∇φ(x) = −exp(x) ∘ y* ∘ v with (XᵀX/n + diag(exp x)) v = ∇_y f(x, y*), shape (p,)."""
        x = self._point(x)
        factor, y = self._factor(x), self.solution(x)
        return -self._penalty(x) * y * cho_solve(factor, self._f_grad_y(x, y))

    def _factor(self, x: np.ndarray) -> Any:
        return cho_factor(self._gram + np.diag(self._penalty(x)), lower=True)

    def _point(self, x: Any) -> np.ndarray:
        return as_vector("x", x, self.n_x)

    # -- the two levels --------------------------------------------------------------------

    def _penalty(self, x: np.ndarray) -> np.ndarray:
        """exp(x), where it is a normal number."""
        limits = np.finfo(x.dtype)
        smallest, largest = math.log(limits.smallest_normal), math.log(limits.max)
        outside = ~((x > smallest) & (x < largest))
        if outside.any():
            index = int(np.flatnonzero(outside)[0])
            raise ArgumentError(
                "x", f"{x[index]} at index {index}", f"entries in ({smallest:.5g}, {largest:.5g}), for exp(x)"
            )
        return np.exp(x)

    def _f(self, x: np.ndarray, y: np.ndarray) -> float:
        r = self.X_val @ y - self.t_val
        return 0.5 * self._weight_val * float(r @ r)

    def _f_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.X_val.T @ (self._weight_val * (self.X_val @ y - self.t_val))

    def _g(self, x: np.ndarray, y: np.ndarray) -> float:
        r = self.X_train @ y - self.t_train
        return 0.5 * (self._weight * float(r @ r) + float(self._penalty(x) @ y**2))

    def _g_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        r = self.X_train @ y - self.t_train
        return self.X_train.T @ (self._weight * r) + self._penalty(x) * y

    def _smoothness(self, x: np.ndarray, y: np.ndarray) -> Proven:
        largest = float(self._penalty(x).max()) * (1 + EXP_UNITS * unit_roundoff(x.dtype))
        return Proven((self._data_norm + largest) * (1 + 2.0**-50))

    def _cross_norm(self, x: np.ndarray, y: np.ndarray) -> Proven:
        u = max(unit_roundoff(x.dtype), unit_roundoff(y.dtype))
        largest = float(np.abs(self._penalty(x) * y).max())
        return Proven(math.nextafter(largest * (1 + (EXP_UNITS + 2) * u), math.inf))


def ridge(X_train: Any, t_train: Any, X_val: Any, t_val: Any) -> Ridge:
    """Tune exp(x_j), the penalty of feature j in a ridge regression, on validation data.

    Parameters
    ----------
    X_train, X_val : array_like or sparse matrix, shape (n, p), (m, p)
    t_train, t_val : array_like, shape (n,), (m,)

    Returns
    -------
    Ridge
        With closed forms :meth:`Ridge.solution` and :meth:`Ridge.hypergradient`.

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
    return Ridge(X_train, t_train, X_val, t_val)


def random_ridge(n_train: int, n_val: int, n_features: int, *, noise: float = 0.1, rng: Any = None) -> Ridge:
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
    return Ridge(*data)


def _design(name: str, X: Any) -> Any:
    X = (SparseOperator if sp.issparse(X) else DenseOperator)(X, name=name).A
    if X.dtype.kind == "c":
        raise ArgumentError(name, f"dtype {X.dtype}", "float32 or float64")
    return X
