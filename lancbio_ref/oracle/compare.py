"""Two answers to one case, side by side with the truth: are they the same wrong answer?

An answer is drawn as a *picture*: one array of numbers in natural units, the same array for the truth, and a few sizes
of errors. A refusal and an answer that is no array have a word instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..textbook.numbers import norm
from .correct import correct
from .levels import dense, make_case

# In units of the candidate's own error, 3510 answers of 136 programs are so far from those of the fault that they have:
# 3267 less than 1e-2, 5 up to 2e-2, 4 up to 5e-2, 3 up to 1e-1, and the rest, iterates that no two programs share,
# farther. Of 21 742 distances to other faults 16 775 are above 1/2, and 3107 below 1e-3: there two faults are one.
NEAR = 0.02
SAME_SIZE = 30.0  # ratio of two errors that are both rounding: of 27 of the fault itself, 25 are below 20, 2 above 100
NOISE = 1e-13  # no error is taken for less: 1e-15 to 1e-12 name the same


@dataclass(frozen=True)
class Picture:
    """An answer as numbers, a part a quantity.

    Attributes
    ----------
    word : str
        ``""`` for an answer; ``"reject"``, ``"not finite"`` or ``"none"``.
    parts, truth : dict
        (row, name) → array, in units in which the truth is of size about 1, zeros where there is no answer; row is 0
        but for traces.
    sizes : ndarray
        Errors of several kinds, by which faults that are rounding are compared.
    """

    word: str
    parts: dict[tuple[int, str], np.ndarray] = field(default_factory=dict)
    truth: dict[tuple[int, str], np.ndarray] = field(default_factory=dict)
    sizes: np.ndarray = field(default_factory=lambda: np.zeros(0))


def same(candidate: Picture, fault: Picture, *, rounding: bool) -> bool:
    """Whether a fault's answer is the candidate's wrong one; by the sizes of errors where these are rounding."""
    if candidate.word or fault.word:
        return candidate.word == fault.word
    keys = [key for key in candidate.parts if key in fault.parts]
    if not keys or any(candidate.parts[key].shape != fault.parts[key].shape for key in keys):
        return False
    if rounding:
        a, f = np.maximum(candidate.sizes, NOISE), np.maximum(fault.sizes, NOISE)
        return bool(a.max(initial=0.0) > NOISE and np.maximum(a / f, f / a).max(initial=1.0) <= SAME_SIZE)
    a, f, t = (
        np.concatenate([parts[key].ravel() for key in keys])
        for parts in (candidate.parts, fault.parts, candidate.truth)
    )
    return _norm(a - f) <= NEAR * _norm(a - t)


def _error(a: np.ndarray, truth: np.ndarray) -> float:
    return _norm(a - truth) if a.shape == truth.shape else math.inf


def _norm(a: np.ndarray) -> float:
    size = math.sqrt(float(np.vdot(a, a)))
    if 1e-140 < size < 1e140:
        return size
    with np.errstate(over="ignore"):  # squares have left the range
        return float(norm(a.ravel()))


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


def _vector(name: str) -> Callable[[Any, Mapping[str, Any]], Picture]:
    def draw(vector: Any, answer: Mapping[str, Any]) -> Picture:
        numbers, expected = np.asarray(answer[name], dtype=float), vector.expected[name]
        truth = np.zeros_like(numbers) if expected is None else expected.float64
        unit = np.max(np.abs(truth), initial=0.0) or np.max(np.abs(numbers), initial=0.0)
        scale = -int(np.frexp(unit)[1]) if np.isfinite(unit) else 0
        numbers, truth = np.ldexp(numbers, scale), np.ldexp(truth, scale)
        error = _norm(numbers - truth) / (_norm(truth) or 1.0)
        return Picture("", {(0, name): numbers}, {(0, name): truth}, np.array([error]))

    return draw


_bases: dict[str, np.ndarray] = {}  # id of a vector → Q of the correct process


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
    if vector.id not in _bases:
        _bases[vector.id] = correct("lanczos")["full"](make_case(vector, "lanczos"))["Q"]
    numbers = _columns([alpha / L, beta / L, Q], steps)
    truth = _columns(
        [vector.expected["alpha"].float64 / L, vector.expected["beta"].float64 / L, _bases[vector.id]], steps
    )
    T = np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1)
    errors = [
        float(np.linalg.norm(Q.T @ Q - np.eye(alpha.size))),
        float(np.linalg.norm((A @ Q - Q @ T)[:, :-1] / L)),
        _norm(numbers - truth),
    ]
    parts = {(0, "columns"): numbers, (0, "steps"): np.zeros(alpha.size)}
    return Picture("", parts, {(0, "columns"): truth, (0, "steps"): np.zeros(alpha.size)}, np.array(errors))


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
    error = max((_error(parts[key], truth[key]) for key in parts), default=0.0)
    return Picture("", parts, truth, np.array([error]))


_PICTURES = {"solve": _vector("v"), "hypergradient": _vector("h"), "lanczos": _lanczos, "trace": _trace}
