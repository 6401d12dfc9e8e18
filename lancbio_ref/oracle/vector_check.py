"""What a JSON schema cannot express: shapes fit sizes, the texts of a number agree, float64 is nearest to mid.

Each function yields (field, found, expected) of what is wrong, in a document that the schema allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..errors import ArgumentError
from .hexfloat import from_decimal, from_hex, nearest_float, to_decimal

Wrong = Iterator[tuple[str, str, str]]
FORMS = (  # of what denotes numbers: NUMBER, VECTOR and MATRIX, SPARSE, ENCLOSURE
    ("hex", "dec"),
    ("shape", "hex", "dec"),
    ("shape", "row", "col", "hex", "dec", "symmetric"),
    ("shape", "mid", "rad", "float64"),
)
SHAPES = {  # of the arrays whose sizes are n_x and n_y
    "A": "yy", "J": "xy", "b": "y", "c": "x", "x0": "x", "y0": "y", "v0": "y", "q1": "y", "x": "x", "y": "y",
    "v": "y", "h": "x", "y_star": "y", "grad_phi": "x",
}  # fmt: skip
REQUIRED = {"v": "solve", "h": "hypergradient", "alpha": "lanczos", "beta": "lanczos"}  # of a valid answer


def inconsistencies(raw: dict[str, Any]) -> Wrong:
    """All of a document."""
    if not raw["id"].startswith(raw["family"] + "-"):
        yield "id", raw["id"], f"one that begins with the family, {raw['family']}-"
    if raw["rigour"] in "EA" and len(set(raw["routes"])) < 2:
        yield "routes", str(raw["routes"]), "two independent routes"
    yield from _system(raw) if raw["kind"] == "system" else _trace(raw)
    for key in ("mu", "L", "kappa", "inputs", "problem", "expected"):
        yield from _numbers(key, raw[key])


def _system(raw: dict[str, Any]) -> Wrong:
    inputs, expected = raw["inputs"], raw["expected"]
    if inputs["q1"] is None and "lanczos" in raw["levels"]:
        yield "inputs.q1", "null", "a start, for level lanczos"
    for key, level in REQUIRED.items():
        if expected[key] is None and level in raw["levels"] and raw["result"] == "valid":
            yield f"expected.{key}", "null", f"an enclosure, for level {level}"
    for place in ("inputs", "problem", "expected"):
        yield from _shapes(place, raw[place] or {}, raw["sizes"])
    steps = 0
    if expected["alpha"] is not None:
        steps = inputs["k"] if expected["breakdown"] is None else min(inputs["k"], expected["breakdown"])
        for key in ("alpha", "beta"):
            yield from _shape(f"expected.{key}", expected[key], [steps])
        yield from _length("expected.sensitivity", expected["sensitivity"] or [], steps)
    yield from _length("admissible.lanczos", raw["admissible"]["lanczos"], steps)


def _trace(raw: dict[str, Any]) -> Wrong:
    inputs, rows, count = raw["inputs"], raw["expected"]["rows"], raw["inputs"]["iterations"]
    if (inputs["sequence"] is None) == (raw["problem"] is None):
        yield "inputs.sequence", "both or none of sequence and problem", "one of them"
    yield from _shapes("inputs", inputs, raw["sizes"])
    for key, entries in (inputs["sequence"] or {}).items():
        yield from _length(f"inputs.sequence.{key}", entries, count)
        for i, entry in enumerate(entries):
            yield from _shape(f"inputs.sequence.{key}[{i}]", entry, _sizes(key, raw["sizes"]))
    yield from _length("expected.rows", rows, count)
    for i, row in enumerate(rows):
        if row["k"] != i + 1:
            yield f"expected.rows[{i}].k", str(row["k"]), str(i + 1)
    yield from _length("expected.rounding", raw["expected"]["rounding"], count)
    yield from _length("admissible.rows", raw["admissible"]["rows"], count)


def _shapes(place: str, values: dict[str, Any], sizes: dict[str, int]) -> Wrong:
    for key in (key for key in SHAPES if key in values):
        yield from _shape(f"{place}.{key}", values[key], _sizes(key, sizes))


def _sizes(key: str, sizes: dict[str, int]) -> list[int]:
    return [sizes[f"n_{letter}"] for letter in SHAPES[key]]


def _shape(field: str, value: dict[str, Any] | None, shape: list[int]) -> Wrong:
    if value is not None and value["shape"] != shape:
        yield f"{field}.shape", str(value["shape"]), str(shape)


def _length(field: str, entries: list[Any], count: int) -> Wrong:
    if len(entries) != count:
        yield field, f"{len(entries)} entries", str(count)


def _numbers(field: str, value: Any) -> Wrong:
    """What is wrong with the numbers in `value`, at any depth."""
    if isinstance(value, list):
        for i, entry in enumerate(value):
            yield from _numbers(f"{field}[{i}]", entry)
    elif isinstance(value, dict) and value.keys() & {"shape", "hex", "mid", "row"}:
        yield from _texts(field, value)
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from _numbers(f"{field}.{key}", entry)


def _texts(field: str, value: dict[str, Any]) -> Wrong:
    """What is wrong with one NUMBER, VECTOR, MATRIX, SPARSE or ENCLOSURE; its lists, entry by entry."""
    form: tuple[str, ...] = next((form for form in FORMS if set(form) == set(value)), ())
    scalar, shape = "shape" not in value, value.get("shape", [])
    lists = {key: [value[key]] if scalar else value[key] for key in form if key not in ("shape", "symmetric")}
    if not form or not all(isinstance(entries, list) for entries in (shape, *lists.values())) or min([0, *shape]) < 0:
        yield field, f"an object of {', '.join(sorted(value))}", "NUMBER, VECTOR, MATRIX, SPARSE or ENCLOSURE"
        return
    count = len(lists["row"]) if "row" in lists else math.prod(shape)
    for key, entries in lists.items():
        if len(entries) != count:
            yield from _length(f"{field}.{key}", entries, count)
            return
    seen = set()
    for i, entry in enumerate(zip(*lists.values(), strict=True)):
        text, index = dict(zip(lists, entry, strict=True)), "" if scalar else f"[{i}]"
        if "row" in text:
            place = text["row"], text["col"]
            if not 0 <= place[1] <= place[0] < shape[0] or place in seen:
                yield f"{field}.row{index}", str(place), "a place of the lower triangle, each once"
            seen.add(place)
        yield from _text(field, index, text)


def _text(field: str, index: str, text: dict[str, str]) -> Wrong:
    """The texts of one number: {"hex", "dec"} or {"mid", "rad", "float64"}."""
    name = "hex" if "hex" in text else "float64"
    try:
        number = from_hex(text[name])
        mid, rad = (from_decimal(text.get(key, "0")) for key in ("mid", "rad"))
    except ArgumentError as error:
        yield f"{field}.{name}{index}", error.found, error.expected
        return
    if name == "hex" and text["dec"] != to_decimal(number):
        yield f"{field}.dec{index}", text["dec"], f"{to_decimal(number)!r}, the shortest decimal of {text['hex']}"
    if name == "float64" and not nearest_float(mid - rad) <= number <= nearest_float(mid + rad):
        yield f"{field}.float64{index}", text["float64"], f"the float64 nearest to {text['mid']}"
