"""The parameters that every estimator has, and what is refused of them, in the words of scikit-learn's users."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

BELOW, ABOVE = -18.0, 12.0  # log-penalties, from the curvature of the data: 10⁻⁸ to 10⁵ times that
LARGEST = 600.0  # of a log-penalty: its exponential, times a square, is a number


class Parameters(BaseEstimator):
    """What ``get_params`` has; see :class:`~lancbio_ref.estimators.BilevelRidge`."""

    _below: ClassVar[float] = BELOW

    def __init__(
        self,
        *,
        penalty: str = "feature",
        groups: npt.ArrayLike | None = None,
        cv: Any = None,
        fit_intercept: bool = True,
        method: str = "auto",
        method_options: dict[str, Any] | None = None,
        tol: float = 1e-6,
        max_iter: int = 100,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
        bounds: tuple[float, float] | None = None,
        n_jobs: int | None = None,
        spread: float | None = 1.0,
    ) -> None:
        self.penalty, self.groups, self.cv, self.fit_intercept = penalty, groups, cv, fit_intercept
        self.method, self.method_options, self.tol, self.max_iter = method, method_options, tol, max_iter
        self.warm_start, self.random_state, self.verbose, self.bounds = warm_start, random_state, verbose, bounds
        self.n_jobs, self.spread = n_jobs, spread

    def _n_scores(self) -> int:
        return 1

    def _curvature(self, t: np.ndarray, s: np.ndarray) -> float:
        """ℓ″ about where fits begin: the unit of penalties."""
        return 1.0

    def _check_parameters(self) -> None:
        if not (isinstance(self.max_iter, (int, np.integer)) and self.max_iter >= 1):
            raise ValueError(f"max_iter must be an integer >= 1, got {self.max_iter!r}")
        if not (isinstance(self.tol, (int, float, np.floating)) and 0 < self.tol < math.inf):
            raise ValueError(f"tol must be a finite number > 0, got {self.tol!r}")
        for name in ("fit_intercept", "warm_start"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise ValueError(f"{name} must be True or False, got {getattr(self, name)!r}")
        if not (
            self.spread is None or (isinstance(self.spread, (int, float, np.floating)) and 0 < self.spread < math.inf)
        ):
            raise ValueError(f"spread must be None or a finite number > 0, got {self.spread!r}")
        if not (self.n_jobs is None or (isinstance(self.n_jobs, (int, np.integer)) and self.n_jobs != 0)):
            raise ValueError(f"n_jobs must be None or an integer that is not 0, got {self.n_jobs!r}")
        allowed = ("all", "group", "feature", "class") if self._n_scores() > 1 else ("all", "group", "feature")
        if self.penalty not in allowed:
            words = ", ".join(map(repr, allowed))
            raise ValueError(f"penalty must be one of {words} here, got {self.penalty!r}")

    def _groups(self, p: int) -> np.ndarray | None:
        """Group labels of any kind as 0 … m − 1."""
        if (self.groups is None) == (self.penalty == "group"):
            raise ValueError(f"penalty={self.penalty!r} with groups={'None' if self.groups is None else 'labels'}")
        if self.groups is None:
            return None
        labels = np.asarray(self.groups)
        if labels.shape != (p,):
            raise ValueError(f"groups must hold one label for each of the {p} features, got shape {labels.shape}")
        if any(label is None or label != label for label in labels.tolist()):
            raise ValueError("groups must hold a label for each feature, got None or NaN")
        try:
            return np.unique(labels, return_inverse=True)[1]
        except TypeError:
            raise ValueError("groups must hold labels of one kind, numbers or texts, got a mixture") from None

    def _bounds(self, mean_square: float, t: np.ndarray, s: np.ndarray) -> tuple[float, float]:
        """Of log-penalties: those given, or from the curvature of the data."""
        if self.bounds is None:
            centre = math.log(max(mean_square * self._curvature(t, s), 1e-100))
            return centre + self._below, centre + ABOVE
        try:
            low, high = (float(end) for end in self.bounds)
        except (TypeError, ValueError):
            low, high = math.nan, math.nan
        if not -LARGEST <= low < high <= LARGEST:
            expected = f"(lower, upper) of log-penalties, finite and within ±{LARGEST:g}"
            raise ValueError(f"bounds must be {expected}, got {self.bounds!r}")
        return low, high
