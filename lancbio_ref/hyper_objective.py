"""φ(x) = f(x, y*(x)) and ∇φ(x) as one callable, for any optimizer that takes a function and its gradient.

At each x the lower level is solved to ‖∇_y g(x, y)‖ ≤ τ (Newton–Krylov) and A v = b to ‖b − A v‖ ≤ δ (Lanczos), both
started from the last y and v, and both scaled where the rows of A differ much in size (:func:`scaled_solve`),

    ∇φ(x) ≈ h = c − J v                                       first order in y − y*: lower_level_bound + error_bound
    φ(x)  ≈ f(x, y) − vᵀ∇_y g(x, y)                           second order in y − y*

The term −vᵀ∇_y g is the dual-weighted residual (N. A. Pierce and M. B. Giles, SIAM Review 42, 2000; R. Becker and
R. Rannacher, Acta Numerica 10, 2001). It costs no product, for v is at hand, and it is what makes value and gradient
fit: f(x, y) alone is wrong by about vᵀ∇_y g, of the order of h's error, and a line search near a minimum, where φ moves
by ‖∇φ‖² only, would see increases that are not there. With ρ_y ≥ ‖y − y*‖, ρ ≥ ‖b − A v‖ and Lipschitz constants,

    f(x, y*) − f(x, y) = bᵀ(y* − y) + e_1,    |e_1| ≤ ½ L_fy ρ_y²
    0 − ∇_y g(x, y)    = A(y* − y) + e_2,     ‖e_2‖ ≤ ½ L_gyy ρ_y²
    b = A v + r   ⟹   |f(x, y) − vᵀ∇_y g − φ(x)| ≤ ½ ρ_y² (L_fy + L_gyy‖v‖) + ρ ρ_y,

ρ of the exact A and b: that of those in hand and what rounding put between them, ε_b + ε_A‖v‖. What rounding put into f
and ∇_y g adds ε_f + ‖v‖ε_g (:mod:`lancbio_ref.formation`), and the sum vᵀ∇_y g itself γ_{n+2}‖v‖‖∇_y g‖.

τ and δ come from the accuracy asked of h by the bounds' own first-order coefficients,

    error_bound ≈ G_v ‖b − A v‖,         G_v = ‖J‖/μ
    lower_level_bound ≈ G_y ‖∇_y g‖,     G_y = (L_fx + L_gxy‖v‖ + (L_fy + L_gyy‖v‖)‖J‖/μ)/μ

taken from the last evaluation; what the bounds then say is what counts, and they are tightened until they agree.
"""

from __future__ import annotations

import itertools
import math
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .arguments import as_flag, as_integer, as_number, as_vector, common_type, settled
from .certificate import value_bound
from .errors import ArgumentError, DivergenceError, DomainError, EvaluationError, RepresentationError
from .evaluation import Evaluation
from .evidence import norm_A_of
from .formation import Bound
from .hypergradient import hypergradient_of, linearization_at
from .hypergradient_result import HyperGradient
from .inverse.recycled import RecycledSolves
from .inverse.strategies import scaled_inverse
from .linearization import Linearization
from .lower_level import REFUTED, LowerSolution, lower_solution
from .memory import Pages
from .parallel import dot
from .rounding import norm2
from .status import CertificateStatus, SolveStatus

if TYPE_CHECKING:
    from .problem import BilevelProblem

SHARE = 0.25  # of the accuracy, for each of the two parts; the other half is for rounding and higher orders
FALL = 0.2  # of the last gradient: what is expected of the next one; where it falls more, a second round is due
REMEDIES = {  # in the words of HyperObjective's own arguments
    SolveStatus.FLOOR: "as accurate as this floating-point type allows at this x; raise accuracy, or keep x where A is "
    "better conditioned",
    SolveStatus.NOT_CONVERGED: "raise maxiter, newton_maxiter or accuracy; strict=False returns what was reached",
    SolveStatus.STALLED: "keep x where A is better conditioned, or add regularization; strict=False returns what was "
    "reached",
    SolveStatus.INDEFINITE: "keep x where the lower level is strongly convex, or add regularization to it",
    SolveStatus.MU_REFUTED: "give the problem's LowerLevel a smaller mu, or none",
}


