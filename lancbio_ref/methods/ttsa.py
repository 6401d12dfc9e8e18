"""TTSA: two time scales, decaying at different rates (Hong, Wai, Wang, Yang, arXiv 2007.05170).

At iteration k = 1, 2, …, with α_k = step_x/(k+1)^a and β_k = step_y/(k+1)^b, one inner step, and BSA's random Neumann
term:

    y_k = y_{k−1} − β_k ∇_y g(x_k, y_{k−1});    A_k, J_k, b_k, c_k at (x_k, y_k)
    p uniform on {0, …, Q − 1};    v_k = ηQ (I − ηA_k)^p b_k;     x_{k+1} = x_k − α_k(c_k − J_k v_k)

E v = η Σ_{q<Q} (I − ηA)^q b = P(A) b with P(A) = (I − (I − ηA)^Q) A⁻¹, as for BSA. The decaying steps average the
noise of p away (Σ α_k = ∞, α_k → 0), so the iterates themselves tend to the biased point: ∇_y g(x, y) = 0 and c − J
P(A) b = 0 at y = y*(x).

In plain dense lines: `ttsa` in `textbook/baselines.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..arguments import as_generator, as_number
from ..memory import kept_by_its_state
from .base import advance, check_options, decaying, descend
from .bsa import BSAState, random_neumann

if TYPE_CHECKING:
    from ..problem import BilevelProblem


@dataclass
class TTSAState(BSAState):
    """The state of TTSA, which has p, the term and the generator of BSA's too.

    Attributes
    ----------
    alpha, beta : float
        α_k and β_k.
    """

    alpha: float = 0.0
    beta: float = 0.0


@dataclass(frozen=True)
class TTSA:
    """TTSA.

    Parameters
    ----------
    step_x, step_y, step_v : float
        Of α_k = step_x/(k+1)^decay_x, of β_k = step_y/(k+1)^decay_y, and η.
    decay_x, decay_y : float
        a and b; 3/5 and 2/5 are the exponents of Hong et al. for a nonconvex φ. 0 is a constant step.
    inverse_steps : int
        Q.

    Examples
    --------
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> options = dict(step_x=0.1, step_y=0.1, step_v=0.1, decay_x=1.0, decay_y=0.5, rng=0, trace=("alpha", "beta"))
    >>> result = minimize(problem, [1.0, 1.0], [0.0, 0.0, 0.0], method="ttsa", maxiter=3, **options)
    >>> result.trace["alpha"].round(3), result.trace["beta"].round(3)
    (array([0.05 , 0.033, 0.025]), array([0.071, 0.058, 0.05 ]))
    """

    step_x: float
    step_y: float
    step_v: float
    decay_x: float = 0.6
    decay_y: float = 0.4
    inverse_steps: int = 10

    limited_by: ClassVar = {"step_y": "A", "step_v": "A"}  # what the steps multiply
    is_random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_options(self)
        as_number("decay_x", self.decay_x, least=0.0)
        as_number("decay_y", self.decay_y, least=0.0)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> TTSAState:
        """The state before the first iteration."""
        return TTSAState(k=0, x=x0, x_next=x0, y=y0, v=v0, rng=as_generator(rng))

    @kept_by_its_state
    def step(self, problem: BilevelProblem, state: TTSAState) -> TTSAState:
        """One outer iteration."""
        k = state.k + 1
        alpha, beta = decaying(self.step_x, k, self.decay_x), decaying(self.step_y, k, self.decay_y)
        new, point = advance(problem, state, beta, 1)
        new.alpha, new.beta = alpha, beta
        new.p, new.term, new.v = random_neumann(point, state.rng, self.step_v, self.inverse_steps)
        new.n_hvp += new.p
        return descend(new, point, alpha)
