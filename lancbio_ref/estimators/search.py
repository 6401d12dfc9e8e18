"""min φ(x) over a box, from the hyper-gradient: what every estimator's ``fit`` comes down to.

    x₀: the best of `SCAN` shared log-penalties, from strong to weak, each started from the fit before
    x:  an optimizer of SciPy on HyperObjective, or a method of this package, from x₀

Fits of few coefficients are direct (:mod:`.direct`), others those of HyperObjective, which certifies the end of either.
φ is in the units of a loss and x has none, so ‖P∇φ‖_∞ ≤ tol · φ(x₀) is when to stop, P∇φ being 0 where x is at a bound
that φ falls beyond. A gradient may be wrong by a tenth of that, or by `RELATIVE` of itself far from the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import optimize

from ..arguments import as_choice
from ..hyper_objective import Evaluation, HyperObjective
from ..methods import names
from ..minimize import minimize
from ..problems.folds import Folds
from ..problems.generalized_linear import GeneralizedLinearProblem
from .direct import DirectObjective

SCAN = 5
FTOL = 1e-3  # of tol: a relative decrease of φ that is none
RELATIVE = 0.02
OPTIMIZERS = ("L-BFGS-B", "TNC", "SLSQP", "trust-constr")  # of SciPy, with bounds and a gradient
METHODS = ("auto", *OPTIMIZERS, *names())


@dataclass
class Learned:
    """What a search found.

    Attributes
    ----------
    x : ndarray, shape (n_x,)
    last : Evaluation
        φ and ∇φ at x, with their certificates.
    path : list of dict
        Of every evaluation: ``value``, ``gradient_norm`` (of P∇φ), ``work`` so far (Hessian products, or
        factorizations), ``x``.
    n_iter, n_products : int
        Iterations of the optimizer; Hessian products, of the certificate at the end alone where fits are direct.
    converged : bool
    message : str
    """

    x: np.ndarray
    last: Evaluation
    path: list[dict[str, Any]] = field(repr=False)
    n_iter: int
    n_products: int
    converged: bool
    message: str


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


def learn(
    problem: GeneralizedLinearProblem | Folds,
    box: Box,
    *,
    start: np.ndarray | None,
    y0: np.ndarray | None,
    method: str,
    tol: float,
    max_iter: int,
    rng: Any,
    options: dict[str, Any],
    verbose: int,
) -> Learned:
    """Search from `start`, or from the best shared penalty where that is None.

    Raises
    ------
    ArgumentError
        A method that does not exist, or options that it does not have.
    """
    as_choice("method", method, METHODS)
    if y0 is None:
        y0 = np.zeros(problem.n_y or 1)
    F = HyperObjective(problem, y0, accuracy=1e-8, relative=RELATIVE, strict=False)
    direct = DirectObjective(problem, y0) if DirectObjective.fits(problem) else None
    path: list[dict[str, Any]] = []

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = F(x) if direct is None else direct(x)
        size = float(np.abs(box.projected(x, gradient)).max())
        work = F.n_hvp if direct is None else direct.n_factorizations
        path.append({"value": value, "gradient_norm": size, "work": work, "x": np.array(x)})
        if verbose:
            print(f"evaluation {len(path):4d}  validation loss {value:.8g}  gradient {size:.2e}")
        return value, gradient

    if start is None:
        start = _best_shared(evaluate, box)
    start = np.clip(start, box.lower, box.upper)
    scale = max(abs(evaluate(start)[0]), 1e-8)
    F.accuracy = 0.1 * tol * scale
    products = 0
    if method in names():
        y = F.last.y if direct is None and F.last is not None else direct.y if direct is not None else y0
        run = minimize(problem, start, y, method=method, maxiter=max_iter, tol=tol * scale, rng=rng, **options)  # type: ignore[arg-type]
        x, n_iter, message, products = np.clip(run.x, box.lower, box.upper), run.nit, run.message, run.n_hvp
        converged = run.status.success
    else:
        name, gtol = "L-BFGS-B" if method == "auto" else method, {"gtol": tol * scale}
        known = {
            "L-BFGS-B": gtol | {"maxiter": max_iter, "ftol": FTOL * tol},
            "TNC": gtol | {"maxfun": 10 * max_iter},
            "SLSQP": {"maxiter": max_iter, "ftol": FTOL * tol * scale},
            "trust-constr": gtol | {"maxiter": max_iter},
        }[name]
        bounds = optimize.Bounds(box.lower, box.upper)
        found = optimize.minimize(evaluate, start, jac=True, method=name, bounds=bounds, options=known | options)
        best = min(path, key=lambda entry: entry["value"])  # a line search may end on a worse point
        x = np.clip(best["x"] if best["value"] < found.fun else found.x, box.lower, box.upper)
        n_iter, message, converged = int(found.nit), str(found.message), bool(found.success)
    if direct is not None:
        F = HyperObjective(problem, direct.y, accuracy=F.accuracy, relative=RELATIVE, strict=False)
    last = F.evaluate(x)
    converged = converged or float(np.abs(box.projected(x, last.gradient)).max()) <= tol * scale
    return Learned(x, last, path, max(n_iter, 1), F.n_hvp + products, converged, message)


def _best_shared(evaluate: Any, box: Box) -> np.ndarray:
    """The best of a few penalties that all coefficients share, strong ones first: a path of warm starts."""
    if box.n_shared == 0:
        return np.zeros(box.lower.size)
    low, high = float(box.lower[: box.n_shared].min()), float(box.upper[: box.n_shared].max())
    best, smallest = np.zeros(box.lower.size), math.inf
    for share in np.linspace(0.75, 0.15, SCAN):
        x = np.zeros(box.lower.size)
        x[: box.n_shared] = low + share * (high - low)
        value, _ = evaluate(np.clip(x, box.lower, box.upper))
        if value < smallest:
            best, smallest = x, value
    return best
