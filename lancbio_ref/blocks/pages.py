"""Pages of memory maps: read ahead of whoever needs them, and given back after.

A page of a file that has been looked at counts as resident until the system wants it back. Given back at once
(``MADV_DONTNEED``), it stays in the system's cache, which is nobody's, and is read from there again; only a map whose
writes are its own (mode ``"c"``) would lose them, and is left alone.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

SHARED = ("r", "r+", "w+")  # modes of a memory map whose pages are those of the file


def file_of(array: Any) -> tuple[mmap.mmap, bool] | None:
    """The memory map behind an array, through views, and whether its pages are the file's; None for other memory."""
    shared = False
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            shared = getattr(array, "mode", None) in SHARED
        array = array.base
    return (array, shared) if isinstance(array, mmap.mmap) else None


def is_mapped(array: Any) -> bool:
    """Whether an array is the memory of a file."""
    return file_of(array) is not None


def expect(part: np.ndarray) -> None:
    """Have the system begin to read a contiguous part of a memory map, and wait for nothing."""
    _advise(part, "MADV_WILLNEED")


def look_through(part: np.ndarray) -> None:
    """Have the pages of a contiguous part of a memory map in memory; for a thread of its own, which waits for them."""
    if part.flags.c_contiguous and part.size:
        part.reshape(-1).view(np.uint8)[:: mmap.PAGESIZE].max()  # looks at one byte a page


def give_back(part: np.ndarray) -> None:
    """Let go of the pages that lie wholly in a contiguous part of a memory map."""
    _advise(part, "MADV_DONTNEED")


def _advise(part: np.ndarray, name: str) -> None:
    advice, found = getattr(mmap, name, None), file_of(part)
    if advice is None or found is None or not found[1] or not part.size:
        return
    memory = found[0]
    first = part.__array_interface__["data"][0] - np.frombuffer(memory, np.uint8).__array_interface__["data"][0]
    start, stop = -(-first // mmap.PAGESIZE), (first + part.nbytes) // mmap.PAGESIZE
    if stop > start:
        memory.madvise(advice, start * mmap.PAGESIZE, (stop - start) * mmap.PAGESIZE)
