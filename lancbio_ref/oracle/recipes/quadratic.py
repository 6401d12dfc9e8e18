"""Two quadratics with dyadic data: every number of the hyper-gradient is rational.

f = ½‖y − t‖² + ½ρ‖x‖², g = ½yᵀA y − yᵀ(B x + d): ∇²_yy g = A, ∇²_xy g = −Bᵀ, ∇_y f = y − t, ∇_x f = ρ x,
y*(x) = A⁻¹(B x + d), ∇φ(x) = ρ x + BᵀA⁻¹(y* − t).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from .. import exact
from ..exact import flint, precision
from ..random_bits import Bits, rows_of
from .frame import diagonal
from .system import Case

FORMULA = "f = (1/2)||y - t||^2 + (1/2) rho ||x||^2,  g = (1/2) y^T A y - y^T (B x + d)"
EQUATIONS = ["A v = b", "h = c - J v", "A y_star = B x + d", "grad_phi = rho x + B^T A^-1 (y_star - t)"]
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


def quadratic_case(
    id: str, data: dict[str, Any], x: Any, y: Any, v0: Any, *, parameters: dict[str, Any], why: str, **options: Any
) -> Case:
    """The case of a quadratic problem at (x, y)."""
    A, B, d, t = (data[name] for name in "ABdt")
    rho = exact.rational(data["rho"])
    y_star = exact.solve_both(A, B * x + d)
    grad_phi = x * rho + B.transpose() * exact.solve_both(A, y_star - t)
    _confirm(A, B, d, t, rho, x, grad_phi)
    n_y, n_x = B.nrows(), B.ncols()
    problem = {
        "name": "quadratic",
        "formula": FORMULA,
        "data": {
            "A": exact.exact_text(A, [n_y, n_y]),
            "B": exact.exact_text(B, [n_y, n_x]),
            "d": exact.exact_text(d, [n_y]),
            "t": exact.exact_text(t, [n_y]),
            "rho": exact.number_text(float(data["rho"])),
        },
        "x": exact.exact_text(x, [n_x]),
        "y": exact.exact_text(y, [n_y]),
    }
    return Case(
        id=id,
        recipe=options.pop("recipe", "quadratic"),
        parameters=parameters,
        why=why,
        equations=EQUATIONS,
        A=A,
        J=B.transpose() * flint.fmpq(-1),
        b=y - t,
        c=x * rho,
        v0=v0,
        k=options.pop("k", min(16, n_y)),
        problem=problem,
        y_star=y_star.entries(),
        grad_phi=grad_phi.entries(),
        **options,
    )


def _confirm(A: Any, B: Any, d: Any, t: Any, rho: Any, x: Any, grad_phi: Any) -> None:
    """∇φ once more, in balls: from Arb's inverse, and with the products in another order."""
    with precision(512):
        inverse, right, point = exact.balls(A).inv(), exact.balls(B), exact.balls(x)
        pulled = right.transpose() * inverse  # BᵀA⁻¹
        found = point * flint.arb(rho) + pulled * (inverse * exact.balls(d) - exact.balls(t))
        found += pulled * (inverse * right) * point
        exact.agree(grad_phi.entries(), found.entries(), "grad_phi", 40)
