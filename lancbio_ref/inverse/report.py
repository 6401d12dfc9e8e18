"""What an inverse strategy returns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..krylov import SolveReport
from ..status import SolveStatus


@dataclass(frozen=True)
class InverseReport:
    """v ≈ A⁻¹b and how it was reached; unpacks as ``v, status``.

    Attributes
    ----------
    v : ndarray, shape (n_y,)
    status : SolveStatus
    residual : ndarray or None
        b − A v, if the strategy evaluated it.
    solve : SolveReport or None
        The Lanczos solve behind it.
    suspect : ndarray or None
        A vector whose Rayleigh quotient seems to lie below the `mu` in doubt.
    direction : ndarray or None
        With INDEFINITE: the verified direction of negative curvature.
    condition_estimate : float
        λ_max/λ_min as far as the strategy saw it; inf where it did not.
    """

    v: np.ndarray
    status: SolveStatus
    residual: np.ndarray | None = None
    solve: SolveReport | None = None
    suspect: np.ndarray | None = None
    direction: np.ndarray | None = None
    condition_estimate: float = np.inf

    def __iter__(self) -> Iterator[np.ndarray | SolveStatus]:
        return iter((self.v, self.status))
