"""At which tolerance did a candidate's conjugate gradients stop? Read off its answers.

An iterate is returned at every tolerance from its own residual up to that of the iterate before. The tolerance that
the most answers have in common is tried beside the constants that a fault of the catalogue has. Where none is common,
since the test is another one, the answers may be iterates all the same (`iterates`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..textbook.numbers import exponent, norm
from ..textbook.solve import near_one
from .compare import NEAR, Picture
from .faults import SETTINGS, Fault
from .levels import dense

STEPS = 500  # of conjugate gradients that are looked at
REMEMBERED = 1000  # processes
Interval = tuple[float, float]


@dataclass(frozen=True)
class _Process:
    """Conjugate gradients on a vector: the answers that its iterates give, scaled as in a picture, and ‖r_i‖, ‖b‖."""

    vector: Any
    answers: np.ndarray
    residuals: list[float]
    norm_b: float


# fault → what its tolerance is relative to, and whether it may start at zero
_RULES: dict[str, tuple[Callable[[_Process], float], tuple[bool, ...]]] = {
    "S09": (lambda process: 1.0, (False, True)),
    "S11": (lambda process: process.residuals[0], (False,)),
    "S12": (lambda process: process.norm_b, (False, True)),
}


def tuned(fault: Fault, level: str, vectors: Sequence[Any], picture: Callable[[Any], Picture]) -> Fault:
    """`fault` with the tolerances that fit a candidate's answers among its variants; as it is where it has none.

    Parameters
    ----------
    fault : Fault
    level : {"solve", "hypergradient"}
    vectors : sequence of Vector
        Those that the candidate fails.
    picture : callable
        The picture of the candidate's answer to a vector.
    """
    if fault.id not in _RULES:
        return fault
    unit, starts = _RULES[fault.id]
    extra = []
    for zero in starts:
        found = [_interval(unit, _process(vector, level, zero), picture(vector)) for vector in vectors if _fits(vector)]
        tolerance = common([interval for interval in found if interval is not None])
        if tolerance is not None:
            extra.append(fault.with_constant(repr(tolerance)) + (SETTINGS["from zero"] if zero else ()))
    return replace(fault, others=(*fault.others, *extra), _runs={})


def iterates(level: str, vectors: Sequence[Any], picture: Callable[[Any], Picture]) -> tuple[set[str], set[str]]:
    """Ids of the answers that are iterates of conjugate gradients, from zero or from v_0, and of those that are none.

    Neither has the answers that only an iterate is near to in size that another order of summation does not give.
    """
    found = []
    for zero in (True, False):
        some: set[str] = set()
        none: set[str] = set()
        for vector in filter(_fits, vectors):
            process = _process(vector, level, zero)
            pair = _pair(picture(vector))
            if pair is None:
                continue
            near, errors = _near(process, *pair)
            if near[1:].any():  # an answer that is the start was not iterated
                some.add(vector.id)
            elif _is_steady(process, _process(vector, level, zero, backwards=True), errors, *pair):
                none.add(vector.id)
        found.append((some, none))
    return max(found, key=lambda pair: len(pair[0]))


def _is_steady(
    process: _Process, again: _Process, errors: np.ndarray, candidate: np.ndarray, truth: np.ndarray
) -> bool:
    """Whether both orders of summation give the iterate whose error is the nearest in size to the candidate's."""
    with np.errstate(all="ignore"):
        distance = np.abs(np.log(errors) - np.log(np.linalg.norm(candidate - truth)))
        i = int(np.nanargmin(distance)) if np.isfinite(distance).any() else 0
        if i >= len(again.answers):
            return False
        return bool(np.linalg.norm(process.answers[i] - again.answers[i]) <= NEAR * errors[i])


def common(intervals: Sequence[Interval]) -> float | None:
    """A number in the most of [low, high), a power of ten if one is; None where no two intervals meet.

    >>> common([(2e-6, 3e-5), (9e-6, 1e-3), (0.3, 0.4)])
    1e-05
    """
    around = [[other for other in intervals if other[0] <= low < other[1]] for low, _ in intervals]
    best = max(around, key=len, default=[])
    if len(best) < 2:
        return None
    low, high = max(lows for lows, _ in best), min(highs for _, highs in best)
    decade = float(f"1e{math.ceil(math.log10(low))}")
    return decade if low < decade < high else math.sqrt(low * min(high, 10 * low))


def _fits(vector: Any) -> bool:
    return vector.kappa is not None and vector.result == "valid" and bool(vector.inputs["b"].any())


def _interval(unit: Callable[[_Process], float], process: _Process, seen: Picture) -> Interval | None:
    """The tolerances at which the answer is the iterate that is returned; None where it is no iterate."""
    pair = _pair(seen)
    if pair is None:
        return None
    near, _ = _near(process, *pair)
    i = int(np.argmax(near))
    low, high = process.residuals[i], process.residuals[i - 1] if i else math.inf
    size = unit(process)
    return (low / size, high / size) if near[i] and 0 < low < high and 0 < size < math.inf else None


def _pair(seen: Picture) -> tuple[np.ndarray, np.ndarray] | None:
    """(the candidate's answer, the truth), where there are both."""
    if seen.word or not seen.truth:
        return None
    [(candidate, truth)] = [(seen.parts[key], seen.truth[key]) for key in seen.parts]
    return None if candidate.shape != truth.shape else (candidate, truth)


def _near(process: _Process, candidate: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which iterates are the candidate's answer, and the error of each."""
    with np.errstate(all="ignore"):  # a candidate may have grown to anything
        near = np.linalg.norm(process.answers - candidate, axis=1) <= NEAR * np.linalg.norm(candidate - truth)
        return near, np.linalg.norm(process.answers - truth, axis=1)


_memory: dict[tuple[int, str, bool, bool], _Process] = {}


def _process(vector: Any, level: str, zero: bool, backwards: bool = False) -> _Process:
    key = id(vector), level, zero, backwards  # the entry holds the vector, so that its id stays its own
    if key not in _memory:
        if len(_memory) >= REMEMBERED:
            _memory.clear()
        with np.errstate(all="ignore"):
            _memory[key] = _run(vector, level, zero, backwards)
    return _memory[key]


def _run(vector: Any, level: str, zero: bool, backwards: bool) -> _Process:
    """`backwards` takes the unknowns in reverse order, by which only rounding changes."""
    A, J, b, c = (dense(vector.inputs[name]) for name in "AJbc")
    order = slice(None, None, -1 if backwards else 1)
    start = 0 * b if zero else vector.inputs["v0"]
    A, scaled_b, v, unit = near_one(A[order, order], b[order], start[order])
    r = scaled_b - A @ v
    p, vs, residuals = r, [v], [norm(r)]
    while len(vs) < min(STEPS, 10 * b.size) and residuals[-1] > 1e-16 * norm(scaled_b):
        Ap = A @ p
        gamma = (r @ r) / (p @ Ap)
        v, r_next = v + gamma * p, r - gamma * Ap
        p = r_next + (r_next @ r_next) / (r @ r) * p
        r = r_next
        vs.append(v)
        residuals.append(norm(r))
    answers = np.ldexp(np.array(vs)[:, order], unit)
    if level == "hypergradient":
        answers = c - answers @ J.T
    expected = vector.expected["v" if level == "solve" else "h"].float64
    scale = exponent(b)
    return _Process(vector, np.ldexp(answers, -exponent(expected)), np.ldexp(residuals, scale).tolist(), float(norm(b)))
