"""JAX functions as a bilevel problem, and a solver's answer as a function that JAX can differentiate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..arguments import as_flag
from ..errors import ArgumentError
from ..problem import LipschitzConstants
from .implicit import solve_adjoint
from .problem import AdaptedProblem, Constant, Tree, require_functions
from .verification import FirstVerification, Verification

try:
    import jax
    import jax.numpy as jnp
    from jax.flatten_util import ravel_pytree
except ImportError as error:
    raise ImportError("lancbio_ref.adapters.jax needs JAX (pip install jax)") from error

from .jax_derivatives import JaxDerivatives  # these need jax
from .jax_inspection import look_at
from .jax_structure import JaxStructure


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
    verify: bool = True,
) -> AdaptedProblem:
    """min_x f(x, y*(x)), y*(x) = argmin_y g(x, y), with all derivatives by JAX.

    Parameters
    ----------
    f, g : callable ``(x, y, *args)`` → scalar
        Functions that JAX can trace and differentiate twice; with `n_samples`, of ``(x, y, batch, *args)``, the mean
        over the rows that the integer array `batch` names.
    x0, y0 : pytree of floating-point arrays
        Their structure and type are those of every x and y; y starts at `y0` where no start is given. float64 where
        ``jax_enable_x64`` is on, else float32: then a bound is one of float32.
    args : sequence of pytrees
        Data. What a function captures instead is copied into the compiled code, and compiled anew where it changes.
    mu, smoothness, cross_norm : float or callable (x, y) → float, optional
        As in :class:`~lancbio_ref.LowerLevel`; a callable gets x and y in their own structure. Without `mu`,
        ``hypergradient(..., mu="estimate")`` has a bound that says it is estimated.
    lipschitz : LipschitzConstants, optional
    n_samples : int or (int, int), optional
        The rows of the two levels, for ``minimize(..., batch_size=)``.
    verify : bool
        Whether derivatives of an f or g with a rule of its own (``jax.custom_jvp``, ``jax.custom_vjp``) or a cut
        (``stop_gradient``) are compared with differences, near the first, second, fourth, … point: an
        :class:`ArgumentError` where they are others. Off, where a cut is meant.

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
        for finding in look_at(name, function, x.start, y.start, rows, derivatives.args)
    )
    constants = dict(mu=mu, smoothness=smoothness, cross_norm=cross_norm)
    verification = Verification(findings) if as_flag("verify", verify) else None
    return AdaptedProblem(
        derivatives, x, y, findings=findings, constants=constants, lipschitz=lipschitz, n_samples=n_samples,
        verification=verification,
    )  # fmt: skip


def implicit(
    g: Callable[..., Any],
    solver: Callable[..., Tree],
    *,
    rtol: float = 1e-8,
    maxiter: int | None = None,
    verify: bool = True,
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
    verify : bool
        As in :func:`problem`, in the first backward pass.

    Returns
    -------
    callable ``(x, *args)`` → y
        To be called outside of ``jax.jit``, for the solve is made here, not in compiled code.

    Raises
    ------
    ArgumentError
        Out of the backward pass: of g a second derivative that differences of the first refute.
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
    verification = FirstVerification(partial(_derivatives_of, g)) if as_flag("verify", verify) else None

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
        if verification is not None:
            verification.look(x, y, args)

        def grad_y(y_flat: Any, x: Tree, *args: Tree) -> Any:
            return jax.grad(lambda flat: g(x, unravel(flat), *args))(y_flat)

        _, linear = jax.linearize(lambda flat: grad_y(flat, x, *args), y_flat)
        apply = jax.jit(linear)
        v = solve_adjoint(lambda v: np.array(apply(v)), np.array(b), last, rtol=rtol, maxiter=maxiter)
        _, pull = jax.vjp(lambda x, *args: grad_y(y_flat, x, *args), x, *args)
        return pull(-jnp.asarray(v))  # x̄ = −J v, and the same for args

    y_star.defvjp(forward, backward)
    return y_star


def _derivatives_of(g: Callable[..., Any], x: Tree, y: Tree, args: Sequence[Tree]) -> Any:
    """As :class:`~lancbio_ref.adapters.verification.FirstVerification` asks for them."""
    at = JaxStructure("x", x), JaxStructure("y", y)
    derivatives = JaxDerivatives(g, g, args, *at)
    findings = tuple(look_at("g", derivatives.g, at[0].start, at[1].start, None, derivatives.args))
    return derivatives, findings, (at[0].start, at[1].start)


def _require_values(*trees: Tree) -> None:
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree_util.tree_leaves(trees)):
        raise ArgumentError(
            "implicit",
            "a derivative under jax.jit or vmap, or one of a derivative",
            "a first one outside of them: the solve is made here",
        )
