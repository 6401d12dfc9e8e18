"""JAX functions as a bilevel problem, and a solver's answer as a function that JAX can differentiate.

Derivatives of the second order are forward over reverse: ∇_y g(x, ·) is linearized at y once a point
(``jax.linearize``), compiled once a shape, and each product is one dispatch of the linear part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..problem import LipschitzConstants
from .implicit import solve_adjoint
from .problem import (
    AdaptedProblem,
    Batch,
    Constant,
    Finding,
    Product,
    Structure,
    Tree,
    require_functions,
)

try:
    import jax
    import jax.numpy as jnp
    from jax.flatten_util import ravel_pytree
except ImportError as error:
    raise ImportError("lancbio_ref.adapters.jax needs JAX (pip install jax)") from error

NORM_STEPS = 12  # as for the black boxes whose ‖J‖ is estimated
X64 = "jax.config.update('jax_enable_x64', True) before the first array, or np.float32 arrays"


def problem(
    f: Callable[..., Any],
    g: Callable[..., Any],
    x0: Tree,
    y0: Tree,
    *,
    args: Sequence[Tree] = (),
    mu: Constant = None,
    smoothness: Constant = None,
    cross_norm: Constant = None,
    lipschitz: LipschitzConstants | None = None,
    n_samples: int | tuple[int, int] | None = None,
) -> AdaptedProblem:
    """min_x f(x, y*(x)), y*(x) = argmin_y g(x, y), with all derivatives by JAX.

    Parameters
    ----------
    f, g : callable ``(x, y, *args)`` → scalar
        Functions that JAX can trace and differentiate twice; with `n_samples`, of ``(x, y, batch, *args)``, the mean
        over the rows that the integer array `batch` names.
    x0, y0 : pytree of floating-point arrays
        Their structure and type are those of every x and y; where to start is up to the caller. float64 where
        ``jax_enable_x64`` is on, else float32: then a bound is one of float32.
    args : sequence of pytrees
        Data. What a function captures instead is copied into the compiled code, and compiled anew where it changes.
    mu, smoothness, cross_norm : float or callable (x, y) → float, optional
        As in :class:`~lancbio_ref.LowerLevel`; a callable gets x and y in their own structure. Without `mu`,
        ``hypergradient(..., mu="estimate")`` has a bound that says it is estimated.
    lipschitz : LipschitzConstants, optional
    n_samples : int or (int, int), optional
        The rows of the two levels, for ``minimize(..., batch_size=)``.

    Returns
    -------
    AdaptedProblem
        Vectors ``x0``, ``y0``; ``ravel_x``, ``unravel_x``, ``ravel_y``, ``unravel_y`` between vectors and structures.

    Raises
    ------
    ArgumentError
        Leaves that are no floating-point arrays of one type on the CPU; float64 where JAX would make float32 of it in
        silence; an f or g that cannot be traced or is no scalar.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> jax.config.update("jax_enable_x64", True)
    >>> from lancbio_ref import hypergradient
    >>> from lancbio_ref.adapters.jax import problem
    >>> def f(x, y):
    ...     return 0.5 * jnp.sum((y - 1) ** 2)
    >>> def g(x, y):
    ...     return jnp.sum(y**2) - jnp.sum(x * y)
    >>> ours = problem(f, g, jnp.array([4.0]), jnp.array([0.0]), mu=2.0)
    >>> hypergradient(ours, ours.x0).value.round(12)
    array([0.5])
    """
    require_functions(f, g)
    if jax.default_backend() != "cpu":
        raise ArgumentError(
            "jax", f"backend {jax.default_backend()}", "the CPU: set JAX_PLATFORMS=cpu before importing"
        )
    x, y = (JaxStructure(name, tree) for name, tree in (("x0", x0), ("y0", y0)))
    if x.start.dtype != y.start.dtype:
        raise ArgumentError("y0", f"dtype {y.start.dtype}", f"{x.start.dtype}, as x0 has")
    derivatives = JaxDerivatives(f, g, args, x, y)
    rows = None if n_samples is None else jnp.arange(1)
    findings = tuple(
        finding
        for name, function in (("f", derivatives.f), ("g", derivatives.g))
        for finding in _look_at(name, function, x.start, y.start, rows, derivatives.args)
    )
    constants = dict(mu=mu, smoothness=smoothness, cross_norm=cross_norm)
    return AdaptedProblem(
        derivatives, x, y, findings=findings, constants=constants, lipschitz=lipschitz, n_samples=n_samples
    )


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
        self.args = tuple(jax.tree_util.tree_map(_as_data, part) for part in args)
        self.f, self.g = (partial(_of_vectors, function, x.unravel, y.unravel) for function in (f, g))
        grad_x, grad_y = jax.grad(self.g, 0), jax.grad(self.g, 1)

        def linear_in_y(gradient: Callable[..., Any], x: Any, y: Any, *data: Any) -> Any:
            return jax.linearize(lambda y: gradient(x, y, *data), y)[1]

        def linear_in_x(gradient: Callable[..., Any], x: Any, y: Any, *data: Any) -> Any:
            return jax.linearize(lambda x: gradient(x, y, *data), x)[1]

        self._f, self._g = jax.jit(jax.value_and_grad(self.f, (0, 1))), jax.jit(jax.value_and_grad(self.g, 1))
        self._grad_x = jax.jit(grad_x)
        self._A, self._J = _compiled(partial(linear_in_y, grad_y)), _compiled(partial(linear_in_y, grad_x))
        self._Jt = _compiled(partial(linear_in_x, grad_y))
        self._JJt = jax.jit(partial(_gram_steps, partial(linear_in_y, grad_x), partial(linear_in_x, grad_y)))

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
        return self._A(x, y, rows, self.args)

    def cross(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> Product:
        """v → J v."""
        return self._J(x, y, rows, self.args)

    def cross_adjoint(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> Product:
        """u → Jᵀu."""
        return self._Jt(x, y, rows, self.args)

    def cross_norm(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> float:
        """√ of the largest Ritz value of J Jᵀ after 12 steps, in one call: at most ‖J‖, and mostly near it.

        NaN where something is not finite, or J Jᵀ is not symmetric, as where only one of J and Jᵀ is cut off.
        """
        H, beta = map(np.asarray, self._JJt(x, y, rows, self.args))  # H_ij = q_jᵀJJᵀq_i, j ≤ i
        alpha, beside, before = np.diag(H), beta[:-1], np.tril(H[:, :-1], -1)
        T = np.diag(alpha) + np.diag(beside, -1)
        uneven = np.abs(before - np.diag(beside, -1)).max(initial=0.0)
        if not uneven <= np.finfo(H.dtype).eps ** (1 / 3) * np.abs(alpha).max():  # so is NaN
            return np.nan
        return float(np.sqrt(max(0.0, np.linalg.eigvalsh(T)[-1])))

    def rows(self, indices: np.ndarray) -> Batch:
        """An integer array of JAX."""
        return jnp.asarray(indices)


class _Linear:
    """A linear map that ``jax.linearize`` made, as arrays that a compiled function can return.

    Those that are its own arguments, data mostly, are left out, by their place among these: else every point would
    have a copy of all data.
    """

    def __init__(self, arrays: Sequence[Any], structure: Any, places: tuple[int | None, ...]) -> None:
        self.arrays, self.structure, self.places = tuple(arrays), structure, places

    @classmethod
    def of(cls, linear: Callable[[Any], Any], arguments: Any) -> _Linear:
        """While the map is traced: an argument is known by being the same object."""
        arrays, structure = jax.tree_util.tree_flatten(linear)
        known = {id(leaf): place for place, leaf in enumerate(jax.tree_util.tree_leaves(arguments))}
        places = tuple(known.get(id(array)) for array in arrays)
        return cls([a for a, place in zip(arrays, places, strict=True) if place is None], structure, places)

    def applied(self, arguments: Any, vector: Any) -> Any:
        """The map, of a vector."""
        known, own = jax.tree_util.tree_leaves(arguments), iter(self.arrays)
        arrays = [next(own) if place is None else known[place] for place in self.places]
        return jax.tree_util.tree_unflatten(self.structure, arrays)(vector)


jax.tree_util.register_pytree_node(
    _Linear,
    lambda linear: (linear.arrays, (linear.structure, linear.places)),
    lambda about, arrays: _Linear(arrays, *about),
)


def _compiled(linear_at: Callable[..., Any]) -> Callable[..., Product]:
    """(x, y, …) → the linear map there: compiled, and so is its product."""
    make = jax.jit(lambda *arguments: _Linear.of(linear_at(*arguments), arguments))
    apply = jax.jit(lambda linear, arguments, vector: linear.applied(arguments, vector))

    def at(x: np.ndarray, y: np.ndarray, rows: Batch, args: tuple[Tree, ...]) -> Product:
        arguments = (jnp.asarray(x), jnp.asarray(y), rows, args)  # once, and not with every vector
        linear = make(*arguments)
        return lambda vector: np.asarray(apply(linear, arguments, vector))

    return at


def _gram_steps(J_at: Callable[..., Any], Jt_at: Callable[..., Any], x: Any, y: Any, *data: Any) -> tuple[Any, Any]:
    """At most 12 Lanczos steps with J Jᵀ from a fixed start: a row Qᵀw, and β_{j+1}, a step.

        w = J Jᵀ q_j,   w ← (I − Q Qᵀ) w twice,   β_{j+1} = ‖w‖,   q_{j+1} = w/β_{j+1}

    Where β is at the level of rounding the space is invariant: it counts as zero, and the steps after it are zero.
    """
    J, Jt = J_at(x, y, *data), Jt_at(x, y, *data)
    start = jnp.asarray(np.random.default_rng(0).standard_normal(x.shape[0]), x.dtype)
    steps = min(NORM_STEPS, x.shape[0])

    def step(Q: Any, j: Any) -> tuple[Any, tuple[Any, Any]]:
        w = J(Jt(Q[j]))
        along, size = Q @ w, jnp.linalg.norm(w)
        for _ in range(2):
            w = w - (Q @ w) @ Q
        beta = jnp.linalg.norm(w)
        follows = beta > x.shape[0] * jnp.finfo(x.dtype).eps * size
        beta = jnp.where(follows, beta, 0.0)
        return Q.at[j + 1].set(jnp.where(follows, w / jnp.where(follows, beta, 1.0), 0.0)), (along, beta)

    first = jnp.zeros((steps + 1, x.shape[0]), x.dtype).at[0].set(start / jnp.linalg.norm(start))
    H, beta = jax.lax.scan(step, first, jnp.arange(steps))[1]
    return H, beta


def implicit(
    g: Callable[..., Any],
    solver: Callable[..., Tree],
    *,
    rtol: float = 1e-8,
    maxiter: int | None = None,
) -> Callable[..., Tree]:
    """y*(x) = argmin_y g(x, y) as a function that JAX can differentiate, each backward pass with its own proof.

    With ȳ the cotangent of y*, the backward pass solves A v = ȳ by :func:`lancbio_ref.lanczos_solve`, warm-started from
    the last one, and returns x̄ = −∂/∂x (∇_y g(x, y*) · v), and likewise for `args`.

    Parameters
    ----------
    g : callable ``(x, y, *args)`` → scalar
    solver : callable ``(x, *args)`` → y
        Any solver; what it leaves of ∇_y g is not corrected.
    rtol : float
        Of the evaluated residual, ‖ȳ − A v‖ ≤ rtol ‖ȳ‖.
    maxiter : int, optional

    Returns
    -------
    callable ``(x, *args)`` → y
        To be called outside of ``jax.jit``, for the solve is made here, not in compiled code.

    Raises
    ------
    EvaluationError
        Out of the backward pass, where the solve did not reach `rtol`; its ``status`` says why.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> jax.config.update("jax_enable_x64", True)
    >>> from lancbio_ref.adapters.jax import implicit
    >>> y_star = implicit(lambda x, y: jnp.sum(y**2 - x * y), lambda x: x / 2)
    >>> jax.grad(lambda x: jnp.sum((y_star(x) - 1) ** 2))(jnp.array([4.0, 6.0])).round(12)
    Array([1., 2.], dtype=float64)
    """
    require_functions(solver, g)
    last: dict[str, np.ndarray] = {}

    @jax.custom_vjp
    def y_star(x: Tree, *args: Tree) -> Tree:
        return solver(x, *args)

    def forward(x: Tree, *args: Tree) -> tuple[Tree, tuple[Tree, ...]]:
        _require_values(x, *args)
        y = solver(x, *args)
        return y, (x, y, *args)

    def backward(kept: tuple[Tree, ...], cotangent: Tree) -> tuple[Tree, ...]:
        x, y, *args = kept
        y_flat, unravel = ravel_pytree(y)
        b = ravel_pytree(cotangent)[0]
        _require_values(b)

        def grad_y(y_flat: Any, x: Tree, *args: Tree) -> Any:
            return jax.grad(lambda flat: g(x, unravel(flat), *args))(y_flat)

        _, linear = jax.linearize(lambda flat: grad_y(flat, x, *args), y_flat)
        apply = jax.jit(linear)
        v = solve_adjoint(lambda v: np.array(apply(v)), np.array(b), last, rtol=rtol, maxiter=maxiter)
        _, pull = jax.vjp(lambda x, *args: grad_y(y_flat, x, *args), x, *args)
        return pull(-jnp.asarray(v))  # x̄ = −J v, and the same for args

    y_star.defvjp(forward, backward)
    return y_star


def _require_values(*trees: Tree) -> None:
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree_util.tree_leaves(trees)):
        raise ArgumentError(
            "implicit", "a derivative under jax.jit or vmap", "one outside of them: the solve is made here"
        )


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


class JaxStructure:
    """A pytree of arrays of one floating-point type; see `Structure`."""

    def __init__(self, name: str, tree: Tree) -> None:
        self.name, self.made_of = name, jax.tree_util.tree_map(np.asarray, _as_leaves(name, tree))
        vector, self._unravel = ravel_pytree(jax.tree_util.tree_map(jnp.asarray, self.made_of))
        if vector.size == 0:
            raise ArgumentError(name, "no entries", "at least one")
        self.start = np.array(vector)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.made_of)

    def ravel(self, tree: Tree) -> np.ndarray:
        """The vector; :class:`ArgumentError` where `tree` has other leaves or shapes."""
        wanted, found = (jax.tree_util.tree_structure(part) for part in (self.made_of, tree))
        if found != wanted:
            raise ArgumentError(self.name, f"structure {found}", f"{wanted}")
        leaves = _as_leaves(self.name, tree)
        wanted, found = ([leaf.shape for leaf in jax.tree_util.tree_leaves(part)] for part in (self.made_of, leaves))
        if found != wanted:
            raise ArgumentError(self.name, f"shapes {found}", f"{wanted}")
        return np.array(ravel_pytree(leaves)[0]).astype(self.start.dtype, copy=False)

    def unravel(self, vector: Any) -> Tree:
        """The tree of a vector."""
        return self._unravel(jnp.asarray(vector, self.start.dtype))


def _as_leaves(name: str, tree: Tree) -> Tree:
    """`tree` with its leaves as JAX arrays of one floating-point type; :class:`ArgumentError` for any other."""
    kinds: list[np.dtype] = []

    def leaf(path: Any, value: Any) -> Any:
        where = name + jax.tree_util.keystr(path)
        try:
            given = np.result_type(value) if isinstance(value, (int, float, complex)) else np.dtype(value.dtype)
        except (AttributeError, TypeError):
            given = np.asarray(value).dtype
        if given not in (np.float32, np.float64):
            raise ArgumentError(where, f"dtype {given}", "float64 or float32")
        if isinstance(value, (np.ndarray, np.generic)) and given == np.float64 and not jax.config.jax_enable_x64:
            raise ArgumentError(where, "float64, of which JAX as it is set would make float32", X64)
        array = jnp.asarray(value)
        if not bool(jnp.isfinite(array).all()):
            raise ArgumentError(where, "NaN or infinity", "finite numbers")
        if kinds and array.dtype != kinds[0]:
            raise ArgumentError(where, f"dtype {array.dtype}", f"{kinds[0]}, as the leaves before it")
        kinds.append(np.dtype(array.dtype))
        return array

    return jax.tree_util.tree_map_with_path(leaf, tree)


def _as_data(value: Any) -> Any:
    """One leaf of `args` as it will be computed with; float64 is not rounded in silence."""
    wide = isinstance(value, np.ndarray) and value.dtype == np.float64
    if wide and not jax.config.jax_enable_x64:
        raise ArgumentError("args", "float64, of which JAX as it is set would make float32", X64)
    return jnp.asarray(value)


def _look_at(name: str, function: Callable[..., Any], *arguments: Any) -> Iterator[Finding]:
    """Trace f or g once: a scalar it must be, and what is rounded or cut inside it is found by name."""
    try:
        traced = jax.make_jaxpr(function)(*arguments)
    except Exception as error:
        raise ArgumentError(
            name, f"{type(error).__name__}: {str(error).splitlines()[0]}", "a function that JAX can trace (jax.numpy)"
        ) from error
    (out, *more) = traced.out_avals or [None]
    if out is None or more or out.shape != () or not np.issubdtype(out.dtype, np.floating):
        found = " and ".join(str(aval) for aval in traced.out_avals) or "nothing"
        raise ArgumentError(name, f"a function that returns {found}", "one that returns one real number")
    yield from _findings(name, traced.jaxpr)


def _findings(name: str, jaxpr: Any) -> Iterator[Finding]:
    from jax.extend import core, source_info_util

    for equation in jaxpr.eqns:
        operation, where = equation.primitive.name, source_info_util.summarize(equation.source_info)
        if operation == "stop_gradient":
            yield Finding(name, "cut", f"stop_gradient at {where}")
        if operation in ("convert_element_type", "reduce_precision"):
            before, after = equation.invars[0].aval.dtype, equation.params.get("new_dtype", np.dtype(np.float32))
            if before == np.float64 and jnp.issubdtype(after, jnp.floating) and jnp.finfo(after).nmant < 52:
                yield Finding(name, "narrow", f"float64 is rounded to {np.dtype(after).name} at {where}")
        for inner in core.jaxprs_in_params(equation.params):
            yield from _findings(name, inner)
