"""Poisson regression with learned penalties."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy
from sklearn.base import RegressorMixin
from sklearn.metrics import d2_tweedie_score

from ..blocks.from_dask import is_dask
from .base import BilevelEstimator
from .lazy import by_block, fit_lazily, lazy_blocks

MOST = 1e15  # e⁴⁰ is where the loss is no exponential any more


class BilevelPoissonRegressor(RegressorMixin, BilevelEstimator):
    """Poisson regression with the log link, whose penalties minimize the cross-validated likelihood.

    Parameters
    ----------
    penalty, groups, cv, fit_intercept, method, method_options, tol, max_iter, warm_start, random_state, verbose
    bounds, n_jobs, spread
        As those of :class:`BilevelRidge`.

    Attributes
    ----------
    coef_, intercept_, penalties_, log_penalties_, validation_loss_, hypergradient_norm_, hypergradient_bound_
        As those of :class:`BilevelRidge`; the loss is eˢ − y s, less what no coefficient moves.
    certificate_, n_hessian_products_, n_iter_, path_, message_, n_features_in_, feature_names_in_

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.estimators import BilevelPoissonRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((80, 4))
    >>> y = rng.poisson(np.exp(0.5 + X[:, 0]))
    >>> model = BilevelPoissonRegressor(penalty="all", cv=3).fit(X, y)
    >>> model.predict(X[:3]).shape, str(model.certificate_.lower_level)
    ((3,), 'certified')
    """

    def _loss(self) -> str:
        return "poisson"

    def _curvature(self, t: np.ndarray, s: np.ndarray) -> float:
        return max(float(s @ t / s.sum()), 1e-6)

    def _unit(self, t: np.ndarray, share: np.ndarray) -> float:
        """Half the deviance of the mean."""
        mean = float(share @ t)
        return float(share @ (xlogy(t, t / mean) - t + mean))

    def _first(self, t: np.ndarray, s: np.ndarray) -> float:
        return float(np.log(self._curvature(t, s)))

    def fit(self, X: Any, y: Any, sample_weight: npt.ArrayLike | None = None, **params: Any) -> BilevelPoissonRegressor:
        """Learn the penalties, and fit all data with them; y ≥ 0, not all 0.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
        y : array_like, shape (n_samples,)
        sample_weight : array_like, shape (n_samples,), optional
            Exposures, where y are rates.
        **params
            Of ``cv.split``, such as ``groups`` of ``GroupKFold``: with scikit-learn's metadata routing enabled.

        Returns
        -------
        BilevelPoissonRegressor

        Raises
        ------
        ValueError
            As scikit-learn's estimators raise it; y < 0; parameters that cannot be used.
        """
        routed = self._routed(X, params, sample_weight=sample_weight)
        if is_dask(X):
            fit_lazily(self, X, lazy_blocks(X, y, sample_weight))
            return self._fitted()
        X, y, s = self._checked(X, y, sample_weight, y_numeric=True)
        t = y.astype(np.float64)
        if t.min() < 0 or not t.any():
            raise ValueError(f"y must be >= 0 and not all 0 for Poisson regression, found {t.min():g}..{t.max():g}")
        if t.max() > MOST:
            raise ValueError(
                f"y must be counts of at most {MOST:g} for Poisson regression, found {t.max():g}: divide y"
            )
        self._fit(X, t, s, self._splits(X, t, classifier=False, routed=routed), t)
        return self._fitted()

    def _fitted(self) -> BilevelPoissonRegressor:
        self.coef_, self.intercept_ = self._coef[0], float(self._intercept[0])
        return self

    @by_block
    def predict(self, X: Any) -> np.ndarray:
        """E[y] = exp(X coef + intercept), shape (n_samples,)."""
        return np.exp(self._scores(X)[:, 0])

    def score(self, X: Any, y: Any, sample_weight: npt.ArrayLike | None = None) -> float:
        """D², the share of the Poisson deviance explained, as of scikit-learn's ``PoissonRegressor``."""
        return float(d2_tweedie_score(y, self.predict(X), sample_weight=sample_weight, power=1))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags
