"""Two matrices of the Harwell-Boeing collection, which lie in ``data`` beside this."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from fractions import Fraction
from importlib import resources
from typing import Any

from .. import exact
from ..exact import flint
from ..random_bits import Bits
from .frame import framed
from .system import Case

# matrix, n_x, exponent of two that v0 is scaled by, None for v0 = 0, why
SPECS: list[tuple[str, int, int | None, str]] = [
    ("bcsstk01", 3, -4, "A structure: kappa 9e5, eigenvalues over six decades, b at random, warm start."),
    ("bcsstk01", 2, None, "The same matrix, cold start."),
    ("bcsstk01", 5, -12, "The same matrix, a warm start that is small beside v."),
    ("bcsstk01", 1, -8, "The same matrix, n_x = 1."),
    ("lund-b", 2, -8, "A structure: n = 147, kappa 3e4, banded."),
    ("lund-b", 1, None, "The same matrix, cold start, n_x = 1."),
]


def cases() -> Iterator[tuple[str, Any]]:
    counts: dict[str, int] = {}
    for spec in SPECS:
        counts[spec[0]] = counts.get(spec[0], 0) + 1
        id = f"{spec[0]}-{counts[spec[0]]:03d}"
        yield id, lambda id=id, spec=spec: build(id, *spec)


def build(id: str, name: str, n_x: int, exponent: int | None, why: str) -> Case:
    A = read(name.replace("-", "_"))
    n = A.nrows()
    parameters = {
        "matrix": name.replace("-", "_"),
        "n_x": n_x,
        "start": "zero" if exponent is None else f"2^{exponent}",
    }
    b = exact.column(Bits(id + " b").dyadics(n, -2, 2, 6))
    if name == "bcsstk01":
        b = b * flint.fmpq(2**16)  # v of the size of c
    start = Fraction(0) if exponent is None else Fraction(2) ** exponent
    return framed(id, "matrices", A, n_x, why, parameters, b=b, scale=start, sparse=True)


def read(name: str) -> Any:
    """The matrix, its decimals read as float64."""
    text = gzip.decompress((resources.files(__package__) / "data" / f"{name}.mtx.gz").read_bytes()).decode()
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    n = int(lines[0].split()[0])
    A = flint.fmpq_mat(n, n)
    for line in lines[1:]:
        i, j, value = line.split()
        A[int(i) - 1, int(j) - 1] = A[int(j) - 1, int(i) - 1] = exact.rational(float(value))
    return A
