"""Functions compiled by numba, kept on disk where that can be, compiled again where what was kept is damaged."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import config, njit

_said = False


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: ``numba.njit`` with these options and a cache, where there is a folder that can be written."""
    if getattr(config, "DISABLE_JIT", False):  # compiled, numbers overflow in silence, and so must they as plain Python
        return np.errstate(all="ignore")

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            dispatcher = njit(cache=True, **options)(function)
        except (RuntimeError, OSError) as error:  # neither the package's folder nor the user's can be written
            _say_once(error)
            return njit(**options)(function)
        _compile_again_what_is_damaged(dispatcher)
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


def _quietly(write: Callable[..., Any], *arguments: Any) -> None:
    try:
        write(*arguments)
    except OSError as error:  # a full disk, a folder that went away
        _say_once(error)
