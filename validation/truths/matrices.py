"""Sparse matrices, the same whichever SciPy reads or makes them."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

import numpy as np
import scipy.io
from scipy.sparse import csr_array

# from 1.18 on SciPy asks which kind of sparse object is wanted; the oldest one does not know the question
CHOICE = {"spmatrix": False} if "spmatrix" in signature(scipy.io.mmread).parameters else {}


def read_matrix(path: Path) -> csr_array:
    """The matrix in this file."""
    return csr_array(scipy.io.mmread(path, **CHOICE))


def random_matrix(shape: tuple[int, int], density: float, rng: np.random.Generator) -> csr_array:
    """Normal entries, each there with this probability; SciPy's own maker took another argument name before 1.15."""
    return csr_array(np.where(rng.random(shape) < density, rng.standard_normal(shape), 0.0))
