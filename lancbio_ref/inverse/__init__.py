"""Strategies for v ≈ A⁻¹b."""

from .strategies import STRATEGIES, ConjugateGradientInverse, ExactInverse, LanczosInverse, NeumannInverse

__all__ = [
    "STRATEGIES",
    "ConjugateGradientInverse",
    "ExactInverse",
    "LanczosInverse",
    "NeumannInverse",
]
