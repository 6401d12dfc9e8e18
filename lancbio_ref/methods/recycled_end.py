"""How a run of recycled Krylov–Newton ends: with a proof, or with the reason why there is none; and its bounds on x.

CONVERGED   ‖h‖ + B ≤ tol, B ≥ ‖h − ∇φ(x)‖ the package's certificate at this (x, y, v); where no constants are known
            for one, B is the estimate G_y E_y + G_v E_v, or what h moves by when E_y and E_v shrink to a tenth, if that
            is more; the message says so
FLOOR       rounding hides h, or whether φ falls
UNBOUNDED   x runs away along a direction in which φ falls, to where it can not be evaluated, or beyond `ENORMOUS`
RADIUS      the trust region has shrunk to rounding, and no step was good
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import as_array
from ..errors import ArgumentError
from ..hypergradient import hypergradient_of
from ..hypergradient_result import HyperGradient
from ..inverse.recycled import Adjoint, Levels, Lower
from ..rounding import norm2, unit_roundoff
from ..status import SolveStatus

if TYPE_CHECKING:
    from ..linearization import Known, Linearization
    from .recycled_state import RecycledNewtonState

ENORMOUS = 1e16  # times the start, which is then beneath the last digit of x: no unit of measurement does that
IDLE = 25  # accepted steps without a new low of φ̂ or ‖h‖
ROUNDS = 5  # of tightening for a proof
LEAST = 1e-6  # of a part of B: a bound so far above tol is not one of the errors but of the constants
ROUNDING = 1e3  # units of c and J v, which h is the difference of
CLOSER = 0.1  # of E_y and E_v: where there is no bound, h is looked at once more so much nearer
MARGIN = 0.9  # of tol: what is left for B


@dataclass(frozen=True)
class Box:
    """l ≤ x ≤ u; ±inf where there is no bound."""

    low: np.ndarray
    high: np.ndarray

    def require(self, x: np.ndarray) -> None:
        """:class:`ArgumentError` where x lies outside."""
        if not ((self.low <= x) & (x <= self.high)).all():
            i = int(np.flatnonzero(~((self.low <= x) & (x <= self.high)))[0])
            raise ArgumentError("x0", f"{x[i]} at index {i}", f"within its bounds, {self.low[i]} and {self.high[i]}")

    def inside(self, x: np.ndarray) -> np.ndarray:
        """P(x)."""
        return np.clip(x, self.low, self.high)

    def steps(self, x: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the steps from x, |s_i| ≤ radius."""
        return np.maximum(self.low - x, -radius), np.minimum(self.high - x, radius)

    def reduced_norm(self, x: np.ndarray, h: np.ndarray) -> float:
        """‖x − P(x − h)‖₂, ‖h‖₂ where no bound acts; 0 exactly at a stationary point."""
        return norm2(np.clip(h, x - self.high, x - self.low))


def as_box(bounds: Any, x: np.ndarray) -> Box:
    """The box behind `bounds`, two numbers or arrays of the shape of x; None is no bounds."""
    if bounds is None:
        return Box(np.full(x.size, -np.inf, x.dtype), np.full(x.size, np.inf, x.dtype))
    expected = f"a pair of lower and upper bounds, numbers or of shape ({x.size},), ±inf where there is none"
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        raise ArgumentError("bounds", repr(bounds)[:80], expected)
    low, high = (as_array("bounds", part, expected) for part in bounds)
    for part in (low, high):
        if part.dtype.char not in "fd" or part.shape not in ((), x.shape) or np.isnan(part).any():
            raise ArgumentError("bounds", f"shape {part.shape}, dtype {part.dtype}", expected)
    low, high = (np.broadcast_to(part, x.shape).astype(x.dtype) for part in (low, high))
    if not (low <= high).all() or (low == np.inf).any() or (high == -np.inf).any():
        raise ArgumentError("bounds", "a lower bound above its upper bound", expected)
    return Box(low, high)


Ended = tuple[SolveStatus, str]


def ending(levels: Levels, state: RecycledNewtonState, point: Linearization, box: Box) -> Ended | None:
    """Status and message where the run is over after this iteration; y, v and h may be refined for the proof."""
    norm, tol = _reduced(state, box), state.tol
    if tol > 0 and norm + state.error <= MARGIN * tol:
        if proven := _prove(levels, state, point, box):
            return proven
        norm = _reduced(state, box)
    u, phi, known = (
        unit_roundoff(state.x.dtype),
        state.phi,
        f"||h|| = {norm:.3g}, its error estimated as {state.error:.2g}",
    )
    falls = phi < state.lowest[0] - 10 * u * abs(phi) or norm < 0.99 * state.lowest[1]
    state.lowest, state.idle = (
        (min(phi, state.lowest[0]), min(norm, state.lowest[1])),
        0 if falls else state.idle + state.accepted,
    )
    largest, start = (float(np.abs(x).max()) for x in (state.x, state.start))
    if largest >= ENORMOUS * max(1.0, start):
        return _unbounded(state, f"has grown beyond {ENORMOUS:g} times its start")
    if not state.accepted and state.radius <= 10 * u * max(1.0, largest):
        if state.failed == "evaluation" and largest > max(1.0, start):
            return _unbounded(state, "comes to where the problem cannot be evaluated")
        why = f"the trust region has shrunk to {state.radius:.2g} and no step is good"
        if state.failed == "lower level":  # at x + s = x to the last digits, where it had been solved
            return SolveStatus.FLOOR, f"{why}, for the lower level can be solved no better; {known}"
    elif state.idle >= IDLE:
        why = f"neither phi nor ||h|| has fallen in {IDLE} steps"
    else:
        return None
    return SolveStatus.FLOOR if norm <= 2 * state.error + _rounding(state) else SolveStatus.RADIUS, f"{why}; {known}"


