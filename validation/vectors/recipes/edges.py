"""Edges: n = 1, b = 0, a start that is the solution, ill-conditioned matrices, scales near under- and overflow."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from .. import exact
from ..exact import flint
from ..random_bits import Bits, rows_of
from .frame import diagonal, framed, rounded
from .system import Case

# a, b, v0, n_x
SCALAR = [
    ("2", "3", "1", 3),
    ("1/4", "-5", "0", 1),
    ("7", "7", "1/2", 4),
    ("1048576", "3", "-2", 2),
    ("1/1048576", "1", "1/3", 2),
    ("3", "1", "-1/8", 5),
]
ZERO = [(1, 2, False), (2, 3, False), (4, 3, False), (6, 4, True), (3, 2, True), (5, 2, True)]  # n_y, n_x, v0 = 0
EXACT = [(1, 2), (3, 4), (5, 2), (8, 3), (2, 6)]  # n_y, n_x
# name, n
ILL = [
    ("hilbert", 3),
    ("hilbert", 5),
    ("hilbert", 7),
    ("hilbert", 9),
    ("minimum", 8),
    ("minimum", 16),
    ("graded", 6),
    ("graded", 9),
]
# n_y, exponent of A, exponent of b, result
SCALES = [
    (5, 300, 300, "valid"),
    (5, -300, -300, "valid"),
    (6, 0, -300, "valid"),
    (6, 0, 300, "valid"),
    (4, 250, -250, "valid"),
    (5, -600, -600, "acceptable"),
    (5, 600, 600, "acceptable"),
    (6, 0, -600, "acceptable"),
    (6, 0, 600, "acceptable"),
    (4, -600, 600, "must_reject"),
    (1, -700, 700, "must_reject"),
]


def cases() -> Iterator[tuple[str, Any]]:
    groups: tuple[tuple[str, list[Any], Any], ...] = (
        ("scalar", SCALAR, scalar),
        ("zero-right-side", ZERO, zero_right_side),
        ("exact-start", EXACT, exact_start),
        ("ill-conditioned", ILL, ill_conditioned),
        ("scale", SCALES, scaled),
    )
    for family, specs, build in groups:
        for number, spec in enumerate(specs, 1):
            id = f"{family}-{number:03d}"
            yield id, lambda id=id, spec=spec, build=build: build(id, *spec)


def _definite(bits: Bits, n: int) -> Any:
    F = exact.matrix(rows_of(bits, n, n, -1, 1, 3))
    return F * F.transpose() + diagonal([Fraction(1, 2)] * n)


def scalar(id: str, a: str, b: str, v0: str, n_x: int) -> Case:
    A, right, start = (rounded(exact.column([Fraction(t)])) for t in (a, b, v0))
    why = "n_y = 1: a division. Some codes return zero, some call LAPACK with an empty off-diagonal."
    return framed(id, "edges", A, n_x, why, {"a": a, "b": b, "v0": v0}, b=right, v0=start)


def zero_right_side(id: str, n_y: int, n_x: int, at_zero: bool) -> Case:
    A = _definite(Bits(id), n_y)
    zero = A * flint.fmpq_mat(n_y, 1)
    why = "b = 0: v = 0 and h = c, not NaN; a start that is not zero must be left, and no tolerance may hang on ||b||."
    levels = ("solve", "hypergradient") if at_zero else ("solve", "lanczos", "hypergradient")
    return framed(
        id, "edges", A, n_x, why, {"n_y": n_y}, b=zero, levels=levels, **({"v0": zero, "k": 0} if at_zero else {})
    )


def exact_start(id: str, n_y: int, n_x: int) -> Case:
    bits = Bits(id)
    A = _definite(bits, n_y)
    v0 = exact.column(bits.dyadics(n_y, -2, 2, 3))
    why = "b = A v0 exactly: the residual is zero in floating point too, and nothing may be divided by it."
    return framed(id, "edges", A, n_x, why, {"n_y": n_y}, b=A * v0, v0=v0, k=0, levels=("solve", "hypergradient"))


def ill_conditioned(id: str, name: str, n: int) -> Case:
    if name == "hilbert":
        A = rounded(flint.fmpq_mat(n, n, [flint.fmpq(1, i + j + 1) for i in range(n) for j in range(n)]))
        why = "The Hilbert matrix, rounded: a large condition number, all entries alike."
    elif name == "minimum":
        A = flint.fmpq_mat(n, n, [min(i, j) + 1 for i in range(n) for j in range(n)])
        why = "a_ij = min(i, j): the inverse is a second difference."
    else:
        bits = Bits(id)
        scales = diagonal([Fraction(1, 4**i) for i in range(n)])
        A = scales * (_definite(bits, n) + diagonal([Fraction(1)] * n)) * scales
        why = "Rows and columns graded by powers of four: ill-conditioned by scaling alone."
    return framed(id, "edges", A, 2 + n % 3, why, {"matrix": name, "n": n})


def scaled(id: str, n_y: int, of_A: int, of_b: int, result: str) -> Case:
    bits = Bits(id)
    two = flint.fmpq(2)
    A = _definite(bits, n_y) * two**of_A
    b = exact.column(bits.dyadics(n_y, -2, 2, 4)) * two**of_b
    v0 = exact.column(bits.dyadics(n_y, -1, 1, 3)) * two ** max(-1000, min(1000, of_b - of_A))
    extreme = {
        "valid": "squares stay in range.",
        "acceptable": "squares leave the range of float64: scale by powers of two, or say that it is too much.",
        "must_reject": "v = A^-1 b lies beyond the largest float64: infinity is no answer.",
    }[result]
    options: dict[str, Any] = {}
    if result != "valid":
        options = {"levels": ("solve",), "difficulty": "extreme", "k": 0}
    return framed(
        id,
        "edges",
        A,
        3,
        f"A of size 2^{of_A}, b of size 2^{of_b}: {extreme}",
        {"n_y": n_y, "exponent_A": of_A, "exponent_b": of_b},
        b=b,
        v0=v0,
        scale_J=Fraction(2) ** (of_A - of_b if result != "must_reject" else 0),
        result=result,
        **options,
    )
