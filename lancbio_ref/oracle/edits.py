"""A known fault is an edit: the textbook of :mod:`lancbio_ref.textbook` with a line of it changed.

The correct code stays free of switches, and what the fault is can be shown as the two lines it is.
"""

from __future__ import annotations

import linecache
import re
import sys
from dataclasses import dataclass, field, replace
from difflib import ndiff
from functools import cached_property, lru_cache
from importlib import resources
from types import ModuleType
from typing import Any

from ..errors import ArgumentError
from .correct import answer, candidates

MODULES = ("numbers", "lanczos", "solve", "problems", "hypergradient", "trace", "baselines", "recycled")
CARRIED = {("solve", "hypergradient"): "arrays"}  # faults of the first can be seen at the second, in this program


@dataclass(frozen=True)
class Edit:
    """Text of one module of the textbook, and what stands there instead.

    Parameters
    ----------
    module : str
        One of `MODULES`.
    correct : str
        Must occur exactly once.
    wrong : str
    within : str, optional
        The function, or ``Class.method``, that it must occur once in; the whole module otherwise.
    place : str, optional
        Where the edit is written, for whoever has to mend it.
    """

    module: str
    correct: str
    wrong: str
    within: str = ""
    place: str = field(default="", compare=False)

    def apply(self, text: str) -> str:
        """The text of the module with the edit made; :class:`ArgumentError` where it does not fit."""
        start, end = _span(text, self.within)
        if (times := text.count(self.correct, start, end)) != 1:
            here = f"textbook.{self.module}" + f".{self.within}" * bool(self.within)
            found = f"{self.correct.strip(chr(10))!r} {times} times"
            raise ArgumentError(self.place or here, found, f"it once in {here}" if self.place else "it once")
        at = text.index(self.correct, start, end)
        return text[:at] + self.wrong + text[at + len(self.correct) :]

    def diff(self) -> tuple[list[str], list[str]]:
        """The lines that are changed and what they become, those that stay left out, the common indentation too."""
        before, after = (text.strip("\n").splitlines() for text in (self.correct, self.wrong))
        changed = [line for line in ndiff(before, after) if line[0] in "-+" and line[2:]]
        pad = min((len(line) - len(line[2:].lstrip()) for line in changed), default=2)
        correct, wrong = ([line[pad:] for line in changed if line[0] == sign] for sign in "-+")
        return correct, wrong


Edits = tuple[Edit, ...]


def _span(text: str, name: str) -> tuple[int, int]:
    """Where the function `name` stands, with the line break before it; (0, 0) where there is none."""
    start, end = 0, len(text)
    for part in name.split(".") if name else ():
        block = re.compile(rf"\n( *)(?:class|def) {part}\b.*\n(?:\1 .*\n|\n)*")
        found = block.search(text, start, end)
        start, end = found.span() if found else (0, 0)
    return start, end


def filled(edits: Edits, constants: dict[str, str]) -> Edits:
    """The edits with constants exchanged."""
    if not constants:
        return edits
    each = re.compile("|".join(map(re.escape, constants)))
    return tuple(replace(edit, wrong=each.sub(lambda old: constants[old[0]], edit.wrong)) for edit in edits)


@lru_cache
def source(module: str) -> str:
    """The text of a module of the textbook."""
    return (resources.files("lancbio_ref.textbook") / f"{module}.py").read_text(encoding="utf-8")


def edited(name: str, edits: Edits) -> dict[str, ModuleType]:
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


def _execute(package: str, module: str, edits: Edits) -> ModuleType:
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


# -- edits with a name ----------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """A known way to be wrong.

    Attributes
    ----------
    id : str
        Stable: S of `solve`, H of `hypergradient`, L of `lanczos`, T of `trace`, and a number.
    title : str
        What the wrong code does, in one line.
    level : str
    symptom : str
        What is seen from outside.
    cause, remedy : str
        For a reader who writes in another language.
    edits : tuple of Edit
        The smallest change that makes the correct code do it.
    base : str
        Which correct candidate of the level is edited.
    others : tuple of tuple of Edit
        The same fault with other constants, where it has some: a tolerance, a number of terms.
    constant : str
        The text of `edits` that is a constant, where `others` have another one first of all.
    rounding : bool
        The wrong digits are rounding, which no two programs share: compared by size, not by value.
    methods : tuple of str
        Of a trace: the methods that it can occur in.
    """

    id: str
    title: str
    level: str
    symptom: str
    cause: str
    remedy: str
    edits: Edits
    base: str
    others: tuple[Edits, ...] = ()
    constant: str = ""
    rounding: bool = False
    methods: tuple[str, ...] = ()
    _runs: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def variants(self) -> tuple[Edits, ...]:
        """`edits` and `others`."""
        return (self.edits, *self.others)

    def with_constant(self, value: str) -> Edits:
        """`edits` with another constant in them."""
        return filled(self.edits, {self.constant: value})

    def run(self, case: dict[str, Any], variant: int = 0) -> dict[str, Any]:
        """The answer of the correct code with this fault in it; ``{"error": …}`` where it breaks down.

        Parameters
        ----------
        case : dict
            At the fault's own level; of a `solve` or `lanczos` fault also at those that call the same code.
        variant : int
            Which of `variants`.
        """
        if variant not in self._runs:
            self._runs[variant] = candidates(edited(f"{self.id}.{variant}", self.variants[variant]))
        base = self.base if case["level"] == self.level else CARRIED[self.level, case["level"]]
        try:
            return answer(self._runs[variant][case["level"]][base], case)
        except Exception as error:  # a wrong program may do anything
            return {"error": f"{type(error).__name__}: {error}"}

    def carries_to(self, level: str) -> bool:
        """Whether the fault can be seen at `level`: its own, or one whose code calls it."""
        return level == self.level or ((self.level, level) in CARRIED and self.base == "conjugate gradients")

    def changes(self) -> list[tuple[list[str], list[str]]]:
        """(correct, wrong) lines of the textbook, the one or the few that the fault changes."""
        return [edit.diff() for edit in self.edits]

    def describe(self) -> str:
        """Title, symptom, cause and remedy, and the change itself, as text."""
        text = [f"{self.id} {self.title}"]
        text += [f"  {name}: {getattr(self, name)}" for name in ("symptom", "cause", "remedy")]
        for correct, wrong in self.changes():
            text += [f"  correct: {line}" for line in correct]
            text += [f"  wrong:   {line}" for line in wrong or ["(nothing)"]]
        return "\n".join(text)

    def __str__(self) -> str:
        return f'{self.id} "{self.title}"'
