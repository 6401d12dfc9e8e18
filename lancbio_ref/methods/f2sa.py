"""F2SA: the lower level as a penalty, first derivatives only (Kwon, Kwon, Wright, Nowak, ICML 2023).

With the penalty σ_k, y_k pursues argmin_y f/σ_k + g and z_k pursues y*(x_k) = argmin_z g. At iteration k = 1, 2, …, T
times

    z ← z − γ∇_y g(x_k, z);    y ← y − α_k(∇_y f(x_k, y) + σ_k∇_y g(x_k, y)),    α_k = step_y/(k+1)^a

and then, λ_k = step_x/(k+1)^d being the product ξα of the paper,

    h_k = ∇_x f(x_k, y_k) + σ_k(∇_x g(x_k, y_k) − ∇_x g(x_k, z_k));    x_{k+1} = x_k − λ_k h_k
    σ_{k+1} = σ_k + δ_k,    δ_k = penalty_growth/(k+1)^p

The inner steps are short enough while α_kσ_k ≤ 1/L. At a fixed σ the limit is the stationary point not of φ but of
min_y [f(x, y) + σg(x, y)] − σ min_z g(x, z), whose gradient h is by the envelope theorem: the solution (x, y, z) of

    ∇_y g(x, z) = 0;    ∇_y f(x, y) + σ∇_y g(x, y) = 0;    ∇_x f(x, y) + σ(∇_x g(x, y) − ∇_x g(x, z)) = 0.

There y − z = −A⁻¹b/σ + O(σ⁻²), h = c − JA⁻¹b + O(1/σ), and its distance from the stationary point of φ is O(1/σ).
With σ_k → ∞ that bias vanishes; but an error ε of y or z enters h as σ_k‖J‖ε, so x must slow down as σ_k grows, or T
be large.

In plain dense lines: `f2sa` in `textbook/baselines.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..arguments import as_number
from ..errors import LancbioError
from ..memory import kept_by_its_state
from ..parallel import minus, step_along
from ..rounding import is_finite, norm2
from .base import State, check_options, decaying
from .inner import locate

if TYPE_CHECKING:
    from ..problem import BilevelProblem


@dataclass
class F2SAState(State):
    """The state of F2SA; it has no v, which stays v_0, and no b, since ∇_y f is evaluated along the inner steps only.

    Attributes
    ----------
    z : ndarray, shape (n_y,)
        z_k.
    sigma, sigma_next : float
        σ_k and σ_{k+1}.
    alpha, step : float
        α_k and λ_k.
    direction_z : ndarray, shape (n_y,)
        ∇_y g of the last step of z; `direction_y` is ∇_y f + σ_k∇_y g of the last step of y.
    grad_x_y, grad_x_z : ndarray, shape (n_x,)
        ∇_x g(x_k, y_k) and ∇_x g(x_k, z_k).
    n_grad_x : int
        Gradients ∇_x g since the start; n_grad counts ∇_y g, and n_grad_upper T times ∇_y f and once ∇_x f an
        iteration.
    """

    z: np.ndarray | None = None
    sigma: float = 0.0
    sigma_next: float = 0.0
    alpha: float = 0.0
    step: float = 0.0
    direction_z: np.ndarray | None = None
    grad_x_y: np.ndarray | None = None
    grad_x_z: np.ndarray | None = None
    n_grad_x: int = 0


@dataclass(frozen=True)
class F2SA:
    """F2SA.

    Parameters
    ----------
    step_x, decay_x : float
        Of λ_k = step_x/(k+1)^decay_x.
    step_y, decay_y : float
        Of α_k = step_y/(k+1)^decay_y.
    step_z : float, optional
        γ; `step_y` by default.
    inner_steps : int
        T.
    penalty, penalty_growth, decay_penalty : float
        σ_1 and δ_k = penalty_growth/(k+1)^decay_penalty; penalty_growth = 0 keeps σ_1.

    Notes
    -----
    The lower level must have `grad_x`; :class:`ArgumentError` is raised where it has none. z_0 = y_0.

    Examples
    --------
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> options = dict(step_x=0.1, step_y=0.01, step_z=0.1, inner_steps=2, penalty=10.0)
    >>> result = minimize(problem, [1.0, 1.0], [0.0, 0.0, 0.0], method="f2sa", maxiter=3, **options)
    >>> result.n_hvp, result.n_cross, result.n_grad, result.n_grad_upper
    (0, 0, 12, 9)
    """

    step_x: float
    step_y: float
    step_z: float | None = None
    inner_steps: int = 1
    penalty: float = 1.0
    penalty_growth: float = 0.0
    decay_x: float = 0.0
    decay_y: float = 0.0
    decay_penalty: float = 0.0

    limited_by: ClassVar = {"step_y": "sigma A + f", "step_z": "A"}  # what the steps multiply

    def __post_init__(self) -> None:
        check_options(self)
        if self.step_z is not None:
            as_number("step_z", self.step_z, above=0.0)
        as_number("penalty", self.penalty, above=0.0)
        for name in ("penalty_growth", "decay_x", "decay_y", "decay_penalty"):
            as_number(name, getattr(self, name), least=0.0)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> F2SAState:
        """The state before the first iteration."""
        return F2SAState(k=0, x=x0, x_next=x0, y=y0, v=v0, z=y0, sigma=self.penalty, sigma_next=self.penalty)

    @kept_by_its_state
    def step(self, problem: BilevelProblem, state: F2SAState) -> F2SAState:
        """One outer iteration."""
        k, x, y = state.k + 1, state.x_next, state.y
        z: np.ndarray = state.z  # type: ignore[assignment]  # `init` has set it
        number = x.dtype.type
        gamma = number(self.step_y if self.step_z is None else self.step_z)
        alpha, step = decaying(self.step_y, k, self.decay_y), decaying(self.step_x, k, self.decay_x)
        sigma, direction_y, direction_z = state.sigma_next, state.direction_y, state.direction_z
        try:
            for _ in range(self.inner_steps):
                direction_z, b, grad_y = problem.together(
                    partial(problem.lower_grad_y, x, z),
                    partial(problem.upper_grad_y, x, y),
                    partial(problem.lower_grad_y, x, y),
                )
                z = step_along(z, gamma, direction_z)
                # ∇_y f + σ∇_y g, for −(−σ) rounds as σ does
                direction_y = step_along(b, number(-sigma), grad_y)
                y = step_along(y, number(alpha), direction_y)
            c, grad_x_y, grad_x_z = problem.together(
                partial(problem.upper_grad_x, x, y),
                partial(problem.lower_grad_x, x, y),
                partial(problem.lower_grad_x, x, z),
            )
        except (LancbioError, ArithmeticError, ValueError) as error:
            locate(error, x, z if is_finite(y) and not norm2(z) < norm2(y) else y)  # the larger one
            raise
        h = step_along(c, number(-sigma), minus(grad_x_y, grad_x_z))
        return state.renewed(
            k=k,
            x=x,
            y=y,
            z=z,
            c=c,
            h=h,
            sigma=sigma,
            sigma_next=sigma + decaying(self.penalty_growth, k, self.decay_penalty),
            alpha=alpha,
            step=step,
            direction_y=direction_y,
            direction_z=direction_z,
            grad_x_y=grad_x_y,
            grad_x_z=grad_x_z,
            x_next=step_along(x, number(step), h),
            n_grad=state.n_grad + 2 * self.inner_steps,
            n_grad_x=state.n_grad_x + 2,
            n_grad_upper=state.n_grad_upper + self.inner_steps + 1,
        )
