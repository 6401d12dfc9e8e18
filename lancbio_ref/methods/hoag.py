"""HOAG: both solves to a tolerance that falls by a schedule, and an adaptive step (Pedregosa, ICML 2016, Algorithm 1).

At iteration k, with a summable sequence ε_k:

    (i)    ‖∇_y g(x_k, y_k)‖ ≤ ε_k                              from y_{k−1}
    (ii)   ‖b_k − A_k v_k‖ ≤ ε_k                                from v_{k−1}
    (iii)  h_k = c_k − J_k v_k
    (iv)   x_{k+1} = x_k − h_k/L_k

    ε_k = τ/k²  (quadratic),    τ/k³  (cubic),    τ 0.9^{k−1}  (exponential)

Σ ε_k < ∞ makes the errors of h summable, and h → ∇φ; with 1/L_k short enough x_k converges to a stationary point of φ
(the paper's theorem, for x in a bounded set).

*The adaptive step.* Where ∇φ has the Lipschitz constant L and s = −h/L,

    φ(x + s) ≤ φ(x) + ⟨∇φ, s⟩ + ½L‖s‖² ≤ φ(x) − ½L‖s‖² + ‖∇φ − h‖‖s‖

and f(x, y) differs from φ(x) by bᵀ(y* − y) = −vᵀ∇_y g in first order, at most ‖v‖ε. So a step that is short enough has

    (v)    f(x_{k+1}, y_{k+1}) ≤ f(x_k, y_k) + ‖v_k‖(ε_k + ε_{k+1}) − ½L‖s‖²

up to the error of h. Where a step fails it, or the problem cannot be evaluated there, L is doubled and the step tried
again; where the first one passes, the next iteration begins with L_{k+1} = L_k/1.05.

*What the paper leaves open, and was chosen here*: ε_k bounds ‖∇_y g‖, not ‖y − y*‖, which differs by the constant 1/μ
and needs no μ; the solvers (:mod:`lancbio_ref.methods.solves`); ‖v_k‖ in (v) in place of a constant given by hand,
with the rounding of f beside it; the factors 2 and 1.05. Pedregosa projects onto a bounded set; here x is free.

In plain dense lines: `hoag` in `textbook/baselines.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..arguments import as_choice, as_number
from ..lower_level import LowerSolution
from ..rounding import norm2, unit_roundoff
from ..status import StepStatus
from .base import State, check_options
from .inner import locate
from .solves import REFUSALS, require_deterministic, solve_linear, solve_lower

if TYPE_CHECKING:
    from ..problem import BilevelProblem

DECREASES = ("quadratic", "cubic", "exponential")
SHRINK, GROWTH = 2.0, 1.05  # of L after a step that fails (v), and of 1/L after one that passes at once


@dataclass
class HOAGState(State):
    """The state of HOAG.

    Attributes
    ----------
    y_next : ndarray, shape (n_y,)
        y at x_{k+1}, as the step was tried: where the next lower-level solve begins.
    epsilon : float
        ε_k.
    step : float
        1/L_k of the step taken.
    step_next : float
        1/L that the next iteration tries first.
    value : float
        f(x_k, y_k).
    n_trials : int
        Steps tried in this iteration.
    n_value : int
        Values of f since the start.
    """

    y_next: np.ndarray = field(default_factory=lambda: np.zeros(0))
    epsilon: float = math.nan
    step: float = math.nan
    step_next: float = math.nan
    value: float = math.nan
    n_trials: int = 0
    n_value: int = 0


@dataclass(frozen=True)
class HOAG:
    """HOAG.

    Parameters
    ----------
    step_x : float
        1/L_1, which the first iteration tries first.
    tolerance : float
        τ = ε_1, of ‖∇_y g‖ and of ‖b − A v‖.
    decrease : {"exponential", "quadratic", "cubic"}
        The sequence ε_k.

    Notes
    -----
    Deterministic: mini-batches are refused. Where rounding allows no smaller norm than the one asked, the solves end
    there, and the method goes on with what they reached. Where no step lowers f any more, x stays, and the status says
    so.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> result = minimize(problem, [1.0, 1.0], np.zeros(3), method="hoag", tol=1e-8)
    >>> result.success, bool(np.allclose(result.x, problem.stationary_point(), atol=1e-6))
    (True, True)
    """

    step_x: float = 1.0
    tolerance: float = 0.1
    decrease: Literal["exponential", "quadratic", "cubic"] = "exponential"

    def __post_init__(self) -> None:
        check_options(self)
        as_number("tolerance", self.tolerance, above=0.0)
        as_choice("decrease", self.decrease, DECREASES)

    def epsilon(self, k: int) -> float:
        """ε_k."""
        if self.decrease == "exponential":
            return self.tolerance * 0.9 ** (k - 1)
        return self.tolerance / float(k) ** (2 if self.decrease == "quadratic" else 3)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> HOAGState:
        """The state before the first iteration."""
        require_deterministic("hoag", problem)
        return HOAGState(k=0, x=x0, x_next=x0, y=y0, v=v0, y_next=y0, step_next=self.step_x)

    def step(self, problem: BilevelProblem, state: HOAGState) -> HOAGState:
        """One outer iteration."""
        new = replace(state, k=state.k + 1, x=state.x_next, status=StepStatus.REGULAR, n_trials=0)
        new.epsilon = self.epsilon(new.k)
        try:
            new.y = solve_lower(problem, new, new.x, state.y_next, new.epsilon).y  # (i)
            point = problem.linearize(new.x, new.y)
            new.v = solve_linear(point, new, state.v, new.epsilon).x  # (ii)
            new.h = point.c - point.J.matvec(new.v)  # (iii)
            new.value = problem.value(new.x, new.y)
        except REFUSALS as error:
            locate(error, new.x, state.y_next)
            raise
        new.b, new.c = point.b, point.c
        new.n_cross, new.n_grad_upper, new.n_value = new.n_cross + 1, new.n_grad_upper + 1, new.n_value + 1
        self._descend(problem, new)
        return new

    def _descend(self, problem: BilevelProblem, new: HOAGState) -> None:
        """x_{k+1} by (iv), L doubled until (v) holds or x + s = x."""
        assert new.h is not None
        step, size = new.step_next, norm2(new.h)
        slack = norm2(new.v) * (new.epsilon + self.epsilon(new.k + 1))
        refusal: Exception | None = None
        while True:
            x = new.x - new.h.dtype.type(step) * new.h  # (iv)
            new.n_trials += 1
            if np.array_equal(x, new.x):
                break
            try:
                lower: LowerSolution = solve_lower(problem, new, x, new.y, self.epsilon(new.k + 1))
                new.n_value += 1
                value, refusal = problem.value(x, lower.y), None
            except REFUSALS as error:
                value, refusal = math.inf, error
            rounding = 4 * unit_roundoff(new.h.dtype) * abs(new.value)
            if value <= new.value + slack - 0.5 * step * size * size + rounding:  # (v); ½L‖s‖² = ½‖h‖²/L
                new.x_next, new.y_next, new.step = x, lower.y, step
                new.step_next = step * (GROWTH if new.n_trials == 1 else 1.0)
                return
            step /= SHRINK
        if refusal is not None:
            locate(refusal, x, new.y)
            raise refusal
        new.x_next, new.y_next, new.step = new.x, new.y, 0.0
        new.status = StepStatus.REGULAR if size == 0 else StepStatus.NO_DECREASE
