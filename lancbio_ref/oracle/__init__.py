"""The oracle: cases whose answers are proven, for whoever writes LancBiO in any language.

``load`` and ``vectors`` give the cases, ``enclose`` a proven answer for a case of your own; ``diagnose`` says of your
own hyper-gradient, on your own problem, how many digits are right, and which fault gives these numbers if it is wrong.

A name is loaded when it is asked for: the process of a candidate (`serve`) needs neither a compiler nor SciPy.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `_HOMES` says the same to Python (tested)
    from .diagnosis import Diagnosis, Match, diagnose
    from .enclose import EnclosedHyperGradient, Intervals, enclose
    from .vector import Enclosure, Vector, load, vectors

__all__ = [
    "Diagnosis", "EnclosedHyperGradient", "Enclosure", "Intervals", "Match", "Vector", "diagnose", "enclose", "load",
    "vectors",
]  # fmt: skip

_HOMES = {
    "diagnosis": "Diagnosis Match diagnose",
    "enclose": "EnclosedHyperGradient Intervals enclose",
    "vector": "Enclosure Vector load vectors",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


class _Package(ModuleType):
    """The import system puts every module that it loads into its package: `enclose`, the module, over the function."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

if not TYPE_CHECKING:  # or a checker would take every name for one of ours

    def __getattr__(name: str) -> Any:
        """A public name, from its module."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f".{_HOME[name]}", __name__), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
