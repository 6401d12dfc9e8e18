"""Structures of arrays: dicts, lists, tuples and named tuples, in each other, as a list of leaves and back.

None is no leaf, but an empty place, as in JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple


class Leaf(NamedTuple):
    """One array and the way to it, such as ``['layer'][0]``."""

    path: str
    value: Any


def leaves(tree: Any, path: str = "") -> Iterator[Leaf]:
    """The leaves in order; a dict's in the order it has them.

    Examples
    --------
    >>> from lancbio_ref.adapters.tree import leaves
    >>> [tuple(leaf) for leaf in leaves({"w": 1.0, "more": [2.0, (3.0,)]})]
    [("['w']", 1.0), ("['more'][0]", 2.0), ("['more'][1][0]", 3.0)]
    """
    if isinstance(tree, Mapping):
        for key, part in tree.items():
            yield from leaves(part, f"{path}[{key!r}]")
    elif isinstance(tree, (list, tuple)):
        for index, part in enumerate(tree):
            yield from leaves(part, f"{path}[{index}]")
    elif tree is not None:
        yield Leaf(path, tree)


def filled(tree: Any, values: Iterator[Any]) -> Any:
    """The same structure with its leaves taken from `values`.

    Examples
    --------
    >>> from lancbio_ref.adapters.tree import filled
    >>> filled({"w": 0, "more": [0, (0,)]}, iter("abc"))
    {'w': 'a', 'more': ['b', ('c',)]}
    """
    if isinstance(tree, Mapping):
        return {key: filled(part, values) for key, part in tree.items()}
    if isinstance(tree, (list, tuple)):
        parts = [filled(part, values) for part in tree]
        if isinstance(tree, list):
            return parts
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return None if tree is None else next(values)


def mapped(tree: Any, of: Callable[[Any], Any]) -> Any:
    """The same structure with `of` applied to every leaf."""
    return filled(tree, (of(leaf.value) for leaf in leaves(tree)))


def paths(tree: Any) -> list[str]:
    """Where the leaves are: two trees with the same paths have the same structure."""
    return [leaf.path for leaf in leaves(tree)]
