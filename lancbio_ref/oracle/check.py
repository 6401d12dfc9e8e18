"""One conformance run: every case of the levels claimed, asked, judged, and the failures compared with known faults."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .. import html
from ..errors import ArgumentError
from .candidates import Candidate, Reply
from .faults import Fault
from .judge import Verdict, judge
from .levels import LEVELS, make_case
from .suspects import Suspect
from .suspects import suspects as find_suspects

COUNTED = ("passed", "failed", "undecided")
GIVE_UP = dict(hang=3, crash=10)  # so many in a row, and the rest of the run is not asked


@dataclass(frozen=True)
class Tally:
    """Verdicts of one family at one level."""

    level: str
    family: str
    verdicts: tuple[Verdict, ...]

    def count(self, status: str) -> int:
        """How many have this status."""
        return sum(verdict.status == status for verdict in self.verdicts)

    @property
    def worst(self) -> Verdict | None:
        """The one with the largest multiple of its admissible error."""
        measured = [verdict for verdict in self.verdicts if verdict.worst is not None]
        return max(measured, key=lambda verdict: verdict.worst.excess, default=None)  # type: ignore[union-attr]


@dataclass(frozen=True)
class CheckResult:
    """What a run found.

    Attributes
    ----------
    candidate : str
    levels : tuple of str
    source : str
        Where the vectors are from: ``"v1"`` or a folder.
    precision : str
    verdicts : tuple of Verdict
    suspects : dict
        Level → the faults that give the candidate's wrong numbers, best first.
    seconds : float
    """

    candidate: str
    levels: tuple[str, ...]
    source: str
    precision: str
    verdicts: tuple[Verdict, ...]
    suspects: dict[str, Sequence[Suspect]] = field(default_factory=dict)
    seconds: float = 0.0

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.count(status)} {status}" for status in COUNTED)
        return f"CheckResult({self.candidate}: {', '.join(self.levels)}: {counts})"

    def _repr_html_(self) -> str:
        verdict = f"{self.candidate}: " + ", ".join(f"{self.count(status)} {status}" for status in COUNTED)
        rows = [(t.level, t.family, *(str(t.count(status)) for status in COUNTED)) for t in self.tallies()]
        words = [f"{found[0]}: {found[0].fault.remedy}" for found in self.suspects.values() if found]
        detail = "\n".join(f"{bad.id}, {bad.level}: {' '.join(bad.reason.split())}" for bad in self.failures)
        kind = html.GOOD if self.passed else html.BAD if self.failures else html.OPEN
        return html.card(verdict, kind, table=[("level", "family", *COUNTED), *rows], words=words, detail=detail)

    def count(self, status: str) -> int:
        """How many cases are ``"passed"``, ``"failed"`` or ``"undecided"``."""
        return sum(verdict.status == status for verdict in self.verdicts)

    @property
    def passed(self) -> bool:
        """Whether nothing failed and something was decided at every level."""
        decided = {verdict.level for verdict in self.verdicts if verdict.status == "passed"}
        return self.count("failed") == 0 and decided == set(self.levels)

    @property
    def failures(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.status == "failed"]

    def tallies(self) -> list[Tally]:
        """Verdicts by level and family, in the order of the levels and of the names."""
        keys = sorted({(LEVELS.index(verdict.level), verdict.family) for verdict in self.verdicts})
        return [
            Tally(
                LEVELS[level], family, tuple(v for v in self.verdicts if (v.level, v.family) == (LEVELS[level], family))
            )
            for level, family in keys
        ]


def check(
    candidate: Candidate,
    levels: Sequence[str],
    vectors: Iterable[Any],
    *,
    precision: str = "float64",
    source: str = "v1",
    progress: Callable[[int, int, Verdict], Any] | None = None,
    searching: Callable[[str, int, int], Any] | None = None,
    among: Callable[[Fault], bool] = lambda fault: True,
) -> CheckResult:
    """Ask a candidate every case of these levels.

    Parameters
    ----------
    candidate : Candidate
        Not closed here.
    levels : sequence of str
    vectors : iterable of Vector
    precision : {"float64", "float32"}
    source : str
        For the report.
    progress : callable (asked, of, verdict), optional
        Called after each case.
    searching : callable (level, tried, of), optional
        Called before each known fault that the wrong answers of a level are compared with, and at the end.
    among : callable (fault) → bool, optional
        Which known faults the candidate could have.

    Raises
    ------
    ArgumentError
        None of the vectors has such a level.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import oracle
    >>> from lancbio_ref.oracle.candidates import CallableCandidate
    >>> from lancbio_ref.oracle.check import check
    >>> candidate = CallableCandidate(lambda A, b, v0: np.linalg.solve(A, b))
    >>> check(candidate, ["solve"], [oracle.load("quadratic-001")]).passed
    True
    """
    asked = [(vector, level) for level in levels for vector in vectors if level in vector.levels]
    if not asked:
        raise ArgumentError("vectors", f"none for level {', '.join(levels)}", "at least one case to ask")
    start, verdicts, kind, in_a_row = time.perf_counter(), [], "", 0
    answers: dict[str, dict[str, Any]] = {level: {} for level in levels}
    for number, (vector, level) in enumerate(asked, 1):
        if in_a_row >= GIVE_UP.get(kind, math.inf):
            reply = Reply(failure=f"not asked: {in_a_row} cases in a row ended in a {kind}", kind="not asked")
        else:
            reply = candidate.ask(make_case(vector, level))
            kind, in_a_row = reply.kind, in_a_row + 1 if reply.kind == kind else 1
        verdict = judge(vector, level, reply, precision)
        verdicts.append(verdict)
        if reply.returned is not None:
            answers[level][vector.id] = reply.returned
        if progress is not None:
            progress(number, len(asked), verdict)
    found = {}
    for level in levels:
        tell = None if searching is None else partial(searching, level)
        found[level] = _suspects(level, answers[level], asked, verdicts, precision, among, tell)
    elapsed = time.perf_counter() - start
    return CheckResult(candidate.name, tuple(levels), source, precision, tuple(verdicts), found, elapsed)


def _suspects(
    level: str,
    answers: dict[str, Any],
    asked: Sequence[tuple[Any, str]],
    verdicts: Sequence[Verdict],
    precision: str,
    among: Callable[[Fault], bool],
    progress: Callable[[int, int], Any] | None,
) -> Sequence[Suspect]:
    """Faults whose numbers the wrong answers are; only where an answer is wrong."""
    failed = {verdict.id for verdict in verdicts if verdict.level == level and verdict.status == "failed"} & set(
        answers
    )
    if not failed:
        return []
    vectors = [vector for vector, at in asked if at == level]
    return find_suspects(level, answers, vectors, precision=precision, failed=failed, among=among, progress=progress)
