"""A solve that ends as nearly all short ones do: one cycle from zero, whose x is as good as was asked for.

It is the first cycle of `solve`, with nothing around it that such a solve has no use for: one compiled call
(:func:`~lancbio_ref.krylov.steps.take_steps`), whose last product evaluates b − A x, and the extreme eigenvalues of T.
Whatever is not so (another unit, a breakdown that leaves a residual, an indefinite T, a Ritz value below μ, a second
cycle) is not decided here: there is no report then, nothing has been counted, and `solve` begins from the start.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .. import parallel
from ..kernels import JIT
from ..kernels.compiled import NotCompiledError
from ..operators.ready import ready
from ..rounding import norm2, unit_roundoff
from ..status import SolveStatus
from . import steps
from .compiled_cycle import NO_CLUSTERS, NOBODY, THERE, Record
from .report import SolveReport
from .scaling import largest_exponent
from .solve import FULL_UP_TO
from .tridiagonal import extreme_ritz_values

LEAST_RTOL = 2.0**14  # of u: nearer to the floor a solve seldom ends with its first cycle
_spare: list[Record] = []  # records that nobody uses


def straight_solve(
    A: LinearOperator,
    b: np.ndarray,
    *,
    rtol: float,
    maxiter: int,
    norm_A: float,
    mu: float,
    bounds: bool,
    mode: str,
) -> SolveReport | None:
    """The report of ``solve(A, b, …)``, to the bit, or None; A is an operator of this package, none of its products
    counted.

    Arguments are those of :func:`~lancbio_ref.krylov.solve.solve`, `mode` its `reorthogonalization`.
    """
    n, dtype = b.size, b.dtype
    u, moderate, low, high = _limits(dtype)
    if not JIT or n > FULL_UP_TO or mode not in ("selective", "full") or rtol < LEAST_RTOL * u:
        return None
    form, size = ready(A, dtype), norm2(b)
    if form is None or (type(form[0]), dtype) not in THERE:  # whoever waits for a compilation counts one call, not two
        return None
    if parallel.threads() > 1 and max(form[1], n) >= 2 * parallel.GRAIN:
        return None
    tolerance = rtol * size
    if not (tolerance < size and low < size < high and low < norm_A < high):
        return None
    capacity = min(n, maxiter)
    Q, x, r, start = np.empty((capacity + 1, n), dtype), np.empty(n, dtype), b.copy(), np.zeros(n, dtype)
    alpha, beta, ritz = np.zeros(capacity + 1), np.zeros(capacity + 2), Q[:0]
    absolute = np.empty(n if bounds else 0)
    record = _record()
    record.begin(form, b, "full", maxiter, restart=n + 1, moderate=moderate, from_zero=True)
    record.measure(u, tolerance, norm_A, size, size)
    reason = steps.PAUSE
    try:
        while reason == steps.PAUSE:
            norm, formed = steps.take_steps(
                form[0], Q, alpha, beta, ritz, NO_CLUSTERS, NOBODY, start, x, start, b, r, absolute, record.cycle
            )
            reason = record.reason
    except NotCompiledError:
        return None
    k, scale = record.k, record.scale
    _spare.append(record)
    if reason != steps.DONE or not 0 <= norm <= tolerance:
        return None
    alpha, beta = alpha[:k].copy(), beta[1 : k + 1].copy()
    ends = lowest, highest = extreme_ritz_values(alpha, beta)
    if not mu <= lowest:
        return None
    return SolveReport(
        x,
        SolveStatus.CONVERGED,
        r,
        iterations=k,
        n_products=k + 1,
        alpha=alpha,
        beta=beta,
        start_norm=size,
        ritz_values=ends,
        norm_A=scale,
        condition_estimate=highest / lowest if 0 < lowest < math.inf else math.inf,
        residual_norms=[size, norm],
        absolute=absolute if formed else None,
    )


@cache
def _limits(dtype: np.dtype) -> tuple[float, int, float, float]:
    """u, the largest exponent of moderate numbers, and between which numbers all are."""
    most = largest_exponent(dtype)
    return unit_roundoff(dtype), most, 2.0**-most, 2.0 ** (most - 1)


def _record() -> Record:
    """One that nobody else has, whatever threads and signals do."""
    try:
        return _spare.pop()
    except IndexError:
        return Record()
