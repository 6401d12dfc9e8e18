"""The bytes of a vector file: one JSON text for one content, and the sums that name a field which was changed."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(raw: dict[str, Any]) -> bytes:
    """UTF-8, keys sorted, one space of indentation a level, a list without objects in it on one line.

    Examples
    --------
    >>> canonical({"b": [1, 2], "a": {"c": None}}).decode()
    '{\\n "a": {\\n  "c": null\\n },\\n "b": [1, 2]\\n}\\n'
    """
    return (_text(raw, 0) + "\n").encode("utf-8")


def _text(value: Any, depth: int) -> str:
    pad = "\n" + " " * (depth + 1)
    end = "\n" + " " * depth
    if isinstance(value, dict) and value:
        rows = (f"{json.dumps(key)}: {_text(value[key], depth + 1)}" for key in sorted(value))
        return "{" + pad + ("," + pad).join(rows) + end + "}"
    if isinstance(value, list) and any(isinstance(entry, (dict, list)) for entry in value):
        return "[" + pad + ("," + pad).join(_text(entry, depth + 1) for entry in value) + end + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def field_sums(raw: dict[str, Any]) -> dict[str, str]:
    """Field → first 16 digits of the SHA-256 of its canonical text, for every field but ``sums`` itself.

    Of ``inputs``, ``expected`` and ``admissible`` each entry has its own, ``"inputs.A"``; of rows each row,
    ``"expected.rows[0]"``.
    """
    parts: dict[str, Any] = {}
    for key, value in raw.items():
        if key in ("inputs", "expected", "admissible") and isinstance(value, dict):
            parts |= {f"{key}.{name}": entry for name, entry in value.items()}
        elif key != "sums":
            parts[key] = value
    if isinstance(parts.get("expected.rows"), list):
        parts |= {f"expected.rows[{i}]": row for i, row in enumerate(parts.pop("expected.rows"))}
    return {name: _sum(parts[name]) for name in sorted(parts)}


def _sum(value: Any) -> str:
    """A lone surrogate, which JSON can name and UTF-8 does not have, changes the sum as any other character does."""
    return hashlib.sha256(_text(value, 0).encode("utf-8", "surrogatepass")).hexdigest()[:16]
