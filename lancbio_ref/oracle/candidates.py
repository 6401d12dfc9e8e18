"""Candidates: a Python callable, an executable spoken to in lines of JSON, a file of results.

Each is asked a case and gives a `Reply`: an answer whose arrays are finite and have the right shapes, a rejection, or
a failure with its reason. Nothing that a candidate does raises here; what cannot be started or read at all is an
:class:`~lancbio_ref.errors.ArgumentError`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..datasets.npz import load_arrays
from ..datasets.packed import LIMIT, unpacked
from ..errors import ArgumentError
from .levels import ANSWERS, LEVELS, PROTOCOL, VERSION, BadAnswer, call, read_answer, said, to_json
from .process import LineFailure, LineProcess

TIMEOUT = 30.0
LATE = 1.0  # seconds that an answer may take after a line that was left over
START = 60.0  # seconds that a Python callable's module may take to import


@dataclass(frozen=True)
class Reply:
    """What came back for one case: exactly one of `answer`, `rejection` and `failure` is not None.

    Attributes
    ----------
    answer : dict or None
        Arrays by name.
    rejection : str or None
        The candidate's reason.
    failure : str or None
        What it did instead of answering, in words.
    kind : str
        ``"answer"``, ``"rejection"``, or of the failure: ``"crash"``, ``"hang"``, ``"garbage"``, ``"shape"``,
        ``"not finite"``, ``"error"``, ``"missing"``.
    seconds : float
    stderr : str
        The end of what an executable wrote to its error output so far.
    returned : dict or None
        What came back where it was an answer, a rejection or not finite: what known faults are compared with.
    """

    answer: dict[str, Any] | None = None
    rejection: str | None = None
    failure: str | None = None
    kind: str = "answer"
    seconds: float = 0.0
    stderr: str = ""
    returned: dict[str, Any] | None = None


class Candidate(Protocol):
    """Whatever answers cases."""

    name: str

    def ask(self, case: dict[str, Any]) -> Reply: ...

    def close(self) -> None: ...


def make_reply(case: Mapping[str, Any], answer: Any, seconds: float = 0.0, stderr: str = "") -> Reply:
    """The reply that an answer, as it came, amounts to."""
    if isinstance(answer, Mapping) and answer.get("error") is not None:
        kind = "garbage" if answer.get("kind") == "garbage" else "error"  # a Python callable returned no numbers
        return Reply(failure=said(str(answer["error"])), kind=kind, seconds=seconds, stderr=stderr)
    try:
        read = read_answer(case, answer)
    except BadAnswer as error:
        returned = dict(answer) if error.kind == "not finite" else None
        return Reply(failure=said(str(error)), kind=error.kind, seconds=seconds, stderr=stderr, returned=returned)
    if "reject" in read:
        return Reply(rejection=read["reject"], kind="rejection", seconds=seconds, stderr=stderr, returned=read)
    return Reply(answer=read, seconds=seconds, stderr=stderr, returned=read)


class CallableCandidate:
    """A Python callable, called in this process: no time limit, and what ends the process ends the check.

    Parameters
    ----------
    function : callable
        With the signature of the level that it is asked at.
    name : str, optional

    Examples
    --------
    >>> import numpy as np
    >>> candidate = CallableCandidate(lambda A, b, v0: np.linalg.solve(A, b))
    >>> case = dict(id="mine", level="solve", A=np.diag([1.0, 2.0]), b=np.ones(2), v0=np.zeros(2))
    >>> candidate.ask(case).answer
    {'v': array([1. , 0.5])}
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        self.function, self.name = function, name or getattr(function, "__qualname__", repr(function))

    def ask(self, case: dict[str, Any]) -> Reply:
        """Ask one case."""
        start = time.perf_counter()
        try:
            with np.errstate(all="ignore"):
                answer = call(self.function, case["level"], case)
        except BadAnswer as error:
            answer = dict(error=str(error), kind=error.kind)
        except (Exception, SystemExit) as error:
            answer = dict(error=f"raised {type(error).__name__}: {error}")
        return make_reply(case, answer, time.perf_counter() - start)

    def close(self) -> None:
        """Nothing to do."""


