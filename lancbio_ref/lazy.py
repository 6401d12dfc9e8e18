"""Packages that load nothing: each name is fetched from its module when it is first asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """The import system puts every module that it loads into its package: `minimize`, the module, over the function."""

    _HOME: dict[str, str]

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in self._HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


def fetching(package: str, homes: dict[str, str]) -> tuple[dict[str, str], Callable[[str], Any]]:
    """Name → module of a package, and what is its ``__getattr__``; makes it one whose names no module replaces.

    package : ``__name__``.   homes : module → its public names; one may be that of a module, as `minimize` is.

    A name that is none of these, nor private, is taken for a module of the package.
    """
    module = sys.modules[package]
    home = {name: place for place, names in homes.items() for name in names.split()}
    module.__dict__["_HOME"] = home
    module.__class__ = _Package

    def fetch(name: str) -> Any:
        """A public name, from its module, or a module of the package."""
        if name in home:
            value = getattr(import_module(f".{home[name]}", package), name)
        elif not name.startswith("_") and find_spec(f"{package}.{name}"):
            value = import_module(f".{name}", package)
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module.__dict__[name] = value
        return value

    return home, fetch
