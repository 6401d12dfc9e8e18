"""From a method, its options and a problem or a sequence to a vector of kind ``trace``.

Short sequences are followed in exact rational arithmetic by :mod:`.methods_again` and in Arb balls by the textbook:
rigour E. In long ones the rationals grow beyond use (their length multiplies at every restart), and mpmath takes their
place: rigour A, as for problems, whose functions are transcendental. Those the textbook follows with its formulas of
the derivatives, and mpmath at 250 digits with derivatives that are central differences of f and g. What is written
comes from the rationals or the balls. What rounding does is measured in float64, by :mod:`.float_runs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from .. import exact
from ..exact import PrecisionError, precision
from ..textbook_in_balls import answer, in_balls, problem
from . import float_runs, methods_again
from .arithmetic import Digits, Floats, Rational
from .differences import Differences
from .problem_data import data_text
from .problems import PROBLEMS
from .sources import FromProblem, FromSequence, Row
from .system import U, difficulty, stated_spectrum, up

FACTS = ("k", "m", "columns", "restarted", "indefinite", "singular", "breakdown", "exact")
OF_FACTS = (*FACTS, "b_is_zero")
POSED = ("method", "options", "x0", "y0", "v0", "iterations", "draws", "sequence")
BITS = 1024  # of the textbook's balls
MODEL = (
    "largest relative 2-norm error of a quantity of the row: 64 times the larger of (n_y + 8) u and the largest error "
    "of four float64 runs of the same formulas that differ in rounding only; alpha and beta relative to L"
)


@dataclass
class TraceCase:
    """What a recipe decides; everything else follows. Numbers are Fractions."""

    id: str
    method: str
    options: dict[str, Any]
    x0: list[Fraction]
    y0: list[Fraction]
    v0: list[Fraction]
    iterations: int
    why: str
    equations: list[str]
    recipe: str
    parameters: dict[str, Any]
    problem: tuple[str, dict[str, Any]] | None = None
    sequence: dict[str, list[Any]] | None = None
    draws: dict[str, list[int]] | None = None
    rational: bool = True
    result: str = "valid"
    difficulty: str | None = None
    version: str = "1.0"
    notes: dict[str, str] = field(default_factory=dict)


def trace(case: TraceCase) -> dict[str, Any]:
    """The document of a case, without its sums."""
    rows, second, rigour, routes = _two_routes(case)
    _agree(case.id, rows, second)
    first = _first_hessian(case)
    mu, L, spectrum = stated_spectrum(first)
    errors, rounding = _float_errors(case, rows, second, L)
    n_x, n_y = len(case.x0), len(case.y0)
    return {
        "format": "lancbio-vector",
        "version": "1",
        "id": case.id,
        "family": case.id.rpartition("-")[0],
        "kind": "trace",
        "levels": ["trace"],
        "result": case.result,
        "difficulty": case.difficulty or difficulty(up(L / mu) if mu else None),
        "why": case.why,
        "equations": case.equations,
        "rigour": rigour,
        "routes": routes,
        "generator": {"recipe": case.recipe, "parameters": case.parameters, "version": case.version},
        "sizes": {"n_x": n_x, "n_y": n_y},
        **spectrum,
        "inputs": {
            "method": case.method,
            "options": _options_text(case.options),
            "x0": exact.array_text(case.x0, [n_x]),
            "y0": exact.array_text(case.y0, [n_y]),
            "v0": exact.array_text(case.v0, [n_y]),
            "iterations": case.iterations,
            "draws": case.draws,
            "sequence": case.sequence and _sequence_text(case.sequence),
        },
        "problem": case.problem
        and {
            "name": case.problem[0],
            "formula": PROBLEMS[case.problem[0]].formula,
            "data": data_text(case.problem[1]),
        },
        "expected": {"rows": [_row_text(row) for row in rows], "rounding": rounding},
        "admissible": {"model": MODEL, "rows": [up(64 * max(e, (n_y + 8) * U), 2) for e in errors]},
    }


# -- the two routes --------------------------------------------------------------------------


def _options(case: TraceCase) -> dict[str, Any]:
    return case.options | (case.draws or {})


def _start(at: Any, case: TraceCase) -> tuple[Any, Any, Any]:
    return at.column(case.x0), at.column(case.y0), at.column(case.v0)


def _source(case: TraceCase, at: Any, *, differences: bool = False) -> Any:
    if case.sequence:
        return FromSequence(at, case.sequence)
    name, data = case.problem  # type: ignore[misc]
    formulas = PROBLEMS[name](at, data)
    return FromProblem(Differences(formulas) if differences else formulas)


def _two_routes(case: TraceCase) -> tuple[list[Row], list[Row], str, list[str]]:
    """The rows to be written and those that confirm them, rigour, and the names of the routes."""
    again, options = methods_again.METHODS[case.method], _options(case)
    if case.sequence and case.rational:
        rational = Rational()
        rows = again(_source(case, rational), options, *_start(rational, case), case.iterations)
        for row in rows:
            if "beta_squared" in row:
                row["beta"] = exact.root(row["beta_squared"], 1 << 11)
        return rows, _textbook_rows(case, rows), "E", ["fmpq", "arb"]
    digits = Digits(250)
    rows = again(_source(case, digits, differences=True), options, *_start(digits, case), case.iterations)
    for row in rows:
        for key, value in row.items():
            if isinstance(value, list):
                row[key] = [digits.ball(t) for t in value]
            elif key not in FACTS and not isinstance(value, bool):
                row[key] = digits.ball(value)
    return _textbook_rows(case, rows), rows, "A", ["arb", "mpmath"]


def _textbook_rows(case: TraceCase, others: list[Row]) -> list[Row]:
    """The textbook's rows, in balls: the numbers that the other route has as well, and that route's facts.

    Of the facts, whether T is indefinite is found anew, by the pivots of the textbook's own T.
    """
    posed = {name: getattr(case, name) for name in POSED}
    posed["problem"] = case.problem and {"name": case.problem[0], "data": case.problem[1]}
    found: list[Row] = []
    alphas: list[Any] = []
    betas: list[Any] = []
    with precision(BITS):
        for row, other in zip(answer("trace", "dense", posed)["rows"], others, strict=True):
            facts = {name: other[name] for name in FACTS if name in other}
            if "indefinite" in facts and not facts["exact"]:
                if facts["restarted"]:
                    alphas, betas = [], []
                alphas.append(row["alpha"])
                T = float_runs.tridiagonal(alphas, betas)
                facts["indefinite"] = not methods_again.definite(T) and not facts["singular"]
                betas.append(row["beta"])
            numbers = {"beta" if name == "beta_squared" else name for name in other if name not in OF_FACTS}
            found.append(facts | {name: _balls(row[name]) for name in sorted(numbers)})
    return found


def _balls(value: Any) -> Any:
    """A number or an array as an ``arb`` or a list of such; zeros may be integers."""
    return [exact.flint.arb(t) for t in value] if np.ndim(value) else exact.flint.arb(value)


def quantities(row: Row) -> dict[str, list[Any]]:
    """Name → numbers, of the quantities that are real numbers."""
    numbers = {}
    for key, value in row.items():
        if key not in OF_FACTS and key != "beta_squared":
            numbers[key] = value if isinstance(value, list) else [value]
    return numbers


def _agree(id: str, rows: list[Row], second: list[Row]) -> None:
    """The same facts, and numbers that differ by less than 10⁻⁴⁵ of the largest."""
    for row, other in zip(rows, second, strict=True):
        for fact in FACTS:
            if row.get(fact) != other.get(fact):
                raise PrecisionError(f"{id}, iteration {row['k']}: {fact} {row.get(fact)} and {other.get(fact)}")
        theirs = quantities(other)
        if "beta" not in theirs and "beta_squared" in other:
            theirs["beta"] = [exact.root(other["beta_squared"], 1 << 11)]
        for name, values in quantities(row).items():
            exact.close(f"{id}, iteration {row['k']}: {name}", values, theirs[name])


# -- what rounding does ----------------------------------------------------------------------


def _float_errors(case: TraceCase, rows: list[Row], second: list[Row], L: float) -> tuple[list[float], list[float]]:
    """For each row: the largest relative error of four float64 runs, and the largest difference of two of them."""
    truth = [
        {name: [sum(exact.short_ends(t)) / 2 for t in values] for name, values in quantities(row).items()}
        for row in rows
    ]
    runs = []
    for seed in range(4):
        at = Floats(seed)
        run = float_runs.METHODS[case.method](_source(case, at), _options(case), *_start(at, case), rows)
        runs.append([{name: [Fraction(t) for t in v] for name, v in quantities(row).items()} for row in run])
    errors, rounding = [], []
    for i, row in enumerate(truth):
        found = [run[i] for run in runs]
        errors.append(max(_difference(one, row, row, L) for one in found))
        rounding.append(up(max(_difference(one, other, row, L) for one in found for other in found), 2))
    return errors, rounding


def _difference(one: dict[str, Any], other: dict[str, Any], truth: dict[str, Any], L: float) -> float:
    worst = 0.0
    for name, values in truth.items():
        gap = sum((a - b) ** 2 for a, b in zip(one[name], other[name], strict=True))
        size = Fraction(L) ** 2 if name in ("alpha", "beta") else sum(t * t for t in values)
        if gap:
            worst = max(worst, math.sqrt(gap / size if size else gap))
    return worst


# -- text ------------------------------------------------------------------------------------


def _row_text(row: Row) -> dict[str, Any]:
    text: dict[str, Any] = {key: row[key] for key in FACTS if key in row}
    for name, value in row.items():
        if name in OF_FACTS or name == "beta_squared":
            continue
        text[name] = exact.column_text(value) if isinstance(value, list) else exact.scalar_text(value)
    return text


def _options_text(options: dict[str, Any]) -> dict[str, Any]:
    text: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, Fraction):
            text[key] = exact.number_text(float(value))
        else:
            text[key] = _options_text(value) if isinstance(value, dict) else value
    return text


def _sequence_text(sequence: dict[str, list[Any]]) -> dict[str, Any]:
    return {
        "A": [exact.array_text([t for row in A for t in row], [len(A), len(A[0])]) for A in sequence["A"]],
        "J": [exact.array_text([t for row in J for t in row], [len(J), len(J[0])]) for J in sequence["J"]],
        "b": [exact.array_text(b, [len(b)]) for b in sequence["b"]],
        "c": [exact.array_text(c, [len(c)]) for c in sequence["c"]],
    }


def _first_hessian(case: TraceCase) -> Any:
    """A_1, or A at (x_0, y_0), rounded to float64."""
    if case.sequence:
        return exact.matrix(case.sequence["A"][0])
    name, data = case.problem  # type: ignore[misc]
    with precision(512):
        A = problem(name, data).A(in_balls(case.x0), in_balls(case.y0))
        return exact.matrix([[exact.nearest_float(exact.midpoint(t)) for t in _balls(row)] for row in A])
