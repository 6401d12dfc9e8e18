"""One log-penalty c that all coefficients share: the best of a grid, and the least φ between two of its points.

    c₀, c₁, …  from strong to weak, until φ has risen for good
    between a and b with φ′(a) < 0 < φ′(b):  the least value of the cubic through φ and φ′ at the two newest points, the
    zero of the line through φ′ where these are near each other, or the middle where that is outside (a, b)

φ is flat where penalties all but vanish: its slope alone would call that a minimum. So the two grid points are looked
for that the slope says a minimum is between. (The cubic: J. Nocedal and S. J. Wright, *Numerical Optimization*, 2nd
ed., equation 3.59.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

SCAN, BISECTIONS = 11, 3
RISEN = 1.05  # times the least value, and falling the other way at two points in turn: overfitted for good
NEAR = 0.1  # of log-penalties, from which values say less than slopes
WIDTH = 1e-10  # of an interval of log-penalties with nothing more in it


class Point(NamedTuple):
    """φ and φ′ at c."""

    value: float
    c: float
    slope: float


Evaluated = Callable[[float], Point]


def scanned(evaluate: Evaluated, low: float, high: float) -> tuple[Point, Point | None]:
    """The best of a grid from `high` to `low`, each fit started from the one before; and a neighbour of it, if any,
    such that a minimum is between."""
    points: list[Point] = []
    for c in np.linspace(high, low, SCAN):
        points.append(evaluate(float(c)))
        enough = RISEN * min(points).value + 1e-12 * abs(points[0].value)
        if len(points) > 3 and points[-1].value > enough and max(points[-1].slope, points[-2].slope) < 0:
            break
    best = points.index(min(points))
    other = best - 1 if points[best].slope < 0 else best + 1  # the grid falls
    if not (0 <= other < len(points) and points[best].slope * points[other].slope < 0):
        return points[best], None
    return points[best], points[other]


def halved(evaluate: Evaluated, one: Point, other: Point) -> Point:
    """The best of `one` and `BISECTIONS` points of bisections by the slope."""
    left, right, best = min(one.c, other.c), max(one.c, other.c), one
    for _ in range(BISECTIONS):
        middle = evaluate(0.5 * (left + right))
        best = min(best, middle)
        left, right = (middle.c, right) if middle.slope < 0 else (left, middle.c)
    return best


def least_between(evaluate: Evaluated, one: Point, other: Point, tol: float, most: int) -> tuple[Point, int, str]:
    """A point between with |φ′| ≤ tol; the evaluations, and why they ended."""
    left, right = sorted((one, other), key=lambda point: point.c)
    last, new = other, one
    for n in range(most):
        width = right.c - left.c
        if abs(new.slope) <= tol or width <= WIDTH:
            return new, n, "CONVERGENCE: a zero of the slope between two penalties"
        guess = _guess(last, new)
        if not left.c < guess < right.c:
            guess = 0.5 * (left.c + right.c)
        last, new = new, evaluate(guess)
        left, right = (new, right) if new.slope < 0 else (left, new)
        if right.c - left.c > 0.5 * width and abs(new.slope) > 0.5 * abs(last.slope):  # neither way was fast
            last, new = new, evaluate(0.5 * (left.c + right.c))
            left, right = (new, right) if new.slope < 0 else (left, new)
    return new, most, "STOP: as many evaluations as max_iter"


def _guess(a: Point, b: Point) -> float:
    """Where φ is least, by two points."""
    if abs(b.c - a.c) >= NEAR:
        d = a.slope + b.slope - 3 * (a.value - b.value) / (a.c - b.c)
        square = d * d - a.slope * b.slope
        root = math.copysign(math.sqrt(square), b.c - a.c) if square >= 0 else math.nan
        below = b.slope - a.slope + 2 * root
        return b.c - (b.c - a.c) * (b.slope + root - d) / below if below else math.nan
    rise = b.slope - a.slope
    return b.c - (b.c - a.c) * b.slope / rise if rise else math.nan
