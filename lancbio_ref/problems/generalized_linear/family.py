"""The door to the family: a model, what is learned of it, and the data that judge it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from ...arguments import BlockRows, Operator, as_array, as_number, as_vector
from ...errors import ArgumentError
from ...operators.csr import as_csr
from ..blocked import door
from ..folds import Folds
from ..splits import Split, as_rows, as_splits, require_classes
from .losses import Loss, Multinomial, Squared, as_loss
from .penalty import make_penalty
from .problem import GeneralizedLinearProblem
from .samples import Samples, normalized
from .weighting import Weighting


def generalized_linear(
    X: Operator,
    t: npt.ArrayLike | None,
    *,
    loss: str | Loss = "squared",
    validation: tuple[Any, ...] | None = None,
    folds: Iterable[Split] | Any | int | None = None,
    penalty: str = "feature",
    groups: npt.ArrayLike | None = None,
    fixed: npt.ArrayLike = 0.0,
    unpenalized: npt.ArrayLike | None = None,
    weights: str = "fixed",
    sample_weight: npt.ArrayLike | None = None,
    intercept: bool | Literal["centre"] = False,
    intercept_ridge: float = 1e-6,
    n_classes: int | None = None,
    fold_weights: npt.ArrayLike | None = None,
    block_rows: BlockRows = None,
    progress: bool = False,
) -> GeneralizedLinearProblem | Folds:
    """A generalized linear model whose penalties, or sample weights, validation data choose.

    Parameters
    ----------
    X : array_like or sparse matrix, shape (n, p), float32 or float64
        Sparse ones are held as CSR and never made dense. What is not in memory is read in blocks of rows, and never
        whole: a memory map or a CSR matrix of such of more than 32 MB, an HDF5 or Zarr array,
        :func:`lancbio_ref.blocks.open_csr`; and so is a list of arrays or CSR matrices.
        What Dask has, an array, a DataFrame, or a list of delayed objects or futures of row blocks, stays on its
        workers: see :func:`lancbio_ref.blocks.from_dask.dask_blocks`.
    t : array_like, shape (n,), or None
        Targets: numbers, counts ≥ 0 (``"poisson"``), labels 0 and 1 (``"logistic"``, ``"squared_hinge"``) or
        0 … C − 1 (``"multinomial"``). None where X is a list whose delayed objects are pairs (X, t), or blocks.
    loss : {"squared", "logistic", "multinomial", "poisson", "huber", "squared_hinge"} or ScalarLoss
        Half the squared error, and so on: see :mod:`lancbio_ref.problems.generalized_linear.losses`.
    validation : (X_val, t_val) or (X_val, t_val, sample_weight_val), optional
        The upper level is the mean loss on these samples.
    folds : iterable of (train, validation) index arrays, a splitter of scikit-learn, or int, optional
        The upper level is the mean over folds: the problem is a :class:`~lancbio_ref.problems.Folds` of as many fits
        as there are folds. A number K: of X in blocks, fold k holds out the blocks k, k + K, …; every reading
        of a block serves all folds, their weights being fixed. One of `validation` and `folds` must be given.
    penalty : {"feature", "all", "group", "class", "each", "none"}
        Which coefficients share a penalty exp(x_k): those of a feature, all, those of a group of features, those of a
        class, none of them (one each), or nothing is learned of the penalty.
    groups : array_like of int, shape (p,), optional
        Labels 0 … m − 1 of the features, for ``"group"``.
    fixed : float or array_like, shape (p,)
        What is added to the learned penalties, or all there is; float32 numbers.
    unpenalized : array_like of int, optional
        Features without any penalty. μ then comes from the data, or is unknown.
    weights : {"fixed", "sigmoid", "softplus", "simplex"}
        Whether sample i of the training data has the weight s_i, or s_i σ(x_i), s_i log(1 + exp x_i), both over Σ s, or
        s_i exp(x_i)/Σ_j s_j exp(x_j). x has the penalties first.
    sample_weight : array_like, shape (n,), optional
        s ≥ 0; ones by default.
    intercept : bool or "centre"
        True: a coefficient of a column of ones, penalized by `intercept_ridge` alone. ``"centre"``: features and
        targets less their weighted training means, which is exact for the squared loss with fixed weights; the problem
        is then that of the centred floats. For dense X; in blocks no float is centred, but X − 1mᵀ is multiplied, with
        larger bounds where means m are large beside what varies, and sparse X may stay what it is with True.
    intercept_ridge : float
        > 0, next to a mean loss of the order 1.
    n_classes : int, optional
        C for ``"multinomial"``; one more than the largest label by default.
    fold_weights : array_like, shape (K,), optional
        Weights of the folds in f; equal by default.
    block_rows : int or "auto", optional
        Rows of a block: X and X_val are then read in blocks, wherever they are. "auto" of Dask's arrays: as many as a
        rule says of what the cluster is measured to take (:func:`~lancbio_ref.blocks.sizing.rows_per_block`), another
        number the next time, and other last digits; of others, about 16 MB.
    progress : bool
        Whether the first reading of blocks is shown, as a bar or in the log.

    Returns
    -------
    GeneralizedLinearProblem or Folds
        For X in blocks a :class:`~lancbio_ref.problems.blocked.BlockedProblem`. n_x is the number of parameters;
        y = C (p + 1) or C p coefficients, row by row, intercepts last in a row; of K folds, K of those.

    Raises
    ------
    ArgumentError
        Shapes that do not fit, NaN or infinity, targets that the loss does not have, nothing to learn, folds that are
        empty or not there, a fold whose training data lack a class.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import hypergradient, problems
    >>> rng = np.random.default_rng(0)
    >>> X, t = rng.standard_normal((30, 3)), rng.poisson(2.0, 30)
    >>> folds = [(np.arange(15), np.arange(15, 30)), (np.arange(15, 30), np.arange(15))]
    >>> problem = problems.generalized_linear(X, t, loss="poisson", folds=folds, penalty="all", intercept=True)
    >>> h = hypergradient(problem, [-2.0])
    >>> problem.n_y, str(h.certificate.lower_level), h.error_bound + h.lower_level_bound < 1e-4
    (8, 'certified', True)
    """
    if (validation is None) == (folds is None):
        raise ArgumentError("validation", "both or neither of validation and folds", "one of them")
    X_val = validation[0] if isinstance(validation, (tuple, list)) and validation else None
    if door.comes_in_blocks(block_rows, X, X_val):
        return door.blocked(
            X, t, loss=loss, validation=validation, folds=folds, penalty=penalty, groups=groups, fixed=fixed,
            unpenalized=unpenalized, weights=weights, sample_weight=sample_weight, intercept=intercept,
            intercept_ridge=intercept_ridge, n_classes=n_classes, fold_weights=fold_weights, block_rows=block_rows,
            progress=progress,
        )  # fmt: skip
    if t is None:
        raise ArgumentError("t", None, "targets: only samples in blocks may have their own")
    loss = as_loss(loss, _count(t) if n_classes is None else n_classes)
    C = loss.n_classes if isinstance(loss, Multinomial) else 1
    if penalty == "class" and C == 1:
        raise ArgumentError("penalty", "'class' with one vector of coefficients", "'all' or 'feature'")
    if intercept not in (True, False, "centre") or (
        isinstance(intercept, (int, float)) and not isinstance(intercept, bool)
    ):
        raise ArgumentError("intercept", repr(intercept), "True, False or 'centre'")
    X = as_csr("X", X) if sp.issparse(X) else as_array("X", X, "shape (samples, features)")
    if X.ndim != 2 or 0 in X.shape:
        raise ArgumentError("X", f"shape {X.shape}", "shape (samples, features), with at least one of each")
    n, p = X.shape
    column = intercept is True
    ridge = as_number("intercept_ridge", intercept_ridge, above=0.0) if column else None
    shape = (C, p + column)
    made = make_penalty(penalty, shape, groups=groups, fixed=fixed, unpenalized=unpenalized, intercept_ridge=ridge)
    if made.n == 0 and weights == "fixed":
        raise ArgumentError("penalty", "'none' with fixed weights", "something to learn: a penalty, or weights")
    s = None if sample_weight is None else as_vector("sample_weight", sample_weight, n)

    def fit(rows: np.ndarray | None, X_val: Any, t_val: Any, s_val: Any) -> GeneralizedLinearProblem:
        own, targets, weight = X, t, s
        if rows is not None:
            own, targets, weight = X[rows], np.asarray(t)[rows], None if s is None else s[rows]
        centre = None
        if intercept == "centre":
            own, targets, X_val, t_val, centre = _centred(loss, weights, own, targets, weight, X_val, t_val)
        train = Samples("", own, targets, weight, loss, intercept=column)
        held_out = Samples("_val", X_val, t_val, s_val, loss, intercept=column)
        if held_out.design.shape[1] != train.design.shape[1]:
            raise ArgumentError("X_val", f"{held_out.design.shape[1] - column} features", f"{p}, as many as X has")
        weighting = Weighting(weights, train.base, rows, n)
        return GeneralizedLinearProblem(train, held_out, loss, made, weighting, intercept=column, centre=centre)

    if validation is not None:
        if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
            raise ArgumentError("validation", type(validation).__name__, "(X_val, t_val) or with their sample_weight")
        return fit(None, *validation, *([None] * (3 - len(validation))))
    as_vector("t", np.asarray(t, np.float64), n)  # of the right length before rows of it are taken
    targets, parts = np.asarray(t), []
    for k, (rows, held_out) in enumerate(as_splits(folds, X, targets)):
        rows, held_out = as_rows(f"folds[{k}][0]", rows, n), as_rows(f"folds[{k}][1]", held_out, n)
        require_classes(loss, targets[rows], k)
        if s is not None:
            for j, chosen in enumerate((rows, held_out)):
                if not s[chosen].any():
                    raise ArgumentError(f"folds[{k}][{j}]", "samples whose weights are all 0", "a weight > 0 in it")
        part = fit(rows, X[held_out], targets[held_out], None if s is None else s[held_out])
        parts.append(part)
    return Folds(parts, fold_weights)


def _centred(
    loss: Loss, weights: str, X: Any, t: Any, s: np.ndarray | None, X_val: Any, t_val: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, float]]:
    if not isinstance(loss, Squared) or weights != "fixed" or sp.issparse(X):
        found = f"'centre' with loss {loss.name!r}, weights {weights!r}{', sparse X' if sp.issparse(X) else ''}"
        raise ArgumentError("intercept", found, "True: centring is exact for the squared loss, fixed weights, dense X")
    X, t = as_array("X", X, "shape (samples, features)"), as_vector("t", t, X.shape[0])
    X_val = as_array("X_val", X_val, "shape (samples, features)")
    t_val = as_vector("t_val", t_val, X_val.shape[0] if X_val.ndim else None)
    if X_val.ndim != 2 or X_val.shape[1] != X.shape[1]:
        raise ArgumentError("X_val", f"shape {X_val.shape}", f"shape (m, {X.shape[1]})")
    base = normalized("sample_weight", np.ones(X.shape[0]) if s is None else s)
    means, mean = (base @ X).astype(X.dtype), t.dtype.type(base @ t)
    return X - means, t - mean, X_val - means, t_val - mean, (means, float(mean))


def _count(t: npt.ArrayLike) -> int:
    """One more than the largest label, at least 2; what are no labels is left to be refused as such."""
    labels = np.asarray(t)
    count = int(labels.max()) + 1 if labels.dtype.kind in "iu" and labels.size else 2
    if count > max(1000, labels.size):  # an identifier, or a count, that was taken for a class
        return 2
    return max(count, 2)
