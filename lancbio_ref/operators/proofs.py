"""Proofs by floating-point Cholesky factorization: eigenvalues bounded from below, norms from above.

A factorization RᵀR of a symmetric B that runs to its end is exact for some B + ΔB with |ΔB| ≤ γ_{n+1}|R|ᵀ|R|, so that

    λ_min(B) ≥ −s,   s = γ_{n+2}/(1 − γ_{n+2}) · tr B   (+ underflow),

and B = A − cI therefore proves λ_min(A) ≥ c − s (S. M. Rump, "Verification of positive definiteness", BIT 46, 2006).
LAPACK's eigenvalues carry no such proof: on bcsstk01, λ_min(1 − 1e-11) exceeds the true smallest one. Nor does its word
that a factorization ran to its end: NaN is not ≤ 0, and passes for a pivot. A factor that is not finite proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, lapack
from scipy.sparse.linalg import LinearOperator

from ..arguments import as_number
from ..errors import ArgumentError
from ..parallel import dot
from ..rounding import Proven, gamma, norm2, real_view, scale_number, smallest_subnormal, unit_roundoff
from .base import StructuredOperator, as_square, coarsest, structure_of
from .dense import DenseOperator
from .sparse import SparseOperator

U = 2.0**-53


@np.errstate(under="ignore")
def certify_mu(A: Any, mu: float) -> bool:
    """Prove λ_min(A) > mu for a real symmetric A, or return False ("not proven", not "false").

    Parameters
    ----------
    A : array_like, sparse matrix or structured operator, shape (n, n)
        Arrays must be symmetric to the bit. An operator that stores no array is formed column by column, and
        the rounding of that is accounted for.
    mu : float

    Returns
    -------
    bool
        True is a theorem about the floats in A, by Rump's test.

    Raises
    ------
    ArgumentError
        A not square, not symmetric (an operator: not so by what it is made of), not real, or a black box, of which no
        finite number of products proves anything.

    Examples
    --------
    >>> from lancbio_ref import certify_mu
    >>> certify_mu([[2.0, 1.0], [1.0, 2.0]], 0.999999), certify_mu([[2.0, 1.0], [1.0, 2.0]], 1.000001)
    (True, False)
    """
    mu = as_number("mu", mu)
    B, slack = exact_matrix(A)
    return _exceeds(B, math.nextafter(mu + slack * (1 + 4 * U), math.inf))


def largest_certified_mu(A: Any) -> Proven | None:
    """The largest modulus that `certify_mu` proves among a few just below LAPACK's λ_min; None if none is positive."""
    B, slack = exact_matrix(A)
    values = _eigenvalues(B)
    if values is None:
        return None
    estimate = _stable_digits(float(values[0]), math.floor)
    shift = _cholesky_slack(B, estimate) + slack
    for candidate in (
        *(estimate * (1 - 10.0**-digits) - 2 * shift for digits in (12, 9, 6, 4, 2)),
        *(estimate - 2.0**k * shift for k in (2, 4, 6)),
    ):
        if candidate > 0 and _exceeds(B, math.nextafter(candidate + slack * (1 + 4 * U), math.inf)):
            return Proven(candidate)
    return None


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
    values = _eigenvalues(B)
    if values is None:
        return math.inf
    tau = _stable_digits(float(values[-1]), math.ceil) * (1 + 1e-10) + 4 * _cholesky_slack(B, frobenius)
    if not _exceeds(-B, -tau):
        return math.inf
    return math.nextafter(scale_number(math.sqrt(tau + rounding) * (1 + 8 * U), exponent), math.inf)


def _eigenvalues(B: np.ndarray) -> np.ndarray | None:
    """LAPACK's estimates of the eigenvalues of a symmetric B, or None where it has none."""
    if not np.isfinite(B).all():
        return None
    try:
        values = np.linalg.eigvalsh(B)
    except np.linalg.LinAlgError:
        return None
    return values if np.isfinite(values).all() else None


