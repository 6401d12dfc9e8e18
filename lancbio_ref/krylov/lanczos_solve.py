"""``lanczos_solve``: a drop-in for ``scipy.sparse.linalg.cg`` that knows what it has reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from ..arguments import (
    COMPLEX,
    Operator,
    Reorthogonalization,
    as_callable,
    as_choice,
    as_flag,
    as_integer,
    as_tolerance,
    as_vector,
    plain_array,
)
from ..errors import ArgumentError
from ..operators import CheckedOperator, as_operator, as_square
from ..status import SolveStatus
from .reorthogonalization import MODES
from .solve import solve
from .symmetry import require_symmetry


@np.errstate(under="ignore")
def lanczos_solve(
    A: Operator,
    b: npt.ArrayLike,
    x0: npt.ArrayLike | None = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Operator | None = None,
    callback: Callable[[np.ndarray], object] | None = None,
    reorthogonalization: Reorthogonalization = "selective",
    restart: int | None = None,
    check_symmetry: bool = False,
) -> tuple[np.ndarray, int]:
    """Solve A x = b for a symmetric (Hermitian) positive definite A by the Lanczos process.

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (n, n)
    b : array_like, shape (n,) or (n, 1)
    x0 : array_like, shape (n,) or (n, 1), or "Mb", optional
        Starting guess (zero by default); ``"Mb"`` means M b. Not changed.
    rtol, atol : float
        Success means ‖b − A x‖₂ ≤ max(rtol ‖b‖₂, atol), the residual evaluated.
    maxiter : int, optional
        Lanczos steps, 10 n by default.
    M : array_like, sparse matrix or LinearOperator, shape (n, n), optional
        Preconditioner, M ≈ A⁻¹, positive definite. It changes the path, not the meaning of the tolerance.
    callback : callable (xk) → anything, optional
        Called with the iterate after each step (with a stored basis that costs a pass over it).
    reorthogonalization : {"selective", "full", "partial", "local", "none"}
        ``none`` and ``local`` are short recurrences that store no basis; ``selective`` is ``full`` where n ≤ 2048, and
        becomes it after n/16 steps, where the one costs less than the other.
    restart : int, optional
        Most basis vectors to store before restarting from the evaluated residual; what fits in 1 GiB by default.
    check_symmetry : bool
        Whether to test first, with two products, that vᴴA w = (wᴴA v)* for two random vectors, an
        :class:`ArgumentError` where it does not. Without it an A that is not symmetric shows only in a residual that
        does not fall: it is evaluated, so `info` is no success.

    Returns
    -------
    x : ndarray, shape (n,)
        The best iterate.
    info : int
        0 success; k > 0 the tolerance was not met after k steps (k < maxiter: more would not help, for the Krylov space
        ended or rounding allows no more: A is singular to working precision, or not symmetric); −1 A is indefinite,
        shown by a direction of negative curvature.

    Raises
    ------
    ArgumentError
        Shapes, types or numbers that cannot be used.
    CallableError
        A product with A or M that is not finite, with its number.
    RepresentationError
        A solution outside of the floating-point range.

    References
    ----------
    C. Lanczos, J. Res. Nat. Bur. Standards 49 (1952); C. C. Paige and M. A. Saunders, SIAM J. Numer. Anal. 12 (1975).

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import lanczos_solve
    >>> x, info = lanczos_solve([[4.0, 1.0], [1.0, 3.0]], [1.0, 2.0], rtol=1e-12)
    >>> info, bool(np.allclose(x, [1 / 11, 7 / 11]))
    (0, True)
    """
    operator = as_square("A", A)
    n = operator.shape[0]
    b = as_vector("b", _column(b, n), n, kinds=COMPLEX)
    dtype = np.result_type(operator.dtype, b.dtype)
    if dtype.char not in COMPLEX:
        raise ArgumentError("A", f"dtype {operator.dtype}", "a real or complex floating-point type")
    b = b.astype(dtype)
    atol, rtol = as_tolerance("atol", atol), as_tolerance("rtol", rtol)
    maxiter = 10 * n if maxiter is None else as_integer("maxiter", maxiter, least=1)
    restart = None if restart is None else as_integer("restart", restart, least=1)
    as_choice("reorthogonalization", reorthogonalization, MODES)
    as_flag("check_symmetry", check_symmetry)
    as_callable("callback", callback, optional=True, of="xk")
    if M is None and hasattr(A, "psolve"):  # SciPy's older way to attach a preconditioner
        M = LinearOperator((n, n), matvec=A.psolve, dtype=dtype)
    M = None if M is None else CheckedOperator(as_operator("M", M, (n, n)), "M")
    operator = CheckedOperator(operator, "A")
    if check_symmetry:
        require_symmetry(operator)
    if isinstance(x0, str):
        as_choice("x0", x0, ("Mb",))
        x0 = b if M is None else M.matvec(b)
    if x0 is not None:
        x0 = as_vector("x0", _column(x0, n), n, kinds=COMPLEX)
        if x0.dtype.kind == "c" and dtype.kind != "c":
            raise ArgumentError("x0", f"dtype {x0.dtype}", "a real start of a real system")
        with np.errstate(over="ignore"):
            x0 = x0.astype(dtype)
        if not np.isfinite(x0).all():
            raise ArgumentError("x0", "a number that overflows", f"numbers of type {dtype}")
    if not b.any():
        return np.zeros(n, dtype), 0
    report = solve(
        operator,
        b,
        x0,
        tolerance=atol,
        rtol=rtol,
        maxiter=maxiter,
        M=M,
        callback=callback,
        reorthogonalization=reorthogonalization,
        restart=restart,
    )
    if report.status == SolveStatus.CONVERGED:
        return report.x, 0
    return report.x, -1 if report.status == SolveStatus.INDEFINITE else max(report.iterations, 1)


def _column(v: Any, n: int) -> Any:
    """An (n, 1) column as a vector; anything else as it is."""
    return plain_array("b", v, "numbers").reshape(-1) if getattr(v, "shape", None) == (n, 1) else v
