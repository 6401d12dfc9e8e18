"""Which known fault gives a candidate's wrong numbers?

A fault matches a failing case when what it gives there is the candidate's answer: nearer to it than a fiftieth of the
answer's own distance from the truth. Rounding, another order of summation or float32 do not reach that far, since all
of them move an answer by little compared with a fault that an oracle can see. Where a fault's wrong digits are
themselves rounding (`Fault.rounding`), sizes of errors are compared instead. Answers that are right count too: a fault
that would spoil one of them speaks against itself. What is named has the evidence that `_Trial.enough` and `_ranked`
ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .candidates import make_reply
from .compare import Picture, compared, picture_of
from .faults import CATALOGUE, Fault, fault
from .judge import judge
from .levels import make_case
from .stopping import iterates, tuned

SCREEN = 6  # failing cases without any match, after which a fault is dropped
REMEMBERED = 100_000  # answers of faults
SHARE = 0.5  # of the failing cases that a fault spoils too: less is no evidence
SHARE_OF_SIZES = 0.75  # the same where only sizes of errors are compared
SAME = 0.25  # of the matches, those with the same numbers: where the others are of the same size
AGAINST = 0.25  # right cases that a fault would spoil, in matches: more speaks against it
AS_MUCH = 0.9  # of the best one's matches
TOGETHER = 1 / 3  # of the failing cases that those which are named explain
UNSTEADY = ("conjugate gradients", "preconditioned")  # textbooks whose later iterates are different in other programs
STOPS, ITERATES = "S12", 5  # the fault of stopping early, and how many answers must be iterates where no tolerance fits
ACCEPTS = "S24"  # the fault of answering where there is no answer: which numbers are given then does not matter


@dataclass(frozen=True)
class Suspect:
    """A fault that gives a candidate's wrong numbers.

    Attributes
    ----------
    fault : Fault
    matches, of : int
        Failing cases that it gives the numbers of, and failing cases that it spoils.
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
    among: Callable[[Fault], bool] = lambda fault: True,
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
    among : callable (fault) → bool, optional
        Whether the candidate could have this fault.

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
    right = [known[id] for id in known if id not in failed and known[id].result == "valid"]
    asked: dict[str, Picture] = {}

    def picture(vector: Any) -> Picture:
        if vector.id not in asked:
            asked[vector.id] = picture_of(vector, level, answers[vector.id])
        return asked[vector.id]

    faults = [fault for fault in CATALOGUE if fault.carries_to(level) and among(fault)]
    if level == "hypergradient":
        faults.append(replace(fault(ACCEPTS), level=level, base="problem", _runs={}))
    trials = [_trial(entry, level, wrong, right, picture, precision) for entry in faults]
    if level in ("solve", "hypergradient") and not any(t.enough for t in trials if t.matched and t.fault.id != ACCEPTS):
        trials.append(_stopped(level, wrong, picture))
    return _ranked([trial for trial in trials if trial.matched])


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
    spoilt: frozenset[str]  # of the failing cases, those that the fault fails too
    within: frozenset[str]  # all failing cases that it could play a part in
    against: int
    carried: bool

    @property
    def key(self) -> tuple[Any, ...]:
        """Smaller is better: numbers before sizes, and a fault of the level before one of the code that it calls."""
        missed = len(self.spoilt) - len(self.matched)
        return (self.against - len(self.matched), self.against, missed, self.fault.rounding, self.carried)

    @property
    def enough(self) -> bool:
        """Whether so many matches are evidence."""
        return _many(self.fault, self.matched, self.spoilt) and self.against <= AGAINST * len(self.matched)


def _many(fault: Fault, matched: Collection[str], spoilt: Collection[str]) -> bool:
    return len(matched) >= (SHARE_OF_SIZES if fault.rounding else SHARE) * len(spoilt)


def _trial(
    fault: Fault,
    level: str,
    wrong: list[Any],
    right: list[Any],
    picture: Callable[[Any], Picture],
    precision: str,
) -> _Trial:
    """The best of a fault's variants."""
    wrong, right = _within(fault, level, wrong), _within(fault, level, right)
    variants = tuned(fault, level, wrong, picture)
    trials = []
    for variant in range(len(variants.variants)):
        trials.append(_trial_of(variants, variant, level, wrong, right, picture, precision))
        if len(trials[-1].matched) == len(wrong) and not trials[-1].against:
            break
    return replace(min(trials, key=lambda trial: (not trial.enough, trial.key)), fault=fault)


def _within(fault: Fault, level: str, vectors: list[Any]) -> list[Any]:
    """The vectors that the fault can be seen on: those of its methods; of derivatives, those with a problem."""
    if level == "trace":
        return [vector for vector in vectors if vector.inputs["method"] in fault.methods]
    if fault.base == "problem" and fault.id != ACCEPTS:
        return [vector for vector in vectors if vector.problem is not None]
    return vectors


