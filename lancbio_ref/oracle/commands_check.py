"""``lancbio-ref check``: its manual page, its options, and what they ask for."""

from __future__ import annotations

import argparse
import fnmatch
import shlex
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..arguments import as_number
from ..errors import ArgumentError
from ..files import reason, write_all, write_json, write_text
from ..terminal import printable
from .candidates import TIMEOUT, Candidate, CommandCandidate, PythonCandidate, ResultsCandidate
from .check import check
from .exercises import EXERCISES, Exercise
from .exercises import find as find_exercise
from .judge import PRECISIONS, Verdict
from .levels import LEVELS
from .process import LineFailure
from .report import json_report, junit_report, text_report
from .vector import SEALS, load_folder, vectors

WIDTH = 120
DESCRIPTION = """\
Run a candidate (your code, in any language) over the oracle's vectors and say whether its numbers are right, to how
many digits, and if they are wrong, what is first wrong and which known fault gives just these numbers.

Candidates (one of the four)
  --candidate package.module:function
                 a Python callable, run in a process of its own; modules are looked for in the current folder too
  --command "PROGRAM ARGUMENT ..."
                 any executable: it reads one case a line from its standard input, as JSON, and writes one answer a line
                 to its standard output. docs/oracle.md has the protocol, with a complete example
  --results FILE answers computed elsewhere, .json or .npz (docs/oracle.md)
  --exercise NAME FILE
                 a function of the textbook's exercises in a file of yours, below

Levels, and what a Python callable of each looks like
  solve          (A, b, v0) -> v             A v = b with A symmetric positive definite, started at v0
  hypergradient  (case) -> h                 h = c - J A^-1 b; case has A, J, b, c, v0, and problem, to differentiate
  lanczos        (A, q1, k) -> (alpha, beta, Q)
                                             k steps of the Lanczos process; beta is beta_2 .. beta_{k+1}
  trace          (case) -> rows              iterations of a bilevel method, one dict of quantities each

To reject a case (A is not positive definite, say), raise ValueError, ArithmeticError or a library's LinAlgError, or
answer {"reject": "reason"}. Vectors say whether a case has an answer, must be rejected, or may be."""

EPILOG = """\
what is compared
  solve          ||v - A^-1 b||_A / ||A^-1 b||_A, with an admissible error c kappa u that the vector states
  hypergradient  ||h - h*|| / ||h*||, in the 2-norm
  lanczos        alpha and beta as far as the vector's own sensitivity to rounding lets them decide; Q by orthogonality
                 and A Q = Q T + beta q e^T. A process that keeps no orthogonality says so: a fourth returned value, or
                 the field "reorthogonalization", is "none", "local", "selective", "partial" or "full"
  trace          y, alpha, beta, v, h, x_next ... row by row, in the order in which they are computed; the first that
                 diverges is named
  The truth is an enclosure computed in exact or ball arithmetic. NaN, infinity, a wrong shape, a crash, silence and
  garbage fail the case, and the run goes on. "undecided" is a case that can say nothing about the candidate, because at
  its precision any error would be admissible. "digits" is -log10 of the relative error.

exit status
  0    every case that decides was passed, and there was one at every level
  1    at least one case failed
  2    an argument or a file cannot be used; one line on the error output says which. Where it is a file of the report
       that could not be written, the report says so and is printed
  130  stopped by Ctrl-C, or told to end (SIGTERM, SIGHUP); nothing was written

exercises: the file has this function; what surrounds it is done for you, and no case is asked that has no answer
{exercises}

examples
  lancbio-ref check --candidate docs.candidates.numpy_candidate:solve
  lancbio-ref check --candidate docs.candidates.numpy_candidate:hypergradient --family ridge,logistic
  lancbio-ref check --command "./candidate --fast" --level solve,lanczos --timeout 5 --junit check.xml
  lancbio-ref check --command "julia candidate.jl" --level solve --precision float32
  lancbio-ref check --results answers.npz --json report.json"""


