"""Linear maps of ``jax.linearize``: compiled once a shape, and made once a point, by the call that first needs them.

A compiled call costs tens of microseconds, which at n of a few hundred is more than a product. So conjugate gradients
run inside of one (`_steps`); what they come to is looked at outside (:mod:`lancbio_ref.krylov.own_cycle`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..krylov.own_cycle import OwnSteps
from .aligned import aligned

AT_ONCE = 100  # steps of one compiled call, which Ctrl-C has to wait for
SIZES, DONE = 7, 9  # the numbers of a step, and the place of what says whether it is done


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

    `first` and `solve`, the calls that are mostly the only one at their point, make the map and keep it to themselves,
    for each array that is returned is one more to be written, in pages that were never touched; `apply` and `advance`
    take what `made` returns.
    """

    def __init__(self, linear_at: Callable[..., Any]) -> None:
        def made(arguments: Any) -> Linear:
            return Linear.of(linear_at(*arguments), arguments)

        def apply(linear: Linear, arguments: Any, vector: Any) -> Any:
            return linear.applied(arguments, vector)

        def first(arguments: Any, vector: Any) -> Any:
            return made(arguments).applied(arguments, vector)

        def advance(linear: Linear, arguments: Any, vectors: Any, numbers: Any) -> Any:
            return _steps(lambda v: linear.applied(arguments, v), vectors, numbers)

        def solve(arguments: Any, vectors: Any, numbers: Any) -> Any:
            return advance(made(arguments), arguments, vectors, numbers)

        functions = first, apply, advance, solve, made
        self.first, self.apply, self.advance, self.solve, self.made = map(jax.jit, functions)


class LinearMap:
    """One of `LinearMaps` at one point."""

    def __init__(self, maps: LinearMaps, arguments: Any) -> None:
        self.maps, self.arguments = maps, arguments
        self.linear: Linear | None = None
        self.called = False

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        vector, arguments = aligned(vector), self.arguments
        if self.called:
            return np.asarray(self.maps.apply(self.kept(), arguments, vector))
        self.called = True
        return np.asarray(self.maps.first(arguments, vector))

    def kept(self) -> Linear:
        """The map as arrays, made by the second call."""
        if self.linear is None:
            self.linear = self.maps.made(self.arguments)
        return self.linear

    def conjugate_gradients(
        self, x0: np.ndarray, r0: np.ndarray, tolerance: float, norm_A: float, most: int
    ) -> OwnSteps:
        """As :mod:`lancbio_ref.krylov.own_cycle` asks for it."""
        square, size = float(np.vdot(r0, r0)), float(np.linalg.norm(x0))
        numbers = np.array([square, 0.0, norm_A, size, 0.0, 0.0, 0.0], r0.dtype)
        vectors: Any = (aligned(x0), aligned(r0), None)
        gammas, squares, sound, done = [], [np.full(1, square, r0.dtype)], 1.0, 0.0
        while most > 0 and sound and not done:
            told = np.append(numbers, np.array([tolerance, min(most, AT_ONCE)], r0.dtype))
            vectors, Ax, found = self._advanced(vectors, told)
            found = np.asarray(found)
            numbers, (k, sound, done) = found[:SIZES], found[SIZES : DONE + 1]
            gamma, now = found[DONE + 1 :].reshape(2, AT_ONCE)[:, : int(k)]
            gammas.append(gamma)
            squares.append(now)
            most -= int(k)
        x = np.array(vectors[0])
        product = np.asarray(Ax) if done else self(x)
        return OwnSteps(x, product, np.concatenate(gammas), np.concatenate(squares), bool(sound))

    def _advanced(self, vectors: Any, numbers: Any) -> Any:
        if not self.called:
            self.called = True
            return self.maps.solve(self.arguments, vectors, numbers)
        return self.maps.advance(self.kept(), self.arguments, vectors, numbers)


