"""What a solve, and a few products more, show of A and J: bounds of their norms, and evidence against a claimed μ."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .certificate import ESTIMATED, NONE, NORM_SAFETY
from .errors import ArgumentError
from .formation import Bound
from .krylov import SolveReport, lanczos
from .krylov.tridiagonal import extreme_ritz_values
from .linearization import Linearization
from .operators import CheckedOperator
from .operators.proofs import rayleigh_quotient
from .parallel import dot
from .rounding import norm2


def norm_A_of(linearization: Linearization, report: SolveReport | None = None) -> Bound:
    """An upper bound of ‖A‖, or twice the largest ‖A q‖/‖q‖ that the solve saw."""
    if (norm_A := linearization.smoothness) is not None:
        return Bound.of(norm_A)
    if report is not None and report.norm_A > 0:
        return Bound(NORM_SAFETY * report.norm_A, ESTIMATED)
    if not linearization.b.any():
        return Bound(0.0, ESTIMATED)
    run = lanczos(linearization.A, linearization.b, 20)
    return Bound(NORM_SAFETY * max(map(abs, extreme_ritz_values(run.alpha, run.beta))), ESTIMATED)


def norm_J_of(linearization: Linearization) -> Bound:
    """An upper bound of ‖J‖: given, proven from entries, or estimated by Lanczos on JJᵀ where J has an adjoint."""
    if (norm_J := linearization.cross_norm) is not None:
        return Bound.of(norm_J)
    if (norm := _bound_of_its_own(linearization.J)) is not None:
        return Bound(norm, ESTIMATED)
    J, ones = linearization.J, np.random.default_rng(0).standard_normal(linearization.n_x).astype(linearization.dtype)
    try:
        J.rmatvec(ones)
    except NotImplementedError:
        return Bound(math.inf, NONE)
    gram = LinearOperator((J.shape[0],) * 2, matvec=lambda w: J.matvec(J.rmatvec(w)), dtype=J.dtype)
    try:
        run = lanczos(gram, ones, 12)
    except ArgumentError as error:  # J Jᵀ that is not symmetric
        raise ArgumentError("J", f"J Jᵀ with {error.found}", "an operator whose rmatvec is its adjoint") from None
    return Bound(NORM_SAFETY * math.sqrt(max(extreme_ritz_values(run.alpha, run.beta)[1], 0.0)), ESTIMATED)


def ask_ahead(linearization: Linearization) -> None:
    """Say that ‖J‖ will be asked for after J v, where a framework answers both in one call."""
    ask = getattr(_within(linearization.J), "ask_ahead", None)
    if ask is not None and linearization.cross_norm is None:
        ask()


def _within(operator: LinearOperator) -> LinearOperator:
    while isinstance(operator, CheckedOperator):
        operator = operator.inner
    return operator


def _bound_of_its_own(J: LinearOperator) -> float | None:
    """Of an operator that bounds its norm without a call a product, as those of :mod:`lancbio_ref.adapters` may."""
    bound: Callable[[], float] | None = getattr(_within(J), "norm_bound", None)
    norm = math.nan if bound is None else bound()
    return norm if math.isfinite(norm) else None  # where it is not, the products say why


def smallest_ritz_value(linearization: Linearization, report: SolveReport) -> float:
    """The solve's, or that of a Krylov space of b: an upper bound of λ_min."""
    if linearization.M is None and math.isfinite(report.ritz_values[0]):
        return report.ritz_values[0]
    start = linearization.b if linearization.b.any() else np.ones_like(linearization.b)
    run = lanczos(linearization.A, start, 30)
    return extreme_ritz_values(run.alpha, run.beta)[0]


def refutation(linearization: Linearization, report: SolveReport, mu: float, norm_A: float) -> np.ndarray | None:
    """A unit vector whose Rayleigh quotient, rounding added, lies below mu; None if none was found."""
    candidates = [] if report.suspect is None else [report.suspect]
    if size := norm2(report.v):
        power = 1.0 if 1e-100 < size < 1e100 else size  # vᵀAv < μ‖v‖², as it stands where that is far from both ends
        v, Av = report.v, linearization.b - report.residual
        quotient = dot(v, Av) if power == 1.0 else dot(v / power, Av / power)
        if quotient < mu * (size / power) * (size / power):
            candidates.append(report.v / size)
    for z in candidates:
        z = z / norm2(z)
        quotient, error = rayleigh_quotient(linearization.A, z, norm_A)
        if quotient + error < mu:
            return z
    return None
