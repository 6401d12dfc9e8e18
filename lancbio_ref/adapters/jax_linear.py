"""Linear maps of ``jax.linearize``: compiled once a shape, and made once a point, by the call that first needs them.

A compiled call costs tens of microseconds, which at n of a few hundred is more than a product. So conjugate gradients
run inside of one (`_steps`); what they come to is looked at outside (:mod:`lancbio_ref.krylov.own_cycle`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..krylov.own_cycle import OwnSteps
from .problem import Batch, Tree

AT_ONCE = 100  # steps of one compiled call, which Ctrl-C has to wait for
SELDOM = 8  # steps between two looks at ‖x‖


class Linear:
    """A linear map that ``jax.linearize`` made, as arrays that a compiled function can return.

    Those that are its own arguments, data mostly, are left out, by their place among these: else every point would
    have a copy of all data.
    """

    def __init__(self, arrays: Sequence[Any], structure: Any, places: tuple[int | None, ...]) -> None:
        self.arrays, self.structure, self.places = tuple(arrays), structure, places

    @classmethod
    def of(cls, linear: Callable[[Any], Any], arguments: Any) -> Linear:
        """While the map is traced: an argument is known by being the same object."""
        arrays, structure = jax.tree_util.tree_flatten(linear)
        known = {id(leaf): place for place, leaf in enumerate(jax.tree_util.tree_leaves(arguments))}
        places = tuple(known.get(id(array)) for array in arrays)
        return cls([a for a, place in zip(arrays, places, strict=True) if place is None], structure, places)

    def applied(self, arguments: Any, vector: Any) -> Any:
        """The map, of a vector."""
        known, own = jax.tree_util.tree_leaves(arguments), iter(self.arrays)
        arrays = [next(own) if place is None else known[place] for place in self.places]
        product = jax.tree_util.tree_unflatten(self.structure, arrays)(vector)
        return product[0] if isinstance(product, tuple) else product  # of jax.vjp, a tuple of one


jax.tree_util.register_pytree_node(
    Linear,
    lambda linear: (linear.arrays, (linear.structure, linear.places)),
    lambda about, arrays: Linear(arrays, *about),
)


class LinearMaps:
    """(x, y, …) ↦ the linear map there, `linear_at`, and its compiled functions.

    `apply` takes the map, or None where it is not made yet, and returns it. `solve`, the call that is mostly the only
    one at its point, makes it and keeps it to itself, for each array that is returned is one more to be written.
    """

    def __init__(self, linear_at: Callable[..., Any]) -> None:
        def made(linear: Linear | None, arguments: Any) -> Linear:
            return Linear.of(linear_at(*arguments), arguments) if linear is None else linear

        def apply(linear: Linear | None, arguments: Any, vector: Any) -> tuple[Linear, Any]:
            linear = made(linear, arguments)
            return linear, linear.applied(arguments, vector)

        def advance(linear: Linear, arguments: Any, vectors: Any, numbers: Any) -> Any:
            return _steps(lambda v: linear.applied(arguments, v), vectors, numbers)

        def solve(arguments: Any, vectors: Any, numbers: Any) -> Any:
            return advance(made(None, arguments), arguments, vectors, numbers)

        self.apply, self.advance, self.solve, self.made = map(jax.jit, (apply, advance, solve, partial(made, None)))
        self.taken = jax.jit(lambda *arrays: arrays)  # jnp.asarray of one array takes longer than this of both

    def __call__(self, x: np.ndarray, y: np.ndarray, rows: Batch, args: tuple[Tree, ...]) -> LinearMap:
        """The map at this point."""
        return LinearMap(self, (*self.taken(x, y), rows, args))  # once, and not with every vector


class LinearMap:
    """One of `LinearMaps` at one point."""

    def __init__(self, maps: LinearMaps, arguments: Any) -> None:
        self.maps, self.arguments = maps, arguments
        self.linear: Linear | None = None
        self.called = False

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        self.linear, product = self.maps.apply(self.linear, self.arguments, vector)
        return np.asarray(product)

    def conjugate_gradients(
        self, x0: np.ndarray, r0: np.ndarray, tolerance: float, norm_A: float, most: int
    ) -> OwnSteps:
        """As :mod:`lancbio_ref.krylov.own_cycle` asks for it."""
        vectors, square, sound, done = (x0, r0, r0), float(np.vdot(r0, r0)), 1.0, 0.0
        gammas, squares = [], [np.full(1, square, r0.dtype)]
        while most > 0 and sound and not done:
            numbers = np.array([square, norm_A, tolerance, min(most, AT_ONCE)], r0.dtype)
            vectors, Ax, found = self._advanced(vectors, numbers)
            k, square, norm_A, sound, done, *_ = numbers = np.asarray(found)
            gamma, more = numbers[5:].reshape(2, AT_ONCE)[:, : int(k)]
            gammas.append(gamma)
            squares.append(more)
            most -= int(k)
        x = np.array(vectors[0])
        product = np.asarray(Ax) if done else self(x)
        return OwnSteps(x, product, np.concatenate(gammas), np.concatenate(squares), bool(sound))

    def _advanced(self, vectors: Any, numbers: Any) -> Any:
        if not self.called:
            self.called = True
            return self.maps.solve(self.arguments, vectors, numbers)
        if self.linear is None:
            self.linear = self.maps.made(self.arguments)
        return self.maps.advance(self.linear, self.arguments, vectors, numbers)


def is_traceable(linear: Callable[[Any], Any], like: Any) -> bool:
    """Whether JAX has this adjoint: not through a loop of unknown length in a rule of somebody's own."""
    try:
        jax.eval_shape(linear, like)
    except (NotImplementedError, TypeError, ValueError):
        return False
    return True


