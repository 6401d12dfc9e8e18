"""BSA: one random term stands for the whole Neumann series (Ghadimi and Wang, arXiv 1802.02246, 2018).

At iteration k: N inner steps y ← y − θ∇_y g(x_k, y), then A_k, J_k, b_k, c_k at (x_k, y_k), then, with p products,

    p uniform on {0, …, Q − 1};    v_k = ηQ (I − ηA_k)^p b_k;     x_{k+1} = x_k − λ(c_k − J_k v_k)

Each of the Q terms is drawn with probability 1/Q, so at one point (x, y)

    E v = η Σ_{q<Q} (I − ηA)^q b = P(A) b,    P(A) = (I − (I − ηA)^Q) A⁻¹,

and the limit in expectation is the point where ∇_y g(x, y) = 0 and c − J P(A) b = 0 at y = y*(x), not the stationary
point of φ. With constant steps the iterates go on fluctuating around it. (On a problem whose gradients are affine and
whose A and J are constant, the expectation of x_k converges to exactly that point, since each p acts on (x, y) by an
affine map, drawn independently.)

In plain dense lines: `bsa` in `textbook/baselines.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..arguments import as_generator
from ..memory import kept_by_its_state
from ..parallel import step_along, times
from .base import State, advance, check_options, descend

if TYPE_CHECKING:
    from ..problem import BilevelProblem


@dataclass
class BSAState(State):
    """The state of BSA.

    Attributes
    ----------
    rng : numpy.random.Generator
        Draws p; it moves on at every step.
    p : int
        The power drawn.
    term : ndarray, shape (n_y,)
        (I − ηA_k)^p b_k.
    """

    rng: np.random.Generator | None = None
    p: int = 0
    term: np.ndarray | None = None


@dataclass(frozen=True)
class BSA:
    """BSA.

    Parameters
    ----------
    step_x, step_y, step_v : float
        λ, θ and η; Ghadimi and Wang take η = 1/L.
    inner_steps, inverse_steps : int
        N and Q.

    Notes
    -----
    The products of an iteration are p, (Q − 1)/2 on average. On a mini-batched problem every factor I − ηA draws its
    own batch.

    Examples
    --------
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> options = dict(step_x=0.01, step_y=0.1, step_v=0.1, inverse_steps=4, rng=0, trace=("p",))
    >>> result = minimize(problem, [1.0, 1.0], [0.0, 0.0, 0.0], method="bsa", maxiter=5, **options)
    >>> result.n_hvp == int(result.trace["p"].sum())
    True
    """

    step_x: float
    step_y: float
    step_v: float
    inner_steps: int = 1
    inverse_steps: int = 10

    limited_by: ClassVar = {"step_y": "A", "step_v": "A"}  # what the steps multiply
    is_random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_options(self)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> BSAState:
        """The state before the first iteration."""
        return BSAState(k=0, x=x0, x_next=x0, y=y0, v=v0, rng=as_generator(rng))

    @kept_by_its_state
    def step(self, problem: BilevelProblem, state: BSAState) -> BSAState:
        """One outer iteration."""
        new, point = advance(problem, state, self.step_y, self.inner_steps)
        new.p, new.term, new.v = random_neumann(point, state.rng, self.step_v, self.inverse_steps)
        new.n_hvp += new.p
        return descend(new, point, self.step_x)


def random_neumann(
    point: Any, rng: np.random.Generator | None, step: float, count: int
) -> tuple[int, np.ndarray, np.ndarray]:
    """p uniform on {0, …, Q − 1}, (I − ηA)^p b, and v = ηQ (I − ηA)^p b."""
    eta = point.dtype.type(step)
    p = int(as_generator(rng).integers(count))
    term = point.b
    for _ in range(p):
        term = step_along(term, eta, point.A.matvec(term))
    return p, term, times(term, eta * point.dtype.type(count))