class HyperObjective:
    """F(x) → (φ(x), ∇φ(x)) of a bilevel problem, to an accuracy that a certificate guarantees.

    Parameters
    ----------
    problem : BilevelProblem
    y0 : array_like, shape (n_y,), optional
        Where the first lower-level solve starts; zero where the problem says its `n_y`.
    accuracy : float
        Absolute accuracy ε of the gradient, in the 2-norm. 0 goes to the rounding floor, and says FLOOR.
    relative : float
        The schedule: far from a stationary point more is allowed, ‖h − ∇φ(x)‖₂ ≤ max(ε, relative · ‖h‖₂), and it
        tightens as the gradient shrinks. Use 0 with an optimizer that differentiates the gradient by finite differences
        (``Newton-CG`` and the ``trust-…`` methods without a Hessian).
    maxiter : int, optional
        Hessian products in one linear solve; 10 n_y by default.
    newton_maxiter : int
        Newton steps in one lower-level solve.
    strict : bool
        Whether a solve that ends NOT_CONVERGED raises. With False, the value and gradient that it reached are returned,
        with that status in `last`, and counted in `n_missed`; an optimizer sees no difference.
    recycle : bool
        Whether every product A s of every evaluation is kept (:mod:`lancbio_ref.krylov.recycled`) and both systems are
        solved by conjugate gradients that all of them precondition, before the solves above look at the result and
        certify it. It pays where x moves little between evaluations, as an optimizer's does at its end.

    Attributes
    ----------
    last : Evaluation or None
        The last evaluation that succeeded. Its x is cached: value and gradient there cost nothing more.
    n_eval : int
        Evaluations that succeeded, the cached ones not counted.
    n_missed : int
        Those among them with status FLOOR or NOT_CONVERGED: short of what was asked.
    n_outside : int
        How often φ(x) was said to be inf.
    last_outside : (ndarray, exception) or None
        Where that was last, and why.
    n_hvp, n_grad : int
        Hessian products and gradients ∇_y g spent. Those of a solve that ends in a CallableError are not in it.

    Raises
    ------
    ArgumentError
        Arguments that cannot be used; at a call, an x of the wrong shape or not finite.

    Notes
    -----
    *What is guaranteed.* Where the problem gives μ and Lipschitz constants, and ‖J‖ is known, every gradient that is
    returned has ``error_bound + lower_level_bound ≤ tolerance``; or its status is FLOOR, and ``last`` has the bound
    that rounding allows; or, if `strict`, an exception is raised. Without Lipschitz constants ``error_bound`` ≤
    tolerance is all: the linear system at the y in hand. The lower level is then solved as if constants of 1 (and μ =
    1, if that is missing too) were true, G_y‖∇_y g‖ + error_bound ≤ tolerance, and no more is promised:
    ``last.certificate`` is ``none`` and ``last.message`` says so.

    *Optimizers.* Stop them at a gradient norm of at least `accuracy`. φ is known to ``last.value_bound`` and never
    better than to u|φ|, so whatever compares values of φ sees nothing below ‖∇φ‖ ≈ √(u|φ|): give L-BFGS-B ``ftol=0``,
    and polish, if more is wanted, with ``scipy.optimize.root(F.gradient, x)``, which goes by the gradient alone.

    *Outside.* Line searches overshoot. At an x at which φ is no number of its type, an infinite one or one that the
    problem refuses with a :class:`~lancbio_ref.DomainError` (such as exp(x) beyond the range; callables may raise it
    too), or where something overflows, the value is inf, so that a line search steps back, and the gradient is the
    direction from the last x that was evaluated to this one, as long as ∇φ was there: downhill is back. It is no
    gradient of φ, and no optimizer may stop there, for inf is no minimum. :meth:`evaluate` raises, and so does
    everything at the first x of all, which nobody overshot to, and :meth:`gradient` alone, which has no inf to show.

    *Memory.* The basis of a solve keeps its pages for the other solves of the same evaluation: at most 1 GiB, of which
    (steps + 1)·n_y numbers have been written. They are given back when the evaluation ends, however it ends.

    *Exceptions* carry ``.result``, the last evaluation that succeeded, so that a run can be continued from there.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.optimize import minimize
    >>> from lancbio_ref import HyperObjective, problems
    >>> problem = problems.quadratic(3, 5, rng=0)
    >>> F = HyperObjective(problem, accuracy=1e-9)
    >>> found = minimize(F, np.zeros(3), jac=True, method="L-BFGS-B", options=dict(gtol=1e-8, ftol=0))
    >>> bool(np.allclose(found.x, problem.stationary_point(), atol=1e-7)), F.last.guaranteed
    (True, True)
    """

    def __init__(
        self,
        problem: BilevelProblem,
        y0: npt.ArrayLike | None = None,
        *,
        accuracy: float = 1e-8,
        relative: float = 1e-3,
        maxiter: int | None = None,
        newton_maxiter: int = 100,
        strict: bool = True,
        recycle: bool = False,
    ) -> None:
        self.problem = settled(problem)
        self._y = None if y0 is None else as_vector("y0", y0, getattr(problem, "n_y", None)).copy()
        self.accuracy = as_number("accuracy", accuracy, least=0.0)
        self.relative = as_number("relative", relative, least=0.0, most=1.0)
        self.maxiter = None if maxiter is None else as_integer("maxiter", maxiter, least=1)
        self.newton_maxiter = as_integer("newton_maxiter", newton_maxiter, least=1)
        self.strict, self.recycle = as_flag("strict", strict), as_flag("recycle", recycle)
        self._recycled: RecycledSolves | None = None
        self.last: Evaluation | None = None
        self.last_outside: tuple[np.ndarray, Exception] | None = None
        self.n_eval = self.n_missed = self.n_outside = self.n_hvp = self.n_grad = 0
        self._gain_y = self._gain_v = 1.0  # of the first evaluation, which then learns better

    def __call__(self, x: npt.ArrayLike) -> tuple[float, np.ndarray]:
        """(φ(x), ∇φ(x)), as ``scipy.optimize.minimize(F, x0, jac=True)`` takes them; outside, inf and the way back."""
        value = self.value(x)
        return value, self.gradient(x)

    def value(self, x: npt.ArrayLike) -> float:
        """φ(x), inf outside. It needs v too, and so costs what the gradient costs; both at one x cost once."""
        try:
            return self.evaluate(x).value
        except (ArgumentError, DivergenceError, RepresentationError) as error:
            if self.last is None or not _is_outside(x, error):  # a start is the caller's own choice
                raise
            self.last_outside = np.array(x, np.float64), error
            self.n_outside += 1
            return math.inf

    def gradient(self, x: npt.ArrayLike) -> np.ndarray:
        """∇φ(x), shape (n_x,); where :meth:`value` has just said inf of this x, what its notes say."""
        if self.last is not None and self.last_outside is not None and np.array_equal(self.last_outside[0], x):
            return _outward(self.last, self.last_outside[0])
        return self.evaluate(x).gradient.copy()

    @np.errstate(under="ignore")
    def evaluate(self, x: npt.ArrayLike) -> Evaluation:
        """φ(x) and ∇φ(x) with their certificates.

        Raises
        ------
        ArgumentError
            An x of the wrong shape or not finite.
        DomainError, RepresentationError
            An x at which the problem, or φ, is no number.
        EvaluationError
            The lower level or the linear system could not be solved: INDEFINITE, MU_REFUTED or NOT_CONVERGED.
        CallableError
            A callable or product that returned NaN, infinity or a wrong shape.
        """
        x = as_vector("x", x, getattr(self.problem, "n_x", None))
        x = x.astype(common_type(getattr(self.problem, "dtype", None), x), copy=False)
        if self.last is not None and np.array_equal(x, self.last.x):
            return self.last
        try:
            with Pages():
                self.last = self._evaluate(x.copy())  # the optimizer may go on to overwrite its x
        except Exception as error:
            with suppress(AttributeError, TypeError):  # an exception that takes no attributes goes without
                error.result = self.last  # type: ignore[attr-defined]
            raise
        self.n_eval += 1
        self.n_missed += self.last.status != SolveStatus.CONVERGED
        self._y = self.last.y
        return self.last

    def __str__(self) -> str:
        counts = f"{self.n_eval} evaluations, {self.n_hvp} Hessian products, {self.n_grad} lower gradients"
        missed = f"; {self.n_missed} short of their tolerance" if self.n_missed else ""
        return counts + missed + ("" if self.last is None else f"\nlast: {self.last}")

    # -- one evaluation --------------------------------------------------------------------

    def _evaluate(self, x: np.ndarray) -> Evaluation:
        """Solve, look at the bounds, and tighten the part that is too large, until they fit or rounding stops them."""
        y, v = self._y, None if self.last is None else self.last.v
        expected = 0.0 if self.last is None else FALL * norm2(self.last.gradient)
        tolerance = max(self.accuracy, self.relative * expected)
        asked_y = asked_v = largest = math.inf
        before = self.n_hvp, self.n_grad
        for attempt in itertools.count():  # after the second, each has halved a finite number
            asked_y = min(_share(tolerance, self._gain_y), asked_y)
            asked_v = min(_share(tolerance, self._gain_v), asked_v)
            lower = self._solve_lower(x, y, asked_y)
            point, gradient, found = self._solve_linear(x, lower.y, v, asked_v)
            self._gain_y, self._gain_v = _gains(point, found)
            tolerance = max(self.accuracy, self.relative * norm2(found.value))
            level, system = found.lower_level_bound, found.error_bound
            known_y, known_v = _known(point, found)
            if not known_y:  # no bound: what it would be about, had it constants of 1
                level = self._gain_y * lower.grad_norm
            if not known_v:
                system = self._gain_v * found.residual_norm
            fits, falls = level + system <= tolerance, attempt == 0 or level + system < largest / 2
            if fits or not (falls and lower.status.success and found.success):
                break
            largest, y, v = level + system, lower.y, found.v
            if level > tolerance / 2:
                asked_y = min(asked_y, lower.grad_norm) / 10  # than was reached, which may be less than was asked
            if system > tolerance / 2:
                asked_v = min(asked_v, found.residual_norm) / 10
        status = SolveStatus.CONVERGED if fits else SolveStatus.FLOOR
        for what, report in (("lower level", lower), ("linear system A v = b", found)):
            if not fits and not report.status.success:  # rounding is not to blame
                if self.strict:
                    raise EvaluationError(what, report, report.remedy if report.noise else REMEDIES[report.status])
                status = report.status
        value, bound = self._value(x, lower.y, gradient, point, found)
        return Evaluation(
            x,
            value,
            bound.value,
            bound.status,
            tolerance,
            (found.error_bound + found.lower_level_bound) * (1 + 2.0**-50),
            min(found.certificate.error, found.certificate.lower_level),
            status,
            _message(status, tolerance, point, lower, found),
            lower,
            found,
            self.n_hvp - before[0],
            self.n_grad - before[1],
        )

    def _solve_lower(self, x: np.ndarray, y: np.ndarray | None, tol: float) -> LowerSolution:
        if self.recycle and y is not None:
            if self._recycled is None:
                self._recycled = RecycledSolves(self.problem, y.size, common_type(x.dtype, y))
            y, spent = self._recycled.lower(x, y, tol)
            self.n_hvp, self.n_grad = self.n_hvp + spent.n_hvp, self.n_grad + spent.n_grad
        lower = lower_solution(self.problem, x, y, tol=tol, maxiter=self.newton_maxiter)
        self.n_hvp, self.n_grad = self.n_hvp + lower.n_hvp, self.n_grad + lower.n_grad
        if lower.status in REFUTED:
            raise EvaluationError("lower level", lower, REMEDIES[lower.status])
        return lower

    def _solve_linear(
        self, x: np.ndarray, y: np.ndarray, v: np.ndarray | None, tol: float
    ) -> tuple[Linearization, np.ndarray, HyperGradient]:
        """The linearization at (x, y), ∇_y g there, and the hyper-gradient with ‖b − A v‖ ≤ tol."""
        point = linearization_at(self.problem, x, y)
        gradient = point.grad_y if point.grad_y is not None else self.problem.lower_grad_y(x, y)
        if self._recycled is not None:
            v, spent = self._recycled.adjoint(point, np.zeros_like(point.b) if v is None else v, tol)
            self.n_hvp += spent.n_hvp
        rtol = tol / max(norm2(point.b), tol) if tol else 0.0
        found = hypergradient_of(point, inverse=scaled_inverse, v0=v, rtol=rtol, maxiter=self.maxiter)
        self.n_hvp, self.n_grad = self.n_hvp + found.n_hvp, self.n_grad + 1
        if found.status in REFUTED:
            raise EvaluationError("linear system A v = b", found, REMEDIES[found.status])
        return point, gradient, found

    def _value(
        self, x: np.ndarray, y: np.ndarray, gradient: np.ndarray, point: Linearization, found: HyperGradient
    ) -> tuple[float, Bound]:
        """f − vᵀ∇_y g and its bound, as derived above."""
        v = found.v
        f, correction = float(self.problem.value(x, y)), dot(v, gradient)
        value, constants, mu = f - correction, point.lipschitz, found.certificate.mu
        if constants is None or not mu.value > 0:
            return value, Bound.of(None)
        errors = point.formation_bounds(gradient, norm_A_of(point), found.certificate.cross_norm)
        errors["value"] = point.formation.bound("value", abs(f), x.size + y.size, point.coarsest)
        return value, value_bound(f, correction, v, gradient, constants, mu, found.certificate.residual, errors)


