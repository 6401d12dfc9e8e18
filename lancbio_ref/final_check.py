"""The last hyper-gradient of a run against a certified one at the same x: is h_K the gradient of φ at all?

A method forms h_K = c − J v_K at (x_K, y_K), with y_K not quite y*(x_K) and v_K not quite A⁻¹b, or with a biased v_K.
The check solves the lower level at x_K from y_K on, and A v = b there, to ĥ, whose error has a bound B, so that

    | ‖h_K − ∇φ(x_K)‖ − ‖h_K − ĥ‖ | ≤ B = error_bound + lower_level_bound.

With T = max(tol, ‖h‖/10), ‖h‖ the larger of ‖h_K‖ and ‖ĥ‖: h_K *agrees* where ‖h_K − ĥ‖ + B ≤ T, it *differs* where
‖h_K − ĥ‖ − B > T. Where no B is known (no μ or no Lipschitz constants), 10⁻⁸(‖c‖ + ‖J v‖) stands for it, the size of
what the two solves leave, which is a model and no bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from . import html
from .hypergradient import hypergradient
from .hypergradient_result import HyperGradient
from .lower_level import LowerSolution, lower_solution
from .rounding import norm2, smallest_normal, unit_roundoff
from .status import CertificateStatus, CheckVerdict, SolveStatus

AGREEMENT = 0.1  # of the larger norm: how far a method's own h may be from the gradient
ACCURACY = 1e-10  # of both solves, relative; 100u in a narrower type
MODEL = 1e-8  # of what h is the difference of, where no bound is known; 1000u in a narrower type
ENOUGH = 1e-6  # of the gradient norm, where rounding lets the lower level go no further
STORED = 20_000  # longer vectors are solved for without a stored basis


@dataclass(frozen=True)
class FinalCheck:
    """What a certified hyper-gradient at the last x says of the run's own.

    Attributes
    ----------
    verdict : CheckVerdict
        AGREES, DIFFERS, UNDECIDED, FAILED or INTERRUPTED.
    distance : float
        ‖h_K − ĥ‖₂; NaN where there is no ĥ.
    bound : float
        B ≥ ‖ĥ − ∇φ(x_K)‖₂; inf where none is known.
    certificate : CertificateStatus
        How far `bound` can be trusted: the weaker of its two parts.
    tolerance : float
        T: what `distance` was compared with.
    message : str
        The verdict in words.
    hypergradient : HyperGradient or None
        ĥ, at the solution of the lower level.
    lower : LowerSolution or None
        That solution.
    n_hvp, n_grad : int
        Hessian products and gradients ∇_y g spent on the check, which the run's own counts leave out.
    """

    verdict: CheckVerdict
    distance: float
    bound: float
    certificate: CertificateStatus
    tolerance: float
    message: str
    hypergradient: HyperGradient | None = field(default=None, repr=False)
    lower: LowerSolution | None = field(default=None, repr=False)
    n_hvp: int = 0
    n_grad: int = 0

    @property
    def norm(self) -> float:
        """‖ĥ‖₂; NaN where there is no ĥ."""
        return math.nan if self.hypergradient is None else norm2(self.hypergradient.value)

    @property
    def refuted(self) -> bool:
        """Whether the run's own h is certainly, or by all that is known, no gradient of φ."""
        return self.verdict == CheckVerdict.DIFFERS

    def __repr__(self) -> str:
        return f"FinalCheck({self.verdict}, distance={self.distance:.3g}, bound={self.bound:.3g}, {self.certificate})"

    def _repr_html_(self) -> str:
        kind = {CheckVerdict.AGREES: html.GOOD, CheckVerdict.DIFFERS: html.BAD}.get(self.verdict, html.OPEN)
        folded: dict[str, html.Shown | None] = {
            "the certified hyper-gradient": self.hypergradient,
            "lower level": self.lower,
        }
        return html.card(f"{self.verdict}: {self.message}", kind, words=[self.verdict.remedy], folded=folded)

    def __str__(self) -> str:
        return f"check: {self.verdict}: {self.message}"


def final_check(
    problem: Any, x: np.ndarray, y: np.ndarray, v: np.ndarray, h: np.ndarray, *, y0: np.ndarray, tol: float = 0.0
) -> FinalCheck:
    """Check h, formed at x with y and v; nothing that the check raises leaves it, not even Ctrl-C.

    Parameters
    ----------
    problem : BilevelProblem
        The whole problem, not a mini-batch.
    x, y, v, h : ndarray
        x_K, y_K, v_K and h_K.
    y0 : ndarray, shape (n_y,)
        Where the run started: ‖∇_y g(x, y_0)‖ is what the accuracy of the lower level is relative to.
    tol : float
        Of the run.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import problems
    >>> from lancbio_ref.final_check import final_check
    >>> problem, x, zero = problems.quadratic(2, 3, rng=0), np.ones(2), np.zeros(3)
    >>> final_check(problem, x, zero, zero, problem.hypergradient(x), y0=zero).verdict.name
    'AGREES'
    >>> final_check(problem, x, zero, zero, np.zeros(2), y0=zero).verdict.name
    'DIFFERS'
    """
    spent = _Spent()
    try:
        with np.errstate(all="ignore"):
            return _check(problem, x, y, v, h, y0, tol, spent)
    except KeyboardInterrupt:
        return spent.without_answer(CheckVerdict.INTERRUPTED, "the run was finished, its check was not")
    except Exception as error:  # a callable may raise anything, and the run's result matters more
        return spent.without_answer(CheckVerdict.FAILED, f"{type(error).__name__}: {error}")


