"""Recycled Krylov–Newton: a trust-region Newton method on φ that keeps every product it ever paid for.

At x with y ≈ y*(x), v ≈ A⁻¹b, h = c − J v and φ̂ = f − vᵀ∇_y g, with H ≈ A⁻¹ from all products so far and M ≈ (∇²φ)⁻¹
from all products with ∇²φ:

    1  s  ≈ argmin hᵀs + ½ sᵀB s,  |s_i| ≤ Δ, l ≤ x + s ≤ u          to ‖h + B s‖_M ≤ min(½, √(‖h‖/‖h_0‖))‖h‖_M
    2  y⁺ from y + y′s − H∇_y g,   E_y ≤ …                           what φ̂ and h may be wrong by, below
    3  ρ  = (φ̂⁺ − φ̂)/(hᵀs + ½ sᵀB s);   ρ ≤ 0.1: 2 with t s, t < 1, twice; then x stays, Δ ← ¼|s|
    4  v⁺ from v + v′s + H r,      E_v ≤ …,   3 once more with what H knows now,   h⁺ = c − J v⁺,   x ← x + s
    5  G_y E_y + G_v E_v ≤ ζ‖h⁺‖, else more of 2 and 4 where it costs least

No step is chosen by anyone. Systems are solved with H (:mod:`lancbio_ref.inverse.recycled`), products B u with ∇²φ are
differences (:mod:`lancbio_ref.methods.recycled_model`), and both levels are as accurate as descent needs and no more:
h may be wrong by ζ‖h‖, ζ = 0.2, and φ̂ by a small part of the predicted decrease (inexact gradients in a trust region:
R. G. Carter, SIAM J. Numer. Anal. 28, 1991; A. R. Conn, N. I. M. Gould, P. L. Toint, *Trust-Region Methods*, 2000, 8.4
and 10.6). Both values of ρ are looked at before they are believed (:mod:`lancbio_ref.methods.recycled_values`). Where
two steps in a row are refused, what is known here is made more accurate before x moves. Where the predicted decrease
drowns in the rounding of φ̂, ρ comes from gradients, ½ sᵀ(h + h⁺). A shorter s needs no product, for all of the model is
known along it (J. Nocedal and Y. Yuan, *Combining trust region and line search techniques*, 1998).

It ends by itself, and says how: `ended` of the state. CONVERGED needs ‖h‖ + (a bound of ‖h − ∇φ(x)‖) ≤ tol, by the
package's certificate at the last x; where constants for one are missing, by the estimate of 5, which the message says.

In plain dense lines: `recycled_newton` in `textbook/recycled.py`.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from ..arguments import as_integer
from ..errors import ArgumentError, LancbioError
from ..inverse.recycled import Adjoint, Levels, Lower
from ..krylov.recycled import RecycledInverse, pairs_within
from ..minibatch import Minibatched
from ..rounding import norm2
from ..status import SolveStatus, StepStatus
from .recycled_end import Box, as_box, ending, hold
from .recycled_model import Model, ModelStep
from .recycled_state import RecycledNewtonState
from .recycled_values import MOST_PRODUCTS, Values

if TYPE_CHECKING:
    from ..linearization import Linearization
    from ..problem import BilevelProblem

ZETA = 0.2  # ‖h − ∇φ‖ ≤ ζ‖h‖, as far as the gains know
LEAST_RATIO, POOR, GOOD = 0.1, 0.25, 0.75  # of ρ: what accepts s, shrinks Δ, doubles it
TIGHTER = 0.3  # factor on ζ, and on what φ̂ may be wrong by, after a refused step
FAR, NEAR = 30.0, 3.0  # E_y where y + y′s starts, over E_y of the move: y′ said nothing; Δ may grow
LEAST_ENERGY = 1e-6  # of the move: no solve is asked for more between two steps
LAST = 0.3  # of tol: no step is asked for a smaller ‖h⁺‖, and no h for one that would show it
SHORTER = 2  # times a refused s is shortened, at no product, before Δ shrinks and B is asked again
MEASURED = 2  # iterations from one measurement of the gains to the next; each, where τ < 1 or A strange to H
STRANGE = 10.0  # contraction of y − H∇_y g; or A is so ill-conditioned that pairs of H lived on cancellation
REFINEMENTS = 12  # rounds of step 5
RUN = 10  # subproblems that ended at the edge of quiet entries alone: from then on these wait until h asks for them
PAIRS_OF_X = 20  # that M keeps
FLAT = 3e-5  # of β: curvatures that M does not keep, for x_j that run away have them, and differences do not see them


@dataclass(frozen=True)
class RecycledNewton:
    """Recycled Krylov–Newton.

    Parameters
    ----------
    memory : int, optional
        Pairs (s, A s) that H keeps; by default 100, and at most what fits into 1 GiB.
    bounds : (array_like, array_like), optional
        l and u, numbers or shape (n_x,), with l ≤ x ≤ u; ±inf where there is none. h is then tested as x − P(x − h), P
        the projection.

    Notes
    -----
    With tol > 0, :func:`lancbio_ref.minimize` ends where ‖∇φ(x)‖ ≤ tol is proven, or as near to it as the constants of
    the problem allow; with 0 it goes to the floor of rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(3, 5, rng=0)
    >>> result = minimize(problem, np.zeros(3), np.zeros(5), method="recycled-newton", tol=1e-8)
    >>> result.status.name, bool(np.allclose(result.x, problem.stationary_point(), atol=1e-7))
    ('CONVERGED', True)
    """

    memory: int | None = None
    bounds: tuple[npt.ArrayLike, npt.ArrayLike] | None = None

    ends_itself: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.memory is not None:
            as_integer("memory", self.memory)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> RecycledNewtonState:
        """The state before the first iteration."""
        if isinstance(problem, Minibatched):
            expected = (
                "None: a difference of two batches is noise, and batches that grow do not pay; 'soba' takes batches"
            )
            raise ArgumentError("batch_size", repr(problem.sizes), expected)
        as_box(self.bounds, x0).require(x0)
        memory = pairs_within(y0.size, y0.dtype) if self.memory is None else self.memory
        H, M = RecycledInverse(y0.size, memory, y0.dtype), RecycledInverse(x0.size, PAIRS_OF_X, x0.dtype, FLAT)
        radius = max(1.0, float(np.abs(x0).max()))
        return RecycledNewtonState(k=0, x=x0, x_next=x0, y=y0, v=v0, radius=radius, H=H, M=M, start=x0)

    def step(self, problem: BilevelProblem, state: RecycledNewtonState) -> RecycledNewtonState:
        """One outer iteration: a step of x tried. The first one makes y, v and h at x_0."""
        new = copy.copy(state)
        new.k, new.H, new.M, new.status = state.k + 1, copy.copy(state.H), copy.copy(state.M), StepStatus.REGULAR
        iteration = _Iteration(problem, new, as_box(self.bounds, state.x))
        iteration.start() if state.k == 0 else iteration.advance()
        new.contraction = iteration.levels.contraction
        new.x_next = new.x
        new.ended = new.ended or ending(iteration.levels, new, iteration.point, iteration.box)
        return new


class _Iteration:
    """One iteration, which writes into `new`."""

    def __init__(self, problem: BilevelProblem, new: RecycledNewtonState, box: Box) -> None:
        assert new.H is not None and new.M is not None
        self.problem, self.new, self.box, self.H, self.M = problem, new, box, new.H, new.M
        self.levels = Levels(problem, new.H, new, new.contraction)
        self.known: Linearization | None = None  # at the state's (x, y)
        self.values = Values(self.levels, new)
        self.J = problem.cross(new.x, new.y)
        self.A = self.levels.at(problem.hessian(new.x, new.y))

    @property
    def point(self) -> Linearization:
        """A, J, b, c at the state's (x, y)."""
        if self.known is None:
            self.known = self.levels.linearize(self.new.x, self.new.y)
        return self.known

    # -- the first point -------------------------------------------------------------------

    def start(self) -> None:
        """y, v and h at x_0, and the gains."""
        new, levels = self.new, self.levels
        g = levels.gradient(new.x, new.y)
        if g.any():
            self.H.extend([(g, levels.product(self.A, g))])  # the unit of H
        lower = levels.lower(new.x, new.y, 0.03 * self.H.energy(g))
        point = levels.linearize(new.x, lower.y)
        levels.at(point.A)
        adjoint = levels.adjoint(point, new.v, 0.2 * self.H.energy(point.b))
        self.settle(new.x, lower, adjoint, point, measure=True)
        new.first_norm = self.norm()
        if levels.negative is not None and not new.error <= ZETA * new.first_norm:
            new.status, new.direction = StepStatus.NEGATIVE_CURVATURE, levels.negative
            new.ended = SolveStatus.INDEFINITE, "at x_0 the lower level has a direction p with pᵀA p <= 0"

    # -- the others ------------------------------------------------------------------------

    def advance(self) -> None:
        """Try a step; accept it, or go back and know better."""
        new, norm = self.new, self.norm()
        forcing = min(0.5, math.sqrt(norm / new.first_norm)) if norm < new.first_norm else 0.5
        forcing = max(forcing, LAST * new.tol / norm) if norm > 0 else forcing
        low, high = self.box.steps(new.x, new.radius)
        model = self.model()
        strange = new.contraction > STRANGE or self.H.cancelled > 0
        split = new.k % MEASURED == 0 or new.tightness < 1 or strange
        step = model.minimize(low, high, new.radius, self.M, forcing, split, hold=new.quiet >= RUN)
        new.quiet += step.quiet
        new.gains, new.differences = model.gains, model.differences
        new.s, new.predicted, new.n_inner, new.edge = step.s, step.predicted, step.n_products, step.ended
        new.accepted, new.ratio = False, -math.inf
        if not (step.predicted < 0 and math.isfinite(step.predicted)):
            self.M.forget()  # the model is no model
            new.failed = "evaluation" if step.ended == "outside" else new.failed
            new.radius *= 0.25
            return
        for attempt in range(1 + SHORTER):
            before, contraction, linear = copy.copy(self.H), self.levels.contraction, math.inf
            new.s, new.predicted, new.ratio = step.s, step.predicted, -math.inf
            try:
                linear = self.attempt(step, norm)
            except LancbioError:  # x + s, or what lies between, can not be evaluated
                new.ratio, new.failed = -math.inf, "evaluation"
            if new.accepted:
                new.tightness, new.failed = min(1.0, new.tightness / TIGHTER), ""
                break
            refined = self.back(before, contraction, linear)
            shorter = step.shorter(step.least(new.ratio * step.predicted))
            if refined or attempt == SHORTER or not shorter.predicted < 0:
                break
            step = shorter
        size = float(np.abs(new.s).max())
        if not new.accepted or (new.ratio < POOR and not attempt):
            new.radius = 0.25 * min(size, new.radius)
        elif attempt:
            new.radius = size
        if new.accepted and new.ratio > GOOD and (step.ended or attempt) and linear < NEAR:
            new.radius *= 2.0

    def attempt(self, step: ModelStep, norm: float) -> float:
        """y, φ̂, v and h at x + s; E_y of the prediction over E_y of the move."""
        new, levels, H, values = self.new, self.levels, self.H, self.values
        x, zeta = self.box.inside(new.x + step.s), ZETA * new.tightness
        r, g, y, v = new.r, new.direction_y, new.y, new.v
        assert g is not None
        goal = max(zeta * min(max(step.left, 0.1 * norm), norm), LAST * zeta * new.tol)
        levels.at(self.problem.hessian(x, y + step.y))
        moved = max(H.energy(step.Jts), H.energy(g), float(np.finfo(x.dtype).smallest_normal))
        target = max(min(_quotient(0.5 * goal, new.gains.y), values.energy(-step.predicted)), LEAST_ENERGY * moved)
        known = levels.contraction < 0.5
        predicted = y + step.y - (H(g) if known else 0)
        lower = levels.lower(x, predicted, target, most=FAR * moved, other=y, products=MOST_PRODUCTS)
        linear = lower.first / moved
        if lower.first > FAR * moved or (lower.energy > 10 * target and lower.energy > 0.1 * moved):
            new.failed = "lower level"
            return linear
        v = v + step.v + (H(r) if known else 0)
        phi = values.at(x, lower, v)
        noise = values.rounding(lower.y, v, max(abs(phi), abs(new.phi)))
        noisy = -step.predicted < noise
        new.ratio = (phi - new.phi) / step.predicted
        if not noisy and not new.ratio > LEAST_RATIO:
            return linear
        point = levels.linearize(x, lower.y)
        target = min(_quotient(0.5 * goal, new.gains.v), 2 * math.sqrt(values.share(-step.predicted)))
        target = max(target, LEAST_ENERGY * H.energy(point.b))
        adjoint = levels.adjoint(point, v, target)
        if not math.isfinite(adjoint.energy + phi):  # beyond what squares can hold
            new.failed = "evaluation"
            return linear
        if not noisy:  # once more, with v solved and what H has learned
            lower, adjoint, point = values.trusted(x, lower, adjoint, point, -step.predicted, noise, target)
            new.ratio = (values.at(x, lower, adjoint.v) - values.at_home(self.A, -step.predicted)) / step.predicted
            if not new.ratio > LEAST_RATIO:
                return linear
        else:
            h = point.c - levels.cross(point.J, adjoint.v)
            new.ratio = 0.5 * float(step.s @ (self.h + h)) / step.predicted
            if not (new.ratio > LEAST_RATIO or self.box.reduced_norm(x, h) < norm):
                return linear
            new.ratio = max(new.ratio, 0.5)
        h_before = self.h
        self.settle(x, lower, adjoint, point)
        self.M.extend([(step.s, self.h - h_before)])
        new.accepted = True
        return linear

    def back(self, before: RecycledInverse, contraction: float, linear: float) -> bool:
        """x stays. H is what it was, with what was learned nearby; after a second refusal x, y, v are refined: True."""
        new, levels = self.new, self.levels
        tried, here, self.values.here = self.H, self.values.here, None
        self.H = new.H = levels.H = before if here is None else here.H
        if here is None and linear <= NEAR:
            before.absorb(tried)
        levels.contraction = contraction
        if new.ratio == -math.inf:
            return False
        if refined := new.tightness < 1 or here is not None:
            assert new.direction_y is not None
            lower, point, r = Lower(new.y, new.direction_y, self.H.energy(new.direction_y), 0.0), self.point, new.r
            if here is not None:
                lower, self.values.last = here.lower, (here.lower.y, here.value)
                point = levels.linearize(new.x, lower.y)
                r = point.b - levels.product(levels.at(point.A), new.v)
            adjoint = Adjoint(new.v, r, self.H.energy(r))
            wanted = self.values.energy(-new.predicted), 2 * math.sqrt(self.values.share(-new.predicted))
            self.settle(new.x, lower, adjoint, point, wanted=wanted)
        new.tightness *= TIGHTER
        return refined

    # -- accuracy at one point ---------------------------------------------------------------

    def settle(
        self,
        x: np.ndarray,
        lower: Lower,
        adjoint: Adjoint,
        point: Linearization,
        *,
        measure: bool = False,
        wanted: tuple[float, float] = (math.inf, math.inf),
    ) -> None:
        """Make (x, y, v) the state's, with G_y E_y + G_v E_v ≤ ζ‖h‖ if more solving can do it."""
        new, levels = self.new, self.levels
        for attempt in range(REFINEMENTS):
            lower = replace(lower, energy=self.H.energy(lower.gradient))  # v has taught H more
            self.take(x, lower, adjoint, point)
            norm = self.norm()
            if measure:
                model, size = self.model(), norm2(self.h)
                model.product(self.h / self.h.dtype.type(size) if size > 0 else np.ones_like(self.h), split=True)
                new.gains, new.differences = model.gains, model.differences
            new.error = new.gains.error(lower.energy, adjoint.energy)
            goal = ZETA * new.tightness * max(norm, LAST * new.tol)
            most_y, most_v = _quotient(0.5 * goal, new.gains.y), _quotient(0.5 * goal, new.gains.v)
            enough = new.error <= goal or attempt == REFINEMENTS - 1
            if enough and lower.energy <= wanted[0] and adjoint.energy <= wanted[1]:
                break
            energies = lower.energy, adjoint.energy
            r: np.ndarray | None = adjoint.residual
            if lower.energy > min(most_y, wanted[0]):
                lower = levels.lower(x, lower.y, 0.8 * min(most_y, wanted[0]))
                point, r = levels.linearize(x, lower.y), None
                levels.at(point.A)
            if r is None or adjoint.energy > min(most_v, wanted[1]):
                adjoint = levels.adjoint(point, adjoint.v, 0.8 * min(most_v, wanted[1]), r)
            if lower.energy > 0.9 * energies[0] and adjoint.energy > 0.9 * energies[1]:
                self.take(x, lower, adjoint, point)  # rounding allows no more
                new.error = new.gains.error(lower.energy, adjoint.energy)
                break
        new.phi = self.values.at(x, lower, adjoint.v)

    def take(self, x: np.ndarray, lower: Lower, adjoint: Adjoint, point: Linearization) -> None:
        self.known, self.A, self.J = point, point.A, point.J
        hold(self.levels, self.new, x, lower, adjoint, point)

    @property
    def h(self) -> np.ndarray:
        assert self.new.h is not None
        return self.new.h

    def norm(self) -> float:
        """‖h‖₂, and with bounds ‖x − P(x − h)‖₂."""
        return self.box.reduced_norm(self.new.x, self.h)

    def model(self) -> Model:
        new = self.new
        assert new.direction_y is not None
        at, known = (new.x, new.y, new.v), (self.h, new.r, new.direction_y)
        return Model(self.levels, self.J, at, known, new.gains, new.differences)


def _quotient(a: float, b: float) -> float:
    """a/b, infinite where b is 0."""
    return a / b if b > 0 else math.inf
