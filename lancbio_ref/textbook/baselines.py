"""The other methods of the field, one function each: v_k, and the order in which x, y and v step.

AmIGO     Q gradient or conjugate-gradient steps from v_{k−1}                (Arbel and Mairal 2022)
SOBA      x, y and v step at once, from the same (x, y, v)                   (Dagréou et al. 2022)
stocBiO   v = η Σ_{q=0}^{Q} (I − ηA)^q b                                     (Ji, Yang and Liang 2021)
BSA       v = ηQ (I − ηA)^p b, p drawn from {0, …, Q − 1}                    (Ghadimi and Wang 2018)
TTSA      the same with one inner step and decaying steps                    (Hong et al. 2023)
STABLE    running estimates of both second derivatives                       (Chen et al. 2022)
F2SA      no v: the lower level as a penalty                                 (Kwon et al. 2023)
HJFBiO    finite differences in place of second derivatives                  (Huang 2024)
HOAG      both solves to ε_k, a step that adapts itself                      (Pedregosa 2016)
MAID      a line search that bounds prove, accuracies that adapt themselves  (Salehi et al. 2024)
"""

from __future__ import annotations

import numpy as np

from .numbers import norm, roundoff
from .problems import point_of
from .trace import inner_steps


def amigo_gd(problem, x, y, v, iterations, options):
    """AmIGO with gradient steps v ← v − η(A v − b)."""
    rows = []
    for k in range(1, iterations + 1):
        y = inner_steps(problem, x, y, options)
        A, J, b, c = point_of(problem, k, x, y)
        for _ in range(options.get("inverse_steps", 5)):
            v = v - options["step_v"] * (A @ v - b)
        h = c - J @ v
        x = x - options["step_x"] * h
        rows.append({"k": k, "y": y, "v": v, "h": h, "x_next": x})
    return rows


def amigo_cg(problem, x, y, v, iterations, options):
    """AmIGO with conjugate gradients: v_k = v_{k−1} + d_Q."""
    rows = []
    for k in range(1, iterations + 1):
        y = inner_steps(problem, x, y, options)
        A, J, b, c = point_of(problem, k, x, y)
        r = b - A @ v
        d, p = np.zeros_like(v), r
        for _ in range(options.get("inverse_steps", 5)):
            if norm(r) <= roundoff(b) * norm(b):
                break
            Ap = A @ p
            gamma = (r @ r) / (p @ Ap)
            d = d + gamma * p
            r_next = r - gamma * Ap
            delta = (r_next @ r_next) / (r @ r)
            p = r_next + delta * p
            r = r_next
        v = v + d
        h = c - J @ v
        x = x - options["step_x"] * h
        rows.append({"k": k, "y": y, "dv": d, "v": v, "h": h, "x_next": x})
    return rows


def soba(problem, x, y, v, iterations, options):
    """SOBA: three directions at the same (x, y, v), taken together."""
    rows = []
    for k in range(1, iterations + 1):
        A, J, b, c = point_of(problem, k, x, y)
        direction_y, direction_v, h = problem.g_y(x, y), A @ v - b, c - J @ v
        row = {"k": k, "y": y, "v": v, "h": h, "direction_y": direction_y, "direction_v": direction_v}
        x = x - options["step_x"] * h
        y = y - options["step_y"] * direction_y
        v = v - options["step_v"] * direction_v
        rows.append({**row, "x_next": x, "y_next": y, "v_next": v})
    return rows


def stocbio(problem, x, y, v, iterations, options):
    """stocBiO: a Neumann series of Q + 1 terms, begun anew in every iteration."""
    eta, rows = options["step_v"], []
    for k in range(1, iterations + 1):
        y = inner_steps(problem, x, y, options)
        A, J, b, c = point_of(problem, k, x, y)
        term, total = b, b
        for _ in range(options.get("inverse_steps", 10)):
            term = term - eta * (A @ term)  # (I − ηA)^q b
            total = total + term
        v = eta * total  # v = η Σ_{q=0}^{Q} (I − ηA)^q b
        h = c - J @ v
        x = x - options["step_x"] * h
        rows.append({"k": k, "y": y, "v": v, "h": h, "x_next": x})
    return rows


def bsa(problem, x, y, v, iterations, options):
    """BSA: one random term stands for the whole series; the draws of p are given."""
    rows = []
    for k in range(1, iterations + 1):
        y = inner_steps(problem, x, y, options)
        A, J, b, c = point_of(problem, k, x, y)
        v = random_neumann(A, b, options["draws"]["p"][k - 1], options)
        h = c - J @ v
        x = x - options["step_x"] * h
        rows.append({"k": k, "y": y, "v": v, "h": h, "x_next": x})
    return rows


