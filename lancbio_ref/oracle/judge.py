"""Is an answer right? Every error beside the one that is admissible, in the order in which the mathematics forms it.

* ``solve``: ‖v − A⁻¹b‖_A/‖A⁻¹b‖_A (the 2-norm where A is not positive definite).
* ``hypergradient``: ‖h − h*‖₂/‖h*‖₂.
* ``lanczos``: q_1, then α_1, β_2, α_2, β_3, … relative to L as far as the vector's sensitivity lets them decide, then
  what holds in any arithmetic for the basis that was returned: QᵀQ = I and A Q = Q T + β q eᵀ, as precisely as the
  candidate's way of reorthogonalization keeps them.
* ``trace``: row by row; in a row, y before v before h before x_next.

An admissible error of 0.1 or more decides nothing, and a vector of rigour F never does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..rounding import norm2
from .candidates import Reply
from .levels import BadAnswer, dense, numbers
from .measure import difference, digits, energy_ratio, normalized, ratio

PRECISIONS = {"float64": 2.0**-53, "float32": 2.0**-24}
UNDECIDED = 0.1
NONLINEAR = 1e-3  # of α, β: from there on a sensitivity that was measured in float64 cannot be scaled to another u
ORDER = (  # in which one iteration forms its quantities
    *("s", "predicted"),
    *("m", "restarted", "y", "z", "A", "J", "b", "c", "p", "exact", "v_bar", "w", "r", "q", "columns", "alpha", "T"),
    *("projected", "coefficients", "indefinite", "singular", "dv", "S", "AS", "h_yy", "h_xy", "p_x", "v", "beta"),
    *("breakdown", "q_next", "h", "ratio", "radius", "x_next", "y_next", "v_next", "sigma_next"),
)
NEEDED = ("y", "z", "v", "h", "x_next", "y_next", "v_next")  # of a row, where the vector has them; the rest is optional


@dataclass(frozen=True)
class Measure:
    """One quantity of an answer: its error and the largest that is admissible.

    Attributes
    ----------
    quantity : str
        Such as ``"alpha_3"`` or ``"row 2: dv"``.
    error, admissible : float
        Relative; an infinite error is one that has no size (a sign, a missing row).
    note : str
        What is wrong where the error is infinite.
    """

    quantity: str
    error: float
    admissible: float
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "error", math.inf if math.isnan(self.error) else float(self.error))

    @property
    def passed(self) -> bool:
        return self.error <= self.admissible

    @property
    def excess(self) -> float:
        """error/admissible."""
        return self.error / self.admissible if self.admissible > 0 else (math.inf if self.error > 0 else 0.0)

    def __str__(self) -> str:
        if self.note:
            return f"{self.quantity} {self.note}"
        return f"{self.quantity} is wrong by {self.error:.1e}, admissible {self.admissible:.1e}"


@dataclass(frozen=True)
class Verdict:
    """The judgement of one case.

    Attributes
    ----------
    id, family, level : str
    status : {"passed", "failed", "undecided"}
        ``undecided``: the vector says nothing about this candidate, and why is in `reason`.
    kind : str
        Why it failed: ``"wrong"``, ``"accepted"`` (where it had to reject), ``"rejected"`` (where there is an answer),
        or a `Reply`'s kind of failure.
    reason : str
    measures : tuple of Measure
        All that were compared, in the order of the mathematics.
    seconds : float
    stderr : str
    """

    id: str
    family: str
    level: str
    status: str
    kind: str = ""
    reason: str = ""
    measures: tuple[Measure, ...] = field(default=(), repr=False)
    seconds: float = 0.0
    stderr: str = ""

    @property
    def first(self) -> Measure | None:
        """The first quantity that is off."""
        return next((measure for measure in self.measures if not measure.passed), None)

    @property
    def worst(self) -> Measure | None:
        """The quantity whose error is the largest multiple of what is admissible."""
        return max(self.measures, key=lambda measure: measure.excess, default=None)

    @property
    def digits(self) -> tuple[float, float] | None:
        """Digits achieved and digits asked for, of the worst quantity."""
        worst = self.worst
        return None if worst is None else (digits(worst.error), digits(worst.admissible))


def judge(vector: Any, level: str, reply: Reply, precision: str = "float64") -> Verdict:
    """The verdict on a candidate's reply.

    Parameters
    ----------
    vector : Vector
    level : str
    reply : Reply
    precision : {"float64", "float32"}
        Of the candidate: admissible errors grow with its unit roundoff.
    """

    def verdict(status: str, kind: str = "", reason: str = "", measures: tuple[Measure, ...] = ()) -> Verdict:
        about = vector.id, vector.family, level
        return Verdict(*about, status, kind, reason, measures, reply.seconds, reply.stderr)

    excuse = why_undecided(vector, level, precision)
    if excuse:
        return verdict("undecided", reason=excuse)
    if reply.failure is not None:
        return verdict("failed", reply.kind, reply.failure)
    if reply.rejection is not None:
        if vector.result == "valid":
            return verdict("failed", "rejected", f"rejected, though there is an answer: {reply.rejection}")
        return verdict("passed", reason=f"rejected: {reply.rejection}")
    if vector.result == "must_reject" or vector.expected[_TRUTH[level]] is None:
        return verdict("failed", "accepted", "answered where there is no answer")
    assert reply.answer is not None
    with np.errstate(all="ignore"):  # what overflows is wrong, and is measured as infinite
        measures = tuple(_MEASURES[level](vector, reply.answer, PRECISIONS[precision]))
    wrong = next((measure for measure in measures if not measure.passed), None)
    if wrong is not None:
        return verdict("failed", "wrong", str(wrong), measures)
    return verdict("passed", measures=measures)


def why_undecided(vector: Any, level: str, precision: str) -> str:
    """Why nothing that a candidate of this precision answers can be held against it; empty where it can."""
    if vector.rigour == "F":
        return "rigour F: floating point only"
    if vector.result != "must_reject" and level in ("solve", "hypergradient"):
        limit = _admissible(vector.admissible[level], PRECISIONS[precision])
        if limit >= UNDECIDED:
            return f"an error of {limit:.0e} is admissible: too ill-conditioned for {precision}"
    if precision == "float32":
        limits = np.finfo(np.float32)
        inputs = {**vector.inputs, **(vector.inputs.get("sequence") or {})}
        for name in ("A", "b", "c", "J", "v0", "y0", "x0"):
            entries = np.abs(dense(inputs[name])) if inputs.get(name) is not None else np.zeros(1)
            nonzero = entries[entries > 0]
            if nonzero.size and (nonzero.max() > limits.max / 2**20 or nonzero.min() < limits.tiny * 2**20):
                return f"{name} leaves the range of float32"
    return ""


def _admissible(limit: Any, u: float) -> float:
    """A vector's limit, which is for u = 2⁻⁵³, at this u; null is infinite."""
    return math.inf if limit is None else float(limit) * (u / 2.0**-53)


