"""Which known fault gives a candidate's wrong numbers?

A fault matches a failing case when what it gives there is the candidate's answer: nearer to it than a fiftieth of the
answer's own distance from the truth. Rounding, another order of summation or float32 do not reach that far, since all
of them move an answer by little compared with a fault that an oracle can see. Where a fault's wrong digits are
themselves rounding (`Fault.rounding`), sizes of errors are compared instead. Answers that are right count too: a fault
that would spoil one of them speaks against itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .candidates import make_reply
from .compare import Picture, compared, picture_of
from .faults import CATALOGUE, Fault
from .judge import judge
from .levels import make_case

SCREEN = 6  # failing cases without any match, after which a fault is dropped
REMEMBERED = 100_000  # answers of faults
PASSING = 24  # passing cases that a fault is tried on
PART = 0.25  # of the failing cases: less is named only where nothing better explains them


@dataclass(frozen=True)
class Suspect:
    """A fault that gives a candidate's wrong numbers.

    Attributes
    ----------
    fault : Fault
    matches, of : int
        Failing cases that it gives the numbers of, and failing cases that it could be seen on.
    against : int
        Cases that the candidate has right and the fault would spoil.
    alike : tuple of str
        Ids of the faults that these cases do not tell from this one.

    Examples
    --------
    >>> from lancbio_ref import oracle
    >>> from lancbio_ref.oracle.faults import fault
    >>> from lancbio_ref.oracle.suspects import suspects
    >>> vectors = [oracle.load(f"quadratic-00{i}") for i in range(1, 6)]
    >>> print(suspects("hypergradient", answers_of(fault("H02"), vectors), vectors)[0])
    matches fault H02 "J v has the wrong sign" on 5 of 5 cases
    """

    fault: Fault
    matches: int
    of: int
    against: int = 0
    alike: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"matches fault {self.fault} on {self.matches} of {self.of} cases"
        if self.against:
            text += f", but would spoil {self.against} that are right"
        return text + (f" (as does {', '.join(self.alike)})" if self.alike else "")


def answers_of(fault: Fault, vectors: Iterable[Any], level: str | None = None, variant: int = 0) -> dict[str, Any]:
    """What a fault answers on these vectors, by id; vectors without the level are left out."""
    level = level or fault.level
    return {v.id: fault.run(make_case(v, level), variant) for v in vectors if level in v.levels}


def suspects(
    level: str,
    answers: Mapping[str, Any],
    vectors: Sequence[Any],
    *,
    precision: str = "float64",
    failed: Collection[str] | None = None,
) -> list[Suspect]:
    """The known faults whose numbers a candidate's wrong answers are, best first; empty when nothing matches.

    Parameters
    ----------
    level : str
    answers : mapping
        Id → answer, as a candidate gives it at this level; right ones as well, which tell faults apart.
    vectors : sequence of Vector
        At least those that were answered.
    precision : {"float64", "float32"}
        Of the candidate.
    failed : collection of str, optional
        Ids of the failing cases; judged here where not given.

    Returns
    -------
    list of Suspect
        Sorted by failing cases matched less passing cases spoilt.
    """
    known = {vector.id: vector for vector in vectors if level in vector.levels and vector.id in answers}
    if failed is None:
        failed = [id for id, vector in known.items() if _fails(vector, level, answers[id], precision)]
    wrong = _mixed([known[id] for id in known if id in failed])
    if not wrong:
        return []
    right = _mixed([known[id] for id in known if id not in failed and known[id].result == "valid"])[:PASSING]
    asked: dict[str, Picture] = {}

    def picture(vector: Any) -> Picture:
        if vector.id not in asked:
            asked[vector.id] = picture_of(vector, level, answers[vector.id])
        return asked[vector.id]

    found = [_trial(fault, level, wrong, right, picture) for fault in CATALOGUE if fault.carries_to(level)]
    return _ranked([trial for trial in found if trial.matched])


def _fails(vector: Any, level: str, answer: Any, precision: str) -> bool:
    reply = make_reply(make_case(vector, level), answer)
    return judge(vector, level, reply, precision).status == "failed"


def _mixed(vectors: Sequence[Any]) -> list[Any]:
    """Family after family in turn, small cases first: so the first few are of many kinds, and cheap."""
    places: dict[str, int] = {}
    order = []
    for vector in sorted(vectors, key=lambda vector: (vector.n_y, vector.id)):
        places[vector.family] = places.get(vector.family, -1) + 1
        order.append((places[vector.family], vector.n_y, vector.id, vector))
    return [entry[-1] for entry in sorted(order, key=lambda entry: entry[:-1])]


# -- one fault ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Trial:
    fault: Fault
    matched: frozenset[str]
    of: int
    against: int
    carried: bool

    @property
    def key(self) -> tuple[Any, ...]:
        """Smaller is better: numbers before sizes, and a fault of the level before one of the code that it calls."""
        return (self.against - len(self.matched), self.against, self.fault.rounding, self.carried)


def _trial(fault: Fault, level: str, wrong: list[Any], right: list[Any], picture: Callable[[Any], Picture]) -> _Trial:
    """The best of a fault's variants."""
    wrong, right = _within(fault, level, wrong), _within(fault, level, right)
    trials = []
    for variant in range(len(fault.variants)):
        trials.append(_trial_of(fault, variant, level, wrong, right, picture))
        if len(trials[-1].matched) == len(wrong) and not trials[-1].against:
            break
    return min(trials, key=lambda trial: trial.key)


