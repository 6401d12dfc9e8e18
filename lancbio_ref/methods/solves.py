"""The two solves of a method that asks for accuracies in place of numbers of steps: HOAG and MAID.

Both papers leave the solvers open. Here they are those of the whole package, so that what is compared is what the
methods ask of them: Newton–Krylov for ∇_y g(x, y) = 0 (:mod:`lancbio_ref.inverse.lower_level`) and Lanczos for A v = b
(:mod:`lancbio_ref.inverse.scaled`), each started from what was there before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, EvaluationError, LancbioError
from ..krylov import SolveReport
from ..krylov.equilibration import scaled_solve
from ..lower_level import LowerSolution, lower_solution
from ..minibatch import Minibatched
from ..status import SolveStatus

if TYPE_CHECKING:
    from ..linearization import Linearization
    from ..problem import BilevelProblem

GRADIENTS, PRODUCTS = "lower.grad_y", "lower.hessian(x, y) @ v"  # in `BilevelProblem.calls`
REFUSALS = (LancbioError, ArithmeticError, ValueError)  # what an x that is too far away is answered with


def require_deterministic(method: str, problem: BilevelProblem) -> None:
    """Refuse mini-batches: a line search compares values of one φ, and a solve to an accuracy has one A."""
    if isinstance(problem, Minibatched):
        raise ArgumentError("batch_size", "mini-batches", f"None: {method} solves to an accuracy, and compares values")


def solve_lower(problem: BilevelProblem, counted: Any, x: np.ndarray, y: np.ndarray, tol: float) -> LowerSolution:
    """‖∇_y g(x, y)‖ ≤ tol from `y`, its gradients and products added to those of the state `counted`.

    Raises
    ------
    EvaluationError
        The lower level has negative curvature. One that is only not solved as well as asked is returned: its
        ``grad_norm`` says how well.
    """
    before = dict(problem.calls)
    try:
        found = lower_solution(problem, x, y, tol=tol)
    finally:  # what a refused x has cost counts too
        counted.n_grad += problem.calls.get(GRADIENTS, 0) - before.get(GRADIENTS, 0)
        counted.n_hvp += problem.calls.get(PRODUCTS, 0) - before.get(PRODUCTS, 0)
    if found.status == SolveStatus.INDEFINITE:
        raise EvaluationError("lower level", found)
    return found


def solve_linear(point: Linearization, counted: Any, v: np.ndarray, tol: float) -> SolveReport:
    """‖b − A v‖ ≤ tol from `v`, its products added to those of the state `counted`.

    Raises
    ------
    EvaluationError
        A has negative curvature.
    """
    found = scaled_solve(point.A, point.b, v.astype(point.dtype, copy=False), tolerance=tol, maxiter=10 * v.size)
    counted.n_hvp += found.n_products
    if found.status == SolveStatus.INDEFINITE:
        raise EvaluationError("linear system A v = b", found)
    return found
