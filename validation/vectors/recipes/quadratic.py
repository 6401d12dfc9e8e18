"""The quadratic problem with random dyadic data: the general case, every number rational."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from .. import exact
from ..random_bits import Bits, rows_of
from .frame import diagonal
from .quadratic_case import quadratic_case
from .system import Case

# n_x, n_y, bits of the entries of the factor, diagonal added; and a grade: A is scaled by powers of two to 2^-grade
SIZES: list[tuple[int, ...]] = [
    (2, 3, 3, 1),
    (3, 2, 4, 1),
    (1, 4, 4, 1),
    (5, 4, 4, 1),
    (3, 6, 4, 1),
    (7, 6, 6, 1),
    (4, 8, 6, 1),
    (9, 8, 6, 1),
    (5, 10, 8, 1),
    (2, 12, 8, 1),
    (6, 16, 8, 1),
    (3, 20, 10, 1),
    (3, 5, 6, 1, 4),
    (5, 7, 6, 1, 6),
    (4, 10, 6, 1, 6),
    (2, 6, 6, 1, 9),
    (6, 8, 6, 1, 10),
    (3, 12, 6, 1, 12),
]


def definite(bits: Bits, n: int, fraction_bits: int, added: int = 1) -> Any:
    """A = F Fᵀ + diag, F with dyadic entries in [−1, 1]: positive definite, exact, no structure."""
    F = exact.matrix(rows_of(bits, n, n, -1, 1, fraction_bits))
    A = F * F.transpose()
    for i, d in enumerate(bits.dyadics(n, 0, added, 3)):
        A[i, i] += exact.rational(d)
    return A


def cases() -> Iterator[tuple[str, Any]]:
    for number, spec in enumerate(SIZES, 1):
        id = f"quadratic-{number:03d}"
        yield id, lambda id=id, spec=spec: build(id, *spec)


def build(id: str, n_x: int, n_y: int, fraction_bits: int, added: int, grade: int = 0) -> Case:
    bits = Bits(id)
    A = definite(bits, n_y, fraction_bits, added)
    if grade:
        S = diagonal([Fraction(1, 2 ** (i * grade // (n_y - 1))) for i in bits.shuffled(list(range(n_y)))])
        A = S * A * S
    graded = f", and A is ill-conditioned by its scaling, 1 to 2^-{grade}" if grade else ""
    B = exact.matrix(rows_of(bits, n_y, n_x, -2, 2, 4))
    d, t = (exact.column(bits.dyadics(n_y, -2, 2, 4)) for _ in range(2))
    x, y = exact.column(bits.dyadics(n_x, -2, 2, 4)), exact.column(bits.dyadics(n_y, -2, 2, 6))
    v0 = exact.column(bits.dyadics(n_y, -1, 1, 4))
    rho = Fraction(1, 4)
    return quadratic_case(
        id,
        dict(A=A, B=B, d=d, t=t, rho=rho),
        x,
        y,
        v0,
        parameters={"n_x": n_x, "n_y": n_y, "fraction_bits": fraction_bits, "added": added, "grade": grade},
        why=f"The general case: A, J, b, c, v0 without structure, n_x differs from n_y, y is not y*(x){graded}.",
    )
