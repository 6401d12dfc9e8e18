"""Pytrees of arrays as vectors of one type and back, and data as they will be computed with."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ..errors import ArgumentError
from .problem import NO_VARIABLE, Tree

X64 = "jax.config.update('jax_enable_x64', True) before the first array, or np.float32 arrays"


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
            raise ArgumentError(where, f"dtype {given}", f"float64 or float32{NO_VARIABLE}")
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


def as_data(value: Any) -> Any:
    """One leaf of `args` as it will be computed with; float64 is not rounded in silence."""
    wide = isinstance(value, np.ndarray) and value.dtype == np.float64
    if wide and not jax.config.jax_enable_x64:
        raise ArgumentError("args", "float64, of which JAX as it is set would make float32", X64)
    try:
        return jnp.asarray(value)
    except TypeError:
        raise ArgumentError(
            "args", f"{type(value).__name__} {value!r:.40}", "arrays; what is none is captured"
        ) from None