def add_parser(commands: Any, formatter: type[argparse.HelpFormatter]) -> argparse.ArgumentParser:
    """Add the command to the subparsers of ``lancbio-ref``."""
    parser = commands.add_parser(
        "check",
        help="check a candidate's numbers against proven ones",
        description=DESCRIPTION,
        epilog=EPILOG.replace("{exercises}", _exercises()),
        formatter_class=partial(formatter, width=WIDTH),  # that of the text around the options
    )
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--candidate", metavar="M:F", help="a Python callable, package.module:function")
    who.add_argument("--command", dest="program", metavar="CMD", help="an executable and its arguments, one string")
    who.add_argument("--results", metavar="FILE", help="a file of answers")
    who.add_argument("--exercise", nargs=2, metavar=("NAME", "FILE"), help="a learner's function in a Python file")
    what = parser.add_argument_group("cases")
    what.add_argument(
        "--level",
        metavar="L,M",
        help=f"of {', '.join(LEVELS)} (default: the callable's name, what CMD or FILE says)",
    )
    what.add_argument(
        "--family", metavar="A,B", help="only these families, such as lancbio-* (lancbio-ref vectors list has them)"
    )
    what.add_argument("--id", metavar="A,B", help="only these vectors, such as strakos-*")
    what.add_argument(
        "--vectors", metavar="DIR", help="v1 (default) or v1.1 of the package, or a folder of vector files"
    )
    how = parser.add_argument_group("run")
    how.add_argument(
        "--precision",
        default="float64",
        choices=list(PRECISIONS),
        metavar="P",
        help="of the candidate's arithmetic: float64 (default) or float32",
    )
    how.add_argument(
        "--timeout", type=float, default=TIMEOUT, metavar="S", help=f"seconds a case may take (default: {TIMEOUT:g})"
    )
    files = parser.add_argument_group("files, each complete or not at all")
    files.add_argument("--json", metavar="FILE", help="every case, error and suspect")
    files.add_argument("--junit", metavar="FILE", help="JUnit XML, as CI systems read it")
    return parser


def run(given: dict[str, Any]) -> tuple[int, str]:
    """Exit status and report of ``lancbio-ref check``.

    Parameters
    ----------
    given : dict
        The parsed options.

    Raises
    ------
    ArgumentError
        An option, a file or the candidate itself cannot be used.
    """
    as_number("--timeout", given["timeout"], above=0.0)
    files = {name: _writable(name, given[name]) for name in ("json", "junit") if given[name] is not None}
    exercise = None if given["exercise"] is None else find_exercise(given["exercise"][0])
    chosen = _select(given["vectors"], given["family"], given["id"])
    if exercise is not None:
        chosen = exercise.select(chosen)
    candidate = _make_candidate(given)
    try:
        levels = _levels(candidate, given, exercise)
        shown = sys.stderr is not None and sys.stderr.isatty()
        source = given["vectors"] or "v1"
        result = check(
            candidate,
            levels,
            chosen,
            precision=given["precision"],
            source=source,
            progress=_show if shown else None,
            searching=_show_search if shown else None,
            among=(lambda fault: True) if exercise is None else exercise.could_have,
        )
    finally:
        candidate.close()
    written, all_written = write_all(
        *([lambda: write_json(files["json"], json_report(result))] if "json" in files else []),
        *([lambda: write_text(files["junit"], junit_report(result))] if "junit" in files else []),
    )
    *lines, summary = text_report(result).splitlines()
    code = 0 if result.passed else 1
    return (code if all_written else 2), "\n".join([*lines, *written, summary])


def _make_candidate(given: dict[str, Any]) -> Candidate:
    if given["candidate"] is not None:
        return PythonCandidate(given["candidate"], timeout=given["timeout"])
    if given["exercise"] is not None:
        name, file = given["exercise"]
        return PythonCandidate(file, timeout=given["timeout"], exercise=name)
    if given["results"] is not None:
        return ResultsCandidate(Path(given["results"]))
    try:
        command = shlex.split(given["program"])
    except ValueError as error:
        raise ArgumentError("--command", f"{given['program']} ({error})", "a command as a shell takes it") from None
    if not command:
        raise ArgumentError("--command", "nothing", "an executable and its arguments")
    return CommandCandidate(command, timeout=given["timeout"])


