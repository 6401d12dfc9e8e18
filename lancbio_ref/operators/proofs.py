"""λ_min of an operator, proven from below by :mod:`~lancbio_ref.operators.cholesky`; Rayleigh quotients."""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..arguments import Operator, as_number
from ..errors import ArgumentError
from ..parallel import dot
from ..rounding import Proven, U, gamma, norm2, real_view, smallest_subnormal, unit_roundoff
from .base import StructuredOperator, as_dense, coarsest, structure_of
from .cholesky import cholesky_slack, eigenvalues, exceeds, stable_digits
from .convert import as_square
from .dense import DenseOperator
from .sparse import SparseOperator


@np.errstate(under="ignore")
def certify_mu(A: Operator, mu: float) -> bool:
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
    return exceeds(B, math.nextafter(mu + slack * (1 + 4 * U), math.inf))


def largest_certified_mu(A: Operator) -> Proven | None:
    """The largest modulus that `certify_mu` proves among a few just below LAPACK's λ_min; None if none is positive."""
    B, slack = exact_matrix(A)
    values = eigenvalues(B)
    if values is None:
        return None
    estimate = stable_digits(float(values[0]), math.floor)
    shift = cholesky_slack(B, estimate) + slack
    for candidate in (
        *(estimate * (1 - 10.0**-digits) - 2 * shift for digits in (12, 9, 6, 4, 2)),
        *(estimate - 2.0**k * shift for k in (2, 4, 6)),
    ):
        if candidate > 0 and exceeds(B, math.nextafter(candidate + slack * (1 + 4 * U), math.inf)):
            return Proven(candidate)
    return None


def exact_matrix(A: Operator) -> tuple[np.ndarray, float]:
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
        B = as_dense(operator, np.float64).astype(np.float64)
        B = (B + B.T) / 2
        largest = float(np.max(operator.abs_product(np.ones(n))))
    slack = 2 * gamma(operator.terms + 4, U) * largest
    slack += 2 * n * operator.terms * smallest_subnormal(np.float64)
    return B, slack if math.isfinite(slack) else math.inf


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