def ttsa(problem, x, y, v, iterations, options):
    """TTSA: BSA with one inner step, and steps that decay on two time scales."""
    rows = []
    for k in range(1, iterations + 1):
        alpha = options["step_x"] / (k + 1) ** options.get("decay_x", 0.6)  # α_k
        beta = options["step_y"] / (k + 1) ** options.get("decay_y", 0.4)  # β_k
        y = y - beta * problem.g_y(x, y)
        A, J, b, c = point_of(problem, k, x, y)
        v = random_neumann(A, b, options["draws"]["p"][k - 1], options)
        h = c - J @ v
        x = x - alpha * h
        rows.append({"k": k, "y": y, "alpha": alpha, "beta": beta, "v": v, "h": h, "x_next": x})
    return rows


def random_neumann(A, b, p, options):
    """ηQ (I − ηA)^p b, whose mean over p uniform on {0, …, Q − 1} is η Σ_{q<Q} (I − ηA)^q b."""
    eta, Q = options["step_v"], options.get("inverse_steps", 10)
    term = b
    for _ in range(p):
        term = term - eta * (A @ term)
    return eta * Q * term


def stable(problem, x, y, v, iterations, options):
    """STABLE: estimates H_yy, H_xy with momentum τ, projected onto what is known of the true derivatives."""
    tau, mu, bound, rows = options.get("momentum", 0.5), options["mu"], options.get("cross_norm"), []
    H_yy = H_xy = A_before = J_before = 0.0
    for k in range(1, iterations + 1):
        A, J, b, c = point_of(problem, k, x, y)
        H_yy = (1 - tau) * (H_yy - A_before) + A if k > 1 else A
        H_xy = (1 - tau) * (H_xy - J_before) + J if k > 1 else J
        A_before, J_before = A, J
        H_yy = raise_eigenvalues(H_yy, mu)  # P_{⪰ μI}
        H_xy = H_xy if bound is None else lower_singular_values(H_xy, bound)  # P_{‖·‖ ≤ C}
        v = np.linalg.solve(H_yy, b)
        h = c - H_xy @ v
        x_next = x - options["step_x"] * h
        prediction = -np.linalg.solve(H_yy, H_xy.T @ (x_next - x))  # dy* = −A⁻¹Jᵀ dx
        y_next = y - options["step_y"] * problem.g_y(x, y) + prediction
        rows.append({"k": k, "y": y, "v": v, "h": h, "prediction": prediction, "x_next": x_next, "y_next": y_next})
        x, y = x_next, y_next
    return rows


def raise_eigenvalues(H, mu):
    """The symmetric matrix nearest to H with no eigenvalue below μ."""
    values, vectors = np.linalg.eigh((H + H.T) / 2)
    return (vectors * np.maximum(values, mu)) @ vectors.T


def lower_singular_values(H, bound):
    """The matrix nearest to H with no singular value above C."""
    left, values, right = np.linalg.svd(H, full_matrices=False)
    return (left * np.minimum(values, bound)) @ right


def f2sa(problem, x, y, v, iterations, options):
    """F2SA: z pursues argmin g, y pursues argmin f/σ + g; their difference stands for A⁻¹b."""
    z, sigma, rows = y, options.get("penalty", 1.0), []
    gamma = options.get("step_z") or options["step_y"]
    for k in range(1, iterations + 1):
        alpha = options["step_y"] / (k + 1) ** options.get("decay_y", 0.0)
        step = options["step_x"] / (k + 1) ** options.get("decay_x", 0.0)
        for _ in range(options.get("inner_steps", 1)):
            z = z - gamma * problem.g_y(x, z)
            y = y - alpha * (problem.f_y(x, y) + sigma * problem.g_y(x, y))
        h = problem.f_x(x, y) + sigma * (problem.g_x(x, y) - problem.g_x(x, z))
        x = x - step * h
        sigma = sigma + options.get("penalty_growth", 0.0) / (k + 1) ** options.get("decay_penalty", 0.0)
        rows.append({"k": k, "y": y, "z": z, "h": h, "x_next": x, "sigma_next": sigma})
    return rows


