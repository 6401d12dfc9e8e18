"""Strategies for v ≈ A⁻¹b, and the solution of the lower level."""

from .lower_level import LowerSolution, lower_solution
from .strategies import STRATEGIES, ConjugateGradientInverse, ExactInverse, LanczosInverse, NeumannInverse

__all__ = [
    "STRATEGIES",
    "ConjugateGradientInverse",
    "ExactInverse",
    "LanczosInverse",
    "LowerSolution",
    "NeumannInverse",
    "lower_solution",
]
