"""Generalized linear models whose penalties and sample weights are learned: one family, a file a part.

:mod:`.family` is the door, :mod:`.problem` the two levels, :mod:`.losses`, :mod:`.penalty` and :mod:`.weighting` what
they are made of, :mod:`.samples` the data and a fit of them, :mod:`.ball` the constants of a ball around y.
"""

from .family import generalized_linear
from .losses import LOSSES, Huber, Loss, Multinomial, ScalarLoss
from .problem import GeneralizedLinearProblem

__all__ = [
    "LOSSES",
    "GeneralizedLinearProblem",
    "Huber",
    "Loss",
    "Multinomial",
    "ScalarLoss",
    "generalized_linear",
]
