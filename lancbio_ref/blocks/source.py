"""What blocks are read from: arrays and memory maps, CSR matrices in files, arrays of HDF5 or Zarr, lists of blocks.

A source gives rows first … last − 1, or some rows, as an array or a CSR matrix in memory; nothing is ever converted
whole. Of an HDF5 or Zarr array nothing is imported: it has a shape, a dtype, chunks, and slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from ..arguments import as_integer, refuse_masked
from ..errors import ArgumentError
from .mapped_csr import MappedCSR, is_csr
from .pages import expect, file_of, give_back, is_mapped, look_through

BLOCK_BYTES = 2**24  # 16 MB: large beside what a block costs (some 100 µs), small beside any memory
LARGE = 2**25  # of a matrix in files: a smaller one is read whole
KINDS = "an array, a memory map, a CSR matrix, an HDF5 or Zarr array, or a list of arrays or sparse matrices"
FLOATS: dict[str, np.dtype] = {"f4": np.dtype(np.float32), "f8": np.dtype(np.float64)}


class Source(Protocol):
    """Rows of a matrix, wherever they are.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
        As rows come out: float32, or float64 of everything else.
    cuts : tuple of int or None
        Where the blocks are, if the source says.
    row_bytes : float
        Of a row in memory, about.
    unit : int
        Blocks of a multiple of so many rows are read best.
    waits : bool
        Whether reading waits for a disk, and is worth a thread of its own.
    is_sparse : bool
    """

    shape: tuple[int, int]
    dtype: np.dtype
    cuts: tuple[int, ...] | None
    row_bytes: float
    unit: int
    waits: bool
    is_sparse: bool

    def read(self, start: int, stop: int) -> Any:
        """These rows in memory; perhaps the source's own."""

    def expect(self, start: int, stop: int) -> None:
        """These rows are read soon: a disk may begin with them."""

    def take(self, indices: np.ndarray) -> Any:
        """Copies of these rows, increasing."""

    def release(self, start: int, stop: int) -> None:
        """Nobody needs what `read` returned of these rows any more."""


class _Dense:
    """An array, or a memory map."""

    cuts: tuple[int, ...] | None = None
    unit, is_sparse = 1, False

    def __init__(self, name: str, X: np.ndarray) -> None:
        refuse_masked(name, X)
        self.X, self.shape, self.dtype = X, _shape(name, X), _dtype(name, X.dtype)
        self.row_bytes, self.waits = float(self.shape[1] * X.dtype.itemsize), is_mapped(X)

    def read(self, start: int, stop: int) -> np.ndarray:
        rows = np.asarray(self.X[start:stop])
        if self.waits:
            look_through(rows)
        return rows

    def expect(self, start: int, stop: int) -> None:
        expect(self.X[start:stop])

    def take(self, indices: np.ndarray) -> np.ndarray:
        return np.array(self.X[indices])

    def release(self, start: int, stop: int) -> None:
        give_back(self.X[start:stop])


class _Lazy:
    """An array of HDF5 or Zarr, which reads what is sliced."""

    cuts: tuple[int, ...] | None = None
    waits, is_sparse = True, False

    def __init__(self, name: str, X: Any) -> None:
        self.X, self.shape, self.dtype = X, _shape(name, X), _dtype(name, np.dtype(X.dtype))
        self.row_bytes = float(self.shape[1]) * np.dtype(X.dtype).itemsize
        chunks = getattr(X, "chunks", None)
        self.unit = int(chunks[0]) if isinstance(chunks, tuple) and chunks and isinstance(chunks[0], int) else 1

    def read(self, start: int, stop: int) -> np.ndarray:
        return np.asarray(self.X[start:stop])

    def expect(self, start: int, stop: int) -> None:
        pass

    def take(self, indices: np.ndarray) -> np.ndarray:
        return self.read(int(indices[0]), int(indices[-1]) + 1)[indices - indices[0]]  # HDF5 is slow row by row

    def release(self, start: int, stop: int) -> None:
        pass


