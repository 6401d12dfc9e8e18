"""Ridge regression with learned penalties."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin

from ..blocks.from_dask import is_dask
from .base import BilevelEstimator
from .lazy import by_block, fit_lazily, lazy_blocks


class BilevelRidge(RegressorMixin, BilevelEstimator):
    """Ridge regression whose penalties minimize the cross-validated squared error.

    Parameters
    ----------
    penalty : {"feature", "all", "group"}
        One penalty a feature, one in all, or one a group of features.
    groups : array_like, shape (n_features,), optional
        Group labels of any kind, for ``penalty="group"``.
    cv : int, splitter, iterable of splits, or one pair (train, test) of index arrays, optional
        As everywhere in scikit-learn. None: 5 folds, or as many as the data allow. Where samples belong together, as
        those of one patient do, a ``GroupKFold``, and `fit` gets their ``groups``: see `fit`.
    fit_intercept : bool
    method : str
        ``"auto"`` needs no step: of one penalty cubic interpolation between two of a grid, of several L-BFGS in the
        units of their prior, within the bounds by L-BFGS-B. Or an optimizer of SciPy with bounds
        (``"L-BFGS-B"``, ``"TNC"``, ``"SLSQP"``, ``"trust-constr"``), or one of :func:`lancbio_ref.methods.names`, whose
        steps are in `method_options`; of those ``"recycled-newton"`` alone needs none and knows the bounds, and what
        others find is put back into them.
    method_options : dict, optional
        Of the method: ``{"step_x": 0.1, "step_y": 0.05, "step_v": 0.05}``.
    tol : float
        The search stops where no entry of the hyper-gradient is larger than `tol` times the loss that it starts from,
        or where a step makes that loss smaller by less than a thousandth of `tol` times it.
    max_iter : int
        Iterations of the search.
    warm_start : bool
        Whether a second ``fit`` starts from the penalties of the first.
    random_state : int, RandomState or None
        Of what is drawn: the fifth of the rows that judges where the data are Dask's and `cv` is None, and the batches
        of a `method` that has them in `method_options`. Nothing else is, and then no result depends on it: folds are
        shuffled by `cv` alone, with a state of its own.
    verbose : int
        1 prints a line for every evaluation.
    bounds : (float, float), optional
        Of the log-penalties, for features as the search has them: centred, with ``penalty="feature"`` of variance one,
        and with ``"group"`` of mean variance one in each group. By default 10⁻⁸ to 10⁵ times the curvature of the data.
        Penalties so small that a Hessian is not positive definite, to rounding, are left out: `message_` says from
        where on, a ``ConvergenceWarning`` where the search ends there, and a ``ValueError`` where none are left.
    n_jobs : int, optional
        How many fits of folds are made at once, in threads, as everywhere in scikit-learn; no bit of a result depends
        on it. Of 300 samples with 20 features a fifth of the time is in matrix products and factorizations, which
        threads share, of 2000 with 100 three fifths, of 2000 with 300 four fifths: it pays from some 100 coefficients.
        Fits of more than 800, which are not direct, come one after another, and small ones in one batch.
    spread : float or None
        What is held likely of several log-penalties before the data: that they are normal about a common level with
        this standard deviation, and the level about the best single penalty with twice that
        (:mod:`lancbio_ref.problems.prior`). They then move as far as the folds' likelihood of Σ sample_weight samples
        carries them; weights count samples. None: no prior, which overfits the folds of small data. Of no effect where
        there is one penalty in all.

    Attributes
    ----------
    coef_ : ndarray, shape (n_features,)
    intercept_ : float
    penalties_, log_penalties_ : ndarray, shape (1,), (n_groups,) or (n_features,)
        λ of ½ Σ λ coef² next to the mean of ½(y − ŷ)²: n λ is the ``alpha`` of scikit-learn's ``Ridge``.
    validation_loss_ : float
        The mean over folds of the mean of ½(y − ŷ)².
    hypergradient_norm_ : float
        ‖∇φ‖₂ in the log-penalties at the end, the prior's gradient included, without what points out of the bounds.
    hypergradient_bound_ : float
        How wrong that gradient may be, proven where `certificate_` says ``certified``.
    certificate_ : Certificate
    n_hessian_products_, n_iter_ : int
        Fits of up to 800 coefficients are direct: then the products are those of the certificate alone, and those with
        kept factors, from 128 coefficients on, are in ``path_``.
    path_ : list of dict
        Of every evaluation: ``value`` with the prior, ``gradient_norm``, ``work`` (products so far; where fits are
        direct, factorizations and products of single fits), ``x``.
    message_ : str
        Why the search stopped, and how many penalties are at a bound; where more than half of them are at the lower
        one, or all at the upper one, a ``ConvergenceWarning`` says so.
    n_features_in_, feature_names_in_

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.estimators import BilevelRidge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 8))
    >>> y = 3 * X[:, 0] - 2 * X[:, 1] + 0.5 * rng.standard_normal(60)
    >>> model = BilevelRidge().fit(X, y)
    >>> set(np.argsort(model.penalties_)[:2].tolist()) == {0, 1}  # the two that matter are penalized least
    True
    """

    def _loss(self) -> str:
        return "squared"

    def _unit(self, t: np.ndarray, share: np.ndarray) -> float:
        return 0.5 * float(share @ (t - share @ t) ** 2)

    def _first(self, t: np.ndarray, s: np.ndarray) -> float:
        return float(s @ t / s.sum())

    def fit(self, X: Any, y: Any, sample_weight: npt.ArrayLike | None = None, **params: Any) -> BilevelRidge:
        """Learn the penalties, and fit all data with them.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
        y : array_like, shape (n_samples,)
        sample_weight : array_like, shape (n_samples,), optional
        **params
            Of ``cv.split``, such as ``groups`` of ``GroupKFold``: with scikit-learn's metadata routing enabled.

        Returns
        -------
        BilevelRidge

        Raises
        ------
        ValueError
            As scikit-learn's estimators raise it; parameters that cannot be used.
        """
        routed = self._routed(X, params, sample_weight=sample_weight)
        if is_dask(X):
            fit_lazily(self, X, lazy_blocks(X, y, sample_weight))
            return self._fitted()
        X, y, s = self._checked(X, y, sample_weight, y_numeric=True)
        t = y.astype(np.float64)
        self._fit(X, t, s, self._splits(X, t, classifier=False, routed=routed), t)
        return self._fitted()

    def _fitted(self) -> BilevelRidge:
        self.coef_, self.intercept_ = self._coef[0], float(self._intercept[0])
        return self

    @by_block
    def predict(self, X: Any) -> np.ndarray:
        """X coef + intercept, shape (n_samples,)."""
        return self._scores(X)[:, 0]
