"""At which tolerance did a candidate's conjugate gradients stop? Read off its answers.

An iterate is returned at every tolerance from its own residual up to that of the iterate before. The tolerance that
the most answers have in common is tried beside the constants that a fault of the catalogue has. Where none is common,
since the test is another one, the answers may be iterates all the same (`iterates`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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


def tuned(fault: Fault, level: str, vectors: Sequence[Any], pictures: Mapping[str, Picture]) -> Fault:
    """`fault` with the tolerances that fit a candidate's answers among its variants; as it is where it has none.

    Parameters
    ----------
    fault : Fault
    level : {"solve", "hypergradient"}
    vectors : sequence of Vector
        Those that the candidate fails.
    pictures : mapping
        Id → picture of the candidate's answer.
    """
    if fault.id not in _RULES:
        return fault
    unit, starts = _RULES[fault.id]
    others = list(fault.others)
    for zero in starts:
        found = [
            _interval(unit, _process(vector, level, zero), pictures[vector.id]) for vector in filter(_fits, vectors)
        ]
        if tolerance := common([interval for interval in found if interval is not None]):
            others.append(fault.with_constant(repr(tolerance)) + (SETTINGS["from zero"] if zero else ()))
    return replace(fault, others=tuple(others), _runs={})


def iterates(level: str, vectors: Sequence[Any], pictures: Mapping[str, Picture]) -> tuple[set[str], set[str]]:
    """Ids of the answers that are iterates of conjugate gradients, from zero or from v_0, and of the others."""
    found = []
    for zero in (True, False):
        step = {v.id: _step(_process(v, level, zero), pictures[v.id]) for v in vectors if _fits(v)}
        found.append(({id for id, i in step.items() if i}, {id for id, i in step.items() if not i}))  # 0 is the start
    return max(found, key=lambda pair: len(pair[0]))


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
    if (i := _step(process, seen)) is None:
        return None
    low, high = process.residuals[i], process.residuals[i - 1] if i else math.inf
    size = unit(process)
    return (low / size, high / size) if 0 < low < high and 0 < size < math.inf else None


def _step(process: _Process, seen: Picture) -> int | None:
    """The first iterate that is the candidate's answer."""
    if seen.word:
        return None
    [(key, candidate)] = seen.parts.items()
    truth = seen.truth[key]
    if candidate.shape != truth.shape:
        return None
    with np.errstate(all="ignore"):  # a candidate may have grown to anything
        near = np.linalg.norm(process.answers - candidate, axis=1) <= NEAR * np.linalg.norm(candidate - truth)
    return int(np.argmax(near)) if near.any() else None


_memory: dict[tuple[int, str, bool], _Process] = {}


def _process(vector: Any, level: str, zero: bool) -> _Process:
    key = id(vector), level, zero  # the entry holds the vector, so that its id stays its own
    if key not in _memory:
        if len(_memory) >= REMEMBERED:
            _memory.clear()
        with np.errstate(all="ignore"):
            _memory[key] = _run(vector, level, zero)
    return _memory[key]


def _run(vector: Any, level: str, zero: bool) -> _Process:
    A, J, b, c = (dense(vector.inputs[name]) for name in "AJbc")
    A, scaled_b, v, unit = near_one(A, b, 0 * b if zero else vector.inputs["v0"])
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
    answers = np.ldexp(np.array(vs), unit)
    if level == "hypergradient":
        answers = c - answers @ J.T
    expected = vector.expected["v" if level == "solve" else "h"].float64
    scale = exponent(b)
    return _Process(vector, np.ldexp(answers, -exponent(expected)), np.ldexp(residuals, scale).tolist(), float(norm(b)))
