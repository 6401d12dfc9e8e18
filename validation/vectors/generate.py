"""The files of ``vectors/`` from their recipes: the same bytes every time, on every machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle.balls import require_flint
from lancbio_ref.oracle.layout import canonical, field_sums
from lancbio_ref.oracle.vector import SEALS
from lancbio_ref.oracle.vector_document import check_document

MADE_WITH = "python-flint 0.9.0 (FLINT 3.6.0), mpmath 1.4.1"  # v1 was; other versions give the same digits or fail


@lru_cache(maxsize=4)
def recipes(version: str = "v1") -> dict[str, Callable[[], Any]]:
    """Id → a function that makes the vector's case."""
    require_flint()
    from .recipes import ALL

    found: dict[str, Callable[[], Any]] = {}
    for module in ALL[version]:
        for id, build in module.cases():
            if id in found:
                raise ArgumentError("recipe", f"{id} twice", "each id once")
            found[id] = build
    return dict(sorted(found.items()))


def regenerate(id: str) -> bytes:
    """The bytes of ``<id>.json``, made anew.

    Raises
    ------
    ArgumentError
        No such vector, or python-flint or mpmath missing.
    """
    known = {name: build for version in SEALS for name, build in recipes(version).items()}
    if id not in known:
        raise ArgumentError("id", repr(id), "the id of a vector that has a recipe")
    from .recipes.system import Case, system
    from .recipes.trace import trace

    case = known[id]()
    document = system(case) if isinstance(case, Case) else trace(case)
    document["generator"]["made_with"] = MADE_WITH
    document["sums"] = field_sums(document)
    check_document(document, f"{id}.json")
    return canonical(document)
