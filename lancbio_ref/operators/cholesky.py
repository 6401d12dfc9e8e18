"""Proofs by floating-point Cholesky factorization of arrays: eigenvalues bounded from below, norms from above.

A factorization RᵀR of a symmetric B that runs to its end is exact for some B + ΔB with |ΔB| ≤ γ_{n+1}|R|ᵀ|R|, so that

    λ_min(B) ≥ −s,   s = γ_{n+2}/(1 − γ_{n+2}) · tr B   (+ underflow),

and B = A − cI therefore proves λ_min(A) ≥ c − s (S. M. Rump, "Verification of positive definiteness", BIT 46, 2006).
LAPACK's eigenvalues carry no such proof: on bcsstk01, λ_min(1 − 1e-11) exceeds the true smallest one. Nor does its word
that a factorization ran to its end: NaN is not ≤ 0, and passes for a pivot. A factor that is not finite proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, lapack

from ..errors import ArgumentError
from ..rounding import U, gamma, scale_number, smallest_subnormal


def spectral_norm_bound(A: np.ndarray) -> float:
    """A proven upper bound of ‖A‖₂ for a small dense A, sharp to about 1e-9, or inf where the proof fails.

    With B = fl(AᵀA) (or AAᵀ, the smaller), ‖A‖² ≤ λ_max(B) + γ_m‖A‖_F², and λ_max(B) < τ by a factorization of τI − B.
    """
    largest = float(np.abs(A).max())
    if largest == 0:
        return 0.0
    exponent = math.frexp(largest)[1]
    A = np.ldexp(A.astype(np.float64), -exponent)
    if A.shape[0] < A.shape[1]:
        A = A.T
    B = A.T @ A
    B = np.tril(B) + np.tril(B, -1).T  # BLAS need not return a symmetric product
    frobenius = float(np.square(A).sum())
    rounding = 2 * gamma(A.shape[0] + 4, U) * frobenius * (1 + 1e-9) + A.size * 2.0**-1000
    values = eigenvalues(B)
    if values is None:
        return math.inf
    tau = stable_digits(float(values[-1]), math.ceil) * (1 + 1e-10) + 4 * cholesky_slack(B, frobenius)
    if not exceeds(-B, -tau):
        return math.inf
    return math.nextafter(scale_number(math.sqrt(tau + rounding) * (1 + 8 * U), exponent), math.inf)


def exceeds(B: np.ndarray, mu: float) -> bool:
    """Whether a Cholesky factorization proves λ_min(B) > mu.

    c and the diagonal of B − cI are rounded outward. That is for the eye: where no rounding is outward, c is off by
    u|c| and the diagonal by u(|b_ii| + |c|), and `cholesky_slack` has γ_{n+3} where the theorem needs γ_{n+1}, so
    2u(tr|B| + 2n|mu|) to spare, which is more (and among subnormal numbers sums are exact).
    """
    slack = cholesky_slack(B, 2 * abs(mu))
    c = math.nextafter(mu + slack, math.inf)
    if not (math.isfinite(slack) and math.isfinite(c)):
        return False
    shifted = B.copy()
    n = B.shape[0]
    with np.errstate(over="ignore"):
        shifted[np.arange(n), np.arange(n)] = np.nextafter(np.diag(B) - c, -np.inf)
    factor, info = lapack.dpotrf(shifted, lower=1)
    return info == 0 and bool(np.isfinite(shifted).all() and np.isfinite(factor).all())


def cholesky_slack(B: np.ndarray, shift: float) -> float:
    """s for B − cI with |c| up to `shift`, rounded up."""
    n = B.shape[0]
    g = gamma(n + 3, U)
    diagonal = np.abs(np.diag(B))
    with np.errstate(over="ignore"):
        trace = (float(diagonal.sum()) + n * abs(shift)) * (1 + 2 * gamma(n + 2, U))
    underflow = 4 * n * smallest_subnormal(np.float64) * (2 * n + float(diagonal.max()))
    return (g / (1 - g) * trace + underflow) * (1 + 8 * U) if g < 1 else math.inf


def eigenvalues(B: np.ndarray) -> np.ndarray | None:
    """LAPACK's estimates of the eigenvalues of a symmetric B, or None where it has none."""
    if not np.isfinite(B).all():
        return None
    try:
        values = np.linalg.eigvalsh(B)
    except np.linalg.LinAlgError:
        return None
    return values if np.isfinite(values).all() else None


def stable_digits(value: float, towards: Callable[[float], int]) -> float:
    """`value` to 36 bits: LAPACK's last ones depend on its threads, and what is proven of it should not."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(towards(mantissa * 2.0**36), exponent - 36)


def cholesky(name: str, A: np.ndarray) -> tuple[np.ndarray, bool]:
    """The factor that ``scipy.linalg.cho_solve`` takes, all its entries finite; no proof of anything.

    Raises
    ------
    ArgumentError
        A has none, in floating-point arithmetic.
    """
    try:
        factor = cho_factor(A, lower=True)
    except (LinAlgError, ValueError):  # ValueError: NaN or infinity in A
        factor = np.full((1, 1), np.nan), True
    if not np.isfinite(factor[0]).all():  # NaN passes for a pivot
        found = "a matrix without Cholesky factorization"
        raise ArgumentError(name, found, "a positive definite matrix")
    return factor
