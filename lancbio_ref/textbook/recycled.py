"""Recycled Krylov–Newton in plain lines: every product A s is kept, and all of them together are an inverse of A.

Both levels get the same few steps at every x here, where the package's method makes as many as descent needs: the way
is another one, the formulas and the limit are the same, and every number follows from the options alone.
"""

from __future__ import annotations

import numpy as np

from .problems import point_of

CONVERGED = 1e-16  # rᵀz over that at the start of a system
DEPENDENT = 1e-6  # sᵀy over what it was before the newer pairs were taken out


def recycled_newton(problem, x, y, v, iterations, options):
    """A trust-region Newton method on φ: s ≈ argmin hᵀs + ½sᵀB s in |s_i| ≤ Δ, B ≈ ∇²φ by differences."""
    rows: list[dict] = []
    kept_y: list[tuple] = []  # pairs (s, A s), the newest last
    kept_x: list[tuple] = []  # pairs (u, B u)
    radius = options["radius"]
    y, v, h = levels(problem, 0, x, y, v, kept_y, options)
    for k in range(1, iterations + 1):
        s, predicted, dy, dv, at_edge = model_step(problem, k, x, y, v, h, radius, kept_y, kept_x, options)
        y_new, v_new, h_new = levels(problem, k, x + s, y + dy, v + dv, kept_y, options)  # predicted along s
        ratio = s @ (h + h_new) / 2 / predicted if predicted < 0 else 0.0  # φ(x + s) − φ(x) ≈ sᵀ(h + h⁺)/2
        if ratio > 0.1:
            kept_x.append((s, h_new - h))
            x, y, v, h = x + s, y_new, v_new, h_new
        if ratio < 0.25:
            radius = abs(s).max() / 4
        elif ratio > 0.75 and at_edge:
            radius = 2 * radius
        rows.append({"k": k, "s": s, "predicted": predicted, "ratio": ratio, "radius": radius,
                     "y": y, "v": v, "h": h, "x_next": x})  # fmt: skip
    return rows


def levels(problem, k, x, y, v, kept, options):
    """N Newton steps to ∇_y g(x, y) = 0, one solve of A v = b; h = c − J v. `kept` learns from both."""
    for _ in range(options["inner_steps"]):
        A, J, b, c = point_of(problem, k, x, y)
        y = y + solve(A, -problem.g_y(x, y), kept, options)  # A d = −∇_y g
    A, J, b, c = point_of(problem, k, x, y)
    v = v + solve(A, b - A @ v, kept, options)
    return y, v, c - J @ v


def solve(A, r, kept, options):
    """A d = r by Q conjugate-gradient steps, preconditioned by H, which learns every direction at the end."""
    H = recycled_inverse(kept, len(r))
    d, z = np.zeros_like(r), H @ r
    p, first, pairs = z, r @ z, []
    for _ in range(options["inverse_steps"]):
        if not r @ z > CONVERGED * first:
            break
        Ap = A @ p
        pairs.append((p, Ap))
        alpha = (r @ z) / (p @ Ap)  # α = rᵀz/pᵀA p
        d = d + alpha * p
        r_next = r - alpha * Ap
        z_next = H @ r_next
        p = z_next + (r_next @ z_next) / (r @ z) * p
        r, z = r_next, z_next
    kept[:] = (kept + pairs)[-options["memory"] :]
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
        if s @ t > DEPENDENT * size:
            curvatures.append((s @ t) / (s @ s))
            S = np.column_stack([S, s / np.sqrt(s @ t)])
            Y = np.column_stack([Y, t / np.sqrt(s @ t)])
    one = np.eye(n)
    H_0 = one / sorted(curvatures)[len(curvatures) // 2] if curvatures else one  # 1/β, β the (upper) median
    return S @ S.T + (one - S @ Y.T) @ H_0 @ (one - Y @ S.T)


def model_step(problem, k, x, y, v, h, radius, kept_y, kept_x, options):
    """s, hᵀs + ½sᵀB s, y′s, v′s: conjugate gradients preconditioned by M; True where they end at |s_i| ≤ Δ."""
    M, H = recycled_inverse(kept_x, len(x)), recycled_inverse(kept_y, len(y))
    s, Bs, dy, dv = np.zeros_like(x), np.zeros_like(x), np.zeros_like(y), np.zeros_like(y)
    r, z = h, M @ h
    d, first, at_edge, pairs = -z, r @ z, False, []
    for _ in range(len(x)):
        if not r @ z > CONVERGED * first:
            break
        Bd, p, q = hyper_product(problem, k, x, y, v, h, d, H, options)
        pairs.append((d, Bd))
        curvature, moving = d @ Bd, d != 0
        room = np.where(d > 0, radius - s, radius + s)[moving] / abs(d[moving])
        at_edge = not curvature * room.min() > r @ z  # α = rᵀz/dᵀB d leaves |s_i| ≤ Δ, or there is none
        alpha = room.min() if at_edge else (r @ z) / curvature
        s, Bs, dy, dv = s + alpha * d, Bs + alpha * Bd, dy + alpha * p, dv + alpha * q
        if at_edge:
            break
        r_next = r + alpha * Bd
        z_next = M @ r_next
        d = -z_next + (r_next @ z_next) / (r @ z) * d
        r, z = r_next, z_next
    kept_x[:] = (kept_x + pairs)[-options["memory"] :]
    return s, h @ s + s @ Bs / 2, dy, dv, at_edge


def hyper_product(problem, k, x, y, v, h, u, H, options):
    """∇²φ u ≈ w_x − J q, with y′u ≈ p and v′u ≈ q: no system is solved."""
    A, J, b, _ = point_of(problem, k, x, y)
    p = -H @ (J.T @ u)  # A y′u = −Jᵀu
    t = options["difference"] / max(abs(u).max(), abs(p).max())
    A_t, J_t, b_t, c_t = point_of(problem, k, x + t * u, y + t * p)
    w_x = (c_t - J_t @ v - h) / t  # the derivative of c − J v
    w_y = (b_t - A_t @ v - (b - A @ v)) / t  # and of b − A v, both at fixed v
    q = H @ w_y  # A v′u = w_y
    return w_x - J @ q, p, q
