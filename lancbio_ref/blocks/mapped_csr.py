"""Sparse matrices in files, as memory maps: three ``.npy`` files, or an ``.npz`` that is stored and not compressed.

SciPy's own matrices would do, but converting their indices to the narrowest type, as SciPy does, copies them all.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..errors import ArgumentError

PARTS = ("data", "indices", "indptr")
LOCAL_HEADER = 30  # bytes of a zip file before the name of a member
FILES = "a folder with data.npy, indices.npy and indptr.npy, or what scipy.sparse.save_npz(compressed=False) wrote"


@dataclass(frozen=True)
class MappedCSR:
    """The arrays of a CSR matrix, which may be memory maps; nothing is converted, and nothing read before its block is.

    Attributes
    ----------
    data, indices, indptr : ndarray
        As in :class:`scipy.sparse.csr_array`.
    shape : tuple of int
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    shape: tuple[int, int]

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    @property
    def nnz(self) -> int:
        return len(self.data)


def open_csr(path: str | os.PathLike[str], *, n_features: int | None = None) -> MappedCSR:
    """A CSR matrix in files, as memory maps that are only read.

    Parameters
    ----------
    path : path
        A folder with ``data.npy``, ``indices.npy`` and ``indptr.npy``, or an ``.npz`` of
        ``scipy.sparse.save_npz(path, X, compressed=False)``.
    n_features : int, optional
        Columns; needed of a folder, which does not say.

    Raises
    ------
    ArgumentError
        Files that are not there or no CSR matrix, compressed ones, an unknown number of columns.

    Examples
    --------
    >>> import tempfile, pathlib, scipy.sparse as sp
    >>> from lancbio_ref.blocks import open_csr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "X.npz")
    ...     sp.save_npz(path, sp.csr_array([[0.0, 2.0], [1.0, 0.0]]), compressed=False)
    ...     X = open_csr(path)
    >>> X.shape, X.nnz
    ((2, 2), 2)
    """
    path = Path(path)
    if path.is_dir():
        missing = [part for part in PARTS if not (path / f"{part}.npy").is_file()]
        if missing:
            raise ArgumentError("path", f"no {missing[0]}.npy in {path.name}", FILES)
        if n_features is None:
            raise ArgumentError("n_features", None, "the number of columns, which a folder of arrays does not say")
        data, indices, indptr = (np.load(path / f"{part}.npy", mmap_mode="r") for part in PARTS)
        return MappedCSR(data, indices, indptr, (len(indptr) - 1, n_features))
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise ArgumentError("path", str(path.name), FILES)
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if not {f"{part}.npy" for part in (*PARTS, "shape")} <= names:
            raise ArgumentError("path", f"{path.name} with {', '.join(sorted(names))[:80]}", FILES)
        data, indices, indptr = (_stored(path, archive, f"{part}.npy") for part in PARTS)
        with archive.open("shape.npy") as file:
            shape = np.lib.format.read_array(file, allow_pickle=False)
        if "format.npy" in names:
            with archive.open("format.npy") as file:
                layout = np.lib.format.read_array(file, allow_pickle=False).item()
            if layout not in (b"csr", "csr"):
                raise ArgumentError("path", f"a matrix in format {layout!r}", "CSR: save_npz of X.tocsr()")
    if shape.shape != (2,):
        raise ArgumentError("path", f"shape {shape.tolist()}", "a 2-D matrix")
    return MappedCSR(data, indices, indptr, (int(shape[0]), int(shape[1])))


def _stored(path: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One member as a memory map."""
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED:
        raise ArgumentError("path", f"a compressed {path.name}", "one of save_npz(..., compressed=False)")
    with path.open("rb") as file:
        file.seek(member.header_offset)
        header = file.read(LOCAL_HEADER)
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        file.seek(member.header_offset + LOCAL_HEADER + lengths)
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if (fortran and len(shape) > 1) or dtype.hasobject:
            raise ArgumentError("path", f"{name} of dtype {dtype}, shape {shape}", "a plain 1-D array")
        offset = file.tell()
    if shape == (0,):
        return np.empty(0, dtype)
    return np.memmap(path, dtype, "r", offset, shape)


def is_csr(X: Any) -> bool:
    """Whether X has the arrays of a CSR matrix."""
    return isinstance(X, MappedCSR) or (sp.issparse(X) and X.format == "csr")
