"""What the outer loops ask of a problem or a sequence, and their options, in any arithmetic.

A *source* gives what an iteration needs: ``gy``, ``gx``, ``fx``, ``fy`` and ``point(k, x, y) → (A, J, b, c)``. A *row*
is a dict of what iteration k computed, its numbers still scalars of the arithmetic.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .arithmetic import Arithmetic, Column, Rows

Row = dict[str, Any]


class FromProblem:
    """A problem: the point of iteration k is that at (x_k, y_k)."""

    has_levels = True

    def __init__(self, problem: Any) -> None:
        self.at, self.problem = problem.at, problem
        self.gx, self.gy, self.fx, self.fy = problem.gx, problem.gy, problem.fx, problem.fy

    def point(self, k: int, x: Column, y: Column) -> tuple[Rows, Rows, Column, Column]:
        P = self.problem
        return P.A(x, y), P.J(x, y), P.fy(x, y), P.fx(x, y)


class FromSequence:
    """A_k, J_k, b_k, c_k given outright; x and y stay where they are."""

    has_levels = False

    def __init__(self, at: Arithmetic, sequence: dict[str, list[Any]]) -> None:
        self.at = at
        self.A, self.J = ([at.rows(entry) for entry in sequence[key]] for key in "AJ")
        self.b, self.c = ([at.column(entry) for entry in sequence[key]] for key in "bc")

    def point(self, k: int, x: Column, y: Column) -> tuple[Rows, Rows, Column, Column]:
        return self.A[k - 1], self.J[k - 1], self.b[k - 1], self.c[k - 1]


class Options:
    """Options in an arithmetic: Fractions become scalars, integers stay."""

    def __init__(self, at: Arithmetic, options: dict[str, Any]) -> None:
        self.at, self.exact = at, options

    def __getattr__(self, name: str) -> Any:
        value = self.exact[name]
        return self.at.number(value) if isinstance(value, Fraction) else value

    def decayed(self, step: str, decay: str, k: int) -> Any:
        """step/(k+1)^decay."""
        return self.__getattr__(step) / power(self.at, k + 1, self.exact[decay])


def power(at: Arithmetic, base: int, exponent: Fraction) -> Any:
    """base^exponent; through exp and log where it is no integer and no half."""
    if exponent.denominator == 1:
        return at.number(Fraction(base) ** int(exponent))
    if exponent.denominator == 2:
        return at.sqrt(at.number(Fraction(base) ** exponent.numerator))
    return at.exp(at.number(exponent) * at.log(at.number(Fraction(base))))
