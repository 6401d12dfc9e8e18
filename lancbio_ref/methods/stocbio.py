"""stocBiO: a truncated Neumann series for A⁻¹b (Ji, Yang, Liang, ICML 2021).

At iteration k: N inner steps y ← y − θ∇_y g(x_k, y), then A_k, J_k, b_k, c_k at (x_k, y_k), then, with Q products,

    v_k = η Σ_{q=0}^{Q} (I − ηA_k)^q b_k;     x_{k+1} = x_k − λ(c_k − J_k v_k)

The series is begun anew every time, and cut off: since ηA Σ_{q=0}^{Q} (I − ηA)^q = I − (I − ηA)^{Q+1},

    v_k = P(A_k) b_k,    P(A) = (I − (I − ηA)^{Q+1}) A⁻¹,

and the limit is no stationary point of φ, but a point where ∇_y g(x, y) = 0 and c − J P(A) b = 0 at y = y*(x). The
relative error of v along an eigenvector of A is (1 − ηλ)^{Q+1}: nearly all of v where λ is small.

In plain dense lines: `stocbio` in `textbook/baselines.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .. import memory
from ..memory import kept_by_its_state
from ..parallel import step_along, times
from .base import State, advance, check_options, descend

if TYPE_CHECKING:
    from ..problem import BilevelProblem


@dataclass
class StocBiOState(State):
    """The state of stocBiO.

    Attributes
    ----------
    terms : ndarray, shape (Q + 1, n_y)
        (I − ηA_k)^q b_k for q = 0 … Q; v_k is η times their sum.
    """

    terms: np.ndarray | None = None


@dataclass(frozen=True)
class StocBiO:
    """stocBiO.

    Parameters
    ----------
    step_x, step_y, step_v : float
        λ, θ and η; the series converges for η < 2/‖A‖.
    inner_steps, inverse_steps : int
        N and Q; Q + 1 terms take Q products.

    Notes
    -----
    On a mini-batched problem every factor I − ηA draws its own batch, so that E v is the series of the full A.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic_from_arrays([[2.0]], [[1.0]], d=[0.0], t=[1.0])
    >>> options = dict(step_x=0.1, step_y=0.1, step_v=0.25, inverse_steps=2)
    >>> result = minimize(problem, [0.0], [0.0], method="stocbio", maxiter=1, trace=("terms",), **options)
    >>> result.trace["terms"][0].ravel(), result.v  # b = −1, I − ηA = ½; A⁻¹b is −0.5
    (array([-1.  , -0.5 , -0.25]), array([-0.4375]))
    """

    step_x: float
    step_y: float
    step_v: float
    inner_steps: int = 1
    inverse_steps: int = 10

    limited_by: ClassVar = {"step_y": "A", "step_v": "A"}  # what the steps multiply

    def __post_init__(self) -> None:
        check_options(self, least_inverse_steps=0)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> StocBiOState:
        """The state before the first iteration."""
        return StocBiOState(k=0, x=x0, x_next=x0, y=y0, v=v0)

    @kept_by_its_state
    def step(self, problem: BilevelProblem, state: StocBiOState) -> StocBiOState:
        """One outer iteration."""
        new, point = advance(problem, state, self.step_y, self.inner_steps)
        eta = point.dtype.type(self.step_v)
        count = self.inverse_steps + 1
        new.terms = terms = memory.empty(count * new.y.size, point.dtype).reshape(count, -1)
        terms[0] = point.b
        for q in range(self.inverse_steps):
            step_along(terms[q], eta, point.A.matvec(terms[q]), out=terms[q + 1])  # (I − ηA)^{q+1} b
        new.v = times(np.sum(terms, axis=0, out=memory.empty(new.y.size, point.dtype)), eta)
        new.n_hvp += self.inverse_steps
        return descend(new, point, self.step_x)
