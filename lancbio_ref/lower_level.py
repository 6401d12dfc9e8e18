"""The lower level y*(x) = argmin_y g(x, y) by Newton–Krylov: Newton's method, each step a Lanczos solve.

    A(x, y) d = −∇_y g(x, y)  to the relative residual η,   y ← y + t d
    η = max(min(0.1, √‖∇_y g‖/√‖∇_y g(x, y_0)‖), 0.1 tol/‖∇_y g‖, 4u)                       the forcing term

t is halved from 1 until ‖∇_y g‖ falls: d is a descent direction of ½‖∇_y g‖², for its derivative along d is −‖∇_y g‖²
(inexact Newton: S. C. Eisenstat and H. F. Walker, SIAM J. Sci. Comput. 17, 1996). No value of g is needed. When g(x, ·)
is μ-strongly convex the answer certifies itself: ‖y − y*‖ ≤ ‖∇_y g‖/μ ≤ (‖ĝ‖ + ε)/μ for the gradient ĝ in hand and the
rounding ε inside it.

Where the rows of A differ much in size, as with one penalty exp(x_j) a feature, the Lanczos solves are scaled
(:mod:`lancbio_ref.krylov.equilibration`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import html
from .arguments import as_integer, as_number, as_problem, as_vector, common_type, start_y
from .errors import ArgumentError, RepresentationError
from .formation import Bound, formation_errors
from .krylov import SolveReport
from .krylov.equilibration import rounding_of, scaled_solve
from .operators.noise import coarse_noise, remedy_of
from .rounding import gamma, norm2, scaled_quotient, unit_roundoff
from .status import CertificateStatus, SolveStatus

if TYPE_CHECKING:
    from .problem import BilevelProblem

DIGITS = 1e-6  # what a singular system must have been solved to before rounding is an excuse
REFUTED = (SolveStatus.INDEFINITE, SolveStatus.MU_REFUTED)  # g(x, ·) is not what its μ says
REMEDIES = {  # in the words of `lower_solution`'s own arguments
    SolveStatus.NOT_CONVERGED: "raise maxiter or tol; a start nearer to the solution saves steps",
}


@dataclass(frozen=True)
class LowerSolution:
    """y ≈ y*(x).

    Attributes
    ----------
    y : ndarray, shape (n_y,)
    grad_norm : float
        ‖∇_y g(x, y)‖₂.
    error_bound : float
        (‖ĝ‖ + ε)/μ ≥ ‖y − y*‖₂, ε ≥ ‖ĝ − ∇_y g‖ being the rounding inside the gradient; inf where μ is unknown or the
        solve has refuted it.
    certificate : CertificateStatus
        The weaker of what is known of μ and of ε: ``certified`` for the problems of this package; a black box's ε is a
        model, and the bound ``estimated``; ``none`` without μ.
    status : SolveStatus
        FLOOR where ‖∇_y g‖ is what rounding alone may leave of it. Of y that says only what `error_bound` says: with a
        tiny μ, nothing.
    message : str
    n_iter, n_hvp, n_grad : int
        Newton steps, Hessian products, gradients ∇_y g.
    direction : ndarray or None
        With INDEFINITE: a verified direction of negative curvature.
    noise : float
        With NOT_CONVERGED: the relative rounding of the Hessian products, where it is far above that of the system's
        type and so the likely cause; else 0.
    """

    y: np.ndarray = field(repr=False)
    grad_norm: float
    error_bound: float
    certificate: CertificateStatus
    status: SolveStatus
    message: str
    n_iter: int
    n_hvp: int
    n_grad: int
    direction: np.ndarray | None = field(default=None, repr=False)
    noise: float = 0.0

    @property
    def remedy(self) -> str:
        """What to do about the status, in words; empty where nothing needs doing."""
        return remedy_of(self.noise) if self.noise else REMEDIES.get(self.status, self.status.remedy)

    def __repr__(self) -> str:
        size = f"n_y={self.y.size}, status={self.status}, grad_norm={self.grad_norm:.3g}"
        return f"LowerSolution({size}, error_bound={self.error_bound:.3g}, {self.certificate})"

    def _repr_html_(self) -> str:
        kind = html.GOOD if self.status.success else html.BAD
        facts = {"||y - y*||": self.certificate.of(self.error_bound), "||grad_y g||": f"{self.grad_norm:.3g}"}
        facts["spent"] = f"{self.n_iter} Newton steps, {self.n_hvp} Hessian products, {self.n_grad} gradients"
        return html.card(self.message, kind, facts=facts)


@np.errstate(under="ignore")
def lower_solution(
    problem: BilevelProblem, x: npt.ArrayLike, y0: npt.ArrayLike | None = None, *, tol: float, maxiter: int = 100
) -> LowerSolution:
    """Solve the lower level at x to ‖∇_y g(x, y)‖₂ ≤ tol.

    Parameters
    ----------
    problem : BilevelProblem
    x : array_like, shape (n_x,)
    y0 : array_like, shape (n_y,), optional
        Start; zero where the problem says its `n_y`, or the y0 that it was made with.
    tol : float
        Asked of ‖∇_y g‖₂; 0 goes as far as rounding allows and says FLOOR.
    maxiter : int
        Newton steps.

    Returns
    -------
    LowerSolution

    Raises
    ------
    ArgumentError
        No y0 and no n_y, shapes that do not fit, a negative tol.
    CallableError
        A callable of the problem that returns NaN or infinity, at a trial point too; with the number of the call.
    RepresentationError
        Finite entries of ∇_y g(x, y_0) whose norm is no number.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import lower_solution, problems
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> found = lower_solution(problem, [1.0, 2.0], tol=1e-10)
    >>> bool(np.allclose(found.y, problem.solution(np.array([1.0, 2.0]))))
    True
    """
    as_problem(problem)
    x = as_vector("x", x, getattr(problem, "n_x", None))
    tol = as_number("tol", tol, least=0.0)
    maxiter = as_integer("maxiter", maxiter, least=1)
    if y0 is None:
        if getattr(problem, "n_y", None) is None:
            raise ArgumentError("y0", None, "a start: this problem does not say its n_y")
        y0 = start_y(problem, x.dtype)
    y = as_vector("y0", y0, getattr(problem, "n_y", None))
    dtype = common_type(getattr(problem, "dtype", None), x, y)
    x, y = x.astype(dtype, copy=False), y.astype(dtype)
    gradient = problem.lower_grad_y(x, y)
    norm = start = norm2(gradient)
    if norm == math.inf:
        raise RepresentationError("||grad_y g|| at the start overflows, though its entries do not: rescale the problem")
    n_grad, n_hvp, n_iter, norm_A = 1, 0, 0, 0.0
    status, direction = SolveStatus.NOT_CONVERGED, None
    while norm > tol and n_iter < maxiter:
        A = problem.hessian(x, y)
        forcing = max(min(0.1, math.sqrt(norm / start)), 0.1 * tol / norm, 4 * unit_roundoff(y.dtype))
        report = scaled_solve(A, -gradient, tolerance=forcing * norm, maxiter=10 * y.size)
        n_hvp += report.n_products
        n_iter += 1
        norm_A = max(norm_A, report.norm_A)
        if report.status == SolveStatus.INDEFINITE:
            status, direction = report.status, report.direction
            break
        accepted, t, floor = False, 1.0, 0.0
        while t > 1e-10 and not accepted:
            trial = y + y.dtype.type(t) * report.x
            trial_gradient = problem.lower_grad_y(x, trial)
            trial_norm = norm2(trial_gradient)
            n_grad += 1
            accepted = trial_norm <= (1 - 1e-4 * t) * norm
            if not accepted:
                t /= 2
                if t == 0.5:  # the floor is that of y, whatever t
                    floor, n_products = _floor(A, y, report, start)
                    n_hvp += n_products
                if norm <= floor:
                    break
        if not accepted:
            status = SolveStatus.FLOOR if norm <= floor else SolveStatus.NOT_CONVERGED
            break
        y, gradient, norm = trial, trial_gradient, trial_norm
    if norm <= tol:
        status = SolveStatus.CONVERGED
    error = Bound.of(None)
    if status not in REFUTED:
        error, products = _error_bound(problem, x, y, gradient, start, norm_A)
        n_hvp += products
    noise = 0.0
    if status == SolveStatus.NOT_CONVERGED and n_iter:
        before = A.products
        noise = coarse_noise(A, gradient.astype(y.dtype, copy=False))
        n_hvp += A.products - before
    remedy = remedy_of(noise) if noise else REMEDIES.get(status, status.remedy)
    reached = f"||grad_y g|| = {norm:.3g} after {n_iter} Newton steps, {n_hvp} Hessian products (tol = {tol:.3g})"
    return LowerSolution(
        y,
        norm,
        error.value,
        error.status,
        status,
        f"{status.name}: {reached}" + (f"; {remedy}" if remedy else ""),
        n_iter,
        n_hvp,
        n_grad,
        direction,
        noise,
    )


def _error_bound(
    problem: BilevelProblem, x: np.ndarray, y: np.ndarray, gradient: np.ndarray, start: float, norm_A: float
) -> tuple[Bound, int]:
    """(‖ĝ‖ + ε)/μ ≥ ‖y − y*‖, and the products spent on it.

    The model of a black box takes ∇_y g for a sum of terms of the sizes ‖A‖‖y‖, ‖∇_y g(x, y_0)‖ and, where that is
    known, ‖J‖‖x‖; `norm_A` is the largest ‖A q‖ that the Newton steps saw.
    """
    mu = problem.lower_bound("mu", x, y)
    if mu is None:
        return Bound.of(None), 0
    known, products, size = formation_errors(problem, x, y), 0, 0.0
    if known["grad_y"] is None:
        L, norm_J = problem.lower_bound("smoothness", x, y), problem.lower_bound("cross_norm", x, y)
        if L is None and not norm_A:
            size, products = norm2(problem.hessian(x, y).matvec(y)), 1
        size += (norm_A if L is None else L) * norm2(y) + start + norm2(gradient)
        size += 0.0 if norm_J is None else norm_J * norm2(x)
    u = max(unit_roundoff(y.dtype), unit_roundoff(gradient.dtype))
    error, modulus = known.bound("grad_y", size, x.size + y.size, u), Bound.of(mu)
    total = norm2(gradient) * (1 + gamma(y.size + 6, 2.0**-53)) + error.value
    distance = scaled_quotient(total, 1.0, modulus.value) * (1 + 2.0**-50) if total < math.inf else math.inf
    if distance == math.inf:
        return Bound.of(None), products
    return Bound(math.nextafter(distance, math.inf) if total else 0.0, min(modulus.status, error.status)), products


def _floor(A: Any, y: np.ndarray, report: SolveReport, start: float) -> tuple[float, int]:
    """Where rounding hides all progress of ‖∇_y g‖, and the products spent to know: `rounding_of`.

    Where A, scaled or not, is singular to working precision, y may be huge and excuse everything: then at most
    `DIGITS` (‖A y‖ + ‖∇_y g(x, y_0)‖), a part of the terms that cancel in ∇_y g. A system that has no solution keeps
    far above that.
    """
    floor = rounding_of(A, y, report.norm_A, start)
    if report.condition_estimate * (y.size + 10) * unit_roundoff(y.dtype) > 1:
        return min(floor, DIGITS * (norm2(A.matvec(y)) + start)), 1
    return floor, 0
