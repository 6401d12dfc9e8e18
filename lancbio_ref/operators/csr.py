"""Sparse matrices at the door: nothing indexes memory with what has not been looked at.

Compiled loops, SciPy's and ours, trust the indices of a sparse matrix: one that counts from 1, as other languages do,
reads and writes beyond the end. SciPy's constructor does not look at them, and its ``check_format(full_check=True)``
stops where ``indptr`` ends with 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..arguments import exact_floats, refuse_masked
from ..errors import ArgumentError

ORDER = "float32, float64, complex64 or complex128"


def as_csr(name: str, A: Any) -> sp.csr_array:
    """A sparse matrix of any SciPy format as CSR with finite floats, every entry given once; not changed.

    Raises
    ------
    ArgumentError
        Not two-dimensional; indices outside of the matrix, row pointers that fall or do not end where the entries do;
        no numbers, integers that float64 does not have, NaN or infinity.
    """
    if A.ndim != 2:
        raise ArgumentError(name, f"shape {A.shape}", "a 2-D sparse matrix")
    if A.shape[1] == 0:
        raise ArgumentError(name, f"shape {A.shape}", "a 2-D array with at least one column")
    if A.format in ("csr", "csc", "bsr"):
        _check_compressed(name, A)
    elif A.format == "coo":
        _check_coordinates(name, A)
    try:
        if A.dtype.kind in "biu" and A.format not in ("dok", "lil"):
            exact_floats(name, A.data)
            A = A.astype(np.float64)  # before entries are added: int8 would wrap
        converted = A.tocsr()
    except ArgumentError:
        raise
    except (ValueError, TypeError, IndexError) as error:  # DIA, DOK and LIL look at themselves, or copy only
        raise ArgumentError(name, f"a {A.format} matrix that is none ({error})", "a valid sparse matrix") from None
    if A.format not in ("csr", "csc", "bsr", "coo"):
        _check_compressed(name, converted)
    data = converted.data
    if data.dtype.kind in "biu":
        data = exact_floats(name, data)
    data = data.astype(data.dtype.newbyteorder("="), copy=False)
    if data.dtype.char not in "fdFD":
        raise ArgumentError(name, f"dtype {data.dtype}", ORDER)
    end = int(converted.indptr[-1])
    # a new matrix, which knows nothing of flags that somebody set
    csr = sp.csr_array((data[:end], converted.indices[:end], converted.indptr), shape=converted.shape)
    if not csr.has_canonical_format:
        csr = in_canonical_order(csr)
    if not np.isfinite(csr.data).all():
        raise ArgumentError(name, "NaN or infinity among the stored entries", "finite entries")
    return csr


def in_canonical_order(csr: sp.csr_array) -> sp.csr_array:
    """A copy with entries given twice added once, here: |A| and A must be of one matrix."""
    csr = csr.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        csr.sum_duplicates()
    return csr


def _check_compressed(name: str, A: Any) -> None:
    """`indptr` begins with 0, never falls and ends within the entries; `indices` are places in the matrix."""
    refuse_masked(name, A.data)
    blocks = A.blocksize if A.format == "bsr" else (1, 1)
    rows, columns = A.shape[0] // blocks[0], A.shape[1] // blocks[1]
    major, minor = (columns, rows) if A.format == "csc" else (rows, columns)
    indptr, indices, stored = np.asarray(A.indptr), np.asarray(A.indices), len(A.data)
    expected = f"{major + 1} integers from 0, never falling, up to the number of entries"
    if indptr.shape != (major + 1,) or indptr.dtype.kind not in "iu":
        raise ArgumentError(name, f"indptr of shape {indptr.shape}, dtype {indptr.dtype}", expected)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise ArgumentError(name, f"indices of shape {indices.shape}, dtype {indices.dtype}", "a 1-D array of integers")
    if int(indptr[0]) != 0 or bool((indptr[1:] < indptr[:-1]).any()) or int(indptr[-1]) > min(len(indices), stored):
        found = f"indptr from {indptr[0]} to {indptr[-1]} for {min(len(indices), stored)} entries"
        raise ArgumentError(name, found + (", falling" if (indptr[1:] < indptr[:-1]).any() else ""), expected)
    _check_places(name, "indices", indices[: int(indptr[-1])], minor)


def _check_coordinates(name: str, A: Any) -> None:
    refuse_masked(name, A.data)
    for label, places, size in zip(("row", "column"), A.coords, A.shape, strict=True):
        if np.shape(places) != np.shape(A.data):
            raise ArgumentError(
                name, f"{np.size(places)} {label} indices for {np.size(A.data)} entries", "one an entry"
            )
        _check_places(name, f"{label} indices", np.asarray(places), size)


def _check_places(name: str, what: str, places: np.ndarray, size: int) -> None:
    if places.size and (places.min() < 0 or places.max() >= size):
        found = f"{what} from {places.min()} to {places.max()}"
        raise ArgumentError(name, found, f"indices in 0..{size - 1} (SciPy counts from 0)")
