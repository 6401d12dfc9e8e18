"""The baselines once more, written from their formulas with dense matrices and nothing of the package.

A dense problem has ``fx, fy, gx, gy`` (gradients) and ``A, J`` (matrices), all functions of (x, y). Each method is a
function of the problem, a dict ``s`` of what the iteration before left, and the options; it returns this one's dict.
"""

from __future__ import annotations

import numpy as np

from validation.truths.transcription import DenseSynthetic


class Synthetic(DenseSynthetic):
    """The paper's synthetic problem, under the names used here."""

    def fx(self, x, y):
        return self.c(x, y)

    def fy(self, x, y):
        return self.b(x, y)

    def gx(self, x, y):
        return self.gamma * np.cos(x + y) + y * self.softmax(x, y)

    def gy(self, x, y):
        return self.grad_y_g(x, y)


class Cleaning:
    """Hyper-data cleaning by samples: s = Y x_i, CE_i = log Σ_c exp(s_c) − s_{l_i}, g = mean σ(x_i)CE_i + c‖y‖²."""

    def __init__(self, X, labels, X_val, labels_val, classes, regularization):
        self.X, self.X_val = (np.hstack([M, np.ones((len(M), 1))]) for M in (X, X_val))
        self.labels, self.labels_val, self.classes, self.c = labels, labels_val, classes, regularization

    def sample(self, row, label, y):
        """CE, its gradient in y, and its Hessian."""
        s = y.reshape(self.classes, -1) @ row
        p = np.exp(s) / np.exp(s).sum()
        e = np.eye(self.classes)[label]
        return -np.log(p[label]), np.kron(p - e, row), np.kron(np.diag(p) - np.outer(p, p), np.outer(row, row))

    def samples(self, y):
        return [self.sample(row, label, y) for row, label in zip(self.X, self.labels, strict=True)]

    def fx(self, x, y):
        return np.zeros_like(x)

    def fy(self, x, y):
        rows = zip(self.X_val, self.labels_val, strict=True)
        return np.mean([self.sample(row, label, y)[1] for row, label in rows], axis=0)

    def gx(self, x, y):
        return slope(x) * [loss for loss, _, _ in self.samples(y)] / x.size

    def gy(self, x, y):
        return sum(w * g for w, (_, g, _) in zip(sigmoid(x), self.samples(y), strict=True)) / x.size + 2 * self.c * y

    def A(self, x, y):
        weighted = sum(w * H for w, (_, _, H) in zip(sigmoid(x), self.samples(y), strict=True))
        return weighted / x.size + 2 * self.c * np.eye(y.size)

    def J(self, x, y):
        return np.stack([d * g / x.size for d, (_, g, _) in zip(slope(x), self.samples(y), strict=True)])


class Quadratic:
    """f = ½‖y − t‖² + ½ρ‖x‖², g = ½yᵀAy − yᵀ(Bx + d), from a problem's arrays."""

    def __init__(self, problem):
        self.matrix, self.B, self.d, self.t, self.rho = problem.A, problem.B, problem.d, problem.t, problem.rho
        self.n_y = len(self.d)

    def fx(self, x, y):
        return self.rho * x

    def fy(self, x, y):
        return y - self.t

    def gx(self, x, y):
        return -self.B.T @ y

    def gy(self, x, y):
        return self.matrix @ y - self.B @ x - self.d

    def A(self, x, y):
        return self.matrix

    def J(self, x, y):
        return -self.B.T


class Ridge:
    """f = ‖X_v y − t_v‖²/2m, g = ‖Xy − t‖²/2n + ½Σ exp(x_j)y_j², from a problem's arrays."""

    def __init__(self, problem):
        self.X, self.t, self.X_val, self.t_val = problem.X_train, problem.t_train, problem.X_val, problem.t_val
        self.n_y = self.X.shape[1]

    def fx(self, x, y):
        return np.zeros_like(x)

    def fy(self, x, y):
        return self.X_val.T @ (self.X_val @ y - self.t_val) / len(self.t_val)

    def gx(self, x, y):
        return np.exp(x) * y**2 / 2

    def gy(self, x, y):
        return self.X.T @ (self.X @ y - self.t) / len(self.t) + np.exp(x) * y

    def A(self, x, y):
        return self.X.T @ self.X / len(self.t) + np.diag(np.exp(x))

    def J(self, x, y):
        return np.diag(np.exp(x) * y)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slope(x):
    return sigmoid(x) * (1 - sigmoid(x))


# -- the methods -----------------------------------------------------------------------------


def at_the_point(P, s, step_y, inner_steps):
    x, y = s["x_next"], s["y"]
    for _ in range(inner_steps):
        y = y - step_y * P.gy(x, y)
    return dict(x=x, y=y, b=P.fy(x, y), c=P.fx(x, y)), P.A(x, y), P.J(x, y)


def descend(s, J, v, step_x):
    h = s["c"] - J @ v
    return s | dict(v=v, h=h, x_next=s["x"] - step_x * h)


def amigo_gd(P, s, *, step_x, step_y, step_v, inner_steps, inverse_steps):
    new, A, J = at_the_point(P, s, step_y, inner_steps)
    eta, Q = step_v, inverse_steps
    M = np.eye(len(A)) - eta * A  # Q gradient steps are an affine map: M^Q v + η Σ_{q<Q} M^q b
    power = np.linalg.matrix_power
    v = power(M, Q) @ s["v"] + eta * sum(power(M, q) for q in range(Q)) @ new["b"]
    return descend(new, J, v, step_x)


