"""The Lanczos process (Lanczos 1950; Paige 1972) without, with full and with partial reorthogonalization, in NumPy.

    u_j = A q_j − β_j q_{j−1};   α_j = q_jᵀu_j;   w_j = u_j − α_j q_j;   β_{j+1} = ‖w_j‖;   q_{j+1} = w_j/β_{j+1}

    A Q_j = Q_j T_j + β_{j+1} q_{j+1} e_jᵀ,   T_j = tridiag(β, α, β)

Every line stands for one line of the mathematics. The catalogue of faults changes such lines, one at a time.
"""

from __future__ import annotations

import numpy as np

from .numbers import norm, roundoff


def lanczos(A, q1, k, passes=2):
    """α_1 … α_j, β_2 … β_{j+1} and Q_j = [q_1 … q_j]; j < k where the space is invariant before.

    Parameters
    ----------
    A : ndarray, shape (n, n)
        Symmetric.
    q1 : ndarray, shape (n,)
        The start, of any length but zero.
    k : int
        Steps.
    passes : int
        Of Gram–Schmidt against all of Q_j: 2 for full reorthogonalization, 0 for none.

    Returns
    -------
    alpha, beta : ndarray, shape (j,)
    Q : ndarray, shape (n, j)

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.textbook.lanczos import lanczos
    >>> alpha, beta, Q = lanczos(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([3.0, 0.0]), 2)
    >>> alpha, beta  # the second β is that of an invariant space
    (array([1., 1.]), array([2., 0.]))
    """
    n = len(q1)
    alphas: list[float] = []
    betas: list[float] = []
    Q = np.zeros((n, 0), A.dtype)
    q, q_before, beta = q1 / norm(q1), np.zeros(n, A.dtype), 0.0
    while len(alphas) < k:
        Q = np.column_stack([Q, q])
        u = A @ q - beta * q_before  # u_j = A q_j − β_j q_{j−1}
        alpha = q @ u  # α_j = q_jᵀu_j
        w = u - alpha * q  # w_j = u_j − α_j q_j
        for _ in range(passes):
            w = w - Q @ (Q.T @ w)  # (I − QQᵀ) w_j: takes out what rounding left of q_1 … q_j
        beta = norm(w)  # β_{j+1} = ‖w_j‖
        alphas.append(alpha)
        betas.append(beta)
        if beta <= (n + 10) * roundoff(A) * size_of_column(alphas, betas):  # K_j is invariant: no q_{j+1}
            break
        q_before, q = q, w / beta  # q_{j+1} = w_j/β_{j+1}
    return np.array(alphas), np.array(betas), Q


def size_of_column(alphas, betas):
    """The largest ‖A q_i‖ so far: the norm of the i-th column of T with its β_{i+1}."""
    below, above = np.array(betas), np.array([0.0, *betas[:-1]])
    return np.max(np.hypot(np.hypot(above, np.array(alphas)), below))


def partial_lanczos(A, q1, k):
    """The same with partial reorthogonalization (Simon 1984): QᵀQ = I to √u, at a fraction of the work.

    The ω-recurrence estimates ω_{j+1,i} ≈ q_{j+1}ᵀq_i from two rows of ω, and two consecutive vectors are
    reorthogonalized where it exceeds √(u/k):

        ω_{j+1,i} = [β_{i+1} ω_{j,i+1} + (α_i − α_j) ω_{j,i} + β_i ω_{j,i−1} − β_j ω_{j−1,i} ± u‖A‖]/β_{j+1}
    """
    n, u = len(q1), roundoff(A)
    size = np.abs(A).sum(axis=1).max()  # ‖A‖_∞ ≥ ‖A‖₂
    alphas: list[float] = []
    betas: list[float] = []
    Q = np.zeros((n, 0), A.dtype)
    q, q_before, beta, again = q1 / norm(q1), np.zeros(n, A.dtype), 0.0, False
    omega_before, omega = np.zeros(1), np.ones(1)  # rows j − 1 and j, entries i = 1 … j
    while len(alphas) < k:
        Q = np.column_stack([Q, q])
        w = A @ q - beta * q_before
        alpha = q @ w
        w = w - alpha * q
        alphas.append(alpha)
        betas.append(norm(w))
        omega_next = estimate(alphas, betas, omega, omega_before, u * size, np.sqrt(n))
        now = np.abs(omega_next[:-1]).max(initial=0.0) > np.sqrt(u / k)
        near_invariant = betas[-1] <= 16 * np.sqrt(u) * size
        if now or again or near_invariant:
            w = w - Q @ (Q.T @ w)
            w = w - Q @ (Q.T @ w)
            betas[-1] = norm(w)
            omega_next[:-1] = u
        again = now and not again  # two consecutive vectors: q_{j+1} now and q_{j+2} at the next step
        beta = betas[-1]
        if beta <= (n + 10) * u * size_of_column(alphas, betas):
            break
        omega_before, omega = np.append(omega, 0.0), omega_next  # rows j and j + 1
        q_before, q = q, w / beta
    return np.array(alphas), np.array(betas), Q


def estimate(alphas, betas, omega, omega_before, noise, root_n):
    """Row j + 1 of ω from rows j and j − 1; its last two entries are ω_{j+1,j} and ω_{j+1,j+1} = 1."""
    j = len(alphas)
    row = np.ones(j + 1)
    for i in range(j - 1):
        bracket = betas[i] * omega[i + 1] + (alphas[i] - alphas[-1]) * omega[i] - betas[j - 2] * omega_before[i]
        if i:
            bracket += betas[i - 1] * omega[i - 1]
        row[i] = (bracket + np.copysign(noise, bracket)) / betas[-1]
    row[j - 1] = noise * root_n / betas[-1]
    return row
