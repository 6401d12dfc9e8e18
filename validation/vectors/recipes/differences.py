"""Derivatives of f and g by central differences at several hundred digits: a route that knows no formula for them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .arithmetic import Column, Digits, Rows
from .problems import Formulas


@dataclass
class Differences:
    """The derivatives of f and g by central differences with step 10^-h at several hundred digits.

    First derivatives err by about 10^-2h, second ones by that and by 10^{2h − digits} of rounding.
    """

    problem: Formulas
    h: int = 60

    def __post_init__(self) -> None:
        if not isinstance(self.problem.at, Digits):
            raise TypeError("differences need mpmath's digits")
        self.at = self.problem.at
        self.step = self.at.number(Fraction(1, 10**self.h))

    def moved(self, z: Column, i: int, sign: int) -> Column:
        return [t + sign * self.step if j == i else t for j, t in enumerate(z)]

    def first(self, function: Any, x: Column, y: Column, which: str) -> Column:
        def value(i: int, sign: int) -> Any:
            if which == "x":
                return function(self.moved(x, i, sign), y)
            return function(x, self.moved(y, i, sign))

        return [(value(i, 1) - value(i, -1)) / (2 * self.step) for i in range(len(x if which == "x" else y))]

    def fx(self, x: Column, y: Column) -> Column:
        return self.first(self.problem.f, x, y, "x")

    def fy(self, x: Column, y: Column) -> Column:
        return self.first(self.problem.f, x, y, "y")

    def gx(self, x: Column, y: Column) -> Column:
        return self.first(self.problem.g, x, y, "x")

    def gy(self, x: Column, y: Column) -> Column:
        return self.first(self.problem.g, x, y, "y")

    def A(self, x: Column, y: Column) -> Rows:
        g, s = self.problem.g, self.step
        middle = g(x, y)
        n = len(y)
        A: Rows = [[middle] * n for _ in range(n)]
        ends = [(g(x, self.moved(y, i, 1)), g(x, self.moved(y, i, -1))) for i in range(n)]
        for i in range(n):
            A[i][i] = (ends[i][0] - 2 * middle + ends[i][1]) / (s * s)
            for j in range(i):
                both = g(x, self.moved(self.moved(y, i, 1), j, 1)) + g(x, self.moved(self.moved(y, i, -1), j, -1))
                single = ends[i][0] + ends[i][1] + ends[j][0] + ends[j][1]
                A[i][j] = A[j][i] = (both - single + 2 * middle) / (2 * s * s)
        return A

    def J(self, x: Column, y: Column) -> Rows:
        g, s = self.problem.g, self.step
        return [
            [
                (
                    g(self.moved(x, i, 1), self.moved(y, j, 1))
                    - g(self.moved(x, i, 1), self.moved(y, j, -1))
                    - g(self.moved(x, i, -1), self.moved(y, j, 1))
                    + g(self.moved(x, i, -1), self.moved(y, j, -1))
                )
                / (4 * s * s)
                for j in range(len(y))
            ]
            for i in range(len(x))
        ]
