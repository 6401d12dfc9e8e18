"""The problems of the vectors, from their data: gradients, and second derivatives as dense matrices.

Each class has f, f_x, f_y (∇_x f, ∇_y f), g_x, g_y (∇_x g, ∇_y g), A (∇²_yy g) and J (∇²_xy g), functions of (x, y).
The formulas are the textbook's: one line of mathematics, one line of code, and no thought of speed.
"""

from __future__ import annotations

import numpy as np


class Quadratic:
    """f = ½‖y − t‖² + ½ρ‖x‖²,   g = ½yᵀHy − yᵀ(Bx + d);   y* = H⁻¹(Bx + d)."""

    def __init__(self, A, B, d, t, rho):
        self.H, self.B, self.d, self.t, self.rho = A, B, d, t, rho

    def f(self, x, y):
        return 0.5 * np.sum((y - self.t) ** 2) + 0.5 * self.rho * np.sum(x**2)

    def f_x(self, x, y):
        return self.rho * x

    def f_y(self, x, y):
        return y - self.t

    def g_x(self, x, y):
        return -self.B.T @ y

    def g_y(self, x, y):
        return self.H @ y - self.B @ x - self.d

    def A(self, x, y):
        return self.H

    def J(self, x, y):
        return -self.B.T


class Ridge:
    """f = ‖X_val y − t_val‖²/2m,   g = ‖X y − t‖²/2n + ½Σ_j exp(x_j)y_j²."""

    def __init__(self, X_train, t_train, X_val, t_val):
        self.X, self.t, self.X_val, self.t_val = X_train, t_train, X_val, t_val

    def f(self, x, y):
        return np.sum((self.X_val @ y - self.t_val) ** 2) / (2 * len(self.t_val))

    def f_x(self, x, y):
        return np.zeros_like(x)

    def f_y(self, x, y):
        return self.X_val.T @ (self.X_val @ y - self.t_val) / len(self.t_val)

    def g_x(self, x, y):
        return 0.5 * np.exp(x) * y**2

    def g_y(self, x, y):
        return self.X.T @ (self.X @ y - self.t) / len(self.t) + np.exp(x) * y

    def A(self, x, y):
        return self.X.T @ self.X / len(self.t) + np.diag(np.exp(x))

    def J(self, x, y):
        return np.diag(np.exp(x) * y)


class Logistic:
    """f = mean_i CE_i on validation data,   g the same on training data + 1/(2Cp) Σ_cj exp(x_j)y_cj²; y is C rows.

    For a sample z with label l, p = softmax(Y z):   ∇CE = (p − e_l) zᵀ,   ∇²CE = (diag(p) − ppᵀ) ⊗ zzᵀ.
    """

    def __init__(self, X_train, labels_train, X_val, labels_val, classes):
        self.X, self.labels, self.X_val, self.labels_val = X_train, labels_train, X_val, labels_val
        self.classes = int(classes)

    def f(self, x, y):
        return cross_entropies(self.X_val, self.labels_val, self.classes, y).mean()

    def f_x(self, x, y):
        return np.zeros_like(x)

    def f_y(self, x, y):
        return gradients(self.X_val, self.labels_val, self.classes, y).mean(axis=0)

    def g_x(self, x, y):
        return 0.5 * (self.penalty(x) * y**2).reshape(self.classes, -1).sum(axis=0)

    def g_y(self, x, y):
        return gradients(self.X, self.labels, self.classes, y).mean(axis=0) + self.penalty(x) * y

    def A(self, x, y):
        weights = np.full(len(self.X), 1 / len(self.X))
        return hessian(self.X, weights, self.classes, y) + np.diag(self.penalty(x))

    def J(self, x, y):
        blocks = [np.diag(column) for column in (self.penalty(x) * y).reshape(self.classes, -1)]
        return np.hstack(blocks)

    def penalty(self, x):
        """exp(x_j)/(Cp), once a class."""
        return np.tile(np.exp(x) / (self.classes * len(x)), self.classes)


class Cleaning:
    """f = mean_i CE_i on clean data,   g = mean_i σ(x_i)CE_i + c‖y‖² on training data; a bias is the last column."""

    def __init__(self, X_train, labels_train, X_val, labels_val, classes, regularization):
        self.X, self.X_val = (np.column_stack([X, np.ones(len(X))]) for X in (X_train, X_val))
        self.labels, self.labels_val = labels_train, labels_val
        self.classes, self.c = int(classes), regularization

    def f(self, x, y):
        return cross_entropies(self.X_val, self.labels_val, self.classes, y).mean()

    def f_x(self, x, y):
        return np.zeros_like(x)

    def f_y(self, x, y):
        return gradients(self.X_val, self.labels_val, self.classes, y).mean(axis=0)

    def g_x(self, x, y):
        p = softmax(self.X @ y.reshape(self.classes, -1).T)
        losses = -np.log(p[np.arange(len(p)), self.labels])
        return sigmoid(x) * sigmoid(-x) * losses / len(x)

    def g_y(self, x, y):
        return sigmoid(x) @ gradients(self.X, self.labels, self.classes, y) / len(x) + 2 * self.c * y

    def A(self, x, y):
        return hessian(self.X, sigmoid(x) / len(x), self.classes, y) + 2 * self.c * np.eye(len(y))

    def J(self, x, y):
        slope = sigmoid(x) * sigmoid(-x)  # σ′ = σ(1 − σ)
        return slope[:, None] * gradients(self.X, self.labels, self.classes, y) / len(x)


