"""The 20 Newsgroups posts ("bydate") as tf-idf vectors, from the word counts of a file, sparse from end to end."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..arguments import as_array
from ..errors import ArgumentError
from ..files import is_file
from ..operators.csr import as_csr
from .npz import load_arrays
from .packed import LIMIT, as_path, over_the_limit
from .splits import stratified_split

FILE = "20newsgroups_counts.npz"
KEYS = tuple(f"{part}_{key}" for part in ("train", "test") for key in ("data", "indices", "indptr", "shape", "target"))


@dataclass(frozen=True)
class Newsgroups:
    """Three sets of posts.

    Parameters
    ----------
    X_train, X_val, X_test : csr_array, shape (n, p), float64
        Rows of length 1.
    labels_train, labels_val, labels_test : ndarray, shape (n,), int64
        Groups 0..19.
    class_names : tuple of str
    """

    X_train: sp.csr_array
    labels_train: np.ndarray
    X_val: sp.csr_array
    labels_val: np.ndarray
    X_test: sp.csr_array
    labels_test: np.ndarray
    class_names: tuple[str, ...]


def load_newsgroups(directory: str | os.PathLike[str], rng: Any = 0, *, limit: int = LIMIT) -> Newsgroups:
    """20 Newsgroups as in the paper: 5657 posts to train, 5657 to validate, 7532 to test, 130107 words.

    Parameters
    ----------
    directory : str or path-like
        Holds ``20newsgroups_counts.npz``, or a folder ``20newsgroups`` that does: the CSR arrays of the counts,
        ``{train,test}_{data,indices,indptr,shape,target}``, and ``target_names``.
    rng : None, int or numpy.random.Generator, default 0
        Of the split of the 11314 training posts into halves, stratified by group; the default gives the same in every
        run.
    limit : int, default 2**28
        No more bytes than this are unpacked.

    Returns
    -------
    Newsgroups
        tf-idf by :func:`tfidf`, the document frequencies being those of all training posts.

    Raises
    ------
    ArgumentError
        No such file, a damaged one, arrays that are missing or make no CSR matrix of counts; more bytes than `limit`.
    """
    folders = (as_path(directory), as_path(directory) / "20newsgroups")
    path = next((folder / FILE for folder in folders if is_file(folder / FILE)), None)
    if path is None:
        raise ArgumentError("directory", f"no {FILE} in {folders[0]} or {folders[1]}", "the folder of that file")
    arrays = load_arrays(path, (*KEYS, "target_names"), limit)
    names = _names(path, arrays["target_names"])
    counts = {part: _counts(path, part, arrays, limit) for part in ("train", "test")}
    labels = {part: _labels(path, part, arrays, counts[part].shape[0], len(names)) for part in counts}
    if counts["train"].shape[1] != counts["test"].shape[1]:
        widths = f"{counts['train'].shape[1]} and {counts['test'].shape[1]} words"
        raise ArgumentError(str(path), widths, "training and test counts of the same words")
    half = counts["train"].shape[0] // 2
    if half == 0:
        raise ArgumentError(f"{path}, train_shape", "one post", "at least two: one to train, one to validate")
    X, train_labels = tfidf(counts["train"]), labels["train"]
    train, val = stratified_split(train_labels, (half, half), rng)
    X_test = tfidf(counts["test"], counts["train"])
    return Newsgroups(X[train], train_labels[train], X[val], train_labels[val], X_test, labels["test"], names)


def tfidf(counts: Any, reference: Any = None) -> sp.csr_array:
    """Rows t_j · idf_j, divided by their length; idf_j = log((1 + n)/(1 + n_j)) + 1.

    t_j is how often word j occurs in the post, n_j the number of reference posts with it, n the number of those posts.
    (The smoothed form of Spärck Jones' weights, as scikit-learn's ``TfidfTransformer`` computes it by default.)

    Parameters
    ----------
    counts : sparse matrix or array_like, shape (m, p)
        Non-negative.
    reference : the same, shape (n, p), optional
        `counts` by default.

    Returns
    -------
    csr_array, shape (m, p), float64
        Rows of 2-norm 1; of posts without words, 0.

    Raises
    ------
    ArgumentError
        Numbers of words that differ; a sparse matrix with indices outside of it.

    Examples
    --------
    The first word is in both posts and counts 1, the second in one and counts 1 + log(3/2):

    >>> from lancbio_ref.datasets import tfidf
    >>> tfidf([[1, 1], [2, 0]]).toarray().round(4)
    array([[0.5797, 0.8148],
           [1.    , 0.    ]])
    """
    X = _as_counts("counts", counts)
    known = X if reference is None else _as_counts("reference", reference)
    X = X.copy()
    if known.shape[1] != X.shape[1]:
        raise ArgumentError("reference", f"{known.shape[1]} words", f"{X.shape[1]}")
    documents = np.bincount(known.indices[known.data != 0], minlength=known.shape[1])
    idf = np.log((1 + known.shape[0]) / (1 + documents)) + 1
    X.data *= idf[X.indices]
    lengths = np.sqrt(X.power(2).sum(axis=1))
    X.data /= np.repeat(np.where(lengths > 0, lengths, 1.0), np.diff(X.indptr))
    return X


def _as_counts(name: str, counts: Any) -> sp.csr_array:
    if not sp.issparse(counts):
        counts = sp.csr_array(as_array(name, counts, "a sparse matrix or an array"))
    return as_csr(name, counts).astype(np.float64)


def _names(path: Path, names: np.ndarray) -> tuple[str, ...]:
    if names.ndim != 1 or names.dtype.kind != "U":
        found = f"{names.dtype} of shape {names.shape}"
        raise ArgumentError(f"{path}, target_names", found, "a 1-D array of strings")
    try:
        return tuple(names.tolist())
    except (ValueError, SystemError) as error:
        raise ArgumentError(f"{path}, target_names", f"no strings ({error})", "a 1-D array of strings") from None


def _counts(path: Path, part: str, arrays: dict[str, np.ndarray], limit: int) -> sp.csr_array:
    for key in ("data", "indices", "indptr", "shape"):
        array = arrays[f"{part}_{key}"]
        if array.ndim != 1 or array.dtype.kind not in "iu" or (key == "shape" and array.size != 2):
            found = f"{array.dtype} of shape {array.shape}"
            expected = "two integers" if key == "shape" else "a 1-D array of integers: the counts as a CSR matrix"
            raise ArgumentError(f"{path}, {part}_{key}", found, expected)
    data, indices, indptr, shape = (arrays[f"{part}_{key}"] for key in ("data", "indices", "indptr", "shape"))
    if 8 * int(shape[1]) > limit:  # a weight a word
        raise over_the_limit(f"{path}, {part}_shape", limit, f"{shape[1]} words of 8 bytes each")
    try:
        X = sp.csr_array((data, indices, indptr), shape=tuple(int(size) for size in shape))
        X.check_format(full_check=True)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise ArgumentError(f"{path}, {part}", f"no CSR matrix ({error})", "a CSR matrix of counts") from None
    if X.data.min(initial=0) < 0 or X.nnz == 0:
        found = f"{X.data.dtype} from {X.data.min(initial=0)}, {X.nnz} entries"
        raise ArgumentError(f"{path}, {part}_data", found, "counts: non-negative integers, at least one")
    return X


def _labels(path: Path, part: str, arrays: dict[str, np.ndarray], n: int, n_classes: int) -> np.ndarray:
    labels = arrays[f"{part}_target"]
    fits = labels.shape == (n,) and labels.dtype.kind in "iu"
    if not fits or labels.min() < 0 or labels.max() >= n_classes:
        found = f"{labels.dtype} of shape {labels.shape}"
        raise ArgumentError(f"{path}, {part}_target", found, f"{n} integers in 0..{n_classes - 1}")
    return labels.astype(np.int64)
