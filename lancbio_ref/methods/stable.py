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
derivatives, whatever τ is, and the limit is the stationary point of φ: h = 0 stops x, and then y stops
where ∇_y g = 0.

In plain dense lines: `stable` in `textbook/baselines.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..arguments import as_number
from ..errors import ArgumentError, RepresentationError
from ..minibatch import fixed_batch
from ..operators import as_dense
from .base import State, check_options

if TYPE_CHECKING:
    from ..problem import BilevelProblem


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
    free_yy, free_xy : ndarray, shape (n_y, n_y), (n_x, n_y)
        The estimates before they were projected.
    eigenvalues, eigenvectors : ndarray, shape (n_y,), (n_y, n_y)
        Of H_yy.
    prediction : ndarray, shape (n_y,)
        −H_yy⁻¹H_xyᵀ(x_{k+1} − x_k).
    """

    y_next: np.ndarray = field(default_factory=lambda: np.zeros(0))
    A: np.ndarray | None = None
    J: np.ndarray | None = None
    A_before: np.ndarray | None = None
    J_before: np.ndarray | None = None
    H_yy: np.ndarray | None = None
    H_xy: np.ndarray | None = None
    free_yy: np.ndarray | None = None
    free_xy: np.ndarray | None = None
    eigenvalues: np.ndarray | None = None
    eigenvectors: np.ndarray | None = None
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
    cross_norm : float, optional
        C > 0. By default what the lower level gives as its bound of ‖∇²_xy g‖; H_xy stays as it is where there is none.

    Notes
    -----
    The matrices are formed by products with the unit vectors: n_y Hessian and n_y cross products a point, two points
    an iteration, except the first. The point z_{k−1} is evaluated again, because in the stochastic method
    ∇²g(z_{k−1}; ξ_k) is not ∇²g(z_{k−1}; ξ_{k−1}); on a mini-batched problem both points get the same batch, one for
    H_yy and an independent one for H_xy.

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
    cross_norm: float | None = None

    limited_by: ClassVar = {"step_y": "A"}  # what the steps multiply

    def __post_init__(self) -> None:
        check_options(self)
        as_number("momentum", self.momentum, above=0.0, most=1.0)
        for name in ("mu", "cross_norm"):
            if getattr(self, name) is not None:
                as_number(name, getattr(self, name), above=0.0)

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> STABLEState:
        """The state before the first iteration."""
        return STABLEState(k=0, x=x0, x_next=x0, y=y0, v=v0, y_next=y0)

    def step(self, problem: BilevelProblem, state: STABLEState) -> STABLEState:
        """One outer iteration."""
        x, y = state.x_next, state.y_next
        step = x.dtype.type
        b, c, direction_y = problem.upper_grad_y(x, y), problem.upper_grad_x(x, y), problem.lower_grad_y(x, y)
        sample = fixed_batch(problem, "lower.hessian")  # ξ_k, at both points
        A, A_before = as_dense(sample.hessian(x, y)), None
        H_yy = A
        if state.H_yy is not None:
            A_before = as_dense(sample.hessian(state.x, state.y))
            H_yy = step(1 - self.momentum) * (state.H_yy - A_before) + A
        sample = fixed_batch(problem, "lower.cross")
        J, J_before = as_dense(sample.cross(x, y)), None
        H_xy = J
        if state.H_xy is not None:
            J_before = as_dense(sample.cross(state.x, state.y))
            H_xy = step(1 - self.momentum) * (state.H_xy - J_before) + J

        mu, cross_norm = self._bounds(problem, x, y)
        free_yy, free_xy = H_yy, H_xy
        values, vectors, H_yy = raise_eigenvalues(H_yy, mu)
        H_xy = H_xy if cross_norm is None else lower_singular_values(H_xy, cross_norm)

        v = vectors @ ((vectors.T @ b) / values)  # H_yy⁻¹ b, no eigenvalue being below μ
        h = c - H_xy @ v
        x_next = x - step(self.step_x) * h
        prediction = -(vectors @ ((vectors.T @ (H_xy.T @ (x_next - x))) / values))
        products = y.size if A_before is None else 2 * y.size
        return replace(
            state,
            k=state.k + 1,
            x=x,
            y=y,
            v=v,
            b=b,
            c=c,
            h=h,
            A=A,
            J=J,
            A_before=A_before,
            J_before=J_before,
            H_yy=H_yy,
            H_xy=H_xy,
            free_yy=free_yy,
            free_xy=free_xy,
            eigenvalues=values,
            eigenvectors=vectors,
            direction_y=direction_y,
            prediction=prediction,
            x_next=x_next,
            y_next=y - step(self.step_y) * direction_y + prediction,
            n_hvp=state.n_hvp + products,
            n_cross=state.n_cross + products,
            n_grad=state.n_grad + 1,
            n_grad_upper=state.n_grad_upper + 1,
        )

    def _bounds(self, problem: BilevelProblem, x: np.ndarray, y: np.ndarray) -> tuple[float, float | None]:
        """μ and C: the options, or what the lower level knows."""
        mu = problem.lower_bound("mu", x, y) if self.mu is None else self.mu
        if mu is None:
            raise ArgumentError("mu", None, "a number > 0, since the lower level gives no modulus here")
        return mu, problem.lower_bound("cross_norm", x, y) if self.cross_norm is None else self.cross_norm


def raise_eigenvalues(H: np.ndarray, mu: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues, eigenvectors and matrix of P_{⪰ μI}[H], H made symmetric; it is left alone where none is below μ."""
    H = (H + H.T) / 2
    try:
        values, vectors = np.linalg.eigh(H)
    except np.linalg.LinAlgError:  # an infinite entry
        values = np.array([np.nan])
    if not np.isfinite(values).all():
        raise RepresentationError("the eigenvalues of H_yy overflow: rescale the lower level")
    if values[0] < mu:
        values = np.maximum(values, values.dtype.type(mu))
        H = (vectors * values) @ vectors.T
    return values, vectors, H


def lower_singular_values(H: np.ndarray, radius: float) -> np.ndarray:
    """P_{‖·‖₂ ≤ C}[H]; H itself where it lies inside."""
    try:
        left, values, right = np.linalg.svd(H, full_matrices=False)
    except np.linalg.LinAlgError:  # an infinite entry
        values = np.array([np.nan])
    if not np.isfinite(values).all():
        raise RepresentationError("the singular values of H_xy overflow: rescale x or the lower level")
    return H if values[0] <= radius else (left * np.minimum(values, values.dtype.type(radius))) @ right
