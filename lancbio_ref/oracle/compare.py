"""Two answers to one case, side by side with the truth: are they the same wrong answer?

An answer is drawn as a *picture*: one array of numbers in natural units, the same array for the truth, and a few sizes
of errors. A refusal and an answer that is no array have a word instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .correct import correct
from .levels import dense, make_case

NEAR = 0.02  # of the candidate's own error: nearer is the same wrong answer
SPOILT = 1e-3  # relative to the truth: farther apart than that, one of two answers is plainly wrong
SAME_SIZE = 30.0  # ratio of two errors that are both rounding
NOISE = 1e-13
WRONG = 1e-7  # of a quantity in a row: more than rounding
ROWS_AFTER = 2  # rows of a trace after the first wrong one that are compared as well


@dataclass(frozen=True)
class Picture:
    """An answer as numbers, a part a quantity.

    Attributes
    ----------
    word : str
        ``""`` for an answer; ``"reject"``, ``"not finite"`` or ``"none"``.
    parts, truth : dict
        (row, name) → array, in units in which the truth is of size about 1; row is 0 but for traces. `truth` is empty
        where there is none.
    sizes : ndarray
        Errors of several kinds, by which faults that are rounding are compared.
    """

    word: str
    parts: dict[tuple[int, str], np.ndarray] = field(default_factory=dict)
    truth: dict[tuple[int, str], np.ndarray] = field(default_factory=dict)
    sizes: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @cached_property
    def last_row(self) -> int:
        """Of a trace, a few rows after the first wrong one; later, rounding may have grown to anything."""
        wrong = [key[0] for key, truth in self.truth.items() if _gap(self.parts[key], truth) > WRONG]
        return min(wrong, default=max(key[0] for key in self.parts)) + ROWS_AFTER


def compared(candidate: Picture, fault: Picture, *, rounding: bool) -> str:
    """``"match"``, ``"apart"`` or ``"near"``, which is neither."""
    if candidate.word or fault.word:
        return "match" if candidate.word == fault.word else "apart"
    keys = [key for key in candidate.parts if key in fault.parts]
    if not keys or any(candidate.parts[key].shape != fault.parts[key].shape for key in keys):
        return "apart"
    if rounding:
        return _sizes(candidate.sizes, fault.sizes)
    keys = [key for key in keys if key[0] <= candidate.last_row]
    a, f = (np.concatenate([picture.parts[key].ravel() for key in keys]) for picture in (candidate, fault))
    gap = _norm(a - f)
    if not candidate.truth:
        return "match" if gap <= 1e-6 * _norm(a) else "apart"
    t = np.concatenate([candidate.truth[key].ravel() for key in keys])
    if gap <= NEAR * _norm(a - t) and _norm(a - t) > 0:
        return "match"
    return "apart" if gap > SPOILT * max(_norm(t), _norm(a - t)) else "near"


def _sizes(a: np.ndarray, f: np.ndarray) -> str:
    """Errors that are rounding: of the same size, each of them."""
    a, f = np.maximum(a, NOISE), np.maximum(f, NOISE)
    ratio = np.max(np.maximum(a / f, f / a), initial=1.0)
    if ratio <= SAME_SIZE:
        return "match" if np.max(a, initial=0.0) > NOISE else "near"
    return "apart" if ratio > SAME_SIZE**2 else "near"


def _gap(a: np.ndarray, truth: np.ndarray) -> float:
    return _norm(a - truth) if a.shape == truth.shape else math.inf


def _norm(a: np.ndarray) -> float:
    size = math.sqrt(float(np.vdot(a, a)))
    if 1e-140 < size < 1e140:
        return size
    with np.errstate(over="ignore"):  # squares have left the range
        size = float(np.max(np.abs(a), initial=0.0))
        return size * float(np.linalg.norm(a / size)) if 0 < size < np.inf else size


# -- pictures -------------------------------------------------------------------------------


def picture_of(vector: Any, level: str, answer: Any) -> Picture:
    """The picture of an answer to the case of `vector` at `level`, as it came from a candidate or a fault."""
    if not isinstance(answer, Mapping) or "error" in answer:
        return Picture("none")
    if answer.get("reject") is not None:
        return Picture("reject")
    try:
        with np.errstate(all="ignore"):  # a fault may grow to anything
            drawn = _PICTURES[level](vector, answer)
    except (KeyError, TypeError, ValueError, IndexError):
        return Picture("none")
    finite = all(np.isfinite(part).all() for part in drawn.parts.values())
    return drawn if finite else Picture("not finite")


def _vector(name: str) -> Any:
    def draw(vector: Any, answer: Mapping[str, Any]) -> Picture:
        numbers, key = np.asarray(answer[name], dtype=float), (0, name)
        expected = vector.expected[name]
        truth = np.zeros_like(numbers) if expected is None else expected.float64
        unit = np.max(np.abs(truth), initial=0.0) or np.max(np.abs(numbers), initial=0.0)
        numbers, truth = _scaled(numbers, unit), _scaled(truth, unit)
        if expected is None:
            return Picture("", {key: numbers})
        size = _norm(numbers - truth) / (_norm(truth) or 1.0)
        return Picture("", {key: numbers}, {key: truth}, np.array([size]))

    return draw


def _scaled(a: np.ndarray, unit: float) -> np.ndarray:
    """a over the power of two next to `unit`."""
    with np.errstate(over="ignore"):
        return np.ldexp(a, -int(np.frexp(unit)[1])) if np.isfinite(unit) else a


def _lanczos(vector: Any, answer: Mapping[str, Any]) -> Picture:
    """α and β in units of L and the columns of Q, as far as they are decided; orthogonality and identity as sizes."""
    A, L = dense(vector.inputs["A"]), vector.L
    alpha, beta, Q = (np.asarray(answer[name], dtype=float) for name in ("alpha", "beta", "Q"))
    if Q.shape != (A.shape[0], alpha.size):
        return Picture("none")
    if not all(np.isfinite(part).all() for part in (alpha, beta, Q)):
        return Picture("not finite")
    limits = vector.admissible["lanczos"]
    decided = next((j for j, limit in enumerate(limits) if limit is None), None)
    steps = max(alpha.size, len(limits)) if decided is None else decided
    right = right_basis(vector.id, lambda: correct("lanczos")["full"](make_case(vector, "lanczos"))["Q"])
    numbers = _columns([alpha / L, beta / L, Q], steps)
    truth = _columns([vector.expected["alpha"].float64 / L, vector.expected["beta"].float64 / L, right], steps)
    T = np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1)
    errors = [
        float(np.linalg.norm(Q.T @ Q - np.eye(alpha.size))),
        float(np.linalg.norm((A @ Q - Q @ T)[:, :-1] / L)),
        _norm(numbers - truth),
    ]
    parts = {(0, "columns"): numbers, (0, "steps"): np.zeros(alpha.size)}
    return Picture("", parts, {(0, "columns"): truth, (0, "steps"): np.zeros(alpha.size)}, np.array(errors))


_bases: dict[str, np.ndarray] = {}


def right_basis(id: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Q of the correct process, computed once a vector."""
    if id not in _bases:
        _bases[id] = make()
    return _bases[id]


def _columns(parts: list[np.ndarray], steps: int) -> np.ndarray:
    """The first `steps` of α, of β and of the columns of Q, below one another; zeros where there are fewer."""
    stacked = np.vstack([np.atleast_2d(part)[:, :steps] for part in parts])
    return np.pad(stacked, ((0, 0), (0, max(0, steps - stacked.shape[1]))))


def _trace(vector: Any, answer: Mapping[str, Any]) -> Picture:
    """Every quantity that a row and the truth both have, in units of its own size."""
    parts, truth = {}, {}
    for row, expected in zip(answer["rows"], vector.expected["rows"], strict=True):
        for name, value in expected.items():
            if hasattr(value, "float64") and row.get(name) is not None:
                unit = _norm(value.float64.ravel()) or 1.0
                parts[row["k"], name] = np.asarray(row[name], dtype=float) / unit
                truth[row["k"], name] = value.float64 / unit
    error = max((_gap(parts[key], truth[key]) for key in parts), default=0.0)
    return Picture("", parts, truth, np.array([error]))


_PICTURES = {"solve": _vector("v"), "hypergradient": _vector("h"), "lanczos": _lanczos, "trace": _trace}
