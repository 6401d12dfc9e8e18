"""φ and ∇φ of few coefficients by Cholesky factorizations: what a search evaluates many times.

    y ← y + t d,   A(x, y) d = −∇_y g,      t halved until g(x, y + t d) ≤ g(x, y) + 10⁻⁴ t dᵀ∇_y g       (Armijo)
    ∇φ = Σ_k ω_k (c_k − J_k v_k),           A_k v_k = b_k

a fit after another. A Hessian is formed by the BLAS and factored in time of the cube of the coefficients, which up to
some hundreds is far less than the calls of a Lanczos process. Nothing here is certified: the end of the search is, by
:class:`~lancbio_ref.HyperObjective`, which starts from the y of here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ..problems.folds import Folds
from ..problems.generalized_linear import GeneralizedLinearProblem
from ..problems.generalized_linear.ball import PIN
from ..problems.generalized_linear.problem import Point
from ..problems.generalized_linear.samples import ScalarFit
from ..rounding import norm2

MOST = 400  # coefficients of one fit
RTOL = 1e-9  # of ‖∇_y g‖, to what it was at the very first start
NEWTON = 60


class DirectObjective:
    """x → (φ(x), ∇φ(x)) for a fit or for folds of them.

    Parameters
    ----------
    problem : GeneralizedLinearProblem or Folds of such
    y0 : ndarray, shape (n_y,)

    Attributes
    ----------
    y : ndarray, shape (n_y,)
        Of the last evaluation.
    n_factorizations : int
    """

    def __init__(self, problem: GeneralizedLinearProblem | Folds, y0: np.ndarray) -> None:
        folds = problem if isinstance(problem, Folds) else Folds([problem])
        self.parts: tuple[Any, ...] = folds.problems
        self.weights, self._pieces = folds.weights, folds.split(y0)
        self._sizes: list[float | None] = [None] * len(self.parts)
        self.n_factorizations = 0

    @property
    def y(self) -> np.ndarray:
        return np.concatenate(self._pieces)

    @staticmethod
    def fits(problem: GeneralizedLinearProblem | Folds) -> bool:
        """Whether every part is small enough, and of this family."""
        parts = problem.problems if isinstance(problem, Folds) else (problem,)
        return all(
            isinstance(part, GeneralizedLinearProblem) and part.in_memory and math.prod(part.shape) <= MOST
            for part in parts
        )

    @np.errstate(under="ignore")
    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """φ(x) and ∇φ(x), uncertified; scipy's ``LinAlgError`` where a Hessian is not positive definite to rounding."""
        value, gradient = 0.0, np.zeros(x.size)
        for k, (part, weight) in enumerate(zip(self.parts, self.weights, strict=True)):
            at, factor = self._solve(k, part, x, self._pieces[k])
            self._pieces[k] = at.y
            v = cho_solve(factor, at.validation_fit.gradient(at.v))
            value += weight * part.upper.value(x, at.y)
            gradient -= weight * part.cross_at(at).matvec(v)
        return float(value), gradient

    def _solve(self, k: int, part: GeneralizedLinearProblem, x: np.ndarray, y: np.ndarray) -> tuple[Point, Any]:
        """The fit of part k, and the factors of its Hessian there."""
        at = Point(part, x, y)
        norm = norm2(at.gradient)
        start = self._sizes[k] = max(norm, 1e-12) if self._sizes[k] is None else self._sizes[k]
        assert start is not None
        value = part.lower.value
        assert value is not None
        for _ in range(NEWTON):
            factor = cho_factor(hessian_array(at), overwrite_a=True)
            self.n_factorizations += 1
            if norm <= RTOL * start:
                return at, factor
            step = -cho_solve(factor, at.gradient)
            slope, g, t = float(at.gradient @ step), value(x, at.y), 1.0
            trial = Point(part, x, at.y + step)
            while norm2(trial.gradient) > norm and value(x, trial.y) > g + 1e-4 * t * slope and t > 1e-8:
                t /= 2
                trial = Point(part, x, at.y + t * step)
            if t <= 1e-8 or not norm2(trial.gradient) < np.inf:
                return at, factor  # rounding: no step makes it better
            before, norm, at = norm, norm2(trial.gradient), trial
            if norm > 0.5 * before and before <= 1e-6 * start:
                break  # near the end Newton's method is quadratic: what halves the gradient no more is rounding
        return at, cho_factor(hessian_array(at), overwrite_a=True)


def hessian_array(at: Point) -> np.ndarray:
    """A as a dense array, by matrix products: Xᵀ diag(w ℓ″) X, or C² blocks of them, + diag D."""
    problem, X = at.problem, at.problem.train.design.X
    if isinstance(at.fit, ScalarFit):
        A = _weighted_gram(X, at.w * at.fit.curvatures)
    else:
        P, (C, q) = at.fit.P, problem.shape
        A = np.empty((C, q, C, q))
        for c in range(C):
            for d in range(c + 1):
                block = _weighted_gram(X, at.w * P[:, c] * ((c == d) - P[:, d]))
                A[c, :, d, :] = A[d, :, c, :] = block
        if problem.has_intercept:
            A[:, -1, :, -1] += PIN / C
        A = A.reshape(C * q, C * q)
    A[np.diag_indices(at.y.size)] += at.D
    return A


def _weighted_gram(X: Any, d: np.ndarray) -> np.ndarray:
    if sp.issparse(X):
        return np.asarray((X.T @ X.multiply(d[:, None])).todense())
    return X.T @ (X * d[:, None])


__all__ = ["DirectObjective", "LinAlgError", "hessian_array"]
