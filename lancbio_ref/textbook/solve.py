"""A v = b with A symmetric positive definite: textbook routes to the same v.

* `conjugate_gradients` (Hestenes and Stiefel 1952), three recurrences; `preconditioned_conjugate_gradients`;
* `lanczos_solve`: v_j = v_0 + Q_j T_j⁻¹ (‖r_0‖e_1), r_0 = b − A v_0;
* `cholesky_solve`: A = L Lᵀ, two triangular systems.

A and b are first brought near 1 by powers of two, which changes no digit and lets nothing under- or overflow.
"""

from __future__ import annotations

import numpy as np

from .lanczos import lanczos
from .numbers import exponent, norm, refuse_unless_finite, refuse_unless_spd, roundoff


def conjugate_gradients(A, b, v0):
    """v with A v = b, from v_0; stops when the residual of the recurrence is u‖b‖.

    Raises
    ------
    ValueError
        A not symmetric or not positive definite, or something not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.textbook.solve import conjugate_gradients
    >>> conjugate_gradients(2.0 * np.eye(2), np.array([2.0, 4.0]), np.zeros(2))
    array([1., 2.])
    """
    refuse_unless_spd(A, b)
    if norm(b) == 0:
        return 0 * b
    A, b, v, unit = near_one(A, b, v0)
    tolerance = roundoff(A) * norm(b)
    r = b - A @ v  # r_0 = b − A v_0
    p = r
    for _ in range(50 * len(b)):
        if norm(r) <= tolerance:
            break
        Ap = A @ p
        gamma = (r @ r) / (p @ Ap)  # γ_k = ‖r_k‖²/p_kᵀA p_k
        v = v + gamma * p  # v_{k+1} = v_k + γ_k p_k
        r_next = r - gamma * Ap  # r_{k+1} = r_k − γ_k A p_k
        delta = (r_next @ r_next) / (r @ r)  # δ_{k+1} = ‖r_{k+1}‖²/‖r_k‖²
        p = r_next + delta * p  # p_{k+1} = r_{k+1} + δ_{k+1} p_k
        r = r_next  # of the recurrence: that of rounding parts from b − A v in the end
    return refuse_unless_finite(np.ldexp(v, unit))


def preconditioned_conjugate_gradients(A, b, v0):
    """The same with M = diag(A): faster or slower, but the test of convergence is still that of the residual.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.textbook.solve import preconditioned_conjugate_gradients
    >>> preconditioned_conjugate_gradients(np.diag([1.0, 1e6]), np.array([2.0, 4e6]), np.zeros(2))
    array([2., 4.])
    """
    refuse_unless_spd(A, b)
    if norm(b) == 0:
        return 0 * b
    A, b, v, unit = near_one(A, b, v0)
    M = np.diag(A)
    r = b - A @ v
    z = r / M  # M z_k = r_k
    p = z
    for _ in range(50 * len(b)):
        if norm(r) <= roundoff(A) * norm(b):
            break
        Ap = A @ p
        gamma = (r @ z) / (p @ Ap)  # γ_k = r_kᵀz_k/p_kᵀA p_k
        v = v + gamma * p
        r_next = r - gamma * Ap
        z_next = r_next / M
        delta = (r_next @ z_next) / (r @ z)  # δ_{k+1} = r_{k+1}ᵀz_{k+1}/r_kᵀz_k
        p = z_next + delta * p
        r, z = r_next, z_next
    return refuse_unless_finite(np.ldexp(v, unit))


def lanczos_solve(A, b, v0):
    """v_0 + Q_j T_j⁻¹ (‖r_0‖e_1), j being n, or less where the Krylov space is invariant before.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.textbook.solve import lanczos_solve
    >>> lanczos_solve(2.0 * np.eye(2), np.array([2.0, 4.0]), np.zeros(2))
    array([1., 2.])
    """
    refuse_unless_spd(A, b)
    A, b, v0, unit = near_one(A, b, v0)
    r0 = b - A @ v0
    if norm(r0) == 0:
        return refuse_unless_finite(np.ldexp(v0, unit))
    alpha, beta, Q = lanczos(A, r0, len(b))
    right = norm(r0) * np.eye(len(alpha))[0]  # Q_jᵀr_0 = ‖r_0‖e_1
    dv = Q @ tridiagonal_solve(alpha, beta[:-1], right).astype(b.dtype)  # Δv = Q_j T_j⁻¹ Q_jᵀr_0
    v = v0 + dv
    return refuse_unless_finite(np.ldexp(v, unit))


def tridiagonal_solve(alpha, beta, r):
    """T⁻¹r by T = L D Lᵀ, as LAPACK's ?ptsv: d_1 = α_1, l_i = β_i/d_i, d_{i+1} = α_{i+1} − l_i β_i.

    Parameters
    ----------
    alpha, beta : ndarray, shape (k,), (k - 1,)
        T, positive definite: its diagonal, and what stands beside it.
    r : ndarray, shape (k,)

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.textbook.solve import tridiagonal_solve
    >>> tridiagonal_solve(np.array([2.0, 1.0]), np.array([1.0]), np.array([4.0, 3.0]))
    array([1., 2.])
    """
    pivots, x = np.array(alpha), np.array(r)
    for i in range(len(x) - 1):
        factor = beta[i] / pivots[i]  # l_i = β_i/d_i
        pivots[i + 1] = alpha[i + 1] - factor * beta[i]  # d_{i+1} = α_{i+1} − l_i β_i
        x[i + 1] = r[i + 1] - factor * x[i]  # L z = r
    x = x / pivots  # D (Lᵀx) = z
    for i in reversed(range(len(x) - 1)):
        x[i] = x[i] - beta[i] / pivots[i] * x[i + 1]  # Lᵀx
    return x


def cholesky_solve(A, b, v0):
    """L⁻ᵀ L⁻¹ b with A = L Lᵀ; a direct method has no use for v_0.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.textbook.solve import cholesky_solve
    >>> cholesky_solve(4.0 * np.eye(2), np.array([4.0, 8.0]), np.zeros(2))
    array([1., 2.])
    """
    refuse_unless_spd(A, b)
    A, b, _, unit = near_one(A, b, v0)
    L = np.linalg.cholesky(A)
    v = np.linalg.solve(L.T, np.linalg.solve(L, b))
    return refuse_unless_finite(np.ldexp(v, unit))


def near_one(A, b, v0):
    """A/2^s, b/2^t, v_0/2^{t−s} and t − s: the same system in other units."""
    s, t = exponent(A), exponent(b)
    return np.ldexp(A, -s), np.ldexp(b, -t), np.ldexp(v0, s - t), t - s
