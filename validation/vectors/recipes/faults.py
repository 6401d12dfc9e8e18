"""Vectors that exist for one fault: on the others it does not show, or is not told from its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

from .. import exact
from ..random_bits import Bits, rows_of
from .dynamics import step_case
from .frame import diagonal, framed
from .quadratic import definite
from .quadratic_case import quadratic_case
from .system import Case
from .trace import TraceCase


def cases() -> Iterator[tuple[str, Any]]:
    for number, build in enumerate((square, larger_square, long_start, far_start, farther_start, outlier), 1):
        id = f"fault-{number:03d}"
        yield id, lambda id=id, build=build: build(id)
    for number, (shape, count, mu, step_x) in enumerate(STABLE, 1):
        id = f"fault-stable-{number:03d}"
        yield id, lambda id=id, spec=(shape, count, mu, step_x): stable(id, *spec)
    last = f"fault-stable-{len(STABLE) + 1:03d}"
    yield last, lambda: stable_raised(last)


def quadratic(id: str, n: int, why: str, *, start: int = 1, q1: Any = None, added: int = 1) -> Case:
    """n_x = n_y = n; the entries of v_0 lie in [−start, start]."""
    bits = Bits(id)
    data = dict(
        A=definite(bits, n, 6, added),
        B=exact.matrix(rows_of(bits, n, n, -2, 2, 4)),
        d=exact.column(bits.dyadics(n, -2, 2, 4)),
        t=exact.column(bits.dyadics(n, -2, 2, 4)),
        rho=Fraction(1, 4),
    )
    x, y = exact.column(bits.dyadics(n, -2, 2, 4)), exact.column(bits.dyadics(n, -2, 2, 6))
    v0 = exact.column(bits.dyadics(n, -start, start, 4))
    parameters = {"n": n, "start": start, "added": added}
    options = {} if q1 is None else {"q1": q1(bits, n)}
    return quadratic_case(id, data, x, y, v0, parameters=parameters, why=why, recipe="faults", **options)


def square(id: str) -> Case:
    why = "n_x = n_y and J is far from symmetric: J in place of its transpose gives numbers, and wrong ones."
    return quadratic(id, 5, why)


def larger_square(id: str) -> Case:
    return quadratic(
        id, 8, "n_x = n_y and grad_y g is far from 0: grad_y g in place of J v gives numbers, and wrong ones."
    )


def long_start(id: str) -> Case:
    why = "q1 has the norm of a residual, not 1: the process starts with q1/||q1||."
    return quadratic(id, 6, why, q1=lambda bits, n: exact.column(bits.dyadics(n, -4, 4, 3)))


def far_start(id: str) -> Case:
    why = "v0 is far: a tolerance relative to ||b - A v0|| is met much before one relative to ||b||."
    return quadratic(id, 14, why, start=64)


def farther_start(id: str) -> Case:
    return quadratic(
        id, 18, "v0 is far, and many steps are needed: the tolerance is relative to ||b||.", start=64, added=2
    )


def outlier(id: str) -> Case:
    """1, 1 + 1/16, …, and 2^19; v_0 = 0, so that q_1 = b/‖b‖ leans on all eigenvectors alike."""
    A = diagonal([1 + Fraction(i, 16) for i in range(25)] + [Fraction(2**19)])
    why = "One eigenvalue far from the others: orthogonality, once lost, is lost entirely within two steps."
    zero = exact.column([Fraction(0)] * 26)
    return framed(id, "faults", A, 3, why, {"outlier": 2**19}, v0=zero)


# n_y = n_x, iterations, mu, lambda
STABLE = [(2, 3, "105/32", "1/8"), (2, 3, "27/8", "1/4")]


def stable(id: str, p: int, count: int, mu: str, step_x: str) -> TraceCase:
    why = "A moves and its smallest eigenvalue is below mu, so that the estimate H_yy differs from A from then on."
    case = step_case(
        id, "stable", "ridge", (p,), count, [0], changed={"mu": mu, "step_x": step_x}, why=why
    )  # fmt: skip
    return replace(case, recipe="faults", parameters={"shape": [p], "mu": mu, "step_x": step_x})


def stable_raised(id: str) -> TraceCase:
    """g with γ = 8 in place of ½: its sines make ∇²_yy g(z_3) indefinite, while ∇²_yy g(z_1) is definite."""
    why = "A_3 has an eigenvalue far below zero, where max(lambda, mu) is mu and |lambda| is not; or g is refused."
    steps = {"mu": "1/4", "step_x": "1/2", "step_y": "1/4"}
    case = step_case(id, "stable", "synthetic", (2,), 3, [0], changed=steps, why=why)
    name, data = case.problem  # type: ignore[misc]
    problem = name, {**data, "gamma": Fraction(8)}
    return replace(case, recipe="faults", parameters={"shape": [2], "gamma": 8}, problem=problem, result="acceptable")