class CommandCandidate:
    """An executable that reads a case a line and writes an answer a line (docs/oracle.md, "Protocol").

    Parameters
    ----------
    command : sequence of str
    timeout : float
        Seconds a case; for the first case after a start, the start included where it is not announced.
    start : float, optional
        Seconds until the announcement, where one is waited for; `timeout` by default.
    name : str, optional
    argument : str
        The option that a command which cannot be started is blamed on.

    Notes
    -----
    After a crash, a hang or garbage the next case gets a new process. A process may also exit after each answer.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        timeout: float = TIMEOUT,
        start: float | None = None,
        name: str | None = None,
        argument: str = "--command",
    ) -> None:
        self.command, self.timeout, self.argument = list(command), timeout, argument
        self._start = timeout if start is None else start
        self.name = name or " ".join(command)
        self._announces = self._introduced = self._asked = False
        self._process: LineProcess | None = LineProcess(self.command, argument)

    def announced(self) -> dict[str, Any]:
        """The line with which the executable introduces itself; waits for it, before any case is asked.

        Raises
        ------
        LineFailure
            There is none within the time limit, or it is something else.
        """
        self._announces = True
        return self._listen(self._started())

    def ask(self, case: dict[str, Any]) -> Reply:
        """Ask one case; a failure ends the process."""
        if self._process is not None and self._asked and self._process.unasked():
            self.close()  # it exited, or wrote what would be taken for the next answer
        start = time.perf_counter()
        try:
            process = self._started()
            if self._announces and not self._introduced:
                self._listen(process)
                start = time.perf_counter()
            answer = self._exchange(process, case)
        except LineFailure as error:
            if error.exited and self._asked:  # after its last answer, though it was still there when it was asked
                self.close()
                return self.ask(case)
            failed, self._process = self._process, None
            assert failed is not None
            failed.close()
            seconds = time.perf_counter() - start
            return Reply(failure=str(error), kind=error.kind, seconds=seconds, stderr=failed.error_tail)
        return make_reply(case, answer, time.perf_counter() - start, process.error_tail)

    def _started(self) -> LineProcess:
        if self._process is None:
            self._process, self._introduced, self._asked = LineProcess(self.command, self.argument), False, False
        return self._process

    def _listen(self, process: LineProcess) -> dict[str, Any]:
        """The announcement; a process that is known to announce itself has a time limit for its start alone."""
        line = _parse(process.listen(self._start))
        if not _is_handshake(line):
            raise LineFailure("garbage", "its first line does not announce the protocol")
        _check_handshake(line)
        self._introduced = True
        return line

    def _exchange(self, process: LineProcess, case: dict[str, Any]) -> Any:
        """The answer to `case`, parsed; an announcement that was not waited for is read over."""
        deadline = time.monotonic() + self.timeout
        line = process.ask(to_json(case), self.timeout)
        if self._asked and _is_no_answer(line, case):  # it may be left over from the case before
            with suppress(LineFailure):
                line = process.listen(max(min(LATE, deadline - time.monotonic()), 0.0))
        answer = _parse(line)
        if _is_handshake(answer) and not (self._introduced or self._asked):
            _check_handshake(answer)
            self._introduced = True
            try:
                answer = _parse(process.listen(max(deadline - time.monotonic(), 0.0)))
            except LineFailure as error:
                if error.kind == "hang":
                    raise LineFailure("hang", f"no answer within {self.timeout:g} s, only its announcement") from None
                raise
        self._asked = True
        if isinstance(answer, dict) and answer.get("id", case["id"]) != case["id"]:
            raise LineFailure("garbage", f"answered {answer['id']!r:.80} when asked {case['id']!r}")
        if process.has_more:
            raise LineFailure("garbage", "more than one line for one case")
        return answer

    @property
    def last_words(self) -> str:
        """The last line of its error output, while it is there."""
        return "" if self._process is None else "".join(self._process.error_tail.splitlines()[-1:])

    def close(self) -> None:
        """Close its input, and end it and all that it started."""
        if self._process is not None:
            self._process.close(grace=1.0)
            self._process = None


class PythonCandidate(CommandCandidate):
    """``package.module:function`` in a process of its own, with a time limit a case.

    Parameters
    ----------
    name : str
        That, or with `exercise` the path of a file.
    timeout : float
        Seconds a case.
    exercise : str, optional
        Name of one of :data:`lancbio_ref.oracle.exercises.EXERCISES`, which the file has the function of.

    Raises
    ------
    ArgumentError
        It cannot be imported.
    """

    def __init__(self, name: str, *, timeout: float = TIMEOUT, exercise: str | None = None) -> None:
        served, argument = ([name], "--candidate") if exercise is None else ([exercise, name], "--exercise")
        command = [sys.executable, "-m", "lancbio_ref.oracle.serve", *served]
        super().__init__(command, timeout=timeout, start=START, name=":".join(served), argument=argument)
        try:
            self.announced()
        except LineFailure as error:
            reason = self.last_words or str(error)
            self.close()
            expected = "a callable package.module:function" if exercise is None else "a file with the function"
            raise ArgumentError(argument, f"{name} ({reason})", expected) from None


class ResultsCandidate:
    """A file of answers made elsewhere: JSON or npz (docs/oracle.md, "A file of results").

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    levels : tuple of str
        Those that the file has answers at.

    Raises
    ------
    ArgumentError
        The file cannot be read, or is not such a file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)
        try:
            self._answers = _read_npz(path) if path.suffix == ".npz" else _read_results(path)
        except ArgumentError as error:  # of a reader: it says where in the file, and the remedy
            raise ArgumentError("--results", f"{error.argument}: {error.found}", error.expected) from None
        except (ValueError, RecursionError) as error:
            raise ArgumentError("--results", f"{path} ({error})", "results as docs/oracle.md has them") from None
        self.levels = tuple(level for level in LEVELS if any(key[1] == level for key in self._answers))

    def ask(self, case: dict[str, Any]) -> Reply:
        """The answer in the file."""
        answer = self._answers.get((case["id"], case["level"]))
        if answer is None:
            return Reply(failure=f"no answer in {self.path.name}", kind="missing")
        return make_reply(case, answer)

    def close(self) -> None:
        """Nothing to do."""


