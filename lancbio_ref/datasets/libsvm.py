"""The text format of LIBSVM: one sample a line, ``LABEL INDEX:VALUE INDEX:VALUE …``, indices from 1, increasing.

(C.-C. Chang, C.-J. Lin, *LIBSVM: a library for support vector machines*, ACM TIST 2, 2011.) What follows ``#`` is a
comment; blanks after a colon, which some published sets have, are skipped.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..arguments import as_integer
from ..errors import ArgumentError
from .packed import BLOCK, LIMIT, as_path, unpacked

LARGEST = 2**31 - 1  # LIBSVM's own indices are C's int
LONGEST_WORD = 128  # characters; %.17g needs 24
LONGEST_LINE = 2**24  # bytes: a million features with all their digits
CHARACTERS = b"0123456789+-.eE"  # of a number: Python's own reader would take 1_0, too
AFTER_COLON = re.compile(rb":[ \t]+")


def load_libsvm(
    path: str | os.PathLike[str], n_features: int | None = None, *, limit: int = LIMIT
) -> tuple[sp.csr_array, np.ndarray]:
    """A LIBSVM file as a sparse matrix and labels.

    Parameters
    ----------
    path : str or path-like
        Plain, or packed by gzip, bzip2 or xz, which is recognized by the first bytes.
    n_features : int, optional
        p; the largest index of the file by default. Give it where a test set must be as wide as its training set.
    limit : int, default 2**28
        No more bytes than this are unpacked.

    Returns
    -------
    X : csr_array, shape (n, p), float64
    labels : ndarray, shape (n,)
        int64 where all are integers, else float64.

    Raises
    ------
    ArgumentError
        No such file, a damaged one, an empty one; more bytes than `limit`; a line that is not of this form, with its
        number.

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
    path = as_path(path)
    if n_features is not None:
        n_features = as_integer("n_features", n_features, least=1)
    with unpacked(path, limit, "a LIBSVM file") as stream:
        parts = [_parse(path, lines, n_features) for lines in _blocks(path, stream)]
    if not parts:
        raise ArgumentError(str(path), "no samples", "lines of LABEL INDEX:VALUE ...")
    labels, indices, values, lengths = map(np.concatenate, zip(*parts, strict=True))
    width = int(indices.max(initial=0)) if n_features is None else n_features
    starts = np.concatenate([[0], np.cumsum(lengths)])
    X = sp.csr_array((values, indices - 1, starts), shape=(len(labels), width))
    whole = (labels == np.rint(labels)).all() and (np.abs(labels) < 2**53).all()
    return X, labels.astype(np.int64) if whole else labels


def _blocks(path: Path, stream: Any) -> Iterator[list[tuple[int, list[bytes]]]]:
    """Some lines at a time: the number of each and its words, empty ones left out."""
    above = 0
    while texts := stream.readlines(BLOCK):
        lines = []
        if above == 0:
            texts[0] = texts[0].removeprefix(codecs.BOM_UTF8)
        for number, text in enumerate(texts, above + 1):
            if len(text) > LONGEST_LINE:
                raise ArgumentError(f"{path}, line {number}", f"{len(text)} bytes", f"lines of at most {LONGEST_LINE}")
            words = AFTER_COLON.sub(b":", text.partition(b"#")[0].rstrip()).split()
            if words:
                lines.append((number, words))
        above += len(texts)
        if lines:
            yield lines


def _parse(
    path: Path, lines: list[tuple[int, list[bytes]]], n_features: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, indices and values of these lines, and how many entries each has."""
    entries = [word.partition(b":") for _, words in lines for word in words[1:]]
    try:  # whole columns at once; only what fails is looked at line by line
        labels = _numbers([words[0] for _, words in lines])
        indices = _integers([index for index, _, _ in entries])
        values = _numbers([value for _, _, value in entries])
    except (ValueError, OverflowError):
        raise _first_bad_word(path, lines) from None
    lengths = np.array([len(words) - 1 for _, words in lines])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    before = np.concatenate([[0], indices[:-1]])[: indices.size]
    before[starts[:-1][lengths > 0]] = 0  # the first index of a line comes after 0
    largest = LARGEST if n_features is None else min(n_features, LARGEST)
    bad = np.flatnonzero((indices <= before) | (indices < 1) | (indices > largest))
    if bad.size:
        number = lines[int(np.searchsorted(starts, bad[0], side="right")) - 1][0]
        expected = f"indices that increase from 1 to {largest}"
        raise ArgumentError(f"{path}, line {number}", f"the index {indices[bad[0]]}", expected)
    return labels, indices, values, lengths


def _words(words: list[bytes]) -> np.ndarray:
    """Short words of the characters of numbers; ValueError otherwise."""
    if max(map(len, words), default=0) > LONGEST_WORD or b"".join(words).translate(None, CHARACTERS):
        raise ValueError
    return np.array(words, dtype="S")


def _numbers(words: list[bytes]) -> np.ndarray:
    """Finite float64 numbers; ValueError otherwise."""
    numbers = _words(words).astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError
    return numbers


def _integers(words: list[bytes]) -> np.ndarray:
    """int64 numbers; ValueError or OverflowError otherwise."""
    return _words(words).astype(np.int64)


def _first_bad_word(path: Path, lines: list[tuple[int, list[bytes]]]) -> ArgumentError:
    """The first word that cannot be read, as an exception that says where it is."""
    for number, words in lines:
        for position, word in enumerate(words):
            index, _, value = word.partition(b":") if position else (b"1", b":", word)
            try:
                _numbers([value])
                _integers([index])
            except (ValueError, OverflowError):
                found = repr(word[:60].decode("ascii", "replace")) + f"… ({len(word)} bytes)" * (len(word) > 60)
                expected = "INDEX:VALUE with finite numbers" if position else "a finite number as the label"
                return ArgumentError(f"{path}, line {number}", found, expected)
    raise AssertionError("every word can be read alone, but not all together")