class _Sparse:
    """A CSR matrix, whose arrays may be memory maps."""

    cuts: tuple[int, ...] | None = None
    unit, is_sparse = 1, True

    def __init__(self, name: str, X: Any) -> None:
        self.name, self.shape, self.dtype = name, _shape(name, X), _dtype(name, X.data.dtype)
        self.data, self.indices, self.indptr = X.data, X.indices, X.indptr
        expected = "a CSR matrix: n + 1 row pointers, an index an entry"
        if np.shape(self.indptr) != (self.shape[0] + 1,) or np.shape(self.indices) != np.shape(self.data):
            found = (
                f"{np.size(self.indptr)} row pointers, {np.size(self.indices)} indices, {np.size(self.data)} entries"
            )
            raise ArgumentError(name, found, expected)
        for part in (self.indptr, self.indices):
            if part.dtype.kind not in "iu":
                raise ArgumentError(name, f"indices of dtype {part.dtype}", "integers")
        if int(self.indptr[0]) != 0 or int(self.indptr[-1]) != len(self.data):
            raise ArgumentError(name, f"row pointers from {self.indptr[0]} to {self.indptr[-1]}", expected)
        entry = self.data.dtype.itemsize + self.indices.dtype.itemsize
        self.row_bytes = len(self.data) * entry / self.shape[0] + self.indptr.dtype.itemsize
        self.waits = any(is_mapped(part) for part in (self.data, self.indices, self.indptr))

    def read(self, start: int, stop: int) -> sp.csr_array:
        first, last = self._ends(start, stop)
        pointers = np.asarray(self.indptr[start : stop + 1]) - self.indptr.dtype.type(first)
        if (pointers[1:] < pointers[:-1]).any():
            row = start + int(np.flatnonzero(pointers[1:] < pointers[:-1])[0])
            raise ArgumentError(self.name, f"row pointers that fall at row {row}", "pointers that never fall")
        data, indices = np.asarray(self.data[first:last]), np.asarray(self.indices[first:last])
        if self.waits:
            look_through(data)
            look_through(indices)
        return _csr(_plain(data), _plain(indices), pointers, (stop - start, self.shape[1]))

    def expect(self, start: int, stop: int) -> None:
        first, last = self.indptr[start], self.indptr[stop]  # as they are: whoever reads them looks at them
        expect(self.data[first:last])
        expect(self.indices[first:last])

    def take(self, indices: np.ndarray) -> sp.csr_array:
        counts = np.asarray(self.indptr[indices + 1]) - np.asarray(self.indptr[indices])
        pointers = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        starts = np.asarray(self.indptr[indices]).astype(np.int64)
        places = np.repeat(starts - pointers[:-1], counts) + np.arange(pointers[-1])
        data, columns = np.array(self.data[places]), np.array(self.indices[places])
        return _csr(data, columns, pointers.astype(columns.dtype), (len(indices), self.shape[1]))

    def release(self, start: int, stop: int) -> None:
        first, last = self.indptr[start], self.indptr[stop]
        give_back(self.data[first:last])
        give_back(self.indices[first:last])
        give_back(self.indptr[start:stop])

    def _ends(self, start: int, stop: int) -> tuple[int, int]:
        first, last = int(self.indptr[start]), int(self.indptr[stop])
        if not 0 <= first <= last <= len(self.data):
            raise ArgumentError(self.name, f"row pointers {first} and {last}", "pointers that never fall")
        return first, last


class _Listed:
    """Arrays or sparse matrices of the same columns, a block each."""

    unit, waits = 1, False

    def __init__(self, name: str, X: Sequence[Any]) -> None:
        self.name, self.parts = name, list(X)
        for k, part in enumerate(self.parts):
            shape = getattr(part, "shape", None)
            if shape is None or len(shape) != 2 or 0 in shape:
                expected = "2-D arrays or sparse matrices of at least one row: leave an empty block out"
                raise ArgumentError(f"{name}, block {k}", f"a {type(part).__name__} of shape {shape}", expected)
            if shape[1] != self.parts[0].shape[1]:
                found = f"{shape[1]} columns"
                raise ArgumentError(f"{name}, block {k}", found, f"{self.parts[0].shape[1]}, as many as block 0 has")
            if _dtype(name, part.dtype) != _dtype(name, self.parts[0].dtype):
                found = f"dtype {part.dtype}"
                raise ArgumentError(f"{name}, block {k}", found, f"{self.parts[0].dtype}, as block 0 has: X.astype")
            if sp.issparse(part) != sp.issparse(self.parts[0]):
                raise ArgumentError(f"{name}, block {k}", f"a {type(part).__name__}", "all dense, or all sparse")
        sizes = [int(part.shape[0]) for part in self.parts]
        self.cuts: tuple[int, ...] | None = tuple(accumulate(sizes, initial=0))
        self.is_sparse = sp.issparse(self.parts[0])
        self.shape, self.dtype = (sum(sizes), self.parts[0].shape[1]), _dtype(name, self.parts[0].dtype)
        self.row_bytes = 0.0

    def read(self, start: int, stop: int) -> Any:
        assert self.cuts is not None
        part = self.parts[self.cuts.index(start)]
        if not sp.issparse(part):
            return part
        part = part.tocsr()
        return _csr(part.data, part.indices, part.indptr, part.shape)  # a matrix of ours with their arrays

    def expect(self, start: int, stop: int) -> None:
        pass

    def take(self, indices: np.ndarray) -> Any:
        assert self.cuts is not None
        k = int(np.searchsorted(self.cuts, indices[0], side="right")) - 1
        part = self.parts[k]
        return (part.tocsr() if sp.issparse(part) else part)[indices - self.cuts[k]]

    def release(self, start: int, stop: int) -> None:
        assert self.cuts is not None
        if is_mapped(self.parts[self.cuts.index(start)]):
            give_back(self.parts[self.cuts.index(start)])


