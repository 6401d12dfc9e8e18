"""A classifier that learns one weight a training sample: hyper-data cleaning as an estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from sklearn.utils.validation import check_is_fitted

from .logistic import BilevelClassifier
from .search import Learned


class BilevelReweighter(BilevelClassifier):
    """Logistic regression that weighs its samples by σ(x_i), so that it does well on samples that can be trusted.

    Parameters
    ----------
    penalty, groups, cv, fit_intercept, method, method_options, tol, max_iter, warm_start, random_state, verbose
    bounds, n_jobs, spread
        As those of :class:`BilevelLogisticRegression`. Where `fit` is told which samples to trust, these are the split,
        and `cv` must be None. A warm start has the penalties of the fit before, and its weights where there are as many
        samples.

    Attributes
    ----------
    sample_weight_ : ndarray, shape (n_samples,)
        σ(x_i), 1 of the samples that `fit` was told to trust; small where a label is doubted.
    classes_, coef_, intercept_, penalties_, log_penalties_, validation_loss_, hypergradient_norm_
    hypergradient_bound_, certificate_, n_hessian_products_, n_iter_, path_, message_, n_features_in_
        As those of :class:`BilevelLogisticRegression`.

    Notes
    -----
    With trusted samples, the lower level is a fit of the others, and the upper level the log loss on the trusted; the
    refit has all, each with its weight. `tol` is 0.01: a search of as many parameters as samples that ends early finds
    more of the wrong labels than one that ends late, and has learned less of the trusted samples by heart (30 % wrong
    labels of breast cancer, 100 of 350 trusted: AUC 0.951 at 1e-2, 0.938 at 1e-3, 0.931 at 1e-6). The penalty is kept
    above e⁻⁵ of the curvature of the data unless `bounds` say else, for the same reason. Without any trusted, folds
    take turns: a sample is weighed by what it does for the samples of other folds, noisy as those are.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.estimators import BilevelReweighter
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 3))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> wrong, trusted = np.arange(200) < 30, np.arange(200) >= 120
    >>> model = BilevelReweighter().fit(X, np.where(wrong, 1 - y, y), trusted=trusted)
    >>> bool(model.noise_auc(wrong) > 0.9)
    True
    """

    _learned_weights = "sigmoid"
    _below = -5.0  # with as many parameters as samples, a penalty that vanishes fits the trusted ones by heart

    def __init__(
        self,
        *,
        penalty: str = "all",
        groups: npt.ArrayLike | None = None,
        cv: Any = None,
        fit_intercept: bool = True,
        method: str = "auto",
        method_options: dict[str, Any] | None = None,
        tol: float = 1e-2,
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

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: npt.ArrayLike | None = None,
        *,
        trusted: npt.ArrayLike | None = None,
        **params: Any,
    ) -> BilevelReweighter:
        """Learn weights and penalty, and fit all data with them.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
        y : array_like, shape (n_samples,)
            Labels of any kind.
        sample_weight : array_like, shape (n_samples,), optional
            What the learned weights multiply.
        trusted : array_like of bool, shape (n_samples,), optional
            Samples whose labels are right; in a Pipeline, metadata routing brings it here.
        **params
            Of ``cv.split``, such as ``groups`` of ``GroupKFold``: with scikit-learn's metadata routing enabled.

        Returns
        -------
        BilevelReweighter

        Raises
        ------
        ValueError
            As scikit-learn's estimators raise it; `trusted` of another shape, all of them, or none; `trusted` with
            a `cv`, which would not be used.
        """
        routed = self._routed(X, params, sample_weight=sample_weight, trusted=trusted)
        self._trusted, splits = None, None
        if trusted is not None:
            mask = np.asarray(trusted)
            if mask.dtype != bool or mask.shape != (len(y),):
                raise ValueError(f"trusted must be booleans of shape ({len(y)},), got {mask.dtype} of {mask.shape}")
            if mask.all() or not mask.any():
                raise ValueError("trusted must hold some of the samples, and not all of them")
            if self.cv is not None:
                raise ValueError("cv and trusted: where samples are trusted cv is not used; leave one of them out")
            self._trusted, splits = mask, [(np.flatnonzero(~mask), np.flatnonzero(mask))]
        self._fit_classes(X, y, sample_weight, routed, splits)
        return self

    def _refit(
        self, whole: Any, found: Learned, first: float, unit: float, means: np.ndarray, scales: np.ndarray
    ) -> None:
        n = whole.penalty.n
        self._weights = found.x[n:].copy()  # for a warm start
        weights = expit(self._weights)
        if self._trusted is not None:
            weights[self._trusted] = 1.0
            found.x[n:][self._trusted] = 30.0  # σ = 1 to 10⁻¹³
        self.sample_weight_ = weights
        super()._refit(whole, found, first, unit, means, scales)

    def noise_auc(self, wrong: npt.ArrayLike) -> float:
        """How well small weights point at labels that are known to be wrong: the area under the ROC curve.

        Parameters
        ----------
        wrong : array_like of bool, shape (n_samples,)
            Which labels of the training data are wrong; trusted samples are left out.

        Raises
        ------
        ValueError
            Another shape; no sample that is judged, or all of them.
        """
        check_is_fitted(self, "sample_weight_")
        wrong = np.asarray(wrong, bool)
        if wrong.shape != self.sample_weight_.shape:
            raise ValueError(f"wrong must be of shape {self.sample_weight_.shape}, got {wrong.shape}")
        judged = np.ones(wrong.size, bool) if self._trusted is None else ~self._trusted
        if wrong[judged].all() or not wrong[judged].any():
            raise ValueError("wrong must hold some of the samples that are judged, and not all of them")
        return float(roc_auc_score(wrong[judged], -self.sample_weight_[judged]))
