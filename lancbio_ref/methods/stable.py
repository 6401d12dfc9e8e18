"""STABLE: running estimates of both second derivatives, and a lower level that moves along with x.

From Chen, Sun, Xiao, Yin, AISTATS 2022. With z_k = (x_k, y_k), dense estimates, a mini-batch ξ_k and 0 < τ ≤ 1,

    H_yy ← P_{⪰ μI}[(1 − τ)(H_yy − ∇²_yy g(z_{k−1}; ξ_k)) + ∇²_yy g(z_k; ξ_k)]
    H_xy ← P_{‖·‖ ≤ C}[(1 − τ)(H_xy − ∇²_xy g(z_{k−1}; ξ_k)) + ∇²_xy g(z_k; ξ_k)]
    v_k = H_yy⁻¹ b_k;    h_k = c_k − H_xy v_k;    x_{k+1} = x_k − λh_k
    y_{k+1} = y_k − θ∇_y g(z_k) − H_yy⁻¹ H_xyᵀ(x_{k+1} − x_k)

The last term follows the solution: dy*/dx = −A⁻¹Jᵀ. P_{⪰ μI} raises the eigenvalues below μ to μ, P_{‖·‖ ≤ C} lowers
the singular values above C to C: the nearest matrices, in the Frobenius norm, that have the bounds the true
derivatives have.

The estimates begin as the projected derivatives at z_1. Without noise they then stay equal to the current
derivatives, whatever τ is, and the limit is the stationary point of φ: h = 0 stops x, and then y stops where ∇_y g =
0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..arguments import as_number
from ..errors import ArgumentError
from ..operators import one_batch
from .base import State


@dataclass
class STABLEState(State):
    """The state of STABLE; y and v belong to z_k, as h does.

    Attributes
    ----------
    y_next : ndarray, shape (n_y,)
        y_{k+1}.
    A, J : ndarray, shape (n_y, n_y), (n_x, n_y)
        ∇²_yy g and ∇²_xy g at z_k.
    A_before, J_before : ndarray or None in the first iteration
        The same at z_{k−1}.
    H_yy, H_xy : ndarray, shape (n_y, n_y), (n_x, n_y)
        The estimates.
    eigenvalues, eigenvectors : ndarray, shape (n_y,), (n_y, n_y)
        Of H_yy.
    direction_y : ndarray, shape (n_y,)
        ∇_y g(z_k).
    prediction : ndarray, shape (n_y,)
        −H_yy⁻¹H_xyᵀ(x_{k+1} − x_k).
    """

    y_next: np.ndarray | None = None
    A: np.ndarray | None = None
    J: np.ndarray | None = None
    A_before: np.ndarray | None = None
    J_before: np.ndarray | None = None
    H_yy: np.ndarray | None = None
    H_xy: np.ndarray | None = None
    eigenvalues: np.ndarray | None = None
    eigenvectors: np.ndarray | None = None
    direction_y: np.ndarray | None = None
    prediction: np.ndarray | None = None


@dataclass(frozen=True)
class STABLE:
    """STABLE, for small n: it holds two dense matrices, and finds all eigenvalues of one in every iteration.

    Parameters
    ----------
    step_x, step_y : float
        λ and θ.
    momentum : float
        0 < τ ≤ 1.
    mu : float, optional
        μ > 0. By default what the lower level gives as its modulus at z_k, without which :class:`ArgumentError` is
        raised.
    radius : float, optional
        C > 0. By default what the lower level gives, or its structure proves, as a bound of ‖∇²_xy g‖ at z_k; H_xy
        stays as it is where there is none.

    Notes ----- The matrices are formed by products with the unit vectors: n_y Hessian and n_y cross products a point,
    and two points an iteration, except the first. The point z_{k−1} is evaluated again, because in the stochastic
    method ∇²g(z_{k−1}; ξ_k) is not ∇²g(z_{k−1}; ξ_{k−1}). Each matrix is formed with one mini-batch where the
    operators draw any. That z_{k−1} and z_k share *the same* one, ξ_k, is for the problem to see to, by handing out
    the same batch at both; with independent batches the estimates stay unbiased, apart from the projections, but
    their variance does not fall with τ.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> options = dict(step_x=1.0, step_y=0.1, tol=1e-9)
    >>> result = minimize(problem, [1.0, 1.0], np.zeros(3), method="stable", **options)
    >>> result.success, bool(np.allclose(result.x, problem.stationary_point(), atol=1e-7))
    (True, True)
    """

    step_x: float
    step_y: float
    momentum: float = 0.5
    mu: float | None = None
    radius: float | None = None

    def __post_init__(self) -> None:
        as_number("step_x", self.step_x, above=0.0)
        as_number("step_y", self.step_y, above=0.0)
        as_number("momentum", self.momentum, above=0.0, most=1.0)
        for name in ("mu", "radius"):
            if getattr(self, name) is not None:
                as_number(name, getattr(self, name), above=0.0)

    def init(
        self, problem: Any, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> STABLEState:
        """The state before the first iteration."""
        return STABLEState(k=0, x=x0, x_next=x0, y=y0, v=v0, y_next=y0)

    def step(self, problem: Any, state: STABLEState) -> STABLEState:
        """One outer iteration."""
        x, y = state.x_next, state.y_next
        step = x.dtype.type
        point = problem.linearize(x, y)
        new = replace(state, k=state.k + 1, x=x, y=y, b=point.b, c=point.c, A=as_dense(point.A), J=as_dense(point.J))
        points = 1
        if state.H_yy is not None:
            points = 2
            new.A_before = as_dense(problem.hessian(state.x, state.y))
            new.J_before = as_dense(problem.cross(state.x, state.y))
        self._estimate(point, new)

        new.v = _solve(new, point.b)
        new.h = point.c - new.H_xy @ new.v
        new.x_next = x - step(self.step_x) * new.h
        new.direction_y = problem.lower_grad_y(x, y)
        new.prediction = -_solve(new, new.H_xy.T @ (new.x_next - x))
        new.y_next = y - step(self.step_y) * new.direction_y + new.prediction

        new.n_hvp += points * y.size
        new.n_cross += points * y.size
        new.n_grad += 1
        new.n_grad_upper += 1
        return new

    def _estimate(self, point: Any, new: STABLEState) -> None:
        """H_yy and H_xy of z_{k−1} in `new` become those of z_k."""
        mu = point.mu if self.mu is None else self.mu
        if mu is None:
            raise ArgumentError("mu", None, "a number > 0, since the lower level gives no modulus here")
        radius = point.cross_norm if self.radius is None else self.radius
        H_yy, H_xy = new.A, new.J
        if new.H_yy is not None:
            keep = new.A.dtype.type(1 - self.momentum)
            H_yy = keep * (new.H_yy - new.A_before) + new.A
            H_xy = keep * (new.H_xy - new.J_before) + new.J
        new.eigenvalues, new.eigenvectors, new.H_yy = raise_eigenvalues(H_yy, float(mu))
        new.H_xy = H_xy if radius is None else lower_singular_values(H_xy, float(radius))


def as_dense(operator: LinearOperator) -> np.ndarray:
    """The matrix of an operator, a product with each unit vector, all with one mini-batch."""
    fixed = one_batch(operator)
    return np.stack([fixed.matvec(e) for e in np.eye(operator.shape[1], dtype=operator.dtype)], axis=1)


def raise_eigenvalues(H: np.ndarray, mu: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues, eigenvectors and matrix of P_{⪰ μI}[H], H made symmetric; it is left alone where none is below μ."""
    H = (H + H.T) / 2
    values, vectors = np.linalg.eigh(H)
    if values[0] < mu:
        values = np.maximum(values, values.dtype.type(mu))
        H = (vectors * values) @ vectors.T
    return values, vectors, H


def lower_singular_values(H: np.ndarray, radius: float) -> np.ndarray:
    """P_{‖·‖₂ ≤ C}[H]; H itself where it lies inside."""
    left, values, right = np.linalg.svd(H, full_matrices=False)
    return H if values[0] <= radius else (left * np.minimum(values, values.dtype.type(radius))) @ right


def _solve(new: STABLEState, right: np.ndarray) -> np.ndarray:
    """H_yy⁻¹ r through the eigenvalues at hand, none of which is below μ."""
    return new.eigenvectors @ ((new.eigenvectors.T @ right) / new.eigenvalues)
