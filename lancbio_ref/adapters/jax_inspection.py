"""The trace of a JAX function: a scalar it must be, and what is cut or rounded inside of it is found by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ArgumentError
from .problem import Finding

THEIRS = os.path.dirname(jax.__file__) + os.sep


def look_at(name: str, function: Callable[..., Any], *arguments: Any) -> Iterator[Finding]:
    """Trace f or g, and its derivatives: a scalar it must be, and what is rounded or cut inside it is found by name.

    Of g the second derivatives too, forward over reverse, as a product takes them.
    """
    try:
        traced = jax.make_jaxpr(function)(*arguments)
    except Exception as error:
        raise ArgumentError(
            name,
            f"{type(error).__name__}: {str(error).splitlines()[0]}",
            "a function that JAX can trace (jax.numpy); a number that shapes depend on is captured, not one of `args`",
        ) from error
    (out, *more) = traced.out_avals or [None]
    if out is None or more or out.shape != () or not np.issubdtype(out.dtype, np.floating):
        found = " and ".join(str(aval) for aval in traced.out_avals) or "nothing"
        raise ArgumentError(name, f"a function that returns {found}", "one that returns one real number")
    if name == "g" and not _depends(traced.jaxpr, traced.jaxpr.invars[1]):
        raise ArgumentError("g", "a function whose trace has nothing of y", "one of y, not of captured parameters")
    try:
        jax.eval_shape(_derivatives(function, twice=name == "g"), *arguments)
    except Exception as error:
        raise ArgumentError(
            name,
            f"{type(error).__name__}: {str(error).splitlines()[0]}",
            f"a function that JAX can differentiate{' twice, forward over reverse' * (name == 'g')}",
        ) from error
    yield from _findings(name, traced.jaxpr)


def _depends(jaxpr: Any, variable: Any) -> bool:
    """Whether the result of `jaxpr` may depend on it."""
    depending = {id(variable)}
    for equation in jaxpr.eqns:
        if any(id(part) in depending for part in equation.invars):
            depending |= set(map(id, equation.outvars))
    return any(id(part) in depending for part in jaxpr.outvars)


def _derivatives(function: Callable[..., Any], *, twice: bool) -> Callable[..., Any]:
    gradient = jax.grad(function, (0, 1))
    if not twice:
        return gradient
    return lambda x, y, *data: jax.jvp(lambda x, y: gradient(x, y, *data), (x, y), (x, y))


def _findings(name: str, jaxpr: Any) -> Iterator[Finding]:
    from jax.extend import core, source_info_util

    for equation in jaxpr.eqns:
        operation, where = equation.primitive.name, source_info_util.summarize(equation.source_info)
        if operation == "stop_gradient":
            yield Finding(name, "cut", f"stop_gradient at {where}")
        if operation.startswith(("custom_jvp_call", "custom_vjp_call")):
            rule = (equation.params.get("call_jaxpr") or equation.params["fun_jaxpr"]).jaxpr.debug_info
            if not rule.func_filename.startswith(THEIRS):  # as that of relu is
                yield Finding(name, "own", rule.func_src_info)
        if operation in ("convert_element_type", "reduce_precision"):
            before, after = equation.invars[0].aval.dtype, equation.params.get("new_dtype", np.dtype(np.float32))
            is_float = jnp.issubdtype(before, jnp.floating) and jnp.issubdtype(after, jnp.floating)
            if is_float and jnp.finfo(after).nmant < jnp.finfo(before).nmant:
                yield Finding(name, "narrow", f"{before} is rounded to {np.dtype(after).name} at {where}")
        for inner in core.jaxprs_in_params(equation.params):
            yield from _findings(name, inner)
