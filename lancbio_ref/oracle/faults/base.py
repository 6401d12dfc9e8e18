"""What a known fault is: words, an edit of the textbook, and the answers that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..correct import answer, candidates
from ..edits import Edit, edited

Edits = tuple[Edit, ...]


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
    rounding: bool = False
    methods: tuple[str, ...] = ()
    _runs: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def variants(self) -> tuple[Edits, ...]:
        """`edits` and `others`."""
        return (self.edits, *self.others)

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


CARRIED = {("solve", "hypergradient"): "arrays"}
