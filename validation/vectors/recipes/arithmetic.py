"""One set of formulas, three arithmetics: exact rationals, mpmath numbers, and perturbed float64.

Vectors are lists of scalars and matrices lists of rows; an arithmetic knows how to make a scalar of a rational number,
to add up, and to take a root, exponential, logarithm, sine and cosine where it can.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from .. import exact
from ..exact import flint
from ..exact_lanczos import Sums

Column = list[Any]
Rows = list[list[Any]]


class Arithmetic:
    """Scalars with + − · /; subclasses say which."""

    def number(self, value: Fraction) -> Any:
        raise NotImplementedError

    def sum(self, terms: Sequence[Any]) -> Any:
        """Σ terms; zero where there are none."""
        total = self.number(Fraction(0))
        for term in terms:
            total = total + term
        return total

    def dot(self, x: Column, y: Column) -> Any:
        return self.sum([a * b for a, b in zip(x, y, strict=True)])

    def times(self, A: Rows, x: Column) -> Column:
        """A x."""
        return [self.dot(row, x) for row in A]

    def norm(self, x: Column) -> Any:
        return self.sqrt(self.dot(x, x))

    def sqrt(self, value: Any) -> Any:
        raise NotImplementedError

    def exp(self, value: Any) -> Any:
        raise NotImplementedError

    def log(self, value: Any) -> Any:
        raise NotImplementedError

    def sin(self, value: Any) -> Any:
        raise NotImplementedError

    def cos(self, value: Any) -> Any:
        raise NotImplementedError

    def column(self, values: Sequence[Fraction]) -> Column:
        return [self.number(value) for value in values]

    def rows(self, values: Sequence[Sequence[Fraction]]) -> Rows:
        return [self.column(row) for row in values]

    def solve(self, A: Rows, b: Column) -> Column:
        """A⁻¹b by elimination, pivoting on the largest entry; ZeroDivisionError where A is singular."""
        n = len(b)
        work = [[*row, t] for row, t in zip(A, b, strict=True)]
        for k in range(n):
            pivot = max(range(k, n), key=lambda i, k=k: abs(work[i][k]))  # type: ignore[misc]
            work[k], work[pivot] = work[pivot], work[k]
            for i in range(k + 1, n):
                factor = work[i][k] / work[k][k]
                for j in range(k + 1, n + 1):
                    work[i][j] = work[i][j] - factor * work[k][j]
        x: Column = [self.number(Fraction(0))] * n
        for k in reversed(range(n)):
            rest = work[k][n] - self.sum([work[k][j] * x[j] for j in range(k + 1, n)])
            x[k] = rest / work[k][k]
        return x


class Rational(Arithmetic):
    """``fmpq``: exact, and without roots."""

    def number(self, value: Fraction) -> Any:
        return exact.rational(value)


class Digits(Arithmetic):
    """mpmath numbers of that many decimal digits, in a context of its own."""

    def __init__(self, digits: int) -> None:
        import mpmath

        self.mp = mpmath.mp.clone()
        self.mp.dps = digits

    def number(self, value: Fraction) -> Any:
        return self.mp.mpf(value.numerator) / value.denominator

    def sqrt(self, value: Any) -> Any:
        return self.mp.sqrt(value)

    def exp(self, value: Any) -> Any:
        return self.mp.exp(value)

    def log(self, value: Any) -> Any:
        return self.mp.log(value)

    def sin(self, value: Any) -> Any:
        return self.mp.sin(value)

    def cos(self, value: Any) -> Any:
        return self.mp.cos(value)

    def ball(self, value: Any) -> Any:
        """The number as an exact ``arb``: mpf's own integer times a power of two."""
        sign, man, exp, _ = value._mpf_
        return exact.rational(Fraction((-1) ** sign * int(man)) * Fraction(2) ** exp)


class Floats(Arithmetic):
    """float64 with one of four orders of rounding; functions are the float64 nearest to the true value."""

    def __init__(self, seed: int) -> None:
        self.sums = Sums(seed)

    def number(self, value: Fraction) -> float:
        return exact.nearest_float(value)

    def sum(self, terms: Sequence[float]) -> float:
        return self.sums.sum(terms)

    def norm(self, x: Column) -> float:
        """√(x·x), by a power of two that lets no square leave the range, and changes no digit of the others."""
        shift = math.frexp(max(map(abs, x)))[1]
        scaled = [math.ldexp(t, -shift) for t in x]
        return math.ldexp(math.sqrt(self.dot(scaled, scaled)), shift)

    def sqrt(self, value: float) -> float:
        return math.sqrt(value)

    def exp(self, value: float) -> float:
        return nearest_of(lambda t: t.exp(), value)

    def log(self, value: float) -> float:
        return nearest_of(lambda t: t.log(), value)

    def sin(self, value: float) -> float:
        return nearest_of(lambda t: t.sin(), value)

    def cos(self, value: float) -> float:
        return nearest_of(lambda t: t.cos(), value)


def nearest_of(function: Callable[[Any], Any], value: float) -> float:
    """The float64 nearest to a function of a float64."""
    for bits in (128, 256, 512):
        with exact.precision(bits):
            low, high = exact.ends(function(flint.arb(value)))
        if exact.nearest_float(low) == exact.nearest_float(high):
            return exact.nearest_float(low)
    return exact.nearest_float((low + high) / 2)  # an exact value, such as exp(0)


def transpose(A: Rows) -> Rows:
    return [list(column) for column in zip(*A, strict=True)]


def add(x: Column, y: Column) -> Column:
    return [a + b for a, b in zip(x, y, strict=True)]


def subtract(x: Column, y: Column) -> Column:
    return [a - b for a, b in zip(x, y, strict=True)]


def scaled(s: Any, x: Column) -> Column:
    return [s * a for a in x]