def _stable_digits(value: float, towards: Callable[[float], int]) -> float:
    """`value` to 36 bits: LAPACK's last ones depend on its threads, and what is proven of it should not."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(towards(mantissa * 2.0**36), exponent - 36)


def exact_matrix(A: Any) -> tuple[np.ndarray, float]:
    """A as a symmetric float64 array, and a bound of the 2-norm of what forming it cost (0 for stored arrays)."""
    operator = as_square("A", A)
    structure = structure_of(operator)
    if structure is None:
        raise ArgumentError("A", type(operator).__name__, "an array, a sparse matrix or an operator of this package")
    if np.dtype(structure.dtype).kind == "c":
        raise ArgumentError("A", f"dtype {structure.dtype}", "a real matrix")
    if isinstance(structure, (DenseOperator, SparseOperator)):
        stored = structure.A
        if not structure.is_symmetric():
            with np.errstate(over="ignore"):
                difference = abs(stored - stored.T)
            raise ArgumentError("A", f"|A - Aᵀ| up to {difference.max():.3g}", "a matrix symmetric to the bit")
        return np.array(structure.toarray(), dtype=np.float64), 0.0
    if not structure.is_symmetric():
        found = f"a {type(structure).__name__} that nothing proves to be symmetric"
        raise ArgumentError(
            "A", found, "a structure that is symmetric (V the same as U, a symmetric base), or an array"
        )
    return _form(structure)


def _form(operator: StructuredOperator) -> tuple[np.ndarray, float]:
    """B from products with unit vectors, and ‖A − B‖₂ ≤ ‖g|A| + m·η‖_∞ for the symmetric |A|; inf where it overflows.

    The products are float64 whatever A is, so g is at most γ_m/(1 − γ_m), m = `terms`; that quotient, the two roundings
    of (B + Bᵀ)/2 and that of the row sums are in the factor 2 and in γ_{m+4}.
    """
    n = operator.shape[0]
    with np.errstate(over="ignore", invalid="ignore"):
        B = np.stack([operator._matvec(e) for e in np.eye(n)], axis=1).astype(np.float64)
        B = (B + B.T) / 2
        largest = float(np.max(operator.abs_product(np.ones(n))))
    slack = 2 * gamma(operator.terms + 4, U) * largest
    slack += 2 * n * operator.terms * smallest_subnormal(np.float64)
    return B, slack if math.isfinite(slack) else math.inf


def _cholesky_slack(B: np.ndarray, shift: float) -> float:
    """s for B − cI with |c| up to `shift`, rounded up."""
    n = B.shape[0]
    g = gamma(n + 3, U)
    diagonal = np.abs(np.diag(B))
    with np.errstate(over="ignore"):
        trace = (float(diagonal.sum()) + n * abs(shift)) * (1 + 2 * gamma(n + 2, U))
    underflow = 4 * n * smallest_subnormal(np.float64) * (2 * n + float(diagonal.max()))
    return (g / (1 - g) * trace + underflow) * (1 + 8 * U) if g < 1 else math.inf


def _exceeds(B: np.ndarray, mu: float) -> bool:
    """Whether a Cholesky factorization proves λ_min(B) > mu.

    c and the diagonal of B − cI are rounded outward. That is for the eye: where no rounding is outward, c is off by
    u|c| and the diagonal by u(|b_ii| + |c|), and `_cholesky_slack` has γ_{n+3} where the theorem needs γ_{n+1}, so
    2u(tr|B| + 2n|mu|) to spare, which is more (and among subnormal numbers sums are exact).
    """
    slack = _cholesky_slack(B, 2 * abs(mu))
    c = math.nextafter(mu + slack, math.inf)
    if not (math.isfinite(slack) and math.isfinite(c)):
        return False
    shifted = B.copy()
    n = B.shape[0]
    with np.errstate(over="ignore"):
        shifted[np.arange(n), np.arange(n)] = np.nextafter(np.diag(B) - c, -np.inf)
    factor, info = lapack.dpotrf(shifted, lower=1)
    return info == 0 and bool(np.isfinite(shifted).all() and np.isfinite(factor).all())


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


def rayleigh_quotient(A: LinearOperator, z: np.ndarray, norm_A: float | None) -> tuple[float, float]:
    """zᴴAz for a unit vector z, and a bound of its rounding error; one product.

    The bound is proven for structured operators: (g + γ_n)|z|ᵀ|A||z|, g the factor of the product, and the rounding of
    ‖z‖. For a black box it is the model n u ‖A‖, with the norm of A z for ‖A‖ where no better is known.
    """
    Az = A.matvec(z)
    value = dot(real_view(z), real_view(Az))
    n, u = z.size, unit_roundoff(z.dtype)
    structure = structure_of(A)
    if structure is not None:
        factor = structure.product_factor(z.dtype) + gamma(2 * n + 10, u)
        error = 2 * factor * dot(np.abs(z), structure.abs_product(np.abs(z)))
        error += 2 * n * (structure.terms + 2) * smallest_subnormal(z.dtype)
        error = math.inf if math.isnan(error) else error  # infinity times 0
    else:
        error = 2 * gamma(2 * n + 10, coarsest(A, z.dtype)) * max(norm_A or 0.0, norm2(Az))
    return value, error
