"""Recycled Krylov–Newton in plain lines: every product A s is kept, and all of them together are an inverse of A.

Both levels are solved nearly exactly here, which leaves out what the package's method saves by asking less: the way is
another one, the formulas and the limit are the same.
"""

from __future__ import annotations

import numpy as np

from .numbers import norm
from .problems import point_of

DIFFERENCE = 1e-6  # of x and y, for products with the hyper-Hessian
KEPT = 60  # pairs


def recycled_newton(problem, x, y, v, iterations, options):
    """A trust-region Newton method on φ: s ≈ argmin hᵀs + ½sᵀB s in |s_i| ≤ Δ, B ≈ ∇²φ by differences."""
    rows: list[dict] = []
    kept_y: list[tuple] = []  # pairs (s, A s), the newest last
    kept_x: list[tuple] = []  # pairs (u, B u)
    radius = max(1.0, abs(x).max())
    y, v, h = levels(problem, 0, x, y, v, kept_y)
    for k in range(1, iterations + 1):
        s, predicted, dy, dv = model_step(problem, k, x, y, v, h, radius, kept_y, kept_x)
        y_new, v_new, h_new = levels(problem, k, x + s, y + dy, v + dv, kept_y)  # predicted along s
        ratio = s @ (h + h_new) / 2 / predicted if predicted < 0 else 0.0  # φ(x + s) − φ(x) ≈ sᵀ(h + h⁺)/2
        size = abs(s).max()
        if ratio > 0.1 or norm(h_new) < norm(h) / 2:
            kept_x.append((s, h_new - h))
            x, y, v, h = x + s, y_new, v_new, h_new
        if ratio < 0.25:
            radius = 0.25 * size if size else 0.25 * radius
        elif ratio > 0.75 and size >= radius:
            radius = 2 * radius
        rows.append({"k": k, "s": s, "ratio": ratio, "y": y, "v": v, "h": h, "x_next": x})
    return rows


def levels(problem, k, x, y, v, kept):
    """y with ∇_y g(x, y) ≈ 0 by Newton's method, v with A v ≈ b, and h = c − J v; both systems go into `kept`."""
    for _ in range(50):
        g = problem.g_y(x, y)
        A, J, b, c = point_of(problem, k, x, y)
        d = solve(A, -g, kept)  # A d = −∇_y g
        t = 1.0
        while t > 1e-8 and not norm(problem.g_y(x, y + t * d)) < norm(g):
            t = t / 2
        if t <= 1e-8:  # rounding hides all progress
            break
        y = y + t * d
    A, J, b, c = point_of(problem, k, x, y)
    v = v + solve(A, b - A @ v, kept)
    return y, v, c - J @ v


def solve(A, r, kept):
    """A d = r by conjugate gradients, preconditioned by H, which learns every direction."""
    H = recycled_inverse(kept, len(r))
    d, z = np.zeros_like(r), H @ r
    p, first = z, r @ z
    for _ in range(4 * len(r)):
        if not r @ z > 1e-24 * first:
            break
        Ap = A @ p
        kept.append((p, Ap))
        alpha = (r @ z) / (p @ Ap)  # α = rᵀz/pᵀA p
        d = d + alpha * p
        r_next = r - alpha * Ap
        z_next = H @ r_next
        p = z_next + (r_next @ z_next) / (r @ z) * p
        r, z = r_next, z_next
    del kept[:-KEPT]
    return d


def recycled_inverse(kept, n):
    """H = SSᵀ + (I − SYᵀ)H_0(I − YSᵀ), Y = A S, SᵀY = I, of the pairs (s, A s) as columns, newest first."""
    S, Y, curvatures = np.zeros((n, 0)), np.zeros((n, 0)), []
    for s, t in reversed(kept):
        a, b, size = Y.T @ s, S.T @ t, s @ t  # a = b where the pair belongs to the same symmetric A
        if not size > 0 or (a - b) @ (a - b) > (a @ a + b @ b + 2 * size) / 4:  # it contradicts newer ones
            continue
        for _ in range(2):
            s, t = s - S @ (Y.T @ s), t - Y @ (S.T @ t)
        if s @ t > 1e-6 * size:
            curvatures.append((s @ t) / (s @ s))
            S = np.column_stack([S, s / np.sqrt(s @ t)])
            Y = np.column_stack([Y, t / np.sqrt(s @ t)])
    H_0 = np.eye(n) / np.median(curvatures) if curvatures else np.eye(n)
    one = np.eye(n)
    return S @ S.T + (one - S @ Y.T) @ H_0 @ (one - Y @ S.T)


def model_step(problem, k, x, y, v, h, radius, kept_y, kept_x):
    """s, hᵀs + ½sᵀB s, y′s and v′s: conjugate gradients preconditioned by M, ended at the edge of |s_i| ≤ Δ."""
    M, H = recycled_inverse(kept_x, len(x)), recycled_inverse(kept_y, len(y))
    s, Bs, dy, dv = np.zeros_like(x), np.zeros_like(x), np.zeros_like(y), np.zeros_like(y)
    r, z = h, M @ h
    d, first = -z, r @ z
    for _ in range(2 * len(x)):
        if not r @ z > 1e-8 * first:
            break
        Bd, p, q = hyper_product(problem, k, x, y, v, h, d, H)
        kept_x.append((d, Bd))
        curvature = d @ Bd
        moving = d != 0
        edge = ((radius - s[moving] * np.sign(d[moving])) / abs(d[moving])).min()  # |s + αd| ≤ Δ
        alpha = min((r @ z) / curvature, edge) if curvature > 0 else edge
        s, Bs, dy, dv = s + alpha * d, Bs + alpha * Bd, dy + alpha * p, dv + alpha * q
        if alpha == edge:
            break
        r_next = r + alpha * Bd
        z_next = M @ r_next
        d = -z_next + (r_next @ z_next) / (r @ z) * d
        r, z = r_next, z_next
    del kept_x[:-20]
    return s, h @ s + s @ Bs / 2, dy, dv


def hyper_product(problem, k, x, y, v, h, u, H):
    """∇²φ u ≈ w_x − J q, with y′u ≈ p and v′u ≈ q: no system is solved."""
    A, J, b, _ = point_of(problem, k, x, y)
    p = -H @ (J.T @ u)  # A y′u = −Jᵀu
    t = DIFFERENCE / max(abs(u).max(), abs(p).max())
    A_t, J_t, b_t, c_t = point_of(problem, k, x + t * u, y + t * p)
    w_x = (c_t - J_t @ v - h) / t  # the derivative of c − J v
    w_y = (b_t - A_t @ v - (b - A @ v)) / t  # and of b − A v, both at fixed v
    q = H @ w_y  # A v′u = w_y
    return w_x - J @ q, p, q
