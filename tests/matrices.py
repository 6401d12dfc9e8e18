"""Matrices of the Matrix Market, whichever SciPy reads them."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

import scipy.io
from scipy.sparse import csr_array

# from 1.18 on SciPy asks which kind of sparse object is wanted; the oldest one does not know the question
CHOICE = {"spmatrix": False} if "spmatrix" in signature(scipy.io.mmread).parameters else {}


def read_matrix(path: Path) -> csr_array:
    """The matrix in this file."""
    return csr_array(scipy.io.mmread(path, **CHOICE))
