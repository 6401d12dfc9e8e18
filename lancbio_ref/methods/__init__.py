"""The outer loops, one file a method, and their names."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ..arguments import as_choice
from ..errors import ArgumentError
from .base import Method, State
from .lancbio import LancBiO, LancBiOState, SubspaceSchedule
from .subbio import SubBiO, SubBiOState

METHODS: dict[str, type] = {"lancbio": LancBiO, "subbio": SubBiO}

__all__ = ["LancBiO", "LancBiOState", "Method", "State", "SubBiO", "SubBiOState", "SubspaceSchedule", "build", "names"]


def names() -> tuple[str, ...]:
    """The methods that :func:`lancbio_ref.minimize` knows by name.

    Examples
    --------
    >>> from lancbio_ref import methods
    >>> methods.names()
    ('lancbio', 'subbio')
    """
    return tuple(METHODS)


def build(method: Any, options: dict[str, Any]) -> Method:
    """The method object behind a name and its options, or a method object as it is.

    Raises
    ------
    ArgumentError
        An unknown name or option (the valid ones are listed), a missing option, or options beside an object.
    """
    if not isinstance(method, str):
        if not (hasattr(method, "init") and hasattr(method, "step")) or isinstance(method, type):
            raise ArgumentError("method", repr(method), "a name or a method object such as LancBiO(step_x=…, step_y=…)")
        if options:
            raise ArgumentError("options", ", ".join(options), "none beside a method object, which holds its own")
        return method
    kind = METHODS[as_choice("method", method, METHODS)]
    valid = [f.name for f in fields(kind)]
    if unknown := [name for name in options if name not in valid]:
        raise ArgumentError("options", ", ".join(unknown), f"options of {method!r}: " + ", ".join(valid))
    try:
        return kind(**options)
    except TypeError as error:
        raise ArgumentError("options", str(error), f"options of {method!r}: " + ", ".join(valid)) from None
