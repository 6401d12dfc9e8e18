"""Generalized linear models in Arb: the definitions once more, loss by loss, and the minimizer by Newton's method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx

BITS = 300


def number(value) -> arb:
    return arb(float(value))


def column(values) -> arb_mat:
    values = list(values)
    return arb_mat(len(values), 1, [v if isinstance(v, arb) else number(v) for v in values])


def sigmoid(s: arb) -> arb:
    return 1 / (1 + (-s).exp())


def positive(a: arb) -> bool:
    return bool(a > 0)


def scalar_loss(name: str, s: arb, t: arb, delta: arb) -> tuple[arb, arb, arb]:
    """(ℓ, ℓ′, ℓ″)."""
    if name == "squared":
        return (s - t) ** 2 / 2, s - t, arb(1)
    if name == "logistic":
        return (1 + (-t * s).exp()).log(), -t * sigmoid(-t * s), sigmoid(s) * sigmoid(-s)
    if name == "poisson":
        cap = arb(40)
        E, z = (cap.exp(), s - cap) if positive(s - cap) else (s.exp(), arb(0))
        return E * (1 + z + z * z / 2) - t * s, E * (1 + z) - t, E
    if name == "huber":
        e = s - t
        if positive(abs(e) - delta):
            return delta * (abs(e) - delta / 2), (delta if positive(e) else -delta), arb(0)
        return e * e / 2, e, arb(1)
    if name != "squared_hinge":
        raise NotImplementedError(f"the definition of {name}")
    z = 1 - t * s
    return (z * z / 2, -t * z, arb(1)) if positive(z) else (arb(0), arb(0), arb(0))


@dataclass
class Model:
    """One fit: the floats in hand and what is meant by them."""

    name: str
    X: Any
    t: Any
    s: Any
    X_val: Any
    t_val: Any
    s_val: Any
    block: np.ndarray
    n_penalties: int
    fixed: np.ndarray
    weights: str
    rows: np.ndarray | None
    classes: int
    intercept: bool
    delta: float = 1.345
    pin: float = 1.0

    def __post_init__(self):
        self.X, self.X_val = (
            np.hstack([X, np.ones((len(X), 1))]) if self.intercept else X for X in (self.X, self.X_val)
        )
        self.q = self.X.shape[1]
        self.delta = number(np.float32(self.delta))

    def terms(self, X, t, Y):
        """(losses, residuals, curvatures as C × C matrices) of these samples at Y, a list of C lists."""
        C, out = self.classes, []
        for x, target in zip(X, t, strict=True):
            s = [sum((number(a) * b for a, b in zip(x, row, strict=True)), arb(0)) for row in Y]
            if self.name == "multinomial":
                e = [a.exp() for a in s]
                total = sum(e, arb(0))
                p = [a / total for a in e]
                r = [p[c] - (1 if c == int(target) else 0) for c in range(C)]
                M = [[(p[c] if c == d else arb(0)) - p[c] * p[d] for d in range(C)] for c in range(C)]
                out.append((total.log() - s[int(target)], r, M))
            else:
                value, first, second = scalar_loss(self.name, s[0], number(target), self.delta)
                out.append((value, [first], [[second]]))
        return out

    def sample_weights(self, x):
        """(w, ∂w/∂x as a list of rows)."""
        n = len(self.X)
        base = [number(a) for a in self.s]
        total = sum(base, arb(0))
        base = [a / total for a in base]
        own = (
            [number(a) for a in (x if self.rows is None else np.asarray(x)[self.rows])]
            if self.weights != "fixed"
            else []
        )
        if self.weights == "fixed":
            return base, []
        if self.weights in ("sigmoid", "softplus"):
            smooth = self.weights == "sigmoid"
            values = [sigmoid(a) if smooth else (1 + a.exp()).log() for a in own]
            slopes = [sigmoid(a) * sigmoid(-a) if smooth else sigmoid(a) for a in own]
            d = [[base[i] * slopes[i] if i == k else arb(0) for i in range(n)] for k in range(n)]
            return [b * value for b, value in zip(base, values, strict=True)], d
        powers = [b * a.exp() for a, b in zip(own, base, strict=True)]
        total = sum(powers, arb(0))
        w = [a / total for a in powers]
        return w, [[w[i] * ((1 if i == k else 0) - w[k]) for i in range(n)] for k in range(n)]

    def derivatives(self, x, y):
        """f, ∇_y g, A, J, b at floats or balls (x, y), as arb matrices."""
        C, q = self.classes, self.q
        Y = [[y[c * q + j] if isinstance(y[0], arb) else number(y[c * q + j]) for j in range(q)] for c in range(C)]
        flat = [a for row in Y for a in row]
        exps = [number(a).exp() for a in x[: self.n_penalties]]
        D = [number(f) + (exps[k] if k >= 0 else 0) for f, k in zip(self.fixed, self.block, strict=True)]
        w, dw = self.sample_weights(x[self.n_penalties :])
        terms = self.terms(self.X, self.t, Y)
        N = C * q
        gradient, A = [D[j] * flat[j] for j in range(N)], arb_mat(N, N)
        for j in range(N):
            A[j, j] = D[j]
        each = []
        for i, (_, r, M) in enumerate(terms):
            row = [number(a) for a in self.X[i]]
            each.append([r[c] * row[j] for c in range(C) for j in range(q)])
            for j in range(N):
                gradient[j] = gradient[j] + w[i] * each[i][j]
                for k in range(N):
                    A[j, k] = A[j, k] + w[i] * M[j // q][k // q] * row[j % q] * row[k % q]
        if C > 1 and self.intercept:
            pinned = [c * q + q - 1 for c in range(C)]
            mean = sum((flat[j] for j in pinned), arb(0)) * number(self.pin) / C
            for j in pinned:
                gradient[j] = gradient[j] + mean
                for k in pinned:
                    A[j, k] = A[j, k] + number(self.pin) / C
        J = arb_mat(len(x), N)
        for j, k in enumerate(self.block):
            if k >= 0:
                J[int(k), j] = exps[k] * flat[j]
        for i, row in enumerate(dw):
            place = self.n_penalties + (i if self.rows is None else int(self.rows[i]))
            for j in range(N):
                J[place, j] = sum((row[m] * each[m][j] for m in range(len(each))), arb(0))
        v = [number(a) for a in self.s_val]
        total = sum(v, arb(0))
        f, b = arb(0), [arb(0)] * N
        for i, (value, r, _) in enumerate(self.terms(self.X_val, self.t_val, Y)):
            f = f + v[i] / total * value
            b = [b[j] + v[i] / total * r[j // q] * number(self.X_val[i][j % q]) for j in range(N)]
        return f, column(gradient), A, J, column(b)

    def solved(self, x, start):
        """(y*, φ, ∇φ) by Newton's method from a float solution; None where it does not settle, as on a kink."""
        y = [number(a) for a in start]
        for _ in range(60):
            f, gradient, A, J, b = self.derivatives(x, y)
            size = length(gradient.entries())
            if size < 1e-60:
                v = A.solve(b)
                return y, f, [-a for a in (J * v).entries()]
            step = A.solve(gradient)
            y = [(a - s).mid() for a, s in zip(y, step.entries(), strict=True)]
        return None


def length(balls) -> float:
    """≥ the 2-norm of a vector of balls, to a relative 1e-12."""
    return math.hypot(*(float(abs(a).upper()) for a in balls)) * (1 + 1e-12)


def distance(found, truth) -> float:
    """≥ ‖found − truth‖ of floats against balls."""
    with ctx.workprec(BITS):
        return length([number(a) - b for a, b in zip(found, truth, strict=True)])
