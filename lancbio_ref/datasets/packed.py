"""Files, plain or packed, read as far as a limit: a megabyte can unpack to a gigabyte, and a header can claim anything.

What a file is packed with is found by its first bytes, not by its name.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ..arguments import as_integer
from ..errors import ArgumentError

LIMIT = 2**28  # bytes, unpacked: five times the largest file of MNIST
BLOCK = 2**20
PACKERS: dict[bytes, Callable[[BinaryIO], Any]] = {  # by first bytes
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
ENDINGS = {".gz": "gzip's 1f 8b", ".bz2": "bzip2's 42 5a 68", ".xz": "xz's fd 37 7a 58 5a 00"}
OTHERS = {b"PK\3\4": "a zip archive", b"\x28\xb5\x2f\xfd": "packed with zstd", b"7z\xbc\xaf": "a 7-Zip archive"}


def as_path(path: Any) -> Path:
    """What names a file, as a path."""
    try:
        return Path(os.fsdecode(path))
    except TypeError:
        raise ArgumentError("path", repr(path)[:80], "a str or a path-like object") from None


@contextmanager
def unpacked(path: Path, limit: int, kind: str, *, packed: bool = True) -> Iterator[Any]:
    """The content of a regular file, unpacked, as a stream of at most `limit` bytes; `kind` is for the messages.

    (Where not `packed`, it is the file itself, not larger than `limit`.)

    Raises
    ------
    ArgumentError
        No such file, none that can be read; damage, at any time while the stream is read; more than `limit` bytes.
    """
    limit = as_integer("limit", limit, least=1)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe that nobody writes to would wait forever
            raise ArgumentError(str(path), "no regular file", kind)
        with path.open("rb") as raw:
            if not packed:
                if path.stat().st_size > limit:
                    raise over_the_limit(str(path), limit)
                yield raw
                return
            first = raw.read(6)
            raw.seek(0)
            packer = next((packer for magic, packer in PACKERS.items() if first.startswith(magic)), None)
            if packer is None:
                _refuse_by_first_bytes(path, first)
            source = raw if packer is None else packer(raw)
            yield io.BufferedReader(_Limited(source, str(path), limit), BLOCK)
    except FileNotFoundError:
        raise ArgumentError(str(path), "unreadable (no such file)", f"{kind}, plain, .gz, .bz2 or .xz") from None
    except ArgumentError:
        raise
    except (EOFError, OSError, zlib.error, lzma.LZMAError, ValueError, MemoryError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ArgumentError(str(path), f"unreadable ({why})", f"{kind}, intact, plain, .gz, .bz2 or .xz") from None


def _refuse_by_first_bytes(path: Path, first: bytes) -> None:
    for magic, name in OTHERS.items():
        if first.startswith(magic):
            raise ArgumentError(str(path), name, "a file that is plain, .gz, .bz2 or .xz: unpack it first")
    if (promised := ENDINGS.get(path.suffix.lower())) is not None:
        raise ArgumentError(str(path), f"first bytes {first[:4].hex(' ') or 'none'}", promised)


class _Limited(io.RawIOBase):
    """`source`, of which nobody gets more than `limit` bytes."""

    def __init__(self, source: Any, name: str, limit: int) -> None:
        super().__init__()
        self._source, self._name, self._limit, self._given = source, name, limit, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._source.readinto(buffer)
        self._given += count
        if self._given > self._limit:
            raise over_the_limit(self._name, self._limit)
        return count


def over_the_limit(name: str, limit: int, found: str = "") -> ArgumentError:
    """The refusal of what is too large, with the remedy."""
    found = found or f"more than {limit} bytes, unpacked"
    return ArgumentError(name, found, f"at most {limit}; pass a larger limit= if you trust the file")


def up_to(stream: Any, size: int) -> bytes:
    """Up to `size` bytes in blocks: a header may claim any size, memory is used only for what is there."""
    blocks = []
    while size > 0 and (block := stream.read(min(size, BLOCK))):
        blocks.append(block)
        size -= len(block)
    return b"".join(blocks)
