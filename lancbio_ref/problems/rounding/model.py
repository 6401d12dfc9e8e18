"""Pieces that the derivations share; all numbers are float64 and rounded up."""

from __future__ import annotations

import math

from ...rounding import ROUND_UP, Proven, gamma


def chain(*errors: float) -> float:
    """Π(1 + ε_i) − 1: relative errors of ε_i one after another, rounded up."""
    total = 0.0
    for error in errors:
        total += error + total * error
    return total * ROUND_UP


def sums(k: int, u: float) -> float:
    """γ_k/(1 − γ_k): for a sum of absolute values that was itself computed with at most k roundings."""
    g = gamma(k, u)
    return g / (1 - g) * ROUND_UP if g < 1 else math.inf


def stretched(error: float) -> float:
    """e^ε − 1 ≥ |e^δ − 1| for |δ| ≤ ε: what an absolute error does to an exponential, relatively."""
    return math.expm1(error) * ROUND_UP if error < 700 else math.inf


def proven(*parts: float) -> Proven | None:
    """The sum of the parts, rounded up; None where that is no number."""
    for part in parts:  # a generator would take as long as all the rest
        if not part < math.inf:
            return None
    total = math.fsum(parts) * ROUND_UP
    return Proven(total) if total < math.inf else None
