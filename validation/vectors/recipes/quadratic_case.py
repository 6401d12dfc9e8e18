"""Two quadratics: every number of the hyper-gradient is rational, and any A, J, b, c are those of some.

f = ½‖y − t‖² + ½ρ‖x‖², g = ½yᵀA y − yᵀ(B x + d): ∇²_yy g = A, ∇²_xy g = −Bᵀ, ∇_y f = y − t, ∇_x f = ρ x,
y*(x) = A⁻¹(B x + d), ∇φ(x) = ρ x + BᵀA⁻¹(y* − t).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from .. import exact
from ..exact import PrecisionError, flint, precision
from ..random_bits import Bits
from .system import Case

FORMULA = "f = (1/2)||y - t||^2 + (1/2) rho ||x||^2,  g = (1/2) y^T A y - y^T (B x + d)"
EQUATIONS = ["A v = b", "h = c - J v", "A y_star = B x + d", "grad_phi = rho x + B^T A^-1 (y_star - t)"]

LARGEST = 64  # n_y: the problem has A as a dense matrix, and a file 200 kB at most


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


def with_problem(case: Case) -> Case:
    """The case with a quadratic problem and a point that have its A, J, b, c: B = −Jᵀ, ρ = ¼, x = 4c, y − t = b."""
    n_y, bits = case.A.nrows(), Bits(case.id + " problem")
    d, t = (exact.column(bits.dyadics(n_y, -2, 2, 3)) for _ in range(2))
    x, B = case.c * flint.fmpq(4), case.J.transpose() * flint.fmpq(-1)
    d, t = (column * flint.fmpq(2) ** exponent(like) for column, like in ((d, B * x), (t, case.b)))
    try:
        exact.floats(case.b + t)
    except PrecisionError:  # too many digits
        t = case.b
    found = quadratic_case(
        case.id, dict(A=case.A, B=B, d=d, t=t, rho=Fraction(1, 4)), x, case.b + t, case.v0,
        parameters=case.parameters, why=case.why,
    )  # fmt: skip
    assert (found.J, found.b, found.c) == (case.J, case.b, case.c)
    return replace(case, equations=found.equations, problem=found.problem, y_star=found.y_star, grad_phi=found.grad_phi)


def exponent(column: Any) -> int:
    """The e with 2^{e−1} ≤ max|a_i| < 2^e, up to one; 0 for zeros."""
    largest = max(abs(exact.fraction(q)) for q in column.entries())
    return largest.numerator.bit_length() - largest.denominator.bit_length() if largest else 0