def cross_entropies(X, labels, classes, y):
    """CE_i = log Σ_c exp(s_c) − s_{l_i} with s = Y x_i; the largest s_c is taken out first."""
    s = X @ y.reshape(classes, -1).T
    s = s - np.max(s, axis=-1, keepdims=True)
    return np.log(np.exp(s).sum(axis=-1)) - s[np.arange(len(X)), labels]


def gradients(X, labels, classes, y):
    """∇_y CE_i = (p_i − e_{l_i}) x_iᵀ, flat, one row a sample."""
    residual = softmax(X @ y.reshape(classes, -1).T) - np.eye(classes)[labels]
    return (residual[:, :, None] * X[:, None, :]).reshape(len(X), -1)


def hessian(X, weights, classes, y):
    """Σ_i w_i (diag(p_i) − p_ip_iᵀ) ⊗ x_ix_iᵀ."""
    H = np.zeros((len(y), len(y)))
    for weight, z, p in zip(weights, X, softmax(X @ y.reshape(classes, -1).T), strict=True):
        H += weight * np.kron(np.diag(p) - np.outer(p, p), np.outer(z, z))
    return H


class Synthetic:
    """f = 0.1 cos(Σ a_i x_i y_i) + ½‖d∘x − y‖²,   g = γΣ sin(x_i + y_i) + log Σ exp(x_i y_i) + ½yᵀ(diag(e) + G)y."""

    def __init__(self, coef, scale_x, ridge, G, gamma):
        self.a, self.d, self.e, self.G, self.gamma = coef, scale_x, ridge, G, gamma

    def f(self, x, y):
        return 0.1 * np.cos(np.sum(self.a * x * y)) + 0.5 * np.sum((self.d * x - y) ** 2)

    def f_x(self, x, y):
        return -0.1 * np.sin(np.sum(self.a * x * y)) * self.a * y + self.d * (self.d * x - y)

    def f_y(self, x, y):
        return -0.1 * np.sin(np.sum(self.a * x * y)) * self.a * x - (self.d * x - y)

    def g_x(self, x, y):
        return self.gamma * np.cos(x + y) + y * softmax(x * y)

    def g_y(self, x, y):
        return self.gamma * np.cos(x + y) + x * softmax(x * y) + self.e * y + self.G @ y

    def A(self, x, y):
        p = softmax(x * y)
        return self.G + np.diag(self.e - self.gamma * np.sin(x + y) + x**2 * p) - np.outer(x * p, x * p)

    def J(self, x, y):
        p = softmax(x * y)
        return np.diag(-self.gamma * np.sin(x + y) + p + x * y * p) - np.outer(y * p, x * p)


class Sequence:
    """No problem at all: A_k, J_k, b_k, c_k given outright, so that y and x have no say in them."""

    def __init__(self, A, J, b, c):
        self.matrices = A, J, b, c

    def g_y(self, x, y):
        return np.zeros_like(y)

    def at(self, k, x, y):
        return tuple(each[k - 1] for each in self.matrices)


def sigmoid(t):
    """σ(t) = 1/(1 + exp(−t)) = ½(1 + tanh(t/2)), which never overflows."""
    return 0.5 * (1 + np.tanh(0.5 * t))


def softmax(t):
    """exp(t_i)/Σ exp(t_j) along the last axis; the largest t is taken out first, so that exp does not overflow."""
    powers = np.exp(t - np.max(t, axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


FAMILIES = {
    "quadratic": Quadratic,
    "ridge": Ridge,
    "logistic": Logistic,
    "data_cleaning": Cleaning,
    "synthetic": Synthetic,
}


def problem_of(case):
    """The problem that a case carries."""
    if case.get("sequence") is not None:
        return Sequence(**case["sequence"])
    described = case["problem"]
    return FAMILIES[described["name"]](**described["data"])


def point_of(problem, k, x, y):
    """A, J, b, c at iteration k."""
    if isinstance(problem, Sequence):
        return problem.at(k, x, y)
    return problem.A(x, y), problem.J(x, y), problem.f_y(x, y), problem.f_x(x, y)
