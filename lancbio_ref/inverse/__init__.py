"""Strategies for v ≈ A⁻¹b, and the solution of the lower level."""

from .lower_level import LowerSolution, lower_solution
from .report import InverseReport
from .strategies import STRATEGIES, ConjugateGradientInverse, ExactInverse, LanczosInverse, NeumannInverse

__all__ = [
    "STRATEGIES",
    "ConjugateGradientInverse",
    "ExactInverse",
    "InverseReport",
    "LanczosInverse",
    "LowerSolution",
    "NeumannInverse",
    "lower_solution",
]
