"""The losses of a generalized linear model, a file each.

A new one is a file with a :class:`ScalarLoss` and its line in `LOSSES`; everything else follows from what it says.
"""

from __future__ import annotations

from ....arguments import as_choice
from ....errors import ArgumentError
from .base import ScalarLoss
from .huber import Huber
from .logistic import Logistic
from .multinomial import Multinomial
from .poisson import Poisson
from .squared import Squared
from .squared_hinge import SquaredHinge

LOSSES: dict[str, type[ScalarLoss]] = {loss.name: loss for loss in (Squared, Logistic, Poisson, Huber, SquaredHinge)}
Loss = ScalarLoss | Multinomial

__all__ = [
    "LOSSES",
    "Huber",
    "Logistic",
    "Loss",
    "Multinomial",
    "Poisson",
    "ScalarLoss",
    "Squared",
    "SquaredHinge",
    "as_loss",
]


def as_loss(loss: str | Loss, n_classes: int) -> Loss:
    """A loss by its name, or one that is one already; `n_classes` for ``"multinomial"``."""
    if isinstance(loss, (ScalarLoss, Multinomial)):
        return loss
    if not isinstance(loss, str):
        raise ArgumentError("loss", repr(loss), "a name or a ScalarLoss")
    as_choice("loss", loss, (*LOSSES, Multinomial.name))
    return Multinomial(n_classes) if loss == Multinomial.name else LOSSES[loss]()
