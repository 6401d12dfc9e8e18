"""What the estimators share: checked data, folds, the search, the refit, and the way back to the user's units.

*Inside*, dense features are centred, which an intercept (all but) undoes, and with penalties of their own also scaled
to a weighted variance of one, those of a group by one number to a mean variance of one: a penalty λ on a coefficient of
x/s is λs² on one of x, so that this changes what the search sees and not what can be found. One penalty in all, or a
class, belongs to the features as they are given: those are centred alone. Sparse features are not centred.

*Outside*, ``penalties_`` multiplies ½‖coef‖² next to the *mean* loss ½(t − ŷ)², or the mean log loss: n times it is the
``alpha`` of scikit-learn's ``Ridge``, and 1/(n times it) the ``C`` of its ``LogisticRegression``.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.linalg import LinAlgError
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..blocks.from_dask import is_dask
from ..errors import ArgumentError
from ..lower_level import lower_solution
from ..problems.folds import Folds
from ..problems.generalized_linear import GeneralizedLinearProblem, Loss, generalized_linear
from ..rounding import norm2
from .direct import DirectObjective
from .parameters import BELOW, Parameters
from .routing import SplitterRouting
from .search import REMEDY, SINGULAR, Box, Learned, Likelihood, learn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RIDGE = 1e-6  # of the intercept, next to the mean loss
MOST_FOLDS = 5
HUGE = 1e100
UNLIKE = 1e3  # times the least root mean square of a feature
SMALL = 2**16  # entries of sparse features that are held dense


class BilevelEstimator(SplitterRouting, Parameters):
    """Learned penalties; see :class:`BilevelRidge` for the parameters and attributes."""

    _learned_weights: ClassVar[str] = "fixed"
    _coef: np.ndarray
    _intercept: np.ndarray
    path_: list[dict[str, Any]]
    penalties_: np.ndarray

    # -- what a subclass says ----------------------------------------------------------------

    def _loss(self) -> Loss | str:
        raise NotImplementedError

    def _unit(self, t: np.ndarray, share: np.ndarray) -> float:
        """What an intercept alone loses: the unit of `tol`."""
        raise NotImplementedError

    def _first(self, t: np.ndarray, s: np.ndarray) -> float:
        """The score of a model with an intercept alone."""
        return 0.0

    # -- fit -----------------------------------------------------------------------------------

    def _fit(self, X: Any, t: np.ndarray, s: np.ndarray, splits: list[Any], y: np.ndarray) -> None:
        """Learn from targets t as the loss takes them, and refit; X, t and s have been checked."""
        self._check_parameters()
        Z, means, scales = self._standardized(X, s)
        centred = self.fit_intercept and self._loss() == "squared" and not sp.issparse(X)
        if sp.issparse(Z) and math.prod(Z.shape) <= SMALL:
            Z = Z.toarray()  # a product takes less time than what SciPy does before it
        given: dict[str, Any] = dict(
            loss=self._loss(),
            penalty=self.penalty,
            groups=self._groups(X.shape[1]),
            weights=self._learned_weights,
            intercept="centre" if centred and self._learned_weights == "fixed" else bool(self.fit_intercept),
            intercept_ridge=RIDGE,
            n_classes=max(self._n_scores(), 2),
        )
        try:
            problem = generalized_linear(Z, t, folds=splits, sample_weight=s, **given)
        except ArgumentError as error:
            raise ValueError(_in_their_words(error)) from error
        whole = generalized_linear(Z, t, validation=(Z, t), sample_weight=s, **given)
        assert isinstance(problem, Folds)
        parts: Any = problem.problems
        box = self._box(parts[0], Z, t, s)
        start = self._warm(parts[0].penalty.n, scales, problem.n_x - parts[0].penalty.n)
        share = s / s.sum()
        first, unit = self._first(t, s), max(self._unit(t, share), 1e-16 * float(share @ t**2), 1e-200)
        found = learn(
            problem,
            box,
            self._likelihood(self._held_out(s, splits), start),
            start=start,
            y0=np.concatenate([_first_y(part, first) for part in parts]),
            method=self.method,
            tol=self.tol,
            unit=unit,
            max_iter=self.max_iter,
            rng=None if self.random_state is None else check_random_state(self.random_state),
            n_jobs=self.n_jobs,
            options=dict(self.method_options or {}),
            verbose=self.verbose,
        )
        self._report(found, parts[0].penalty.n, scales, _of_unlike_sizes(_mean_squares(Z, s)))
        self._refit(whole, found, first, unit, means, scales)

    def _warm(self, n: int, scales: np.ndarray, n_weights: int) -> np.ndarray | None:
        """Where the search begins: the n penalties of the fit before, for features as the search has them, and weights
        of samples where there are as many as before; None where there is nothing to start from."""
        before = getattr(self, "log_penalties_", None)
        if not self.warm_start or before is None or before.size != n:
            return None
        weights = getattr(self, "_weights", np.empty(0))
        weights = weights if weights.size == n_weights else np.zeros(n_weights)
        return np.concatenate([before - self._shift(scales), weights])

    def _likelihood(self, count: float, start: np.ndarray | None) -> Likelihood:
        """Of so many samples; a warm start has the centre of the search before."""
        centre = getattr(self, "_centre", None) if start is not None else None
        return Likelihood(self.spread, count, self._loss() == "squared", centre)

    @staticmethod
    def _held_out(s: np.ndarray, splits: list[Any]) -> float:
        """How many samples judge the penalties: their weights, each sample once."""
        return min(float(s.sum()), sum(float(s[held_out].sum()) for _, held_out in splits))

    def _refit(
        self, whole: Any, found: Learned, first: float, unit: float, means: np.ndarray, scales: np.ndarray
    ) -> None:
        """Coefficients of a fit of all data, in the units of the user."""
        y = _first_y(whole, first)
        if found.y is not None:
            y = found.y.reshape(-1, y.size).mean(axis=0)  # near to those of all data
        y = self._solved(whole, found.x, y, unit)
        coef, intercept = whole.coefficients(y)
        self._coef = coef / scales
        self._intercept = intercept - self._coef @ means

    @staticmethod
    def _solved(whole: Any, x: np.ndarray, y: np.ndarray, unit: float) -> np.ndarray:
        """y*(x) from y: direct where fits are small, and a Hessian of all data has a factor as those of folds had."""
        if DirectObjective.fits(whole):
            try:
                return DirectObjective(whole, y, unit).solve(x)
            except LinAlgError:
                pass
        tol = 1e-9 * max(norm2(whole.lower_grad_y(x, y)), 1e-3 * math.sqrt(unit))
        found = lower_solution(whole, x, y, tol=tol)
        if not found.status.success:
            warnings.warn(f"the fit of all data: {found.message}; {REMEDY}", ConvergenceWarning, stacklevel=5)
        return found.y

    def _standardized(self, X: Any, s: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
        """(Z, means, scales): Z = (X − means)/scales, as far as the head of this file says."""
        share, p = s / s.sum(), X.shape[1]
        means, scales, sparse = np.zeros(p), np.ones(p), sp.issparse(X)
        if self.fit_intercept and not sparse:
            means = share @ X
            X = X - means
            # a mean of n terms is off by (n + 1)u max|x|: a column no larger than that is a constant, and says nothing
            noise = (X.shape[0] + 4) * 2.0**-53 * np.abs(means)
            X[:, np.sqrt(share @ (X * X)) <= noise] = 0.0
        if self.penalty in ("feature", "group"):
            scales = self._scales(_mean_squares(X, s))
            X = sp.csr_array(X.multiply(1 / scales)) if sparse else X / scales
        return X, means, scales

    def _scales(self, squares: np.ndarray) -> np.ndarray:
        """The root of a feature's mean square, or of those of its group; 1 where that is 0."""
        groups = self._groups(squares.size)
        if groups is not None:
            squares = (np.bincount(groups, squares) / np.bincount(groups))[groups]
        usable = (squares > 0) & np.isfinite(squares)
        return np.where(usable, np.sqrt(np.where(usable, squares, 1.0)), 1.0)

    def _shift(self, scales: np.ndarray) -> np.ndarray | float:
        """log s²: from log-penalties of standardized features, or groups, to those of the user's."""
        groups = self._groups(scales.size)
        if groups is not None:
            scales = scales[np.unique(groups, return_index=True)[1]]
        return 2 * np.log(scales) if self.penalty in ("feature", "group") else 0.0

    def _box(self, part: GeneralizedLinearProblem, Z: Any, t: np.ndarray, s: np.ndarray) -> Box:
        n, m = part.penalty.n, part.weighting.n
        low, high = self._bounds(float(np.mean(_mean_squares(Z, s))), t, s)
        lower, upper = np.full(n + m, -8.0), np.full(n + m, 8.0)  # of σ's argument
        lower[:n], upper[:n] = low, high
        return Box(lower, upper, n)

    def _report(self, found: Learned, n: int, scales: np.ndarray, unlike: str = "") -> None:
        """The attributes, and warnings in words."""
        x, box = found.x[:n], found.box
        self.log_penalties_ = x + self._shift(scales)
        self.penalties_ = np.exp(self.log_penalties_)
        self.validation_loss_, last = found.value, found.last
        self._centre = None if math.isnan(found.centre) else found.centre
        self.hypergradient_norm_ = float(norm2(box.projected(found.x, last.value)))
        self.hypergradient_bound_ = (last.error_bound + last.lower_level_bound) * (1 + 2.0**-50)
        self.certificate_ = last.certificate
        self.n_hessian_products_, self.n_iter_, self.path_ = found.n_products, found.n_iter, found.path
        self.message_ = found.message
        margin = 1e-3 * (box.upper[:n] - box.lower[:n])
        low, high = x <= box.lower[:n] + margin, x >= box.upper[:n] - margin
        if low.any() or high.any():
            self.message_ += f"; at the lower bound {low.sum()}, at the upper bound {high.sum()} of {n} penalties"
        if not self.hypergradient_bound_ <= abs(found.value):
            self.message_ += f"; the bound {self.hypergradient_bound_:.2g} of its hyper-gradient says nothing"
        meant = self.bounds is None and self._below != BELOW  # a floor that the estimator itself set
        if low.any() and SINGULAR in found.message:
            warnings.warn(
                f"{low.sum()} of {n} penalties ran to log-penalties of {box.lower[0]:.3g}, as the search has them, and"
                f" below a Hessian is not positive definite, to rounding: {REMEDY}",
                ConvergenceWarning,
                stacklevel=4,
            )
        elif n and 2 * low.sum() > n and not meant:
            warnings.warn(
                f"{low.sum()} of {n} penalties ran to the lower bound: the validation loss falls as they vanish, as it"
                f" does for separable classes or validation data like the training data; bounds=(lower, upper)"
                f" moves it{unlike}",
                ConvergenceWarning,
                stacklevel=4,
            )
        if n and high.all():
            warnings.warn(
                "all penalties ran to the upper bound: on the validation data no feature helps, and the coefficients"
                " are all but 0; bounds=(lower, upper) moves it",
                ConvergenceWarning,
                stacklevel=4,
            )
        if not found.converged:
            warnings.warn(
                f"the search stopped at a hyper-gradient of {self.hypergradient_norm_:.3g} ({found.message}): raise"
                " max_iter or tol",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _checked(self, X: Any, y: Any, sample_weight: Any, **options: Any) -> tuple[Any, np.ndarray, np.ndarray]:
        """(X, y, sample weights) by scikit-learn's own validators, in float64."""
        if is_dask(X):
            raise ValueError(f"X: {type(self).__name__} takes no data of Dask; X.compute() is in memory, where it fits")
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=np.float64,
            ensure_min_samples=2,
            accept_large_sparse=False,
            **options,
        )
        size = float(abs(X).max())
        if not (size == 0 or 1 / HUGE <= size <= HUGE):
            raise ValueError(f"X holds numbers of size {size:.1g}, beyond what can be squared: scale the features")
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weights.any():
            raise ValueError("sample_weight: at least one weight must be > 0")
        return (sp.csr_array(X) if sp.issparse(X) else X), y, weights

    def _splits(self, X: Any, y: np.ndarray, *, classifier: bool, routed: dict[str, Any]) -> list[Any]:
        """The folds of `cv`, whose ``split`` gets what is routed to it; None is 5, or as many as the data allow."""
        cv = self.cv
        if cv is None:
            least = int(np.unique(y, return_counts=True)[1].min()) if classifier else len(y)
            cv = max(2, min(MOST_FOLDS, least))
        if isinstance(cv, tuple) and len(cv) == 2 and all(np.ndim(part) == 1 for part in cv):
            cv = [cv]  # one split
        return list(check_cv(cv, y, classifier=classifier).split(X, y, **routed))

    def _scores(self, X: Any) -> np.ndarray:
        """X coefᵀ + intercept, shape (n, C)."""
        check_is_fitted(self, "penalties_")
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False, accept_large_sparse=False)
        return np.asarray(X @ self._coef.T + self._intercept)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # -- figures -------------------------------------------------------------------------------

    def plot_path(self, ax: Axes | None = None) -> Axes:
        """The validation loss and the size of the hyper-gradient at every evaluation; needs Matplotlib."""
        from .figures import plot_path

        check_is_fitted(self, "penalties_")
        return plot_path(self.path_, ax)

    def plot_penalties(self, ax: Axes | None = None) -> Axes:
        """The learned penalties, from weak to strong; needs Matplotlib."""
        from .figures import plot_penalties

        check_is_fitted(self, "penalties_")
        names = getattr(self, "feature_names_in_", None) if self.penalty == "feature" else None
        return plot_penalties(self.penalties_, names, ax)


