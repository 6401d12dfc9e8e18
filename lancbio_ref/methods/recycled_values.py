"""The values of φ that recycled Krylov–Newton compares, and how far they may be wrong.

    φ̂ = f − vᵀ∇_y g,     φ̂ − φ = ½ eᵀW e − wᵀA e + third order,     |φ̂ − φ| ≈ ½ G_yy E_y² + E_v E_y

with e = y − y*, w = v − A⁻¹b, W = (b − A v)′ along y. That holds as far as H knows A, and as far as A at y is A at y*:
where A is tiny along e, a small E_y is a long way, on which the A of a log-likelihood changes by orders of magnitude.
So both are looked at where y* seems to be, δ = −H∇_y g from y,

    φ̂(y + δ) = φ̂ − δᵀr + ½ G_yy ‖δ‖_A²        G_yy along the error itself: of f, and of all else that changes with y
    θ = E_y(y + δ)/E_y                        what y ← y − H∇_y g leaves: the error is about E_y/(1 − θ), not E_y

for one gradient ∇_y g and one value of f. Where that says that φ̂ is too wrong for the step that it judges, y is solved
further and looked at again; the value at the x that is left is judged the same way, with the H of today.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LancbioError
from ..inverse.recycled import Adjoint, Levels, Lower
from ..krylov.recycled import RecycledInverse
from ..rounding import unit_roundoff
from .recycled_model import Gains

if TYPE_CHECKING:
    from ..linearization import Linearization
    from .recycled_state import RecycledNewtonState

UNITS = 200  # of rounding that φ̂ may be wrong by in any case
SHARE = 0.05  # of the predicted decrease: what ½ G_yy E_y² is allowed; the whole error of φ̂ is allowed twice that
LOOKS = 4  # at x + s, y solved further between them
NEARER = 0.3  # of E_y: what is asked for there at most
MOST_PRODUCTS = 1000  # of the lower level at x + s: a step that costs more is too long


@dataclass(frozen=True)
class Better:
    """A better y at the x that is left, f there, and H with what that taught."""

    lower: Lower
    value: float
    H: RecycledInverse


class Values:
    """φ̂ at the two ends of a step.

    Parameters
    ----------
    levels : Levels
    state : RecycledNewtonState
        The new one: judged by its gains, which are renewed; `n_value` is counted up.
    """

    def __init__(self, levels: Levels, state: RecycledNewtonState) -> None:
        self.levels, self.state = levels, state
        self.last: tuple[np.ndarray, float] | None = None  # y and f there, at the x that was evaluated last
        self.here: Better | None = None

    def at(self, x: np.ndarray, lower: Lower, v: np.ndarray) -> float:
        """φ̂ = f − vᵀ∇_y g."""
        if self.last is None or self.last[0] is not lower.y:
            self.last = lower.y, self._value(x, lower.y)
        return self.last[1] - float(v @ lower.gradient)

    def rounding(self, y: np.ndarray, v: np.ndarray, phi: float) -> float:
        """What φ̂ is wrong by in any case: that of f, and of vᵀ∇_y g, where ∇_y g rounds like diag(A)∘y."""
        H = self.levels.H
        of_g = float(np.abs(v) @ (np.abs(H.d + H.e) * np.abs(y)))
        return UNITS * unit_roundoff(y.dtype) * (abs(phi) + of_g)

    def share(self, decrease: float) -> float:
        """What ½ G_yy E_y² may be, where `decrease` is predicted."""
        return SHARE * self.state.tightness * decrease

    def energy(self, decrease: float) -> float:
        """The E_y with G_yy E_y² at its share, which leaves half of it."""
        return math.sqrt(self.share(decrease) / max(self.state.gains.most, 1.0))

    # -- at x + s ----------------------------------------------------------------------------

    def trusted(
        self, x: np.ndarray, lower: Lower, adjoint: Adjoint, point: Linearization, decrease: float, noise: float,
        energy_v: float,
    ) -> tuple[Lower, Adjoint, Linearization]:  # fmt: skip
        """y and v, with y solved further until φ̂ there is good enough for `decrease`, as far as can be seen beyond y.

        Parameters
        ----------
        noise : float
            What φ̂ is wrong by in any case.
        energy_v : float
            The E_v that is asked for.
        """
        levels, state = self.levels, self.state
        for _ in range(LOOKS):
            state.gains = self._beyond(x, lower, adjoint, noise)
            share, energy = self.share(decrease), levels.H.energy(lower.gradient)
            if not state.gains.error_of_phi(energy, adjoint.energy) > 2 * share:
                break
            of_v = share / adjoint.energy if adjoint.energy > 0 else math.inf
            better = levels.lower(x, lower.y, min(self.energy(decrease), of_v, NEARER * energy), products=MOST_PRODUCTS)
            if better.y is lower.y:  # rounding allows no more
                break
            lower, point = better, levels.linearize(x, better.y)
            levels.at(point.A)
            adjoint = levels.adjoint(point, adjoint.v, energy_v)
        return lower, adjoint, point

    def _beyond(self, x: np.ndarray, lower: Lower, adjoint: Adjoint, noise: float) -> Gains:
        """The gains, with G_yy and θ along δ = −H∇_y g."""
        H, gains = self.levels.H, self.state.gains
        z, square = H.apply(lower.gradient)
        try:
            gradient = self.levels.gradient(x, there := lower.y - z)
            rest = self._value(x, there) - float(adjoint.v @ gradient) - float(z @ adjoint.residual)
        except LancbioError:  # where nothing can be evaluated, y* is not
            return replace(gains, moved=0.0, left=1.0)
        left = H.energy(gradient) / math.sqrt(square) if square > 0 else 0.0
        rest, size = abs(rest - self.at(x, lower, adjoint.v)), float(z @ (lower.gradient - gradient))  # ‖δ‖_A²
        moved = 2 * rest / size if size > 0 and noise < rest < math.inf else 0.0
        return replace(gains, moved=moved, left=left if left < 1 else 1.0)

    # -- at the x that is left -----------------------------------------------------------------

    def at_home(self, A: Any, decrease: float) -> float:
        """φ̂ at the state's x; with a better y where, by what H knows now, φ̂ is too wrong for `decrease`."""
        levels, state = self.levels, self.state
        assert state.direction_y is not None
        share, energy_v = self.share(decrease), levels.H.energy(state.r)
        if not state.gains.error_of_phi(levels.H.energy(state.direction_y), energy_v) > 2 * share:
            return state.phi
        H, contraction = levels.H, levels.contraction
        levels.H = copy.copy(H)
        levels.at(A)
        wanted = min(self.energy(decrease), share / energy_v if energy_v > 0 else math.inf)
        lower = levels.lower(state.x, state.y, wanted)
        value = self._value(state.x, lower.y)
        self.here = Better(lower, value, levels.H)
        levels.H, levels.contraction = H, contraction
        return value - float(state.v @ lower.gradient)

    def _value(self, x: np.ndarray, y: np.ndarray) -> float:
        self.state.n_value += 1
        return float(self.levels.problem.value(x, y))
