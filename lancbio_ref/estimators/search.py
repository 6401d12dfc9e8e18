"""min φ(x) over a box, from the hyper-gradient: what every estimator's ``fit`` comes down to.

    x₀: the best shared log-penalty of a grid, from strong to weak, each started from the fit before (:mod:`.shared`)
    x:  an optimizer of SciPy on φ and ∇φ, or a method of this package, from x₀; of one penalty in all, which has a
        slope instead of a gradient, cubic interpolation between the two points of the grid that a minimum is between;
        of several with a prior L-BFGS in its units, until a step leaves the box

With a `spread`, of φ + r from x₀ on: a prior says how far log-penalties are likely to lie from each other and from x₀
(:mod:`lancbio_ref.problems.prior`). N φ is their negative log-likelihood, and φ N/2φ(x₀) where φ is half a variance.

Fits of few coefficients are direct (:mod:`.direct`), others those of HyperObjective; each certifies its own end.
φ is in the units of a loss and x has none: ‖P∇φ‖_∞ ≤ tol · φ(x₀) is when to stop, over √n for the weights of n samples;
φ(x₀) counts as no more than the loss of an intercept alone, and no less than a thousandth of that. P∇φ is 0 where x is
at a bound that φ falls beyond. A gradient may be wrong by a tenth of the tolerance, or by `RELATIVE` of itself far from
the end.

Where penalties are so small next to what rounds in a Hessian that it has no Cholesky factor, a direct fit has none: the
lower end of the box is moved above them, by `LIFT` of what is left of it, and the search is made again.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import optimize
from scipy.linalg import LinAlgError

from ..arguments import as_choice
from ..errors import ArgumentError
from ..hyper_objective import HyperObjective
from ..hypergradient_result import HyperGradient
from ..methods import names
from ..minimize import minimize
from ..problems.folds import Folds
from ..problems.generalized_linear import GeneralizedLinearProblem
from ..problems.prior import ExchangeablePrior, WithPrior
from .direct import DirectObjective
from .shared import Point, halved, least_between, scanned

FTOL = 1e-3  # of tol: a relative decrease of φ that is none
RELATIVE = 0.02
LIFT, LIFTS = 0.05, 40  # of a box, half a step of its grid; how often
LEVEL = 2.0  # the spread of the common level, over that of log-penalties about it
SINGULAR = "there a Hessian is not positive definite, to rounding"
REMEDY = "raise bounds=(lower, upper), leave out features that are copies of others, or scale them (StandardScaler)"
OPTIMIZERS = ("L-BFGS-B", "TNC", "SLSQP", "trust-constr")  # of SciPy, with bounds and a gradient
METHODS = ("auto", *OPTIMIZERS, *names())


@dataclass
class Learned:
    """What a search found.

    Attributes
    ----------
    x : ndarray, shape (n_x,)
    y : ndarray, shape (n_y,), or None
        y*(x) of all folds, where fits are direct.
    value : float
        φ(x), without the prior.
    centre : float
        x₀, of all penalties; NaN where there is no prior.
    last : HyperGradient
        ∇(φ + r)(x), with its certificate.
    path : list of dict
        Of every evaluation: ``value`` of φ + r, ``gradient_norm`` of P∇(φ + r), ``work`` so far (Hessian products;
        where fits are direct, factorizations and products of single fits), ``x``.
    n_iter, n_products : int
        Iterations of the optimizer; Hessian products, of the certificate at the end alone where fits are direct.
    converged : bool
    message : str
    box : Box
        The one searched: its lower end is above the one given where fits had no Cholesky factor.
    """

    x: np.ndarray
    y: np.ndarray | None
    value: float
    centre: float
    last: HyperGradient
    path: list[dict[str, Any]] = field(repr=False)
    n_iter: int
    n_products: int
    converged: bool
    message: str
    box: Box


@dataclass
class Likelihood:
    """How φ and a number of samples make a likelihood, and what is likely before.

    Attributes
    ----------
    spread : float or None
        s of the prior; None where there is none.
    count : float
        N.
    of_variance : bool
        Whether φ is half a variance; else it is in nats.
    centre : float or None
        x₀ of an earlier search.
    """

    spread: float | None
    count: float
    of_variance: bool
    centre: float | None = None

    def prior(self, start: np.ndarray, value: float, n: int) -> ExchangeablePrior | None:
        """Of n log-penalties, where φ is `value` at a shared one; of one alone there is none."""
        if self.spread is None or n < 2:
            return None
        N = self.count / (2 * value) if self.of_variance else self.count
        centre = float(start[0]) if self.centre is None else self.centre
        return ExchangeablePrior(n, centre, self.spread, LEVEL * self.spread, N)


@dataclass
class Box:
    """lower ≤ x ≤ upper.

    Attributes
    ----------
    lower, upper : ndarray, shape (n_x,)
    n_shared : int
        The first so many entries, the log-penalties, share one number while a start is looked for.
    """

    lower: np.ndarray
    upper: np.ndarray
    n_shared: int

    def projected(self, x: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """∇φ, 0 where −∇φ points out of the box."""
        outward = ((x <= self.lower) & (gradient > 0)) | ((x >= self.upper) & (gradient < 0))
        return np.where(outward, 0.0, gradient)


class _Singular(Exception):
    """A Hessian at these penalties that is not positive definite, to rounding."""

    def __init__(self, x: np.ndarray) -> None:
        super().__init__(x)
        self.x = x


def learn(
    problem: GeneralizedLinearProblem | Folds,
    box: Box,
    likelihood: Likelihood,
    *,
    start: np.ndarray | None,
    method: str,
    **given: Any,
) -> Learned:
    """Search from `start`, or from the best shared penalty where that is None.

    Raises
    ------
    ArgumentError
        A method that does not exist, or options that it does not have; bounds whose largest penalties leave a Hessian
        that is not positive definite, to rounding.
    """
    as_choice("method", method, METHODS)
    path: list[dict[str, Any]] = []
    n, lifted = box.n_shared, box
    low, high = float(box.lower[:n].min()), float(box.upper[:n].max())
    for _ in range(LIFTS):
        try:
            found = _learned(problem, lifted, likelihood, start=start, method=method, path=path, **given)
        except _Singular as singular:
            least = float(singular.x[:n].min()) + LIFT * (high - float(lifted.lower[:n].min()))
            if least >= high:
                break
            lower = lifted.lower.copy()
            lower[:n] = np.maximum(lower[:n], least)
            lifted, start = Box(lower, box.upper, n), None
            continue
        if lifted is not box:
            found.message += f"; log-penalties below {least:.3g}, as the search has them, were left out: {SINGULAR}"
        return found
    raise ArgumentError("bounds", f"log-penalties of {low:.3g} to {high:.3g}: {SINGULAR}", f"larger ones: {REMEDY}")


def _learned(
    problem: GeneralizedLinearProblem | Folds | WithPrior,
    box: Box,
    likelihood: Likelihood,
    *,
    start: np.ndarray | None,
    y0: np.ndarray | None,
    method: str,
    tol: float,
    unit: float,
    max_iter: int,
    rng: Any,
    n_jobs: int | None,
    options: dict[str, Any],
    verbose: int,
    path: list[dict[str, Any]],
) -> Learned:
    """`learn` in this box; :class:`_Singular` where a direct fit has no factor."""
    if y0 is None:
        y0 = np.zeros(problem.n_y or 1)
    accuracy: dict[str, Any] = dict(accuracy=1e-8 * unit, relative=RELATIVE, strict=False)
    F, products = HyperObjective(problem, y0, **accuracy), 0
    direct = DirectObjective(problem, y0, unit, n_jobs) if DirectObjective.fits(problem) else None
    earlier = path[-1]["work"] if path else 0

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        try:
            value, gradient = F(x) if direct is None else direct(x)
        except LinAlgError:
            raise _Singular(x) from None
        size = float(np.abs(box.projected(x, gradient)).max())
        work = products + F.n_hvp if direct is None else direct.n_factorizations + direct.n_products
        path.append({"value": value, "gradient_norm": size, "work": earlier + work, "x": np.array(x)})
        if verbose:
            print(f"evaluation {len(path):4d}  validation loss {value:.8g}  gradient {size:.2e}")
        return value, gradient

    if direct is not None:
        direct.rough, direct.size = True, lambda x, gradient: float(np.abs(box.projected(x, gradient)).max())

    def shared(c: float) -> Point:
        """All penalties e^c."""
        x = np.zeros(box.lower.size)
        x[: box.n_shared] = c
        value, gradient = evaluate(np.clip(x, box.lower, box.upper))
        return Point(value, c, float(gradient[: box.n_shared].sum()))

    single, between = problem.n_x == box.n_shared == 1 and method == "auto" and not options, None
    if start is None:
        start = np.zeros(box.lower.size)
        if box.n_shared:
            best, other = scanned(
                shared, float(box.lower[: box.n_shared].min()), float(box.upper[: box.n_shared].max())
            )
            between = None if other is None else (best, other)
            if between and not single:
                best = halved(shared, *between)
            start[: box.n_shared] = best.c
    if direct is not None:
        direct.rough = False
    start, before = np.clip(start, box.lower, box.upper), len(path)
    value = abs(evaluate(start)[0] if between is None or not single else between[0].value)
    prior = likelihood.prior(start, max(value, 1e-3 * unit), box.n_shared)
    if prior is not None:
        products, y, problem = F.n_hvp, y0 if F.last is None else F.last.y, WithPrior(problem, prior)
        F = HyperObjective(problem, y, **accuracy)
        if direct is not None:
            direct.held_against(prior)
    scale = max(min(unit, value), 1e-3 * unit) / math.sqrt(max(problem.n_x - box.n_shared, 1))
    F.accuracy = 0.1 * tol * scale
    if direct is not None:
        direct.accuracy = 0.05 * tol * scale

    def scaled(x: np.ndarray) -> tuple[float, np.ndarray]:
        """φ and ∇φ in the unit of `scale`: SciPy's tests of a decrease are next to 1."""
        value, gradient = evaluate(x)
        return value / scale, gradient / scale

    if single and between is not None:
        end, n_iter, message = least_between(shared, *between, tol * scale, max_iter)
        x, converged = np.array([end.c]), message.startswith("CONVERGENCE")
    elif method in names():
        if method == "recycled-newton":
            options = {"bounds": (box.lower, box.upper)} | options
        y = F.last.y if direct is None and F.last is not None else direct.y if direct is not None else y0
        run = minimize(problem, start, y, method=method, maxiter=max_iter, tol=tol * scale, rng=rng, **options)  # type: ignore[arg-type]
        x, n_iter, message, products = np.clip(run.x, box.lower, box.upper), run.nit, run.message, products + run.n_hvp
        converged = run.status.success
    else:
        found = None
        if prior is not None and method == "auto" and not options:
            found = _in_units_of(prior, scaled, start, box, tol, max_iter)
            start = min(path[before:], key=lambda entry: entry["value"])["x"]
        name, gtol = "L-BFGS-B" if method == "auto" else method, {"gtol": tol}
        known = {
            "L-BFGS-B": gtol | {"maxiter": max_iter, "ftol": FTOL * tol},
            "TNC": gtol | {"maxfun": 10 * max_iter},
            "SLSQP": {"maxiter": max_iter, "ftol": FTOL * tol},
            "trust-constr": gtol | {"maxiter": max_iter},
        }[name]
        bounds = optimize.Bounds(box.lower, box.upper)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Unknown solver options", optimize.OptimizeWarning)
            try:
                if found is None:
                    given: dict[str, Any] = dict(method=name, bounds=bounds, options=known | options)
                    found = optimize.minimize(scaled, start, jac=True, **given)
            except optimize.OptimizeWarning as warning:
                raise ArgumentError("method_options", str(warning), f"options of SciPy's {name}") from None
        least = min(path[before:], key=lambda entry: entry["value"])  # a line search may end on a worse point
        x = np.clip(least["x"] if least["value"] < found.fun * scale else found.x, box.lower, box.upper)
        n_iter, message, converged = int(found.nit), str(found.message), bool(found.success)
    if direct is not None:
        try:
            value, last = direct.certified(x)
        except LinAlgError:  # y goes farther here than in the search
            raise _Singular(x) from None
        products += last.n_hvp
    else:
        evaluation = F.evaluate(x)
        value, last, products = evaluation.value, evaluation.hypergradient, products + F.n_hvp
    converged = converged or float(np.abs(box.projected(x, last.value)).max()) <= tol * scale
    value, centre = (value, math.nan) if prior is None else (value - prior.value(x), prior.centre)
    fits = None if direct is None else direct.y
    return Learned(x, fits, value, centre, last, path, max(n_iter, 1), products, converged, message, box)


class _Outside(Exception):
    """A step out of the box."""


def _in_units_of(
    prior: ExchangeablePrior, scaled: Any, start: np.ndarray, box: Box, tol: float, max_iter: int
) -> optimize.OptimizeResult | None:
    """L-BFGS in z, x = start + L z (`ExchangeablePrior.coloured`); None where an x is outside of the box.

    What the data do not say of the penalties has the Hessian of the prior, whose condition is 1 + nτ²/s², and 1 in z.
    ‖L⁻¹‖_∞ ≤ 2/s: half of `tol`, times s, there is no more than `tol` here.
    """

    def coloured(z: np.ndarray) -> tuple[float, np.ndarray]:
        x = start + prior.coloured(z)
        if (x < box.lower).any() or (x > box.upper).any():
            raise _Outside
        value, gradient = scaled(x)
        return value, prior.coloured(gradient)  # L is symmetric

    options = {"gtol": 0.5 * prior.spread * tol, "ftol": FTOL * tol, "maxiter": max_iter}
    try:
        found = optimize.minimize(coloured, np.zeros(start.size), jac=True, method="L-BFGS-B", options=options)
    except _Outside:
        return None
    found.x = start + prior.coloured(found.x)
    return found