# -- one vector ---------------------------------------------------------------------------------


def _solve(vector: Any, answer: Mapping[str, Any], u: float) -> Iterator[Measure]:
    truth, limit = vector.expected["v"], _admissible(vector.admissible["solve"], u)
    error = difference(answer["v"], truth)
    if not truth.float64.any():  # no relative error: absolute, in units of the vector's scale
        found = ratio(error, _unit(vector.admissible.get("solve_scale")))
    else:
        size = normalized(truth.float64)
        found = energy_ratio(dense(vector.inputs["A"]), error, size)
        found = ratio(error, size) if math.isnan(found) else found
    yield Measure("v", found, limit)


def _hypergradient(vector: Any, answer: Mapping[str, Any], u: float) -> Iterator[Measure]:
    truth, limit = vector.expected["h"], _admissible(vector.admissible["hypergradient"], u)
    size = normalized(truth.float64) if truth.float64.any() else _unit(vector.admissible.get("hypergradient_scale"))
    yield Measure("h", ratio(difference(answer["h"], truth), size), limit)


def _unit(scale: Any) -> tuple[np.ndarray, int]:
    return normalized(np.array([float(scale or 1.0)]))


def _lanczos(vector: Any, answer: Mapping[str, Any], u: float) -> Iterator[Measure]:
    """α and β against the truth, as far as it decides; then the basis against itself."""
    alpha, beta, steps = answer["alpha"], answer["beta"], len(vector.expected["alpha"].mid)
    size = normalized(np.array([vector.L]))
    errors = {key: difference(_padded(answer[key], steps), vector.expected[key]) for key in ("alpha", "beta")}
    yield from _start(vector, answer["Q"], u)
    for j in range(min(alpha.size, steps, _decided(answer, u))):
        limit = _admissible(vector.admissible["lanczos"][j], u)
        if u > 2.0**-53 and limit >= NONLINEAR:
            break
        if limit < UNDECIDED:
            for name, index in (("alpha", j + 1), ("beta", j + 2)):
                gap, exponent = errors[name]
                yield Measure(f"{name}_{index}", ratio((gap[j : j + 1], exponent), size), limit)
    if (beta < 0).any():
        yield Measure(f"beta_{int(np.argmax(beta < 0)) + 2}", math.inf, 0.0, "is negative, and is a norm")
    if alpha.size < steps and not _may_end(vector, alpha.size, u):
        yield Measure("steps", math.inf, 0.0, f"end after {alpha.size}; the space is not invariant before {steps}")
    yield from _basis(vector, answer, u)