def _within(fault: Fault, level: str, vectors: list[Any]) -> list[Any]:
    """The vectors that the fault can be seen on: those of its methods."""
    if level != "trace":
        return vectors
    return [vector for vector in vectors if vector.inputs["method"] in fault.methods]


def _trial_of(
    fault: Fault, variant: int, level: str, wrong: list[Any], right: list[Any], picture: Callable[[Any], Picture]
) -> _Trial:
    matched: set[str] = set()
    for number, vector in enumerate(wrong, 1):
        given = _given(fault, variant, level, vector)
        near = compared(picture(vector), given.picture, rounding=fault.rounding) == "match"
        if near and given.fails:
            matched.add(vector.id)
        if number == SCREEN and not matched:
            break
    against = 0
    if matched:
        for vector in right:
            given = _given(fault, variant, level, vector)
            against += compared(picture(vector), given.picture, rounding=fault.rounding) == "apart"
    return _Trial(fault, frozenset(matched), len(wrong), against, fault.level != level)


class _Given:
    """What a fault gives on a vector; whether that fails is judged when it is first asked."""

    def __init__(self, vector: Any, level: str, answer: Any) -> None:
        self.vector, self.level, self.answer = vector, level, answer
        self.picture = picture_of(vector, level, answer)

    @cached_property
    def fails(self) -> bool:
        return _fails(self.vector, self.level, self.answer, "float64")


_memory: dict[tuple[Any, ...], _Given] = {}


def _given(fault: Fault, variant: int, level: str, vector: Any) -> _Given:
    """Computed once a vector: the next candidate is compared with the same numbers."""
    key = (fault.id, variant, level, id(vector))  # the entry holds the vector, so that its id stays its own
    if key not in _memory:
        if len(_memory) >= REMEMBERED:
            _memory.clear()
        _memory[key] = _Given(vector, level, fault.run(make_case(vector, level), variant))
    return _memory[key]


# -- all of them ----------------------------------------------------------------------------


def _ranked(trials: list[_Trial]) -> list[Suspect]:
    """Best first; a fault that matches few cases is kept only for those that no better one explains."""
    trials = sorted(trials, key=lambda trial: trial.key)  # stable: the catalogue's order decides what is left
    kept: list[Suspect] = []
    explained: set[str] = set()
    for trial in trials:
        new = len(trial.matched - explained)
        if len(trial.matched) < PART * trial.of and new < min(2, trial.of):
            continue
        equal = [t for t in trials if t is not trial and t.key == trial.key and t.matched == trial.matched]
        alike = tuple(t.fault.id for t in equal)
        kept.append(Suspect(trial.fault, len(trial.matched), trial.of, trial.against, alike))
        explained |= trial.matched
    return kept
