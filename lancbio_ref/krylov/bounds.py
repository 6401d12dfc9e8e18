"""What T knows about the error: Gauss and Gauss–Radau estimates, and the classical a-priori bounds.

With r_0 = ‖r_0‖q_1, the A-norm of the error of the Galerkin iterate x_k is the error of Gauss quadrature for
‖r_0‖² e_1ᵀT⁻¹e_1. In the coefficients of conjugate gradients, γ_k = 1/d_{k+1} and δ_k = ‖r_k‖²/‖r_{k−1}‖²,

    Gauss (lower)         ‖e_k‖_A² ≥ Σ_{j=k}^{k+d−1} γ_j ‖r_j‖²
    Gauss–Radau (upper)   ‖e_k‖_A² ≤ γ_k^{(μ)} ‖r_k‖²,   γ_0^{(μ)} = 1/μ,
                          γ_{k+1}^{(μ)} = (γ_k^{(μ)} − γ_k) / (μ(γ_k^{(μ)} − γ_k) + δ_{k+1})

for 0 < μ ≤ λ_min. In floating point both are *estimates*: at the accuracy floor the recurrence residuals go on falling
while the error does not, and the "upper bound" drops below it. Nothing here certifies.

The sum behind Gauss is ‖e_j‖_A² − ‖e_{j+1}‖_A² = γ_j‖r_j‖² (M. R. Hestenes and E. Stiefel, J. Res. Nat. Bur. Standards
49, 1952, Theorem 6:1). That Radau's bound loses its sharpness late: G. Meurant and P. Tichý, Numer. Algorithms (2023).

References: G. H. Golub and G. Meurant (1994, 1997); Z. Strakoš and P. Tichý, ETNA 13 (2002); G. Meurant and P. Tichý,
Numer. Algorithms 62 (2013) and 82 (2019).
"""

from __future__ import annotations

import math
import sys

import numpy as np

from ..arguments import as_number
from . import recurrences


def cg_coefficients(alpha: np.ndarray, beta: np.ndarray, start_norm: float) -> tuple[np.ndarray, np.ndarray]:
    """γ_0 … γ_{k−1} and ‖r_0‖² … ‖r_k‖² of conjugate gradients from T and ‖r_0‖.

    Parameters
    ----------
    alpha, beta : ndarray, shape (k,)
        As :func:`lancbio_ref.lanczos` returns them.
    start_norm : float

    Returns
    -------
    gamma : ndarray, shape (k,)
        Negative entries mean that T is not positive definite; inf from where a leading block of it is singular, and
        where a number overflows.
    squares : ndarray, shape (k + 1,)
        inf likewise.
    """
    gamma, squares = np.empty(alpha.size), np.empty(alpha.size + 1)
    recurrences.cg_coefficients(alpha, beta, float(start_norm), gamma, squares)
    return gamma, squares


def gauss_lower(alpha: np.ndarray, beta: np.ndarray, start_norm: float, delay: int = 4) -> np.ndarray:
    """Lower estimates of ‖e_k‖_A for k = 0 … K − delay, from `delay` further steps each.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import lanczos
    >>> run = lanczos(np.diag([1.0, 2.0]), [1.0, 1.0], 2)
    >>> gauss_lower(run.alpha, run.beta, run.start_norm, delay=2).round(6)  # the error of zero: √(1 + 1/2)
    array([1.224745])
    """
    gamma, squares = cg_coefficients(alpha, beta, start_norm)
    known = np.isfinite(gamma) & np.isfinite(squares[:-1])
    with np.errstate(over="ignore"):
        terms = np.where(known, gamma, 0.0) * np.where(known, squares[:-1], 0.0)  # 0 where nothing is known
    terms[~np.isfinite(terms)] = 0.0
    if terms.size < delay:
        return np.zeros(0)
    with np.errstate(over="ignore"):
        sums = np.convolve(terms, np.ones(delay), "valid")
    return np.sqrt(np.clip(sums, 0, sys.float_info.max))  # of positive terms: a lower estimate where they overflow


def gauss_radau_upper(alpha: np.ndarray, beta: np.ndarray, start_norm: float, mu: float) -> np.ndarray:
    """Upper estimates of ‖e_k‖_A for k = 0 … K; inf from where the recurrence breaks, as it does when mu > λ_min.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import lanczos
    >>> run = lanczos(np.diag([1.0, 2.0]), [1.0, 1.0], 1)
    >>> gauss_radau_upper(run.alpha, run.beta, run.start_norm, mu=1.0).round(6)  # errors 1.224745 and 0.408248
    array([1.414214, 0.408248])
    """
    mu = float(as_number("mu", mu, above=0.0))
    return radau_upper(*cg_coefficients(alpha, beta, start_norm), mu)


def radau_upper(gamma: np.ndarray, squares: np.ndarray, mu: float) -> np.ndarray:
    """:func:`gauss_radau_upper` from the coefficients that :func:`cg_coefficients` gives."""
    upper = np.empty(squares.size)
    recurrences.radau_bounds(gamma, squares, mu, upper)
    return upper


def chebyshev_bound(kappa: float, steps: int) -> float:
    """2((√κ − 1)/(√κ + 1))^j: how far j steps of Lanczos or CG reduce the A-norm of the error, at least."""
    root = math.sqrt(as_number("kappa", kappa, least=1.0))
    return min(1.0, 2 * ((root - 1) / (root + 1)) ** steps)


def neumann_bound(kappa: float, steps: int) -> float:
    """(1 − 1/κ)^j: the same for j gradient steps, or terms of the Neumann series, with step 1/L."""
    return (1 - 1 / as_number("kappa", kappa, least=1.0)) ** steps