def _is_outside(x: npt.ArrayLike, error: Exception) -> bool:
    """Whether it is x that left what φ is defined on; a wrong argument is none."""
    if isinstance(error, DomainError) or not isinstance(error, ArgumentError):
        return True
    infinite = error.argument == "x" and error.found.startswith(("inf", "-inf"))
    return infinite and not np.isnan(np.asarray(x)).any()


def _outward(last: Evaluation, x: np.ndarray) -> np.ndarray:
    """(x − x_last)/‖x − x_last‖ · ‖∇φ(x_last)‖; of infinite entries the signs."""
    away = np.where(np.isinf(x), np.sign(x), 0.0) if np.isinf(x).any() else x - last.x
    return (away / norm2(away) * (norm2(last.gradient) or 1.0)).astype(last.x.dtype)


def _share(tolerance: float, gain: float) -> float:
    """What to ask of a norm whose `gain`-fold may be a share of the tolerance."""
    return min(SHARE * tolerance / gain, 1e300) if gain > 0 else tolerance


def _known(point: Linearization, found: HyperGradient) -> tuple[bool, bool]:
    """Whether all is there that the bounds of lower level and linear system need; if so, inf is an overflow."""
    known_v = found.certificate.mu.value > 0 and found.certificate.cross_norm.value < math.inf
    return known_v and point.lipschitz is not None, known_v


