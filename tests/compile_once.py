"""Of two workers that need the same function compiled, one compiles it, and the other waits for its file."""

from __future__ import annotations

import sys
import zlib
from functools import wraps
from pathlib import Path
from typing import Any

from numba.core.dispatcher import Dispatcher

from lancbio_ref.kernels.compiled import NotCompiledError

try:
    import fcntl
except ImportError:  # Windows: each worker compiles for itself
    fcntl = None  # type: ignore[assignment]


def compile_once() -> None:
    """Let `Dispatcher.compile` hold a byte of this file, which all workers share, one for each function and types.

    It holds it while the functions that are called get compiled, and no function calls itself: nobody waits in a circle
    (but where threads compile; then the system says so, and both compile). What has been waited for is loaded.
    """
    if fcntl is None or hasattr(Dispatcher.compile, "__wrapped__"):
        return
    try:
        shared = Path(__file__).open("r+b")  # noqa: SIM115, open as long as this process is
    except OSError:  # a tree that cannot be written
        return
    compile_, patience = Dispatcher.compile, sys.modules[NotCompiledError.__module__]

    @wraps(compile_)
    def compile(self: Any, types: Any) -> Any:
        left_to_python = patience.PATIENCE and "_wait." in self._cache.load_overload.__qualname__
        if left_to_python or not hasattr(self._cache, "_cache_file"):  # kept nowhere: to wait would be in vain
            return compile_(self, types)
        byte = zlib.crc32(f"{self.py_func.__module__}.{self.py_func.__qualname__}{types}".encode())
        try:
            fcntl.lockf(shared, fcntl.LOCK_EX, 1, byte)
        except OSError:
            return compile_(self, types)
        try:
            return compile_(self, types)
        finally:
            fcntl.lockf(shared, fcntl.LOCK_UN, 1, byte)

    Dispatcher.compile = compile
