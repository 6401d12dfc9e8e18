"""The bilevel problems by their formulas: f and g, and every derivative, in mpmath's digits and in perturbed float64.

f and g are what :mod:`.differences` differentiates to confirm the textbook's derivatives; those here are run in float64
to measure what rounding does, and their digits hang on the order of every sum, which stays that of v1.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .arithmetic import Arithmetic, Column, Rows, add, scaled, subtract, transpose


class Formulas:
    """A problem in one arithmetic; ``data`` holds Fractions, lists of them, lists of integers.

    ``fx, fy, gx, gy`` are gradients, ``A`` = ∇²_yy g and ``J`` = ∇²_xy g (n_x × n_y) matrices.
    """

    name = ""
    formula = ""

    def __init__(self, arithmetic: Arithmetic, data: dict[str, Any]) -> None:
        self.at = arithmetic
        for key, value in data.items():
            setattr(self, key, _convert(arithmetic, value))

    def f(self, x: Column, y: Column) -> Any:
        raise NotImplementedError

    def g(self, x: Column, y: Column) -> Any:
        raise NotImplementedError

    def fx(self, x: Column, y: Column) -> Column:
        return [self.at.number(Fraction(0))] * len(x)

    def fy(self, x: Column, y: Column) -> Column:
        raise NotImplementedError

    def gx(self, x: Column, y: Column) -> Column:
        raise NotImplementedError

    def gy(self, x: Column, y: Column) -> Column:
        raise NotImplementedError

    def A(self, x: Column, y: Column) -> Rows:
        raise NotImplementedError

    def J(self, x: Column, y: Column) -> Rows:
        raise NotImplementedError


def _convert(arithmetic: Arithmetic, value: Any) -> Any:
    if isinstance(value, Fraction):
        return arithmetic.number(value)
    if isinstance(value, list):
        return [_convert(arithmetic, entry) for entry in value]
    return value


class Quadratic(Formulas):
    name = "quadratic"
    formula = "f = (1/2)||y - t||^2 + (1/2) rho ||x||^2,  g = (1/2) y^T A y - y^T (B x + d)"
    matrix: Rows
    B: Rows
    d: Column
    t: Column
    rho: Any

    def __init__(self, arithmetic: Arithmetic, data: dict[str, Any]) -> None:
        renamed = {"matrix" if key == "A" else key: value for key, value in data.items()}
        super().__init__(arithmetic, renamed)

    def f(self, x: Column, y: Column) -> Any:
        r = subtract(y, self.t)
        return (self.at.dot(r, r) + self.rho * self.at.dot(x, x)) / 2

    def g(self, x: Column, y: Column) -> Any:
        at = self.at
        return at.dot(y, at.times(self.matrix, y)) / 2 - at.dot(y, add(at.times(self.B, x), self.d))

    def fx(self, x: Column, y: Column) -> Column:
        return scaled(self.rho, x)

    def fy(self, x: Column, y: Column) -> Column:
        return subtract(y, self.t)

    def gx(self, x: Column, y: Column) -> Column:
        return [-t for t in self.at.times(transpose(self.B), y)]

    def gy(self, x: Column, y: Column) -> Column:
        return subtract(subtract(self.at.times(self.matrix, y), self.at.times(self.B, x)), self.d)

    def A(self, x: Column, y: Column) -> Rows:
        return self.matrix

    def J(self, x: Column, y: Column) -> Rows:
        return [[-t for t in row] for row in transpose(self.B)]


class Ridge(Formulas):
    name = "ridge"
    formula = (
        "f = 1/(2m) ||X_val y - t_val||^2,  g = 1/(2n) ||X_train y - t_train||^2 + (1/2) sum_j exp(x_j) y_j^2; "
        "X_train is n by p, X_val m by p"
    )
    X_train: Rows
    X_val: Rows
    t_train: Column
    t_val: Column

    def f(self, x: Column, y: Column) -> Any:
        r = subtract(self.at.times(self.X_val, y), self.t_val)
        return self.at.dot(r, r) / (2 * len(r))

    def g(self, x: Column, y: Column) -> Any:
        at = self.at
        r = subtract(at.times(self.X_train, y), self.t_train)
        return at.dot(r, r) / (2 * len(r)) + at.sum([at.exp(s) * t * t for s, t in zip(x, y, strict=True)]) / 2

    def fy(self, x: Column, y: Column) -> Column:
        r = subtract(self.at.times(self.X_val, y), self.t_val)
        return [t / len(r) for t in self.at.times(transpose(self.X_val), r)]

    def gx(self, x: Column, y: Column) -> Column:
        return [self.at.exp(s) * t * t / 2 for s, t in zip(x, y, strict=True)]

    def gy(self, x: Column, y: Column) -> Column:
        r = subtract(self.at.times(self.X_train, y), self.t_train)
        return [
            a / len(r) + self.at.exp(s) * t
            for a, s, t in zip(self.at.times(transpose(self.X_train), r), x, y, strict=True)
        ]

    def A(self, x: Column, y: Column) -> Rows:
        columns = transpose(self.X_train)
        A = [[self.at.dot(a, b) / len(a) for b in columns] for a in columns]
        for j, s in enumerate(x):
            A[j][j] = A[j][j] + self.at.exp(s)
        return A

    def J(self, x: Column, y: Column) -> Rows:
        zero = self.at.number(Fraction(0))
        return [[self.at.exp(s) * y[j] if i == j else zero for j in range(len(y))] for i, s in enumerate(x)]


class Classifier(Formulas):
    """What both classification problems share: y ∈ R^{C × p} in C order, CE_i = log Σ_c exp(y_c·x_i) − y_{l_i}·x_i."""

    classes: int

    def matrix(self, y: Column, p: int) -> Rows:
        return [y[c * p : (c + 1) * p] for c in range(self.classes)]

    def loss(self, row: Column, label: int, Y: Rows) -> Any:
        s = self.at.times(Y, row)
        return self.at.log(self.at.sum([self.at.exp(t) for t in s])) - s[label]

    def probabilities(self, row: Column, Y: Rows) -> Column:
        e = [self.at.exp(t) for t in self.at.times(Y, row)]
        total = self.at.sum(e)
        return [t / total for t in e]

    def sample_gradient(self, row: Column, label: int, Y: Rows) -> Column:
        p = self.probabilities(row, Y)
        residual = [t - 1 if c == label else t for c, t in enumerate(p)]
        return [r * t for r in residual for t in row]

    def hessian(self, X: Rows, Y: Rows, weights: Column) -> Rows:
        """Σ_i w_i (diag p_i − p_i p_iᵀ) ⊗ x_i x_iᵀ."""
        P = [self.probabilities(row, Y) for row in X]
        C, p = self.classes, len(X[0])
        result = []
        for c in range(C):
            for j in range(p):
                entries = []
                for d in range(C):
                    for k in range(p):
                        terms = [
                            w * ((q[c] if c == d else 0) - q[c] * q[d]) * row[j] * row[k]
                            for w, q, row in zip(weights, P, X, strict=True)
                        ]
                        entries.append(self.at.sum(terms))
                result.append(entries)
        return result

    def mean_gradient(self, X: Rows, labels: list[int], Y: Rows, weights: Column) -> Column:
        """Σ_i w_i ∇CE_i."""
        samples = [self.sample_gradient(row, label, Y) for row, label in zip(X, labels, strict=True)]
        return [
            self.at.sum([w * sample[i] for w, sample in zip(weights, samples, strict=True)])
            for i in range(len(samples[0]))
        ]

    def equal(self, X: Rows) -> Column:
        return [self.at.number(Fraction(1, len(X)))] * len(X)


class Logistic(Classifier):
    name = "logistic"
    formula = (
        "f = mean_i CE_i on (X_val, labels_val),  g = mean_i CE_i on (X_train, labels_train) "
        "+ 1/(2 C p) sum_cj exp(x_j) y_cj^2; y is C by p in C order, CE_i = log sum_c exp(y_c . x_i) - y_l . x_i; "
        "no bias"
    )
    X_train: Rows
    X_val: Rows
    labels_train: list[int]
    labels_val: list[int]

    def f(self, x: Column, y: Column) -> Any:
        Y = self.matrix(y, len(self.X_val[0]))
        losses = [self.loss(row, label, Y) for row, label in zip(self.X_val, self.labels_val, strict=True)]
        return self.at.sum(losses) / len(losses)

    def g(self, x: Column, y: Column) -> Any:
        Y = self.matrix(y, len(self.X_train[0]))
        losses = [self.loss(row, label, Y) for row, label in zip(self.X_train, self.labels_train, strict=True)]
        penalty = self.at.sum([d * t * t for d, t in zip(self.penalty(x), y, strict=True)])
        return self.at.sum(losses) / len(losses) + penalty / 2

    def penalty(self, x: Column) -> Column:
        """D_cj = exp(x_j)/(C p)."""
        return [self.at.exp(s) / (self.classes * len(x)) for s in x] * self.classes

    def fy(self, x: Column, y: Column) -> Column:
        Y = self.matrix(y, len(x))
        return self.mean_gradient(self.X_val, self.labels_val, Y, self.equal(self.X_val))

    def gx(self, x: Column, y: Column) -> Column:
        D, p = self.penalty(x), len(x)
        return [self.at.sum([D[i] * y[i] * y[i] for i in range(j, len(y), p)]) / 2 for j in range(p)]

    def gy(self, x: Column, y: Column) -> Column:
        Y = self.matrix(y, len(x))
        data = self.mean_gradient(self.X_train, self.labels_train, Y, self.equal(self.X_train))
        return [t + d * s for t, d, s in zip(data, self.penalty(x), y, strict=True)]

    def A(self, x: Column, y: Column) -> Rows:
        A = self.hessian(self.X_train, self.matrix(y, len(x)), self.equal(self.X_train))
        for i, d in enumerate(self.penalty(x)):
            A[i][i] = A[i][i] + d
        return A

    def J(self, x: Column, y: Column) -> Rows:
        D, p, zero = self.penalty(x), len(x), self.at.number(Fraction(0))
        return [[D[i] * y[i] if i % p == j else zero for i in range(len(y))] for j in range(p)]


class Cleaning(Classifier):
    name = "data_cleaning"
    formula = (
        "f = mean_i CE_i on (X_val, labels_val),  g = 1/n sum_i sigma(x_i) CE_i on (X_train, labels_train) "
        "+ regularization ||y||^2; sigma(s) = 1/(1 + exp(-s)); y is C by (p + 1) in C order, its last column the bias: "
        "a one is appended to every row of X"
    )
    X_train: Rows
    X_val: Rows
    labels_train: list[int]
    labels_val: list[int]
    regularization: Any

    def __init__(self, arithmetic: Arithmetic, data: dict[str, Any]) -> None:
        super().__init__(arithmetic, data)
        one = arithmetic.number(Fraction(1))
        self.X_train, self.X_val = ([[*row, one] for row in X] for X in (self.X_train, self.X_val))

    def f(self, x: Column, y: Column) -> Any:
        Y = self.matrix(y, len(self.X_val[0]))
        losses = [self.loss(row, label, Y) for row, label in zip(self.X_val, self.labels_val, strict=True)]
        return self.at.sum(losses) / len(losses)

    def g(self, x: Column, y: Column) -> Any:
        losses = self.losses(y)
        weighted = [self.sigma(s) * loss for s, loss in zip(x, losses, strict=True)]
        return self.at.sum(weighted) / len(weighted) + self.regularization * self.at.dot(y, y)

    def losses(self, y: Column) -> Column:
        Y = self.matrix(y, len(self.X_train[0]))
        return [self.loss(row, label, Y) for row, label in zip(self.X_train, self.labels_train, strict=True)]

    def sigma(self, s: Any) -> Any:
        return 1 / (1 + self.at.exp(-s))

    def slope(self, s: Any) -> Any:
        """σ′ = σ(s)σ(−s)."""
        return self.sigma(s) * self.sigma(-s)

    def fy(self, x: Column, y: Column) -> Column:
        Y = self.matrix(y, len(self.X_val[0]))
        return self.mean_gradient(self.X_val, self.labels_val, Y, self.equal(self.X_val))

    def gx(self, x: Column, y: Column) -> Column:
        return [self.slope(s) * loss / len(x) for s, loss in zip(x, self.losses(y), strict=True)]

    def weights(self, x: Column) -> Column:
        return [self.sigma(s) / len(x) for s in x]

    def gy(self, x: Column, y: Column) -> Column:
        Y = self.matrix(y, len(self.X_train[0]))
        data = self.mean_gradient(self.X_train, self.labels_train, Y, self.weights(x))
        return [t + 2 * self.regularization * s for t, s in zip(data, y, strict=True)]

    def A(self, x: Column, y: Column) -> Rows:
        A = self.hessian(self.X_train, self.matrix(y, len(self.X_train[0])), self.weights(x))
        for i in range(len(y)):
            A[i][i] = A[i][i] + 2 * self.regularization
        return A

    def J(self, x: Column, y: Column) -> Rows:
        Y = self.matrix(y, len(self.X_train[0]))
        return [
            scaled(self.slope(s) / len(x), self.sample_gradient(row, label, Y))
            for s, row, label in zip(x, self.X_train, self.labels_train, strict=True)
        ]


class Synthetic(Formulas):
    name = "synthetic"
    formula = (
        "f = 0.1 cos(sum_i coef_i x_i y_i) + (1/2)||scale_x * x - y||^2,  "
        "g = gamma sum_i sin(x_i + y_i) + log sum_i exp(x_i y_i) + (1/2) y^T (diag(ridge) + G) y; "
        "0.1 is the real number"
    )
    coef: Column
    scale_x: Column
    ridge: Column
    G: Rows
    gamma: Any

    def tenth(self) -> Any:
        return self.at.number(Fraction(1)) / 10

    def phase(self, x: Column, y: Column) -> Any:
        return self.at.sum([a * s * t for a, s, t in zip(self.coef, x, y, strict=True)])

    def gap(self, x: Column, y: Column) -> Column:
        return [d * s - t for d, s, t in zip(self.scale_x, x, y, strict=True)]

    def softmax(self, x: Column, y: Column) -> Column:
        e = [self.at.exp(s * t) for s, t in zip(x, y, strict=True)]
        total = self.at.sum(e)
        return [t / total for t in e]

    def f(self, x: Column, y: Column) -> Any:
        r = self.gap(x, y)
        return self.tenth() * self.at.cos(self.phase(x, y)) + self.at.dot(r, r) / 2

    def g(self, x: Column, y: Column) -> Any:
        at = self.at
        sines = self.gamma * at.sum([at.sin(s + t) for s, t in zip(x, y, strict=True)])
        logsum = at.log(at.sum([at.exp(s * t) for s, t in zip(x, y, strict=True)]))
        return sines + logsum + at.dot(y, self.product(y)) / 2

    def product(self, y: Column) -> Column:
        """(diag(e) + G) y."""
        return [e * t + s for e, t, s in zip(self.ridge, y, self.at.times(self.G, y), strict=True)]

    def fx(self, x: Column, y: Column) -> Column:
        sine = self.tenth() * self.at.sin(self.phase(x, y))
        return [d * r - sine * a * t for d, r, a, t in zip(self.scale_x, self.gap(x, y), self.coef, y, strict=True)]

    def fy(self, x: Column, y: Column) -> Column:
        sine = self.tenth() * self.at.sin(self.phase(x, y))
        return [-r - sine * a * s for r, a, s in zip(self.gap(x, y), self.coef, x, strict=True)]

    def gx(self, x: Column, y: Column) -> Column:
        p = self.softmax(x, y)
        return [self.gamma * self.at.cos(s + t) + t * q for s, t, q in zip(x, y, p, strict=True)]

    def gy(self, x: Column, y: Column) -> Column:
        p = self.softmax(x, y)
        return [
            self.gamma * self.at.cos(s + t) + s * q + z for s, t, q, z in zip(x, y, p, self.product(y), strict=True)
        ]

    def A(self, x: Column, y: Column) -> Rows:
        p, n = self.softmax(x, y), len(x)
        A = [[self.G[i][j] - x[i] * p[i] * x[j] * p[j] for j in range(n)] for i in range(n)]
        for i in range(n):
            A[i][i] = A[i][i] + self.ridge[i] - self.gamma * self.at.sin(x[i] + y[i]) + x[i] * x[i] * p[i]
        return A

    def J(self, x: Column, y: Column) -> Rows:
        p, n = self.softmax(x, y), len(x)
        J = [[-y[i] * p[i] * x[j] * p[j] for j in range(n)] for i in range(n)]
        for i in range(n):
            J[i][i] = J[i][i] - self.gamma * self.at.sin(x[i] + y[i]) + p[i] + x[i] * y[i] * p[i]
        return J


PROBLEMS: dict[str, type[Formulas]] = {kind.name: kind for kind in (Quadratic, Ridge, Logistic, Cleaning, Synthetic)}