def _gains(point: Linearization, found: HyperGradient) -> tuple[float, float]:
    """(G_y, G_v), see the head of this file; constants that nobody knows count as 1."""
    mu, norm_J = found.certificate.mu.value, found.certificate.cross_norm.value
    mu, norm_J = (mu if mu > 0 else 1.0), (norm_J if norm_J < math.inf else 1.0)
    fx, fy, gxy, gyy = (1.0,) * 4 if (known := point.lipschitz) is None else (known.fx, known.fy, known.gxy, known.gyy)
    size = norm2(found.v)
    return (fx + gxy * size + (fy + gyy * size) * norm_J / mu) / mu, norm_J / mu


def _message(
    status: SolveStatus, tolerance: float, point: Linearization, lower: LowerSolution, found: HyperGradient
) -> str:
    known_y, known_v = _known(point, found)
    level = f"the lower level at most {found.lower_level_bound:.3g} ({found.certificate.lower_level})"
    if found.lower_level_bound == math.inf:
        why = "its bound overflows" if known_y else "no mu or no Lipschitz constants"
        level = f"of the lower level only ||grad_y g|| = {lower.grad_norm:.3g} is known: {why}"
    system = f"the linear system contributes at most {found.error_bound:.3g} ({found.certificate.error})"
    if found.error_bound == math.inf:
        why = "its bound overflows" if known_v else "no mu or no ||J||"
        system = f"of the linear system only ||b - A v|| = {found.residual_norm:.3g} is known: {why}"
    weakest = min(found.certificate.error, found.certificate.lower_level)
    verdict = "guaranteed" if weakest >= CertificateStatus.GIVEN else f"not guaranteed ({weakest})"
    if status != SolveStatus.CONVERGED:
        verdict = f"not reached ({status}: {REMEDIES[status]})"
    return f"error of grad phi <= {tolerance:.3g} {verdict}: {system}, {level}"
