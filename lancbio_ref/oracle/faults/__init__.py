"""Faults by name: known ways to be wrong, each an edit of the textbook, with symptom, cause and remedy.

>>> from lancbio_ref.oracle.faults import CATALOGUE, fault
>>> len(CATALOGUE) >= 30
True
>>> print(fault("L03").describe())
L03 β_j q_{j−1} not subtracted
  symptom: α_1, β_2 and α_2 are right (q_1 ⊥ q_2); β_3 is the first that is wrong, and all that follows
  cause: A q − β q_{j−1} is computed into a variable that nobody uses: two terms instead of three
  remedy: u_j = A q_j − β_j q_{j−1}, and go on with u_j
  correct: u = A @ q - beta * q_before  # u_j = A q_j − β_j q_{j−1}
  wrong:   u = A @ q  # u_j = A q_j − β_j q_{j−1}
"""

from __future__ import annotations

from ...arguments import as_choice
from . import baselines, hypergradient, lanczos, solve, trace, tridiagonal
from .base import Fault

CATALOGUE: tuple[Fault, ...] = (
    *solve.FAULTS,
    *tridiagonal.FAULTS,
    *hypergradient.FAULTS,
    *lanczos.FAULTS,
    *trace.FAULTS,
    *baselines.FAULTS,
)

_BY_ID = {entry.id: entry for entry in CATALOGUE}

__all__ = ["CATALOGUE", "Fault", "fault"]


def fault(id: str) -> Fault:
    """The fault with this id; :class:`~lancbio_ref.errors.ArgumentError` where there is none."""
    return _BY_ID[as_choice("fault", id, _BY_ID)]
