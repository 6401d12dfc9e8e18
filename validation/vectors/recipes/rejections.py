"""Systems that are not what they should be: A indefinite, singular or not symmetric."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from .. import exact
from ..exact import flint
from ..random_bits import Bits, rows_of
from .frame import framed, with_spectrum
from .system import Case

# eigenvalues, levels, result
INDEFINITE = [
    (["-1", "1", "2", "4"], ("solve",), "acceptable"),
    (["-1/8", "1", "2", "4", "8", "16", "32", "64"], ("solve",), "acceptable"),
    (["-4", "-2", "1", "3"], ("solve",), "acceptable"),
    (["-1", "1", "2", "4"], ("lanczos",), "valid"),
    (["-4", "-2", "-1", "1", "2", "3", "5", "7"], ("lanczos",), "valid"),
    (["-1", "1/2", "2", "4"], ("hypergradient",), "must_reject"),
    (["-8", "1", "2", "3", "4", "5", "6", "7"], ("hypergradient",), "must_reject"),
    (["-1", "-2", "-3", "-4"], ("hypergradient",), "must_reject"),
]
SINGULAR = [["0", "1"], ["0", "1", "2", "4"], ["0", "0", "1", "3"]]
# n, size of the skew part
NONSYMMETRIC = [(2, "1"), (4, "1/2"), (6, "2"), (8, "1/64")]
# the same, at level lanczos
ONE_STEP = [(3, "1"), (5, "1/2"), (7, "1/64")]


def cases() -> Iterator[tuple[str, Any]]:
    groups: tuple[tuple[str, list[Any], Any], ...] = (
        ("indefinite", INDEFINITE, indefinite),
        ("singular", SINGULAR, singular),
        ("nonsymmetric", NONSYMMETRIC, nonsymmetric),
    )
    for family, specs, build in groups:
        for number, spec in enumerate(specs, 1):
            id = f"{family}-{number:03d}"
            yield id, lambda id=id, spec=spec, build=build: build(id, spec)
    for number, one_step in enumerate(ONE_STEP, len(NONSYMMETRIC) + 1):
        id = f"nonsymmetric-{number:03d}"
        yield id, lambda id=id, spec=one_step: nonsymmetric(id, spec, one_step=True)


def indefinite(id: str, spec: tuple[list[str], tuple[str, ...], str]) -> Case:
    values, levels, result = spec
    why = {
        "solve": "A has negative eigenvalues: v = A^-1 b exists, but a method for positive definite A must find out.",
        "lanczos": "A is symmetric and indefinite, which the Lanczos process does not mind.",
        "hypergradient": "A has a negative eigenvalue, so y is no minimizer: there is no hyper-gradient to return.",
    }[levels[0]]
    A = with_spectrum([Fraction(t) for t in Bits(id).shuffled(values)])
    b = exact.column(Bits(id + " b").dyadics(len(values), -2, 2, 4))
    if result == "must_reject":
        # most of b along the eigenvector of the lowest eigenvalue: bᵀA b < 0
        b = _toward_lowest(A, b, min(Fraction(t) for t in values))
    parameters = {"eigenvalues": values, "level": levels[0]}
    return framed(
        id,
        "rejections",
        A,
        3,
        why,
        parameters,
        b=b,
        v0=b * 0,
        levels=levels,
        result=result,
        definite=False,
        difficulty="hard",
    )


def _toward_lowest(A: Any, b: Any, lowest: Fraction) -> Any:
    """b + 8 times an eigenvector of λ_min, found exactly among the columns of the Hadamard matrix."""
    from .frame import hadamard

    n = A.nrows()
    H = hadamard(n)
    for j in range(n):
        column = flint.fmpq_mat(n, 1, [H[i, j] for i in range(n)])
        if A * column == column * exact.rational(lowest):
            return b + column * flint.fmpq(8)
    raise ValueError("no such eigenvector")


def singular(id: str, values: list[str]) -> Case:
    why = "A is singular and b is not in its range: A v = b has no solution."
    A = with_spectrum([Fraction(t) for t in Bits(id).shuffled(values)])
    b = exact.column(Bits(id + " b").dyadics(len(values), -2, 2, 4))
    parameters = {"eigenvalues": values}
    return framed(
        id, "rejections", A, 2, why, parameters, b=_toward_lowest(A, b, Fraction(0)), v0=b * 0, k=0,
        levels=("solve",), result="must_reject", definite=False, difficulty="hard",
    )  # fmt: skip


def nonsymmetric(id: str, spec: tuple[int, str], one_step: bool = False) -> Case:
    n, size = spec
    bits = Bits(id)
    F, S = (exact.matrix(rows_of(bits, n, n, -1, 1, 3)) for _ in range(2))
    A = F * F.transpose() + (S - S.transpose()) * exact.rational(Fraction(size))
    for i in range(n):
        A[i, i] += 1
    why = "A is not symmetric: conjugate gradients and Lanczos do not apply. A^-1 b, or a rejection; nothing else."
    levels: tuple[str, ...] = ("solve", "hypergradient")
    if one_step:  # with a second step the coefficients depend on how the basis is reorthogonalized
        why = "A is not symmetric: alpha_1 and beta_2 of all of A, or a rejection; not those of one triangle."
        levels = ("lanczos",)
    return framed(
        id, "rejections", A, 3, why, {"n": n, "skew": size}, k=int(one_step), levels=levels,
        result="acceptable", definite=False, difficulty="hard",
    )  # fmt: skip
