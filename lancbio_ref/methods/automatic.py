"""A method whose steps nobody chose: those of :mod:`lancbio_ref.methods.steps`, and what is done where they fail.

*Divergence*: an exception, a number that is not finite, or ‖h‖ above a hundred times that of the last window. The
iteration is made again from x, y and v at the head of its window, with half of λ, which may then double no more than
every other window; the status of its row is HALVED. What was spent in vain is counted.

*Other options* that are not given:  inner_steps N = max(5, Q), Q = `inverse_steps`;  subspace m = min(10, n_y/2);
difference δ = u^{1/3}, where ∛u balances δ² against u/δ;  penalty σ_1 = 10‖∇²_yy f q‖/μ within [1, 10⁴], μ known or
the smallest Ritz value, since the bias of y is A⁻¹∇_y f/σ.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, LancbioError
from ..minibatch import Minibatched
from ..rounding import is_finite, norm2, unit_roundoff
from ..status import StepStatus
from .base import State
from .lancbio import SubspaceSchedule
from .steps import HELD, SHARE, SHORTEST, Steps, judge, longest, look, measure, measure_again

if TYPE_CHECKING:
    from ..problem import BilevelProblem

AUTO = "auto"
STEPS = ("step_x", "step_y", "step_v", "step_z")
OTHERS = ("inner_steps", "subspace", "difference", "penalty")
BLOWN = 100.0  # ‖h‖ over that of the window before: no way to a solution makes it
TRIES = 10  # halvings in a row, after which no step is to blame
SHOWING = (LancbioError, ArithmeticError, ValueError)


@dataclass(frozen=True)
class Automatic:
    """A method whose missing steps are chosen by rule, see :mod:`lancbio_ref.methods.automatic`.

    ``minimize(problem, x0, method="soba")`` makes one.

    Parameters
    ----------
    kind : type
        Of the method, for example :class:`~lancbio_ref.LancBiO`; its ``limited_by`` says what its steps multiply.
    given : mapping of str to object
        The options that are given, which are used as they are.

    Examples
    --------
    >>> from lancbio_ref import minimize, problems
    >>> from lancbio_ref.methods import SOBA, Automatic
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> result = minimize(problem, [1.0, 1.0], method=Automatic(SOBA, {"step_v": 0.1}), maxiter=900, tol=1e-6)
    >>> result.success, sorted(result.steps)
    (True, ['step_x', 'step_y'])
    """

    kind: type[Any]
    given: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (isinstance(self.kind, type) and hasattr(self.kind, "limited_by")):
            raise ArgumentError("kind", repr(self.kind), "a class of methods with `limited_by`, such as LancBiO")
        self._built(dict.fromkeys(self.missing, 1.0))  # refuses what is given and cannot be used

    @property
    def missing(self) -> tuple[str, ...]:
        """The steps to choose."""
        return tuple(f.name for f in fields(self.kind) if f.name in STEPS and f.name not in self.given)

    def _built(self, chosen: Mapping[str, Any]) -> Any:
        return self.kind(**{**self.given, **chosen})

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> State:
        """The state before the first iteration; nothing is measured yet."""
        state: State = self._built(dict.fromkeys(self.missing, 1.0)).init(problem, x0, y0, v0, rng)
        state.steps = Steps(dict.fromkeys(self.missing, math.nan))
        return state

    def step(self, problem: BilevelProblem, state: State) -> State:
        """One outer iteration, made again with half of the steps where it diverges."""
        state, random = state.renewed(), getattr(self.kind, "is_random", False) or isinstance(problem, Minibatched)
        s = state.steps = Steps() if state.steps is None else copy.copy(state.steps)
        if state.status == StepStatus.HALVED:
            state.status = StepStatus.REGULAR  # many methods leave it as it is
        first: Exception | None = None
        new: Any = None
        returned = False
        while True:
            failure = None
            try:
                state = self._prepared(problem, state, s, random)
                s.chosen = s.chosen | self._steps(state, s)
                new = self._built(s.chosen).step(problem, state)
                if _is_sound(new, s):
                    break
            except SHOWING as error:
                first, failure = first or error, error
            curable = not isinstance(failure, ArgumentError) or failure.argument in ("x", "y")
            if not (s.head and curable and s.in_a_row < TRIES):
                if failure is not None:
                    raise first or failure
                s.level = norm2(new.h)  # if that is finite, it is no divergence of the steps; if not, the run says so
                break
            state, returned = self._returned(problem, state, s), True
        s.in_a_row = 0
        new.steps = s
        if returned:
            new.status = StepStatus.HALVED
        if "step_x" in self.missing:
            look(new, s, random)
        return new

    # -- windows ---------------------------------------------------------------------------

    def _prepared(self, problem: BilevelProblem, state: State, s: Steps, random: bool) -> State:
        """‖A‖ anew where that is due, and where a window has ended, λ by what it has shown; at first all options."""
        whole = problem.full if isinstance(problem, Minibatched) else problem
        x, y, v = _where(state)
        if not s.head:
            measure(whole, x, y, state, s)
            state = self._begun(whole, state, s)
        elif state.k >= s.due:
            measure_again(whole, x, y, state, s)
        if state.k >= s.last:
            if s.count >= SHORTEST:
                judge(s, random)
            s.norms = s.norms[1] or s.norm_A, s.norm_A
            s.earlier, s.head = s.head, tuple(z.copy() for z in (x, y, v))  # a method may write into its own
            s.began, s.first, s.last = s.step, state.k + 1, state.k + max(SHORTEST, state.k // 4)
            s.squares, s.count, s.moves, s.sums = 0.0, 0, [], (0.0, 0.0)
        return state

    def _begun(self, problem: BilevelProblem, state: State, s: Steps) -> State:
        """The state with the options chosen that stay; F2SA's first σ is one of them."""
        x, y, v = _where(state)
        found, why = other_options(problem, x, y, s, self.given)
        known = {f.name for f in fields(self.kind)}
        s.chosen = {name: value for name, value in found.items() if name in known and name not in self.given}
        s.why = {name: why[name] for name in s.chosen} | {name: self._rule(name) for name in self.missing}
        if state.k:  # a run that goes on, whose steps were given before
            return state
        rng = getattr(state, "rng", None) or np.random.default_rng()
        return _carried(state, self._built(dict.fromkeys(self.missing, 1.0) | s.chosen).init(problem, x, y, v, rng))

    def _returned(self, problem: BilevelProblem, state: State, s: Steps) -> State:
        """The head of the window with half of the steps: the method begins anew there, at what all of it has cost."""
        s.halvings, s.in_a_row = s.halvings + 1, s.in_a_row + 1
        s.share /= 2
        s.step = s.most = s.began = max(min(s.began, s.most) / 2, HELD)
        s.due = 0
        s.h, s.is_rising, s.count, s.squares, s.moves, s.sums = None, False, 0, 0.0, [], (0.0, 0.0)
        x, y, v = (z.copy() for z in s.head)
        s.norm_A = s.norms[1]  # not that of the x that it ran to
        s.head, s.norms = (
            s.earlier or s.head,
            (s.norms[0], s.norms[0]),
        )  # for a second divergence
        rng = getattr(state, "rng", None) or np.random.default_rng()
        return _carried(state, self._built(s.chosen).init(problem, x, y, v, rng))

    # -- steps -----------------------------------------------------------------------------

    def _steps(self, state: State, s: Steps) -> dict[str, float]:
        """The missing steps, for the next iteration; a decay acts within a window."""
        found = {}
        for name in self.missing:
            step = min(s.step, s.most, s.reach)
            if name != "step_x":
                step = SHARE * s.share / self._norm(name, state, s)  # 1.5/‖B‖
            decay = name.replace("step", "decay")
            exponent = self.given.get(decay, getattr(self.kind, decay, 0.0))
            found[name] = min(float(max(step, HELD) * float(s.first + 1) ** exponent), longest(state.x.dtype))
        return found

    def _norm(self, name: str, state: Any, s: Steps) -> float:
        """‖B‖ of the step's B."""
        if self.kind.limited_by[name] == "sigma A + f":
            return float(state.sigma_next * s.norm_A + s.curvature_f)
        return s.norm_A

    def _rule(self, name: str) -> str:
        if name == "step_x":
            return "a step changes h by at most half"
        return f"1.5/||{self.kind.limited_by[name]}||"


