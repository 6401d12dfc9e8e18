"""What is put around a matrix A to make a case of it: J, b, c and v0 without structure, and exact rounding."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from .. import exact
from ..exact import flint
from ..random_bits import Bits, rows_of
from .quadratic_case import LARGEST, with_problem
from .system import Case

EQUATIONS = ["A v = b", "h = c - J v"]


def framed(
    id: str,
    recipe: str,
    A: Any,
    n_x: int,
    why: str,
    parameters: dict[str, Any],
    *,
    b: Any = None,
    v0: Any = None,
    scale: Fraction = Fraction(1),
    scale_J: Fraction = Fraction(1),
    **options: Any,
) -> Case:
    """The case of A with random dyadic J (times 1/8), c, and, where not given, b and v0 (times `scale`).

    Where it poses a hyper-gradient of a minimizer, it is also that of a quadratic problem.
    """
    bits, n_y = Bits(id + " frame"), A.nrows()
    J = exact.matrix(rows_of(bits, n_x, n_y, -1, 1, 4))
    c, right = exact.column(bits.dyadics(n_x, -2, 2, 4)), exact.column(bits.dyadics(n_y, -2, 2, 5))
    start = exact.column(bits.dyadics(n_y, -1, 1, 4))
    case = Case(
        id=id,
        recipe=recipe,
        parameters=parameters,
        why=why,
        equations=options.pop("equations", EQUATIONS),
        A=A,
        J=J * exact.rational(scale_J),
        b=right if b is None else b,
        c=c,
        v0=start * exact.rational(scale) if v0 is None else v0,
        k=options.pop("k", min(16, n_y)),
        **options,
    )
    posed = "hypergradient" in case.levels and case.definite and n_y <= LARGEST
    return with_problem(case) if posed else case


def rounded(M: Any) -> Any:
    """Every entry of an ``fmpq`` matrix rounded to the nearest float64; a symmetric matrix stays symmetric."""
    entries = [exact.rational(exact.nearest_float(exact.fraction(q))) for q in M.entries()]
    return flint.fmpq_mat(M.nrows(), M.ncols(), entries)


def diagonal(values: Sequence[Any]) -> Any:
    n = len(values)
    D = flint.fmpq_mat(n, n)
    for i, value in enumerate(values):
        D[i, i] = exact.rational(value)
    return D


def hadamard(n: int) -> Any:
    """The symmetric Hadamard matrix of order n = 2^m (Sylvester): H H = n I."""
    return flint.fmpq_mat(n, n, [(-1) ** bin(i & j).count("1") for i in range(n) for j in range(n)])


def with_spectrum(values: Sequence[Any]) -> Any:
    """H Λ H/n, H the Hadamard matrix: the eigenvalues are `values`, exactly; entries are dyadic where they are."""
    n = len(values)
    H = hadamard(n)
    return H * diagonal(values) * H * flint.fmpq(1, n)


def reflected(D: Any, bits: Bits) -> Any:
    """(I − 2uuᵀ/uᵀu) D (I − 2uuᵀ/uᵀu) with a random integer u, entries rounded to float64."""
    n = D.nrows()
    u = exact.column([Fraction(bits.between(1, 9)) * (-1) ** bits.below(2) for _ in range(n)])
    size = (u.transpose() * u)[0, 0]
    R = diagonal([Fraction(1)] * n) - u * u.transpose() * (flint.fmpq(2) / size)
    return rounded(R * D * R)
