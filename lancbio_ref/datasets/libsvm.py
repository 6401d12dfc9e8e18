"""The text format of LIBSVM: one sample a line, ``LABEL INDEX:VALUE INDEX:VALUE …``, indices from 1, increasing.

(C.-C. Chang, C.-J. Lin, *LIBSVM: a library for support vector machines*, ACM TIST 2, 2011.) What follows ``#`` is a
comment.
"""

from __future__ import annotations

import bz2
import gzip
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..arguments import as_integer
from ..errors import ArgumentError

OPENERS: dict[str, Any] = {".bz2": bz2.open, ".gz": gzip.open}


def load_libsvm(path: str | os.PathLike, n_features: int | None = None) -> tuple[sp.csr_array, np.ndarray]:
    """A LIBSVM file as a sparse matrix and labels.

    Parameters
    ----------
    path : str or path-like
        Plain, ``.gz`` or ``.bz2``.
    n_features : int, optional
        p; the largest index of the file by default. Give it where a test set must be as wide as its training set.

    Returns
    -------
    X : csr_array, shape (n, p), float64
    labels : ndarray, shape (n,)
        int64 where all are integers, else float64.

    Raises
    ------
    ArgumentError
        No such file, a damaged one, an empty one; a line that is not of this form, with its number.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lancbio_ref.datasets import load_libsvm
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "tiny")
    ...     _ = path.write_text("+1 1:0.5 3:2\\n-1 2:1\\n")
    ...     X, labels = load_libsvm(path)
    >>> X.toarray(), labels
    (array([[0.5, 0. , 2. ],
           [0. , 1. , 0. ]]), array([ 1, -1]))
    """
    path = Path(path)
    if n_features is not None:
        n_features = as_integer("n_features", n_features, least=1)
    # (number of the line, its words), empty lines left out
    lines = [(i, line.partition(b"#")[0].split()) for i, line in enumerate(_read(path).split(b"\n"), 1)]
    lines = [(number, words) for number, words in lines if words]
    if not lines:
        raise ArgumentError(str(path), "no samples", "lines of LABEL INDEX:VALUE ...")
    entries = [word.partition(b":") for _, words in lines for word in words[1:]]
    try:  # whole columns at once; only what fails is looked at line by line
        labels = _numbers([words[0] for _, words in lines])
        indices = np.array([index for index, _, _ in entries], dtype="S").astype(np.int64)
        values = _numbers([value for _, _, value in entries])
    except (ValueError, OverflowError):
        raise _first_bad_word(path, lines) from None
    starts = np.cumsum([0] + [len(words) - 1 for _, words in lines])
    steps = np.diff(indices, prepend=0)
    firsts = starts[:-1][np.diff(starts) > 0]
    steps[firsts] = indices[firsts]  # of the first index of a line, from 0
    width = int(indices.max(initial=0)) if n_features is None else n_features
    bad = np.flatnonzero((steps <= 0) | (indices > width))
    if bad.size:
        number = lines[int(np.searchsorted(starts, bad[0], side="right")) - 1][0]
        expected = f"indices that increase from 1{'' if n_features is None else f' to {n_features}'}"
        raise ArgumentError(f"{path}, line {number}", f"the index {indices[bad[0]]}", expected)
    X = sp.csr_array((values, indices - 1, starts), shape=(len(lines), width))
    whole = (labels == np.rint(labels)).all() and (np.abs(labels) < 2**53).all()
    return X, labels.astype(np.int64) if whole else labels


def _read(path: Path) -> bytes:
    try:
        with OPENERS.get(path.suffix, open)(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        raise ArgumentError(str(path), "no such file", "a LIBSVM file, plain, .gz or .bz2") from None
    except (EOFError, zlib.error, OSError) as error:
        raise ArgumentError(str(path), f"unreadable ({error})", "an intact file, plain, .gz or .bz2") from None


def _numbers(words: list[bytes]) -> np.ndarray:
    """Finite float64 numbers; ValueError otherwise."""
    numbers = np.array(words, dtype="S").astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError
    return numbers


def _first_bad_word(path: Path, lines: list[tuple[int, list[bytes]]]) -> ArgumentError:
    """The first word that cannot be read, as an exception that says where it is."""
    for number, words in lines:
        for position, word in enumerate(words):
            index, _, value = word.partition(b":") if position else (b"1", b":", word)
            try:
                _numbers([value])
                np.array([index], dtype="S").astype(np.int64)
            except (ValueError, OverflowError):
                found = repr(word.decode("ascii", "replace"))
                expected = "INDEX:VALUE with finite numbers" if position else "a finite number as the label"
                return ArgumentError(f"{path}, line {number}", found, expected)
    raise AssertionError("every word can be read alone, but not all together")