class CrossMap(LinearMap):
    """J at one point; its first product may bring ‖J‖ with it, from the one linearization that is made.

    Parameters
    ----------
    maps : LinearMaps
    with_norm : callable (arguments, v) → (J v, steps)
        Both in one call; the steps are those of :mod:`lancbio_ref.adapters.cross_norm`.
    arguments : tuple
    """

    def __init__(self, maps: LinearMaps, with_norm: Callable[[Any, Any], tuple[Any, Any]], arguments: Any) -> None:
        super().__init__(maps, arguments)
        self.with_norm, self.norm_too, self.steps = with_norm, False, None

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        if self.called or not self.norm_too:
            return super().__call__(vector)
        self.called = True
        product, self.steps = self.with_norm(self.arguments, aligned(vector))
        return np.asarray(product)

    def ask_ahead(self) -> None:
        """‖J‖ will be asked for after a product."""
        self.norm_too = True


def is_traceable(linear: Callable[[Any], Any], like: Any) -> bool:
    """Whether JAX has this adjoint: not through a loop of unknown length in a rule of somebody's own."""
    try:
        jax.eval_shape(linear, like)
    except (NotImplementedError, TypeError, ValueError):
        return False
    return True


def _steps(product: Callable[[Any], Any], vectors: Any, numbers: Any) -> tuple[Any, ...]:
    """At most 100 steps of conjugate gradients, and A x if they are done.

    vectors : x_j, r_j and p_{j−1}, None where there is none.
    numbers : those of `numbers_at`, the tolerance and the number of steps, in one array, for each array of a call costs
    time.
    p_j is made where a step begins: compiled code then reads it while it is written, and the last step makes none.
    Returns vectors, A x, and in one array: the numbers, the steps made, whether all was sound and whether it is done,
    and γ and ‖r‖² of each step.
    """
    x, r, p = vectors
    dtype, (*sizes, tolerance, most) = r.dtype, numbers
    u, coefficients = 0.5 * jnp.finfo(dtype).eps, jnp.zeros(AT_ONCE, dtype)

    def is_done(square: Any, delta: Any, norm_A: Any, size: Any, moved: Any, *_: Any) -> Any:
        return jnp.sqrt(square) <= jnp.maximum(tolerance, u * norm_A * (size + jnp.sqrt(moved)))

    def goes_on(now: tuple[Any, ...]) -> Any:
        _, sizes, sound, k, *_ = now
        return (k < most) & sound & ~is_done(*sizes)

    def step(now: tuple[Any, ...]) -> tuple[Any, ...]:
        (x, r, p), (square, delta, norm_A, size, moved, along, p_square), _, k, gammas, squares = now
        p = r + delta * p  # δ_j = ‖r_j‖²/‖r_{j−1}‖²
        Ap = product(p)
        curvature = p @ Ap
        gamma = square / curvature  # γ_j = ‖r_j‖²/p_jᵀA p_j ≥ 1/‖A‖
        x, r = x + gamma * p, r - gamma * Ap
        after = r @ r
        sound = (curvature > 0) & jnp.isfinite(after)
        norm_A = jnp.maximum(norm_A, 1 / gamma)
        p_square, along = square + delta**2 * p_square, delta * along  # ‖p_j‖², (x_j − x_0)ᵀp_j
        moved, along = moved + gamma * (2 * along + gamma * p_square), along + gamma * p_square
        sizes = after, after / square, norm_A, size, moved, along, p_square
        return (x, r, p), sizes, sound, k + 1, gammas.at[k].set(gamma), squares.at[k].set(after)

    vectors = x, r, jnp.zeros_like(r) if p is None else p
    start = (vectors, tuple(sizes), jnp.array(True), 0, coefficients, coefficients)
    vectors, sizes, sound, k, gammas, squares = jax.lax.while_loop(goes_on, step, start)
    done = sound & is_done(*sizes)
    Ax = jax.lax.cond(done, product, jnp.zeros_like, vectors[0])
    about = jnp.stack([*sizes, *(part.astype(dtype) for part in (jnp.asarray(k), sound, done))])
    return vectors, Ax, jnp.concatenate([about, gammas, squares])
