"""What a candidate is asked and what it may answer, the same over every transport (docs/oracle.md, "Levels").

solve          A, b, v0                         → v
hypergradient  A, J, b, c, v0, problem          → h
lanczos        A, q1, k                         → alpha, beta, Q
trace          method, options, x0, y0, v0, iterations, problem or sequence → rows
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..terminal import printable

PROTOCOL, VERSION = "lancbio-oracle", "1"
CASES: dict[str, tuple[str, ...]] = {
    "solve": ("A", "b", "v0"),
    "hypergradient": ("A", "J", "b", "c", "v0"),
    "lanczos": ("A", "q1", "k"),
    "trace": ("method", "options", "x0", "y0", "v0", "iterations", "sequence", "draws"),
}
ANSWERS: dict[str, tuple[str, ...]] = {
    "solve": ("v",),
    "hypergradient": ("h",),
    "lanczos": ("alpha", "beta", "Q"),
    "trace": ("rows",),
}
LEVELS = tuple(CASES)
CLAIMS = ("none", "local", "selective", "partial", "full")  # how a `lanczos` candidate may say it reorthogonalizes


class BadAnswer(Exception):
    """An answer that is none, in words; `kind` is ``"garbage"``, ``"shape"`` or ``"not finite"``."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


# -- the case --------------------------------------------------------------------------


def make_case(vector: Any, level: str) -> dict[str, Any]:
    """The case that a vector poses at a level: numbers, strings and fresh dense arrays.

    Parameters
    ----------
    vector : Vector
    level : str
        One of ``vector.levels``.
    """
    case: dict[str, Any] = dict(id=vector.id, level=level)
    case |= {name: dense(vector.inputs[name]) for name in CASES[level] if name in vector.inputs}
    if level in ("hypergradient", "trace"):
        case["problem"] = dense(vector.inputs.get("problem") or vector.problem)
    return case


def dense(value: Any) -> Any:
    """`value` with sparse matrices made dense and every array copied, at any depth of dicts and lists."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Mapping):
        return {key: dense(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [dense(entry) for entry in value]
    return value.toarray() if hasattr(value, "toarray") else value


def to_json(case: Mapping[str, Any]) -> bytes:
    """One line of JSON; floats as the shortest decimal that reads back as the same float64."""
    return json.dumps(case, allow_nan=False, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} in a case")


def from_json(case: Any) -> Any:
    """The inverse of `to_json` once parsed: lists of numbers become arrays."""
    if isinstance(case, dict):
        return {key: from_json(entry) for key, entry in case.items()}
    if isinstance(case, list):
        if case and _numeric(case):
            return np.array(case, dtype=np.int64 if _integral(case) else np.float64)
        return [from_json(entry) for entry in case]
    return case


def _numeric(value: Any) -> bool:
    """Whether nested lists are a rectangular array of numbers."""
    if not isinstance(value, list):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if not value or not all(_numeric(entry) for entry in value):
        return False
    lengths = {len(entry) if isinstance(entry, list) else -1 for entry in value}
    return len(lengths) == 1


def _integral(value: Any) -> bool:
    return all(map(_integral, value)) if isinstance(value, list) else isinstance(value, int)


# -- a Python callable --------------------------------------------------------------------


def call(function: Callable[..., Any], level: str, case: dict[str, Any]) -> dict[str, Any]:
    """The answer of a Python callable with the signature of its level.

    Whatever it raises passes through, except that ValueError, ArithmeticError and the LinAlgError of any library
    (torch's is a RuntimeError) are a rejection.
    """
    try:
        if level == "solve":
            returned = function(case["A"], case["b"], case["v0"])
        elif level == "lanczos":
            returned = function(case["A"], case["q1"], case["k"])
        else:
            returned = function(case)
    except Exception as error:
        if isinstance(error, (ValueError, ArithmeticError)) or any(
            "LinAlgError" in k.__name__ for k in type(error).__mro__
        ):
            return dict(reject=f"{type(error).__name__}: {error}")
        raise
    if isinstance(returned, Mapping):
        return dict(returned)
    if level != "lanczos":
        return {ANSWERS[level][0]: returned}
    if not isinstance(returned, (tuple, list)) or len(returned) not in (3, 4):
        raise BadAnswer("garbage", f"returned {type(returned).__name__}, expected (alpha, beta, Q)")
    return dict(zip(("alpha", "beta", "Q", "reorthogonalization"), returned, strict=False))


# -- the answer -----------------------------------------------------------------------------


def said(text: str) -> str:
    """What a candidate said, as it may go to a terminal or a file: at most 500 characters, all printable."""
    return printable(text[:500])


def read_answer(case: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    """The answer with every quantity a finite float64 array of the right shape.

    Parameters
    ----------
    case : mapping
    answer : object
        What came back; ``{"reject": reason}`` is returned as it is.

    Raises
    ------
    BadAnswer
        It cannot be used; the message says why.
    """
    if not isinstance(answer, Mapping):
        raise BadAnswer("garbage", f"{type(answer).__name__}, expected an object with {_names(case['level'])}")
    if isinstance(answer.get("reject"), str):
        return dict(reject=said(answer["reject"]))
    missing = [name for name in ANSWERS[case["level"]] if name not in answer]
    if missing:
        raise BadAnswer("garbage", f"no {missing[0]!r} in the answer, expected {_names(case['level'])}")
    return _READERS[case["level"]](case, answer)


def _read_solve(case: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    return dict(v=numbers("v", answer["v"], case["b"].shape))


def _read_hypergradient(case: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    return dict(h=numbers("h", answer["h"], case["c"].shape))


def _read_lanczos(case: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """α_1 … α_k', β_2 … β_{k'+1} and the n × k' basis."""
    alpha = numbers("alpha", answer["alpha"])
    if alpha.ndim != 1 or not 1 <= alpha.size <= case["k"]:
        raise BadAnswer("shape", f"alpha has shape {alpha.shape}, expected (k',) with 1 <= k' <= k = {case['k']}")
    beta = numbers("beta", answer["beta"], alpha.shape)
    basis = numbers("Q", answer["Q"], (case["q1"].size, alpha.size))
    claim = answer.get("reorthogonalization")
    if claim is not None and claim not in CLAIMS:
        raise BadAnswer("garbage", f"reorthogonalization is {claim!r:.80}, expected one of {', '.join(CLAIMS)}")
    read = dict(alpha=alpha, beta=beta, Q=basis)
    return read if claim is None else read | dict(reorthogonalization=claim)


