"""Files, each written beside its place and renamed, so that none is ever half there."""

from __future__ import annotations

import io
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from .errors import ArgumentError

UNFINISHED = ".lancbio-", ".tmp"  # how the name of a file begins and ends until it is whole


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@contextmanager
def claimed(folder: Path, argument: str = "--out") -> Iterator[Path]:
    """`folder`, made where it is missing, for this process alone; asked for before a long run, not after.

    What a process that was killed left unfinished in it is removed.

    Raises
    ------
    ArgumentError
        It cannot be made or written to, or another process has claimed it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        raise ArgumentError(argument, f"{folder} ({reason(error)})", "a folder that can be written to") from None
    with _locked(folder, argument):
        for name in folder.glob("*".join(UNFINISHED)):
            with suppress(OSError):
                name.unlink()
        yield folder


@contextmanager
def _locked(folder: Path, argument: str) -> Iterator[None]:
    """The lock of a folder, which ends with the process; where there are no such locks, none."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        found = f"{folder}, where another lancbio-ref is writing"
        raise ArgumentError(argument, found, "a folder of its own, or to wait until that has ended") from None
    except OSError:  # some network file systems
        pass
    try:
        yield
    finally:
        os.close(descriptor)


def reason(error: Exception) -> str:
    """Why a file could not be used, in a few words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def write(path: Path, fill: Callable[[IO[bytes]], Any]) -> str:
    """Let `fill` write to a new file beside `path`, then rename it; on any exception `path` stays as it was.

    Returns
    -------
    str
        The line of a report about it.

    Raises
    ------
    ArgumentError
        There is no room, no permission, no such folder.
    """
    try:
        prefix, suffix = UNFINISHED
        descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                fill(file)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)  # mkstemp's files are private
            os.replace(name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise ArgumentError(str(path), f"not written ({reason(error)})", "a place where it can be written") from error
    return f"wrote {path}"


def write_all(*writes: Callable[[], str]) -> tuple[list[str], bool]:
    """Every file of a report that can be written, whatever becomes of the others.

    Returns
    -------
    lines : list of str
        Of the report, one a file.
    all_written : bool
    """
    lines, all_written = [], True
    for make in writes:
        try:
            lines.append(make())
        except ArgumentError as error:
            lines.append(f"failed: {error}")
            all_written = False
    return lines, all_written


def write_text(path: Path, text: str | bytes) -> str:
    """Write a text, in UTF-8; the line of a report about it."""
    return write(path, lambda file: file.write(text.encode("utf-8", "replace") if isinstance(text, str) else text))


def write_json(path: Path, values: Mapping[str, Any]) -> str:
    """Write `values`, infinite numbers as null; the line of a report about it."""
    return write_text(path, json.dumps(plain(values), indent=2, allow_nan=False) + "\n")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Write arrays by their names, as an npz file; the line of a report about it."""
    return write(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]


def write_figure(path: Path, draw: Callable[[], Any]) -> str:
    """Write what `draw` draws where matplotlib is installed and can draw it; the line of a report about it.

    `draw` is called under matplotlib's own settings, not the user's.
    """
    if find_spec("matplotlib") is None:
        return f"skipped {path}: matplotlib is not installed (pip install matplotlib)"
    try:
        image = _png(draw)
    except Exception as error:  # a figure is the least of a run, and matplotlib may fail for reasons of its own
        return f"skipped {path}: matplotlib failed ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
    return write(path, lambda file: file.write(image))


def _png(draw: Callable[[], Any]) -> bytes:
    matplotlib = _matplotlib()
    with matplotlib.rc_context(), io.BytesIO() as file:
        matplotlib.rcdefaults()
        draw().savefig(file, format="png", dpi=150)
        return file.getvalue()


def _matplotlib() -> Any:
    """matplotlib, imported without MPLBACKEND: a notebook's backend in a process that is none would end the import."""
    backend = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend  # as the import would have set it
    return matplotlib


def plain(value: Any) -> Any:
    """`value` in the types that JSON knows."""
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, (np.integer, np.floating, np.bool_)):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
