"""The checks by name, and the share of the time that each gets."""

from __future__ import annotations

from . import linear, points, pointwise, products, proofs, solve
from .harness import Check

FUNCTIONS = {
    "operators": (products.check, 1.0),
    "linear": (linear.check, 2.0),
    "lower": (points.check_lower, 4.0),
    "gradient": (points.check_gradient, 3.0),
    "value": (points.check_value, 6.0),
    "mu": (proofs.check_mu, 1.0),
    "enclose": (proofs.check_enclose, 1.0),
    "solve": (solve.check, 1.0),
    "pointwise": (pointwise.check, 1.0),
}
NAMES = tuple(FUNCTIONS)


def make(names: list[str] | tuple[str, ...] = NAMES) -> list[Check]:
    """New checks, in this order."""
    return [Check(name, *FUNCTIONS[name]) for name in names]
