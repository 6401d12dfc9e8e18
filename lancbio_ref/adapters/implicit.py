"""The backward pass of y*(x): one symmetric solve, whose failure is never silent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import EvaluationError
from ..krylov.report import SolveReport
from ..krylov.solve import solve
from ..operators import CheckedOperator
from ..operators.vectors import VectorOperator
from ..status import SolveStatus


class SymmetricProduct(VectorOperator):
    """A symmetric A that is known by v → A v."""

    def __init__(self, product: Callable[[np.ndarray], np.ndarray], n: int, dtype: np.dtype) -> None:
        super().__init__(dtype, (n, n))
        self._of = product

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._of(v)

    _rmatvec = _matvec


def solve_adjoint(
    product: Callable[[np.ndarray], np.ndarray],
    b: np.ndarray,
    last: dict[str, np.ndarray],
    *,
    rtol: float,
    maxiter: int | None,
) -> np.ndarray:
    """v with ‖b − A v‖ ≤ rtol‖b‖, the residual evaluated.

    Parameters
    ----------
    product : callable (ndarray) → ndarray
        v → A v.
    b : ndarray, shape (n,)
    last : dict
        ``last["v"]``, where it fits, is the start; it is replaced by the answer.
    rtol : float
    maxiter : int or None
        10 n where it is None.

    Raises
    ------
    EvaluationError
        The solve ended before; ``status`` and ``report`` say why.
    """
    if not b.any():
        return np.zeros_like(b)
    start = last.get("v")
    fits = start is not None and start.shape == b.shape and start.dtype == b.dtype
    A = CheckedOperator(SymmetricProduct(product, b.size, b.dtype), "implicit: A")
    report: SolveReport = solve(
        A, b, start if fits else None, tolerance=0.0, rtol=rtol, maxiter=10 * b.size if maxiter is None else maxiter
    )
    if report.status != SolveStatus.CONVERGED:
        raise EvaluationError("the backward pass of y*(x)", report)
    last["v"] = report.x
    return report.x
