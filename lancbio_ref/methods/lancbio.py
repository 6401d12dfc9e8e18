"""LancBiO: one dynamic Lanczos step an outer iteration (Yang, Gao, Yuan, ICLR 2025, Algorithms 2 and 4).

At iteration k: N inner steps y ← y − θ∇_y g(x_k, y), then A_k, J_k, b_k, c_k at (x_k, y_k). At a *restart*

    v̄ = v_{k−1},  w = A_k v̄,  q_1 = (b_k − w)/‖b_k − w‖,  T and Q empty;

then, at every iteration, with the current A_k and b_k but the w of the last restart,

    u = A_k q_j − β_j q_{j−1};  α_j = q_jᵀu;  T grows by (β_j, α_j)
    Δv = Q_j T_j⁻¹ Q_jᵀ(b_k − w);  v_k = v̄ + Δv
    ω = u − α_j q_j;  β_{j+1} = ‖ω‖;  q_{j+1} = ω/β_{j+1}
    x_{k+1} = x_k − λ(c_k − J_k v_k)

m + 1 Hessian products in m iterations. Since A moves, T is not QᵀAQ of any one A and may be indefinite; then it is
solved with pivoting and the step says so. Since b moves, the right-hand side is Qᵀ(b_k − w), not ‖r_0‖e_1.

In plain dense lines: `lancbio` in `textbook/trace.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import kernels, parallel
from ..arguments import Reorthogonalization, as_choice, as_integer, as_number
from ..errors import ArgumentError, RepresentationError
from ..kernels import BLOCK
from ..krylov import LanczosProcess
from ..memory import kept_by_its_state
from ..operators.vectors import read_only
from ..rounding import is_finite
from ..status import StepStatus
from .base import State, advance, check_options, descend

if TYPE_CHECKING:
    from ..problem import BilevelProblem


@dataclass(frozen=True)
class SubspaceSchedule:
    """How the subspace dimension m grows: at each k with k mod f = f − 1, m ← min(⌈ρm⌉, m_max).

    A restart happens when m = 1 or k mod m = 1, and when the basis has m_max vectors, or n_y of them, which is all that
    R^{n_y} holds. A change of m does not itself restart, so the basis may for a while have more than m vectors.

    Parameters
    ----------
    initial : int
        m_1.
    growth : float
        ρ ≥ 1.
    every : int
        f.
    maximum : int
        m_max.
    """

    initial: int
    growth: float
    every: int
    maximum: int

    def __post_init__(self) -> None:
        as_integer("subspace.initial", self.initial, least=1)
        as_number("subspace.growth", self.growth, least=1.0)
        as_integer("subspace.every", self.every, least=1)
        as_integer("subspace.maximum", self.maximum, least=self.initial)

    def dimension(self, k: int, m: int) -> int:
        """m for iteration k, from that of iteration k − 1."""
        if k % self.every == self.every - 1:
            return min(math.ceil(self.growth * m), self.maximum)
        return m

    def restarts(self, k: int, m: int, columns: int) -> bool:
        """Whether iteration k starts a new subspace, `columns` being the size of the old one."""
        return m == 1 or k % m == 1 or columns >= self.maximum


def _empty() -> np.ndarray:
    return np.zeros(0)


@dataclass
class LancBiOState(State):
    """The state of LancBiO; T, Q, alpha, beta, q, q_next, omega and u are properties, read-only views of `process`.

    Attributes
    ----------
    m : int
        Subspace dimension of the schedule.
    process : LanczosProcess or None
        The dynamic process since the last restart; None where b_k = w left nothing to do.
    v_bar, w : ndarray, shape (n_y,)
        v̄ and A v̄ of the last restart.
    projected : ndarray, shape (j,)
        Q_jᵀ(b_k − w).
    coefficients : ndarray, shape (j,)
        T_j⁻¹Q_jᵀ(b_k − w).
    dv : ndarray, shape (n_y,)
        Δv.
    restarted : bool
        Whether this iteration began a new subspace.
    restart_due : bool
        Whether the next must.
    """

    m: int = 1
    process: LanczosProcess | None = None
    v_bar: np.ndarray = field(default_factory=_empty)
    w: np.ndarray = field(default_factory=_empty)
    projected: np.ndarray | None = None
    coefficients: np.ndarray | None = None
    dv: np.ndarray | None = None
    restarted: bool = False
    restart_due: bool = True

    _made_anew: ClassVar[tuple[str, ...]] = ("b", "c", "direction_y", "dv")

    @property
    def r(self) -> np.ndarray | None:
        """b_k − w."""
        return None if self.b is None else self.b - self.w

    @property
    def T(self) -> np.ndarray:
        """T_j, dense."""
        return np.zeros((0, 0)) if self.process is None else self.process.T

    @property
    def Q(self) -> np.ndarray:
        """Q_j, shape (n_y, j)."""
        return np.zeros((self.y.size, 0)) if self.process is None else read_only(self.process.Q)

    @property
    def alpha(self) -> np.ndarray:
        """α_1 … α_j."""
        return _empty() if self.process is None else read_only(self.process.alpha)

    @property
    def beta(self) -> np.ndarray:
        """β_2 … β_{j+1}."""
        return _empty() if self.process is None else read_only(self.process.beta)

    @property
    def q(self) -> np.ndarray:
        """q_j."""
        return np.zeros_like(self.y) if self.process is None else read_only(self.process.q)

    @property
    def q_next(self) -> np.ndarray:
        """q_{j+1}; zeros at breakdown."""
        return np.zeros_like(self.y) if self.process is None else read_only(self.process.q_next)

    @property
    def omega(self) -> np.ndarray:
        """ω = β_{j+1} q_{j+1}, what was left after reorthogonalization if there was one."""
        return self.beta[-1] * self.q_next if self.beta.size else np.zeros_like(self.y)

    @property
    def u(self) -> np.ndarray:
        """u = A_k q_j − β_j q_{j−1} = α_j q_j + ω."""
        return self.alpha[-1] * self.q + self.omega if self.alpha.size else np.zeros_like(self.y)


@dataclass(frozen=True)
class LancBiO:
    """LancBiO.

    Parameters
    ----------
    step_x, step_y : float
        λ and θ.
    inner_steps : int
        N.
    subspace : int or SubspaceSchedule
        A constant m, or a schedule.
    reorthogonalization : {"none", "local", "full"}
        Of the dynamic process. Anything but ``none`` changes the method: it is an experiment. ``selective`` and
        ``partial`` reason about one fixed operator and are refused.

    Notes
    -----
    *When m is too large.* T is QᵀAQ only as far as A stands still while its m columns are made. With n_y vectors the
    basis is all of R^{n_y}, and T_j⁻¹ is as wrong along the smallest eigenvalues of A as A has moved since the restart,
    relative to them: v_k jumps, and x after it. So m should be small beside n_y, at most half of it, and
    m‖A_{k+1} − A_k‖ small beside λ_min(A). The default of 10 is for n_y of 20 and more. On a small problem, or where
    the trace's `status` says INDEFINITE, take a smaller `subspace` (1 to 3), more `inner_steps` or a shorter `step_x`;
    and let ``minimize(..., check=True)`` compare the last h with a certified one.

    Examples
    --------
    >>> from lancbio_ref import LancBiO, SubspaceSchedule
    >>> LancBiO(step_x=1.0, step_y=1e-3, inner_steps=5, subspace=SubspaceSchedule(1, 1.1, 20, 80)).subspace.maximum
    80
    """

    step_x: float
    step_y: float
    inner_steps: int = 1
    subspace: int | SubspaceSchedule = 10
    reorthogonalization: Reorthogonalization = "none"

    limited_by: ClassVar = {"step_y": "A"}  # what the steps multiply

    def __post_init__(self) -> None:
        check_options(self)
        if not isinstance(self.subspace, SubspaceSchedule):
            as_integer("subspace", self.subspace, least=1)
        if self.reorthogonalization in ("selective", "partial"):
            raise ArgumentError(
                "reorthogonalization",
                repr(self.reorthogonalization),
                "'none', 'local' or 'full': selective and partial presuppose one fixed operator, and here A moves",
            )
        as_choice("reorthogonalization", self.reorthogonalization, ("none", "local", "full"))

    @cached_property
    def schedule(self) -> SubspaceSchedule:
        """The schedule; a constant m is one that does not grow."""
        m = self.subspace
        return m if isinstance(m, SubspaceSchedule) else SubspaceSchedule(m, 1.0, 1, m)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> LancBiOState:
        """The state before the first iteration."""
        return LancBiOState(k=0, x=x0, x_next=x0, y=y0, v=v0, m=self.schedule.initial)

    @kept_by_its_state
    def step(self, problem: BilevelProblem, state: LancBiOState) -> LancBiOState:
        """One outer iteration."""
        new, point = advance(problem, state, self.step_y, self.inner_steps)
        columns = 0 if state.process is None else state.process.k
        new.m = self.schedule.dimension(new.k, state.m)
        exhausted = columns >= new.y.size
        new.restarted = state.restart_due or exhausted or self.schedule.restarts(new.k, new.m, columns)
        self._lanczos(point, new)
        return descend(new, point, self.step_x)

    def _lanczos(self, point: Any, new: LancBiOState) -> None:
        """DLanczos: v_{k−1} in ``new.v`` becomes v_k."""
        new.restart_due = False
        if new.restarted:
            new.v_bar = new.v
            new.w = point.A.matvec(new.v_bar)
            new.n_hvp += 1
            new.status = StepStatus.RESTARTED
        r, size = _difference(point.b, new.w)
        if not size < math.inf:
            raise RepresentationError("b - w overflows: rescale the upper level")
        if not size > 0:  # b_k = w
            new.v, new.dv = new.v_bar, np.zeros_like(r)
            new.process = None if new.restarted else new.process
            new.projected = new.coefficients = np.zeros(0 if new.process is None else new.process.k)
            new.status, new.restart_due = StepStatus.EXACT, True
            return
        process = new.process
        if process is None:
            most = min(self.schedule.maximum, r.size)
            process = new.process = LanczosProcess(r, reorthogonalization=self.reorthogonalization, capacity=most)
        elif new.restarted:
            process.restart(r)  # in the same memory: m + 1 vectors, not twice as many
        new.projected, solution, dv = process.step_and_solve(point.A, r)
        new.n_hvp += 1
        if dv is None:  # v stays v_{k−1}
            new.dv, new.coefficients = parallel.minus(new.v, new.v_bar), None
            new.status, new.restart_due = StepStatus.SINGULAR, True
            return
        new.coefficients, new.dv = solution.y, dv
        new.v = parallel.plus(new.v_bar, dv)
        if solution.status is StepStatus.INDEFINITE:
            new.status = StepStatus.INDEFINITE
        if process.breakdown:
            new.status, new.restart_due = StepStatus.BREAKDOWN, True


def _difference(b: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, float]:
    """b − w, and a number that is 0 where b = w and infinite where an entry of the difference is not finite."""
    if b.size <= BLOCK and b.dtype == w.dtype and b.flags.carray and w.flags.carray:
        r = np.empty(b.size, b.dtype)
        return r, kernels.short_difference(b, w, r)
    r = parallel.minus(b, w)
    return r, float(r.any()) if is_finite(r) else math.inf
