"""Points (x, y) of the problems: second derivatives by proven formulas, rounded once to float64; y*, ∇φ enclosed.

*A, J, b, c* are the textbook's, in Arb balls, and are confirmed by central differences of f and g at 250 digits.
*y\\** is found by Newton's method and enclosed by strong convexity: ‖y − y*‖ ≤ ‖∇_y g(x, y)‖/μ with a μ that holds for
all y. ∇φ is then evaluated on the ball about y*, and both are confirmed by Newton's method at 250 digits on the
differences.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from .. import exact
from ..exact import flint, precision
from ..random_bits import Bits
from ..textbook_in_balls import in_balls, problem, solve
from .arithmetic import Column, Digits, Floats, Rows, subtract
from .differences import Differences
from .problem_data import MAKERS, data_text, sizes
from .problems import PROBLEMS
from .system import Case, norm

BITS = 1024
EQUATIONS = [
    "A = the matrix of d2g/dy2, J that of d2g/dxdy, b = df/dy, c = df/dx at (x, y), each rounded to float64",
    "A v = b",
    "h = c - J v",
    "grad_y g(x, y_star) = 0",
    "grad_phi = c - J A^-1 b at (x, y_star), all of them real numbers",
]
# family, problem, sizes; y: 0 random, else y_star rounded to multiples of 2^-bits
RIDGE = [((p,), bits) for p, bits in ((2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (8, 0), (4, 30), (5, 20), (10, 0))]
LOGISTIC = [((3, 2), 0), ((3, 1), 0), ((4, 2), 0), ((3, 3), 0), ((5, 2), 0), ((3, 2), 30), ((4, 2), 20), ((4, 3), 0)]
CLEANING = [
    ((2, 1), 0),
    ((2, 2), 0),
    ((3, 1), 0),
    ((3, 2), 0),
    ((2, 3), 0),
    ((3, 2), 30),
    ((2, 2), 20),
    ((2, 2, 16), 0),
]
SYNTHETIC = [
    ((2,), 0),
    ((3,), 0),
    ((4,), 0),
    ((5,), 0),
    ((6,), 0),
    ((8,), 0),
    ((4,), 30),
    ((5,), 20),
    ((10,), 0),
    ((1,), 0),
    ((4, 97), 0),
    ((8, 897), 0),
]
# y is y_star up to 2^-bits: the same point at several lower-level errors
INEXACT = [
    *(("quadratic", (3, 5), bits) for bits in (4, 10, 20)),
    *(("ridge", (4,), bits) for bits in (6, 14)),
    *(("logistic", (3, 2), bits) for bits in (6, 14)),
    *(("data-cleaning", (2, 2), bits) for bits in (6, 14)),
    *(("synthetic", (4,), bits) for bits in (6, 14)),
]


def cases() -> Iterator[tuple[str, Any]]:
    groups = (("ridge", RIDGE), ("logistic", LOGISTIC), ("data-cleaning", CLEANING), ("synthetic", SYNTHETIC))
    for family, specs in groups:
        for number, (shape, bits) in enumerate(specs, 1):
            id = f"{family}-{number:03d}"
            yield id, lambda id=id, spec=(family, shape, bits): build(id, id, *spec)
    for number, spec in enumerate(INEXACT, 1):
        id = f"inexact-y-{number:03d}"
        # the same data for every error of one problem
        yield id, lambda id=id, spec=spec: build(id, f"inexact-y {spec[0]}", *spec)


def build(id: str, seed: str, family: str, shape: tuple[int, ...], rounded_bits: int) -> Case:
    bits, name = Bits(seed), family.replace("-", "_")
    data = MAKERS[name](bits, *shape)
    n_x, n_y = sizes(name, data)
    x, y, v0 = (bits.dyadics(n, -1, 1, 4) for n in (n_x, n_y, n_y))
    y_star, grad_phi = solution(name, data, x, y)
    why = f"The {family} problem at a point where y is not y*(x): h is the estimate there, not the gradient of phi."
    if rounded_bits:
        scale = 2**rounded_bits
        y = [Fraction(round(exact.midpoint(t) * scale), scale) for t in y_star]
        why = f"y is y*(x) to 2^-{rounded_bits}: h differs from the gradient of phi by about that much, and is still h."
    A, J, b, c = (exact.matrix(M) for M in linearization(name, data, x, y))
    case = Case(
        id=id,
        recipe="points",
        parameters={"problem": name, "shape": list(shape), "y_star_bits": rounded_bits},
        why=why,
        equations=EQUATIONS,
        A=A,
        J=J,
        b=b,
        c=c,
        v0=exact.column(v0),
        k=min(16, n_y),
        rigour="A",
        routes=("fmpq", "arb", "mpmath"),
        problem={
            "name": name,
            "formula": PROBLEMS[name].formula,
            "data": data_text(data),
            "x": exact.array_text(x, [n_x]),
            "y": exact.array_text(y, [n_y]),
        },
        y_star=y_star,
        grad_phi=grad_phi,
    )
    case.measured = float_error(name, data, x, y, case)
    return case


def linearization(name: str, data: dict[str, Any], x: list[Fraction], y: list[Fraction]) -> tuple[Rows, ...]:
    """A, J, b, c as float64 numbers (b and c as matrices of one column), from balls, confirmed by differences."""
    with precision(BITS):
        P, X, Y = problem(name, data), in_balls(x), in_balls(y)
        matrices = P.A(X, Y), P.J(X, Y), P.f_y(X, Y)[:, None], P.f_x(X, Y)[:, None]
        found = [(M * flint.arb(1)).tolist() for M in matrices]
    digits = Digits(250)
    D, X, Y = Differences(PROBLEMS[name](digits, data)), digits.column(x), digits.column(y)
    again = D.A(X, Y), D.J(X, Y), _one_column(D.fy(X, Y)), _one_column(D.fx(X, Y))
    for what, M, N in zip(("A", "J", "b", "c"), found, again, strict=True):
        exact.close(what, [t for row in M for t in row], [digits.ball(t) for row in N for t in row])
    return tuple([[exact.nearest_float(exact.midpoint(t)) for t in row] for row in M] for M in found)


def solution(name: str, data: dict[str, Any], x: list[Fraction], y: list[Fraction]) -> tuple[Column, Column]:
    """Balls about y*(x) and ∇φ(x)."""
    with precision(BITS):
        P, X, Y = problem(name, data), in_balls(x), in_balls(y)
        for _ in range(60):  # Newton's method, full steps; balls are replaced by their midpoints
            step = solve(P.A(X, Y), P.g_y(X, Y))
            Y = np.array([t.mid() for t in Y - step], dtype=object)
            if max(float(abs(t).mid()) for t in step) < 1e-250:
                break
        size = sum(t.abs_upper() for t in P.g_y(X, Y))  # the 1-norm, at least the 2-norm
        radius = (size / modulus(name, data, x)).abs_upper()
        Y = np.array([flint.arb(t, radius) for t in Y], dtype=object)
        grad_phi = list(P.f_x(X, Y) - P.J(X, Y) @ solve(P.A(X, Y), P.f_y(X, Y)))
        y_star = list(Y)
    digits = Digits(250)
    D, X = Differences(PROBLEMS[name](digits, data)), digits.column(x)
    Z = digits.column([exact.midpoint(t) for t in y_star])
    for _ in range(2):
        Z = subtract(Z, digits.solve(D.A(X, Z), D.gy(X, Z)))
    w = digits.solve(D.A(X, Z), D.fy(X, Z))
    h = subtract(D.fx(X, Z), digits.times(D.J(X, Z), w))
    exact.close("y_star", y_star, [digits.ball(t) for t in Z])
    exact.close("grad_phi", grad_phi, [digits.ball(t) for t in h])
    return y_star, grad_phi


def modulus(name: str, data: dict[str, Any], x: list[Fraction]) -> Any:
    """A ball below which no eigenvalue of ∇²_yy g(x, y) lies, for any y."""
    arb = flint.arb
    if name == "quadratic":
        return arb(exact.rational(exact.spectrum_bounds(exact.matrix(data["A"]))[0]))
    if name == "synthetic":
        lowest = exact.spectrum_bounds(exact.matrix(data["G"]))[0]
        return arb(exact.rational(Fraction(lowest) + min(data["ridge"]) - data["gamma"]))
    if name == "data_cleaning":
        return arb(exact.rational(2 * data["regularization"]))
    smallest = arb(exact.rational(min(x))).exp()
    return smallest if name == "ridge" else smallest / (data["classes"] * len(x))


def float_error(name: str, data: dict[str, Any], x: list[Fraction], y: list[Fraction], case: Case) -> float:
    """The largest relative error of h over four float64 runs that evaluate the formulas and eliminate."""
    truth = case.c - case.J * case.A.solve(case.b)
    size, worst = norm(truth), 0.0
    for seed in range(4):
        at = Floats(seed)
        P, X, Y = PROBLEMS[name](at, data), at.column(x), at.column(y)
        v = at.solve(P.A(X, Y), P.fy(X, Y))
        h = exact.column(subtract(P.fx(X, Y), at.times(P.J(X, Y), v)))
        worst = max(worst, norm(h - truth) / size)
    return worst


def _one_column(values: Column) -> Rows:
    return [[value] for value in values]
