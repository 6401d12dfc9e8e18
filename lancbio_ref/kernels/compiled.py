"""Functions compiled by numba, kept on disk where that can be, compiled again where what was kept is damaged."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numba import config, njit

JIT = not getattr(config, "DISABLE_JIT", False)
PATIENCE = 3  # calls of the same types that a `patient` function leaves to Python before it is compiled for them
_said = False


class NotCompiledError(Exception):
    """A `patient` function is not on disk, and has not been asked often enough to be worth its compiling."""


def compiled(
    *, sources: Iterable[str] = (), patient: bool = False, **options: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: ``numba.njit`` with these options and a cache, where there is a folder that can be written.

    What calls loops of other files has them compiled in, and numba looks at the function's own file alone: `sources`
    names those files, and what was kept is compiled again where one of them has changed.

    A `patient` function takes seconds to compile, and Python does the same, to the bit, without it: so long as it is
    not on disk for the types of its arguments, the first `PATIENCE` calls with them in a process raise
    :class:`NotCompiledError`. The first hyper-gradient on a new machine then waits for the small loops alone, and only
    a process with several of them for the rest.
    """
    if not JIT:  # compiled, numbers overflow in silence, and so must they as plain Python
        return np.errstate(all="ignore")
    options = dict(no_cfunc_wrapper=True) | options  # nobody calls one as a function of C's: a fifth of its compiling
    stamp = tuple(_stamp(Path(source)) for source in sources)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            dispatcher = njit(cache=True, **options)(function)
        except (RuntimeError, OSError) as error:  # neither the package's folder nor the user's can be written
            _say_once(error)
            dispatcher = njit(**options)(function)
        if stamp:
            _compile_again_what_is_old(dispatcher, stamp)
        _compile_again_what_is_damaged(dispatcher)
        if patient:
            _wait(dispatcher, f"{function.__module__}.{function.__name__}")
        return dispatcher

    return decorate


def _say_once(error: Exception) -> None:
    global _said
    if not _said:
        _said = True
        warnings.warn(
            f"lancbio_ref compiles its loops anew in every process ({error}): "
            "set NUMBA_CACHE_DIR to a folder that can be written",
            RuntimeWarning,
            stacklevel=2,
        )


def _stamp(file: Path) -> tuple[str, float, int]:
    try:
        found = file.stat()
    except OSError:  # a zipped package
        return file.name, 0.0, 0
    return file.name, found.st_mtime, found.st_size


def _compile_again_what_is_old(dispatcher: Any, stamp: tuple[Any, ...]) -> None:
    """Add `stamp` to the time and size of the function's own file, which numba compares with what it finds."""
    file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if file is not None and hasattr(file, "_source_stamp"):
        file._source_stamp = (file._source_stamp, stamp)


def _compile_again_what_is_damaged(dispatcher: Any) -> None:
    """A file of the cache that cannot be read, as after a full disk, counts as none; what follows replaces it."""
    cache = getattr(dispatcher, "_cache", None)
    if cache is None or not hasattr(cache, "load_overload") or not hasattr(cache, "save_overload"):
        return
    load, save = cache.load_overload, cache.save_overload

    def load_overload(*arguments: Any) -> Any:
        try:
            return load(*arguments)
        except Exception:  # whatever unpickling makes of damage
            _quietly(cache.flush)
            return None

    cache.load_overload = load_overload
    cache.save_overload = lambda *arguments: _quietly(save, *arguments)


def _wait(dispatcher: Any, name: str) -> None:
    """Make what is not on disk raise :class:`NotCompiledError`, for a while."""
    cache: Any = getattr(dispatcher, "_cache", None)
    if not hasattr(cache, "load_overload"):
        return
    load, asked = cache.load_overload, Counter[Any]()

    def load_overload(types: Any, *more: Any) -> Any:
        asked[types] += 1
        waits = asked[types] <= PATIENCE
        found = None if waits and asked[types] & (asked[types] - 1) else load(types, *more)  # calls 1, 2, 4, 8 … look
        if found is None and waits:
            raise NotCompiledError(name)
        return found

    cache.load_overload = load_overload


def _quietly(write: Callable[..., Any], *arguments: Any) -> None:
    try:
        write(*arguments)
    except OSError as error:  # a full disk, a folder that went away
        _say_once(error)
