"""SOBA: all three variables step at once (Dagréou, Ablin, Vaiter, Moreau, NeurIPS 2022).

The three directions are formed at the same (x_k, y_k, v_k), and only then taken:

    D_y = ∇_y g(x_k, y_k);    D_v = A_k v_k − b_k;    D_x = h_k = c_k − J_k v_k
    y_{k+1} = y_k − θD_y;     v_{k+1} = v_k − ηD_v;   x_{k+1} = x_k − λD_x

One gradient, one Hessian and one cross product an iteration. Where all three directions vanish, y = y*(x), v = A⁻¹b
and h = ∇φ(x): the limit is the stationary point of φ.

In plain dense lines: `soba` in `textbook/baselines.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..memory import kept_by_its_state
from ..parallel import minus, step_along
from .base import State, check_options, difference_and_step
from .inner import point_at

if TYPE_CHECKING:
    from ..problem import BilevelProblem


@dataclass
class SOBAState(State):
    """The state of SOBA; h is its D_x.

    Attributes
    ----------
    y_next, v_next : ndarray, shape (n_y,)
        y_{k+1} and v_{k+1}.
    direction_v : ndarray, shape (n_y,)
        D_v; `direction_y` is D_y.
    """

    y_next: np.ndarray = field(default_factory=lambda: np.zeros(0))
    v_next: np.ndarray = field(default_factory=lambda: np.zeros(0))
    direction_v: np.ndarray | None = None


@dataclass(frozen=True)
class SOBA:
    """SOBA.

    Parameters
    ----------
    step_x, step_y, step_v : float
        λ, θ and η.

    Notes
    -----
    h_k is formed with the v_k that iteration k begins with. So v_0 = 0 makes h_1 = ∇_x f, which is zero
    where f depends on y alone; :func:`lancbio_ref.minimize` concludes nothing from an h_1 that has v_0 in it.

    Examples
    --------
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> result = minimize(
    ...     problem, [1.0, 1.0], [0.0, 0.0, 0.0], method="soba", maxiter=3, step_x=0.1, step_y=0.1, step_v=0.1
    ... )
    >>> result.n_hvp, result.n_cross, result.n_grad
    (3, 3, 3)
    """

    step_x: float
    step_y: float
    step_v: float

    limited_by: ClassVar = {"step_y": "A", "step_v": "A"}  # what the steps multiply

    def __post_init__(self) -> None:
        check_options(self)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> SOBAState:
        """The state before the first iteration."""
        return SOBAState(k=0, x=x0, x_next=x0, y=y0, v=v0, y_next=y0, v_next=v0)

    @kept_by_its_state
    def step(self, problem: BilevelProblem, state: SOBAState) -> SOBAState:
        """One outer iteration."""
        x, y, v = state.x_next, state.y_next, state.v_next
        step = x.dtype.type
        point = point_at(problem, x, y)
        direction_y, Av, Jv = problem.together(
            lambda: problem.lower_grad_y(x, y), lambda: point.A.matvec(v), lambda: point.J.matvec(v)
        )
        direction_v = minus(Av, point.b)
        h, x_next = difference_and_step(point.c, Jv, x, self.step_x)
        return state.renewed(
            k=state.k + 1,
            x=x,
            y=y,
            v=v,
            b=point.b,
            c=point.c,
            h=h,
            direction_y=direction_y,
            direction_v=direction_v,
            x_next=x_next,
            y_next=step_along(y, step(self.step_y), direction_y),
            v_next=step_along(v, step(self.step_v), direction_v),
            n_hvp=state.n_hvp + 1,
            n_cross=state.n_cross + 1,
            n_grad=state.n_grad + 1,
            n_grad_upper=state.n_grad_upper + 1,
        )
