"""SubBiO: v from a two-dimensional subspace (Yang, Gao, Yuan, ICLR 2025, Algorithm 1).

    S_k = span{b_k, (I − ηA_k)v_{k−1}};   v_k = argmin_{v ∈ S_k} ½vᵀA_k v − vᵀb_k

With an orthonormal basis S of S_k that is the Galerkin system (SᵀA_kS) z = Sᵀb_k, v_k = S z: three Hessian products.
Where the two directions are dependent, one of them spans the space. Of samples in blocks A v and A b are one reading.

In plain dense lines: `subbio` in `textbook/trace.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .. import memory, parallel
from ..errors import RepresentationError
from ..memory import kept_by_its_state
from ..operators import one_batch
from ..rounding import norm2, unit_roundoff
from ..status import StepStatus
from .base import State, advance, check_options, descend

if TYPE_CHECKING:
    from ..problem import BilevelProblem


def _empty() -> np.ndarray:
    return np.zeros((0, 0))


@dataclass
class SubBiOState(State):
    """The state of SubBiO.

    Attributes
    ----------
    Av : ndarray, shape (n_y,)
        A_k v_{k−1}.
    second : ndarray, shape (n_y,)
        (I − ηA_k)v_{k−1}; the first direction is b.
    S, AS : ndarray, shape (n_y, r)
        Orthonormal basis of S_k, r ≤ 2, and A_kS.
    projected : ndarray, shape (r, r)
        SᵀA_kS, symmetrized.
    right : ndarray, shape (r,)
        Sᵀb_k.
    coefficients : ndarray, shape (r,)
        z.
    """

    Av: np.ndarray | None = None
    second: np.ndarray | None = None
    S: np.ndarray = field(default_factory=_empty)
    AS: np.ndarray = field(default_factory=_empty)
    projected: np.ndarray = field(default_factory=_empty)
    right: np.ndarray | None = None
    coefficients: np.ndarray | None = None


@dataclass(frozen=True)
class SubBiO:
    """SubBiO.

    Parameters
    ----------
    step_x, step_y, step_v : float
        λ, θ and η.
    inner_steps : int
        N.

    Examples
    --------
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> steps = dict(step_x=0.1, step_y=0.1, step_v=0.1)
    >>> result = minimize(problem, [1.0, 1.0], [0.0, 0.0, 0.0], method="subbio", maxiter=3, **steps)
    >>> result.trace["n_hvp"]  # three an iteration; at v0 = 0 there is one direction, and two
    array([2, 5, 8])
    """

    step_x: float
    step_y: float
    step_v: float
    inner_steps: int = 1

    limited_by: ClassVar = {"step_y": "A", "step_v": "A"}  # what the steps multiply

    def __post_init__(self) -> None:
        check_options(self)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> SubBiOState:
        """The state before the first iteration."""
        return SubBiOState(k=0, x=x0, x_next=x0, y=y0, v=v0)

    @kept_by_its_state
    def step(self, problem: BilevelProblem, state: SubBiOState) -> SubBiOState:
        """One outer iteration."""
        new, point = advance(problem, state, self.step_y, self.inner_steps)
        eta = point.dtype.type(self.step_v)
        rows = _rows(2, point.b)
        r = _extended(rows, 0, point.b)
        new.Av, (A, products) = problem.together(  # the first direction is b's, and needs no A v
            lambda: point.A.matvec(state.v), lambda: _products_of_one_batch(point.A, rows[:r])
        )
        new.second = parallel.step_along(state.v, eta, new.Av)
        r = _extended(rows, r, new.second)
        products += [A.matvec(s) for s in rows[len(products) : r]]
        new.S, new.AS = rows[:r].T, _rows(r, point.b).T
        for As, product in zip(new.AS.T, products, strict=True):
            As[:] = product
        new.n_hvp += 1 + new.S.shape[1]
        G = np.array([parallel.coefficients(new.S.T, As) for As in new.AS.T]).reshape(2 * new.S.shape[1:])
        new.projected = (G + G.T) / 2
        if not all(map(math.isfinite, new.projected.ravel().tolist())):
            raise RepresentationError("SᵀA S overflows: rescale the lower level")
        self._galerkin(new, point.b)
        return descend(new, point, self.step_x)

    def _galerkin(self, new: SubBiOState, b: np.ndarray) -> None:
        """z with (SᵀAS) z = Sᵀb; v stays v_{k−1} where the matrix is singular."""
        new.right = right = parallel.coefficients(new.S.T, b)
        try:
            z = np.linalg.solve(new.projected, right)
        except np.linalg.LinAlgError:
            z = np.full(right.size, np.nan)
        if not all(map(math.isfinite, z.tolist())):
            new.coefficients, new.status = None, StepStatus.SINGULAR
            return
        if right.size and not _is_definite(new.projected) and np.linalg.eigvalsh(new.projected)[0] <= 0:
            new.status = StepStatus.INDEFINITE
        new.coefficients, new.v = z, parallel.combination(new.S.T, z)


def _is_definite(G: np.ndarray) -> bool:
    """Whether the finite symmetric G, at most 2 × 2, has eigenvalues so far above 0 that LAPACK's are positive too.

    λ_min ≥ det G/tr G for a positive definite G; LAPACK's is within a few units of tr G.
    """
    if G.size == 1:
        return bool(G[0, 0] > 0)
    (a, b), (_, c) = G.tolist()
    trace = a + c
    return 1e-140 < trace < 1e140 and a > 0 and a * c - b * b > 1e-6 * trace * trace


def _products_of_one_batch(A: LinearOperator, S: np.ndarray) -> tuple[LinearOperator, list[np.ndarray]]:
    """A and its products with these rows; with a batch a column the 2 × 2 matrix would not be symmetric."""
    A = one_batch(A)
    return A, [A.matvec(s) for s in S]


def _extended(rows: np.ndarray, r: int, vector: np.ndarray) -> int:
    """How many of the rows are an orthonormal basis of the span of the first r and of this vector.

    Gram–Schmidt, twice; the vector is dependent when what is left of it is rounding.
    """
    size = norm2(vector)
    if size == 0:
        return r
    here = rows[r] if vector.dtype == rows.dtype else None
    rest = np.divide(vector, size, here)
    for q in (*rows[:r], *rows[:r]):
        rest = parallel.step_along(rest, rest.dtype.type(parallel.dot(q, rest)), q, out=here)
    left = norm2(rest)
    if not left > 10 * np.sqrt(vector.size) * unit_roundoff(vector.dtype):
        return r
    np.divide(rest, left, rows[r], casting="same_kind")
    return r + 1


def _rows(count: int, like: np.ndarray) -> np.ndarray:
    """Room for so many vectors, one a row."""
    return memory.empty(count * like.size, like.dtype).reshape(count, like.size)
