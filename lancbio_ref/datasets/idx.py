"""The idx format of MNIST and the sets made after it, read with every check that the format allows.

Two zero bytes, a type code, the number of dimensions d; d big-endian unsigned 32-bit lengths; the entries, big-endian,
in C order (Y. LeCun, C. Cortes, C. Burges, *The MNIST database*). The whole may be packed.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import ArgumentError
from .packed import ENDINGS, LIMIT, as_path, unpacked, up_to

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
LARGEST = np.iinfo(np.intp).max  # bytes of an array, its empty dimensions left out
PARTS = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def load_idx(path: str | os.PathLike[str], *, limit: int = LIMIT) -> np.ndarray:
    """An idx file, packed or not, as an array.

    Parameters
    ----------
    path : str or path-like
        Plain, or packed by gzip, bzip2 or xz, which is recognized by the first bytes; a file called ``.gz`` must be
        packed.
    limit : int, default 2**28
        No more bytes than this are unpacked.

    Returns
    -------
    ndarray
        Of the shape and type that the header states, in native byte order.

    Raises
    ------
    ArgumentError
        No such file; not idx; damage; more or fewer entries than the header says; more bytes than `limit`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lancbio_ref.datasets import load_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "labels")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     load_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    path = as_path(path)
    with unpacked(path, limit, "an idx file") as stream:
        return _read(str(path), stream)


def _read(name: str, stream: BinaryIO) -> np.ndarray:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not 1 <= magic[3] <= 64:
        codes = ", ".join(f"{code:02x}" for code in TYPES)
        raise ArgumentError(name, f"first bytes {magic.hex(' ') or 'none'}", f"00 00, one of {codes}, then 01..40")
    dtype, dimensions = np.dtype(TYPES[magic[2]]), magic[3]
    header = stream.read(4 * dimensions)
    if len(header) < 4 * dimensions:
        raise ArgumentError(name, f"a header of {4 + len(header)} bytes", f"{4 + 4 * dimensions} bytes")
    shape = tuple(map(int, np.frombuffer(header, ">u4")))
    if 0 in shape and math.prod(length or 1 for length in shape) * dtype.itemsize > LARGEST:
        raise ArgumentError(name, f"the shape {shape}", "lengths that an array can have")
    expected = math.prod(shape) * dtype.itemsize
    data = up_to(stream, expected)
    if len(data) < expected:
        raise ArgumentError(name, f"truncated: {len(data)} bytes of data", f"{expected} bytes for shape {shape}")
    if stream.read(1):
        raise ArgumentError(name, "bytes after the last entry", f"exactly {expected} bytes for shape {shape}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


@dataclass(frozen=True)
class MnistLike:
    """A training and a test set of labelled images.

    Parameters
    ----------
    train_images, test_images : ndarray, shape (n, height, width), uint8
    train_labels, test_labels : ndarray, shape (n,), int64
        Labels 0..9.

    See Also
    --------
    standardized_pixels : The images as rows of numbers, as the paper's experiments take them.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_mnist_like(directory: str | os.PathLike[str], name: str | None = None, *, limit: int = LIMIT) -> MnistLike:
    """The four idx files of MNIST, Fashion-MNIST or Kuzushiji-MNIST.

    Parameters
    ----------
    directory : str or path-like
        Holds the files, or a folder `name` that does: each plain or packed (``.gz``, ``.bz2``, ``.xz``), with
        ``-idx3-`` or ``.idx3-`` in its name.
    name : str, optional
    limit : int, default 2**28
        No more bytes than this are unpacked from a file.

    Returns
    -------
    MnistLike

    Raises
    ------
    ArgumentError
        A file is missing (all four names are listed) or unsound, counts or sizes disagree, a label is not in 0..9.
    """
    folders = [as_path(directory)] + ([as_path(directory) / name] if name else [])
    arrays = {}
    for part, stem in PARTS.items():
        found = _find(folders, stem)
        if found is None:
            wanted = ", ".join(PARTS.values())
            where = " or ".join(map(str, folders))
            raise ArgumentError("data_dir", f"no {stem}[.gz] in {where}", f"a folder with {wanted} (each plain or .gz)")
        arrays[part] = load_idx(found, limit=limit)
        dimensions = 3 if part.endswith("images") else 1
        if arrays[part].ndim != dimensions or arrays[part].dtype != np.uint8:
            what = f"{arrays[part].dtype} of shape {arrays[part].shape}"
            raise ArgumentError(str(found), what, f"uint8 with {dimensions} dimension{'s' * (dimensions > 1)}")
        if dimensions == 1:
            images = arrays[part.replace("labels", "images")]
            if len(arrays[part]) != len(images):
                raise ArgumentError(str(found), f"{len(arrays[part])} labels", f"{len(images)}, one an image")
            if len(images) == 0 or arrays[part].max() > 9:
                largest = f"the label {arrays[part].max()}" if len(images) else "no labels"
                raise ArgumentError(str(found), largest, "labels 0..9, at least one")
            arrays[part] = arrays[part].astype(np.int64)
    if arrays["train_images"].shape[1:] != arrays["test_images"].shape[1:]:
        sizes = f"{arrays['train_images'].shape[1:]} and {arrays['test_images'].shape[1:]}"
        raise ArgumentError("data_dir", f"training and test images of {sizes}", "images of one size")
    return MnistLike(**arrays)


def _find(folders: list[Path], stem: str) -> Path | None:
    """The file of a part, ``.gz`` before the plain one, upper and lower case alike."""
    names = [name + ending for ending in (".gz", "", *ENDINGS) for name in (stem, stem.replace("-idx", ".idx"))]
    for folder in folders:
        try:
            there = {file.name.lower(): file for file in sorted(folder.iterdir(), reverse=True) if file.is_file()}
        except (OSError, ValueError):  # no such folder, or none that may be read
            continue
        for name in names:
            if name in there:
                return there[name]
    return None
