"""The functions that the exercises ask for, as a learner may write them; test_exercises.py spoils lines of them."""

import numpy as np


def ridge_hypergradient(X_train, t_train, X_val, t_val, x, y):
    A = X_train.T @ X_train / len(t_train) + np.diag(np.exp(x))
    b = X_val.T @ (X_val @ y - t_val) / len(t_val)
    return -np.exp(x) * y * np.linalg.solve(A, b)


def hypergradient(A, J, b, c):
    return c - J @ np.linalg.solve(A, b)


def neumann(A, b, eta, Q):
    term = total = b
    for _ in range(Q):
        term = term - eta * (A @ term)
        total = total + term
    return eta * total


def cg(A, b, v0, steps):
    v, r = v0, b - A @ v0
    p = r
    for _ in range(steps):
        if np.linalg.norm(r) <= 2.0**-53 * np.linalg.norm(b):
            break
        Ap = A @ p
        gamma = (r @ r) / (p @ Ap)
        v = v + gamma * p
        r_next = r - gamma * Ap
        p = r_next + (r_next @ r_next) / (r @ r) * p
        r = r_next
    return v


def tridiagonal_solve(alpha, beta, r):
    d, x = np.array(alpha), np.array(r)
    for i in range(1, len(d)):
        d[i] = alpha[i] - beta[i - 1] / d[i - 1] * beta[i - 1]
        x[i] = r[i] - beta[i - 1] / d[i - 1] * x[i - 1]
    x = x / d
    for i in range(len(d) - 2, -1, -1):
        x[i] = x[i] - beta[i] / d[i] * x[i + 1]
    return x


def lanczos(A, q1, k):
    q, q_before, beta, alphas, betas, basis = q1 / np.linalg.norm(q1), 0 * q1, 0.0, [], [], []
    for _ in range(k):
        basis.append(q)
        u = A @ q - beta * q_before
        alpha = q @ u
        w = u - alpha * q
        beta = np.linalg.norm(w)
        alphas.append(alpha)
        betas.append(beta)
        if beta <= 1e-13 * np.linalg.norm(A):
            break
        q_before, q = q, w / beta
    return np.array(alphas), np.array(betas), np.column_stack(basis), "none"


def subbio_step(A, b, v, eta):
    S = np.column_stack([b, v - eta * (A @ v)])
    S = S / np.where(np.any(S, axis=0), np.linalg.norm(S, axis=0), 1.0)
    return S @ np.linalg.lstsq(S.T @ A @ S, S.T @ b)[0]


def lancbio_step(A, b, w, v_bar, Q, alpha, beta):
    q = Q[:, -1]
    u = A @ q - (beta[-1] * Q[:, -2] if len(beta) else 0)
    alpha_j = q @ u
    T = np.diag(np.append(alpha, alpha_j)) + np.diag(beta, 1) + np.diag(beta, -1)
    v = v_bar + Q @ np.linalg.solve(T, Q.T @ (b - w))
    omega = u - alpha_j * q
    beta_next = np.linalg.norm(omega)
    return alpha_j, beta_next, omega / beta_next if beta_next else omega, v