def _read_trace(case: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping an iteration; which quantities it must have, and their shapes, is the judge's to say."""
    rows = answer["rows"]
    if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Sequence):
        raise BadAnswer("garbage", f"rows is {type(rows).__name__}, expected a list of {case['iterations']} objects")
    if len(rows) != case["iterations"]:
        raise BadAnswer("shape", f"{len(rows)} rows, expected {case['iterations']}")
    read = []
    for index, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise BadAnswer("garbage", f"row {index} is {type(row).__name__}, expected an object")
        read.append({"k": index} | {str(name): entry for name, entry in row.items() if entry is not None})
    return dict(rows=read)


_READERS = dict(solve=_read_solve, hypergradient=_read_hypergradient, lanczos=_read_lanczos, trace=_read_trace)


def numbers(name: str, value: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """`value` as a finite float64 array of this shape, or `BadAnswer`."""
    try:
        array = np.asarray(value)
        kind = array.dtype.kind
    except Exception as error:  # a foreign array may raise anything
        raise BadAnswer("garbage", f"{name} is no array of numbers ({_brief(error)})") from None
    if kind not in "iuf":
        raise BadAnswer("garbage", f"{name} is {_describe(value, array)}, expected an array of real numbers")
    if shape is not None and array.shape != shape:
        raise BadAnswer("shape", f"{name} has shape {array.shape}, expected {shape}")
    with np.errstate(over="ignore"):  # of a longdouble: infinity is named below
        array = array.astype(np.float64)
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise BadAnswer("not finite", f"{name} has {array[index]} at index {index}")
    return array


def _describe(value: Any, array: np.ndarray) -> str:
    if not isinstance(value, (list, tuple, np.ndarray)):
        return f"{type(value).__name__} {value!r:.60}"
    return "a list with entries that are no numbers" if array.dtype == object else f"of type {array.dtype}"


def _brief(error: BaseException) -> str:
    return (f"{type(error).__name__}: {error}".splitlines() or [""])[0][:300]


def _names(level: str) -> str:
    return ", ".join(repr(name) for name in ANSWERS[level])
