"""φ and ∇φ of few coefficients by Cholesky factorizations: what a search evaluates many times.

    y ← y + t d,   A(x, y) d = −∇_y g,      t halved until g(x, y + t d) ≤ g(x, y) + 10⁻⁴ t dᵀ∇_y g       (Armijo)
    until −dᵀ∇_y g ≤ `DECREMENT` · the loss of an intercept: twice what g still has to fall, whatever A's condition is
    ∇φ = Σ_k ω_k (c_k − J_k v_k),           A_k v_k = b_k

a fit after another. A Hessian is formed by the BLAS and factored in time of the cube of the coefficients, which up to
some hundreds is far less than the calls of a Lanczos process; sparse data of which that is faster are made dense, by
the multiplications of both ways: n p² of the BLAS, and Σ nnz_i², of which each takes as long as `SPARSE` of the others.

Nothing of a search is certified, and its end is: y and v go to where rounding stops them, and
:func:`~lancbio_ref.hypergradient.hypergradient_of` says what they are worth.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import scipy.sparse as sp
from joblib import effective_n_jobs
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from sklearn.utils.parallel import Parallel, delayed

from ..hypergradient import HyperGradient, hypergradient_of, linearization_at
from ..linearization import Linearization
from ..problems.folds import Folds
from ..problems.generalized_linear import GeneralizedLinearProblem
from ..problems.generalized_linear.ball import PIN
from ..problems.generalized_linear.problem import Point
from ..problems.generalized_linear.samples import ScalarFit
from ..rounding import norm2
from ..status import SolveStatus

MOST = 800  # coefficients of one fit
SPARSE = 60
DECREMENT, ROUGH = 1e-18, 1e-8
NEWTON, REFINEMENTS, NOISE = 60, 5, 1e-12


class DirectObjective:
    """x → (φ(x), ∇φ(x)) for a fit or for folds of them.

    Parameters
    ----------
    problem : GeneralizedLinearProblem or Folds of such
    y0 : ndarray, shape (n_y,)
    unit : float
        What an intercept alone loses.
    n_jobs : int, optional
        Of joblib, over the fits of folds, in threads: most of a large fit is the BLAS, which releases Python's lock.
        Each fit is what it is alone, and sums are taken in their order: no bit depends on it.

    Attributes
    ----------
    y : ndarray, shape (n_y,)
        Of the last evaluation.
    n_factorizations : int
        So far.
    rough : bool
        Whether fits end at a decrement of `ROUGH` instead of `DECREMENT`: enough to compare penalties far apart.
    """

    def __init__(
        self, problem: GeneralizedLinearProblem | Folds, y0: np.ndarray, unit: float, n_jobs: int | None = None
    ) -> None:
        folds = problem if isinstance(problem, Folds) else Folds([problem])
        self.problem = problem
        self.parts = cast("tuple[Any, ...]", folds.problems)
        self.weights, self._pieces = folds.weights, folds.split(y0)
        self._factors: list[Any] = [None] * len(self.parts)
        self._X = [as_it_multiplies_fastest(part.train.design.X) for part in self.parts]
        self.unit, self.rough, self.n_jobs = unit, False, n_jobs
        self._counts = [0] * len(self.parts)

    @property
    def n_factorizations(self) -> int:
        return sum(self._counts)

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
        for weight, (f, Jv) in zip(self.weights, self._each(self._fold, x), strict=True):
            value += weight * f
            gradient -= weight * Jv
        return float(value), gradient

    @np.errstate(under="ignore")  # of each thread its own
    def _fold(self, k: int, x: np.ndarray) -> tuple[float, np.ndarray]:
        """f_k, and J_k v_k."""
        part, at = self.parts[k], self._solve(k, x, (ROUGH if self.rough else DECREMENT) * self.unit)
        v = cho_solve(self._factors[k], at.validation_fit.gradient(at.v))
        return part.upper.value(x, at.y), part.cross_at(at).matvec(v)

    def _each(self, function: Any, *arguments: Any) -> list[Any]:
        """``function(k, *arguments)`` of every fit."""
        K = len(self.parts)
        if K == 1 or effective_n_jobs(self.n_jobs) == 1:
            return [function(k, *arguments) for k in range(K)]
        made: list[Any] = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
            delayed(function)(k, *arguments) for k in range(K)
        )
        return made

    def solve(self, x: np.ndarray) -> np.ndarray:
        """y as near to y*(x) as rounding allows."""
        self._each(self._solve, x, 0.0)
        return self.y

    def certified(self, x: np.ndarray) -> tuple[float, HyperGradient]:
        """φ(x), and ∇φ(x) with its bounds, from the y and v of factorizations."""
        point = linearization_at(self.problem, x, self.solve(x))
        found = hypergradient_of(point, inverse=self._inverse, rtol=0.0)
        return float(self.problem.value(x, self.y)), found

    def _inverse(self, point: Linearization, _: Any, **__: Any) -> tuple[np.ndarray, SolveStatus]:
        """A⁻¹b by the factors in hand, its residual refined while it falls."""
        v, residual = np.zeros_like(point.b), point.b
        for _ in range(REFINEMENTS):
            pieces = np.split(residual, np.cumsum([piece.size for piece in self._pieces])[:-1])
            steps = [cho_solve(factor, piece) for factor, piece in zip(self._factors, pieces, strict=True)]
            trial = v + np.concatenate(steps)
            after = point.b - point.A.matvec(trial)
            if not norm2(after) < 0.5 * norm2(residual):
                break
            v, residual = trial, after
        return v, SolveStatus.FLOOR

    @np.errstate(under="ignore")
    def _solve(self, k: int, x: np.ndarray, enough: float) -> Point:
        """The fit of part k, to a Newton decrement; its y and the factors of its Hessian there are kept."""
        part = self.parts[k]
        at, value, before = Point(part, x, self._pieces[k]), part.lower.value, math.inf
        assert value is not None
        for _ in range(NEWTON):
            self._factors[k] = cho_factor(hessian_array(at, self._X[k]), overwrite_a=True)
            self._counts[k] += 1
            step = -cho_solve(self._factors[k], at.gradient)
            decrement = -float(at.gradient @ step)
            # near the end Newton's method is quadratic: a decrement that a step has not quartered is rounding
            if decrement <= enough or (before <= 1e6 * DECREMENT * self.unit and decrement > 0.25 * before):
                break
            norm, g, t, trial = norm2(at.gradient), value(x, at.y), 1.0, Point(part, x, at.y + step)
            noise = NOISE * (abs(g) + self.unit)  # of g, below which the gradient says whether a step is good
            shortest = 0.1 if decrement <= noise else 1e-18  # of saturated scores, whose Hessian is all but 0
            while not (
                value(x, trial.y) <= g - 1e-4 * t * decrement or (decrement <= noise and norm2(trial.gradient) < norm)
            ):
                t /= 2
                if t < shortest:
                    break
                trial = Point(part, x, at.y + t * step)
            if t < shortest or not norm2(trial.gradient) < np.inf:
                break  # rounding: no step makes it better
            before, at = decrement, trial
        else:
            self._factors[k] = cho_factor(hessian_array(at, self._X[k]), overwrite_a=True)
        self._pieces[k] = at.y
        return at


def as_it_multiplies_fastest(X: Any) -> Any:
    """X, dense where Xᵀ diag(d) X then takes less time."""
    if not sp.issparse(X):
        return X
    n, p = X.shape
    dense, sparse = n * p * p, SPARSE * int(np.square(np.diff(X.indptr).astype(np.int64)).sum())
    return X.toarray() if dense <= sparse else X


def hessian_array(at: Point, X: Any) -> np.ndarray:
    """A as a dense array, by matrix products: Xᵀ diag(w ℓ″) X, or C² blocks of them, + diag D."""
    problem = at.problem
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
        scaled = sp.csr_array((X.data * np.repeat(d, np.diff(X.indptr)), X.indices, X.indptr), shape=X.shape)
        return np.asarray((X.T @ scaled).toarray())
    return X.T @ (X * d[:, None])


__all__ = ["DirectObjective", "LinAlgError", "hessian_array"]
