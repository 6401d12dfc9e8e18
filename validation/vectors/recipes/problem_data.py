"""Data of the problems, small dyadic numbers: what the recipes of systems and of traces share."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from .. import exact
from ..random_bits import Bits, rows_of


def product(F: list[list[Fraction]]) -> list[list[Fraction]]:
    """F Fᵀ."""
    return [[sum((a * b for a, b in zip(row, other, strict=True)), Fraction(0)) for other in F] for row in F]


def definite(bits: Bits, n: int, fraction_bits: int = 2, lowest: int = 0) -> list[list[Fraction]]:
    """F Fᵀ + D with D_ii in (lowest, lowest + 1]."""
    A = product(rows_of(bits, n, n, -1, 1, fraction_bits))
    for i, d in enumerate(bits.dyadics(n, 0, 1, 3)):
        A[i][i] += lowest + d
    return A


def quadratic(bits: Bits, n_x: int, n_y: int) -> dict[str, Any]:
    return {
        "A": definite(bits, n_y),
        "B": rows_of(bits, n_y, n_x, -1, 1, 3),
        "d": bits.dyadics(n_y, -2, 2, 3),
        "t": bits.dyadics(n_y, -2, 2, 3),
        "rho": Fraction(1, 4),
    }


def ridge(bits: Bits, p: int, n: int = 8, m: int = 4) -> dict[str, Any]:
    return {
        "X_train": rows_of(bits, n, p, -2, 2, 3),
        "t_train": bits.dyadics(n, -4, 4, 3),
        "X_val": rows_of(bits, m, p, -2, 2, 3),
        "t_val": bits.dyadics(m, -4, 4, 3),
    }


def classes(bits: Bits, classes: int, p: int, n: int, m: int) -> dict[str, Any]:
    """Samples and labels; every class occurs."""
    return {
        "classes": classes,
        "X_train": rows_of(bits, n, p, -2, 2, 3),
        "labels_train": bits.shuffled([i % classes for i in range(n)]),
        "X_val": rows_of(bits, m, p, -2, 2, 3),
        "labels_val": bits.shuffled([i % classes for i in range(m)]),
    }


def logistic(bits: Bits, C: int, p: int, n: int = 8, m: int = 8) -> dict[str, Any]:
    return classes(bits, C, p, n, m)


def data_cleaning(
    bits: Bits, C: int, p: int, n: int = 8, m: int = 8, regularization: Fraction = Fraction(1, 16)
) -> dict[str, Any]:
    return classes(bits, C, p, n, m) | {"regularization": regularization}


def synthetic(bits: Bits, n: int, condition: int = 0) -> dict[str, Any]:
    """λ_min(G) ≥ 1, so that g is strongly convex in y with γ = ½.

    With a condition number κ, n must be a power of two, and G has the eigenvalues linspace(1, κ, n), exactly if
    (κ − 1)/(n − 1) is an integer.
    """
    return {
        "coef": bits.dyadics(n, -2, 2, 3),
        "scale_x": bits.dyadics(n, 0, 1, 4),
        "ridge": bits.dyadics(n, 0, 1, 4),
        "G": spread(bits, n, condition) if condition else definite(bits, n, lowest=1),
        "gamma": Fraction(1, 2),
    }


def spread(bits: Bits, n: int, condition: int) -> list[list[Fraction]]:
    """H Λ H/n with the Hadamard matrix H."""
    values = bits.shuffled([1 + Fraction((condition - 1) * i, n - 1) for i in range(n)])
    sign = [[(-1) ** bin(i & j).count("1") for j in range(n)] for i in range(n)]
    return [
        [sum((s * t * v for s, t, v in zip(a, b, values, strict=True)), Fraction(0)) / n for b in sign] for a in sign
    ]


MAKERS: dict[str, Callable[..., dict[str, Any]]] = {
    "quadratic": quadratic,
    "ridge": ridge,
    "logistic": logistic,
    "data_cleaning": data_cleaning,
    "synthetic": synthetic,
}


def sizes(name: str, data: dict[str, Any]) -> tuple[int, int]:
    """(n_x, n_y)."""
    if name == "quadratic":
        return len(data["B"][0]), len(data["B"])
    if name == "synthetic":
        return len(data["coef"]), len(data["coef"])
    p = len(data["X_train"][0])
    if name == "ridge":
        return p, p
    return (p, data["classes"] * p) if name == "logistic" else (len(data["X_train"]), data["classes"] * (p + 1))


def data_text(data: dict[str, Any]) -> dict[str, Any]:
    """The data as the format writes them."""
    text: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Fraction):
            text[key] = exact.number_text(float(value))
        elif isinstance(value, list) and isinstance(value[0], list):
            text[key] = exact.array_text([t for row in value for t in row], [len(value), len(value[0])])
        elif isinstance(value, list) and isinstance(value[0], Fraction):
            text[key] = exact.array_text(value, [len(value)])
        else:
            text[key] = value
    return text
