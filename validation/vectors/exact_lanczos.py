"""The Lanczos process and conjugate gradients in exact arithmetic, each by two routes, and in perturbed float64.

*Route 1*, rational. With d_j = ‖p_j‖ and q_j = p_j/d_j the process needs no square root:

    p_{j+1} = A p_j − α_j p_j − β_j² p_{j−1},   α_j = p_jᵀA p_j/d_j²,   β_{j+1}² = d_{j+1}²/d_j²

and conjugate gradients none at all; ‖v* − v_i‖_A² = r_iᵀ(v* − v_i).

*Route 2*, Arb balls. The normalized recurrence, with q_j themselves; and, from T_j and r_0 = b − A v_0,

    ‖v* − v_i‖_A² = ‖v* − v_0‖_A² − ‖r_0‖² e_1ᵀ T_i⁻¹ e_1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from . import exact
from .exact import PrecisionError, agree, balls, flint, precision
from .random_bits import Bits


@dataclass
class Coefficients:
    """α_1 … α_j, β_2² … β_{j+1}² (``fmpq``), β_2 … β_{j+1} (``arb``), and the j with β_{j+1} = 0, or None."""

    alpha: list[Any]
    beta_squared: list[Any]
    beta: list[Any]
    breakdown: int | None


def lanczos(A: Any, q1: Any, k: int) -> Coefficients:
    """The first k coefficients of the process on A from q1/‖q1‖, by both routes.

    Parameters
    ----------
    A, q1 : fmpq_mat
        Symmetric; a column that is not zero.
    k : int
    """
    alpha, squares, breakdown = _rational_process(A, q1, k)
    for attempt in range(5):
        with precision(1024 << attempt):
            try:
                ball_alpha, ball_beta = _ball_process(A, q1, len(alpha), breakdown)
                agree(alpha, ball_alpha, "alpha", 60)
                agree(squares, [beta * beta for beta in ball_beta], "beta²", 60)
            except (ZeroDivisionError, PrecisionError) as error:
                if "disagree" in str(error):
                    raise
                continue
            return Coefficients(alpha, squares, [exact.root(s) for s in squares], breakdown)
    raise PrecisionError("alpha, beta: balls too wide")


def _rational_process(A: Any, q1: Any, k: int) -> tuple[list[Any], list[Any], int | None]:
    p, before, beta_squared = q1, None, flint.fmpq(0)
    size = _dot(p, p)
    alpha, squares = [], []
    for j in range(1, k + 1):
        u = A * p if before is None else A * p - before * beta_squared
        alpha.append(_dot(p, u) / size)
        before, p = p, u - p * alpha[-1]
        size, old = _dot(p, p), size
        beta_squared = size / old
        squares.append(beta_squared)
        if size == 0:
            return alpha, squares, j
    return alpha, squares, None


def _ball_process(A: Any, q1: Any, k: int, breakdown: int | None) -> tuple[list[Any], list[Any]]:
    A, q = balls(A), balls(q1)
    q = q * (1 / _dot(q, q).sqrt())
    before, beta = q * flint.arb(0), flint.arb(0)
    alphas: list[Any] = []
    betas: list[Any] = []
    for j in range(1, k + 1):
        u = A * q - before * beta
        alphas.append(_dot(q, u))
        w = u - q * alphas[-1]
        square = _dot(w, w)
        if j == breakdown:
            if not square.contains(0):
                raise PrecisionError("beta: the routes disagree on a breakdown")
            return alphas, [*betas, flint.arb(0)]
        beta = square.sqrt()
        betas.append(beta)
        before, q = q, w * (1 / beta)
    return alphas, betas


def energy_errors(A: Any, b: Any, v0: Any, solution: Any, k: int) -> list[Any]:
    """‖v* − v_i‖_A for i = 0 … k, or as far as the error is not zero and once more, as ``arb`` balls or ``fmpq`` zeros.

    Both routes are followed; A must be positive definite.
    """
    squares = _rational_energies(A, b, v0, solution, k)
    r0 = b - A * v0
    steps = len(squares) - 1
    if steps:
        process = lanczos(A, r0, steps)
        for attempt in range(5):
            with precision(1024 << attempt):
                try:
                    agree(squares, _ball_energies(A, r0, solution - v0, process, steps), "energy error²", 50)
                except PrecisionError as error:
                    if "disagree" in str(error):
                        raise
                    continue
                break
        else:
            raise PrecisionError("energy error: balls too wide")
    return [exact.root(s) for s in squares]


def _rational_energies(A: Any, b: Any, v0: Any, solution: Any, k: int) -> list[Any]:
    r, error = b - A * v0, solution - v0
    p, rho = r, _dot(r, r)
    squares = [_dot(r, error)]
    for _ in range(k):
        if rho == 0:
            break
        Ap = A * p
        gamma = rho / _dot(p, Ap)
        error = error - p * gamma
        r = r - Ap * gamma
        rho, old = _dot(r, r), rho
        p = r + p * (rho / old)
        squares.append(_dot(r, error))
    return squares


def _ball_energies(A: Any, r0: Any, error: Any, process: Coefficients, k: int) -> list[Any]:
    """e_1ᵀT_i⁻¹e_1 = Σ_{j≤i} 1/pivot products: with T = L D Lᵀ, e_1ᵀT⁻¹e_1 = Σ (L⁻¹e_1)_j²/D_j."""
    error = balls(error)
    squares = [_dot(error, balls(A) * error)]
    size = flint.arb(_dot(r0, r0))
    pivot, factor, total = flint.arb(process.alpha[0]), flint.arb(1), flint.arb(0)
    for i in range(k):
        if i:
            beta_squared = flint.arb(process.beta_squared[i - 1])
            factor = factor * beta_squared / (pivot * pivot)  # (L⁻¹e_1)_i² = Π β²/pivot²
            pivot = flint.arb(process.alpha[i]) - beta_squared / pivot
        total += factor / pivot
        squares.append(squares[0] - size * total)
    return squares


def _dot(x: Any, y: Any) -> Any:
    return (x.transpose() * y)[0, 0]


# -- what rounding does ----------------------------------------------------------------------


def sensitivity(
    rows: Sequence[Sequence[tuple[int, float]]], q1: Sequence[float], truth: Coefficients, L: float
) -> list[float]:
    """For each i the largest |α̂_i − α_i|/L and |β̂_{i+1} − β_{i+1}|/L over eight float64 runs.

    Four orders of summation, two of them with a random last-bit error in every sum, each without reorthogonalization
    and with two passes of Gram–Schmidt against all vectors. Python's own float operations are used, one rounding each,
    so the outcome is the same everywhere.

    Parameters
    ----------
    rows : list of lists of (column, entry)
        A.
    q1 : list of float
    truth : Coefficients
    L : float
    """
    exact_alpha = [exact.fraction(a) for a in truth.alpha]
    with precision(256):
        exact_beta = [exact.ends(b)[0] if b else Fraction(0) for b in truth.beta]
    worst = [0.0] * len(exact_alpha)
    for seed in range(4):
        for full in (False, True):
            alpha, beta = _float_process(rows, q1, len(worst), Sums(seed), full)
            for i in range(len(worst)):
                if i >= len(alpha) or not (math.isfinite(alpha[i]) and math.isfinite(beta[i])):
                    worst[i] = max(worst[i], 1.0)  # broken down early, or overflown
                    continue
                error = max(abs(Fraction(alpha[i]) - exact_alpha[i]), abs(Fraction(beta[i]) - exact_beta[i]))
                worst[i] = max(worst[i], float(error / Fraction(L)))
    return worst


class Sums:
    """Sums in one of four orders of rounding: forward, backward, and two shuffled ones with last-bit errors."""

    def __init__(self, seed: int) -> None:
        self.seed, self.bits = seed, Bits(f"rounding {seed}")

    def dot(self, x: Sequence[float], y: Sequence[float]) -> float:
        """Σ x_i y_i, one rounding a product and one a sum."""
        return self.sum([a * b for a, b in zip(x, y, strict=True)])

    def sum(self, terms: Sequence[float]) -> float:
        """Σ terms."""
        if self.seed == 1:
            terms = terms[::-1]
        elif self.seed >= 2:
            terms = self.bits.shuffled(terms)
        total = 0.0
        for term in terms:
            total += term
        if self.seed >= 2:
            total *= (1.0, 1.0 - 2.0**-53, 1.0 + 2.0**-52)[self.bits.below(3)]
        return total


def _float_process(
    rows: Sequence[Sequence[tuple[int, float]]], q1: Sequence[float], k: int, sums: Sums, full: bool
) -> tuple[list[float], list[float]]:
    dot: Callable[[Sequence[float], Sequence[float]], float] = sums.dot
    size = math.sqrt(dot(q1, q1))
    q, before, beta = [t / size for t in q1], [0.0] * len(q1), 0.0
    basis, alphas, betas = [q], [], []
    for _ in range(k):
        u = [sums.sum([a * q[j] for j, a in row]) - beta * t for row, t in zip(rows, before, strict=True)]
        alpha = dot(q, u)
        w = [s - alpha * t for s, t in zip(u, q, strict=True)]
        for old in basis * 2 if full else ():
            part = dot(old, w)
            w = [s - part * t for s, t in zip(w, old, strict=True)]
        beta = math.sqrt(dot(w, w))
        alphas.append(alpha)
        betas.append(beta)
        if beta == 0.0:
            break
        before, q = q, [t / beta for t in w]
        basis.append(q)
    return alphas, betas
