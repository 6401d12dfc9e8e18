"""Lanczos solves of badly scaled systems: of D^−½ A D^−½, D = diag(|A|(1, …, 1)ᵀ), with refinement.

One penalty exp(x_j) a feature lets the rows of A differ by hundreds of orders of magnitude. In the 2-norm such an A
looks singular to working precision, and is only badly written down.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..operators import structure_of
from ..operators.proofs import rayleigh_quotient
from ..rounding import norm2, unit_roundoff
from ..status import SolveStatus
from .report import SolveReport
from .residual import Residual, evaluate, is_tiny
from .solve import solve

SKEW = 100.0  # rows that differ in size by less are left alone: scaling them would save little


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
    if sizes is None or not b.any():
        return solve(A, b, x0, tolerance=tolerance, maxiter=maxiter)
    root = np.sqrt(sizes)

    def product(v: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            return A.matvec(v.ravel() / root) / root

    scaled = LinearOperator(A.shape, product, dtype=A.dtype)
    report = SolveReport(np.zeros_like(b), SolveStatus.NOT_CONVERGED, b.copy(), norm_A=float(sizes.max()))
    if x0 is not None and x0.any():
        report.x, report.residual, report.n_products = x0.copy(), b - A.matvec(x0), 1
    norm = norm2(report.residual)
    report.residual_norms.append(norm)
    while norm > tolerance and report.iterations < maxiter:
        with np.errstate(over="ignore"):
            right = report.residual / root
        if not (np.isfinite(right).all() and right.any()):
            break
        asked = max(0.1 * tolerance / norm, 4 * unit_roundoff(b.dtype)) * norm2(right)
        found = solve(scaled, right, tolerance=asked, maxiter=maxiter - report.iterations)
        report.iterations += found.iterations
        report.n_products += found.n_products
        report.widen(*found.ritz_values)
        if found.direction is not None and _refutes(A, found.direction / root, report):
            return report
        with np.errstate(over="ignore", invalid="ignore"):
            new = replace(report, x=report.x + found.x / root)
        if not np.isfinite(new.x).all():
            break
        new.residual = b - A.matvec(new.x)
        new.n_products += 1
        _sweep(A, b, sizes, new)
        previous, new_norm = norm, norm2(new.residual)
        report.n_products = new.n_products
        if new_norm < norm:
            report.x, report.residual, norm = new.x, new.residual, new_norm
            report.residual_norms.append(norm)
        if not new_norm < 0.5 * previous:
            break
    judged = evaluate(A, report.x, b) if is_tiny(b) else Residual.of(report.residual, b)
    report.residual = judged.vector
    if judged.meets(0.0, tolerance):
        report.status = SolveStatus.CONVERGED
    elif report.iterations < maxiter:
        explained = norm <= rounding_of(A, report.x, report.norm_A, norm2(b))
        report.status = SolveStatus.FLOOR if explained else SolveStatus.STALLED
    return report


def _refutes(A: Any, z: np.ndarray, report: SolveReport) -> bool:
    """INDEFINITE if zᵀA z, which was verified for D^½ z, is negative for z as it was rounded too."""
    z = z / norm2(z)
    with np.errstate(over="ignore", invalid="ignore"):
        curvature, error = rayleigh_quotient(A, z, report.norm_A)
    report.n_products += 1
    if not curvature + error < 0:
        return False
    report.status, report.direction, report.curvature = SolveStatus.INDEFINITE, z, curvature
    return True


@np.errstate(under="ignore")
def _sweep(A: Any, b: np.ndarray, sizes: np.ndarray, report: SolveReport) -> None:
    """x ← x + D⁻¹(b − A x) while that halves the residual."""
    norm = norm2(report.residual)
    while norm > 0:
        with np.errstate(over="ignore", invalid="ignore"):
            x = report.x + report.residual / sizes
        if not np.isfinite(x).all():
            return
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
