"""LancBiO and SubBiO on the synthetic problem, from the formulas, dense; `instance` alone takes from the package."""

from __future__ import annotations

import math

import numpy as np

from lancbio_ref import problems


class DenseSynthetic:
    """The paper's synthetic problem with every derivative formed densely."""

    def __init__(self, a, d, e, G, gamma):
        self.a, self.d, self.e, self.G, self.gamma = a, d, e, G, gamma

    def softmax(self, x, y):
        t = np.exp(x * y - np.max(x * y))
        return t / t.sum()

    def grad_y_g(self, x, y):
        return self.gamma * np.cos(x + y) + x * self.softmax(x, y) + self.e * y + self.G @ y

    def A(self, x, y):
        p = self.softmax(x, y)
        return np.diag(-self.gamma * np.sin(x + y) + x * x * p + self.e) - np.outer(x * p, x * p) + self.G

    def J(self, x, y):
        p = self.softmax(x, y)
        return np.diag(-self.gamma * np.sin(x + y) + p + x * y * p) - np.outer(y * p, x * p)

    def b(self, x, y):
        return -0.1 * np.sin(np.sum(self.a * x * y)) * self.a * x - (self.d * x - y)

    def c(self, x, y):
        return -0.1 * np.sin(np.sum(self.a * x * y)) * self.a * y + self.d * (self.d * x - y)


def inner(problem, x, y, step_y, steps):
    for _ in range(steps):
        y = y - step_y * problem.grad_y_g(x, y)
    return y


def lancbio(problem, x, y, v, iterations, step_x, step_y, inner_steps, m, growth=1.0, every=1, maximum=None):
    """Rows (x_k, y_k, v_k, h_k); m constant unless a schedule is given."""
    maximum = m if maximum is None else maximum
    rows, Q, T_alpha, T_beta, v_bar, w, q, q_old, beta = [], [], [], [], None, None, None, None, 0.0
    for k in range(1, iterations + 1):
        y = inner(problem, x, y, step_y, inner_steps)
        A, J, b, c = problem.A(x, y), problem.J(x, y), problem.b(x, y), problem.c(x, y)
        if k % every == every - 1:
            m = min(math.ceil(growth * m), maximum)
        if k == 1 or m == 1 or k % m == 1 or len(Q) >= maximum:
            v_bar, w = v, A @ v
            q = (b - w) / np.linalg.norm(b - w)
            q_old, beta, Q, T_alpha, T_beta = np.zeros_like(q), 0.0, [], [], []
        u = A @ q - beta * q_old
        alpha = q @ u
        Q.append(q)
        T_alpha.append(alpha)
        if len(Q) > 1:
            T_beta.append(beta)
        T = np.diag(T_alpha) + np.diag(T_beta, 1) + np.diag(T_beta, -1)
        basis = np.stack(Q, axis=1)
        v = v_bar + basis @ np.linalg.solve(T, basis.T @ (b - w))
        omega = u - alpha * q
        beta = np.linalg.norm(omega)
        q_old, q = q, omega / beta
        h = c - J @ v
        rows.append((x, y, v, h))
        x = x - step_x * h
    return rows


def subbio(problem, x, y, v, iterations, step_x, step_y, step_v, inner_steps):
    rows = []
    for _ in range(iterations):
        y = inner(problem, x, y, step_y, inner_steps)
        A, J, b, c = problem.A(x, y), problem.J(x, y), problem.b(x, y), problem.c(x, y)
        S = np.linalg.qr(np.stack([b, v - step_v * (A @ v)], axis=1))[0]
        v = S @ np.linalg.solve(S.T @ A @ S, S.T @ b)
        h = c - J @ v
        rows.append((x, y, v, h))
        x = x - step_x * h
    return rows


def instance(n, condition, seed):
    """A synthetic problem of the package, its transcription, and a start."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    G = (Q * np.linspace(1, condition, n)) @ Q.T
    G = (G + G.T) / 2
    a, d, e = rng.uniform(-5, 5, n), rng.uniform(0.1, 1.1, n), 0.5 * rng.uniform(0, 1, n)
    start = rng.standard_normal((3, n))
    return (
        problems.synthetic_from_arrays(a, d, e, G, 0.5),
        DenseSynthetic(a, d, e, G, 0.5),
        start,
    )