def _read_results(path: Path) -> dict[tuple[str, str], Any]:
    """{(id, level): answer} of a JSON file."""
    with unpacked(path, LIMIT, "a file of results") as stream:
        text = stream.read()
    try:
        document = json.loads(text.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error}") from None
    if not isinstance(document, dict) or document.get("format") != "lancbio-results":
        raise ValueError('no object with "format": "lancbio-results"')
    if str(document.get("version")) != VERSION:
        raise ValueError(f'version is {document.get("version")!r:.40}, expected "{VERSION}"')
    results = document.get("results")
    if not isinstance(results, list):
        raise ValueError('"results" is no list')
    answers: dict[tuple[str, str], Any] = {}
    for index, entry in enumerate(results):
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or entry.get("level") not in LEVELS:
            raise ValueError(f'results[{index}] is no object with an "id" and a "level" of {", ".join(LEVELS)}')
        if (entry["id"], entry["level"]) in answers:
            raise ValueError(f"results[{index}] answers {entry['id']} at level {entry['level']} a second time")
        answers[entry["id"], entry["level"]] = entry
    return answers


def _read_npz(path: Path) -> dict[tuple[str, str], Any]:
    """The same of arrays named ID/LEVEL/QUANTITY, and ID/trace/rows/K/QUANTITY for row K of a trace."""
    answers: dict[tuple[str, str], Any] = {}
    for name, value in load_arrays(path, others=True).items():
        parts = name.split("/")
        if len(parts) not in (3, 5) or parts[1] not in LEVELS or (len(parts) == 5) != (parts[1:3] == ["trace", "rows"]):
            raise ValueError(f"array {name!r} is not named ID/LEVEL/QUANTITY or ID/trace/rows/K/QUANTITY")
        answer = answers.setdefault((parts[0], parts[1]), {})
        if len(parts) == 5:
            rows = answer.setdefault("rows", {})
            if not isinstance(rows, dict):
                raise ValueError(f"array {name!r} beside an array {'/'.join(parts[:3])!r}")
            rows.setdefault(_row_number(name, parts[3]), {})[parts[4]] = value
        else:
            if parts[2] in answer:
                raise ValueError(f"array {name!r} beside arrays of rows")
            answer[parts[2]] = value.item() if value.dtype.kind in "US" and value.ndim == 0 else value
    for answer in answers.values():
        if isinstance(answer.get("rows"), dict):
            answer["rows"] = [answer["rows"].get(k, {}) for k in range(1, max(answer["rows"]) + 1)]
    return answers


def _row_number(name: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10**6:
        raise ValueError(f"array {name!r}: {text!r} is no row number")
    return int(text)


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        shown = line[:60].decode("utf-8", "replace")
        raise LineFailure("garbage", f"no JSON: {shown!r}{'…' if len(line) > 60 else ''}") from None


def _is_no_answer(line: bytes, case: Mapping[str, Any]) -> bool:
    """Whether a line answers nothing, as a line of a log does."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return True
    return not isinstance(answer, dict) or answer.keys().isdisjoint(("reject", "error", *ANSWERS[case["level"]]))


def _is_handshake(line: Any) -> bool:
    return isinstance(line, dict) and "protocol" in line


def _check_handshake(line: Mapping[str, Any]) -> None:
    if line["protocol"] != PROTOCOL or str(line.get("version")) != VERSION:
        spoken = f"{line['protocol']!r:.60} version {line.get('version')!r:.20}"
        raise LineFailure("garbage", f"it speaks {spoken}, expected {PROTOCOL!r} version {VERSION!r}")
