"""φ and ∇φ of few coefficients by Cholesky factorizations: what a search evaluates many times.

    y ← y + t d,   A(x, y) d = −∇_y g,      t halved until g(x, y + t d) ≤ g(x, y) + 10⁻⁴ t dᵀ∇_y g       (Armijo)
    until −dᵀ∇_y g ≤ `DECREMENT` · the loss of an intercept: twice what g still has to fall, whatever A's condition is
    ∇φ = Σ_k ω_k (c_k − J_k v_k),           A_k v_k = b_k

of all fits, by the arrays of :mod:`.stack`. A Hessian is formed by the BLAS and factored in time of the cube of the
coefficients, which up to some hundreds is far less than the calls of a Lanczos process; sparse data of which that is
faster are made dense, by the multiplications of both ways: n p² of the BLAS, and Σ nnz_i², of which each takes as long
as `SPARSE` of the others (:mod:`.rows`). From some hundred coefficients on factorizations are kept, and precondition
the fits that follow (:mod:`.stack`).

Nothing of a search is certified, and its end is: y and v go to where rounding stops them, and
:func:`~lancbio_ref.hypergradient.hypergradient_of` says what they are worth.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, cast

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed

from ..hypergradient import hypergradient_of, linearization_at
from ..hypergradient_result import HyperGradient
from ..linearization import Linearization
from ..problem import BilevelProblem
from ..problems.folds import Folds
from ..problems.generalized_linear import GeneralizedLinearProblem
from ..problems.prior import ExchangeablePrior, WithPrior
from ..rounding import norm2
from ..status import SolveStatus
from .blocked_fits import MOST_IN_BLOCKS, blocked_fits
from .stack import DECREMENT, ROUGH, stacks_of

MOST = 800  # coefficients of one fit
REFINEMENTS = 5
RELATIVE, FALL = 0.05, 0.2  # of a gradient: how wrong it may be in a search, and what is expected of the next one


def is_in_memory(problem: BilevelProblem) -> bool:
    """Whether its samples are in one piece, not in blocks."""
    return getattr(problem, "in_memory", True)


class DirectObjective:
    """x → (φ(x), ∇φ(x)) for a fit or for folds of them.

    Parameters
    ----------
    problem : GeneralizedLinearProblem or Folds of such
    y0 : ndarray, shape (n_y,)
    unit : float
        What an intercept alone loses.
    n_jobs : int, optional
        Of joblib, over the stacks of fits, in threads: most of a large fit is the BLAS, which releases Python's lock,
        and is a stack of its own. Sums are taken in the order of the folds: no bit depends on it.

    Attributes
    ----------
    y : ndarray, shape (n_y,)
        Of the last evaluation.
    n_factorizations, n_products : int
        Of single fits, so far.
    accuracy : float
        How wrong a gradient may be, or `RELATIVE` of its `size` where that is more; 0: as little as `DECREMENT` gives.
    size : callable
        Of x and ∇φ(x): what of the gradient counts.
    rough : bool
        Whether fits end at a decrement of `ROUGH` instead of `DECREMENT`: enough to compare penalties far apart.
    """

    def __init__(self, problem: BilevelProblem, y0: np.ndarray, unit: float, n_jobs: int | None = None) -> None:
        folds = problem if isinstance(problem, Folds) else Folds([problem])
        self.problem = problem
        self.unit, self.rough, self.n_jobs = unit, False, n_jobs
        self.accuracy, self.size, self._last = 0.0, lambda x, gradient: float(np.abs(gradient).max()), 0.0
        self._at: tuple[np.ndarray, float, float, np.ndarray] | None = None  # x, what was enough there, φ, ∇φ
        self.prior: ExchangeablePrior | None = None
        make: Any = stacks_of if all(map(is_in_memory, folds.problems)) else partial(blocked_fits, problem)
        self._stacks = make(list(cast("tuple[Any, ...]", folds.problems)), folds.split(y0), folds.weights, unit)

    @property
    def n_factorizations(self) -> int:
        return sum(stack.n_factorizations for stack in self._stacks)

    @property
    def n_products(self) -> int:
        return sum(stack.n_products for stack in self._stacks)

    @property
    def y(self) -> np.ndarray:
        return np.concatenate([stack.Y.ravel() for stack in self._stacks])

    @staticmethod
    def fits(problem: BilevelProblem) -> bool:
        """Whether every part is small enough, and of this family."""
        parts = problem.problems if isinstance(problem, Folds) else (problem,)
        return all(
            isinstance(part, GeneralizedLinearProblem)
            and math.prod(part.shape) <= (MOST if is_in_memory(part) else MOST_IN_BLOCKS)
            for part in parts
        )

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """φ(x) and ∇φ(x), uncertified; scipy's ``LinAlgError`` where a Hessian is not positive definite to rounding."""
        if self.rough:
            value, gradient = self._evaluated(x, ROUGH * self.unit)
            self._last = self.size(x, gradient)
            return value, gradient
        enough = self._enough(FALL * self._last)
        while True:
            value, gradient = self._evaluated(x, enough)
            self._last = self.size(x, gradient)
            asked = self._enough(self._last)
            if enough <= 4 * asked:
                return value, gradient
            enough = asked

    def _enough(self, size: float) -> float:
        """ε² / 2 unit, ε = max(`accuracy`, `RELATIVE` · size) of ∇φ, and no less than `DECREMENT` of the unit."""
        error = max(self.accuracy, RELATIVE * size) if self.accuracy else 0.0
        return max(0.5 * (error / self.unit) ** 2, DECREMENT) * self.unit

    def _evaluated(self, x: np.ndarray, enough: float) -> tuple[float, np.ndarray]:
        if self._at is None or self._at[1] > enough or not np.array_equal(self._at[0], x):
            value, gradient = 0.0, np.zeros(x.size)
            for f, Jv in self._each("objective", x, enough):
                value, gradient = value + f, gradient - Jv
            self._at = x.copy(), enough, value, gradient
        _, _, value, gradient = self._at
        if self.prior is not None:
            value, gradient = value + self.prior.value(x), gradient + self.prior.gradient(x)
        return value, gradient.copy()

    def held_against(self, prior: ExchangeablePrior) -> None:
        """φ + r from here on."""
        self.problem, self.prior = WithPrior(self.problem, prior), prior

    def _each(self, name: str, *arguments: Any) -> list[Any]:
        """What this method of every stack returns."""

        @np.errstate(under="ignore")  # of each thread its own
        def called(stack: Any) -> Any:
            return getattr(stack, name)(*arguments)

        if len(self._stacks) == 1 or effective_n_jobs(self.n_jobs) == 1:
            return [called(stack) for stack in self._stacks]
        made: list[Any] = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
            delayed(called)(stack) for stack in self._stacks
        )
        return made

    def solve(self, x: np.ndarray) -> np.ndarray:
        """y as near to y*(x) as rounding allows."""
        self._each("solve", x, 0.0)
        return self.y

    def certified(self, x: np.ndarray) -> tuple[float, HyperGradient]:
        """φ(x), and ∇φ(x) with its bounds, from the y and v of factorizations."""
        point = linearization_at(self.problem, x, self.solve(x))
        found = hypergradient_of(point, inverse=self._inverse, rtol=0.0)
        return float(self.problem.value(x, self.y)), found

    def _inverse(self, point: Linearization, _: Any, **__: Any) -> tuple[np.ndarray, SolveStatus]:
        """A⁻¹b by the factors in hand, its residual refined while it falls."""
        fits = [(stack, k) for stack in self._stacks for k in range(len(stack.Y))]
        ends = np.cumsum([stack.Y[k].size for stack, k in fits])
        v, residual = np.zeros_like(point.b), point.b
        for _ in range(REFINEMENTS):
            pieces = np.split(residual, ends[:-1])
            steps = [stack.factored(k, piece) for (stack, k), piece in zip(fits, pieces, strict=True)]
            trial = v + np.concatenate(steps)
            after = point.b - point.A.matvec(trial)
            if not norm2(after) < 0.5 * norm2(residual):
                break
            v, residual = trial, after
        return v, SolveStatus.FLOOR
