"""From exact A, J, b, c, v0 to a vector of kind ``system``: all that can be proven of one point."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from .. import exact
from ..exact import column_text, flint, precision
from ..exact_lanczos import energy_errors, lanczos, sensitivity

U = 2.0**-53
DECIDES = 1e-6  # a coefficient whose sensitivity is not below this decides nothing
MODEL = (
    "relative error <= c * kappa * u with u = 2^-53 and c = 16 (n_y + 4), in the A-norm for v; for h that times "
    "||J||_F ||v*|| / ||h||, plus c u ||c|| / ||h||, and at least 64 times what float64 runs from the problem's "
    "formula err; for alpha_i and beta_{i+1}, relative to L, 64 times the larger of "
    "the sensitivity and (n_y + 8) u"
)


@dataclass
class Case:
    """What a recipe decides; everything else follows.

    Parameters
    ----------
    A, J, b, c, v0 : fmpq_mat
        Entries are float64 numbers.
    k : int
        Lanczos steps asked for.
    problem : dict, optional
        As in the format.
    y_star, grad_phi : list, optional
        ``fmpq`` numbers or ``arb`` balls.
    measured : float
        Relative error of h in float64 runs that differentiate `problem`; 64 times that is admissible.
    """

    id: str
    recipe: str
    parameters: dict[str, Any]
    why: str
    equations: list[str]
    A: Any
    J: Any
    b: Any
    c: Any
    v0: Any
    k: int = 16
    levels: tuple[str, ...] = ("solve", "lanczos", "hypergradient")
    result: str = "valid"
    rigour: str = "E"
    routes: tuple[str, ...] = ("fmpq", "arb")
    problem: dict[str, Any] | None = None
    y_star: list[Any] | None = None
    grad_phi: list[Any] | None = None
    q1: Any = None
    sparse: bool = False
    difficulty: str | None = None
    measured: float = 0.0
    definite: bool = True
    version: str = "1.0"
    notes: dict[str, str] = field(default_factory=dict)


def system(case: Case) -> dict[str, Any]:
    """The document of a case, without its sums."""
    n_y, n_x, q1 = case.A.nrows(), case.J.nrows(), _q1(case)
    mu, L, spectrum = stated_spectrum(case.A, case.definite)
    kappa = None if mu is None else up(L / mu)
    solvable = case.result != "must_reject"
    v = exact.solve_both(case.A, case.b) if solvable else None
    h = case.c - case.J * v if solvable else None
    if solvable:
        _confirm_h(case, h)
    expected: dict[str, Any] = {
        "v": column_text(v) if solvable else None,
        "h": column_text(h) if solvable else None,
        "y_star": None if case.y_star is None else column_text(case.y_star),
        "grad_phi": None if case.grad_phi is None else column_text(case.grad_phi),
        **_process(case, L),
        "energy_error": None,
    }
    if case.definite and solvable:
        expected["energy_error"] = column_text(energy_errors(case.A, case.b, case.v0, v, min(case.k, n_y)))
    return {
        "format": "lancbio-vector",
        "version": "1",
        "id": case.id,
        "family": case.id.rpartition("-")[0],
        "kind": "system",
        "levels": list(case.levels),
        "result": case.result,
        "difficulty": case.difficulty or difficulty(kappa),
        "why": case.why,
        "equations": case.equations,
        "rigour": case.rigour,
        "routes": list(case.routes),
        "generator": {"recipe": case.recipe, "parameters": case.parameters, "version": case.version},
        "sizes": {"n_x": n_x, "n_y": n_y},
        **spectrum,
        "inputs": {
            "A": exact.sparse_text(case.A) if case.sparse else exact.exact_text(case.A, [n_y, n_y]),
            "J": exact.exact_text(case.J, [n_x, n_y]),
            "b": exact.exact_text(case.b, [n_y]),
            "c": exact.exact_text(case.c, [n_x]),
            "v0": exact.exact_text(case.v0, [n_y]),
            "q1": None if q1 is None else exact.array_text(q1, [n_y]),
            "k": case.k,
        },
        "problem": case.problem,
        "expected": expected,
        "admissible": _admissible(case, kappa, v, h, expected["sensitivity"]),
    }


def stated_spectrum(A: Any, definite: bool = True) -> tuple[float | None, float, dict[str, Any]]:
    """μ (None where A is not positive definite), L, and the three fields that state them and κ."""
    mu, L = exact.spectrum_bounds(A) if definite else (None, _norm_bound(A))
    kappa = None if mu is None else up(L / mu)
    of_mu = "mu <= lambda_min(A): all pivots of LDL^T of A - mu I are positive, in ball arithmetic"
    of_L = "L >= lambda_max(A): all pivots of LDL^T of L I - A are positive, in ball arithmetic"
    fields = {
        "mu": _stated(mu, of_mu if definite else "A is not positive definite"),
        "L": _stated(L, of_L if definite else "L >= ||A||_F >= ||A||_2, rounded up"),
        "kappa": _stated(kappa, "L/mu, rounded up" if definite else "A is not positive definite"),
    }
    return mu, L, fields


def difficulty(kappa: float | None) -> str:
    """Of a condition number."""
    if kappa is None:
        return "hard"
    return next(word for word, limit in _LIMITS if kappa < limit)


_LIMITS = (("easy", 1e2), ("ordinary", 1e5), ("hard", 1e9), ("extreme", math.inf))


def _stated(value: float | None, how: str) -> dict[str, Any]:
    return {"value": None if value is None else exact.number_text(value), "how": how}


def _q1(case: Case) -> list[float] | None:
    """The float64 numbers nearest to r_0/‖r_0‖, or those given; None where the vector has no such level."""
    if "lanczos" not in case.levels:
        return None
    if case.q1 is not None:
        return exact.floats(case.q1)
    return normalized(case.b - case.A * case.v0)


def normalized(column: Any) -> list[float]:
    """The float64 numbers nearest to column/‖column‖."""
    with precision(512):
        size = flint.arb((column.transpose() * column)[0, 0]).sqrt()
        return [exact.nearest_float(exact.midpoint(flint.arb(q) / size)) for q in column.entries()]


def _process(case: Case, L: float) -> dict[str, Any]:
    q1 = _q1(case)
    if q1 is None:
        return {"alpha": None, "beta": None, "breakdown": None, "sensitivity": None}
    truth = lanczos(case.A, exact.column(q1), case.k)
    n = case.A.nrows()
    entries = exact.floats(case.A)
    rows = [[(j, entries[i * n + j]) for j in range(n) if entries[i * n + j]] for i in range(n)]
    return {
        "alpha": column_text(truth.alpha),
        "beta": column_text(truth.beta),
        "breakdown": truth.breakdown,
        "sensitivity": [up(s, 2) for s in sensitivity(rows, q1, truth, L)],
    }


def _confirm_h(case: Case, h: Any) -> None:
    """h once more in balls, from Arb's own solution."""
    with precision(512):
        v = exact.balls(case.A).solve(exact.balls(case.b))
        exact.agree(h.entries(), (exact.balls(case.c) - exact.balls(case.J) * v).entries(), "h", 40)


