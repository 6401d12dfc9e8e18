"""A cycle of `solve` whose steps the operator makes itself, many in one call, where a call costs more than a product.

An operator of a framework (:mod:`lancbio_ref.adapters`) may have a method ``conjugate_gradients``. From x_0 and
r_0 = b − A x_0 it makes, in whatever arithmetic it has, at most `most` steps of

    γ_j = ‖r_j‖²/p_jᵀA p_j,   x_{j+1} = x_j + γ_j p_j,   r_{j+1} = r_j − γ_j A p_j,   p_{j+1} = r_{j+1} + δ_{j+1} p_j

with δ_{j+1} = ‖r_{j+1}‖²/‖r_j‖², until ‖r_j‖ ≤ max(tolerance, u‖A‖‖x_j‖), and returns `OwnSteps`. That is a proposal: b
less the product A x that it evaluates at the end decides, as in every cycle. T of the Lanczos process is

    α_1 = 1/γ_0,   α_{j+1} = 1/γ_j + δ_j/γ_{j−1},   β_{j+1} = √δ_j/γ_{j−1}

(M. R. Hestenes and E. Stiefel, J. Res. Nat. Bur. Standards 49, 1952; G. Meurant, The Lanczos and Conjugate Gradient
Algorithms, 2006, 2.2). Whatever is not as usual, as negative curvature, a number that is not finite, an A far from
moderate size or a Ritz value below μ, is left to the steps that keep a basis: these are made anew from x_0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..operators import CheckedOperator
from ..rounding import is_finite, norm2
from .compiled_cycle import count_products
from .scaling import exponent_of
from .tridiagonal import extreme_ritz_values

if TYPE_CHECKING:
    from .report import SolveReport
    from .system import System

MODES = ("selective", "none")  # where no basis was asked for that has to be orthogonal from the first step on


class OwnSteps(NamedTuple):
    """What ``A.conjugate_gradients(x0, r0, tolerance, norm_A, most)`` returns.

    Attributes
    ----------
    x : ndarray, shape (n,)
        x_k.
    Ax : ndarray, shape (n,)
        A x_k, a product of its own.
    gamma : ndarray, shape (k,)
        γ_0 … γ_{k−1}.
    squares : ndarray, shape (k + 1,)
        ‖r_0‖² … ‖r_k‖², of the recurrence.
    sound : bool
        Whether all p_jᵀA p_j were positive, and all ‖r_j‖² finite.
    """

    x: np.ndarray
    Ax: np.ndarray
    gamma: np.ndarray
    squares: np.ndarray
    sound: bool


Own = Callable[[np.ndarray, np.ndarray, float, float, int], OwnSteps]


def own_steps(system: System, mode: str, dtype: np.dtype) -> Own | None:
    """A's own steps; None where it has none, or they are not what is asked for."""
    A = system.A
    if system.M is not None or mode not in MODES or type(A) is not CheckedOperator or A.inner.dtype != dtype:
        return None
    return getattr(A.inner, "conjugate_gradients", None)


def own_cycle(
    own: Own, system: System, b: np.ndarray, report: SolveReport, tolerance: float, most: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """x and b − A x after a cycle as usual; None where steps that keep a basis have to look closer.   Writes report."""
    found = own(report.x, report.residual, tolerance, system.norm_A or 0.0, most)
    k = len(found.gamma)
    count_products(system.A, k)
    report.n_products += k
    if not (found.sound and k and is_finite(found.x) and is_finite(found.Ax)):
        return None
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        alpha, beta = lanczos_coefficients(found.gamma, found.squares)
        norm_A = math.sqrt(np.max(alpha**2 + beta**2 + np.append(0.0, beta[:-1]) ** 2))  # ‖T e_j‖ = ‖A q_j‖
    if not math.isfinite(norm_A) or exponent_of(norm_A, b.dtype):
        return None
    low, high = extreme_ritz_values(alpha, beta)
    if not low > 0 or (system.mu is not None and low < system.mu):
        return None
    report.iterations += k
    report.alpha, report.beta, report.start_norm = alpha, beta, norm2(report.residual)
    report.norm_A = max(report.norm_A, norm_A)
    report.widen(low, high)
    return found.x, b - found.Ax


def lanczos_coefficients(gamma: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """α_1 … α_k and β_2 … β_{k+1} from γ_0 … γ_{k−1} and ‖r_0‖² … ‖r_k‖².

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import lanczos
    >>> from lancbio_ref.krylov.own_cycle import lanczos_coefficients
    >>> alpha, beta = lanczos_coefficients(np.array([2 / 3, 3 / 4]), np.array([2.0, 2 / 9, 0.0]))
    >>> run = lanczos(np.diag([1.0, 2.0]), np.ones(2), 2)
    >>> bool(np.allclose(alpha, run.alpha)), bool(np.allclose(beta, run.beta))
    (True, True)
    """
    pivots = 1 / gamma.astype(np.float64)
    delta = squares[1:].astype(np.float64) / squares[:-1]
    return pivots + np.append(0.0, delta[:-1] * pivots[:-1]), np.sqrt(delta) * pivots