def _levels(candidate: Candidate, given: dict[str, Any], exercise: Exercise | None) -> tuple[str, ...]:
    """The levels claimed, in the order of the mathematics."""
    known = LEVELS if exercise is None else tuple(exercise.levels)
    if given["level"] is not None:
        names: Sequence[str] = _words(given["level"])
    elif exercise is not None:
        names = known
    elif isinstance(candidate, ResultsCandidate):
        names = candidate.levels
    elif isinstance(candidate, PythonCandidate):
        name = candidate.name.rpartition(":")[2].rpartition(".")[2]
        if name not in known:
            found = f"nothing, and {name}, the function's name, is no level"
            raise ArgumentError("--level", found, f"one or more of {', '.join(known)}")
        names = [name]
    else:
        assert isinstance(candidate, CommandCandidate)
        try:
            announced = candidate.announced().get("levels")
        except LineFailure as error:
            if error.kind == "crash":
                said = f"; its error output ends: {candidate.last_words}" if candidate.last_words else ""
                found = f"{given['program']} ({error}{said})"
                raise ArgumentError("--command", found, "an executable that waits for cases") from None
            raise ArgumentError("--level", f"nothing, nor announced ({error})", f"of {', '.join(LEVELS)}") from None
        names = announced if isinstance(announced, list) and announced else ["none announced"]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ArgumentError("--level", str(unknown[0]) if unknown else "none", f"of {', '.join(known)}")
    return tuple(level for level in LEVELS if level in names)


def _select(folder: str | None, families: str | None, ids: str | None) -> list[Any]:
    """The vectors of a folder, or of a version of the package's, that are of these families and have these ids."""
    chosen = vectors(folder or "v1") if folder is None or folder in SEALS else _folder(Path(folder))
    for option, words, field in (("--family", families, "family"), ("--id", ids, "id")):
        if words is None:
            continue
        known, names = sorted({getattr(vector, field) for vector in chosen}), set()
        for pattern in _words(words):
            matching = fnmatch.filter(known, pattern)
            if not matching:
                expected = ", ".join(known) if option == "--family" else "ids of lancbio-ref vectors list"
                raise ArgumentError(option, pattern, f"of {expected}")
            names.update(matching)
        chosen = [vector for vector in chosen if getattr(vector, field) in names]
    return chosen


def _folder(folder: Path) -> list[Any]:
    found = load_folder(folder)
    if not found:
        raise ArgumentError("--vectors", f"{folder} without .json files", "a folder of vector files")
    return found


def _exercises() -> str:
    lines = [(exercise.name, exercise.signature, exercise.task) for exercise in EXERCISES.values()]
    return "\n".join(f"  {name:14} {signature}\n                 {task}" for name, signature, task in lines)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _writable(option: str, name: str) -> Path:
    """The path of a file to write, asked for before the run and not after it."""
    path, expected = Path(name), "a file in a folder that exists and can be written to"
    try:
        usable = path.parent.is_dir() and not path.is_dir()  # a name that is too long raises here
        if usable:
            with tempfile.TemporaryFile(dir=path.parent):
                return path
    except (OSError, ValueError) as error:
        name = f"{name} ({reason(error)})"
    raise ArgumentError(f"--{option}", name, expected)


def _show(asked: int, of: int, verdict: Verdict) -> None:
    """The count on one line of a terminal, erased at the end."""
    _show_line("" if asked == of else f"{asked} of {of}: {verdict.id} {verdict.status}")


def _show_search(level: str, tried: int, of: int) -> None:
    """The same for the search that may follow: it runs the known faults on the failing cases."""
    _show_line("" if tried == of else f"level {level}: {tried} of {of} known faults compared with the wrong answers")


def _show_line(text: str) -> None:
    print(f"\r\033[K{printable(text)}", end="", file=sys.stderr, flush=True)
