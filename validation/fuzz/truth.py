"""y*(x), φ(x) and ∇φ(x) of the ready problems in ball arithmetic (Arb): the floats of the data, real arithmetic.

Weights 1/n, 1/m and 1/(Cp) are these rationals. y* is found by Newton's method in several hundred bits and enclosed by
an interval Newton step: with Y a box around ŷ, ŷ − A(Y)⁻¹∇g(ŷ) ⊂ Y proves that the minimizer lies in there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx

from .balls import Vector, balls, column, diagonal, dot, log_sum, norm, rows_of, sigmoid, softmax

PRECISIONS = (256, 768, 2600)


class Truth:
    """A problem at one x: subclasses give g's gradient and Hessian, J, f and its gradients, at any y.

    Attributes
    ----------
    y : list of arb
        Encloses y*(x), after `solve`.
    """

    n_y: int
    y: Vector

    def gradient(self, y: Vector) -> Vector:
        raise NotImplementedError

    def hessian(self, y: Vector) -> arb_mat:
        raise NotImplementedError

    def cross(self, y: Vector) -> arb_mat:
        raise NotImplementedError

    def f(self, y: Vector) -> arb:
        raise NotImplementedError

    def f_y(self, y: Vector) -> Vector:
        raise NotImplementedError

    def f_x(self, y: Vector) -> Vector:
        """Zero, unless a problem says otherwise."""
        return [arb(0)] * self.cross(y).nrows()

    def solve(self, start: np.ndarray) -> bool:
        """Enclose y*; False where this precision does not prove it."""
        try:
            y = self._newton(balls(start))
            return y is not None and self._enclosed(y)
        except ZeroDivisionError:
            return False

    def _newton(self, y: Vector) -> Vector | None:
        g = self.gradient(y)
        size = dot(g, g)
        for _ in range(60):
            d = self.hessian(y).solve(column([-t for t in g])).entries()
            if abs(norm(d)).upper() <= norm(y).upper() * arb(2) ** (-(2 * ctx.prec) // 3):
                return y
            t, moved = arb(1), None
            for _ in range(16):
                trial = [(a + t * b).mid() for a, b in zip(y, d, strict=True)]
                new = self.gradient(trial)
                new_size = dot(new, new)
                if new_size.mid() < size.mid():
                    moved = trial, new, new_size
                    break
                t /= 2
            if moved is None:
                return y
            y, g, size = moved
        return y

    def _enclosed(self, y: Vector) -> bool:
        step = self.hessian(y).solve(column(self.gradient(y))).entries()
        if not all(t.is_finite() for t in step):
            return False
        radius = (
            max((abs(t).upper() for t in step), key=float) * 4
            + norm(y).upper() * arb(2) ** (-ctx.prec)
            + arb(2) ** -6000
        )
        box = [arb(t, radius) for t in y]
        step = self.hessian(box).solve(column(self.gradient(y))).entries()
        found = [a - b for a, b in zip(y, step, strict=True)]
        if not all(a.contains_interior(b) for a, b in zip(box, found, strict=True)):
            return False
        self.y = found
        return True

    def hypergradient(self) -> Vector:
        """∇φ(x) = ∇_x f − J A⁻¹∇_y f at y*."""
        v = self.hessian(self.y).solve(column(self.f_y(self.y)))
        Jv = (self.cross(self.y) * v).entries()
        return [a - b for a, b in zip(self.f_x(self.y), Jv, strict=True)]

    def value(self) -> arb:
        """φ(x)."""
        return self.f(self.y)


class Quadratic(Truth):
    def __init__(self, s: dict[str, Any]) -> None:
        self.A, self.B, self.d, self.t = rows_of(s["A"]), rows_of(s["B"]), balls(s["d"]), balls(s["t"])
        self.rho, self.x, self.n_y = arb(float(s["rho"])), balls(s["x"]), len(self.d)
        self._A = arb_mat(self.A)

    def gradient(self, y: Vector) -> Vector:
        pairs = zip(self.A, self.B, self.d, strict=True)
        return [dot(a, y) - dot(b, self.x) - d for a, b, d in pairs]

    def hessian(self, y: Vector) -> arb_mat:
        return self._A

    def cross(self, y: Vector) -> arb_mat:
        return arb_mat([[-t for t in row] for row in zip(*self.B, strict=True)])

    def f(self, y: Vector) -> arb:
        r = self.f_y(y)
        return (dot(r, r) + self.rho * dot(self.x, self.x)) / 2

    def f_y(self, y: Vector) -> Vector:
        return [a - b for a, b in zip(y, self.t, strict=True)]

    def f_x(self, y: Vector) -> Vector:
        return [self.rho * t for t in self.x]


class Ridge(Truth):
    def __init__(self, s: dict[str, Any]) -> None:
        self.X, self.t, self.X_val, self.t_val = rows_of(s["X"]), balls(s["t"]), rows_of(s["X_val"]), balls(s["t_val"])
        self.D = [t.exp() for t in balls(s["x"])]
        self.n_y = len(self.D)
        n, X = len(self.X), arb_mat(self.X)
        self._A = X.transpose() * X * (arb(1) / n)
        for i, t in enumerate(self.D):
            self._A[i, i] += t

    def gradient(self, y: Vector) -> Vector:
        r = [dot(x, y) - t for x, t in zip(self.X, self.t, strict=True)]
        return [dot(c, r) / len(r) + d * s for c, d, s in zip(zip(*self.X, strict=True), self.D, y, strict=True)]

    def hessian(self, y: Vector) -> arb_mat:
        return self._A

    def cross(self, y: Vector) -> arb_mat:
        return diagonal([d * t for d, t in zip(self.D, y, strict=True)])

    def _residual(self, y: Vector) -> Vector:
        return [dot(x, y) - t for x, t in zip(self.X_val, self.t_val, strict=True)]

    def f(self, y: Vector) -> arb:
        r = self._residual(y)
        return dot(r, r) / (2 * len(r))

    def f_y(self, y: Vector) -> Vector:
        r = self._residual(y)
        return [dot(c, r) / len(r) for c in zip(*self.X_val, strict=True)]


class Softmax(Truth):
    """Σ w_i CE_i(y) + ½ Σ D_cj y_cj² over training data, mean_i CE_i over validation data; C classes of p features."""

    def __init__(
        self, X: Any, labels: Any, X_val: Any, labels_val: Any, classes: int, w: Vector, D: list[Vector]
    ) -> None:
        self.X, self.labels, self.X_val = rows_of(X), np.asarray(labels).tolist(), rows_of(X_val)
        self.labels_val, self.C, self.w, self.D = np.asarray(labels_val).tolist(), classes, w, D
        self.p = len(self.X[0])
        self.n_y = classes * self.p

    def _probabilities(self, x: Vector, y: Vector) -> Vector:
        s = [dot(x, y[c * self.p : (c + 1) * self.p]) for c in range(self.C)]
        return softmax(s)

    def _gradient(self, X: list[Vector], labels: list[int], w: Vector, y: Vector) -> Vector:
        found = [arb(0)] * self.n_y
        for x, label, weight in zip(X, labels, w, strict=True):
            for c, q in enumerate(self._probabilities(x, y)):
                r = weight * (q - 1 if c == label else q)
                for j, t in enumerate(x):
                    found[c * self.p + j] += r * t
        return found

    def gradient(self, y: Vector) -> Vector:
        found = self._gradient(self.X, self.labels, self.w, y)
        penalty = [d * t for d, t in zip((d for row in self.D for d in row), y, strict=True)]
        return [a + b for a, b in zip(found, penalty, strict=True)]

    def hessian(self, y: Vector) -> arb_mat:
        found = diagonal([d for row in self.D for d in row])
        p = self.p
        for x, w in zip(self.X, self.w, strict=True):
            q = self._probabilities(x, y)
            outer = [[s * t for t in x] for s in x]
            for a in range(self.C):
                for b in range(a + 1):
                    # p(1 − p) without cancellation: of two classes the other's probability
                    others = sum((q[c] for c in range(self.C) if c != a), arb(0))
                    weight = w * (q[a] * others if a == b else -q[a] * q[b])
                    for i in range(p):
                        for j in range(p):
                            found[a * p + i, b * p + j] += weight * outer[i][j]
        for a in range(self.n_y):
            for b in range(a + 1, self.n_y):
                found[a, b] = found[b, a]
        return found

    def f(self, y: Vector) -> arb:
        total = arb(0)
        for x, label in zip(self.X_val, self.labels_val, strict=True):
            s = [dot(x, y[c * self.p : (c + 1) * self.p]) for c in range(self.C)]
            total += log_sum(s, label)
        return total / len(self.X_val)

    def f_y(self, y: Vector) -> Vector:
        m = len(self.X_val)
        return self._gradient(self.X_val, self.labels_val, [arb(1) / m] * m, y)


class Logistic(Softmax):
    """With one penalty a feature, a class, or in all."""

    def __init__(self, s: dict[str, Any]) -> None:
        classes, p = int(s["n_classes"]), s["X"].shape[1]
        e, n = [t.exp() / (classes * p) for t in balls(s["x"])], s["X"].shape[0]
        self.weights = s["weights"]
        D = [[e[self._index(c, j)] for j in range(p)] for c in range(classes)]
        self._n_x = len(e)
        super().__init__(s["X"], s["labels"], s["X_val"], s["labels_val"], classes, [arb(1) / n] * n, D)

    def _index(self, c: int, j: int) -> int:
        return {"all": 0, "feature": j, "class": c}[self.weights]

    def cross(self, y: Vector) -> arb_mat:
        found = arb_mat(self._n_x, self.n_y)
        for c in range(self.C):
            for j in range(self.p):
                found[self._index(c, j), c * self.p + j] = self.D[c][j] * y[c * self.p + j]
        return found


class BinaryLogistic(Truth):
    """Two classes, one vector y: mean log(1 + exp(−t_i s_i)) + ½ Σ D_j y_j², D_j = exp(x_{k(j)})/p."""

    def __init__(self, s: dict[str, Any]) -> None:
        self.X, self.X_val = rows_of(s["X"]), rows_of(s["X_val"])
        self.signs = [2 * int(t) - 1 for t in s["labels"]]
        self.signs_val = [2 * int(t) - 1 for t in s["labels_val"]]
        p = self.n_y = len(self.X[0])
        e = [t.exp() / p for t in balls(s["x"])]
        self._n_x, self.D = len(e), [e[j if len(e) > 1 else 0] for j in range(p)]

    @staticmethod
    def _mean_gradient(X: list[Vector], signs: list[int], y: Vector) -> Vector:
        r = [-t * sigmoid(-t * dot(x, y)) / len(X) for x, t in zip(X, signs, strict=True)]
        return [dot(c, r) for c in zip(*X, strict=True)]

    def gradient(self, y: Vector) -> Vector:
        found = self._mean_gradient(self.X, self.signs, y)
        return [a + d * t for a, d, t in zip(found, self.D, y, strict=True)]

    def hessian(self, y: Vector) -> arb_mat:
        found = diagonal(self.D)
        for x in self.X:
            s = dot(x, y)
            w = sigmoid(s) * sigmoid(-s) / len(self.X)
            for i, a in enumerate(x):
                for j, b in enumerate(x):
                    found[i, j] += w * a * b
        return found

    def cross(self, y: Vector) -> arb_mat:
        found = arb_mat(self._n_x, self.n_y)
        for j in range(self.n_y):
            found[j if self._n_x > 1 else 0, j] = self.D[j] * y[j]
        return found

    def f(self, y: Vector) -> arb:
        terms = [log_sum([arb(0), -t * dot(x, y)], 0) for x, t in zip(self.X_val, self.signs_val, strict=True)]
        return sum(terms, arb(0)) / len(terms)

    def f_y(self, y: Vector) -> Vector:
        return self._mean_gradient(self.X_val, self.signs_val, y)


class Cleaning(Softmax):
    """w_i = σ(x_i)/n, D = `problem.ridge`, a column of ones appended."""

    def __init__(self, s: dict[str, Any]) -> None:
        X, X_val = (np.hstack([np.asarray(s[k], float), np.ones((len(s[k]), 1))]) for k in ("X", "X_val"))
        x, classes = balls(s["x"]), int(s["n_classes"])
        w = [sigmoid(t) / len(x) for t in x]
        self.slope = [sigmoid(t) * sigmoid(-t) / len(x) for t in x]
        D = [[arb(float(s["problem"].ridge))] * X.shape[1] for _ in range(classes)]
        super().__init__(X, s["labels"], X_val, s["labels_val"], classes, w, D)

    def cross(self, y: Vector) -> arb_mat:
        rows = []
        for x, label, d in zip(self.X, self.labels, self.slope, strict=True):
            q = self._probabilities(x, y)
            rows.append([d * (q[c] - 1 if c == label else q[c]) * t for c in range(self.C) for t in x])
        return arb_mat(rows)


class Synthetic(Truth):
    """The 0.1 of f is the float that the code holds."""

    def __init__(self, s: dict[str, Any]) -> None:
        self.a, self.d, self.e = balls(s["coef"]), balls(s["scale_x"]), balls(s["ridge"])
        self.G, self.gamma, self.x = rows_of(s["G"]), arb(float(s["gamma"])), balls(s["x"])
        self.n_y = len(self.a)

    def _softmax(self, y: Vector) -> Vector:
        return softmax([a * b for a, b in zip(self.x, y, strict=True)])

    def gradient(self, y: Vector) -> Vector:
        parts = zip(self.x, y, self._softmax(y), self.e, self.G, strict=True)
        return [self.gamma * (x + t).cos() + x * p + e * t + dot(G, y) for x, t, p, e, G in parts]

    def hessian(self, y: Vector) -> arb_mat:
        p, found = self._softmax(y), arb_mat(self.G)
        for i in range(self.n_y):
            for j in range(self.n_y):
                found[i, j] -= self.x[i] * p[i] * self.x[j] * p[j]
            found[i, i] += self.e[i] - self.gamma * (self.x[i] + y[i]).sin() + self.x[i] ** 2 * p[i]
        return found

    def cross(self, y: Vector) -> arb_mat:
        p, x = self._softmax(y), self.x
        found = arb_mat([[-y[i] * p[i] * x[j] * p[j] for j in range(self.n_y)] for i in range(self.n_y)])
        for i in range(self.n_y):
            found[i, i] += -self.gamma * (x[i] + y[i]).sin() + p[i] + x[i] * y[i] * p[i]
        return found

    def _phase(self, y: Vector) -> arb:
        return sum((a * x * t for a, x, t in zip(self.a, self.x, y, strict=True)), arb(0))

    def _gap(self, y: Vector) -> Vector:
        return [d * x - t for d, x, t in zip(self.d, self.x, y, strict=True)]

    def f(self, y: Vector) -> arb:
        r = self._gap(y)
        return arb(0.1) * self._phase(y).cos() + dot(r, r) / 2

    def f_y(self, y: Vector) -> Vector:
        sine = -arb(0.1) * self._phase(y).sin()
        return [sine * a * x - r for a, x, r in zip(self.a, self.x, self._gap(y), strict=True)]

    def f_x(self, y: Vector) -> Vector:
        sine = -arb(0.1) * self._phase(y).sin()
        parts = zip(self.a, y, self.d, self._gap(y), strict=True)
        return [sine * a * t + d * r for a, t, d, r in parts]


TRUTHS = {
    "quadratic": Quadratic,
    "ridge": Ridge,
    "binary": BinaryLogistic,
    "logistic": Logistic,
    "cleaning": Cleaning,
    "synthetic": Synthetic,
}


def decided(name: str, space: dict[str, Any], start: np.ndarray, judge: Any) -> None:
    """judge(truth) at one precision after the other until it answers that one decides; judge(None) if none does."""
    if not np.isfinite(start).all():
        judge(None)
        return
    for bits in PRECISIONS:
        with ctx.workprec(bits):
            truth = TRUTHS[name](space)
            if truth.solve(start) and judge(truth):
                return
    judge(None)
