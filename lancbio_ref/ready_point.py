"""A point of a problem all of which this package has made: what its hyper-gradient is formed of without a question.

Where :class:`~lancbio_ref.linearization.Linearization` counts, checks and waits until it is asked, a ready point has
everything: A and J whose rounding is known, vectors that are finite and of one type, numbers that are proven. It serves
one hyper-gradient whose solve ends as it should; for anything else the linearization is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .kernels import BLOCK
from .operators import StructuredOperator
from .rounding import Proven, is_finite

if TYPE_CHECKING:
    from .problem import LipschitzConstants

FORMED = ("lower.hessian", "lower.cross", "upper.grad_y", "upper.grad_x", "lower.grad_y")
ASKED = (*FORMED, "lower.mu", "lower.smoothness", "lower.cross_norm")


@dataclass(slots=True)
class ReadyPoint:
    """A, J, b, c at (x, y) and all that their certificate rests on.

    Attributes
    ----------
    A, J : StructuredOperator, shapes (n_y, n_y) and (n_x, n_y)
    b, gradient : ndarray, shape (n_y,)
        ∇_y f and ∇_y g.
    c : ndarray, shape (n_x,)
        ∇_x f.
    mu, norm_A, norm_J : Proven
    lipschitz : LipschitzConstants
    errors : tuple of Proven
        ε_g, ε_A, ε_J, ε_b and ε_c.
    asked : tuple of str
        The names under which a linearization would have counted all that.
    """

    A: StructuredOperator
    J: StructuredOperator
    b: np.ndarray
    c: np.ndarray
    gradient: np.ndarray
    mu: Proven
    norm_A: Proven
    norm_J: Proven
    lipschitz: LipschitzConstants
    errors: tuple[float, ...]
    asked: tuple[str, ...]

    @classmethod
    def of(
        cls,
        A: StructuredOperator,
        J: StructuredOperator,
        b: np.ndarray,
        c: np.ndarray,
        gradient: np.ndarray,
        mu: Proven | None,
        norm_A: Proven | None,
        norm_J: Proven | None,
        lipschitz: LipschitzConstants | None,
        errors: tuple[float | None, ...],
        asked: tuple[str, ...],
        *,
        looked_at: bool = False,
    ) -> ReadyPoint | None:
        """The point, where nothing is missing or infinite; else None. Where `looked_at`, b and ∇_y g are finite."""
        if mu is None or norm_A is None or norm_J is None or lipschitz is None or None in errors:
            return None
        alike = A.dtype == J.dtype == b.dtype == c.dtype == gradient.dtype
        short = b.size == gradient.size == A.shape[0] <= BLOCK and c.size == J.shape[0] <= BLOCK
        if not (alike and short and (looked_at or (is_finite(b) and is_finite(gradient)))):
            return None
        return cls(A, J, b, c, gradient, mu, norm_A, norm_J, lipschitz, errors, asked)  # type: ignore[arg-type]

    def count(self, calls: dict[str, int], products: int) -> None:
        """Add to `calls` what was asked for, `products` with A and one with J.   Writes calls."""
        for name in self.asked:
            calls[name] = calls.get(name, 0) + 1
        for name, made in (("lower.hessian(x, y) @ v", products), ("lower.cross(x, y) @ v", 1)):
            calls[name] = calls.get(name, 0) + made
