"""A Python callable as an executable that speaks the protocol: ``python -m lancbio_ref.oracle.serve module:function``.

`lancbio-ref check --candidate` runs it in a process of its own, so that a callable that hangs, exits or takes the
interpreter down with it costs one case. What the callable prints goes to the error output. `serve EXERCISE FILE` does
the same for `lancbio-ref check --exercise`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from .levels import LEVELS, PROTOCOL, VERSION, BadAnswer, call, from_json, numbers

BAD_NAME = 64  # the exit status where module:function cannot be imported (EX_USAGE of sysexits.h)


def find(name: str) -> Callable[..., Any]:
    """The callable named ``package.module:function``; ValueError says what is wrong with the name."""
    module, colon, attribute = name.partition(":")
    if not (colon and module and attribute):
        raise ValueError("expected package.module:function")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # a module may raise anything while it is imported
        raise ValueError(f"{type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{getattr(found, '__name__', found)!r} has no {part!r}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"{attribute} is {type(found).__name__}, not callable")
    return found


def answer(function: Callable[..., Any], case: dict[str, Any]) -> str:
    """The line that goes back: the answer, a rejection, or ``{"error": ...}`` for any other exception."""
    try:
        return json.dumps(_plain(call(function, case["level"], case)))
    except BadAnswer as error:
        return json.dumps(dict(error=str(error), kind=error.kind))
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        return json.dumps(dict(error=f"raised {type(error).__name__}: {error}"))


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays of any library as lists; NaN and infinity pass, for the judge to name."""
    return {str(name): _list(str(name), entry) for name, entry in found.items()}


def _list(name: str, value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return _plain(value)
    if isinstance(value, (list, tuple)) and any(isinstance(entry, Mapping) for entry in value):
        return [_list(name, entry) for entry in value]
    try:
        array = np.asarray(value)
    except Exception:
        numbers(name, value)  # says what it is, as BadAnswer
        raise
    if array.dtype.kind not in "iufb":
        numbers(name, value)
    with np.errstate(over="ignore"):  # JSON has no longdouble
        return (array.astype(np.float64) if array.dtype.itemsize > 8 else array).tolist()


def main(*names: str) -> int:
    """Answer the lines of the standard input until it ends; `names` are module:function, or an exercise and a file."""
    cases, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the callable prints, in Python or below it, is no answer
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # and what it reads is no case
    sys.path.insert(0, os.getcwd())
    try:
        functions = _functions(*names)
    except ValueError as error:
        print(error, file=sys.stderr)
        return BAD_NAME
    _send(answers, json.dumps(dict(protocol=PROTOCOL, version=VERSION, name=":".join(names))))
    for line in cases:
        case = from_json(json.loads(line))
        _send(answers, answer(functions[case["level"]], case))
    return 0


def _functions(name: str, file: str | None = None) -> Mapping[str, Callable[..., Any]]:
    """Level → callable."""
    if file is None:
        return dict.fromkeys(LEVELS, find(name))
    from . import exercises  # with the textbook, which a callable does not need

    exercise = exercises.find(name)
    return exercise.candidates(exercises.load(exercise, Path(file)))


def _send(stream: IO[bytes], line: str) -> None:
    stream.write(line.encode() + b"\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
