"""One point (x, y) → the hyper-gradient h = c − J v, A v = b, with a proof of how wrong it may be."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from .arguments import (
    Reorthogonalization,
    as_integer,
    as_number,
    as_problem,
    as_type,
    as_vector,
    common_type,
    start_y,
)
from .certificate import (
    CERTIFIED,
    ESTIMATED,
    NONE,
    NORM_SAFETY,
    Certificate,
    absolute_beside,
)
from .compiled_certificate import compiled_bounds, is_there, judged, numbers_of
from .errors import ArgumentError, LancbioError, RepresentationError
from .evidence import ask_ahead, norm_A_of, norm_J_of, refutation, smallest_ritz_value
from .formation import Bound
from .hypergradient_bounds import bounds_of
from .hypergradient_result import HyperGradient
from .inverse.strategies import FAR, LanczosInverse, Strategy, solved, strategy_of
from .kernels import BLOCK
from .krylov.straight import straight_solve
from .linearization import Known, Linearization
from .lower_level import LowerSolution, lower_solution
from .operators import CheckedOperator
from .operators.noise import coarse_noise
from .operators.proofs import largest_certified_mu
from .problem import OF_A_POINT
from .rounding import Proven, is_finite, norm2, unit_roundoff
from .status import SolveStatus

if TYPE_CHECKING:
    from .problem import BilevelProblem


class HyperGradientOptions(TypedDict, total=False):
    """How A v = b is solved and which μ is believed, as in :func:`hypergradient`."""

    inverse: Literal["lanczos", "exact", "cg", "neumann"] | Strategy
    rtol: float
    maxiter: int | None
    mu: float | Literal["certify", "estimate"] | None
    v0: npt.ArrayLike | None
    reorthogonalization: Reorthogonalization | None


@np.errstate(under="ignore")
def hypergradient(
    problem: BilevelProblem,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    lower_tol: float | None = None,
    inverse: Literal["lanczos", "exact", "cg", "neumann"] | Strategy = "lanczos",
    rtol: float = 1e-10,
    maxiter: int | None = None,
    mu: float | Literal["certify", "estimate"] | None = None,
    v0: npt.ArrayLike | None = None,
    reorthogonalization: Reorthogonalization | None = None,
) -> HyperGradient:
    """The hyper-gradient ∇φ(x) = ∇_x f − ∇²_xy g [∇²_yy g]⁻¹ ∇_y f at (x, y), certified.

    Parameters
    ----------
    problem : BilevelProblem
    x : array_like, shape (n_x,)
    y : array_like, shape (n_y,), optional
        y ≈ y*(x). Without it the lower level is solved first (:func:`lower_solution`).
    inverse : {"lanczos", "exact", "cg", "neumann"} or callable
        How A v = b is solved; a callable takes ``(linearization, v0, *, rtol, maxiter)`` and returns ``(v, status)``.
        ``"exact"`` is LAPACK's, and its last digits depend on the number of BLAS threads.
    rtol : float
        Asked of ‖b − A v‖₂/‖b‖₂, evaluated. 0 goes to the attainable floor and says FLOOR, which is a success.
    maxiter : int, optional
        10 n_y by default.
    mu : float, "certify" or "estimate", optional
        A modulus to use instead of the problem's: a number (of strong convexity over all y); ``"certify"``, Rump's test
        on the dense Hessian at this point; ``"estimate"``, half of the smallest Ritz value, which may be far above
        λ_min where b hides that from the Krylov space: bounds with it may be far too small, and say ``estimated``. A
        number is doubted: a Rayleigh quotient below it refutes it.
    v0 : array_like, shape (n_y,), optional
        Warm start; zero by default.
    reorthogonalization : str, optional
        For ``inverse="lanczos"``: ``"selective"`` (the default; ``"full"`` where n_y ≤ 2048), ``"full"``,
        ``"partial"``, ``"local"`` or ``"none"``.
    lower_tol : float, optional
        ‖∇_y g‖ asked of the lower level where y is not given; 1e-10 max(1, ‖∇_y g(x, y_0)‖) by default, y_0 being
        where y starts: zeros, but for a problem that was made with a start.

    Returns
    -------
    HyperGradient

    Raises
    ------
    ArgumentError
        Arguments that cannot be used, with the name, the value found and the one expected.
    CallableError
        A callable or product that returned NaN, infinity or a wrong shape, with the number of the call.
    RepresentationError
        A solution outside of the floating-point range.

    References
    ----------
    S. Ghadimi and M. Wang, "Approximation methods for bilevel programming" (2018), for the formula.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import hypergradient, problems
    >>> problem = problems.quadratic(2, 5, rng=0)
    >>> x = np.array([1.0, -1.0])
    >>> found = hypergradient(problem, x, problem.solution(x))
    >>> bool(np.linalg.norm(found.value - problem.hypergradient(x)) <= found.error_bound + found.lower_level_bound)
    True
    """
    as_problem(problem)
    x = as_vector("x", x, getattr(problem, "n_x", None))
    dtype = getattr(problem, "dtype", None)
    x = x if dtype is x.dtype else x.astype(common_type(dtype, x), copy=False)
    lower_tol = None if lower_tol is None else as_number("lower_tol", lower_tol, least=0.0)
    lower = None
    if y is None:
        if lower_tol is None:
            start = start_y(problem, x.dtype) if getattr(problem, "n_y", None) else None
            size = 1.0 if start is None else max(1.0, norm2(problem.lower_grad_y(x, start)))
            lower_tol = max(1e-10, 100 * unit_roundoff(x.dtype)) * min(size, 1e308)  # what overflows is told below
        lower = lower_solution(problem, x, tol=lower_tol)
        y = lower.y
    y = as_vector("y", y, getattr(problem, "n_y", None))
    if inverse == "lanczos" and mu is None and v0 is None and lower is None:
        found = _ready_hypergradient(problem, x, y, rtol, maxiter, reorthogonalization or "selective")
        if found is not None:
            return found
    return hypergradient_of(
        linearization_at(problem, x, y),
        inverse=inverse,
        rtol=rtol,
        maxiter=maxiter,
        mu=mu,
        v0=v0,
        reorthogonalization=reorthogonalization,
        lower=lower,
    )


def _ready_hypergradient(
    problem: BilevelProblem,
    x: np.ndarray,
    y: np.ndarray,
    rtol: float,
    maxiter: int | None,
    mode: Reorthogonalization,
) -> HyperGradient | None:
    """That of `hypergradient_of`, to the bit, at a ready point; None where more than the formulas is called for."""
    rtol = as_number("rtol", rtol, least=0.0)
    if (
        not is_there(y.dtype)  # else the solve would be made twice; what follows here compiles or loads it
        or getattr(problem, "_lends", True)
        or not problem.__dict__.keys().isdisjoint(OF_A_POINT)
        or max(x.size, y.size) > BLOCK  # what comes of it would be Python's: no point is formed twice
    ):
        return None
    if (at := problem.ready_point(x, y)) is None:
        return None
    maxiter = 10 * at.b.size if maxiter is None else as_integer("maxiter", maxiter, least=1)
    norms = at.A.absolute_norm()
    far = rtol >= FAR and norms is not None
    known: _System = dict(rtol=rtol, maxiter=maxiter, norm_A=at.norm_A, mu=at.mu)
    report = straight_solve(at.A, at.b, **known, bounds=not far, mode=mode)
    made = 0 if report is None else report.n_products
    if report is None:
        A = CheckedOperator(at.A, "lower.hessian(x, y)", problem.calls.copy())
        try:
            report = LanczosInverse(mode).of(A, at.b, **known)
        except LancbioError:  # the counts in it are those of a linearization
            return None
        made = A.products
    Jv = at.J._matvec(report.x)
    h = at.c - Jv
    if (
        report.status == SolveStatus.INDEFINITE
        or report.suspect is not None
        or not (report.alpha.size and is_finite(h))
    ):
        return None
    k, absolute = at.lipschitz, absolute_beside(at.A, norms, report.x, report.residual, report.absolute)
    of_J = np.abs(Jv) if at.J.is_diagonal and Jv.dtype.char == "d" else at.J.abs_product(np.abs(report.x))
    numbers = numbers_of(
        *(at.A, at.J, at.b, h, report, absolute, of_J, float(at.mu), float(at.norm_J)),
        *((float(k.fx), float(k.fy), float(k.gxy), float(k.gyy)), at.gradient, tuple(map(float, at.errors))),
    )
    if numbers is None:
        return None
    at.count(problem.calls, made)
    rho, rounding, error, lower_level, estimate = judged(numbers, CERTIFIED, CERTIFIED)
    mu, norm_J = Bound(float(at.mu), CERTIFIED), Bound(float(at.norm_J), CERTIFIED)
    certificate = Certificate(error.status, lower_level.status, mu, norm_J, rho, rounding)
    return HyperGradient(h, report, error.value, lower_level.value, estimate, certificate, made)


class _System(TypedDict):
    """A v = b: what every way to solve it is told."""

    rtol: float
    maxiter: int
    norm_A: Proven
    mu: Proven


def linearization_at(problem: BilevelProblem, x: np.ndarray, y: np.ndarray) -> Linearization:
    """``problem.linearize`` at (x, y) in one type, with what an override of it may have left out."""
    dtype = common_type(getattr(problem, "dtype", None), x, y)
    x, y = x.astype(dtype, copy=False), y.astype(dtype, copy=False)
    point, missing = problem.linearize(x, y), Known()
    if point.at is None:
        missing["at"] = x, y
    if point.lipschitz is None and (constants := getattr(problem, "lipschitz", None)) is not None:
        missing["lipschitz"] = constants  # an overridden linearize may give constants that hold at this x alone
    return point.replaced(**missing) if missing else point


@np.errstate(under="ignore")
def hypergradient_of(
    linearization: Linearization,
    *,
    lower: LowerSolution | None = None,
    inverse: Literal["lanczos", "exact", "cg", "neumann"] | Strategy = "lanczos",
    rtol: float = 1e-10,
    maxiter: int | None = None,
    mu: float | Literal["certify", "estimate"] | None = None,
    v0: npt.ArrayLike | None = None,
    reorthogonalization: Reorthogonalization | None = None,
) -> HyperGradient:
    """`hypergradient` for a linearization; `lower` is the solve that gave its y, if there was one."""
    rtol = as_number("rtol", rtol, least=0.0)
    b, c, A, J = linearization.b, linearization.c, linearization.A, linearization.J
    maxiter = 10 * b.size if maxiter is None else as_integer("maxiter", maxiter, least=1)
    strategy = strategy_of(inverse, reorthogonalization)
    linearization, modulus, pointwise = _modulus(linearization, mu)
    v0 = None if v0 is None else as_type("v0", as_vector("v0", v0, b.size), b.dtype)

    before = A.products
    report = solved(strategy, linearization, v0, rtol, maxiter)
    v = report.v
    norm_A = norm_A_of(linearization, report)

    if mu == "estimate":
        low = smallest_ritz_value(linearization, report)
        modulus = Bound(low / NORM_SAFETY, ESTIMATED) if low > 0 else Bound(0.0, NONE)
    if report.status == SolveStatus.INDEFINITE:
        modulus = Bound(0.0, NONE)

    ask_ahead(linearization)
    with np.errstate(over="ignore"):
        value = c - J.matvec(v)
    if not is_finite(value):
        raise RepresentationError(f"c - J v overflows {value.dtype}: rescale the upper level")
    norm_J = norm_J_of(linearization)
    bounds = None if pointwise else compiled_bounds(linearization, report, modulus, norm_J, value)
    if bounds is None:
        if modulus.status != NONE and (z := refutation(linearization, report, modulus.value, norm_A.value)) is not None:
            report, modulus = replace(report, status=SolveStatus.MU_REFUTED, direction=z), Bound(0.0, NONE)
        bounds = bounds_of(linearization, report, modulus, norm_A, norm_J, value, pointwise)
    error, lower_level, estimate = bounds.error, bounds.lower_level, bounds.estimate
    noise = coarse_noise(A, b) if report.status in (SolveStatus.NOT_CONVERGED, SolveStatus.STALLED) else 0.0
    if lower is not None and not lower.status.success:  # y is not y*(x) to any accuracy that was asked for
        noise = lower.noise
        error = lower_level = Bound(math.inf, NONE)
        estimate = math.inf
    return HyperGradient(
        value,
        report,
        error.value,
        lower_level.value,
        estimate,
        Certificate(error.status, lower_level.status, modulus, norm_J, bounds.rho, bounds.rounding),
        A.products - before + (lower.n_hvp if lower else 0),
        lower,
        noise,
    )


def _modulus(linearization: Linearization, mu: float | str | None) -> tuple[Linearization, Bound, bool]:
    """The linearization with the μ to use, that μ with its status, and whether it holds at this y alone."""
    if mu is None:
        return linearization, Bound.of(linearization.mu, absent=0.0), False
    if isinstance(mu, str):
        if mu not in ("certify", "estimate"):
            raise ArgumentError("mu", repr(mu), "a positive number, 'certify' or 'estimate'")
        proven = largest_certified_mu(linearization.A) if mu == "certify" else None
        return linearization.replaced(mu=None), Bound.of(proven, absent=0.0), True
    mu = as_number("mu", mu, above=0.0)
    return linearization.replaced(mu=mu), Bound.of(mu), False
