"""The state of recycled Krylov–Newton: every quantity of its iteration, at the x that was accepted last."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..krylov.recycled import RecycledInverse
from .base import State
from .recycled_model import Gains

if TYPE_CHECKING:
    from ..hypergradient_result import HyperGradient


def _nothing() -> np.ndarray:
    return np.zeros(0)


@dataclass
class RecycledNewtonState(State):
    """The state of the method; x_next is x, at which y, v, h, b, c and all below belong.

    Attributes
    ----------
    r : ndarray, shape (n_y,)
        b − A v.
    energy_y, energy_v : float
        E_y and E_v.
    gains : Gains
        G_y, G_v, G_yy and θ.
    error : float
        G_y E_y + G_v E_v, an estimate of ‖h − ∇φ(x)‖.
    phi : float
        φ̂.
    error_phi : float
        ½ G_yy E² + E_v E, E = E_y/(1 − θ), an estimate of |φ̂ − φ(x)|.
    first_norm : float
        ‖h_0‖.
    radius : float
        Δ.
    tightness : float
        What ζ and the share of φ̂ are multiplied with: 1, and less after refused steps.
    s : ndarray, shape (n_x,)
        The last step that was tried.
    predicted, ratio : float
        hᵀs + ½ sᵀB s and ρ of it; ρ is −inf where nothing could be evaluated at x + s.
    accepted : bool
        Whether x moved.
    failed : str
        Why nothing is known at x + s, or was known at another step since x moved: "evaluation" or "lower level".
    n_inner : int
        Products B u of the last subproblem.
    edge : str
        How its iteration ended, see :class:`~lancbio_ref.methods.recycled_model.ModelStep`.
    quiet : int
        Subproblems that ended at the edge of quiet entries alone, |h_i| at most a hundredth of the largest.
    H, M : RecycledInverse or None
        What is kept of A and of ∇²φ.
    contraction : float
        What y ← y − H∇_y g last made of E_y.
    differences : bool
        Whether J has no adjoint, so that Jᵀu comes from differences of ∇_y g.
    n_value : int
        Values of f.
    idle : int
        Accepted steps since φ̂ or ‖h‖ last reached a new low.
    lowest : (float, float)
        These lows.
    start : ndarray, shape (n_x,)
        x_0.
    direction : ndarray or None
        With UNBOUNDED: where x runs, (x − x_0)/‖x − x_0‖. With INDEFINITE: p with pᵀA p ≤ 0.
    proof : HyperGradient or None
        h with its certificate at the last x, where an end was tried to be proven.
    """

    r: np.ndarray = field(default_factory=_nothing)
    energy_y: float = math.inf
    energy_v: float = math.inf
    gains: Gains = field(default_factory=Gains)
    error: float = math.inf
    phi: float = math.inf
    error_phi: float = math.inf
    first_norm: float = 0.0
    radius: float = 0.0
    tightness: float = 1.0
    s: np.ndarray = field(default_factory=_nothing)
    predicted: float = 0.0
    ratio: float = 1.0
    accepted: bool = True
    failed: str = ""
    n_inner: int = 0
    edge: str = ""
    quiet: int = 0
    H: RecycledInverse | None = None
    M: RecycledInverse | None = None
    contraction: float = 1.0
    differences: bool = False
    n_value: int = 0
    idle: int = 0
    lowest: tuple[float, float] = (math.inf, math.inf)
    start: np.ndarray = field(default_factory=_nothing)
    direction: np.ndarray | None = None
    proof: HyperGradient | None = None