def _decided(answer: Mapping[str, Any], u: float) -> int:
    """How many α decide: where no orthogonality is claimed, those of the columns that are orthogonal to √u (Simon).

    As long as they are, T is what exact arithmetic gives, to rounding; then copies of Ritz values appear, and only the
    identity is left to hold. When that comes depends on u, and on how w was reorthogonalized.
    """
    Q = answer["Q"]
    if answer.get("reorthogonalization") not in ("none", "local"):
        return Q.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        loss = np.max(np.triu(np.abs(Q.T @ Q - np.eye(Q.shape[1]))), axis=0)
    return int(np.argmax(np.append(~(loss <= math.sqrt(u)), True)))


def _may_end(vector: Any, j: int, u: float) -> bool:
    """Whether rounding leaves it open that the space is invariant after j steps: β_{j+1} is tiny, or undecided."""
    beta = float(vector.expected["beta"].float64[j - 1])
    return beta <= 1e4 * u * vector.L or _admissible(vector.admissible["lanczos"][j - 1], u) >= UNDECIDED


def _padded(values: np.ndarray, size: int) -> np.ndarray:
    """The first `size` entries, zeros where there are fewer (which are reported as missing steps)."""
    return np.concatenate([values[:size], np.zeros(max(0, size - values.size))])


def _start(vector: Any, Q: np.ndarray, u: float) -> Iterator[Measure]:
    q1 = normalized(vector.inputs["q1"])[0]
    q1 = q1 / norm2(q1)
    yield Measure("q_1", norm2(Q[:, 0] - q1), 4 * (q1.size + 10) * u)


def _basis(vector: Any, answer: Mapping[str, Any], u: float) -> Iterator[Measure]:
    """‖QᵀQ − I‖₂, and the largest column of A Q − Q T − β q eᵀ relative to ‖A‖; the last q is not returned."""
    A, exponent = normalized(dense(vector.inputs["A"]))
    Q, claim = answer["Q"], answer.get("reorthogonalization")
    alpha, beta = np.ldexp(answer["alpha"], -exponent), np.ldexp(answer["beta"], -exponent)
    n, k = Q.shape
    norms = np.linalg.norm(Q, axis=0)
    yield Measure("lengths of Q", float(np.max(np.abs(norms - 1))), 4 * (n + 10) * u)
    if claim not in ("none", "local"):
        limit = 1e6 * u if claim == "full" else 10 * math.sqrt(u)
        gram = Q.T @ Q - np.eye(k)
        loss = float(np.linalg.norm(gram, 2)) if np.isfinite(gram).all() else math.inf
        yield Measure("orthogonality of Q", loss, limit)
    T = np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1)
    rest = A @ Q - Q @ T
    columns = np.linalg.norm(rest, axis=0)
    columns[-1] = abs(columns[-1] - beta[-1])  # what is left of the last one is β_{k+1} q_{k+1}
    size = float(np.linalg.norm(A))  # ‖A‖_F ≥ ‖|A|‖₂, in which the rounding of a product is measured
    limit = 10 * math.sqrt(u) if claim in (None, "selective", "partial") else 4 * (n + k + 10) * u
    yield Measure("identity A Q = Q T + beta q e^T", float(np.max(columns)) / size if size else 0.0, limit)


def _trace(vector: Any, answer: Mapping[str, Any], u: float) -> Iterator[Measure]:
    """Every quantity of every row that both have, and the needed ones."""
    for row, given, limit in zip(vector.expected["rows"], answer["rows"], vector.admissible["rows"], strict=True):
        limit = _admissible(limit, u)
        if limit >= UNDECIDED:
            return
        for name in sorted((name for name in row if name != "k" and row[name] is not None), key=_order):
            label = f"row {row['k']}: {name}"
            if name in given:
                yield _entry(label, name, row[name], given[name], limit, vector.L)
            elif name in NEEDED:
                yield Measure(label, math.inf, limit, "is missing")


def _order(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def _entry(label: str, name: str, truth: Any, given: Any, limit: float, L: float | None) -> Measure:
    """One quantity of a row; α and β in units of L, others of their own norm."""
    if not hasattr(truth, "mid"):
        found = given.item() if isinstance(given, np.generic) or getattr(given, "ndim", None) == 0 else given
        same = not isinstance(found, (list, dict, np.ndarray)) and found == truth
        return Measure(label, 0.0 if same else math.inf, limit, "" if same else f"is {found!r:.60}, expected {truth!r}")
    try:
        values = numbers(label, given, truth.float64.shape)
    except BadAnswer as error:
        return Measure(label, math.inf, limit, str(error).removeprefix(label).strip())
    size = normalized(truth.float64.ravel())
    if name in ("alpha", "beta") and L is not None:
        size = normalized(np.array([L]))
    elif norm2(truth.float64.ravel()) < 1e-300:
        size = _unit(1.0)
    return Measure(label, ratio(difference(values, truth), size), limit)


_TRUTH = dict(solve="v", hypergradient="h", lanczos="alpha", trace="rows")
_MEASURES = dict(solve=_solve, hypergradient=_hypergradient, lanczos=_lanczos, trace=_trace)