def source_of(name: str, X: Any) -> Source:
    """How to read X in blocks.

    Raises
    ------
    ArgumentError
        No matrix, an unknown shape, ragged or empty blocks, numbers that are none.
    """
    if isinstance(X, (list, tuple)):
        if not X or not all(hasattr(part, "shape") for part in X):
            raise ArgumentError(name, f"a {type(X).__name__} of {len(X)}", KINDS)
        return _Listed(name, X)
    if is_csr(X):
        return _Sparse(name, X)
    if sp.issparse(X):
        raise ArgumentError(name, f"a sparse matrix in format {X.format!r}", "CSR for reading by rows: X.tocsr()")
    if isinstance(X, np.ndarray):
        return _Dense(name, X)
    if is_lazy(X):
        return _Lazy(name, X)
    raise ArgumentError(name, f"a {type(X).__name__}", KINDS)


def is_lazy(X: Any) -> bool:
    """Whether X reads what is sliced of it, as the arrays of HDF5 and Zarr do (Dask's compute, and are not these)."""
    has_all = all(hasattr(X, name) for name in ("shape", "dtype", "chunks", "__getitem__"))
    return has_all and not isinstance(X, np.ndarray) and not hasattr(X, "compute")


def is_large(X: Any) -> bool:
    """Whether X is in files, and more than `LARGE`: then nobody wants it in memory unasked."""
    if isinstance(X, np.memmap):
        return X.nbytes > LARGE and file_of(X) is not None
    if is_csr(X):
        return isinstance(X, MappedCSR) or (X.data.nbytes > LARGE and is_mapped(X.data))
    return is_lazy(X)


def cuts_of(source: Source, block_rows: int | None) -> np.ndarray:
    """Where the blocks begin, and the end: `block_rows` each, or as many rows as are about `BLOCK_BYTES`."""
    if source.cuts is not None:
        if block_rows is not None:
            raise ArgumentError("block_rows", block_rows, "None: a list has its blocks")
        return np.asarray(source.cuts)
    n = source.shape[0]
    if block_rows is None:
        rows = max(int(BLOCK_BYTES / max(source.row_bytes, 1.0)), 1)
        rows = max(rows // source.unit, 1) * source.unit
    else:
        rows = as_integer("block_rows", block_rows, least=1)
    return np.append(np.arange(0, n, rows), n)


def _csr(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int]) -> sp.csr_array:
    """Without SciPy's own look at it, which is not enough: the first reading of a block looks."""
    made = sp.csr_array(shape, dtype=data.dtype)
    if indptr.dtype != indices.dtype:  # compiled loops are made for one type of both
        wide = np.promote_types(indptr.dtype, indices.dtype) if indptr.dtype.kind == indices.dtype.kind else np.int64
        narrow = np.int32 if len(data) < 2**31 and indices.dtype == np.int32 else wide
        indptr, indices = indptr.astype(narrow), indices.astype(narrow, copy=False)
    made.data, made.indices, made.indptr = data, indices, indptr
    return made


def _plain(part: np.ndarray) -> np.ndarray:
    """Aligned, and in the machine's byte order."""
    return part if part.flags.aligned and part.dtype.isnative else part.astype(part.dtype.newbyteorder("="))


def _shape(name: str, X: Any) -> tuple[int, int]:
    shape = tuple(X.shape)
    if len(shape) != 2:
        raise ArgumentError(name, f"shape {shape}", "shape (samples, features), with at least one of each")
    if not all(isinstance(size, (int, np.integer)) for size in shape):
        raise ArgumentError(name, f"shape {shape}", "sizes that are known: of Dask, X.compute_chunk_sizes()")
    if 0 in shape:
        raise ArgumentError(name, f"shape {shape}", "shape (samples, features), with at least one of each")
    return int(shape[0]), int(shape[1])


def _dtype(name: str, dtype: np.dtype) -> np.dtype:
    """As rows come out."""
    dtype = np.dtype(dtype)
    if dtype.kind in "biu":
        return FLOATS["f8"]
    if f"{dtype.kind}{dtype.itemsize}" not in FLOATS:
        raise ArgumentError(name, f"dtype {dtype}", "float32 or float64, or integers")
    return FLOATS[f"{dtype.kind}{dtype.itemsize}"]
