"""The two systems behind one hyper-gradient, both solved with one recycled inverse H of A.

    lower level   ∇_y g(x, y) = 0     y ← y + t d,  A d = −∇_y g     Newton's method;  E_y = √(∇_y gᵀ H ∇_y g)
    adjoint       A v = b             v ← v + d,    A d = r = b − A v                  E_v = √(rᵀ H r)

Both by conjugate gradients preconditioned by H; every direction p with its product A p goes into H. To first order E_y
and E_v are the distances ‖y − y*‖ and ‖v − A⁻¹b‖ in the norm of A. Where H is so good that y ← y − H∇_y g alone shrinks
E_y enough, which a measured contraction says, that is the step: it costs one gradient and no product.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import parallel
from ..errors import ArgumentError, LancbioError
from ..krylov.recycled import Pair, RecycledInverse, pairs_within
from ..operators import diagonal_of, diagonal_part
from ..rounding import norm2, unit_roundoff

if TYPE_CHECKING:
    from ..linearization import Linearization
    from ..problem import BilevelProblem

NEWTON = 0.1  # what one Newton step is asked to make of E_y at least
INNER_Y, INNER_V = 0.3, 0.5  # of what is asked of E_y and E_v: what the solve is asked to reach
PLAIN = 0.7  # of what is asked: what y − H∇_y g is expected to reach where it is tried
SHORTEST = 1e-4  # t of a Newton step
NEWTON_STEPS, ROUNDS = 40, 5
LENT = 2**22  # bytes of pairs that a solve may hold, or as many pairs as H keeps
LONGEST = 5000  # products of one solve: where so many do not do, more will not either
HALF = 0.5  # of E_y in the newest H: what a Newton direction leaves at most, so that it leads down
LEAST_SHARE = 1e-6  # of E in one round of a solve to a 2-norm
LEAST_DIAGONAL = 1e-8  # of the largest entry: what stands for a diagonal entry of B that is not positive


@dataclass(frozen=True)
class Lower:
    """y with ∇_y g(x, y), E_y, and the E_y that the solve began with."""

    y: np.ndarray
    gradient: np.ndarray
    energy: float
    first: float


@dataclass(frozen=True)
class Adjoint:
    """v with r = b − A v and E_v."""

    v: np.ndarray
    residual: np.ndarray
    energy: float


class Levels:
    """Solves at one x after another; what they learn of A stays in H.

    Parameters
    ----------
    problem : BilevelProblem
    H : RecycledInverse
        Changed.
    counts
        Something with `n_hvp`, `n_cross`, `n_grad` and `n_grad_upper`, which are counted up.
    contraction : float
        What y ← y − H∇_y g last made of E_y; 1 where nothing is known.

    Attributes
    ----------
    negative : ndarray or None
        The last direction p with pᵀA p ≤ 0.
    """

    def __init__(self, problem: BilevelProblem, H: RecycledInverse, counts: Any, contraction: float = 1.0) -> None:
        self.problem, self.H, self.counts, self.contraction = problem, H, counts, contraction
        self.negative: np.ndarray | None = None

    # -- what is counted ---------------------------------------------------------------------

    def gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """∇_y g(x, y)."""
        self.counts.n_grad += 1
        return self.problem.lower_grad_y(x, y)

    def linearize(self, x: np.ndarray, y: np.ndarray) -> Linearization:
        """A, J, b, c at (x, y)."""
        self.counts.n_grad_upper += 1
        return self.problem.linearize(x, y)

    def product(self, A: Any, p: np.ndarray) -> np.ndarray:
        """A p."""
        self.counts.n_hvp += 1
        return A.matvec(p)

    def cross(self, J: Any, v: np.ndarray) -> np.ndarray:
        """J v."""
        self.counts.n_cross += 1
        return J.matvec(v)

    # -- the two systems ---------------------------------------------------------------------

    def at(self, A: Any) -> Any:
        """A, with its diagonal and its diagonal part in H, as far as it shows them."""
        d, e = diagonal_part(A), None
        with suppress(ArgumentError):  # a black box shows none
            diagonal = diagonal_of(A) if d is None else diagonal_of(A) - d
            e = np.maximum(diagonal, LEAST_DIAGONAL * float(np.abs(diagonal).max()))
        self.H.change_diagonal(d, e if e is not None and e.min() > 0 else None)
        return A

    def solve(self, A: Any, r: np.ndarray, target: float) -> tuple[np.ndarray, np.ndarray, float]:
        """d ≈ A⁻¹r with √(r′ᵀHr′) ≤ target, r′ = r − A d; d, r′ and that root in the H that has learned from it."""
        H, d, n_products = self.H, np.zeros_like(r), 0
        pairs = deque[Pair](maxlen=max(H.memory, pairs_within(r.size, r.dtype, LONGEST, LENT)))  # the newest
        z, square = H.apply(r)
        p, floor = z, (10 * unit_roundoff(r.dtype)) ** 2 * square
        while square > max(target * target, floor) and n_products < min(2 * r.size + 50, LONGEST):
            Ap = self.product(A, p)
            curvature = parallel.dot(p, Ap)
            if not 0 < curvature < math.inf:
                self.negative = p
                break
            alpha = r.dtype.type(square / curvature)  #               α = rᵀz/pᵀA p
            d, r = d + alpha * p, r - alpha * Ap
            pairs.append((p, Ap))
            n_products += 1
            z, next_square = H.apply(r)
            if n_products == 1:  # ‖r − A H r‖ ≤ |1 − 1/α|‖r‖ + ‖r′‖/α, all in the norm of H
                self.contraction = abs(1 - 1 / alpha) + math.sqrt(next_square / square)
            p = z + r.dtype.type(next_square / square) * p
            square = next_square
        H.take(pairs)
        return d, r, H.energy(r) if n_products else math.sqrt(square)

    def lower(
        self,
        x: np.ndarray,
        y: np.ndarray,
        target: float,
        *,
        most: float = math.inf,
        other: np.ndarray | None = None,
        products: float = math.inf,
    ) -> Lower:
        """y with E_y ≤ target, or as near as it comes; not begun where E_y > most.

        Parameters
        ----------
        x, y : ndarray
            y is the start.
        target : float
        most : float
            E_y at the start, beyond which nobody wants the answer.
        other : ndarray, optional
            Another start, taken where y looks bad and it looks better.
        products : float
            No Newton step is begun after so many.
        """
        gradient = self.gradient(x, y)
        energy = self.H.energy(gradient)
        if other is not None and 10 * energy > most:
            second = self.gradient(x, other)
            if (energy_of_other := self.H.energy(second)) < energy:
                y, gradient, energy = other, second, energy_of_other
        first = energy
        if not energy <= most:
            return Lower(y, gradient, energy, first)
        ends = self.counts.n_hvp + products
        for _ in range(NEWTON_STEPS):
            if energy <= target or self.counts.n_hvp >= ends:
                break
            plain = self.H.k > 0 and self.contraction * energy <= PLAIN * target
            if plain:
                d = -self.H(gradient)
            else:
                A = self.at(self.problem.hessian(x, y))
                d, energy = self._newton(A, gradient, target)
                contraction, self.contraction = min(1.0, self.contraction), 1.0
            found = self._shorter(x, y, d, energy, SHORTEST if not plain else 1.0)
            if found is None:
                if not plain:
                    break
                self.contraction = 1.0  # not so good as it seemed
                continue
            y_next, gradient_next, energy_next = found
            if plain:
                self.contraction = min(1.0, energy_next / energy)
                self.H.extend([(y_next - y, gradient_next - gradient)])
                energy_next = self.H.energy(gradient_next)
            else:
                self.contraction = contraction
            y, gradient, energy = y_next, gradient_next, energy_next
        return Lower(y, gradient, energy, first)

    def _newton(self, A: Any, gradient: np.ndarray, target: float) -> tuple[np.ndarray, float]:
        """d with A d ≈ −∇_y g, and E_y in the H that has learned from it: what looked solved before may not be now."""
        d, r, energy = np.zeros_like(gradient), -gradient, self.H.energy(gradient)
        for _ in range(ROUNDS):
            more, r, left = self.solve(A, r, max(INNER_Y * target, NEWTON * energy))
            d, energy = d + more, self.H.energy(gradient)
            if left <= max(INNER_Y * target, HALF * energy) or not more.any():
                break
        return d, energy

    def _shorter(
        self, x: np.ndarray, y: np.ndarray, d: np.ndarray, energy: float, shortest: float
    ) -> tuple[np.ndarray, np.ndarray, float] | None:
        """y + t d, ∇_y g and E_y there, with t halved from 1 until E_y falls: d is a descent direction of E_y²."""
        t = 1.0
        while t >= shortest:
            trial = y + y.dtype.type(t) * d
            try:
                gradient = self.gradient(x, trial)
                found = self.H.energy(gradient)
            except LancbioError:  # where g can not be evaluated, the step is too long
                found = math.inf
            if found <= (1 - 1e-4 * t) * energy:
                return trial, gradient, found
            t /= 2
        return None

    def adjoint(self, point: Linearization, v: np.ndarray, target: float, r: np.ndarray | None = None) -> Adjoint:
        """v with E_v ≤ target, or as near as it comes; r = b − A v where that is known."""
        if r is None:
            r = point.b - self.product(point.A, v) if v.any() else point.b.copy()
        energy = self.H.energy(r)
        for _ in range(ROUNDS):
            if energy <= target:
                break
            before = energy
            d, r, energy = self.solve(point.A, r, INNER_V * target)
            v = v + d
            if not d.any() or energy > 0.9 * before:
                break
        return Adjoint(v, r, energy)


@dataclass
class Spent:
    """What one solve has cost."""

    n_hvp: int = 0
    n_cross: int = 0
    n_grad: int = 0
    n_grad_upper: int = 0


class RecycledSolves:
    """The same solves to a 2-norm that is asked for, at one x after another: starts that certified solves only look at.

    Parameters
    ----------
    problem : BilevelProblem
    n_y : int
    dtype : float64 or float32
    """

    def __init__(self, problem: BilevelProblem, n_y: int, dtype: npt.DTypeLike) -> None:
        self.levels = Levels(problem, RecycledInverse(n_y, pairs_within(n_y, dtype), dtype), Spent())

    def lower(self, x: np.ndarray, y: np.ndarray, tol: float) -> tuple[np.ndarray, Spent]:
        """y with ‖∇_y g(x, y)‖₂ ≤ tol, or as near as it comes, and what it cost."""
        levels = self.levels
        levels.counts = spent = Spent()
        levels.at(levels.problem.hessian(x, y))
        found = levels.lower(x, y, math.inf)
        for _ in range(ROUNDS):
            size, before = norm2(found.gradient), found.energy
            if not size > tol:
                break
            found = levels.lower(x, found.y, HALF * before * max(tol / size, LEAST_SHARE))
            if not found.energy < HALF * before:
                break
        return found.y, spent

    def adjoint(self, point: Linearization, v: np.ndarray, tol: float) -> tuple[np.ndarray, Spent]:
        """v with ‖b − A v‖₂ ≤ tol, or as near as it comes, and what it cost."""
        levels = self.levels
        levels.counts = spent = Spent()
        levels.at(point.A)
        found = levels.adjoint(point, v, math.inf)
        for _ in range(ROUNDS):
            size, before = norm2(found.residual), found.energy
            if not size > tol:
                break
            target = HALF * before * max(tol / size, LEAST_SHARE)
            found = levels.adjoint(point, found.v, target, found.residual)
            if not found.energy < HALF * before:
                break
        return found.v, spent