def _first_y(part: GeneralizedLinearProblem, score: float) -> np.ndarray:
    """Coefficients 0, an intercept that predicts the mean."""
    y = np.zeros(part.shape, part.dtype)
    if part.has_intercept and part.n_scores == 1:
        y[:, -1] = score
    return y.ravel()


def _mean_squares(X: Any, s: np.ndarray) -> np.ndarray:
    """Of each feature, shape (p,)."""
    share = s / s.sum()
    return np.asarray(X.multiply(X).T @ share if sp.issparse(X) else share @ (X * X))


def _of_unlike_sizes(squares: np.ndarray) -> str:
    """What to do about it, in words; empty where features are alike."""
    sizes = np.sqrt(squares[squares > 0])
    if not sizes.size or sizes.max() <= UNLIKE * sizes.min():
        return ""
    return (
        f"; features are of unlike sizes ({sizes.min():.1g} to {sizes.max():.1g}), of which the largest sets the"
        " bounds: StandardScaler before it, or penalty='feature', makes them alike"
    )


def _in_their_words(error: ArgumentError) -> str:
    """A fold's trouble, in the words of scikit-learn's users."""
    return f"{error}" if not error.argument.startswith("folds") else f"cv: {error}"


def as_floats(y: npt.ArrayLike) -> np.ndarray:
    """Targets in float64."""
    return np.asarray(y, np.float64)