def hjfbio(problem, x, y, v, iterations, options):
    """HJFBiO: Âv and Ĵv by central differences of ∇g; x, y and v step at once."""
    delta, rows = options.get("difference", 1e-5), []
    for k in range(1, iterations + 1):
        ahead, behind = y + delta * v, y - delta * v
        Av = (problem.g_y(x, ahead) - problem.g_y(x, behind)) / (2 * delta)
        Jv = (problem.g_x(x, ahead) - problem.g_x(x, behind)) / (2 * delta)
        h = problem.f_x(x, y) - Jv
        v_next = v - options["step_v"] * (Av - problem.f_y(x, y))
        v_next = v_next * min(1.0, options.get("radius", 1e3) / norm(v_next))  # P_{‖v‖ ≤ r}
        row = {"k": k, "y": y, "v": v, "h": h}
        y_next = y - options["step_y"] * problem.g_y(x, y)
        x = x - options["step_x"] * h
        y, v = y_next, v_next
        rows.append({**row, "x_next": x, "y_next": y, "v_next": v})
    return rows


def hoag(problem, x, y, v, iterations, options):
    """HOAG: solves to ε_k, and L doubled until f falls as a step 1/L must let it."""
    step, tolerance, rows = options.get("step_x", 1.0), options.get("tolerance", 0.1), []
    for k in range(1, iterations + 1):
        here, ahead = (tolerance * 0.9 ** (j - 1) for j in (k, k + 1))  # ε_k, ε_{k+1}
        y = newton(problem, x, y, here)
        A, J, b, c = point_of(problem, k, x, y)
        v = np.linalg.solve(A, b)
        h = c - J @ v
        trials, accepted = 0, False
        while not accepted:
            trials = trials + 1
            x_next = x - step * h
            y_next = newton(problem, x_next, y, ahead)
            bound = problem.f(x, y) + norm(v) * (here + ahead) - 0.5 * step * norm(h) ** 2
            accepted = problem.f(x_next, y_next) <= bound + 4 * roundoff(b) * abs(problem.f(x, y))
            taken, step = step, step if accepted else step / 2
        rows.append({"k": k, "y": y, "v": v, "h": h, "x_next": x_next, "step": taken})
        x, y, step = x_next, y_next, step * 1.05 if trials == 1 else step
    return rows


def maid(problem, x, y, v, iterations, options):
    """MAID, with the problem's constants among the options: a step is taken where (4) proves that φ falls."""
    mu, norm_J = options.get("mu", 1.0), options.get("cross_norm", 1.0)
    fx, fy, gxy, gyy = options.get("lipschitz", (1.0, 1.0, 1.0, 1.0))
    alpha, epsilon, rows = options.get("step_x", 1.0), options.get("tolerance", 0.1), []

    def value_error(x, y):  # e = ‖∇_y f‖ρ + ½L_fy ρ²
        rho = norm(problem.g_y(x, y)) / mu
        return norm(problem.f_y(x, y)) * rho + 0.5 * fy * rho**2

    for k in range(1, iterations + 1):
        trials, accepted = options.get("backtracks", 5), False
        while not accepted:
            y = newton(problem, x, y, mu * epsilon)
            A, J, b, c = point_of(problem, k, x, y)
            v = np.linalg.solve(A, b)
            h, rho, r = c - J @ v, norm(problem.g_y(x, y)) / mu, norm(b - A @ v)
            omega = rho * (fx + gxy * norm(v)) + (norm_J + gxy * rho) / mu * (r + rho * (fy + gyy * norm(v)))
            if omega <= 0.99 * norm(h):  # ω ≤ (1 − η)‖h‖
                for i in range(trials):
                    step = alpha * 0.5**i
                    x_next = x - step * h
                    y_next = newton(problem, x_next, y, mu * epsilon)
                    psi = problem.f(x_next, y_next) - problem.f(x, y) + 0.5 * 0.01 * step * norm(h) ** 2
                    psi = psi + value_error(x_next, y_next) + value_error(x, y)
                    accepted = psi <= 4 * roundoff(b) * abs(problem.f(x, y))
                    if accepted:
                        break
                trials = trials + 1
            epsilon = 1.05 * epsilon if accepted else 0.5 * epsilon
        rows.append({"k": k, "y": y, "v": v, "h": h, "x_next": x_next, "step": step})
        x, y, alpha = x_next, y_next, step / 0.9
    return rows


def newton(problem, x, y, tolerance):
    """‖∇_y g(x, y)‖ ≤ tolerance, or as small as rounding lets it: Newton's method, halved where that does not fall."""
    while norm(problem.g_y(x, y)) > tolerance:
        d, t = np.linalg.solve(problem.A(x, y), problem.g_y(x, y)), 1.0
        while t > 1e-10 and norm(problem.g_y(x, y - t * d)) > (1 - 1e-4 * t) * norm(problem.g_y(x, y)):
            t = t / 2
        if t <= 1e-10:
            break
        y = y - t * d
    return y
