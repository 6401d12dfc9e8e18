"""MAID: backtracking with inexact values and gradients, and accuracies that adapt themselves.

M. S. Salehi, S. Mukherjee, L. Roberts and M. J. Ehrhardt, "An adaptively inexact first-order method for bilevel
optimization with application to hyperparameter learning" (SIAM J. Math. Data Sci.; arXiv 2308.10098). Its theory asks
only for what the bounds below prove at the point in hand; no Lipschitz constant of ∇φ, and no sequence of accuracies.

*Inexact gradient.* At x_k, with the accuracies ε and δ:

    ‖y − y*‖ ≤ ρ ≤ ε,  ρ = ‖∇_y g(x, y)‖/μ;     ‖b − A v‖ ≤ δ;     h = c − J v                                    (1)
    ‖h − ∇φ(x)‖ ≤ ω = ρ(L_fx + L_gxy‖v‖) + (‖J‖ + L_gxy ρ)/μ · (‖b − A v‖ + ρ(L_fy + L_gyy‖v‖))                   (2)

(2) is the a-posteriori bound of M. J. Ehrhardt and L. Roberts (IMA J. Appl. Math. 89, 2024), here with an f that may
depend on x. ε and δ are multiplied by ν until

    ω ≤ (1 − η)‖h‖,     so that ⟨∇φ, h⟩ ≥ ‖h‖² − ω‖h‖ ≥ η‖h‖²  and −h is a descent direction                       (3)

*Inexact line search.* |f(x, y) − φ(x)| ≤ e(x, y) = ‖∇_y f(x, y)‖ρ + ½L_fy ρ². For α = α_k, α_kϱ, α_kϱ², …, in all j of
them, y⁺ is solved at x − αh to the same ε, and α is taken as soon as

    ψ(α) = f(x − αh, y⁺) + e(x − αh, y⁺) − f(x_k, y_k) + e(x_k, y_k) + ½ηα‖h‖² ≤ 0,                                  (4)

which proves φ(x_k − αh) ≤ φ(x_k) − ½ηα‖h‖², up to the rounding of f, 4u|f|, which is allowed beside the 0. With exact
values it holds, by (3), for every α ≤ η/L, L the unknown constant of ∇φ. Where all j fail, ε and δ are multiplied by
ν, h is formed anew, and j grows by one. After a success

    x_{k+1} = x_k − αh,    α_{k+1} = α/ϱ̄,    ε ← ν̄ε,    δ ← ν̄δ                                                    (5)

*What was chosen here*: the solvers (:mod:`lancbio_ref.methods.solves`); ϱ = ½, ϱ̄ = 0.9, ν = ½, ν̄ = 1.05, η = 10⁻²; the
½ in (4); ρ as it was reached in place of ε in (2) and (4), which is sharper and costs nothing. Constants that the
problem does not know count as 1, as everywhere in this package where something has to be assumed: then (3) and (4) are
no proof.

In plain dense lines: `maid` in `textbook/baselines.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import as_integer, as_number
from ..linearization import Linearization
from ..rounding import norm2, unit_roundoff
from ..status import SolveStatus, StepStatus
from .base import State, check_options
from .inner import locate
from .solves import REFUSALS, require_deterministic, solve_linear, solve_lower

if TYPE_CHECKING:
    from ..problem import BilevelProblem

SHORTEN, LENGTHEN = 0.5, 0.9  # ϱ and ϱ̄
TIGHTEN, LOOSEN = 0.5, 1.05  # ν and ν̄
ETA = 1e-2  # η
LEAST = 1e-300  # ε and δ stay above it


@dataclass
class MAIDState(State):
    """The state of MAID.

    Attributes
    ----------
    y_next : ndarray, shape (n_y,)
        y at x_{k+1}, as the step was tried: where the next lower-level solve begins.
    epsilon, delta : float
        ε and δ of the solves behind h.
    epsilon_next, delta_next : float
        Those that the next iteration begins with.
    distance : float
        ρ, of y_k.
    residual_norm : float
        ‖b − A v‖.
    omega : float
        ω, of h.
    value, value_error : float
        f(x_k, y_k) and e(x_k, y_k).
    psi : float
        ψ of the step that was taken; where none was, of the last one tried.
    step, step_next : float
        α of the step taken, 0 where there was none; α_{k+1}.
    n_trials : int
        Steps tried in this iteration.
    n_value : int
        Values of f since the start.
    """

    y_next: np.ndarray = field(default_factory=lambda: np.zeros(0))
    epsilon: float = math.nan
    delta: float = math.nan
    epsilon_next: float = math.nan
    delta_next: float = math.nan
    distance: float = math.nan
    residual_norm: float = math.nan
    omega: float = math.nan
    value: float = math.nan
    value_error: float = math.nan
    psi: float = math.nan
    step: float = math.nan
    step_next: float = math.nan
    n_trials: int = 0
    n_value: int = 0


@dataclass(frozen=True)
class MAID:
    """MAID.

    Parameters
    ----------
    step_x : float
        α_1.
    tolerance : float
        ε and δ of the first iteration.
    backtracks : int
        j, the steps that are tried before the accuracies are tightened.

    Notes
    -----
    Deterministic: mini-batches are refused. Where rounding allows no smaller ε or δ, (3) is given up and h is taken as
    it is; where then, or with an ε that matters less than the rounding of f, no step satisfies (4), x stays, and the
    status says NO_DECREASE.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> result = minimize(problem, [1.0, 1.0], np.zeros(3), method="maid", tol=1e-6)
    >>> result.success, bool(np.allclose(result.x, problem.stationary_point(), atol=1e-5))
    (True, True)
    """

    step_x: float = 1.0
    tolerance: float = 0.1
    backtracks: int = 5

    def __post_init__(self) -> None:
        check_options(self)
        as_number("tolerance", self.tolerance, above=0.0)
        as_integer("backtracks", self.backtracks, least=1)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> MAIDState:
        """The state before the first iteration."""
        require_deterministic("maid", problem)
        return MAIDState(
            k=0,
            x=x0,
            x_next=x0,
            y=y0,
            v=v0,
            y_next=y0,
            epsilon_next=self.tolerance,
            delta_next=self.tolerance,
            step_next=self.step_x,
        )

    def step(self, problem: BilevelProblem, state: MAIDState) -> MAIDState:
        """One outer iteration; after one with NO_DECREASE there is nothing new to try, and nothing is done."""
        if state.status == StepStatus.NO_DECREASE:
            return replace(state, k=state.k + 1, n_trials=0)
        new = replace(state, k=state.k + 1, x=state.x_next, y=state.y_next, status=StepStatus.REGULAR, n_trials=0)
        new.epsilon, new.delta = new.epsilon_next, new.delta_next
        trials = self.backtracks
        while True:
            constants, at_floor = self._gradient(problem, new)
            assert new.b is not None and new.h is not None
            # a smaller ε would decide nothing
            last = at_floor or constants.value_error(new.b, new.epsilon) <= rounding_of(new)
            if self._search(problem, new, constants, trials, last):
                new.epsilon_next, new.delta_next = LOOSEN * new.epsilon, LOOSEN * new.delta  # (5)
                return new
            if last:
                break
            tighten(new)
            trials += 1
        new.x_next, new.y_next, new.step = new.x, new.y, 0.0
        new.epsilon_next, new.delta_next = new.epsilon, new.delta
        new.status = StepStatus.NO_DECREASE if new.h.any() else StepStatus.REGULAR
        return new

    def _gradient(self, problem: BilevelProblem, new: MAIDState) -> tuple[Constants, bool]:
        """h with (3), and whether one of its solves has ended at the rounding floor."""
        while True:
            try:
                point = problem.linearize(new.x, new.y)
                mu = point.mu or 1.0
                lower = solve_lower(problem, new, new.x, new.y, mu * new.epsilon)  # (1)
                if lower.n_iter:
                    point = problem.linearize(new.x, lower.y)
                new.y, new.b, new.c = lower.y, point.b, point.c
                solved = solve_linear(point, new, new.v, new.delta)
                new.v, new.residual_norm = solved.x, norm2(solved.residual)
                new.h = point.c - point.J.matvec(new.v)
                new.value = problem.value(new.x, new.y)
            except REFUSALS as error:
                locate(error, new.x, new.y)
                raise
            new.n_cross, new.n_value = new.n_cross + 1, new.n_value + 1
            new.n_grad_upper += 2 if lower.n_iter else 1
            constants = Constants.of(point)
            new.distance = lower.grad_norm / constants.mu
            new.omega = constants.omega(new.distance, new.residual_norm, norm2(new.v))  # (2)
            new.value_error = constants.value_error(point.b, new.distance)
            at_floor = SolveStatus.CONVERGED not in (lower.status, solved.status) or new.epsilon < LEAST
            if new.omega <= (1 - ETA) * norm2(new.h) or at_floor:  # (3)
                return constants, at_floor
            tighten(new)

    def _search(self, problem: BilevelProblem, new: MAIDState, constants: Constants, trials: int, last: bool) -> bool:
        """x_{k+1} by the first α of `trials` that satisfies (4); whether there is one.

        Where the problem can be evaluated at none of them, and this is the last search, its exception is raised.
        """
        assert new.h is not None
        square = norm2(new.h) * norm2(new.h)
        if not new.h.any():
            return False
        refused, refusal = 0, None
        for i in range(trials):
            alpha = new.step_next * SHORTEN**i
            x = new.x - new.h.dtype.type(alpha) * new.h
            new.n_trials += 1
            try:
                lower = solve_lower(problem, new, x, new.y, constants.mu * new.epsilon)
                new.n_value += 1
                value = problem.value(x, lower.y)
                new.n_grad_upper += 1
                b = problem.upper_grad_y(x, lower.y)
            except REFUSALS as error:  # too far away
                refused, refusal = refused + 1, error
                continue
            mu = problem.lower_bound("mu", x, lower.y) or 1.0
            above = value + constants.value_error(b, lower.grad_norm / mu)
            new.psi = above - (new.value - new.value_error) + 0.5 * ETA * alpha * square  # (4)
            if new.psi <= rounding_of(new):
                new.x_next, new.y_next, new.step, new.step_next = x, lower.y, alpha, alpha / LENGTHEN  # (5)
                return True
        if last and refused == trials and refusal is not None:
            locate(refusal, x, new.y)
            raise refusal
        return False


def rounding_of(new: MAIDState) -> float:
    """4u|f|."""
    return 4 * unit_roundoff(new.x.dtype) * abs(new.value)


def tighten(new: MAIDState) -> None:
    """ε ← νε and δ ← νδ."""
    new.epsilon, new.delta = TIGHTEN * new.epsilon, TIGHTEN * new.delta


@dataclass(frozen=True)
class Constants:
    """What (2) and (4) are made of, at one point; 1 where the problem does not know."""

    mu: float
    cross_norm: float
    fx: float
    fy: float
    gxy: float
    gyy: float

    @classmethod
    def of(cls, point: Linearization) -> Constants:
        """Those of a linearization."""
        known, norm_J = point.lipschitz, point.cross_norm
        lipschitz = (1.0,) * 4 if known is None else (known.fx, known.fy, known.gxy, known.gyy)
        return cls(point.mu or 1.0, 1.0 if norm_J is None else norm_J, *lipschitz)

    def omega(self, distance: float, residual_norm: float, norm_v: float) -> float:
        """ω of (2)."""
        of_system = residual_norm + distance * (self.fy + self.gyy * norm_v)
        of_cross = (self.cross_norm + self.gxy * distance) / self.mu
        return distance * (self.fx + self.gxy * norm_v) + of_cross * of_system

    def value_error(self, b: np.ndarray, distance: float) -> float:
        """e = ‖∇_y f‖ρ + ½L_fy ρ²."""
        return norm2(b) * distance + 0.5 * self.fy * distance * distance
