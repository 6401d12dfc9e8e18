"""Logistic regression, of two classes or more, with learned penalties."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import entr, expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from ..blocks.from_dask import is_dask
from .base import BilevelEstimator
from .lazy import by_block, fit_lazily, lazy_blocks, lazy_classes


class BilevelClassifier(ClassifierMixin, BilevelEstimator):
    """What linear classifiers share: classes, scores, probabilities."""

    classes_: np.ndarray

    def _loss(self) -> str:
        return "multinomial" if len(self.classes_) > 2 else "logistic"

    def _n_scores(self) -> int:
        return len(self.classes_) if len(self.classes_) > 2 else 1

    def _curvature(self, t: np.ndarray, s: np.ndarray) -> float:
        share = np.bincount(t, weights=s) / s.sum()
        return max(float(np.mean(share * (1 - share))), 1e-6)

    def _unit(self, t: np.ndarray, share: np.ndarray) -> float:
        """The entropy of the classes."""
        return float(entr(np.bincount(t, weights=share)).sum())

    def _first(self, t: np.ndarray, s: np.ndarray) -> float:
        share = min(max(float(s @ (t == 1) / s.sum()), 1e-6), 1 - 1e-6)
        return float(np.log(share / (1 - share)))

    def _fit_classes(
        self, X: Any, y: Any, sample_weight: Any, routed: dict[str, Any], splits: list[Any] | None = None
    ) -> None:
        """Classes 0 … C − 1 of whatever labels there are, and the fit."""
        X, y, s = self._checked(X, y, sample_weight)
        check_classification_targets(y)
        self.classes_, t = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes, but the data have only 1 class"
            )
        who = "cv: the training data of fold {k}" if splits is None else "trusted: the samples that are not trusted"
        splits = self._splits(X, t, classifier=True, routed=routed) if splits is None else splits
        for k, (rows, _) in enumerate(splits):
            if (missing := np.setdiff1d(t, t[rows])).size:
                lost = self.classes_[missing[0]].item() if hasattr(self.classes_[missing[0]], "item") else missing[0]
                remedy = "fewer folds, a stratified splitter, or more samples of it"
                raise ValueError(f"{who.format(k=k)} lack the class {lost!r}: {remedy}")
        self._fit(X, t, s, splits, y)
        self.coef_, self.intercept_ = self._coef, self._intercept

    @by_block
    def decision_function(self, X: Any) -> np.ndarray:
        """Scores, shape (n_samples,) of two classes, (n_samples, n_classes) of more."""
        scores = self._scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    @by_block
    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class, shape (n_samples,)."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    @by_block
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities in the order of ``classes_``, shape (n_samples, n_classes)."""
        scores = self.decision_function(X)
        return np.column_stack([expit(-scores), expit(scores)]) if scores.ndim == 1 else softmax(scores, axis=1)

    @by_block
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Their logarithms, none of them −∞ by rounding."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([log_expit(-scores), log_expit(scores)])
        return log_softmax(scores, axis=1)


class BilevelLogisticRegression(BilevelClassifier):
    """Logistic regression whose penalties minimize the cross-validated log loss.

    Parameters
    ----------
    penalty : {"feature", "all", "group", "class"}
        One penalty a feature, one in all, one a group of features, or one a class (three classes or more).
    groups, cv, fit_intercept, method, method_options, tol, max_iter, warm_start, random_state, verbose
    bounds, n_jobs, spread
        As those of :class:`BilevelRidge`; folds are stratified.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    coef_, intercept_ : ndarray, shape (1, n_features), (1,), or (n_classes, n_features), (n_classes,)
    penalties_, log_penalties_ : ndarray
        λ of ½ Σ λ coef² next to the mean log loss: 1/(n λ) is the ``C`` of scikit-learn's ``LogisticRegression``.
    validation_loss_ : float
        The mean over folds of the log loss.
    hypergradient_norm_, hypergradient_bound_, certificate_, n_hessian_products_, n_iter_, path_, message_
        As those of :class:`BilevelRidge`.
    n_features_in_, feature_names_in_

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from lancbio_ref.estimators import BilevelLogisticRegression
    >>> X, y = load_iris(return_X_y=True, as_frame=False)
    >>> model = BilevelLogisticRegression(penalty="all", cv=3).fit(X, y)
    >>> model.coef_.shape, bool(model.score(X, y) > 0.95)
    ((3, 4), True)
    """

    def fit(
        self, X: Any, y: Any, sample_weight: npt.ArrayLike | None = None, **params: Any
    ) -> BilevelLogisticRegression:
        """Learn the penalties, and fit all data with them.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
        y : array_like, shape (n_samples,)
            Labels of any kind.
        sample_weight : array_like, shape (n_samples,), optional
        **params
            Of ``cv.split``, such as ``groups`` of ``GroupKFold``: with scikit-learn's metadata routing enabled.

        Returns
        -------
        BilevelLogisticRegression

        Raises
        ------
        ValueError
            As scikit-learn's estimators raise it; labels of one class; a fold whose training data lack a class.
        """
        routed = self._routed(X, params, sample_weight=sample_weight)
        if is_dask(X):
            self.classes_, blocks = lazy_classes(self, lazy_blocks(X, y, sample_weight))
            fit_lazily(self, X, blocks)
            self.coef_, self.intercept_ = self._coef, self._intercept
        else:
            self._fit_classes(X, y, sample_weight, routed)
        return self
