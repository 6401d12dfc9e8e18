"""HJFBiO: finite differences in place of second derivatives (Huang, ICML 2024).

All is formed at the same (x_k, y_k, v_k), and then the three variables step at once:

    Âv = (∇_y g(x, y + δv) − ∇_y g(x, y − δv))/2δ;    Ĵv = (∇_x g(x, y + δv) − ∇_x g(x, y − δv))/2δ
    y_{k+1} = y_k − θ∇_y g(x_k, y_k);    h_k = c_k − Ĵv;    x_{k+1} = x_k − λh_k
    v_{k+1} = P_{‖·‖ ≤ r}(v_k − η(Âv − b_k))

Central differences: Âv = A v + O(δ²‖v‖³), exact where g is quadratic in y; rounding adds about u‖∇g‖/δ, 10⁻¹¹ at δ =
10⁻⁵, which is as far as two correct codes agree. For r ≥ ‖A⁻¹b‖ the limit is the stationary point of φ, to that
accuracy.

In plain dense lines: `hjfbio` in `textbook/baselines.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..arguments import as_number
from ..memory import kept_by_its_state
from ..minibatch import fixed_batch
from ..parallel import minus, step_along, times
from ..rounding import norm2
from .base import State, difference_and_step

if TYPE_CHECKING:
    from ..problem import BilevelProblem


@dataclass
class HJFBiOState(State):
    """The state of HJFBiO.

    Attributes
    ----------
    y_next, v_next : ndarray, shape (n_y,)
        y_{k+1} and v_{k+1}.
    Av, Jv : ndarray, shape (n_y,), (n_x,)
        Âv and Ĵv.
    direction_v : ndarray, shape (n_y,)
        Âv − b_k; `direction_y` is ∇_y g(x_k, y_k).
    projected : bool
        Whether v_{k+1} was pulled back to the ball.
    n_grad_x : int
        Gradients ∇_x g since the start; n_grad counts ∇_y g.
    """

    y_next: np.ndarray = field(default_factory=lambda: np.zeros(0))
    v_next: np.ndarray = field(default_factory=lambda: np.zeros(0))
    Av: np.ndarray | None = None
    Jv: np.ndarray | None = None
    direction_v: np.ndarray | None = None
    projected: bool = False
    n_grad_x: int = 0


@dataclass(frozen=True)
class HJFBiO:
    """HJFBiO.

    Parameters
    ----------
    step_x, step_y, step_v : float
        λ, θ and η.
    radius : float
        r.
    difference : float
        δ.

    Notes
    -----
    The lower level must have `grad_x`; :class:`ArgumentError` is raised where it has none. No second derivative is
    used: no product is counted. On a mini-batched problem the two gradients of a difference share a batch, or
    their noise would be divided by 2δ. What is said of v_0 = 0 at :class:`SOBA` holds here too.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> options = dict(step_x=0.2, step_y=0.1, step_v=0.1, tol=1e-8)
    >>> result = minimize(problem, [1.0, 1.0], np.zeros(3), method="hjfbio", maxiter=2000, **options)
    >>> result.success, bool(np.allclose(result.x, problem.stationary_point(), atol=1e-6))
    (True, True)
    """

    step_x: float
    step_y: float
    step_v: float
    radius: float = 1e3
    difference: float = 1e-5

    limited_by: ClassVar = {"step_y": "A", "step_v": "A"}  # what the steps multiply

    def __post_init__(self) -> None:
        for name in ("step_x", "step_y", "step_v", "radius", "difference"):
            as_number(name, getattr(self, name), above=0.0)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> HJFBiOState:
        """The state before the first iteration."""
        return HJFBiOState(k=0, x=x0, x_next=x0, y=y0, v=v0, y_next=y0, v_next=v0)

    @kept_by_its_state
    def step(self, problem: BilevelProblem, state: HJFBiOState) -> HJFBiOState:
        """One outer iteration."""
        x, y, v = state.x_next, state.y_next, state.v_next
        number = x.dtype.type
        delta = number(self.difference)
        ahead, behind = step_along(y, -delta, v), step_along(y, delta, v)
        for_A, for_J = fixed_batch(problem, "lower.hessian"), fixed_batch(problem, "lower.cross")
        A_ahead, A_behind, J_ahead, J_behind, b, c, direction_y = problem.together(
            lambda: for_A.lower_grad_y(x, ahead),
            lambda: for_A.lower_grad_y(x, behind),
            lambda: for_J.lower_grad_x(x, ahead),
            lambda: for_J.lower_grad_x(x, behind),
            lambda: problem.upper_grad_y(x, y),
            lambda: problem.upper_grad_x(x, y),
            lambda: problem.lower_grad_y(x, y),
        )
        Av, Jv = _quotient(A_ahead, A_behind, 2 * delta), _quotient(J_ahead, J_behind, 2 * delta)
        (h, x_next), direction_v = difference_and_step(c, Jv, x, self.step_x), minus(Av, b)
        v_next = step_along(v, number(self.step_v), direction_v)
        projected = (length := norm2(v_next)) > self.radius
        if projected:
            v_next = times(v_next, number(self.radius / length))
        return state.renewed(
            k=state.k + 1,
            x=x,
            y=y,
            v=v,
            b=b,
            c=c,
            h=h,
            Av=Av,
            Jv=Jv,
            direction_y=direction_y,
            direction_v=direction_v,
            projected=projected,
            x_next=x_next,
            y_next=step_along(y, number(self.step_y), direction_y),
            v_next=v_next,
            n_grad=state.n_grad + 3,
            n_grad_x=state.n_grad_x + 2,
            n_grad_upper=state.n_grad_upper + 1,
        )


def _quotient(ahead: np.ndarray, behind: np.ndarray, length: np.floating) -> np.ndarray:
    """(ahead − behind)/length."""
    difference = minus(ahead, behind)
    return np.divide(difference, length, difference) if length.dtype == difference.dtype else difference / length
