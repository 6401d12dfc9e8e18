"""The two levels of a problem as their users write them down, and what bounds how fast they change."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arguments import as_callable, as_number
from .rounding import Proven

Field = Callable[[np.ndarray, np.ndarray], Any]


@dataclass(frozen=True)
class UpperLevel:
    """f(x, y) and its partial gradients.

    Parameters
    ----------
    value : callable (x, y) → float
        f.
    grad_x, grad_y : callable (x, y) → array of shape (n_x,), (n_y,)
        ∇_x f and ∇_y f.
    """

    value: Field
    grad_x: Field
    grad_y: Field

    def __post_init__(self) -> None:
        for name in ("value", "grad_x", "grad_y"):
            as_callable(f"UpperLevel.{name}", getattr(self, name))


@dataclass(frozen=True)
class LowerLevel:
    """g(x, y): its gradient, second derivatives and what is known of its shape.

    Parameters
    ----------
    grad_y : callable (x, y) → array of shape (n_y,)
        ∇_y g.
    hessian : callable (x, y) → operator of shape (n_y, n_y)
        A = ∇²_yy g.
    cross : callable (x, y) → operator of shape (n_x, n_y)
        J = ∇²_xy g; ``rmatvec`` is needed only where a method says so.
    value : callable (x, y) → float, optional
        g, for checks and diagnostics.
    grad_x : callable (x, y) → array of shape (n_x,), optional
        ∇_x g, for the methods that use no second derivatives.
    mu : float or callable (x, y) → float or None, optional
        A lower bound of the strong-convexity modulus of g(x, ·) over *all* y, and of the spectrum of A as `hessian`
        computes it.
    smoothness : float or callable (x, y) → float or None, optional
        An upper bound of ‖A‖₂.
    cross_norm : float or callable (x, y) → float or None, optional
        An upper bound of ‖J‖₂.
    preconditioner : callable (x, y) → operator of shape (n_y, n_y), optional
        M ≈ A⁻¹, symmetric positive definite.
    """

    grad_y: Field
    hessian: Field
    cross: Field
    value: Field | None = None
    grad_x: Field | None = None
    mu: float | Field | None = None
    smoothness: float | Field | None = None
    cross_norm: float | Field | None = None
    preconditioner: Field | None = None

    def __post_init__(self) -> None:
        for name in ("grad_y", "hessian", "cross"):
            as_callable(f"LowerLevel.{name}", getattr(self, name))
        for name in ("value", "grad_x", "preconditioner"):
            as_callable(f"LowerLevel.{name}", getattr(self, name), optional=True)
        for name in ("mu", "smoothness", "cross_norm"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                bounds = {"above": 0.0} if name == "mu" else {"least": 0.0}
                object.__setattr__(self, name, as_number(f"LowerLevel.{name}", value, **bounds))


@dataclass(frozen=True)
class LipschitzConstants:
    """Lipschitz constants in y, over all y, at any x that is used (see `lower_level_bound`).

    Parameters
    ----------
    fx, fy : float
        Of ∇_x f(x, ·) and ∇_y f(x, ·).
    gxy, gyy : float
        Of ∇²_xy g(x, ·) and ∇²_yy g(x, ·), in the 2-norm; both are 0 when g is quadratic in y and x enters linearly.
    """

    fx: float
    fy: float
    gxy: float
    gyy: float

    def __post_init__(self) -> None:
        for name in ("fx", "fy", "gxy", "gyy"):
            object.__setattr__(self, name, as_number(f"LipschitzConstants.{name}", getattr(self, name), least=0.0))


def finite(bound: float) -> Proven | None:
    """A proven bound; one that overflows says nothing."""
    return Proven(bound) if bound < math.inf else None


def proven_constants(fx: float, fy: float, gxy: float, gyy: float) -> LipschitzConstants | None:
    """All four proven, or None where one is larger than any float."""
    if not max(fx, fy, gxy, gyy) < math.inf:
        return None
    new = object.__new__(LipschitzConstants)  # numbers that nobody has to look at again
    new.__dict__.update(fx=Proven(fx), fy=Proven(fy), gxy=Proven(gxy), gyy=Proven(gyy))
    return new
