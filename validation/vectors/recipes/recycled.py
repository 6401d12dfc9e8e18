"""Traces of recycled Krylov–Newton: contradicting pairs, a full memory, refused steps, steps to the edge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .dynamics import case_of
from .trace import TraceCase

EQUATIONS = [
    "levels at x: N times A d = -grad_y g by Q preconditioned conjugate-gradient steps, y <- y + d; A d = b - A v by"
    " Q more, v <- v + d; h = c - J v; every pair (p, A p) is kept, the last `memory` of them",
    "H = S S^T + (I - S Y^T)(I/beta)(I - Y S^T), S^T Y = I, from the kept pairs, the newest first",
    "p = -H J^T u; w = ((c - J v, b - A v) at (x + t u, y + t p) - that at (x, y))/t; q = H w_y; B u = w_x - J q",
    "s by conjugate gradients on h^T s + (1/2) s^T B s, preconditioned by M (as H, of pairs (u, B u)); |s_i| <= radius",
    "rho = s^T (h + h_new)/(2 predicted): more than 1/10 accepts x + s; radius: max|s_i|/4, as it is, or doubled",
]
# problem, sizes, iterations, radius, N, Q, memory, why
CASES: list[tuple[str, tuple[int, ...], int, str, int, int, int, str]] = [
    ("synthetic", (5,), 4, "1", 1, 3, 12, "Four steps, all accepted: y, v and h follow x."),
    ("quadratic", (3, 9), 2, "1", 1, 2, 16, "A does not move: every pair of it is kept, whatever x it was made at."),
    ("ridge", (5,), 4, "1", 1, 3, 12, "A = B + diag(exp(x)) moves far: most old pairs contradict the newer ones."),
    ("logistic", (3, 2), 3, "1", 1, 3, 12, "n_x < n_y, and a radius that grows."),
    ("data-cleaning", (2, 2), 4, "1", 1, 2, 16, "n_x > n_y."),
    ("synthetic", (4,), 4, "4", 1, 3, 6, "A full memory after two systems; a poor step, and the radius shrinks."),
    ("ridge", (4,), 4, "4", 1, 2, 16, "Long steps: hardly a pair of another x agrees with the newest."),
    ("synthetic", (6,), 3, "1", 2, 3, 20, "Two Newton steps at every x."),
]  # fmt: skip

REFUSED: list[tuple[str, tuple[int, ...], int, str, int, int, int, str]] = [
    ("synthetic", (5,), 4, "4", 1, 2, 16, "The first step is refused: x, y, v and h stay; H learns from x + s."),
    ("logistic", (3, 2), 4, "4", 1, 3, 6, "A refused step to the edge of the trust region, between others."),
    ("data-cleaning", (2, 2), 4, "4", 1, 3, 6, "phi is level at a refused step, n_x > n_y, and the memory is small."),
]  # fmt: skip


def cases() -> Iterator[tuple[str, Any]]:
    for family, specs in (("problem", CASES), ("refused", REFUSED)):
        for number, spec in enumerate(specs, 1):
            id = f"recycled-{family}-{number:03d}"
            yield id, lambda id=id, spec=spec: recycled_case(id, *spec)


def recycled_case(
    id: str, problem: str, shape: tuple[int, ...], count: int, radius: str, inner: int, inverse: int, memory: int,
    why: str,
) -> TraceCase:  # fmt: skip
    options = {
        "radius": radius, "inner_steps": inner, "inverse_steps": inverse, "memory": memory, "difference": "1/131072",
    }  # fmt: skip
    made = case_of(id, "recycled-newton", problem, shape, count, options, EQUATIONS, why)
    return replace(made, recipe="recycled")
