"""Logistic regression with a penalty a weight, in closed form: what both adapters are compared with."""

import numpy as np
from scipy.special import expit

N, P = 60, 7


def data(dtype=np.float64):
    """(X, t, X of the upper level, t of the upper level), labels ±1."""
    rng = np.random.default_rng(0)
    X, more = rng.standard_normal((2, N, P))
    truth = rng.standard_normal(P)
    t, other = (np.sign(Z @ truth + rng.standard_normal(N)) for Z in (X, more))
    return tuple(array.astype(dtype) for array in (X, t, more, other))


def derivatives(x, y, v, u):
    """f, ∇_y f, ∇_y g, ∇_x g, A v, J v and Jᵀu at (x, y), x = (log-penalties of the weights, of the offset)."""
    X, t, more, other = data()
    Z, W = (np.column_stack([M, np.ones(N)]) for M in (X, more))
    penalties = np.exp(x)
    p, q = expit(-t * (Z @ y)), expit(-other * (W @ y))
    D = p * (1 - p) / N
    return dict(
        f=np.logaddexp(0, -other * (W @ y)).mean(),
        grad_y_f=-W.T @ (other * q) / N,
        grad_y_g=-Z.T @ (t * p) / N + penalties * y,
        grad_x_g=0.5 * penalties * y**2,
        Av=Z.T @ (D * (Z @ v)) + penalties * v,
        Jv=penalties * y * v,
        Jtu=penalties * y * u,
    )
