"""Is the problem what its author meant? Symmetry, adjoint and every derivative, probed at one point.

A derivative D along a direction w is compared with central differences, each of several steps h in turn,

    (F(z + hw) − F(z − hw)) / 2h  =  D w + O(h²) + O(u‖F‖/h),

and the best agreement counts: a right derivative has a step at which both errors are small, a wrong one disagrees
at all of them. Bounds are compared with Rayleigh quotients, which lie in the spectrum whatever the vector is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from . import html
from .arguments import Seed, as_generator
from .rounding import norm2, unit_roundoff

if TYPE_CHECKING:
    from .problem import BilevelProblem

OK, FAILED, NOT_AVAILABLE = "ok", "failed", "not available"
DIRECTIONS = 2  # random ones, for every row
KRYLOV_STEPS = 20  # products spent on the ends of the spectrum


@dataclass(frozen=True)
class CheckRow:
    """One probe.

    Attributes
    ----------
    name : str
        What was probed.
    error, tolerance : float
        Relative disagreement, and what rounding excuses; NaN where the probe was not available.
    verdict : str
        ``"ok"``, ``"failed"`` or ``"not available"``.
    note : str
        What to look for, or why there is nothing to probe.
    """

    name: str
    error: float
    tolerance: float
    verdict: str
    note: str = ""


class CheckReport(Sequence[CheckRow]):
    """The rows of a check; true when none of them failed.

    Examples
    --------
    >>> from lancbio_ref.problem_check import CheckReport, CheckRow
    >>> report = CheckReport([CheckRow("A symmetric", 1.0, 1e-10, "failed", "A and its transpose differ")])
    >>> report.ok, len(report), report[0].verdict
    (False, 1, 'failed')
    >>> print(report)
    probe        error    tolerance  verdict  note
    A symmetric  1.0e+00  1.0e-10    failed   A and its transpose differ
    """

    def __init__(self, rows: Sequence[CheckRow], note: str = "") -> None:
        self.rows, self.note = tuple(rows), note

    @property
    def ok(self) -> bool:
        return all(row.verdict != FAILED for row in self.rows)

    @property
    def failed(self) -> tuple[CheckRow, ...]:
        return tuple(row for row in self.rows if row.verdict == FAILED)

    def __bool__(self) -> bool:
        return self.ok

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def __repr__(self) -> str:
        names = ", ".join(row.name for row in self.failed)
        return f"CheckReport({len(self)} probes, " + (f"failed: {names})" if names else "none failed)")

    def _repr_html_(self) -> str:
        verdict = (
            "all derivatives are as they should be" if self.ok else html.counted(len(self.failed), "probe") + " failed"
        )
        table = [("probe", "verdict", "note"), *((row.name, row.verdict, row.note) for row in self.failed)]
        kind = html.GOOD if self.ok else html.BAD
        return html.card(verdict, kind, table=table if self.failed else (), detail=str(self))

    def __str__(self) -> str:
        lines = [("probe", "error", "tolerance", "verdict", "note")]
        for row in self.rows:
            numbers = ("-", "-") if row.verdict == NOT_AVAILABLE else (f"{row.error:.1e}", f"{row.tolerance:.1e}")
            lines.append((row.name, *numbers, row.verdict, row.note))
        widths = [max(len(line[column]) for line in lines) for column in range(4)]
        table = (
            "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[4]]).rstrip()
            for line in lines
        )
        return "\n".join([*table, self.note] if self.note else table)


def check_problem(problem: BilevelProblem, x: np.ndarray, y: np.ndarray, rng: Seed = None) -> CheckReport:
    """Probe `problem` at (x, y); see :meth:`lancbio_ref.BilevelProblem.check`.

    Parameters
    ----------
    problem : BilevelProblem
    x, y : ndarray, shape (n_x,), (n_y,)
        A point at which the functions are smooth; a typical one finds more than a special one such as y*(x).
    rng : None, int or numpy.random.Generator
        For the random directions.

    Returns
    -------
    CheckReport
        Of a right derivative that is computed in float32 the rows pass with float32's tolerances, and the report says
        so; what passes with those of float64 is not asked.
    """
    rng = as_generator(rng)
    report = _checked(problem, _Probe(x, y, rng))
    if report.ok or not _is_coarse(problem, x, y, rng):
        return report
    again = _checked(problem, _Probe(x, y, rng, u=unit_roundoff(np.float32)))
    return CheckReport(again.rows, "judged as float32: what the callables return at float64 arguments is rounded so")


def _checked(problem: BilevelProblem, probe: _Probe) -> CheckReport:
    """All rows."""
    lower, x, y = problem.lower, probe.x, probe.y
    A, J = problem.hessian(x, y), problem.cross(x, y)
    along_x, along_y = probe.along_x, probe.along_y
    rows = [
        probe.symmetry(A),
        probe.adjoint(J),
        probe.gradient("grad_x f", problem.value, problem.upper_grad_x, along_x),
        probe.gradient("grad_y f", problem.value, problem.upper_grad_y, along_y),
        probe.gradient("grad_y g", problem.lower_value if lower.value else None, problem.lower_grad_y, along_y),
        probe.gradient(
            "grad_x g",
            problem.lower_value if lower.value else None,
            problem.lower_grad_x if lower.grad_x else None,
            along_x,
        ),
        probe.second_derivative("A v", problem.lower_grad_y, A, along_y),
        probe.cross_derivative("J v", problem.lower_grad_y, J),
    ]
    bounds = {name: problem.lower_bound(name, x, y) for name in ("mu", "smoothness", "cross_norm")}
    return CheckReport(
        [*rows, *probe.spectrum(A, bounds["mu"], bounds["smoothness"]), probe.norm(J, bounds["cross_norm"])]
    )


class _Probe:
    """The point, the random directions and the tolerances that all rows share."""

    def __init__(self, x: np.ndarray, y: np.ndarray, rng: np.random.Generator, u: float = 0.0) -> None:
        self.x, self.y, self.rng = x, y, rng
        self.u = max(unit_roundoff(x.dtype), unit_roundoff(y.dtype), u)
        self.difference_tolerance = self.u**0.375  # 1e-6 in float64; central differences reach u^(2/3)
        self.algebra_tolerance = self.u**0.6  # 3e-10: identities without truncation error
        self.steps = self.u ** np.array([1 / 8, 1 / 6, 1 / 5, 1 / 4, 1 / 3, 2 / 5])

    def direction(self, like: np.ndarray) -> np.ndarray:
        return self.rng.standard_normal(like.size).astype(like.dtype)

    def along_x(self, F: Callable[..., Any], w: np.ndarray) -> list[tuple[Any, Any, float]]:
        """(F(x + hw, y), F(x − hw, y), h) for every step."""
        steps = self._scaled_steps(self.x)
        return [(F(self.x + h * w, self.y), F(self.x - h * w, self.y), float(h)) for h in steps]

    def along_y(self, F: Callable[..., Any], w: np.ndarray) -> list[tuple[Any, Any, float]]:
        """(F(x, y + hw), F(x, y − hw), h) for every step."""
        steps = self._scaled_steps(self.y)
        return [(F(self.x, self.y + h * w), F(self.x, self.y - h * w), float(h)) for h in steps]

    def _scaled_steps(self, z: np.ndarray) -> np.ndarray:
        return (self.steps * max(1.0, norm2(z) / z.size**0.5)).astype(z.dtype)

    def noise(self, F: Callable[..., Any]) -> float:
        """How far F moves when x and y do by a few units in the last place: about its own rounding error."""
        here, moves = F(self.x, self.y), []
        for _ in range(DIRECTIONS):
            x, y = (z + 8 * self.u * z * self.direction(z) for z in (self.x, self.y))
            moves.append(_size(F(x.astype(self.x.dtype), y.astype(self.y.dtype)) - here))
        return max(moves)

    def disagreement(
        self,
        claimed: Any,
        differences: list[tuple[Any, Any, float]],
        *,
        noise: float,
        size: Callable[..., Any] = lambda *_: 0.0,
    ) -> float:
        """The least relative error over the steps.

        Below ``noise`` a difference proves nothing either way, so it counts as part of the derivative's magnitude, as
        does ``size(above, below, h)``.
        """
        errors = []
        for above, below, h in differences:
            quotient = (np.asarray(above, np.float64) - np.asarray(below, np.float64)) / (2 * h)
            unseen = (4 * noise + 32 * self.u * (_size(above) + _size(below))) / h / self.difference_tolerance
            scale = max(_size(quotient), _size(claimed), size(above, below, h), unseen)
            errors.append(_size(quotient - claimed) / scale if scale else 0.0)
        return min(errors)

    # -- the rows --------------------------------------------------------------------------

    def row(self, name: str, error: float, tolerance: float, note: str) -> CheckRow:
        passed = error <= tolerance  # a NaN fails
        return CheckRow(name, error, tolerance, OK if passed else FAILED, "" if passed else note)

    def symmetry(self, A: LinearOperator) -> CheckRow:
        """uᵀ(A v) against vᵀ(A u)."""
        errors = []
        for _ in range(DIRECTIONS):
            v, w = self.direction(self.y), self.direction(self.y)
            errors.append(self._adjoint_error(v, A.matvec(v), w, A.matvec(w)))
        return self.row("A symmetric", max(errors), self.algebra_tolerance, "u'Av and v'Au differ")

    def adjoint(self, J: LinearOperator) -> CheckRow:
        """uᵀ(J v) against vᵀ(Jᵀ u), where J has a transposed product."""
        errors = []
        try:
            for _ in range(DIRECTIONS):
                v, w = self.direction(self.y), self.direction(self.x)
                errors.append(self._adjoint_error(v, J.matvec(v), w, J.rmatvec(w)))
        except NotImplementedError:
            return _unavailable("J adjoint", "J has no rmatvec")
        return self.row("J adjoint", max(errors), self.algebra_tolerance, "u'(Jv) and v'(J'u) differ")

    @staticmethod
    def _adjoint_error(v: np.ndarray, Av: np.ndarray, w: np.ndarray, Atw: np.ndarray) -> float:
        scale = max(norm2(w) * norm2(Av), norm2(v) * norm2(Atw))
        return abs(float(w @ Av) - float(v @ Atw)) / scale if scale else 0.0

    def gradient(
        self,
        name: str,
        value: Callable[..., Any] | None,
        gradient: Callable[..., Any] | None,
        along: Callable[..., Any],
    ) -> CheckRow:
        """∇F · w against differences of F, along random directions and along the claimed gradient itself."""
        if value is None or gradient is None:
            return _unavailable(name, "g itself is not given" if value is None else "not given")
        claimed, here, noise = gradient(self.x, self.y), value(self.x, self.y), self.noise(value)
        length = norm2(claimed)
        directions = [self.direction(claimed) for _ in range(DIRECTIONS)]
        if length:
            directions.append((claimed / length * claimed.size**0.5).astype(claimed.dtype))
        errors = []
        for w in directions:
            typical = length * norm2(w) / claimed.size**0.5

            def size(above: float, below: float, h: float, typical: float = typical) -> float:
                # near a stationary point F moves by its curvature, and the gradient is what is left of that
                return max(typical, (abs(above - here) + abs(below - here)) / (2 * h))

            errors.append(self.disagreement(float(claimed @ w), along(value, w), noise=noise, size=size))
        return self.row(name, max(errors), self.difference_tolerance, "disagrees with differences of the value")

    def second_derivative(
        self, name: str, gradient: Callable[..., Any], A: LinearOperator, along: Callable[..., Any]
    ) -> CheckRow:
        """A v against differences of ∇_y g in y."""
        errors, noise = [], self.noise(gradient)
        for _ in range(DIRECTIONS):
            v = self.direction(self.y)
            errors.append(self.disagreement(A.matvec(v), along(gradient, v), noise=noise))
        return self.row(name, max(errors), self.difference_tolerance, "disagrees with differences of grad_y g in y")

    def cross_derivative(self, name: str, gradient: Callable[..., Any], J: LinearOperator) -> CheckRow:
        """wᵀ(J v) against vᵀ times the difference of ∇_y g in x along w: no transposed product is needed."""
        errors, noise = [], self.noise(gradient)
        for _ in range(DIRECTIONS):
            v, w = self.direction(self.y), self.direction(self.x)
            Jv = J.matvec(v)
            # a part along J v, so that wᵀ(J v) does not cancel, and a random part that sees where J v is wrongly zero
            w = (w + Jv / (norm2(Jv) or 1.0) * w.size**0.5).astype(w.dtype)
            differences = [(v @ above, v @ below, h) for above, below, h in self.along_x(gradient, w)]
            errors.append(self.disagreement(w @ Jv, differences, noise=noise * norm2(v) / v.size**0.5))
        return self.row(name, max(errors), self.difference_tolerance, "disagrees with differences of grad_y g in x")

    def spectrum(self, A: LinearOperator, mu: float | None, smoothness: float | None) -> list[CheckRow]:
        """μ ≤ every Rayleigh quotient of A ≤ L."""
        if mu is None and smoothness is None:
            return [_unavailable("mu", "not given"), _unavailable("smoothness", "not given")]
        lowest, highest = _extreme_rayleigh_quotients(A, self.direction(self.y))
        size = max(abs(lowest), abs(highest))
        tolerance = 8 * (self.y.size + 8) * self.u
        rows = []
        for name, bound, excess, seen in (
            ("mu", mu, (mu or 0.0) - lowest, lowest),
            ("smoothness", smoothness, highest - (smoothness or 0.0), highest),
        ):
            if bound is None:
                rows.append(_unavailable(name, "not given"))
                continue
            error = max(0.0, excess) / size if size else 0.0
            rows.append(self.row(name, error, tolerance, f"{bound:.6g}, but a Rayleigh quotient of A is {seen:.6g}"))
        return rows

    def norm(self, J: LinearOperator, cross_norm: float | None) -> CheckRow:
        """‖J v‖/‖v‖ ≤ the bound, for random v and, where J has a transposed product, a few power steps on JᵀJ."""
        if cross_norm is None:
            return _unavailable("cross_norm", "not given")
        largest, v = 0.0, self.direction(self.y)
        for _ in range(KRYLOV_STEPS):
            v = v / norm2(v)
            Jv = J.matvec(v)
            largest = max(largest, norm2(Jv))
            try:
                v = J.rmatvec(Jv)
            except NotImplementedError:
                v = self.direction(self.y)
            if not v.any():
                break
        excess = max(0.0, largest - cross_norm) / largest if largest else 0.0
        note = f"{cross_norm:.6g}, but |Jv|/|v| reaches {largest:.6g}"
        return self.row("cross_norm", excess, 8 * (self.y.size + 8) * self.u, note)


def _is_coarse(problem: BilevelProblem, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> bool:
    """Whether float64 arguments get float32 answers, by their type, or because they do not see a move of 2⁻⁴⁰.

    Of the entries that a move of 2⁻¹² changes, one of 2⁻⁴⁰ changes nearly all in float64, and one in 2¹⁶ in float32.
    """
    if x.dtype != np.float64 or y.dtype != np.float64:
        return False
    A, J = problem.hessian(x, y), problem.cross(x, y)
    functions: list[Callable[..., np.ndarray]] = [problem.lower_grad_y, problem.upper_grad_y, problem.upper_grad_x]
    functions += [lambda _, v: A.matvec(v), lambda _, v: J.matvec(v)]
    for function in functions:
        here = function(x, y)
        if here.dtype == np.float32:
            return True
        small, large = (
            function(*(z + 2.0**-power * (1 + np.abs(z)) * rng.choice([-1.0, 1.0], z.size) for z in (x, y))) != here
            for power in (40, 12)
        )
        if large.any() and 10 * np.count_nonzero(small & large) <= np.count_nonzero(large):
            return True
    return False


def _extreme_rayleigh_quotients(A: LinearOperator, v: np.ndarray) -> tuple[float, float]:
    """The ends of the spectrum of A compressed to a Krylov space of v: both are Rayleigh quotients of A."""
    Q: list[np.ndarray] = []
    AQ: list[np.ndarray] = []
    for _ in range(min(KRYLOV_STEPS, v.size)):
        length = norm2(v)
        for _ in range(2):  # a second pass of Gram–Schmidt makes up for the cancellation of the first
            for q in Q:
                v = v - q * (q @ v)
        if norm2(v) <= 1e-3 * unit_roundoff(v.dtype) ** 0.5 * length or not v.any():
            break
        Q.append(v / norm2(v))
        AQ.append(A.matvec(Q[-1]))
        v = AQ[-1]
    H = np.array(Q).astype(np.float64) @ np.array(AQ).astype(np.float64).T  #  QᵀAQ
    eigenvalues = np.linalg.eigvalsh((H + H.T) / 2)
    return float(eigenvalues[0]), float(eigenvalues[-1])


def _unavailable(name: str, note: str) -> CheckRow:
    return CheckRow(name, float("nan"), float("nan"), NOT_AVAILABLE, note)


def _size(value: Any) -> float:
    return norm2(np.atleast_1d(np.asarray(value, np.float64)))