def _steps(product: Callable[[Any], Any], vectors: Any, numbers: Any) -> tuple[Any, ...]:
    """At most 100 steps of conjugate gradients, and A x if they are done.

    vectors : x, r and p.
    numbers : ‖r‖², ‖A‖, the tolerance and the number of steps, in one array, for each array of a call costs time.
    ‖x‖, which bounds what rounding x leaves, is one more reading of a vector: it is looked at after every eighth step.
    Returns vectors, A x, and in one array: the steps made, ‖r‖², ‖A‖, whether all was sound and whether it is done, and
    γ and ‖r‖² of each step.
    """
    dtype, (square, norm_A, tolerance, most) = vectors[0].dtype, numbers
    u, coefficients = 0.5 * jnp.finfo(dtype).eps, jnp.zeros(AT_ONCE, dtype)

    def is_done(x: Any, square: Any, norm_A: Any) -> Any:
        return jnp.sqrt(square) <= jnp.maximum(tolerance, u * norm_A * jnp.linalg.norm(x))  # rounding x leaves as much

    def goes_on(now: tuple[Any, ...]) -> Any:
        (x, _, _), square, norm_A, sound, k, *_ = now
        return (k < most) & sound & ~is_done(x, square, norm_A)

    def few_steps(now: tuple[Any, ...]) -> tuple[Any, ...]:
        until = jnp.minimum(most, now[4] + SELDOM)

        def more(now: tuple[Any, ...]) -> Any:
            _, square, _, sound, k, *_ = now
            return (k < until) & sound & (jnp.sqrt(square) > tolerance)

        return jax.lax.while_loop(more, step, now)

    def step(now: tuple[Any, ...]) -> tuple[Any, ...]:
        (x, r, p), square, norm_A, sound, k, gammas, squares = now
        Ap = product(p)
        curvature = p @ Ap
        gamma = square / curvature  # γ_j = ‖r_j‖²/p_jᵀA p_j ≥ 1/‖A‖
        x, r = x + gamma * p, r - gamma * Ap
        after = r @ r
        p = r + (after / square) * p  # δ_{j+1} = ‖r_{j+1}‖²/‖r_j‖²
        sound = (curvature > 0) & jnp.isfinite(after)
        norm_A = jnp.maximum(norm_A, 1 / gamma)
        return (x, r, p), after, norm_A, sound, k + 1, gammas.at[k].set(gamma), squares.at[k].set(after)

    start = (tuple(vectors), square, norm_A, jnp.array(True), 0, coefficients, coefficients)
    vectors, square, norm_A, sound, k, gammas, squares = jax.lax.while_loop(goes_on, few_steps, start)
    done = sound & is_done(vectors[0], square, norm_A)
    Ax = jax.lax.cond(done, product, jnp.zeros_like, vectors[0])
    about = jnp.stack([part.astype(dtype) for part in (jnp.asarray(k), square, norm_A, sound, done)])
    return vectors, Ax, jnp.concatenate([about, gammas, squares])
