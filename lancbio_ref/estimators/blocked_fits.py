"""Newton's method on the fits of several folds whose samples are in blocks: a reading for every step.

    g_k = Σ_b Σ_i w_ki ℓ_ki + ½ Σ_j D_j y_kj²,    ∇_k and A_k the same sums of derivatives,    y_k ← y_k − t_k A_k⁻¹∇_k

Value, gradient and Hessian of all folds at a trial point come from one reading: A_k is A_k I, products with the unit
vectors, in the fixed order of sums that all products over blocks have, so that no bit depends on threads or workers.
They cost as many products as there are coefficients, which a disk or a round trip to a cluster takes longer than, as
long as coefficients are `MOST_IN_BLOCKS` or less: conjugate gradients would read once for every product.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dpotrf, dpotrs

from ..problems.blocked import BlockedProblem
from ..problems.generalized_linear.ball import PIN

MOST_IN_BLOCKS = 64  # coefficients of one fit
DECREMENT = 1e-18  # of what an intercept loses: below it steps are rounding, as in :mod:`.stack`
NEWTON, NOISE, SHORTEST = 60, 1e-12, 1e-18
Sums = tuple[float, np.ndarray, np.ndarray]  # g, ∇ and A of one fit
Together = Callable[..., list[Any]]


class BlockedFits:
    """K fits of one model and one penalty; what :class:`~.stack.Stack` is for samples in memory.

    Parameters
    ----------
    parts : list of BlockedProblem
    pieces : list of ndarray
        Where their coefficients start.
    weights : ndarray, shape (K,)
        ω of the validation losses.
    unit : float
        What an intercept alone loses.
    together : callable (*functions) → list
        What they return, from readings that they share.

    Attributes
    ----------
    Y : ndarray, shape (K, Cq)
        Of the last solve.
    n_factorizations, n_products : int
        Of single fits, so far; of products there are none but those that form a Hessian.
    """

    n_products = 0

    def __init__(
        self,
        parts: list[BlockedProblem],
        pieces: list[np.ndarray],
        weights: np.ndarray,
        unit: float,
        together: Together,
    ) -> None:
        self.parts, self.weights, self.unit, self.together = parts, weights, unit, together
        self.penalty, self.shape = parts[0].penalty, parts[0].shape
        self.Y = np.array(pieces, np.float64)
        self.pin = PIN / self.shape[0] if self.shape[0] > 1 and parts[0].has_intercept else 0.0
        self.n_factorizations = 0
        self._factors: list[Any] = [None] * len(parts)

    def objective(self, x: np.ndarray, enough: float) -> tuple[float, np.ndarray]:
        """Σ ω_k (f_k − v_kᵀ∇_k), and Σ ω_k J_k v_k, A_k v_k = ∇_y f_k, where g_k has a Newton decrement of `enough`."""
        gradients = self.solve(x, enough)
        fits = [part.fit_at("validation", y) for part, y in zip(self.parts, self.Y, strict=True)]
        found = self.together(*(partial(ask, None) for fit in fits for ask in (fit.loss, fit.gradient)))
        v = np.array([self.factored(k, b) for k, b in enumerate(found[1::2])])
        n, out = self.penalty.n, np.zeros(x.size)
        if n:  # (J v)_j = Σ_{block j} exp(x_j) y v
            total = self.penalty.exponentials(x[:n]) * (self.weights @ (self.Y * v))
            out[:n] = np.bincount(self.penalty.block + 1, total, n + 1)[1:]
        if self.parts[0].weighting.n:
            crosses = self.together(*(partial(self._crossed, k, x[n:], v[k]) for k in range(len(v))))
            out[n:] = self.weights @ np.array(crosses)
        return float(self.weights @ (np.array(found[::2]) - np.einsum("kj,kj->k", v, gradients))), out

    def factored(self, k: int, b: np.ndarray) -> np.ndarray:
        """A_k⁻¹b by the factor of the last solve."""
        return np.asarray(dpotrs(self._factors[k], b, lower=1)[0])

    def solve(self, x: np.ndarray, enough: float) -> np.ndarray:
        """∇_k of the fits, to a Newton decrement; their Y and the factors of their Hessians there are kept.

        Raises
        ------
        LinAlgError
            A Hessian that is not positive definite, to rounding.
        """
        K = len(self.parts)
        going, before = np.ones(K, bool), np.full(K, math.inf)
        here = self._at(x, self.Y)
        for _ in range(NEWTON):
            for k in np.flatnonzero(going).tolist():
                self._factor(k, here[k][2])
            gradients = np.array([gradient for _, gradient, _ in here])
            steps = np.array([-self.factored(k, own) if going[k] else 0 * own for k, own in enumerate(gradients)])
            decrement = -np.einsum("kj,kj->k", gradients, steps)
            if not np.isfinite(decrement).all():
                raise LinAlgError("a Hessian is not positive definite, to rounding")
            # near the end Newton's method is quadratic: a decrement that a step has not quartered is rounding
            going &= ~((decrement <= enough) | ((before <= 1e6 * DECREMENT * self.unit) & (decrement > 0.25 * before)))
            if not going.any():
                break
            here, found = self._searched(x, here, steps, decrement, going)
            going, before = going & found, decrement
        return np.array([gradient for _, gradient, _ in here])

    def _searched(
        self, x: np.ndarray, here: list[Sums], steps: np.ndarray, decrement: np.ndarray, going: np.ndarray
    ) -> tuple[list[Sums], np.ndarray]:
        """Steps that make g smaller (Armijo), taken, and which folds have found one."""
        t, waits, found, start = np.ones(len(steps)), going.copy(), np.zeros(len(steps), bool), self.Y
        noise = NOISE * (np.abs([g for g, _, _ in here]) + self.unit)  # of g: below it the gradient says what is good
        near = decrement <= noise
        while waits.any():
            trial = self._at(x, start + t[:, None] * steps * waits[:, None], waits)
            for k in np.flatnonzero(waits).tolist():
                (g, gradient, _), (after, new, _) = here[k], trial[k]
                lower = np.linalg.norm(new) < np.linalg.norm(gradient)
                if after <= g - 1e-4 * t[k] * decrement[k] or (near[k] and lower):
                    self.Y = np.where((np.arange(len(t)) == k)[:, None], start + t[:, None] * steps, self.Y)
                    here, found[k], waits[k] = [*here[:k], trial[k], *here[k + 1 :]], True, False
            t = np.where(waits, t / 2, t)
            waits &= t >= np.where(near, 0.1, SHORTEST)
        return here, found

    def _at(self, x: np.ndarray, Y: np.ndarray, which: np.ndarray | None = None) -> list[Sums]:
        """g, ∇ and A of these fits, all from one reading."""
        chosen = range(len(self.parts)) if which is None else np.flatnonzero(which).tolist()
        D, asked = self.penalty.diagonal(x[: self.penalty.n], Y.dtype), []
        for k in chosen:
            part, fit = self.parts[k], self.parts[k].fit_at("train", Y[k])
            w = part.weighting.values(x[self.penalty.n :], Y.dtype) if part.weighting.n else None
            A = fit.hessian(w, np.zeros(D.size))
            asked += [partial(fit.gradient, w), partial(operator.matmul, A, np.eye(D.size)), partial(fit.loss, w)]
        found, sums = self.together(*asked), [(math.nan, np.empty(0), np.empty(0))] * len(self.parts)
        for place, k in enumerate(chosen):
            (gradient, A, loss), y = found[3 * place : 3 * place + 3], Y[k]
            A = (A + A.T) / 2 + np.diag(D)  # each column has its own roundings
            gradient, g = gradient + D * y, loss + 0.5 * float(D @ (y * y))
            if self.pin:  # ½ PIN (Σ_c b_c)²/C
                places = np.arange(self.shape[0]) * self.shape[1] + self.shape[1] - 1
                total = y[places].sum()
                g += 0.5 * self.pin * total**2
                gradient[places] += self.pin * total
                A[np.ix_(places, places)] += self.pin
            sums[k] = g, gradient, A
        return sums

    def _factor(self, k: int, A: np.ndarray) -> None:
        self._factors[k], info = dpotrf(A, lower=1, clean=0)
        self.n_factorizations += 1
        if info:
            raise LinAlgError("a Hessian is not positive definite, to rounding")

    def _crossed(self, k: int, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        """J_k v of the weights."""
        part = self.parts[k]
        fit, w = part.fit_at("train", self.Y[k]), part.weighting.values(x, v.dtype)
        return part.weighting.cross(x, fit, w).matvec(v)  # type: ignore[arg-type]


def blocked_fits(
    problem: Any, parts: list[Any], pieces: list[np.ndarray], weights: np.ndarray, unit: float
) -> list[BlockedFits]:
    """All fits of a problem whose samples are in blocks, as :func:`.stack.stacks_of` has those in memory."""
    return [BlockedFits(parts, pieces, weights, unit, problem.together)]
