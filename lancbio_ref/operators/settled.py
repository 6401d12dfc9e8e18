"""Attributes that are set once: what an operator has made of them would outlive another value."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError


class Settled:
    """The place of an attribute that its constructor sets, and nobody after it.

    There is no ``__get__``: Python finds the value where it finds all others, as quickly. A ``__setattr__``, which is
    asked about every attribute, would make an operator ten times slower to make.

    Examples
    --------
    >>> from lancbio_ref.operators import DiagonalLowRank
    >>> A = DiagonalLowRank([1.0, 2.0])
    >>> A.d = [3.0, 4.0]
    Traceback (most recent call last):
    ...
    lancbio_ref.errors.ArgumentError: DiagonalLowRank.d: found an assignment to an operator that is made, expected a new
    operator, for this one has made other things of it
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __set__(self, owner: Any, value: Any) -> None:
        if self.name in owner.__dict__:
            raise ArgumentError(
                f"{type(owner).__name__}.{self.name}",
                "an assignment to an operator that is made",
                "a new operator, for this one has made other things of it",
            )
        owner.__dict__[self.name] = value


def settle(kind: type) -> None:
    """Let the attributes that a class names in its ``_settled`` be set once."""
    for name in vars(kind).get("_settled", ()):
        setattr(kind, name, Settled(name))
