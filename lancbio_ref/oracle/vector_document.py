"""The bytes of a vector file, parsed and checked; what is wrong is named by its field."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn

from ..errors import ArgumentError
from .json_place import place, syntax_error
from .layout import field_sums
from .vector_check import check_document


def read_document(text: bytes, name: str) -> dict[str, Any]:
    """The JSON of a vector file called `name`.

    Raises
    ------
    ArgumentError
        No JSON, or a field that is missing, malformed or changed; the argument is ``"<name>: <field>"``.
    """
    try:
        return _read(text, name)
    except RecursionError:
        _refuse_json(text.decode("utf-8"), name)


def _read(text: bytes, name: str) -> dict[str, Any]:
    raw = _parsed(text, name)
    for path in _infinite(raw):
        raise ArgumentError(f"{name}: {path}", "a number beyond float64's range", "a finite number")
    try:
        changed = _changed_fields(raw)
    except (TypeError, ValueError) as error:
        field = _without_sum(raw)
        raise ArgumentError(f"{name}: {field}", f"what no sum can be made of ({error})", "a vector's field") from None
    try:
        check_document(raw, name)
    except ArgumentError as error:
        field = error.argument.partition(": ")[2]
        if not changed or not field or any(field.startswith(key) or key.startswith(field) for key in changed):
            raise
        # what is wrong is not what was changed: a size, say, that fits no array any more
    if changed:
        raise ArgumentError(
            f"{name}: {changed[0]}", "a value that its sum does not fit", "the value that was published"
        )
    return raw


def _parsed(text: bytes, name: str) -> Any:
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        field, after = place(text[: error.start].decode("utf-8"), error.start)
        found = f"bytes that are no UTF-8, from byte {error.start + 1}{after}"
        raise ArgumentError(f"{name}: {field}" if field else name, found, "a vector file, UTF-8 JSON") from None
    try:
        return json.loads(decoded, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except ValueError:
        _refuse_json(decoded, name)


def _refuse_json(text: str, name: str) -> NoReturn:
    field, what = syntax_error(text) or ("", "no JSON")
    raise ArgumentError(f"{name}: {field}" if field else name, what, "a vector file, UTF-8 JSON") from None


def _without_sum(raw: dict[str, Any]) -> str:
    for key, value in raw.items():
        try:
            field_sums({key: value})
        except (TypeError, ValueError):
            return key
    return "sums"


def _infinite(value: Any, path: str = "") -> Iterator[str]:
    """Where a JSON number such as 1e999 became infinite."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _infinite(entry, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _infinite(entry, f"{path}[{index}]")


def _changed_fields(raw: Any) -> list[str]:
    """The fields whose sums do not fit; none where there are no sums to tell."""
    if not isinstance(raw, dict) or not isinstance(raw.get("sums"), dict):
        return []
    sums = field_sums(raw)
    return [key for key in sorted({*sums, *raw["sums"]}) if sums.get(key) != raw["sums"].get(key)]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key that occurs twice")
    return result


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")