def _trial_of(
    fault: Fault,
    variant: int,
    level: str,
    wrong: list[Any],
    right: list[Any],
    picture: Callable[[Any], Picture],
    precision: str,
) -> _Trial:
    matched: set[str] = set()
    spoilt: set[str] = set()
    against = 0
    for number, vector in enumerate(wrong, 1):
        given = _given(fault, variant, level, vector)
        if _alike(fault, vector, picture(vector), given.picture) and given.fails(precision):
            matched.add(vector.id)
        if number == SCREEN and not matched:
            break
    if matched:
        failing = [vector for vector in wrong if _given(fault, variant, level, vector).fails(precision)]
        spoilt = {vector.id for vector in failing}
        matched |= _of_the_size(fault, variant, level, failing, matched, picture)
    if matched and _many(fault, matched, spoilt):
        for vector in right:
            given = _given(fault, variant, level, vector)
            against += compared(picture(vector), given.picture, rounding=fault.rounding) == "apart"
    within = frozenset(vector.id for vector in wrong)
    return _Trial(fault, frozenset(matched), frozenset(spoilt), within, against, fault.level != level)


def _of_the_size(
    fault: Fault,
    variant: int,
    level: str,
    failing: list[Any],
    matched: set[str],
    picture: Callable[[Any], Picture],
) -> set[str]:
    """Of the failing cases on which the fault's own numbers change with the order of summation: where the candidate's
    error has the size of the fault's. None unless the fault gives the candidate's numbers on enough of the others.
    """
    if fault.rounding or fault.base not in UNSTEADY or len(matched) < SAME * SHARE * len(failing):
        return set()
    rest = [vector for vector in failing if vector.id not in matched and vector.kappa is not None]
    unsteady = [vector for vector in rest if not _given(fault, variant, level, vector).steady(fault, variant)]
    if len(matched) < SHARE * (len(failing) - len(unsteady)):
        return set()
    given = {vector.id: _given(fault, variant, level, vector).picture for vector in unsteady}
    alike = {v.id for v in unsteady if compared(picture(v), given[v.id], rounding=True) == "match"}
    return alike if len(matched) >= SAME * len(alike | matched) else set()


def _stopped(level: str, wrong: list[Any], picture: Callable[[Any], Picture]) -> _Trial:
    """Of the fault of stopping early at a test that the catalogue does not have: the answers are iterates."""
    some, none = iterates(level, wrong, picture)
    if len(some) < max(ITERATES, SHARE_OF_SIZES * len(some | none)):
        some = set()
    within = frozenset(vector.id for vector in wrong)
    return _Trial(fault(STOPS), frozenset(some), frozenset(some | none), within, 0, level != "solve")


def _alike(fault: Fault, vector: Any, candidate: Picture, given: Picture) -> bool:
    """Whether the fault gives the candidate's numbers; where there is no answer, whether both give any."""
    if fault.id == ACCEPTS and vector.result == "must_reject":
        return {candidate.word, given.word} <= {"", "not finite"}
    return compared(candidate, given, rounding=fault.rounding) == "match"


class _Given:
    """What a fault gives on a vector; whether that fails, and is steady, is found out when it is first asked."""

    def __init__(self, vector: Any, level: str, answer: Any) -> None:
        self.vector, self.level, self.answer = vector, level, answer
        self.picture = picture_of(vector, level, answer)
        self._fails: dict[str, bool] = {}
        self._steady: bool | None = None

    def fails(self, precision: str) -> bool:
        if precision not in self._fails:
            self._fails[precision] = _fails(self.vector, self.level, self.answer, precision)
        return self._fails[precision]

    def steady(self, fault: Fault, variant: int) -> bool:
        """Whether the numbers are the same with the unknowns in reverse order, by which only rounding changes."""
        if self._steady is None:
            case = make_case(self.vector, self.level)
            case |= {"A": case["A"][::-1, ::-1], "b": case["b"][::-1], "v0": case["v0"][::-1]}
            case |= {"J": case["J"][:, ::-1]} if "J" in case else {}
            answer = fault.run(case, variant)
            answer |= {"v": answer["v"][::-1]} if "v" in answer else {}
            again = picture_of(self.vector, self.level, answer)
            self._steady = compared(self.picture, again, rounding=False) == "match"
        return self._steady


_memory: dict[tuple[Any, ...], _Given] = {}


def _given(fault: Fault, variant: int, level: str, vector: Any) -> _Given:
    """Computed once a vector: the next candidate is compared with the same numbers."""
    key = (fault.variants[variant], fault.base, level, id(vector))  # the entry holds the vector: its id stays its own
    if key not in _memory:
        if len(_memory) >= REMEMBERED:
            _memory.clear()
        _memory[key] = _Given(vector, level, fault.run(make_case(vector, level), variant))
    return _memory[key]


# -- all of them ----------------------------------------------------------------------------


def _ranked(trials: list[_Trial]) -> list[Suspect]:
    """Those with enough evidence, best first, if together they explain a third of the failing cases.

    A fault is named beside better ones where it explains more, or as much as the best.
    """
    trials = sorted((trial for trial in trials if trial.enough), key=lambda trial: trial.key)  # stable
    kept: list[_Trial] = []
    explained: set[str] = set()
    for trial in trials:
        new = len(trial.matched - explained)
        if new < min(2, len(trial.matched)) and len(trial.matched) < AS_MUCH * len(kept[0].matched):
            continue
        kept.append(trial)
        explained |= trial.matched
    return [_suspect(trial, trials) for trial in kept if len(explained & trial.within) >= TOGETHER * len(trial.within)]


def _suspect(trial: _Trial, trials: list[_Trial]) -> Suspect:
    equal = [t for t in trials if t is not trial and t.key == trial.key and t.matched == trial.matched]
    alike = tuple(t.fault.id for t in equal)
    return Suspect(trial.fault, len(trial.matched), len(trial.spoilt), trial.against, alike)
