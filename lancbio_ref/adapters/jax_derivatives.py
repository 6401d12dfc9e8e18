"""Derivatives of f and g by JAX, of vectors.

Those of the second order are made of ∇_y g(x, ·), linearized at y once a point, compiled once a shape, and each product
is one call of the linear part. A is symmetric: it is taken in reverse mode, which at n = 30 000 costs a tenth less than
forward over reverse, and in forward mode where g has no second derivative in reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .aligned import aligned
from .cross_norm import bound_of, start_of, steps_for
from .jax_linear import CrossMap, Linear, LinearMap, LinearMaps, is_traceable
from .jax_structure import as_data
from .problem import Batch, Product, Structure, Tree


class JaxDerivatives:
    """Derivatives of f and g of vectors, compiled when they are first asked for; see `Derivatives`."""

    def __init__(
        self,
        f: Callable[..., Any],
        g: Callable[..., Any],
        args: Sequence[Tree],
        x: Structure,
        y: Structure,
    ) -> None:
        self.made_of = (f, g, tuple(args), x, y)
        self.args = tuple(jax.tree_util.tree_map(as_data, part) for part in args)
        self.f, self.g = (partial(_of_vectors, function, x.unravel, y.unravel) for function in (f, g))
        grad_x, grad_y = jax.grad(self.g, 0), jax.grad(self.g, 1)

        def symmetric_in_y(x: Any, y: Any, *data: Any) -> Any:
            """A v = ∂/∂y (∇_y g · v), which costs less than ∂/∂t ∇_y g(x, y + t v), where g can be so derived."""
            pull = jax.vjp(lambda y: grad_y(x, y, *data), y)[1]
            return pull if is_traceable(pull, y) else linear_in_y(grad_y, x, y, *data)

        def linear_in_y(gradient: Callable[..., Any], x: Any, y: Any, *data: Any) -> Any:
            return jax.linearize(lambda y: gradient(x, y, *data), y)[1]

        def linear_in_x(gradient: Callable[..., Any], x: Any, y: Any, *data: Any) -> Any:
            return jax.linearize(lambda x: gradient(x, y, *data), x)[1]

        self._f, self._g = jax.jit(jax.value_and_grad(self.f, (0, 1))), jax.jit(jax.value_and_grad(self.g, 1))
        self._grad_x = jax.jit(grad_x)
        J_at, Jt_at = partial(linear_in_y, grad_x), partial(linear_in_x, grad_y)

        def with_norm(arguments: Any, v: Any) -> tuple[Any, Any]:
            J = J_at(*arguments)
            return J(v), _gram_steps(J, Jt_at, arguments)

        def norm_alone(known: Linear | None, arguments: Any) -> Any:
            J = J_at(*arguments) if known is None else partial(known.applied, arguments)
            return _gram_steps(J, Jt_at, arguments)

        self._A, self._J, self._Jt = LinearMaps(symmetric_in_y), LinearMaps(J_at), LinearMaps(Jt_at)
        self._with_norm, self._norm_alone = jax.jit(with_norm), jax.jit(norm_alone)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.made_of  # compiled functions do not travel

    def upper(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> tuple[float, np.ndarray, np.ndarray]:
        """f, ∇_x f and ∇_y f."""
        value, (grad_x, grad_y) = self._f(x, y, rows, self.args)
        return float(value), np.asarray(grad_x), np.asarray(grad_y)

    def lower(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> tuple[float, np.ndarray]:
        """g and ∇_y g."""
        value, grad_y = self._g(x, y, rows, self.args)
        return float(value), np.asarray(grad_y)

    def lower_grad_x(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> np.ndarray:
        """∇_x g."""
        return np.asarray(self._grad_x(x, y, rows, self.args))

    def hessian(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> Product:
        """v → A v."""
        return LinearMap(self._A, (aligned(x), aligned(y), rows, self.args))

    def cross(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> Product:
        """v → J v."""
        return CrossMap(self._J, self._with_norm, (aligned(x), aligned(y), rows, self.args))

    def cross_adjoint(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> Product:
        """u → Jᵀu."""
        return LinearMap(self._Jt, (aligned(x), aligned(y), rows, self.args))

    def cross_norm(self, J: CrossMap, x: np.ndarray, y: np.ndarray, rows: Batch) -> float:
        """A bound of ‖J‖ that fails for one J in a thousand, in one call: :mod:`lancbio_ref.adapters.cross_norm`."""
        steps = self._norm_alone(J.linear, J.arguments) if J.steps is None else J.steps
        alpha, beta, along = np.asarray(steps)
        return bound_of(alpha, beta, along, x.size)

    def rows(self, indices: np.ndarray) -> Batch:
        """An integer array of JAX."""
        return jnp.asarray(indices)


def _gram_steps(J: Callable[[Any], Any], Jt_at: Callable[..., Any], arguments: Any) -> Any:
    """`steps_of` of :mod:`lancbio_ref.adapters.cross_norm`, in compiled code; one array of three rows."""
    x, y = arguments[:2]
    pull = jax.linear_transpose(J, y)
    Jt = (lambda u: pull(u)[0]) if is_traceable(pull, x) else Jt_at(*arguments)
    start, floor = jnp.asarray(start_of(x.shape[0], x.dtype)), jnp.sqrt(jnp.finfo(x.dtype).eps)

    def step(now: tuple[Any, ...], _: Any) -> tuple[Any, Any]:
        before, q, beta = now
        w = J(Jt(q))
        alpha, along = q @ w, before @ w
        w, size = w - alpha * q - beta * before, jnp.linalg.norm(w)
        after = jnp.linalg.norm(w)
        follows = after > floor * size
        return (q, jnp.where(follows, w / jnp.where(follows, after, 1.0), 0.0), after), jnp.stack([alpha, after, along])

    first = jnp.zeros_like(start), start, jnp.zeros((), x.dtype)
    return jax.lax.scan(step, first, length=steps_for(x.shape[0]))[1].T


def _of_vectors(
    function: Callable[..., Any],
    unravel_x: Callable[[Any], Tree],
    unravel_y: Callable[[Any], Tree],
    x: Any,
    y: Any,
    rows: Batch,
    args: tuple[Tree, ...],
) -> Any:
    """The user's function, of vectors."""
    batch = () if rows is None else (rows,)
    return function(unravel_x(x), unravel_y(y), *batch, *args)
