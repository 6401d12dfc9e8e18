"""A vector file that the manifest does not list: is it JSON, of the format's schema, consistent, and unchanged?"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from typing import Any, NoReturn

from ..errors import ArgumentError
from .layout import field_sums
from .vector_check import inconsistencies

JSON = "a vector file, UTF-8 JSON"


def read_document(text: bytes, name: str) -> dict[str, Any]:
    """The JSON of a vector file called `name`, checked.

    Raises
    ------
    ArgumentError
        No JSON, or a field that is missing, malformed or changed; the argument is ``"<name>: <field>"``. Or
        ``jsonschema``, the extra ``oracle``, is not installed.
    """
    try:
        raw = _parsed(text, name)
        check_document(raw, name)
    except RecursionError:
        raise ArgumentError(name, "brackets within brackets, too deep", JSON) from None
    return raw


def check_document(raw: Any, name: str) -> None:
    """Raise :class:`ArgumentError`, its argument ``"<name>: <field>"``, unless `raw` is a vector of version 1.

    Where the sums tell which field was changed, and something else no longer fits it (a size, say, all arrays), it is
    the changed one that is named.
    """
    changed = changed_fields(raw)
    for field, found, expected in list(_malformed(raw, name)) or inconsistencies(raw):
        if not changed or not field or any(field.startswith(key) or key.startswith(field) for key in changed):
            _refuse(name, field, found, expected)
    if changed:
        _refuse(name, changed[0], "a value that its sum does not fit", "the value that was published")


def changed_fields(raw: Any) -> list[str]:
    """The fields whose sums do not fit; none where there are no sums to tell."""
    if not isinstance(raw, dict) or not isinstance(raw.get("sums"), dict):
        return []
    sums = field_sums(raw)
    return [key for key in sorted({*sums, *raw["sums"]}) if sums.get(key) != raw["sums"].get(key)]


def _malformed(raw: Any, name: str) -> Iterator[tuple[str, str, str]]:
    """(field, found, expected) of everything that the schema does not allow."""
    for error in _validator(name).iter_errors(raw):
        while error.context:  # of the alternatives, the one that fits down to the deepest field
            error = max(error.context, key=lambda e: (len(e.absolute_path), e.validator != "type"))
        path = [f"[{key}]" if isinstance(key, int) else f".{key}" for key in error.absolute_path]
        field = "".join(path).removeprefix(".")
        place = f"{field}." if field else ""
        if error.validator == "required":
            yield from (
                (place + key, "nothing", "this field") for key in error.validator_value if key not in error.instance
            )
        elif error.validator == "additionalProperties" and error.validator_value is False:
            known = error.schema["properties"]
            yield from (
                (place + key, "an unknown field", ", ".join(sorted(known)))
                for key in error.instance
                if key not in known
            )
        else:
            yield field, f"{error.instance!r:.80}", f"{error.validator} {error.validator_value!r:.120}"


def _validator(name: str) -> Any:
    try:
        from jsonschema import Draft202012Validator
        from jsonschema.validators import extend
    except ImportError:
        found = "a file that is none of the package's, and jsonschema, which checks it, is not installed"
        raise ArgumentError(name, found, "jsonschema (pip install jsonschema)") from None
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)  # not 2.0
    return extend(Draft202012Validator, type_checker=types)(_schema())


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    return json.loads((resources.files(__package__) / "schema" / "vector-v1.schema.json").read_text(encoding="utf-8"))


def _parsed(text: bytes, name: str) -> Any:
    try:
        return json.loads(
            text.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        found = f"no JSON ({error.msg}) at line {error.lineno}, column {error.colno}"
    except ValueError as error:
        found = f"no JSON ({error})"
    raise ArgumentError(name, found, JSON)


def _refuse(name: str, field: str, found: str, expected: str) -> NoReturn:
    raise ArgumentError(f"{name}: {field}" if field else name, found, expected)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key that occurs twice")
    return result


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is beyond float64's range")
    return number
