"""Results and states in a file without pickle: arrays in an npz file, and beside them a text in JSON that places them.

What may be in it are the classes that `may_hold` was told, each by its own attributes, arrays, numbers, texts, lists,
tuples, dicts and generators of random numbers. Whoever reads a stranger's file runs none of its code.
"""

from __future__ import annotations

import json
import os
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from .arguments import refuse_masked
from .datasets.npz import load_arrays
from .datasets.packed import as_path
from .errors import ArgumentError
from .files import write_arrays
from .krylov import LanczosProcess
from .krylov.basis import Basis
from .minibatch import Draw
from .rounding import Proven
from .status import CertificateStatus, CheckVerdict, SolveStatus, StepStatus
from .trace import Trace

CLASSES: dict[str, Any] = {}
ENUMS: dict[str, Any] = {kind.__name__: kind for kind in (SolveStatus, StepStatus, CheckVerdict, CertificateStatus)}
GENERATORS = {name: getattr(np.random, name) for name in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")}
WHAT, TEXT, VERSION = "a result that lancbio_ref saved", "document", 1
T = TypeVar("T")


def may_hold(*kinds: type) -> None:
    """Let files have objects of these classes in them."""
    CLASSES.update({kind.__name__: kind for kind in kinds})


def save_object(path: str | os.PathLike[str], thing: Any) -> None:
    """Write `thing` and all below it; see :meth:`lancbio_ref.BilevelResult.save`."""
    place, writer = as_path(path), _Writer()
    document = {"version": VERSION, "is": type(thing).__name__, "has": writer.encoded(vars(thing))}
    arrays = {TEXT: np.array(json.dumps(document, allow_nan=False)), **writer.arrays}
    try:
        write_arrays(place, arrays)
    except OSError as error:
        raise ArgumentError(
            "path", f"{place} ({error.strerror})", "a file in a folder that can be written to"
        ) from None


def load_object(path: str | os.PathLike[str], kind: type[T], limit: int) -> T:
    """What `save_object` wrote of one of this class."""
    place = as_path(path)
    text = load_arrays(place, [TEXT], limit)[TEXT]
    try:
        document = json.loads(str(text[()]))
        if document["version"] != VERSION or document["is"] != kind.__name__:
            raise ArgumentError(str(place), f"a {document['is']}, version {document['version']}", WHAT)
        reader = _Reader(load_arrays(place, _names(document), limit))
        thing = object.__new__(kind)
        thing.__dict__.update(reader.decoded(document["has"]))
    except ArgumentError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        raise ArgumentError(str(place), f"unreadable ({str(error)[:200]})", WHAT) from None
    return thing


class _Writer:
    """Encodes objects; arrays are written once however many names they have."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._seen: dict[int, tuple[str, Any]] = {}  # the object too: its id is its own while it lives

    def encoded(self, value: Any) -> Any:
        if value is None or isinstance(value, (bool, str)) or type(value) is int:
            return value
        if isinstance(value, Enum):
            return {"enum": type(value).__name__, "value": int(value.value)}
        if isinstance(value, Proven):
            return {"proven": float(value).hex()}
        if type(value) is float:
            return value if np.isfinite(value) else {"float": value.hex()}
        if isinstance(value, np.dtype):
            return {"dtype": value.str}
        if isinstance(value, (np.ndarray, np.generic)):
            return {"scalar" if isinstance(value, np.generic) else "array": self._array(value)}
        if isinstance(value, Draw):
            return {"draw": [self.encoded(part) for part in value]}
        if type(value) in (list, tuple):
            return {"list" if isinstance(value, list) else "tuple": [self.encoded(part) for part in value]}
        if isinstance(value, dict):
            return {"dict": {str(name): self.encoded(part) for name, part in value.items()}}
        if isinstance(value, np.random.Generator):
            generator = value.bit_generator
            return {"generator": type(generator).__name__, "state": self.encoded(generator.state)}
        if CLASSES.get(type(value).__name__) is not type(value):
            raise ArgumentError("result", f"a {type(value).__module__}.{type(value).__name__} in it", _kinds())
        known = value._asdict() if hasattr(value, "_asdict") else self._attributes(value)  # of a named one its fields
        return {"is": type(value).__name__, "has": self.encoded(known)}

    def _attributes(self, thing: Any) -> dict[str, Any]:
        """Its own; of a basis the vectors alone, for nobody has written to the rest; of a trace its columns."""
        known = {name: part for name, part in vars(thing).items() if name != "_memory"}  # a state's, of this process
        if isinstance(thing, Trace):
            known["_rows"] = [
                thing[name] if thing[name].dtype != object else list(thing[name]) for name in thing.columns
            ]
        if isinstance(thing, LanczosProcess):
            basis = object.__new__(Basis)
            basis.__dict__.update(vars(thing._basis))
            for name in ("_q", "_p"):
                if (rows := getattr(basis, name)) is not None:
                    used = np.zeros_like(rows)
                    used[: thing.k + 1] = rows[: thing.k + 1]
                    setattr(basis, name, used)
            known["_basis"] = basis
        return known

    def _array(self, value: Any) -> str:
        if id(value) not in self._seen:
            refuse_masked("result", value)
            if np.asarray(value).dtype.hasobject:
                raise ArgumentError("result", "an array of Python objects", _kinds())
            name = f"a{len(self.arrays)}"
            self._seen[id(value)], self.arrays[name] = (name, value), np.asarray(value)
        return self._seen[id(value)][0]


class _Reader:
    """The way back."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays

    def decoded(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "array" in value:
            return self.arrays[value["array"]]
        if "scalar" in value:
            return self.arrays[value["scalar"]][()]
        if "dict" in value:
            return {name: self.decoded(part) for name, part in value["dict"].items()}
        if "list" in value:
            return [self.decoded(part) for part in value["list"]]
        if "tuple" in value:
            return tuple(self.decoded(part) for part in value["tuple"])
        if "draw" in value:
            return Draw(*(self.decoded(part) for part in value["draw"]))
        if "enum" in value:
            return ENUMS[value["enum"]](value["value"])
        if "proven" in value:
            return Proven(float.fromhex(value["proven"]))
        if "float" in value:
            return float.fromhex(value["float"])
        if "dtype" in value:
            return np.dtype(value["dtype"])
        if "generator" in value:
            generator = GENERATORS[value["generator"]]()
            generator.state = self.decoded(value["state"])
            return np.random.Generator(generator)
        kind = CLASSES[value["is"]]
        if issubclass(kind, tuple):
            return kind(**self.decoded(value["has"]))
        thing = object.__new__(kind)
        thing.__dict__.update(self.decoded(value["has"]))
        if isinstance(thing, Trace):
            thing._rows = list(zip(*map(_entries, thing._rows), strict=True))
        return thing


def _entries(column: Any) -> list[Any]:
    """Of an array of Python's own numbers these, of another its entries or rows."""
    plain = isinstance(column, np.ndarray) and column.ndim == 1 and column.dtype.char in "ld?"
    return column.tolist() if plain else list(column)


def _names(value: Any) -> list[str]:
    """Of the arrays that a document places."""
    if isinstance(value, list):
        return sorted({name for part in value for name in _names(part)})
    if not isinstance(value, dict):
        return []
    if "dict" not in value and ("array" in value or "scalar" in value):
        return [str(value.get("array", value.get("scalar")))]
    return _names(list((value.get("dict") or value).values()))


def _kinds() -> str:
    return "states of this package's methods, arrays, numbers and texts; or pickle"