def _admissible(case: Case, kappa: float | None, v: Any, h: Any, sensitivities: list[float] | None) -> dict[str, Any]:
    n = case.A.nrows()
    c = 16.0 * (n + 4)
    conditioning = kappa or float(_inverse_norm(case.A)) * _norm_bound(case.A) if v is not None else 1.0
    size_v, size_h = (norm(v), norm(h)) if v is not None else (0.0, 0.0)
    part = _norm_bound(case.J) * size_v * conditioning + norm(case.c)
    lanczos_bounds = [None if s >= DECIDES else up(64 * max(s, (n + 8) * U), 2) for s in sensitivities or []]
    return {
        "model": MODEL,
        "c": c,
        "solve": up(c * conditioning * U),
        "solve_scale": up(size_v) if size_v else up(norm(case.v0)) or 1.0,
        "hypergradient": up(max(c * U * (part / size_h if size_h else conditioning), 64 * case.measured)),
        "hypergradient_scale": up(size_h) if size_h else up(norm(case.c)) or 1.0,
        "lanczos": lanczos_bounds,
    }


def norm(columns: Any) -> float:
    """2-norm of a column, or Frobenius norm, correct to a few units whatever its size."""
    return _root(sum((exact.fraction(q) ** 2 for q in columns.entries()), Fraction(0)))


def _norm_bound(A: Any) -> float:
    return up(norm(A), 6)


def _root(q: Fraction) -> float:
    """√q."""
    if q == 0:
        return 0.0
    shift = (200 + q.denominator.bit_length() - q.numerator.bit_length()) // 2
    scaled = (q.numerator << 2 * shift) // q.denominator if shift >= 0 else q.numerator // (q.denominator << -2 * shift)
    return math.ldexp(math.isqrt(scaled), -shift)


def _inverse_norm(A: Any) -> float:
    return norm(A.inv())


def up(value: float, digits: int = 3) -> float:
    """`value` rounded up to that many significant decimal digits."""
    return float(exact.round_up(Fraction(value), digits)) if value else 0.0
