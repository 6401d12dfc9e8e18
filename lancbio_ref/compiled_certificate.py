"""The numbers of a hyper-gradient's certificate in one compiled call, for short vectors of which everything is proven.

`bounds` is made of the very functions that :mod:`lancbio_ref.hypergradient_bounds` calls one after the other where this
does not do, in the same order: the same bits (tested). It does not where A or J is a black box, where a vector is
longer than a block, where a number is so near an end of the range that its square has to be formed in other units, and
where a μ may be refuted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import certificate, kernels, rounding
from .certificate import CERTIFIED, NONE, error_value, lower_level_value
from .formation import Bound
from .hypergradient_bounds import Bounds
from .kernels import BLOCK, JIT, compiled
from .kernels.compiled import NotCompiledError
from .krylov import SolveReport, recurrences
from .linearization import Linearization
from .operators import structure_of
from .operators.base import StructuredOperator
from .rounding import SAFE_SQUARES, U, gamma, smallest_subnormal, unit_roundoff
from .status import CertificateStatus

if TYPE_CHECKING:
    from .problem import LipschitzConstants

LOW, HIGH = SAFE_SQUARES
_there: set[tuple[Any, np.dtype]] = set()  # what has been compiled or loaded stays; to look takes as long as `bounds`
OUTSIDE = (False, 0.0, 0.0, 0.0, 0.0, 0.0)
_with = (certificate, rounding, recurrences, kernels.vectors)
_compiled = compiled(patient=True, nogil=True, error_model="numpy", sources=[str(module.__file__) for module in _with])


class Product(NamedTuple):
    """How a product with an operator rounds: the factor of |A||v|, and what may underflow in it."""

    factor: float
    underflow: float

    @classmethod
    def with_(cls, operator: StructuredOperator, v: np.ndarray, size: int) -> Product:
        underflow = operator.terms * math.sqrt(size) * smallest_subnormal(v.dtype)
        return cls(operator.product_factor(v.dtype), underflow)


def is_there(dtype: np.dtype) -> bool:
    """Whether this process has `bounds` for vectors of this type, compiled or from the disk."""
    asked = bounds, dtype
    found = asked in _there
    if not found and JIT:
        found = any(types[0].dtype.name == dtype.name for types in bounds.signatures)  # type: ignore[attr-defined]
        if found:
            _there.add(asked)
    return found


def compiled_bounds(
    linearization: Linearization, report: SolveReport, modulus: Bound, norm_J: Bound, h: np.ndarray
) -> Bounds | None:
    """The bounds of h with this μ of all y, where compiled code can form them; else None."""
    A, J = structure_of(linearization.A), structure_of(linearization.J)
    if not JIT or A is None or J is None or modulus.status == NONE or norm_J.status == NONE:
        return None
    if linearization.M is not None or report.suspect is not None or report.alpha.size == 0:
        return None
    constants = linearization.lipschitz
    gradient = None if constants is None else linearization.grad_y
    errors: tuple[Bound, ...] | None = ()
    if gradient is None:
        constants, gradient = None, linearization.b
    else:
        errors = linearization.formation.known()
    if errors is None:
        return None
    return bounds_of(A, J, linearization.b, h, report, modulus, norm_J, constants, gradient, errors)


def bounds_of(
    A: StructuredOperator,
    J: StructuredOperator,
    b: np.ndarray,
    h: np.ndarray,
    report: SolveReport,
    modulus: Bound,
    norm_J: Bound,
    constants: LipschitzConstants | None,
    gradient: np.ndarray,
    errors: tuple[Bound, ...],
) -> Bounds | None:
    """The same of the parts; without `constants` there is no bound of the lower level, and no need of `errors`."""
    vectors = report.x, b, report.residual, h, gradient, report.alpha, report.beta
    alike = all(a.dtype == b.dtype for a in vectors[:5])
    if not (alike and all(a.flags.carray and 0 < a.size <= BLOCK for a in vectors)):
        return None
    lipschitz: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    of_all, status = (0.0, *lipschitz), NONE
    if constants is not None:
        known = [Bound.of(getattr(constants, name)) for name in ("fx", "fy", "gxy", "gyy")]
        status = min(bound.status for bound in (modulus, norm_J, *known, *errors))
        lipschitz, of_all = tuple(c.value for c in known), tuple(error.value for error in errors)
    absolute = certificate.absolute_product(A, report.x, report.residual, report.absolute)
    of_J = J.abs_product(np.abs(report.x))
    numbers = numbers_of(A, J, b, h, report, absolute, of_J, modulus.value, norm_J.value, lipschitz, gradient, of_all)
    return None if numbers is None else judged(numbers, min(modulus.status, norm_J.status), status)


def judged(
    numbers: tuple[float, float, float, float, float], of_error: CertificateStatus, of_level: CertificateStatus
) -> Bounds:
    """The numbers with the statuses of what they rest on, ρ being proven; absent where infinite."""
    rho, rounding, error, lower_level, estimate = numbers
    return Bounds(
        Bound(rho, CERTIFIED),
        rounding,
        Bound(error, of_error) if error < math.inf else Bound(math.inf, NONE),
        Bound(lower_level, of_level) if of_level != NONE and lower_level < math.inf else Bound(math.inf, NONE),
        estimate,
    )


def numbers_of(
    A: StructuredOperator,
    J: StructuredOperator,
    b: np.ndarray,
    h: np.ndarray,
    report: SolveReport,
    absolute: np.ndarray,
    absolute_of_J: np.ndarray,
    mu: float,
    norm_J: float,
    lipschitz: tuple[float, ...],
    gradient: np.ndarray,
    errors: tuple[float, ...],
) -> tuple[float, float, float, float, float] | None:
    """ρ, the rounding in it, the two bounds and the estimate, of vectors of one type; None where they are Python's.

    `absolute` is what `certificate.absolute_product` has for |A||v|, `absolute_of_J` is |J||v|.
    """
    v = report.x
    try:
        found, *numbers = bounds(
            *(v, b, report.residual, absolute, h, absolute_of_J, gradient, report.alpha, report.beta),
            unit_roundoff(v.dtype),
            Product.with_(A, v, v.size),
            Product.with_(J, h, h.size),
            (mu, norm_J, report.start_norm),
            lipschitz,
            errors[1:],
            errors[0],
        )
    except NotCompiledError:
        return None
    return tuple(numbers) if found else None


@_compiled
def bounds(
    v, b, r, absolute, h, absolute_of_J, gradient, alpha, beta, u, A, J, given, lipschitz, errors, gradient_error
):
    """Whether all could be formed, ρ and the rounding in it, the two bounds and the estimate.

    v, b : n_y, read.   r : n_y, b − A v.   absolute : n_y, |A||v|.   h : n_x, c − J v.   absolute_of_J : n_x, |J||v|.
    gradient : n_y, ∇_y g.   alpha, beta : T of the solve.
    u : unit roundoff.   A, J : how their products round.   given : μ, ‖J‖ and the norm that the solve started from.
    lipschitz : L_fx, L_fy, L_gxy, L_gyy.   errors : ε_A, ε_J, ε_b, ε_c.   gradient_error : ε_g.
    """
    mu, norm_J, start_norm = given
    if not mu > 0:
        return OUTSIDE
    outer, outer_h = 1 + gamma(v.size + 6, U), 1 + gamma(h.size + 6, U)
    both, only, alone = kernels.squares_with_errors(1 + u, r, A.factor, absolute)  # of (1 + u)|r| + E, E and r
    both_h, only_h, alone_h = kernels.squares_with_errors(u, h, J.factor, absolute_of_J)
    v_square, g_square = kernels.short_dot(v, v), kernels.short_dot(gradient, gradient)
    least = min(both, only, alone, both_h, only_h, alone_h, v_square, g_square)
    largest = max(both, only, alone, both_h, only_h, alone_h, v_square, g_square)
    if not (least > LOW and largest < HIGH):
        return OUTSIDE
    v_size, size = math.sqrt(v_square), math.sqrt(alone)

    # vᵀA v < μ‖v‖² would refute μ
    Av = np.empty_like(b)
    for i in range(b.size):
        Av[i] = b[i] - r[i]
    if not (1e-100 < v_size < 1e100) or not kernels.short_dot(v, Av) >= mu * v_size * v_size:
        return OUTSIDE

    rho = outer * math.sqrt(both) + A.underflow
    rounding = outer * math.sqrt(only) + u * size + A.underflow
    eta = outer_h * math.sqrt(both_h) + J.underflow
    error = error_value(mu, norm_J, rho, eta, u)

    total = math.sqrt(g_square) * (1 + gamma(gradient.size + 6, U)) + gradient_error
    gradient_norm = math.nextafter(total, math.inf)
    v_norm = v_size + rho / mu
    lower_level = lower_level_value(mu, norm_J, gradient_norm, v_norm, lipschitz, errors, False)

    # ‖J‖‖e‖_A/√μ with Radau's estimate, unless the recurrence and the evaluation have parted
    estimate = math.inf
    if size > 1000 * rounding:
        k = alpha.size
        coefficients, squares, upper = np.empty(k), np.empty(k + 1), np.empty(k + 1)
        recurrences.cg_coefficients(alpha, beta, start_norm, coefficients, squares)
        if not abs(math.sqrt(squares[k]) - size) > 0.1 * size:
            recurrences.radau_bounds(coefficients, squares, mu, upper)
            estimate = norm_J * upper[k] / math.sqrt(mu)
    return True, rho, rounding, error, lower_level, estimate
