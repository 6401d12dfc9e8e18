"""Matrices by their eigenvalues: Strakoš spectra, clusters, repeated eigenvalues, starts in invariant subspaces."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from .. import exact
from ..exact import flint
from ..random_bits import Bits, rows_of
from .frame import diagonal, framed, hadamard, reflected, rounded, with_spectrum
from .system import Case

# n, lambda_1, lambda_n, rho, whether A is diagonal
STRAKOS = [
    (8, "1/10", "100", "9/10", True),
    (12, "1/10", "100", "3/5", True),
    (16, "1/10", "100", "4/5", True),
    (24, "1/10", "100", "9/10", True),
    (10, "1/10", "100", "7/10", False),
    (16, "1/1000", "100", "3/5", False),
    (20, "1/1000", "1000", "4/5", False),
    (24, "1/1000", "1000", "2/5", False),
]
Cluster = tuple[int, list[tuple[int, str, int]]]
# n, clusters as (size, center, -log2 of the width; 0 for none)
CLUSTERS: list[Cluster] = [
    (8, [(4, "1", 10), (4, "4", 10)]),
    (8, [(3, "1", 20), (5, "16", 20)]),
    (8, [(7, "1", 30), (1, "1024", 0)]),
    (16, [(8, "1/4", 8), (8, "8", 8)]),
    (16, [(5, "1", 12), (5, "2", 12), (6, "64", 12)]),
    (16, [(15, "1", 16), (1, "65536", 0)]),
    (16, [(1, "1/1024", 0), (14, "1", 6), (1, "1024", 0)]),
]
# eigenvalues with multiplicities; the start sees every one of them
REPEATED: list[list[tuple[str, int]]] = [
    [("1", 4)],
    [("1", 2), ("3", 2)],
    [("1", 7), ("8", 1)],
    [("1/2", 3), ("2", 3), ("5", 2)],
    [("1", 8), ("4", 8)],
    [("1", 4), ("2", 4), ("4", 4), ("8", 4)],
    [("1/64", 5), ("1", 5), ("64", 6)],
]
# n, dimension of the invariant subspace that the start lies in, Hadamard (True) or hidden blocks (False)
INVARIANT = [
    (4, 1, True),
    (8, 1, True),
    (8, 4, True),
    (16, 4, True),
    (6, 1, False),
    (6, 2, False),
    (9, 3, False),
    (12, 5, False),
]
# n, spacing of the eigenvalues 1, 1 + s, 1 + 2s, …
TOLERANCE = [(8, "9/512"), (16, "45/512")]


def cases() -> Iterator[tuple[str, Any]]:
    groups: tuple[tuple[str, list[Any], Any], ...] = (
        ("strakos", STRAKOS, strakos),
        ("clusters", CLUSTERS, clusters),
        ("repeated", REPEATED, repeated),
        ("invariance", INVARIANT, invariance),
        ("tolerance", TOLERANCE, tolerance),
    )
    for family, specs, build in groups:
        for number, spec in enumerate(specs, 1):
            id = f"{family}-{number:03d}"
            yield id, lambda id=id, spec=spec, build=build: build(id, spec)


def strakos(id: str, spec: tuple[int, str, str, str, bool]) -> Case:
    """λ_i = λ_1 + (i − 1)/(n − 1) (λ_n − λ_1) ρ^{n−i} (Strakoš, Linear Algebra Appl. 154–156, 1991)."""
    n, low, high, ratio, plain = spec
    first, last, rho = map(Fraction, (low, high, ratio))
    values = [first + Fraction(i - 1, n - 1) * (last - first) * rho ** (n - i) for i in range(1, n + 1)]
    A = rounded(diagonal(values)) if plain else reflected(diagonal(values), Bits(id))
    why = (
        "A Strakos spectrum: eigenvalues crowd at the lower end, large ones converge first and come back as ghosts, so "
        "that a correct float64 process leaves the exact coefficients after some steps."
    )
    parameters = {"n": n, "lambda_1": low, "lambda_n": high, "rho": ratio, "diagonal": plain}
    return framed(id, "spectra", A, 3 + n % 4, why, parameters, k=16)


def clusters(id: str, spec: Cluster) -> Case:
    n, groups = spec
    bits = Bits(id)
    values = [
        Fraction(center) * (1 + (Fraction(bits.between(-7, 7), 8) / 2**width if width else 0))
        for size, center, width in groups
        for _ in range(size)
    ]
    why = "Clusters of eigenvalues, exact in floating point: the process nearly breaks down once each cluster was seen."
    parameters = {"n": n, "clusters": [[size, center, width] for size, center, width in groups]}
    return framed(id, "spectra", rounded(with_spectrum(bits.shuffled(values))), 3, why, parameters)


def repeated(id: str, spec: list[tuple[str, int]]) -> Case:
    values = [Fraction(value) for value, count in spec for _ in range(count)]
    A = with_spectrum(Bits(id).shuffled(values))
    why = (
        f"{len(spec)} distinct eigenvalues in {len(values)}: the process breaks down after {len(spec)} steps, exactly."
    )
    return framed(id, "spectra", A, 5, why, {"eigenvalues": [[value, count] for value, count in spec]})


def invariance(id: str, spec: tuple[int, int, bool]) -> Case:
    n, dimension, plain = spec
    bits = Bits(id)
    parameters = {"n": n, "dimension": dimension, "hadamard": plain}
    why = (
        f"The start lies in an invariant subspace of dimension {dimension}: breakdown there, with v exact and n = {n}."
    )
    if plain:
        # b − A v0 is a sum of 1 or 4 columns of the Hadamard matrix, which float64 normalizes without error
        A = with_spectrum(bits.shuffled([Fraction(t, 4) for t in range(2, 2 + 3 * n, 3)]))
        columns = bits.shuffled(list(range(n)))[:dimension]
        H = hadamard(n)
        r = flint.fmpq_mat(n, 1, [sum(H[i, j] for j in columns) for i in range(n)])
        v0 = exact.column(bits.dyadics(n, -1, 1, 3))
        return framed(id, "spectra", A, 2, why, parameters, b=r + A * v0, v0=v0)
    order = bits.shuffled(list(range(n)))
    A, b = flint.fmpq_mat(n, n), flint.fmpq_mat(n, 1)
    inside, outside = order[:dimension], order[dimension:]
    for places in (inside, outside):
        F = exact.matrix(rows_of(bits, len(places), len(places), -1, 1, 3))
        block = F * F.transpose()
        for i, p in enumerate(places):
            for j, q in enumerate(places):
                A[p, q] = block[i, j] + (1 if i == j else 0)
    for p, value in zip(inside, bits.dyadics(dimension, -2, 2, 4), strict=True):
        b[p, 0] = exact.rational(value)
    return framed(id, "spectra", A, 4, why, parameters, b=b, v0=b * 0)


def tolerance(id: str, spec: tuple[int, str]) -> Case:
    n, spacing = spec
    A = with_spectrum(Bits(id).shuffled([1 + i * Fraction(spacing) for i in range(n)]))
    why = (
        f"kappa is small, v0 = 0: conjugate gradients need all of {n} steps, the last but one leaves a residual just "
        "below 1e-12 ||b||, and more digits than that are asked for."
    )
    return framed(id, "spectra", A, 3, why, {"n": n, "spacing": spacing}, v0=A * flint.fmpq_mat(n, 1))
