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
from functools import cached_property
from itertools import zip_longest
from typing import Any

from .candidates import make_reply
from .compare import Picture, picture_of, same
from .faults import CATALOGUE, Fault, fault
from .judge import judge
from .levels import make_case
from .stopping import iterates, tuned

# Measured on the programs of the tests: 136 that have a fault, and others that have none of the catalogue.
SHARE = 0.5  # of the cases that a fault fails, those with its numbers: 0.35 to 0.65 name the same, 0.75 loses an L04
SHARE_OF_SIZES = 0.75  # the same where only sizes of errors are compared: the right one has 0.87, a wrong one 0.70
FEW = 0.25  # right cases spoilt, in matches: at most 0.17, by a wrong fault 0.38; of all failures explained: 0.33, 0.12
SCREEN = 6  # failing cases without a match, and a fault is dropped: with 12 the same are named, with 3 two are lost
REMEMBERED = 100_000  # answers of faults
UNSTEADY = ("conjugate gradients", "preconditioned")  # textbooks whose later iterates are different in other programs
STOPS = "S12"  # the fault of stopping early
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
    program = _Program(fault, variant, level or fault.level)
    return {vector.id: program.on(vector).answer for vector in vectors if program.level in vector.levels}


def suspects(
    level: str,
    answers: Mapping[str, Any],
    vectors: Sequence[Any],
    *,
    precision: str = "float64",
    failed: Collection[str] | None = None,
    among: Callable[[Fault], bool] = lambda fault: True,
    progress: Callable[[int, int], Any] | None = None,
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
    progress : callable (tried, of), optional
        Called before each fault, and at the end.

    Returns
    -------
    list of Suspect
        Sorted by failing cases matched less passing cases spoilt.
    """
    known = [vector for vector in vectors if level in vector.levels and vector.id in answers]
    if failed is None:
        failed = [vector.id for vector in known if _fails(vector, level, answers[vector.id], precision)]
    wrong = _mixed([vector for vector in known if vector.id in failed])
    if not wrong:
        return []
    right = [vector for vector in known if vector.id not in failed and vector.result == "valid"]
    seen = _Seen(level, precision, wrong, right, {v.id: picture_of(v, level, answers[v.id]) for v in wrong})
    faults = [fault for fault in CATALOGUE if fault.carries_to(level) and among(fault)]
    if level == "hypergradient":
        faults.append(replace(fault(ACCEPTS), level=level, base="problem", _runs={}))
    tell = progress or (lambda tried, of: None)
    trials = []
    for tried, entry in enumerate(faults):
        tell(tried, len(faults))
        trials.append(_trial(entry, seen.within(entry)))
    tell(len(faults), len(faults))
    if level in ("solve", "hypergradient") and not any(t.enough for t in trials if t.matched and t.fault.id != ACCEPTS):
        some, none = iterates(level, wrong, seen.pictures)
        trials.append(_Trial(fault(STOPS), seen, some, some | none, carried=level != "solve"))
    return _ranked([trial for trial in trials if trial.enough])


def _fails(vector: Any, level: str, answer: Any, precision: str) -> bool:
    reply = make_reply(make_case(vector, level), answer)
    return judge(vector, level, reply, precision).status == "failed"


def _mixed(vectors: Sequence[Any]) -> list[Any]:
    """Family after family in turn, small cases first: so the first few are of many kinds, and cheap."""
    families: dict[str, list[Any]] = {}
    for vector in sorted(vectors, key=_size):
        families.setdefault(vector.family, []).append(vector)
    turns = zip_longest(*families.values())
    return [vector for turn in turns for vector in sorted(filter(None, turn), key=_size)]


def _size(vector: Any) -> tuple[int, str]:
    return vector.n_y, vector.id


@dataclass(frozen=True)
class _Seen:
    """A candidate: the vectors that it fails, those that it has right, and its wrong answers by id."""

    level: str
    precision: str
    wrong: list[Any]
    right: list[Any]
    pictures: Mapping[str, Picture]

    def within(self, fault: Fault) -> _Seen:
        """On vectors that the fault can be seen on: those of its methods; of derivatives, those with a problem."""

        def seen(vector: Any) -> bool:
            if self.level == "trace":
                return vector.inputs["method"] in fault.methods
            return fault.base != "problem" or fault.id == ACCEPTS or vector.problem is not None

        return replace(self, wrong=list(filter(seen, self.wrong)), right=list(filter(seen, self.right)))


# -- one fault ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Trial:
    fault: Fault
    seen: _Seen  # on the vectors that the fault could play a part in
    matched: Collection[str] = frozenset()
    spoilt: Collection[str] = frozenset()  # of the failing cases, those that the fault fails too
    against: int = 0
    carried: bool = False

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """Smaller is better: numbers before sizes, and a fault of the level before one of the code that it calls."""
        missed = len(self.spoilt) - len(self.matched)
        return (self.against - len(self.matched), self.against, missed, self.fault.rounding, self.carried)

    @property
    def enough(self) -> bool:
        """Whether so many matches are evidence."""
        share = len(self.matched) >= (SHARE_OF_SIZES if self.fault.rounding else SHARE) * len(self.spoilt)
        return bool(self.matched) and share and self.against <= FEW * len(self.matched)


def _trial(fault: Fault, seen: _Seen) -> _Trial:
    """The best of a fault's variants."""
    variants = tuned(fault, seen.level, seen.wrong, seen.pictures)
    trials = []
    for variant in range(len(variants.variants)):
        trials.append(_trial_of(_Program(variants, variant, seen.level), seen))
        if len(trials[-1].matched) == len(seen.wrong) and not trials[-1].against:
            break
    return replace(min(trials, key=lambda trial: (not trial.enough, trial.key)), fault=fault)


def _trial_of(program: _Program, seen: _Seen) -> _Trial:
    fault, matched = program.fault, set[str]()
    for number, vector in enumerate(seen.wrong, 1):
        if program.gives(seen.pictures[vector.id], vector) and program.on(vector).fails(seen.precision):
            matched.add(vector.id)
        if number == SCREEN and not matched:
            break
    if not matched:
        return _Trial(fault, seen)
    failing = [vector for vector in seen.wrong if program.on(vector).fails(seen.precision)]
    if fault.base in UNSTEADY and not fault.rounding:
        matched |= _of_the_size(program, seen, failing, matched)
    trial = _Trial(fault, seen, matched, {vector.id for vector in failing}, carried=fault.level != seen.level)
    if not trial.enough:
        return trial
    return replace(trial, against=sum(program.on(vector).fails(seen.precision) for vector in seen.right))


def _of_the_size(program: _Program, seen: _Seen, failing: list[Any], matched: set[str]) -> set[str]:
    """Of the failing cases on which the fault's own numbers change with the order of summation: where the candidate's
    error has the size of the fault's. None unless the fault gives the candidate's numbers on enough of the others.
    """
    if len(matched) < FEW * SHARE * len(failing):
        return set()  # it would not be enough, whatever were found
    rest = [vector for vector in failing if vector.id not in matched and vector.kappa is not None]
    unsteady = [vector for vector in rest if not program.on(vector).steady(program)]
    alike = {v.id for v in unsteady if same(seen.pictures[v.id], program.on(v).picture, rounding=True)}
    enough = len(matched) >= max(SHARE * (len(failing) - len(unsteady)), FEW * len(alike | matched))
    return alike if enough else set()


# -- what it gives, computed once: the next candidate is compared with the same numbers ------


@dataclass(frozen=True)
class _Program:
    """A variant of a fault at a level."""

    fault: Fault
    variant: int
    level: str

    def on(self, vector: Any) -> _Given:
        """What it gives on a vector."""
        key = self.fault.variants[self.variant], self.fault.base, self.level, id(vector)
        if key not in _memory:
            if len(_memory) >= REMEMBERED:
                _memory.clear()
            _memory[key] = _Given(self, vector)
        return _memory[key]

    def gives(self, candidate: Picture, vector: Any) -> bool:
        """Whether it gives the candidate's numbers; where there is no answer, whether both give any."""
        given = self.on(vector).picture
        if self.fault.id == ACCEPTS and vector.result == "must_reject":
            return {candidate.word, given.word} <= {"", "not finite"}
        return same(candidate, given, rounding=self.fault.rounding)


class _Given:
    """An answer, and the vector, so that its id stays its own; what costs is found out when it is first asked."""

    def __init__(self, program: _Program, vector: Any) -> None:
        self.vector, self.level = vector, program.level
        self.answer = program.fault.run(make_case(vector, program.level), program.variant)
        self.picture = picture_of(vector, program.level, self.answer)
        self._fails: dict[str, bool] = {}
        self._steady: bool | None = None

    def fails(self, precision: str) -> bool:
        if precision not in self._fails:
            self._fails[precision] = _fails(self.vector, self.level, self.answer, precision)
        return self._fails[precision]

    def steady(self, program: _Program) -> bool:
        """Whether the numbers are the same with the unknowns in reverse order, by which only rounding changes."""
        if self._steady is None:
            case = make_case(self.vector, self.level)
            case |= {"A": case["A"][::-1, ::-1], "b": case["b"][::-1], "v0": case["v0"][::-1]}
            case |= {"J": case["J"][:, ::-1]} if "J" in case else {}
            answer = program.fault.run(case, program.variant)
            answer |= {"v": answer["v"][::-1]} if "v" in answer else {}
            self._steady = same(self.picture, picture_of(self.vector, self.level, answer), rounding=False)
        return self._steady


_memory: dict[tuple[Any, ...], _Given] = {}


# -- all of them ----------------------------------------------------------------------------


def _ranked(trials: list[_Trial]) -> list[Suspect]:
    """Best first, those that explain two cases more than better ones do, or as much as the best; none of them where
    they explain too few of the failing cases together.
    """
    kept: list[_Trial] = []
    explained: set[str] = set()
    for trial in sorted(trials, key=lambda trial: trial.key):  # stable
        new = len(set(trial.matched) - explained)
        if not kept or new >= 2 or new == len(trial.matched) or len(trial.matched) >= len(kept[0].matched):
            kept.append(trial)
            explained |= set(trial.matched)
    within = {id(trial): {vector.id for vector in trial.seen.wrong} for trial in kept}
    return [_suspect(t, trials) for t in kept if len(explained & within[id(t)]) >= FEW * len(within[id(t)])]


def _suspect(trial: _Trial, trials: list[_Trial]) -> Suspect:
    equal = [t for t in trials if t is not trial and t.key == trial.key and t.matched == trial.matched]
    alike = tuple(t.fault.id for t in equal)
    return Suspect(trial.fault, len(trial.matched), len(trial.spoilt), trial.against, alike)
