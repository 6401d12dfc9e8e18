"""The lower level y*(x) = argmin_y g(x, y) by Newton–Krylov: Newton's method, each step a Lanczos solve.

    A(x, y) d = −∇_y g(x, y)  to the relative residual min(0.1, √‖∇_y g‖/√‖∇_y g(x, y_0)‖),   y ← y + t d

t is halved from 1 until ‖∇_y g‖ falls: d is a descent direction of ½‖∇_y g‖², for its derivative along d is −‖∇_y g‖²
(inexact Newton: S. C. Eisenstat and H. F. Walker, SIAM J. Sci. Comput. 17, 1996). No value of g is needed. When g(x, ·)
is μ-strongly convex the answer certifies itself: ‖y − y*‖ ≤ ‖∇_y g‖/μ.

Where the rows of A differ much in size, as with one penalty exp(x_j) a feature, the Lanczos solves are scaled
(:func:`scaled_solve`): in the 2-norm of A such a system looks singular, and it is only badly written down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..arguments import as_integer, as_number, as_problem, as_vector
from ..errors import ArgumentError
from ..krylov import SolveReport, solve
from ..operators import structure_of
from ..rounding import norm2, unit_roundoff
from ..status import CertificateStatus, SolveStatus

SKEW = 100.0  # rows that differ in size by less are left alone: scaling them would save little
DIGITS = 1e-6  # what a singular system must have been solved to before rounding is an excuse
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
        ‖∇_y g‖/μ ≥ ‖y − y*‖₂ for the gradient in hand; inf where μ is unknown.
    certificate : CertificateStatus
        ``given`` for a caller's or the structure's μ (the rounding inside ∇_y g is not proven), ``none`` without.
    status : SolveStatus
        FLOOR where ‖∇_y g‖ is what rounding alone may leave of it. Of y that says only what `error_bound` says: with a
        tiny μ, nothing.
    message : str
    n_iter, n_hvp, n_grad : int
        Newton steps, Hessian products, gradients ∇_y g.
    direction : ndarray or None
        With INDEFINITE: a verified direction of negative curvature.
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


def lower_solution(problem: Any, x: Any, y0: Any = None, *, tol: float, maxiter: int = 100) -> LowerSolution:
    """Solve the lower level at x to ‖∇_y g(x, y)‖₂ ≤ tol.

    Parameters
    ----------
    problem : BilevelProblem
    x : array_like, shape (n_x,)
    y0 : array_like, shape (n_y,), optional
        Start; zero where the problem says its `n_y`.
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
        y0 = np.zeros(problem.n_y, dtype=x.dtype)
    y = as_vector("y0", y0, getattr(problem, "n_y", None)).copy()
    gradient = problem.lower_grad_y(x, y)
    norm = start = norm2(gradient)
    n_grad, n_hvp, n_iter = 1, 0, 0
    status, direction = SolveStatus.NOT_CONVERGED, None
    while norm > tol and n_iter < maxiter:
        A = problem.hessian(x, y)
        forcing = max(min(0.1, math.sqrt(norm / start)), 0.1 * tol / norm, 4 * unit_roundoff(y.dtype))
        report = scaled_solve(A, -gradient, tolerance=forcing * norm, maxiter=10 * y.size)
        n_hvp += report.n_products
        n_iter += 1
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
    mu = problem.lower_bound("mu", x, y)
    remedy = REMEDIES.get(status, status.remedy)
    reached = f"||grad_y g|| = {norm:.3g} after {n_iter} Newton steps, {n_hvp} Hessian products (tol = {tol:.3g})"
    return LowerSolution(
        y,
        norm,
        math.inf if mu is None else norm / mu,
        CertificateStatus.NONE if mu is None else CertificateStatus.GIVEN,
        status,
        f"{status.name}: {reached}" + (f"; {remedy}" if remedy else ""),
        n_iter,
        n_hvp,
        n_grad,
        direction,
    )