def _where(state: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and v that the next iteration begins with."""
    y, v = getattr(state, "y_next", None), getattr(state, "v_next", None)
    return state.x_next, state.y if y is None else y, state.v if v is None else v


def _carried(old: Any, new: Any) -> Any:
    """`new` with what a run keeps whatever happens: its number, counts, steps, batches, and F2SA's σ."""
    kept = ["k", "tol", "steps", "sampler", *(f.name for f in fields(old) if f.name.startswith("n_"))]
    if old.k:
        kept += [name for name in ("sigma", "sigma_next") if hasattr(old, name)]
    for name in kept:
        setattr(new, name, getattr(old, name))
    return new


def _is_sound(new: Any, s: Steps) -> bool:
    """Whether all is finite, and ‖h‖ no hundred times that of the last window."""
    if not all(is_finite(z) for z in (new.h, new.x_next, new.y, new.v)):
        return False
    level = max(s.level, unit_roundoff(new.h.dtype) * s.highest)
    return norm2(new.h) <= BLOWN * level


def other_options(
    problem: BilevelProblem, x: np.ndarray, y: np.ndarray, s: Steps, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Those that are no steps, and each one's rule; of all methods."""
    count = max(5, int(given.get("inverse_steps", 5)))
    mu = problem.lower_bound("mu", x, y) or max(s.smallest, 1e-4 * s.norm_A)
    found = dict(
        inner_steps=count,
        subspace=SubspaceSchedule(1, 1.3, 50, max(1, min(10, y.size // 2))),
        difference=float(unit_roundoff(y.dtype) ** (1 / 3)),
        penalty=float(min(max(10 * s.curvature_f / mu, 1.0), 1e4)),
    )
    why = dict(
        inner_steps="max(5, inverse_steps)", subspace="as published, at most n_y/2", difference="u^(1/3)",
        penalty="10 ||f_yy||/mu within [1, 1e4]",
    )  # fmt: skip
    return found, why