def _rounding(state: RecycledNewtonState) -> float:
    """What rounding alone may leave of h = c − J v."""
    assert state.c is not None and state.h is not None
    return ROUNDING * unit_roundoff(state.x.dtype) * (norm2(state.c) + norm2(state.c - state.h))


def _reduced(state: RecycledNewtonState, box: Box) -> float:
    assert state.h is not None
    return box.reduced_norm(state.x, state.h)


def _unbounded(state: RecycledNewtonState, what: str) -> Ended:
    way = state.x - state.start
    state.direction = way / norm2(way)
    return SolveStatus.UNBOUNDED, (
        f"phi falls to {state.phi:.6g} while x {what}: ||x|| = {norm2(state.x):.3g}, along the state's `direction`"
    )


def _prove(levels: Levels, state: RecycledNewtonState, point: Linearization, box: Box) -> Ended | None:
    """CONVERGED where ‖h‖ + B ≤ tol, with y and v made as accurate as that needs; None where ‖h‖ is too large then."""
    last, tol = math.inf, state.tol
    for _ in range(ROUNDS):
        state.proof = found = _certified(levels, state, point)
        norm = _reduced(state, box)
        if not norm <= MARGIN * tol:
            return None
        known = f"after {state.k} iterations"
        if found is None:
            why, before = "no bound is known without mu and Lipschitz constants", state.h
            _refine(levels, state, point, (1.0, 1.0), 2 * CLOSER)
            assert state.h is not None and before is not None
            state.error = max(state.error, norm2(state.h - before))
            if not _reduced(state, box) + state.error <= tol:
                return None
            norm = _reduced(state, box)
            break
        parts = found.lower_level_bound, found.error_bound
        if norm + sum(parts) <= tol:
            weakest = min(found.certificate.error, found.certificate.lower_level)
            return (
                SolveStatus.CONVERGED,
                f"||grad phi|| <= {norm + sum(parts):.3g} ({weakest}), tol = {tol:.3g}, {known}",
            )
        why = f"the certificate says {norm + sum(parts):.3g} ({found.certificate.error})"
        goal = 0.4 * (tol - norm)
        if sum(parts) > 0.5 * last or goal < LEAST * max(parts):
            why += ", which more solving does not bring down to tol"
            break
        last = sum(parts)
        point = _refine(levels, state, point, parts, goal)
    return SolveStatus.CONVERGED, (
        f"||grad phi|| = {norm:.3g} to about {state.error:.2g}, tol = {tol:.3g}, {known}; estimated, not proven: {why}"
    )


def _refine(
    levels: Levels, state: RecycledNewtonState, point: Linearization, parts: tuple[float, float], goal: float
) -> Linearization:
    """Shrink E_y and E_v by what their parts of the bound exceed `goal`; the linearization that belongs to them."""
    assert state.direction_y is not None
    lower, r = Lower(state.y, state.direction_y, state.energy_y, 0.0), None
    share_y, share_v = (min(1.0, 0.5 * goal / part) if part > 0 else 1.0 for part in parts)
    if share_y < 1:
        lower = levels.lower(state.x, state.y, state.energy_y * share_y)
        point = levels.linearize(state.x, lower.y)
        levels.at(point.A)
    else:
        r = state.r
    hold(levels, state, state.x, lower, levels.adjoint(point, state.v, state.energy_v * share_v, r), point)
    return point


def hold(levels: Levels, state: Any, x: np.ndarray, lower: Lower, adjoint: Adjoint, point: Linearization) -> None:
    """(x, y, v) and h = c − J v there into the state."""
    state.x, state.y, state.v, state.b, state.c = x, lower.y, adjoint.v, point.b, point.c
    state.direction_y, state.energy_y, state.r, state.energy_v = (
        lower.gradient,
        lower.energy,
        adjoint.residual,
        adjoint.energy,
    )
    state.h = point.c - levels.cross(point.J, adjoint.v)
    state.error = state.gains.error(lower.energy, adjoint.energy)
    state.error_phi = state.gains.error_of_phi(lower.energy, adjoint.energy)


def _certified(levels: Levels, state: RecycledNewtonState, point: Linearization) -> HyperGradient | None:
    """h with the package's certificate at (x, y, v) as they are, its residual evaluated; None where no bound exists."""
    v = state.v
    known: Known = dict(grad_y=state.direction_y, at=point.at or (state.x, state.y))
    known["lipschitz"] = point.lipschitz or getattr(levels.problem, "lipschitz", None)
    point = point.replaced(**known)
    if point.lipschitz is None or point.mu is None:
        return None
    found = hypergradient_of(point, inverse=lambda *_, **__: (v, SolveStatus.CONVERGED))
    state.r = found.solve.residual
    state.energy_v = levels.H.energy(state.r)
    levels.counts.n_hvp += found.n_hvp
    levels.counts.n_cross += 1
    return found
