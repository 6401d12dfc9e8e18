"""AmIGO: an approximate linear solve that starts where the last one ended (Arbel and Mairal, ICLR 2022, Algorithm 1).

At iteration k: N inner steps y ← y − θ∇_y g(x_k, y), then A_k, J_k, b_k, c_k at (x_k, y_k), then Q steps of a linear
solver for A_k v = b_k from v_{k−1}, and x_{k+1} = x_k − λ(c_k − J_k v_k). The two solvers are

    gradient steps (AmIGO-GD):   v ← v − η(A v − b),                                  Q products
    conjugate gradients (AmIGO-CG):   from r_0 = b − A v_{k−1}, p_0 = r_0, d_0 = 0,   Q + 1 products

        γ_j = ‖r_j‖²/p_jᵀA p_j;   d_{j+1} = d_j + γ_j p_j;   r_{j+1} = r_j − γ_j A p_j
        δ_{j+1} = ‖r_{j+1}‖²/‖r_j‖²;   p_{j+1} = r_{j+1} + δ_{j+1} p_j;   v_k = v_{k−1} + d_Q

Thanks to the warm start both converge to the stationary point of φ for any Q ≥ 1, if the steps are short enough.

In plain dense lines: `amigo_gd` and `amigo_cg` in `textbook/baselines.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .. import memory
from ..memory import kept_by_its_state
from ..operators import one_batch
from ..parallel import dot, minus, plus, step_along
from ..rounding import norm2, scale_number, unit_roundoff
from ..status import StepStatus
from .base import State, advance, check_options, descend

if TYPE_CHECKING:
    from ..problem import BilevelProblem


@dataclass
class AmIGOGDState(State):
    """The state of AmIGO-GD.

    Attributes
    ----------
    residual : ndarray, shape (n_y,)
        A v − b at the last but one v: what the last of the Q steps went along.
    """

    residual: np.ndarray | None = None


@dataclass
class AmIGOCGState(State):
    """The state of AmIGO-CG.

    Attributes
    ----------
    r0 : ndarray, shape (n_y,)
        b_k − A_k v_{k−1}, evaluated.
    dv : ndarray, shape (n_y,)
        d, so that v_k = v_{k−1} + d.
    residual : ndarray, shape (n_y,)
        r_j after the last step, by the recurrence.
    direction : ndarray, shape (n_y,)
        p_j after the last step: where the next would have gone.
    gamma, delta : ndarray, shape (j,)
        γ_0 … γ_{j−1} and δ_1 … δ_j of the j ≤ Q steps made.
    """

    r0: np.ndarray | None = None
    dv: np.ndarray | None = None
    residual: np.ndarray | None = None
    direction: np.ndarray | None = None
    gamma: np.ndarray | None = None
    delta: np.ndarray | None = None


@dataclass(frozen=True)
class AmIGOGD:
    """AmIGO with gradient steps for the linear system.

    Parameters
    ----------
    step_x, step_y, step_v : float
        λ, θ and η.
    inner_steps, inverse_steps : int
        N and Q.

    Notes
    -----
    On a mini-batched problem every product draws its own batch.

    Examples
    --------
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> options = dict(step_x=0.5, step_y=0.1, step_v=0.1, inverse_steps=4)
    >>> result = minimize(problem, [1.0, 1.0], [0.0, 0.0, 0.0], method="amigo-gd", maxiter=3, **options)
    >>> result.trace["n_hvp"]
    array([ 4,  8, 12])
    """

    step_x: float
    step_y: float
    step_v: float
    inner_steps: int = 1
    inverse_steps: int = 5

    limited_by: ClassVar = {"step_y": "A", "step_v": "A"}  # what the steps multiply

    def __post_init__(self) -> None:
        check_options(self)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> AmIGOGDState:
        """The state before the first iteration."""
        return AmIGOGDState(k=0, x=x0, x_next=x0, y=y0, v=v0)

    @kept_by_its_state
    def step(self, problem: BilevelProblem, state: AmIGOGDState) -> AmIGOGDState:
        """One outer iteration."""
        new, point = advance(problem, state, self.step_y, self.inner_steps)
        eta = point.dtype.type(self.step_v)
        for _ in range(self.inverse_steps):
            new.residual = minus(point.A.matvec(new.v), point.b)
            new.v = step_along(new.v, eta, new.residual)
        new.n_hvp += self.inverse_steps
        return descend(new, point, self.step_x)


@dataclass(frozen=True)
class AmIGOCG:
    """AmIGO with conjugate gradients for the linear system.

    Parameters
    ----------
    step_x, step_y : float
        λ and θ.
    inner_steps, inverse_steps : int
        N and Q.

    Notes
    -----
    The solve ends before its Q steps where ‖r_j‖ ≤ u‖b‖: the recurrence may go on shrinking, but b − A v, which
    rounds at u‖A‖‖v‖, does not. It also ends where p_jᵀA p_j ≤ 0, keeping what it has, and the status says so.

    On a mini-batched problem one batch serves the whole solve: with a fresh one a product, the residuals of the
    recurrence belong to no system, and the method diverges.

    Examples
    --------
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> options = dict(step_x=0.5, step_y=0.1, inverse_steps=2)
    >>> result = minimize(problem, [1.0, 1.0], [0.0, 0.0, 0.0], method="amigo-cg", maxiter=3, **options)
    >>> result.trace["n_hvp"]
    array([3, 6, 9])
    """

    step_x: float
    step_y: float
    inner_steps: int = 1
    inverse_steps: int = 5

    limited_by: ClassVar = {"step_y": "A"}  # what the steps multiply

    def __post_init__(self) -> None:
        check_options(self)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> AmIGOCGState:
        """The state before the first iteration."""
        return AmIGOCGState(k=0, x=x0, x_next=x0, y=y0, v=v0)

    @kept_by_its_state
    def step(self, problem: BilevelProblem, state: AmIGOCGState) -> AmIGOCGState:
        """One outer iteration."""
        new, point = advance(problem, state, self.step_y, self.inner_steps)
        _conjugate_gradients(one_batch(point.A), point.b, new, self.inverse_steps)
        return descend(new, point, self.step_x)


def _conjugate_gradients(A: LinearOperator, b: np.ndarray, new: AmIGOCGState, steps: int) -> None:
    """Q steps for A d = r_0; v_{k−1} in ``new.v`` becomes v_k = v_{k−1} + d.

    r_0 is first scaled by a power of two to a norm near 1, which changes no digit, and lets no ‖r_j‖² underflow.
    """
    new.r0 = r0 = minus(b, A.matvec(new.v))
    new.n_hvp += 1
    exponent = math.frexp(norm2(r0))[1]
    r = p = _scaled(r0, -exponent)
    d, rho = memory.empty(r.size, r.dtype), dot(r, r)
    d[:] = 0
    floor = scale_number(unit_roundoff(r.dtype) * norm2(b), -exponent)
    gammas, deltas = [], []
    for _ in range(steps):
        if norm2(r) <= floor or rho == 0:
            break
        Ap = A.matvec(p)
        new.n_hvp += 1
        curvature = dot(p, Ap)
        if curvature <= 0:
            new.status = StepStatus.NEGATIVE_CURVATURE
            break
        gamma = rho / curvature  # γ_j = ‖r_j‖²/p_jᵀA p_j
        d = step_along(d, r.dtype.type(-gamma), p)
        r = step_along(r, r.dtype.type(gamma), Ap)
        delta, rho = dot(r, r) / rho, dot(r, r)  # δ_{j+1} = ‖r_{j+1}‖²/‖r_j‖²
        p = step_along(r, r.dtype.type(-delta), p)
        gammas.append(gamma)
        deltas.append(delta)
    new.dv, new.residual, new.direction = _scaled(d, exponent), _scaled(r, exponent), _scaled(p, exponent)
    new.gamma, new.delta = np.array(gammas), np.array(deltas)
    new.v = plus(new.v, new.dv)


@np.errstate(under="ignore")
def _scaled(x: np.ndarray, exponent: int) -> np.ndarray:
    """x · 2^exponent."""
    return np.ldexp(x, exponent, memory.empty(x.size, x.dtype))
