"""Folds as somebody gave them: splitters, masks and row numbers, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError

Split = tuple[npt.ArrayLike, npt.ArrayLike]


def as_splits(folds: Any, X: Any, t: np.ndarray) -> list[Split]:
    """Pairs (train, validation), from a splitter or as they are."""
    if not (hasattr(folds, "split") or hasattr(folds, "__iter__")):
        expected = "a splitter, or pairs of index arrays; a number of folds, of whole blocks, where X is in blocks"
        raise ArgumentError("folds", repr(folds), expected)
    found = list(folds.split(X, t) if hasattr(folds, "split") else folds)
    if not found or not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in found):
        raise ArgumentError("folds", f"{len(found)} splits", "pairs (train, validation) of index arrays, at least one")
    return found


def as_rows(name: str, rows: npt.ArrayLike, n: int) -> np.ndarray:
    """Increasing row numbers, from numbers in any order or a mask."""
    rows = np.asarray(rows)
    if rows.dtype == bool and rows.shape == (n,):
        rows = np.flatnonzero(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or rows.size == 0:
        raise ArgumentError(name, f"{rows.dtype} of shape {rows.shape}", "row numbers, at least one")
    rows = np.sort(rows.astype(np.int64))
    if rows[0] < 0 or rows[-1] >= n or (np.diff(rows) == 0).any():
        raise ArgumentError(name, f"rows {rows[0]}..{rows[-1]}", f"different rows in 0..{n - 1}")
    return rows


def require_classes(loss: Any, t: np.ndarray, k: int) -> None:
    """Every class among the training data of a fold: without one, its coefficients are the penalty's alone."""
    if hasattr(loss, "n_classes"):
        missing = np.setdiff1d(np.arange(loss.n_classes), t)
    elif loss.name in ("logistic", "squared_hinge"):
        missing = np.setdiff1d([0, 1], t)
    else:
        return
    if missing.size:
        expected = "every class: fewer folds, or a stratified splitter"
        raise ArgumentError(f"folds[{k}][0]", f"training data without class {missing[0]}", expected)