def amigo_cg(P, s, *, step_x, step_y, inner_steps, inverse_steps):
    """Q conjugate-gradient steps minimize ½vᵀAv − vᵀb over v_0 + span{r, Ar, …, A^{Q−1}r}: here that is solved."""
    new, A, J = at_the_point(P, s, step_y, inner_steps)
    r = new["b"] - A @ s["v"]
    basis = np.zeros((len(r), 0))
    w = r
    for _ in range(inverse_steps):
        for _ in range(2):
            w = w - basis @ (basis.T @ w)
        basis = np.column_stack([basis, w / np.linalg.norm(w)])
        w = A @ basis[:, -1]
    dv = basis @ np.linalg.solve(basis.T @ A @ basis, basis.T @ r)
    return descend(new | dict(r0=r, dv=dv), J, s["v"] + dv, step_x)


def soba(P, s, *, step_x, step_y, step_v):
    x, y, v = s["x_next"], s["y_next"], s["v_next"]
    b, c, dy = P.fy(x, y), P.fx(x, y), P.gy(x, y)
    dv, h = P.A(x, y) @ v - b, c - P.J(x, y) @ v
    new = dict(x=x, y=y, v=v, b=b, c=c, h=h, direction_y=dy, direction_v=dv)
    return new | dict(x_next=x - step_x * h, y_next=y - step_y * dy, v_next=v - step_v * dv)


def neumann(A, step_v, terms):
    """η Σ_{q<terms} (I − ηA)^q, by powers."""
    M = np.eye(len(A)) - step_v * A
    return step_v * sum(np.linalg.matrix_power(M, q) for q in range(terms))


def stocbio(P, s, *, step_x, step_y, step_v, inner_steps, inverse_steps):
    new, A, J = at_the_point(P, s, step_y, inner_steps)
    return descend(new, J, neumann(A, step_v, inverse_steps + 1) @ new["b"], step_x)


def bsa(P, s, *, p, step_x, step_y, step_v, inner_steps, inverse_steps):
    new, A, J = at_the_point(P, s, step_y, inner_steps)
    term = np.linalg.matrix_power(np.eye(len(A)) - step_v * A, p) @ new["b"]
    return descend(new | dict(term=term), J, step_v * inverse_steps * term, step_x)


def ttsa(P, s, *, p, k, step_x, step_y, step_v, decay_x, decay_y, inverse_steps):
    alpha, beta = step_x * (k + 1) ** -decay_x, step_y * (k + 1) ** -decay_y
    new = bsa(P, s, p=p, step_x=alpha, step_y=beta, step_v=step_v, inner_steps=1, inverse_steps=inverse_steps)
    return new | dict(alpha=alpha, beta=beta)


def stable(P, s, *, step_x, step_y, momentum, mu, cross_norm):
    x, y = s["x_next"], s["y_next"]
    b, c, dy = P.fy(x, y), P.fx(x, y), P.gy(x, y)
    H_yy, H_xy = P.A(x, y), P.J(x, y)
    if s["H_yy"] is not None:
        H_yy = (1 - momentum) * (s["H_yy"] - P.A(s["x"], s["y"])) + P.A(x, y)
        H_xy = (1 - momentum) * (s["H_xy"] - P.J(s["x"], s["y"])) + P.J(x, y)
    w, V = np.linalg.eigh(H_yy)
    H_yy = V @ np.diag(np.where(w < mu, mu, w)) @ V.T
    U, d, Wt = np.linalg.svd(H_xy)
    H_xy = U[:, : d.size] @ np.diag(np.where(d > cross_norm, cross_norm, d)) @ Wt[: d.size]
    v = np.linalg.solve(H_yy, b)
    h = c - H_xy @ v
    x_next = x - step_x * h
    prediction = -np.linalg.solve(H_yy, H_xy.T @ (x_next - x))
    new = dict(x=x, y=y, v=v, b=b, c=c, h=h, H_yy=H_yy, H_xy=H_xy, direction_y=dy, prediction=prediction)
    return new | dict(x_next=x_next, y_next=y - step_y * dy + prediction)


def f2sa(P, s, *, k, step_x, step_y, step_z, inner_steps, penalty_growth, decay_x, decay_y, decay_penalty):
    x, y, z, sigma = s["x_next"], s["y"], s["z"], s["sigma_next"]
    alpha, step = step_y * (k + 1) ** -decay_y, step_x * (k + 1) ** -decay_x
    for _ in range(inner_steps):
        z = z - step_z * P.gy(x, z)
    for _ in range(inner_steps):
        y = y - alpha * P.fy(x, y) - alpha * sigma * P.gy(x, y)
    h = P.fx(x, y) + sigma * P.gx(x, y) - sigma * P.gx(x, z)
    new = dict(x=x, y=y, z=z, h=h, c=P.fx(x, y), sigma=sigma, alpha=alpha, step=step)
    return new | dict(x_next=x - step * h, sigma_next=sigma + penalty_growth * (k + 1) ** -decay_penalty)


def hjfbio(P, s, *, step_x, step_y, step_v, radius, difference):
    x, y, v = s["x_next"], s["y_next"], s["v_next"]
    t = difference
    Av = (P.gy(x, y + t * v) - P.gy(x, y - t * v)) / (2 * t)
    Jv = (P.gx(x, y + t * v) - P.gx(x, y - t * v)) / (2 * t)
    b, c, dy = P.fy(x, y), P.fx(x, y), P.gy(x, y)
    h, v_next = c - Jv, v - step_v * (Av - b)
    v_next = v_next * min(1.0, radius / np.linalg.norm(v_next))
    new = dict(x=x, y=y, v=v, b=b, c=c, h=h, Av=Av, Jv=Jv, direction_y=dy)
    return new | dict(x_next=x - step_x * h, y_next=y - step_y * dy, v_next=v_next)
