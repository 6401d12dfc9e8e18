"""The UCI optical digits, 1797 images of 8 × 8 (provenance and licence: ``digits.md``, beside the data)."""

from __future__ import annotations

import gzip
from importlib.resources import files

import numpy as np


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of the UCI optical digits (Alpaydin and Kaynak 1998; CC BY 4.0).

    Returns
    -------
    images : ndarray, shape (1797, 64), uint8
        Pixels 0..16, an 8 × 8 image in C order.
    labels : ndarray, shape (1797,), int64
        Digits 0..9.

    Examples
    --------
    >>> from lancbio_ref.datasets import load_digits
    >>> images, labels = load_digits()
    >>> images.shape, labels[:3]
    ((1797, 64), array([0, 1, 2]))
    """
    with files(__package__).joinpath("digits.csv.gz").open("rb") as packed, gzip.open(packed, "rt") as text:
        table = np.loadtxt(text, delimiter=",", dtype=np.int64)
    return table[:, :-1].astype(np.uint8), table[:, -1]
