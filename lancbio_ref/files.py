"""Files, each written beside its place and renamed, so that none is ever half there."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np

from .errors import ArgumentError


def prepare_folder(out: Path) -> Path:
    """`out`, made where it is missing; asked before a long run, not after.

    Raises
    ------
    ArgumentError
        It cannot be made or written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            return out
    except OSError as error:
        raise ArgumentError("--out", f"{out} ({error.strerror})", "a folder that can be written to") from None


def write(path: Path, fill: Callable[[IO[bytes]], Any]) -> str:
    """Let `fill` write to a new file beside `path`, then rename it; on any exception `path` stays as it was.

    Returns
    -------
    str
        The line of a report about it.
    """
    descriptor, name = tempfile.mkstemp(prefix=path.name + ".", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            fill(file)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # mkstemp's files are private
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return f"wrote {path}"


def write_text(path: Path, text: str | bytes) -> str:
    """Write a text, in UTF-8; the line of a report about it."""
    return write(path, lambda file: file.write(text.encode() if isinstance(text, str) else text))


def write_json(path: Path, values: Mapping[str, Any]) -> str:
    """Write `values`, infinite numbers as null; the line of a report about it."""
    return write_text(path, json.dumps(plain(values), indent=2, allow_nan=False) + "\n")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Write arrays by their names, as an npz file; the line of a report about it."""
    return write(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]


def write_figure(path: Path, draw: Callable[[], Any]) -> str:
    """Write what `draw` draws where matplotlib is installed; the line of a report about it."""
    if find_spec("matplotlib") is None:
        return f"skipped {path}: matplotlib is not installed (pip install 'lancbio_ref[cli]')"
    return write(path, lambda file: draw().savefig(file, format="png", dpi=150))


def plain(value: Any) -> Any:
    """`value` in the types that JSON knows."""
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, (np.integer, np.floating, np.bool_)):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
