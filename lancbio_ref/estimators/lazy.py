"""Estimators of data that Dask has: samples stay on its workers, and what is learned comes here.

Features are scaled as elsewhere, by a pass, and not centred, as sparse ones are not; one fifth of the rows, drawn from
all blocks, judges the penalties, or the rows that ``cv`` names, or the folds that it makes: they share every round trip
(:mod:`lancbio_ref.problems.blocked.folds`), and the targets alone come here, for the splitter. The unit of a loss
and where fits begin are those of `SAMPLE` rows: they scale a tolerance, and no result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state

from ..blocks import Block, added
from ..blocks.from_dask import dask_blocks, is_dask
from ..errors import ArgumentError
from ..labels import Classes
from ..problems.generalized_linear import generalized_linear

if TYPE_CHECKING:
    from ..blocks.dask import DaskBlocks
    from .base import BilevelEstimator

SAMPLE, HELD_OUT = 20_000, 0.2
SPLIT = "None, which holds out a fifth of the rows, one split (train, test) of row numbers, an int, or a splitter"


def squares(block: Block) -> tuple[np.ndarray, float]:
    """Σ s_i x_ij² and Σ s_i."""
    s = np.ones(len(block)) if block.s is None else block.s.astype(np.float64)
    X: Any = block.X.astype(np.float64)
    return np.asarray(X.multiply(X).T @ s if sp.issparse(X) else s @ (X * X)), float(s.sum())


def scaled(block: Block, factors: np.ndarray) -> Block:
    """Columns times these factors."""
    X: Any = block.X
    factors = factors.astype(X.dtype)
    return replace(block, X=sp.csr_array(X.multiply(factors)) if sp.issparse(X) else X * factors)


def targets(block: Block) -> tuple[np.ndarray, np.ndarray]:
    """t and s."""
    return block.t, np.ones(len(block)) if block.s is None else block.s


def lazy_blocks(X: Any, y: Any, sample_weight: npt.ArrayLike | None) -> DaskBlocks:
    """The samples on the workers; :class:`ValueError`, as scikit-learn has it, where they are none."""
    try:
        return dask_blocks(X, y, sample_weight)
    except ArgumentError as error:
        raise ValueError(str(error)) from error


def lazy_classes(model: BilevelEstimator, blocks: DaskBlocks) -> tuple[np.ndarray, DaskBlocks]:
    """The different labels, and the samples with their places among them as targets."""
    from ..blocks.dask import coded, distinct

    values = np.unique(np.concatenate(list(blocks.map(distinct, "y"))))
    if len(values) < 2:
        raise ValueError(f"{type(model).__name__} needs samples of at least 2 classes, but the data have only 1 class")
    return values, blocks.made_over(coded, "y", Classes(values.copy()))


def fit_lazily(model: BilevelEstimator, X: Any, blocks: DaskBlocks) -> None:
    """:meth:`BilevelEstimator._fit` of samples in blocks, whose targets are as the loss takes them."""
    from .base import RIDGE, _first_y, _in_their_words, _of_unlike_sizes
    from .search import Box, learn

    model._check_parameters()
    n, p = blocks.shape
    model.n_features_in_ = p
    if hasattr(X, "columns"):
        model.feature_names_in_ = np.asarray(X.columns, object)
    splits = _splits(model, blocks)
    sums, total = added(blocks.map(squares))
    if not total > 0:
        raise ValueError("sample_weight: at least one weight must be > 0")
    scales, mean_square = np.ones(p), float(np.mean(sums / total))
    if model.penalty in ("feature", "group"):
        scales = model._scales(sums / total)
        blocks, mean_square = blocks.made_over(scaled, 1 / scales), float(np.mean(sums / total / scales**2))
    rows = np.unique(np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.int64))
    t, s = (np.concatenate(part) for part in zip(*blocks.take(rows).map(targets), strict=True))
    given: dict[str, Any] = dict(
        loss=model._loss(), penalty=model.penalty, groups=model._groups(p), intercept=bool(model.fit_intercept),
        intercept_ridge=RIDGE, n_classes=max(model._n_scores(), 2),
    )  # fmt: skip
    try:
        if len(splits) == 1:
            train, test = (blocks.take(rows) for rows in splits[0])
            problem: Any = generalized_linear(train, None, validation=(test, None), **given)
        else:
            problem = generalized_linear(blocks, None, folds=splits, **given)
        whole: Any = generalized_linear(blocks, None, validation=(blocks, None), **given)
    except ArgumentError as error:
        raise ValueError(_in_their_words(error)) from error
    low, high = model._bounds(mean_square, t, s)
    box = Box(np.full(problem.n_x, low), np.full(problem.n_x, high), problem.n_x)
    start = model._warm(problem.n_x, scales, 0)
    share = s / s.sum()
    first, unit = model._first(t, s), max(model._unit(t, share), 1e-16 * float(share @ t**2), 1e-200)
    found = learn(
        problem,
        box,
        model._likelihood(total * min(sum(test.size for _, test in splits) / n, 1.0), start),
        start=start,
        y0=np.concatenate([_first_y(part, first) for part in getattr(problem, "problems", [problem])]),
        method=model.method,
        tol=model.tol,
        unit=unit,
        max_iter=model.max_iter,
        rng=None if model.random_state is None else check_random_state(model.random_state),
        options=dict(model.method_options or {}),
        verbose=model.verbose,
        n_jobs=model.n_jobs,
    )
    model._report(found, problem.n_x, scales, _of_unlike_sizes(sums / total / scales**2))
    model._refit(whole, found, first, unit, np.zeros(p), scales)


def _splits(model: BilevelEstimator, blocks: DaskBlocks) -> list[tuple[np.ndarray, np.ndarray]]:
    """Row numbers, increasing, of each fold."""
    cv, n = model.cv, blocks.shape[0]
    if cv is None:
        chosen = np.random.default_rng(check_random_state(model.random_state or 0).randint(2**31)).random(n) < HELD_OUT
        found: Any = [(np.flatnonzero(~chosen), np.flatnonzero(chosen))]
    elif isinstance(cv, tuple) and len(cv) == 2 and all(np.ndim(part) == 1 for part in cv):
        found = [cv]
    else:
        t = np.concatenate([t for t, _ in blocks.map(targets)])
        try:
            found = list(check_cv(cv, t, classifier=is_classifier(model)).split(np.broadcast_to(0.0, (n, 1)), t))
        except TypeError as error:
            raise ValueError(f"cv: found {cv!r} for data of Dask, expected {SPLIT}") from error
    splits = [(np.unique(np.asarray(train)), np.unique(np.asarray(test))) for train, test in found]
    for part in (rows for split in splits for rows in split):
        if part.dtype.kind not in "iu" or part.size == 0 or part[0] < 0 or part[-1] >= n:
            raise ValueError(f"cv: found {part.size} rows, expected row numbers in 0..{n - 1} on either side")
    return splits


def by_block(method: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """What is predicted of data that Dask has is a Dask array: a block of it when its block is asked for."""

    @wraps(method)
    def predict(self: Any, X: Any) -> Any:
        if not is_dask(X) or isinstance(X, (list, tuple)):
            return method(self, X)
        names = getattr(X, "columns", None)
        X = X.to_dask_array() if hasattr(X, "to_dask_array") else X
        if X.numblocks[1] > 1:
            X = X.rechunk({1: -1})
        sample = _predicted(np.zeros((1, X.shape[1])), method, self, names)
        axes: dict[str, Any] = dict(drop_axis=1) if sample.ndim == 1 else dict(chunks=(X.chunks[0], (sample.shape[1],)))
        return X.map_blocks(_predicted, method, self, names, dtype=sample.dtype, meta=sample[:0], **axes)

    return predict


def _predicted(part: Any, method: Callable[..., np.ndarray], model: Any, names: Any) -> np.ndarray:
    if names is None:
        return method(model, part)
    from pandas import DataFrame

    return method(model, DataFrame(part, columns=names))
