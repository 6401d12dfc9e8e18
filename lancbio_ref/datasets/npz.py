"""Arrays of an npz file, none of which is made before its bytes are there.

An npz file is a zip archive of npy files; each is a header, which states type and shape, and the entries.
(``numpy.load`` allocates what the header claims before it reads.)
"""

from __future__ import annotations

import io
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .packed import LIMIT, over_the_limit, unpacked, up_to

HEADER = 2**16  # bytes that may state type and shape
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what NumPy writes, and what unpacks in small steps
DAMAGE = (
    OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError, ValueError, TypeError,
    KeyError, IndexError, AttributeError, SyntaxError, OverflowError, NotImplementedError, RuntimeError, MemoryError,
)  # fmt: skip


def load_arrays(
    path: Path, names: Iterable[str] = (), limit: int = LIMIT, *, others: bool = False
) -> dict[str, np.ndarray]:
    """The arrays of these names, and with `others` all that there are; of together at most `limit` bytes.

    Raises
    ------
    ArgumentError
        No such file, a damaged one; arrays that are missing, hold Python objects or are larger than `limit`.
    """
    names, arrays = tuple(names), {}
    with unpacked(path, limit, "an npz file", packed=False) as stream:
        try:
            with zipfile.ZipFile(stream) as file:
                members = {info.filename: info for info in file.infolist()}
                if len(members) < len(file.infolist()):
                    raise ArgumentError(str(path), "two members of one name", "an intact npz file")
                if missing := [name for name in names if f"{name}.npy" not in members]:
                    raise ArgumentError(str(path), "no array " + ", ".join(missing), "all of " + ", ".join(names))
                if others:
                    if strange := [name for name in members if not name.endswith(".npy")]:
                        raise ArgumentError(str(path), f"a member {strange[0][:80]!r}", "arrays, as numpy.savez writes")
                    names = tuple(name.removesuffix(".npy") for name in members)
                for name in names:
                    arrays[name] = _array(f"{path}, {name}", file, members[f"{name}.npy"], limit)
                    limit -= arrays[name].nbytes
        except ArgumentError:
            raise
        except DAMAGE as error:
            raise ArgumentError(str(path), f"unreadable ({str(error)[:200]})", "an intact npz file") from None
    return arrays


def _array(place: str, file: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> np.ndarray:
    if info.compress_type not in PACKED or info.flag_bits & 1:
        raise ArgumentError(place, "an unusual compression, or a password", "what numpy.savez_compressed writes")
    try:
        with file.open(info) as stream:
            shape, fortran, dtype = _header(stream)
            if dtype.hasobject:
                raise ArgumentError(place, "pickled objects", "an array of numbers or strings")
            size = dtype.itemsize * math.prod(shape)
            if dtype.itemsize * math.prod(length or 1 for length in shape) > limit:
                raise over_the_limit(place, limit, f"a header that claims {dtype} of shape {shape}")
            data = up_to(stream, size + 1)
            if len(data) != size:
                raise ArgumentError(place, f"{len(data)} bytes or more", f"{size} bytes for shape {shape}")
            array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
            return array.astype(dtype.newbyteorder("="))
    except ArgumentError:
        raise
    except DAMAGE as error:
        raise ArgumentError(place, f"unreadable ({str(error)[:200]})", "an intact npz file") from None


def _header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran order, and type."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the npy format")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers that Python 2 wrote
        size = stream.read(2 if version == (1, 0) else 4)
        length = int.from_bytes(size, "little")
        if length > HEADER:
            raise ValueError(f"a header of {length} bytes")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(io.BytesIO(size + stream.read(length)))
    if any(length < 0 for length in shape):
        raise ValueError(f"the shape {shape}")
    return shape, fortran, dtype
