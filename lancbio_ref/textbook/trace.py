"""The two methods of Yang, Gao and Yuan (ICLR 2025), one dense line a line of the paper.

Iteration k = 1, 2, …: N inner steps y ← y − θ∇_y g(x_k, y); then A_k, J_k, b_k, c_k at (x_k, y_k); then v_k; then
x_{k+1} = x_k − λ(c_k − J_k v_k). A row of a trace holds everything that iteration computed.
"""

from __future__ import annotations

import math

import numpy as np

from .numbers import norm, roundoff
from .problems import point_of


def lancbio(problem, x, y, v, iterations, options):
    """LancBiO (Algorithms 2 and 4): one step of the dynamic Lanczos process an iteration.

    A moves under the process, so T is not QᵀAQ of any one A; b moves, so the right-hand side is Qᵀ(b_k − w).
    """
    rows, n, step_x = [], len(y), options.get("step_x", 0.0)
    m, schedule = subspace(options)
    restart_due = True
    alphas: list[float] = []
    betas: list[float] = []
    for k in range(1, iterations + 1):
        y = inner_steps(problem, x, y, options)
        A, J, b, c = point_of(problem, k, x, y)
        if k % schedule["every"] == schedule["every"] - 1:
            m = min(math.ceil(schedule["growth"] * m), schedule["maximum"])
        full = len(alphas) >= min(n, schedule["maximum"])
        if restart_due or full or m == 1 or k % m == 1:
            v_bar = v  # v̄ = v_{k−1}
            w = A @ v_bar  # w = A_k v̄
            Q, alphas, betas = np.zeros((n, 0)), [], []
            q, q_before, beta = direction(b - w), np.zeros(n), 0.0
        r = b - w  # the current b, the w of the last restart
        restart_due = norm(r) == 0
        alpha, dv = 0.0, np.zeros(n)
        if not restart_due:
            u = A @ q - beta * q_before  # u = A_k q_j − β_j q_{j−1}
            alpha = q @ u  # α_j = q_jᵀu
            Q = np.column_stack([Q, q])
            alphas.append(alpha)
            T = tridiagonal(alphas, betas)
            try:
                dv = Q @ np.linalg.solve(T, Q.T @ r)  # Δv = Q_j T_j⁻¹ Q_jᵀ(b_k − w)
            except np.linalg.LinAlgError:  # T is singular: v_k = v_{k−1}, and a restart
                dv, restart_due = v - v_bar, True
            omega = u - alpha * q  # ω = u − α_j q_j
            beta = norm(omega)  # β_{j+1} = ‖ω‖
            betas.append(beta)
            restart_due = restart_due or beta <= (n + 10) * roundoff(A) * np.linalg.norm(A, 1)
            q_before, q = q, direction(omega)  # q_{j+1} = ω/β_{j+1}
        v = v_bar + dv  # v_k = v̄ + Δv
        h = c - J @ v  # h_k = c_k − J_k v_k
        x = x - step_x * h  # x_{k+1} = x_k − λh_k
        rows.append({"k": k, "y": y, "alpha": alpha, "beta": beta, "dv": dv, "v": v, "h": h, "x_next": x})
    return rows


def subbio(problem, x, y, v, iterations, options):
    """SubBiO (Algorithm 1): v_k is the Galerkin solution in S_k = span{b_k, (I − ηA_k)v_{k−1}}."""
    step_x, eta = options.get("step_x", 0.0), options["step_v"]
    rows = []
    for k in range(1, iterations + 1):
        y = inner_steps(problem, x, y, options)
        A, J, b, c = point_of(problem, k, x, y)
        S = orthonormal(b, v - eta * (A @ v))  # b_k and (I − ηA_k)v_{k−1}
        v = S @ np.linalg.solve(S.T @ A @ S, S.T @ b)  # SᵀA_kS z = Sᵀb_k, v_k = S z
        h = c - J @ v
        x = x - step_x * h
        rows.append({"k": k, "y": y, "v": v, "h": h, "x_next": x})
    return rows


def inner_steps(problem, x, y, options):
    """y ← y − θ∇_y g(x_k, y), N times."""
    for _ in range(options.get("inner_steps", 1)):
        y = y - options.get("step_y", 0.0) * problem.g_y(x, y)
    return y


def subspace(options):
    """m_1 and the schedule m ← min(⌈ρm⌉, m_max) at every k with k mod f = f − 1; an integer is a constant m."""
    given = options["subspace"]
    if not isinstance(given, dict):
        given = {"initial": given, "growth": 1.0, "every": 1, "maximum": given}
    return given["initial"], given


def tridiagonal(alphas, betas):
    """T_j: α_1 … α_j on the diagonal, β_2 … β_j beside it."""
    off = betas[: len(alphas) - 1]
    return np.diag(alphas) + np.diag(off, 1) + np.diag(off, -1)


def direction(a):
    """a/‖a‖; zeros for zeros."""
    size = norm(a)
    return a / size if size else a


def orthonormal(first, second):
    """An orthonormal basis of span{first, second}: Gram–Schmidt, twice; a dependent direction is left out."""
    basis = np.zeros((len(first), 0))
    for a in (first, second):
        rest = direction(a)
        rest = rest - basis @ (basis.T @ rest)
        rest = rest - basis @ (basis.T @ rest)
        if norm(rest) > 10 * np.sqrt(len(first)) * roundoff(first):
            basis = np.column_stack([basis, direction(rest)])
    return basis
