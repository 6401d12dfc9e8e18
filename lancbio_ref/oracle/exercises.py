"""Exercises of the textbook: a learner's function is a part of a candidate, and the oracle judges the whole.

What an exercise does not ask for (the loop around a step, the restart, what a case without an answer needs) is done
here, so that a function of ten lines is enough; only vectors that have an answer and are not extreme are asked.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from ..files import is_file
from ..textbook.lanczos import lanczos
from ..textbook.numbers import norm, roundoff
from ..textbook.problems import point_of, problem_of
from ..textbook.solve import near_one
from ..textbook.trace import inner_steps, subspace

if TYPE_CHECKING:
    from .faults import Fault

Function = Callable[..., Any]


@dataclass(frozen=True)
class Exercise:
    """A function that a learner writes, and how it is made a candidate.

    Attributes
    ----------
    name : str
    signature : str
        Name and arguments of the function.
    task : str
        What it returns.
    vectors : tuple of str
        Patterns of the ids that are asked.
    levels : dict
        Level → what makes a callable of that level's signature (docs/oracle.md, "In Python") out of the function.
    base : str, optional
        Which textbook of `solve` the function is a part of: faults of the others are not suspected.
    """

    name: str
    signature: str
    task: str
    vectors: tuple[str, ...]
    levels: dict[str, Callable[[Function], Function]]
    base: str | None = None

    @property
    def function(self) -> str:
        """The name of the function."""
        return self.signature.partition("(")[0]

    def candidates(self, function: Function) -> dict[str, Function]:
        """Level → callable."""
        return {level: _answering(make(function)) for level, make in self.levels.items()}

    def could_have(self, fault: Fault) -> bool:
        """Whether the function may be what a known fault is about."""
        return self.base is None or fault.level != "solve" or fault.base == self.base

    def select(self, vectors: Iterable[Any]) -> list[Any]:
        """Those of the vectors that are asked."""
        return [
            vector
            for vector in vectors
            if vector.result == "valid"
            and vector.difficulty != "extreme"
            and any(fnmatch.fnmatch(vector.id, pattern) for pattern in self.vectors)
        ]


def find(name: str) -> Exercise:
    """The exercise of this name; :class:`~lancbio_ref.errors.ArgumentError` lists them all."""
    if name not in EXERCISES:
        raise ArgumentError("--exercise", name, f"of {', '.join(EXERCISES)}")
    return EXERCISES[name]


def load(exercise: Exercise, path: Path) -> Function:
    """The learner's function out of a file; ValueError says what is wrong with the file."""
    if not is_file(path):
        raise ValueError(f"there is no such file {path}")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path.name} is no Python file: its name does not end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a file may raise anything
        raise ValueError(f"{type(error).__name__} in {path.name}: {error}") from error
    found = getattr(module, exercise.function, None)
    if not callable(found):
        raise ValueError(f"{path.name} has no function {exercise.function}; expected {exercise.signature}")
    return found


# -- from a learner's function to a candidate ---------------------------------------------


class AnswerExpected(Exception):
    """What the learner's function raised. Every case of an exercise has an answer, so it is no rejection."""


def _answering(candidate: Function) -> Function:
    """The same, with what would count as a rejection raised as what it is here, an error."""

    def answer(*arguments: Any) -> Any:
        try:
            return candidate(*arguments)
        except (ValueError, ArithmeticError) as error:
            raise AnswerExpected(f"{type(error).__name__}: {error}") from error

    return answer


def _tridiagonal(solve: Function) -> Function:
    """v = v_0 + Q T⁻¹(‖r_0‖e_1) with a Lanczos process of ours and T⁻¹ of the learner's."""

    def candidate(A: np.ndarray, b: np.ndarray, v0: np.ndarray) -> Any:
        A, b, v0, unit = near_one(A, b, v0)
        r = b - A @ v0
        if norm(r) == 0:
            return np.ldexp(v0, unit)
        alpha, beta, Q = lanczos(A, r, len(b))
        right = norm(r) * np.eye(len(alpha))[0]
        return np.ldexp(v0 + Q @ _vector(solve(alpha, beta[:-1], right), alpha.shape), unit)

    return candidate


def _iterations(inverse: Callable[[Function, Any, dict[str, Any]], np.ndarray]) -> Callable[[Function], Function]:
    """Iterations of a bilevel method whose v_k is `inverse(function, (A, b, v), options)`."""

    def make(function: Function) -> Function:
        def candidate(case: dict[str, Any]) -> dict[str, Any]:
            problem, options, rows = problem_of(case), case["options"], []
            x, y, v = case["x0"], case["y0"], case["v0"]
            for k in range(1, case["iterations"] + 1):
                y = inner_steps(problem, x, y, options)
                A, J, b, c = point_of(problem, k, x, y)
                system = A.copy(), b.copy(), v.copy()  # the function may write into what it is given
                v = _vector(inverse(function, system, options), v.shape)
                h = c - J @ v
                x = x - options.get("step_x", 0.0) * h
                rows.append(dict(k=k, y=y, v=v, h=h, x_next=x))
            return dict(rows=rows)

        return candidate

    return make


