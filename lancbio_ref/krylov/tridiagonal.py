"""Small tridiagonal systems T y = r with LAPACK: ``?ptsv`` first, and what to do when T is not definite.

T = tridiag(off, diagonal, off), symmetric, k × k. ``?ptsv`` factors T = L D Lᵀ without pivoting, which is stable
when T is positive definite, and stops (info > 0) when it is not. Then ``?gtsv``, Gaussian elimination with row
exchanges, solves it all the same; the caller learns which of the two it was.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal, lapack

from ..errors import ArgumentError
from ..kernels import largest_size
from ..rounding import is_finite, scale_number
from ..status import StepStatus


class TridiagonalSolution(NamedTuple):
    """y with T y = r, and how it was found.

    Attributes
    ----------
    y : ndarray, shape (k,), or None
        None where T is singular to working precision.
    status : StepStatus
        REGULAR (positive definite), INDEFINITE (solved with pivoting) or SINGULAR.
    """

    y: np.ndarray | None
    status: StepStatus


def solve_tridiagonal(diagonal: np.ndarray, off: np.ndarray, r: np.ndarray) -> TridiagonalSolution:
    """Solve T y = r.

    Parameters
    ----------
    diagonal : ndarray, shape (k,), float32 or float64
    off : ndarray, shape (k − 1,)
    r : ndarray, shape (k,)
        In the wider type of the three, real or complex (a complex r is solved as two real ones).

    Raises
    ------
    ArgumentError
        Sizes that do not fit, or NaN or infinity, which LAPACK would pass on with info = 0.

    Examples
    --------
    >>> import numpy as np
    >>> solve_tridiagonal(np.array([2.0, 2.0]), np.array([1.0]), np.array([3.0, 3.0])).y
    array([1., 1.])
    >>> solve_tridiagonal(np.array([0.0, 0.0]), np.array([1.0]), np.array([3.0, 4.0])).status
    <StepStatus.INDEFINITE: 2>
    """
    dtype = np.result_type(diagonal, off, np.float32)
    k = diagonal.size
    if off.size != k - 1 or r.shape[0] != k:
        raise ArgumentError("off, r", f"shapes {off.shape}, {r.shape}", f"shapes ({k - 1},), ({k},)")
    # SciPy's wrapper refuses an empty off-diagonal: at k = 1 it gets one entry that LAPACK does not read
    e = off if k > 1 else np.zeros(1)
    is_complex = r.dtype.kind == "c"
    right = np.stack([r.real, r.imag], axis=1) if is_complex else r.reshape(-1, 1)
    ptsv, gtsv = (lapack.sptsv, lapack.sgtsv) if dtype == np.float32 else (lapack.dptsv, lapack.dgtsv)
    _, _, y, info = ptsv(diagonal, e, right)
    status, solved = StepStatus.REGULAR, info == 0 and bool(np.isfinite(y).all())
    if not (solved and is_finite(diagonal)):  # NaN reaches y; y is finite where α is infinite
        if not all(is_finite(a) for a in (diagonal, off, r)):
            raise ArgumentError("T, r", "NaN or infinity", "finite entries")  # which LAPACK passes on with info = 0
        status = StepStatus.INDEFINITE
        *_, y, info = gtsv(e, diagonal, e, right) if k > 1 else _divide(diagonal, right)
        solved = info == 0 and bool(np.isfinite(y).all())
    if not solved:
        return TridiagonalSolution(None, StepStatus.SINGULAR)
    return TridiagonalSolution(y[:, 0] + 1j * y[:, 1] if is_complex else y[:, 0], status)


def _divide(diagonal: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, int]:
    """The 1 × 1 system, in the form in which ?gtsv answers."""
    return (right, 1) if diagonal[0] == 0 else (right / diagonal[0], 0)


def dense(diagonal: np.ndarray, off: np.ndarray) -> np.ndarray:
    """T as a k × k array."""
    return np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)


def extreme_ritz_values(alpha: np.ndarray, beta: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest eigenvalue of T = tridiag(beta[:-1], alpha, beta[:-1])."""
    off = beta[: alpha.size - 1]
    if alpha.size == 1:
        return float(alpha[0]), float(alpha[0])
    largest = max(largest_size(alpha), largest_size(off))
    exponent = math.frexp(largest)[1]
    exponent = exponent if abs(exponent) > 400 else 0  # LAPACK squares
    if exponent:
        alpha, off = np.ldexp(alpha, -exponent), np.ldexp(off, -exponent)
    values, info = lapack.dsterf(alpha, off)
    if info or not is_finite(values):  # the fast driver gave up, or does not say that it did: the slow one does neither
        values = np.linalg.eigvalsh(dense(alpha, off))
    return scale_number(float(values[0]), exponent), scale_number(float(values[-1]), exponent)


def eigenvectors(alpha: np.ndarray, off: np.ndarray, first: int, last: int) -> np.ndarray:
    """Eigenvectors of T, one a column, of the eigenvalues first … last (ascending); T of moderate size."""
    if alpha.size == 1:
        return np.ones((1, 1))
    try:
        S = eigh_tridiagonal(alpha, off, select="i", select_range=(first, last))[1]
        if is_finite(S):
            return S
    except np.linalg.LinAlgError:
        pass
    # LAPACK's fast driver gave up, or failed and did not say so: the slow one does neither
    return np.linalg.eigh(dense(alpha, off))[1][:, first : last + 1]