@dataclass
class _Spent:
    """What a check has got so far."""

    n_hvp: int = 0
    n_grad: int = 0
    lower: LowerSolution | None = None
    found: HyperGradient | None = None

    def without_answer(self, verdict: CheckVerdict, why: str) -> FinalCheck:
        message = f"h was not checked ({why})"
        none = CertificateStatus.NONE
        return FinalCheck(verdict, math.nan, math.inf, none, 0.0, message, None, self.lower, self.n_hvp, self.n_grad)


def _check(
    problem: Any,
    x: np.ndarray,
    y: np.ndarray,
    v: np.ndarray,
    h: np.ndarray,
    y0: np.ndarray,
    tol: float,
    spent: _Spent,
) -> FinalCheck:
    accuracy = max(ACCURACY, 100 * unit_roundoff(x.dtype))
    scale = max(norm2(problem.lower_grad_y(x, y0)), norm2(problem.lower_grad_y(x, y)))
    spent.n_grad += 2
    lower = spent.lower = lower_solution(problem, x, y, tol=accuracy * scale)
    spent.n_hvp, spent.n_grad = spent.n_hvp + lower.n_hvp, spent.n_grad + lower.n_grad
    if not lower.status.success and not lower.grad_norm <= ENOUGH * scale:
        return spent.without_answer(CheckVerdict.FAILED, f"the lower level at the last x: {lower.message}")

    def solve(start: np.ndarray | None) -> HyperGradient:
        spent.n_grad += 1
        inverse: Literal["lanczos", "cg"] = "lanczos" if y.size <= STORED else "cg"
        found = hypergradient(problem, x, lower.y, inverse=inverse, rtol=accuracy, v0=start)
        spent.n_hvp += found.n_hvp
        return found

    found = solve(v)
    if not found.status.success:  # perhaps v was so large that nothing is left of b beside A v
        found = solve(None)
    if not found.status.success:
        why = f"the linear system there: {found.status}; {found.remedy}"
        return spent.without_answer(CheckVerdict.FAILED, why)
    c = problem.upper_grad_x(x, lower.y)
    return _verdict(h, found, norm2(c) + norm2(c - found.value), tol, lower, spent)


def _verdict(
    h: np.ndarray, found: HyperGradient, terms: float, tol: float, lower: LowerSolution, spent: _Spent
) -> FinalCheck:
    distance, own, true = norm2(h - found.value), norm2(h), norm2(found.value)
    bound = (found.error_bound + found.lower_level_bound) * (1 + 2.0**-50)
    certificate = min(found.certificate.error, found.certificate.lower_level)
    tolerance = max(tol, AGREEMENT * max(own, true), smallest_normal(h.dtype))
    slack = bound if math.isfinite(bound) else max(MODEL, 1000 * unit_roundoff(h.dtype)) * terms
    if distance + slack <= tolerance:
        verdict, words = CheckVerdict.AGREES, "h is the gradient of phi"
    elif distance - slack > tolerance:
        verdict, words = CheckVerdict.DIFFERS, "h is not the gradient of phi"
    else:
        verdict, words = CheckVerdict.UNDECIDED, "whether h is the gradient of phi remains open"
    known = f"+- {bound:.2g}, {certificate}" if math.isfinite(bound) else "by solves that have no bounds"
    message = (
        f"checked at the last x, {words}: ||h - grad phi|| = {distance:.3g} ({known}), "
        f"||h|| = {own:.3g}, ||grad phi|| = {true:.3g}"
    )
    return FinalCheck(
        verdict, distance, bound, certificate, tolerance, message, found, lower, spent.n_hvp, spent.n_grad
    )


def checked(status: SolveStatus, message: str, found: FinalCheck | None, tol: float) -> tuple[SolveStatus, str]:
    """Status and message with what the check says; and where there was none, that there was none."""
    if found is None:
        unchecked = status in (SolveStatus.COMPLETED, SolveStatus.CONVERGED)
        return status, message + ("; h was not checked (check=True does)" if unchecked else "")
    message = f"{message}; {found.message}"
    if found.verdict == CheckVerdict.INTERRUPTED:
        return SolveStatus.INTERRUPTED, message
    if found.refuted:
        if status == SolveStatus.CONVERGED:
            status = SolveStatus.NOT_CONVERGED
            message = f"the method's own {message}, which refutes that tol = {tol:.3g} was reached"
        message += f". {found.verdict.remedy[0].upper()}{found.verdict.remedy[1:]}"
    return status, message
