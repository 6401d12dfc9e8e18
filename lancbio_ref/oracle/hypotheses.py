"""What a wrong hyper-gradient would be, on a problem of one's own: faults that need no program text.

With A = U Θ Uᵀ on the Krylov space of b, whatever stands in place of A⁻¹b there is a function of the eigenvalues,

    h_F = c − J φ(A) b = c − Σ_i w_i φ(θ_i),    w_i = (u_iᵀb) J u_i,        φ(θ) = 1/θ for the right one,

so that a truncated series, damping or a solver that stopped early costs no product of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..krylov.lanczos import lanczos
from ..problem import BilevelProblem
from ..rounding import norm2

KRYLOV = 80  # Lanczos steps, at most: the degree of what is represented exactly
TERMS = 100  # of a truncated series
GRID, ROUNDS = 33, 9  # points, evenly in its logarithm, for a number that is fitted, and how often they close in
FACTORS = (2.0, 0.5, 4.0, 0.25, -2.0, -0.5)  # that a forgotten or doubled square leaves
Phi = Callable[[np.ndarray], np.ndarray]  # of a number that is fitted: φ(θ), which stands for 1/θ


@dataclass(frozen=True)
class Hypothesis:
    """A fault and the numbers that it gives.

    Attributes
    ----------
    fault : str
        Its id in the catalogue; empty where the catalogue has no such fault.
    words : str
        What stands where.
    numbers : ndarray, shape (n_x,)
        h_F.
    fitted : int
        How many numbers in it were chosen so that h_F comes near to h.
    """

    fault: str
    words: str
    numbers: np.ndarray
    fitted: int = 0


@dataclass
class Parts:
    """All that the hyper-gradient at (x, y) is made of, v solved as well as rounding allows."""

    problem: BilevelProblem
    x: np.ndarray
    y: np.ndarray
    v: np.ndarray

    @cached_property
    def A(self) -> Any:
        return self.problem.hessian(self.x, self.y)

    @cached_property
    def J(self) -> Any:
        return self.problem.cross(self.x, self.y)

    @cached_property
    def b(self) -> np.ndarray:
        return self.problem.upper_grad_y(self.x, self.y)

    @cached_property
    def c(self) -> np.ndarray:
        return self.problem.upper_grad_x(self.x, self.y)

    @cached_property
    def Jv(self) -> np.ndarray:
        return self.J.matvec(self.v)

    @property
    def h(self) -> np.ndarray:
        """c − J v."""
        return self.c - self.Jv


def hypotheses(parts: Parts, h: np.ndarray) -> Iterator[Hypothesis]:
    """Every fault that can be tried here, with its numbers; those that cannot be evaluated are left out."""
    makers: list[Callable[[Parts, np.ndarray], Iterator[Hypothesis]]] = [
        _of_terms, _of_factors, _of_another_point, _of_the_solve,
    ]  # fmt: skip
    for maker in makers:
        found = maker(parts, h)
        while True:
            try:
                with np.errstate(all="ignore"), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    hypothesis = next(found)
            except StopIteration:
                break
            except Exception:  # a callable of the user may refuse a point that only a fault would ask for
                break
            if np.isfinite(hypothesis.numbers).all():
                yield hypothesis


def _of_terms(p: Parts, h: np.ndarray) -> Iterator[Hypothesis]:
    """A sign or a term of h = c − J v."""
    yield Hypothesis("H02", "h = c + J v: J v has the wrong sign", p.c + p.Jv)
    yield Hypothesis("H01", "h = −J v: c = ∇_x f is left out", -p.Jv)
    yield Hypothesis("H07", "h = c: the implicit part is left out", p.c)
    yield Hypothesis("H22", "h = −c + J v: the whole has the wrong sign", -p.h)
    yield Hypothesis("", "h = J v: c is left out, and J v has the wrong sign", p.Jv)
    yield Hypothesis("H05", "h = 0", 0 * p.c)
    if p.x.size == p.y.size:
        yield Hypothesis("H03", "Jᵀ stands where J belongs", p.c - p.J.rmatvec(p.v))


def _of_factors(p: Parts, h: np.ndarray) -> Iterator[Hypothesis]:
    """A mean for a sum and the like: the implicit part, or all of h, times a number."""
    counts = [float(count) for count in getattr(p.problem, "n_samples", ()) or ()]
    known = {*FACTORS, *counts, *(1 / count for count in counts)}
    for factor in sorted(known):
        yield Hypothesis("", f"J v is multiplied by {factor:.6g}", p.c - factor * p.Jv)
        yield Hypothesis("", f"h is multiplied by {factor:.6g}", factor * p.h)
    for what, base, direction in (("J v", p.c, -p.Jv), ("h", 0 * p.c, p.h)):
        if length := norm2(direction):
            unit = direction / length
            factor = float(unit @ (h - base)) / length
            words = f"{what} is multiplied by {factor:.6g}: a mean for a sum, or a step length?"
            yield Hypothesis("", words, base + factor * direction, fitted=1)


def _of_another_point(p: Parts, h: np.ndarray) -> Iterator[Hypothesis]:
    """Derivatives that were taken at another y than the rest."""
    problem, x = p.problem, p.x
    for fault, where, y in (("", "y = 0", 0 * p.y), ("H20", "(x, v)", p.v)):
        J = problem.cross(x, y)
        name = "H21" if fault else ""
        yield Hypothesis(name, f"J is evaluated at {where}", p.c - J.matvec(p.v))
        A, b, c = problem.hessian(x, y), problem.upper_grad_y(x, y), problem.upper_grad_x(x, y)
        v = _solved(A, p.b)
        yield Hypothesis(fault, f"A is evaluated at {where}", p.c - p.J.matvec(v))
        if not fault:
            yield Hypothesis("", f"b = ∇_y f is evaluated at {where}", p.c - p.J.matvec(_solved(p.A, b)))
            yield Hypothesis("", f"c = ∇_x f is evaluated at {where}", c - p.Jv)
            yield Hypothesis("", f"all is evaluated at {where}: no lower level was solved", c - J.matvec(_solved(A, b)))


def _of_the_solve(p: Parts, h: np.ndarray) -> Iterator[Hypothesis]:
    """Another function of A than its inverse."""
    if not p.b.any():
        return
    run = lanczos(p.A, p.b, min(KRYLOV, p.y.size))
    theta, U = np.linalg.eigh(run.T)
    w = np.stack([p.J.matvec(q) for q in run.Q.T], axis=1) @ U * (U[0] * run.start_norm)

    def of(phi: np.ndarray) -> np.ndarray:
        return p.c - w @ phi

    yield Hypothesis("H06", "the identity stands for A⁻¹: v = b", of(np.ones_like(theta)))
    yield Hypothesis("H24", "A takes the place of A⁻¹: v = A b", of(theta))
    yield Hypothesis("H23", "A⁻¹ is applied twice", of(theta**-2.0))
    for k in range(1, run.alpha.size):  # conjugate gradients after k steps: the solution with the leading block of T
        z = np.linalg.solve(run.T[:k, :k], run.start_norm * np.eye(k)[0])
        numbers = p.c - p.J.matvec(run.Q[:, :k] @ z)
        yield Hypothesis("S12", f"the solver stops after {k} step{'s' * (k > 1)} of conjugate gradients", numbers)
    largest, counts = float(np.abs(theta).max()), np.arange(1, TERMS + 1)[:, None, None]

    def series(eta: np.ndarray) -> np.ndarray:
        return (1 - (1 - eta * theta) ** counts) / theta  # η Σ_{q<Q} (1 − ηθ)^q, for every Q

    def without_eta(eta: np.ndarray) -> np.ndarray:
        return series(eta) / eta

    def damped(shift: np.ndarray) -> np.ndarray:
        return 1 / (theta + shift)

    # ‖h − c + w φ‖ in as many dimensions as there are steps
    R = np.asarray(np.linalg.qr(np.column_stack([w, p.c - h]), mode="r"))
    distance = partial(_distances, R[:, :-1], R[:, -1])
    ends = 1e-6 / largest, 4 / largest
    families: list[tuple[str, Phi, str]] = [
        ("H08", series, "η Σ (I − ηA)^q"),
        ("T52", without_eta, "Σ (I − ηA)^q"),
    ]
    for fault, phi, name in families:
        etas = _fitted(partial(_composed, distance, phi), *ends, TERMS)
        for row, eta in enumerate(etas):
            words = f"{name} with {row + 1} term{'s' if row else ''} and η = {eta:.6g} is taken for A⁻¹"
            yield Hypothesis(fault, words, of(phi(etas[:, None, None])[row, 0]), fitted=1)
    (shift,) = _fitted(partial(_composed, distance, damped), 1e-12 * largest, 1e3 * largest, 1)
    words = f"(A + {shift:.6g} I)⁻¹ is taken for A⁻¹: damping"
    yield Hypothesis("", words, of(damped(shift)), fitted=1)


def _composed(distance: Phi, phi: Phi, number: np.ndarray) -> np.ndarray:
    return distance(phi(number))


def _distances(w: np.ndarray, d: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """‖d − w φ‖ for an array of φ, of shape (..., k)."""
    return np.linalg.norm(d - phi @ w.T, axis=-1)


def _fitted(distance: Callable[[np.ndarray], np.ndarray], low: float, high: float, rows: int) -> np.ndarray:
    """For each row the number between `low` and `high` with the least distance, found in its logarithm.

    `distance` maps (rows, GRID, 1) to (rows, GRID); the grid closes in on the best point and its neighbours.
    """
    low_ends, high_ends = np.full(rows, np.log(low)), np.full(rows, np.log(high))
    for _ in range(ROUNDS):
        grid = np.linspace(low_ends, high_ends, GRID, axis=1)
        values = distance(np.exp(grid)[..., None])
        best = np.where(np.isnan(values), np.inf, values).argmin(axis=1)
        each = np.arange(rows)
        low_ends, high_ends = grid[each, np.maximum(best - 1, 0)], grid[each, np.minimum(best + 1, GRID - 1)]
    return np.exp(grid[each, best])


def _solved(A: Any, b: np.ndarray) -> np.ndarray:
    """A⁻¹b as well as Lanczos finds it."""
    from ..krylov.lanczos_solve import lanczos_solve

    return lanczos_solve(A, b, rtol=1e-13)[0]
