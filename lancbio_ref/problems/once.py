"""A property computed once, without a lock: its computation may wait for a reading that another one shares.

Before Python 3.12 ``functools.cached_property`` holds one lock for all objects of a class while it computes: of two
folds whose fits share their readings (:mod:`lancbio_ref.blocks.together`), the first would wait for the second, and the
second for the lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class once(Generic[T]):
    """``@once`` as ``@functools.cached_property``.

    Examples
    --------
    >>> from lancbio_ref.problems.once import once
    >>> class Square:
    ...     @once
    ...     def root(self):
    ...         print("computed")
    ...         return 3
    >>> square = Square()
    >>> square.root + square.root
    computed
    6
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function, self.__doc__ = function, function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> once[T]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> once[T] | T:
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.function(instance)  # which hides this from then on
        return value
