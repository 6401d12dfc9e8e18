"""Small tridiagonal systems T y = r with LAPACK: ``?ptsv`` first, and what to do when T is not definite.

T = tridiag(off, diagonal, off), symmetric, k × k. ``?ptsv`` factors T = L D Lᵀ without pivoting, which is stable
when T is positive definite, and stops (info > 0) when it is not. Then ``?gtsv``, Gaussian elimination with row
exchanges, solves it all the same; the caller learns which of the two it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh_tridiagonal, eigvalsh_tridiagonal, lapack

from ..errors import ArgumentError
from ..rounding import is_finite, scale_number
from ..status import StepStatus


@dataclass(frozen=True)
class TridiagonalSolution:
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


@dataclass(frozen=True)
class ExpertSolution:
    """What ``?ptsvx`` tells about T y = r.

    Attributes
    ----------
    y : ndarray, shape (k,)
        Zero where `positive_definite` is False, and where T⁻¹r overflows; the bounds are infinite then.
    rcond : float
        Reciprocal condition number of T in the 1-norm.
    forward_error, backward_error : float
        LAPACK's bounds for max|y − y*|/max|y| and for the componentwise relative backward error.
    positive_definite : bool
        False where the factorization stopped; rcond is 0 then.
    """

    y: np.ndarray
    rcond: float
    forward_error: float
    backward_error: float
    positive_definite: bool


def solve_expert(diagonal: np.ndarray, off: np.ndarray, r: np.ndarray) -> ExpertSolution:
    """Solve T y = r with LAPACK's expert driver ``?ptsvx``; arguments as :func:`solve_tridiagonal`, r real."""
    solve_tridiagonal(diagonal, off, r)  # its checks
    single = np.result_type(diagonal, off, np.float32) == np.float32
    e = off if diagonal.size > 1 else np.zeros(1)
    ptsvx = lapack.sptsvx if single else lapack.dptsvx
    _, _, y, rcond, forward, backward, info = ptsvx(diagonal, e, r.reshape(-1, 1))
    k = diagonal.size
    if 0 < info <= k:
        return ExpertSolution(np.zeros(k), 0.0, np.inf, np.inf, False)
    if not np.isfinite(y).all():  # info does not say so
        return ExpertSolution(np.zeros(k), float(np.nan_to_num(rcond)), np.inf, np.inf, True)
    forward_error, backward_error = (float(np.nan_to_num(e[0], nan=np.inf)) for e in (forward, backward))
    return ExpertSolution(y[:, 0], float(np.nan_to_num(rcond)), forward_error, backward_error, True)


def extreme_ritz_values(alpha: np.ndarray, beta: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest eigenvalue of T = tridiag(beta[:-1], alpha, beta[:-1])."""
    off = beta[: alpha.size - 1]
    if alpha.size == 1:
        return float(alpha[0]), float(alpha[0])
    largest = max(float(np.abs(alpha).max()), float(np.abs(off).max()))
    exponent = math.frexp(largest)[1]
    exponent = exponent if abs(exponent) > 400 else 0  # LAPACK squares
    if exponent:
        alpha, off = np.ldexp(alpha, -exponent), np.ldexp(off, -exponent)
    try:
        values = eigvalsh_tridiagonal(alpha, off)
    except np.linalg.LinAlgError:  # the fast driver gave up: the slow one does not
        values = np.full(1, math.nan)
    if not is_finite(values):  # nor does it always say so
        values = np.linalg.eigvalsh(np.diag(alpha) + np.diag(off, 1) + np.diag(off, -1))
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
    return np.linalg.eigh(np.diag(alpha) + np.diag(off, 1) + np.diag(off, -1))[1][:, first : last + 1]


class Cholesky:
    """T = L D Lᵀ row by row, with the last entry of T⁻¹(ρ e_1): three numbers a step, no vector.

        l_j = β_j/d_{j−1};   d_j = α_j − l_j β_j;   z_j = −l_j z_{j−1}, z_1 = ρ;   e_jᵀ T_j⁻¹ ρ e_1 = z_j/d_j

    Attributes
    ----------
    length, pivot, last : float
        l_j, d_j and z_j/d_j of the last row.
    definite : bool
        Whether every pivot so far was positive.
    """

    def __init__(self, rho: float) -> None:
        self.z, self.length, self.pivot, self.last, self.definite = rho, 0.0, 0.0, 0.0, True

    def append(self, alpha: float, beta: float) -> None:
        """The row with diagonal α_j; `beta` = β_j couples it to the row before (ignored in the first row)."""
        if self.pivot:
            self.length = beta / self.pivot
            self.pivot = alpha - self.length * beta
            self.z *= -self.length
        else:
            self.pivot = alpha
        self.definite = self.definite and self.pivot > 0
        self.last = self.z / self.pivot if self.pivot else 0.0
