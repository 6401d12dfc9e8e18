"""A known fault is an edit: the textbook of :mod:`lancbio_ref.textbook` with a line of it changed.

The correct code stays free of switches, and what the fault is can be shown as the two lines it is.
"""

from __future__ import annotations

import linecache
import sys
from dataclasses import dataclass
from difflib import ndiff
from functools import lru_cache
from importlib import resources
from types import ModuleType
from typing import Any

from ..errors import ArgumentError

MODULES = ("numbers", "lanczos", "solve", "problems", "hypergradient", "trace", "baselines")


@dataclass(frozen=True)
class Edit:
    """Text of one module of the textbook, and what stands there instead.

    Parameters
    ----------
    module : str
        One of `MODULES`.
    correct : str
        Must occur in it exactly once.
    wrong : str
    """

    module: str
    correct: str
    wrong: str

    def apply(self, source: str) -> str:
        """The source with the edit made; :class:`ArgumentError` where it does not fit."""
        if (times := source.count(self.correct)) != 1:
            raise ArgumentError(f"textbook.{self.module}", f"{self.correct!r} {times} times", "it once")
        return source.replace(self.correct, self.wrong)

    def diff(self) -> tuple[list[str], list[str]]:
        """The lines that are changed and what they become, those that stay left out, the common indentation too."""
        text = source(self.module)
        start = text.index(self.correct)
        end = start + len(self.correct)
        first = text.rindex("\n", 0, start) + 1
        last = end - 1 if self.correct.endswith("\n") else text.index("\n", end)
        old = text[first:last]
        new = (text[first:start] + self.wrong + text[end:last]).rstrip("\n")
        before, after = old.splitlines(), new.splitlines()
        pad = min((len(line) - len(line.lstrip()) for line in before + after if line.strip()), default=0)
        before, after = ([line[pad:] for line in lines] for lines in (before, after))
        changed = list(ndiff(before, after))
        return [t[2:] for t in changed if t[0] == "-" and t[2:]], [t[2:] for t in changed if t[0] == "+" and t[2:]]


@lru_cache
def source(module: str) -> str:
    """The text of a module of the textbook."""
    return (resources.files("lancbio_ref.textbook") / f"{module}.py").read_text(encoding="utf-8")


def edited(name: str, edits: tuple[Edit, ...]) -> dict[str, ModuleType]:
    """The modules of the textbook with these edits made, as a package of their own.

    Parameters
    ----------
    name : str
        Of that package, under ``lancbio_ref.textbook``; tracebacks show it.
    edits : tuple of Edit
    """
    package = f"lancbio_ref.textbook<{name}>"
    parent = ModuleType(package)
    parent.__path__ = []
    made = {package: parent}
    before = {key: sys.modules.get(key) for key in (package, *(f"{package}.{module}" for module in MODULES))}
    try:
        sys.modules[package] = parent
        for module in MODULES:
            made[module] = sys.modules[f"{package}.{module}"] = _execute(package, module, edits)
            setattr(parent, module, made[module])
    finally:  # relative imports are done: nothing of it needs to stay importable
        for key, value in before.items():
            if value is None:
                sys.modules.pop(key, None)
            else:
                sys.modules[key] = value
    return {module: made[module] for module in MODULES}


def _execute(package: str, module: str, edits: tuple[Edit, ...]) -> ModuleType:
    text, here = source(module), tuple(edit for edit in edits if edit.module == module)
    for edit in here:
        text = edit.apply(text)
    made = ModuleType(f"{package}.{module}")
    made.__package__, made.__file__ = package, f"<{made.__name__}>" if here else f"<textbook.{module}>"
    linecache.cache[made.__file__] = (len(text), None, text.splitlines(keepends=True), made.__file__)
    namespace: dict[str, Any] = made.__dict__
    exec(_compiled(text, made.__file__), namespace)
    return made


@lru_cache(maxsize=2 * len(MODULES))
def _compiled(text: str, file: str) -> Any:
    """Most modules of a package are unedited, and the same as in the package before."""
    return compile(text, file, "exec")