def scaled_solve(A: Any, b: np.ndarray, x0: np.ndarray | None = None, *, tolerance: float, maxiter: int) -> SolveReport:
    """``solve``, of D^−½ A D^−½ where the rows of A differ by more than `SKEW` in size; D = diag(d), d = |A|(1, …, 1)ᵀ.

    |2 v_i a_ij v_j| ≤ |a_ij|(v_i² + v_j²) gives vᵀA v ≤ Σ_ij |a_ij| v_i² = vᵀD v for a symmetric A: the scaled spectrum
    ends at 1, and what one large diagonal entry adds to it is one eigenvalue near 1. The scaled norm says little of the
    large rows, which count most in ‖b − A x‖₂: Jacobi sweeps x ← x + D⁻¹(b − A x) follow, as long as they halve
    that. Both together are repeated, as iterative refinement, until ‖b − A x‖₂ ≤ tolerance.

    Parameters
    ----------
    A : CheckedOperator, shape (n, n)
    b, x0 : ndarray, shape (n,)
    tolerance, maxiter
        Of ``solve``; for all its calls together.

    Returns
    -------
    SolveReport
        With Ritz values of the scaled matrix, and with max d ≥ ‖A‖₂ as `norm_A`.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.operators import CheckedOperator, DenseOperator
    >>> A = CheckedOperator(DenseOperator([[1e30, 1.0], [1.0, 3.0]]), "A")
    >>> scaled_solve(A, np.array([1e30, 4.0]), tolerance=1e-12, maxiter=20).x
    array([1., 1.])
    """
    sizes = row_sizes(A)
    if sizes is None:
        return solve(A, b, x0, tolerance=tolerance, maxiter=maxiter)
    root = np.sqrt(sizes)
    scaled = LinearOperator(A.shape, lambda v: A.matvec(v.ravel() / root) / root, dtype=A.dtype)
    report = SolveReport(np.zeros_like(b), SolveStatus.NOT_CONVERGED, b, norm_A=float(sizes.max()))
    if x0 is not None and x0.any():
        report.x, report.residual, report.n_products = x0, b - A.matvec(x0), 1
    norm = norm2(report.residual)
    report.corrections.append(norm)
    while norm > tolerance and report.iterations < maxiter:
        right = report.residual / root
        asked = max(0.1 * tolerance / norm, 4 * unit_roundoff(b.dtype)) * norm2(right)
        found = solve(scaled, right, tolerance=asked, maxiter=maxiter - report.iterations)
        report.iterations += found.iterations
        report.n_products += found.n_products
        low, high = report.ritz_values
        report.ritz_values = min(low, found.ritz_values[0]), max(high, found.ritz_values[1])
        if found.direction is not None:
            z = found.direction / root  # zᵀA z is the curvature that was verified
            report.status, report.direction = found.status, z / norm2(z)
            report.curvature = found.curvature / norm2(z) ** 2
            return report
        new = replace(report, x=report.x + found.x / root)
        new.residual = b - A.matvec(new.x)
        new.n_products += 1
        _sweep(A, b, sizes, new)
        previous, new_norm = norm, norm2(new.residual)
        report.n_products = new.n_products
        if new_norm < norm:
            report.x, report.residual, norm = new.x, new.residual, new_norm
            report.corrections.append(norm)
        if not new_norm < 0.5 * previous:
            break
    if norm <= tolerance:
        report.status = SolveStatus.CONVERGED
    elif report.iterations < maxiter and norm <= rounding_of(A, report.x, report.norm_A, norm2(b)):
        report.status = SolveStatus.FLOOR
    return report


def _sweep(A: Any, b: np.ndarray, sizes: np.ndarray, report: SolveReport) -> None:
    """x ← x + D⁻¹(b − A x) while that halves the residual."""
    norm = norm2(report.residual)
    while norm > 0:
        x = report.x + report.residual / sizes
        residual = b - A.matvec(x)
        report.n_products += 1
        previous, norm = norm, norm2(residual)
        if not norm < previous / 2:
            return
        report.x, report.residual = x, residual


def row_sizes(A: Any) -> np.ndarray | None:
    """d = |A|(1, …, 1)ᵀ where its entries differ by more than `SKEW`; None elsewhere and for a black box."""
    structure = structure_of(A)
    if structure is None:
        return None
    with np.errstate(over="ignore"):
        sizes = structure.abs_product(np.ones(A.shape[0], structure.dtype))
    low, high = float(sizes.min()), float(sizes.max())
    limits = np.finfo(sizes.dtype)
    usable = low > limits.smallest_normal / limits.eps and high < limits.max  # a row of zeros can not be scaled
    return sizes if usable and high / SKEW > low else None


def rounding_of(A: Any, y: np.ndarray, norm_A: float, start: float) -> float:
    """(n + 10) u (min(‖A‖‖y‖, ‖|A||y|‖) + start): what rounding inside A y − b, or ∇_y g, may leave of it."""
    terms, structure = norm_A * norm2(y), structure_of(A)
    if structure is not None:  # of a badly scaled A, ‖A‖‖y‖ is far more than rounding leaves
        with np.errstate(over="ignore"):
            terms = min(terms, norm2(structure.abs_product(np.abs(y))))
    return (y.size + 10) * unit_roundoff(y.dtype) * (terms + start)


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
