"""The problems of the vectors, from their data: gradients, and second derivatives as dense matrices.

Each class has f_x, f_y (∇_x f, ∇_y f), g_x, g_y (∇_x g, ∇_y g), A (∇²_yy g) and J (∇²_xy g), functions of (x, y). The
formulas are the textbook's: one line of mathematics, one line of code, and no thought of speed.
"""

from __future__ import annotations

import numpy as np


class Quadratic:
    """f = ½‖y − t‖² + ½ρ‖x‖²,   g = ½yᵀHy − yᵀ(Bx + d);   y* = H⁻¹(Bx + d)."""

    def __init__(self, A, B, d, t, rho):
        self.H, self.B, self.d, self.t, self.rho = A, B, d, t, rho

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
    """f = mean_i log(1 + exp(−s_i x_iᵀy)) on validation data, g the same on training data + ½ρΣ_j exp(x_j)y_j².

    Labels s_i = ±1. With m_i = s_i x_iᵀy, the logistic σ(m) = 1/(1 + exp(−m)) and ρ = 1/p:

        ∇_y = −mean_i σ(−m_i) s_i x_i + ρ exp(x) ∘ y,    A = mean_i σ(m_i)σ(−m_i) x_i x_iᵀ + ρ diag(exp x)
    """

    def __init__(self, X_train, labels_train, X_val, labels_val):
        self.X, self.s = X_train, labels_train
        self.X_val, self.s_val = X_val, labels_val
        self.rho = 1.0 / X_train.shape[1]

    def f_x(self, x, y):
        return np.zeros_like(x)

    def f_y(self, x, y):
        return self.loss_gradient(self.X_val, self.s_val, y)

    def g_x(self, x, y):
        return 0.5 * self.rho * np.exp(x) * y**2

    def g_y(self, x, y):
        return self.loss_gradient(self.X, self.s, y) + self.rho * np.exp(x) * y

    def A(self, x, y):
        m = self.s * (self.X @ y)
        weights = sigmoid(m) * sigmoid(-m)
        return self.X.T @ (weights[:, None] * self.X) / len(m) + self.rho * np.diag(np.exp(x))

    def J(self, x, y):
        return np.diag(self.rho * np.exp(x) * y)

    def loss_gradient(self, X, s, y):
        return -X.T @ (s * sigmoid(-s * (X @ y))) / len(s)


class Cleaning:
    """f = mean_i CE_i on clean data,   g = mean_i σ(x_i)CE_i + c‖Y‖² on training data; Y has one row a class.

    For a sample z with label l, p = softmax(Y z):   ∇CE = (p − e_l) zᵀ,   ∇²CE = (diag(p) − ppᵀ) ⊗ zzᵀ.
    """

    def __init__(self, X_train, labels_train, X_val, labels_val, classes, regularization):
        self.X, self.labels, self.X_val, self.labels_val = X_train, labels_train, X_val, labels_val
        self.classes, self.c = int(classes), regularization

    def f_x(self, x, y):
        return np.zeros_like(x)

    def f_y(self, x, y):
        return self.gradients(self.X_val, self.labels_val, y).mean(axis=0)

    def g_x(self, x, y):
        p = self.probabilities(self.X, y)
        losses = -np.log(p[np.arange(len(p)), self.labels])
        return sigmoid(x) * sigmoid(-x) * losses / len(x)

    def g_y(self, x, y):
        return sigmoid(x) @ self.gradients(self.X, self.labels, y) / len(x) + 2 * self.c * y

    def A(self, x, y):
        A = 2 * self.c * np.eye(len(y))
        for weight, p, z in zip(sigmoid(x), self.probabilities(self.X, y), self.X, strict=True):
            A += weight * np.kron(np.diag(p) - np.outer(p, p), np.outer(z, z)) / len(x)
        return A

    def J(self, x, y):
        slope = sigmoid(x) * sigmoid(-x)  # σ′ = σ(1 − σ)
        return slope[:, None] * self.gradients(self.X, self.labels, y) / len(x)

    def probabilities(self, X, y):
        return softmax(X @ y.reshape(self.classes, -1).T)

    def gradients(self, X, labels, y):
        """∇_y CE_i, one row a sample."""
        residual = self.probabilities(X, y) - np.eye(self.classes)[labels]
        return np.einsum("ic,ij->icj", residual, X).reshape(len(X), -1)


class Synthetic:
    """f = 0.1 cos(Σ a_i x_i y_i) + ½‖d∘x − y‖²,   g = γΣ sin(x_i + y_i) + log Σ exp(x_i y_i) + ½yᵀ(diag(e) + G)y."""

    def __init__(self, a, d, e, G, gamma):
        self.a, self.d, self.e, self.G, self.gamma = a, d, e, G, gamma

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
    "cleaning": Cleaning,
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
