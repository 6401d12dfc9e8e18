"""k steps of the Lanczos process with one operator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arguments import COMPLEX, Operator, Reorthogonalization, as_flag, as_integer, as_vector
from ..operators import CheckedOperator, as_square
from .process import LanczosProcess
from .symmetry import require_shown_symmetry, require_symmetry
from .tridiagonal import dense


@dataclass(frozen=True)
class LanczosDecomposition:
    """A Q = Q T + β_{k+1} q_{k+1} e_kᵀ.

    Attributes
    ----------
    Q : ndarray, shape (n, k)
    alpha, beta : ndarray, shape (k,)
        T = diag(alpha) + diag(beta[:-1], ±1); ``beta[-1]`` is the residual norm β_{k+1}.
    q_next : ndarray, shape (n,)
        q_{k+1}; zeros at breakdown.
    start_norm : float
        ‖q1‖ as it was given.
    breakdown : bool
        Whether the process stopped early, at an invariant subspace.
    n_reorthogonalized : int
        Vectors orthogonalized beyond the recurrence.
    asymmetry : float
        The largest |q_iᴴA q_j − (q_jᴴA q_i)*| that the steps showed, in units of the largest column of T; at rounding
        level for a symmetric A.
    """

    Q: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray
    q_next: np.ndarray
    start_norm: float
    breakdown: bool
    n_reorthogonalized: int
    asymmetry: float = 0.0

    @property
    def T(self) -> np.ndarray:
        """T as a dense k × k array."""
        return dense(self.alpha, self.beta[:-1])


@np.errstate(under="ignore")
def lanczos(
    A: Operator,
    q1: npt.ArrayLike,
    k: int,
    *,
    reorthogonalization: Reorthogonalization = "full",
    check_symmetry: bool = False,
) -> LanczosDecomposition:
    """k steps of the Lanczos process, or fewer where the space becomes invariant.

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (n, n)
        Real symmetric or complex Hermitian; what the steps show of the contrary is an error (see Notes).
    q1 : array_like, shape (n,)
        The start, not zero.
    k : int
        Steps, at least 1. More than n makes sense only where orthogonality is allowed to go (``local``, ``none``).
    reorthogonalization : {"full", "selective", "partial", "local", "none"}
        Whose basis is orthogonal to u, √u, √u and not at all.
    check_symmetry : bool
        Whether to test A at two random vectors first, for two products: |vᴴA w − (wᴴA v)*|.

    Returns
    -------
    LanczosDecomposition
        With k' ≤ k columns.

    Raises
    ------
    ArgumentError
        Shapes that do not fit, k < 1, a start that is zero or not finite; an A that is seen not to be symmetric.
    CallableError
        A product that is not finite, with the number of the product.

    Notes
    -----
    For an A that is not symmetric A Q ≠ Q T + β q eᵀ, by as much as A is not. Every step shows |q_{j−1}ᴴA q_j − β_j|
    and |Im α_j|, ``full`` the whole of column j of QᴴA Q. More than rounding explains is an :class:`ArgumentError`: for
    arrays, sparse matrices and operators of this package in units of nu‖A‖, for a black box, whose rounding nobody
    knows, beyond u^⅓‖A‖. Not seen is what this Krylov space does not show (of a real A, nothing at k = 1), and in the
    other modes what is more than one off the diagonal of QᴴA Q: for these there is `check_symmetry`, which in turn
    misses, of a black box, what is below u^⅓‖A v‖. Both see at random what the other may miss; neither proves.

    References
    ----------
    C. C. Paige, "Computational variants of the Lanczos method for the eigenproblem", J. Inst. Maths Applics 10 (1972).

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import lanczos
    >>> run = lanczos(np.diag([1.0, 2.0, 3.0]), np.ones(3), 3)
    >>> bool(np.allclose(np.linalg.eigvalsh(run.T), [1, 2, 3]))
    True
    """
    A = as_square("A", A)
    q1 = as_vector("q1", q1, A.shape[0], kinds=COMPLEX)
    k = as_integer("k", k, least=1)
    if as_flag("check_symmetry", check_symmetry):
        require_symmetry(CheckedOperator(A, "A"))
    if reorthogonalization not in ("none", "local"):
        k = min(k, A.shape[0])
    process = LanczosProcess(q1, reorthogonalization=reorthogonalization, capacity=min(k, A.shape[0]), watch=True)
    while process.k < k and not process.breakdown:
        process.step(A)
    asymmetry = require_shown_symmetry(process, A)
    return LanczosDecomposition(
        process.Q,
        process.alpha,
        process.beta,
        process.q_next,
        process.start_norm,
        process.breakdown,
        process.n_reorthogonalized,
        asymmetry,
    )