def _lancbio(step: Function) -> Function:
    """LancBiO: subspace schedule and restarts are done here, the step of the process is the learner's."""

    def candidate(case: dict[str, Any]) -> dict[str, Any]:
        problem, options, rows = problem_of(case), case["options"], []
        x, y, v = case["x0"], case["y0"], case["v0"]
        n, (m, schedule) = len(y), subspace(options)
        Q, alpha, beta, due = np.zeros((n, 0)), np.zeros(0), np.zeros(0), True
        for k in range(1, case["iterations"] + 1):
            y = inner_steps(problem, x, y, options)
            A, J, b, c = point_of(problem, k, x, y)
            if k % schedule["every"] == schedule["every"] - 1:
                m = min(int(np.ceil(schedule["growth"] * m)), schedule["maximum"])
            if due or len(alpha) >= min(n, schedule["maximum"]) or m == 1 or k % m == 1:
                v_bar, alpha, beta = v, np.zeros(0), np.zeros(0)
                w = A @ v_bar
                Q = ((b - w) / norm(b - w))[:, None] if norm(b - w) else np.zeros((n, 0))
            row, due = dict(k=k, y=y), norm(b - w) == 0
            if due:
                v = v_bar
            else:
                try:
                    given = [array.copy() for array in (A, b, w, v_bar, Q, alpha, beta)]
                    a, next_beta, q, v = _parts(step(*given), ("alpha_j", "beta_{j+1}", "q_{j+1}", "v"))
                except np.linalg.LinAlgError:
                    due = True  # T is singular: v_k = v_{k−1}, and a restart
                else:
                    v = _vector(v, (n,))
                    row |= dict(alpha=a, beta=next_beta)
                    alpha, beta = np.append(alpha, a), np.append(beta, next_beta)
                    due = next_beta <= (n + 10) * roundoff(A) * np.linalg.norm(A, 1)
                    Q = Q if due else np.column_stack([Q, _vector(q, (n,))])
            h = c - J @ v
            x = x - options.get("step_x", 0.0) * h
            rows.append(row | dict(v=v, h=h, x_next=x))
        return dict(rows=rows)

    return candidate


def _point(case: dict[str, Any]) -> dict[str, Any]:
    return {name: case["problem"][name] for name in ("x", "y")}


def _subbio(function: Function, system: Any, options: dict[str, Any]) -> Any:
    return function(*system, options["step_v"])


def _neumann(function: Function, system: Any, options: dict[str, Any]) -> Any:
    A, b, _ = system
    return function(A, b, options["step_v"], options.get("inverse_steps", 10))


def _cg(function: Function, system: Any, options: dict[str, Any]) -> Any:
    return function(*system, options.get("inverse_steps", 5))


def _converged(cg: Function) -> Function:
    """Steps until nothing moves; fewer where squares have underflown by then, and 0/0 was formed, which is no fault."""

    def candidate(A: np.ndarray, b: np.ndarray, v0: np.ndarray) -> Any:
        v = _vector(cg(A.copy(), b.copy(), v0.copy(), 50 * len(b)), b.shape)
        return v if np.isfinite(v).all() else cg(A, b, v0, 5 * len(b))

    return candidate


def _vector(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """What the learner returned, an array of this shape and its own, or TypeError in words."""
    array = np.array(value)
    if array.shape != shape or array.dtype.kind not in "iuf":
        found = f"{type(value).__name__} of shape {array.shape} and dtype {array.dtype}"
        raise TypeError(f"returned {found}, expected real numbers of shape {shape}")
    return array


def _parts(value: Any, names: tuple[str, ...]) -> Any:
    """What the learner returned, so many values, or TypeError in words."""
    if not isinstance(value, (tuple, list)) or len(value) != len(names):
        found = f"{len(value)} values" if isinstance(value, (tuple, list)) else type(value).__name__
        raise TypeError(f"returned {found}, expected {len(names)}: {', '.join(names)}")
    return value


ORDINARY = ("quadratic-*", "ridge-*", "logistic-*", "synthetic-*", "strakos-*")
EXERCISES = {
    exercise.name: exercise
    for exercise in (
        Exercise(
            "ridge",
            "ridge_hypergradient(X_train, t_train, X_val, t_val, x, y)",
            "h of ridge regression with penalties exp(x_j), at y",
            ("ridge-*",),
            {"hypergradient": lambda f: lambda case: f(**case["problem"]["data"], **_point(case))},
        ),
        Exercise(
            "hypergradient",
            "hypergradient(A, J, b, c)",
            "h = c - J A^-1 b",
            ("*",),
            {"hypergradient": lambda f: lambda case: f(*(case[name] for name in ("A", "J", "b", "c")))},
        ),
        Exercise(
            "neumann",
            "neumann(A, b, eta, Q)",
            "eta times the sum of (I - eta A)^q b over q = 0, ..., Q",
            ("step-stocbio-*",),
            {"trace": _iterations(_neumann)},
        ),
        Exercise(
            "cg",
            "cg(A, b, v0, steps)",
            "v after so many steps of conjugate gradients from v0, or where the residual is zero",
            (*ORDINARY, "step-amigo-cg-*"),
            {"solve": _converged, "trace": _iterations(_cg)},
            "conjugate gradients",
        ),
        Exercise(
            "tridiagonal",
            "tridiagonal_solve(alpha, beta, r)",
            "x with T x = r, T with alpha on its diagonal and beta beside it",
            (*ORDINARY, "ill-conditioned-*"),
            {"solve": _tridiagonal},
            "lanczos",
        ),
        Exercise(
            "lanczos",
            "lanczos(A, q1, k)",
            'alpha, beta, Q of k steps; a fourth "none" says that Q is not kept orthogonal',
            ("*",),
            {"lanczos": lambda f: f},
        ),
        Exercise(
            "subbio-step",
            "subbio_step(A, b, v, eta)",
            "the minimizer of v'Av/2 - v'b over the span of b and (I - eta A) v, which may be dependent",
            ("subbio-*",),
            {"trace": _iterations(_subbio)},
        ),
        Exercise(
            "lancbio-step",
            "lancbio_step(A, b, w, v_bar, Q, alpha, beta)",
            "alpha_j, beta_{j+1}, q_{j+1} and v = v_bar + Q T^-1 Q'(b - w)",
            ("lancbio-*",),
            {"trace": _lancbio},
        ),
    )
}
