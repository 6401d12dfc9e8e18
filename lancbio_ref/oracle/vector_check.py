"""Is a parsed file a vector of format version 1? Every field is looked at; the first that is wrong is named.

The same format as a JSON Schema is ``schema/vector-v1.schema.json``; here are also the checks that a schema cannot
express: that the two texts of a number agree, that shapes fit the sizes, that float64 is nearest to mid.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from ..errors import ArgumentError
from .hexfloat import from_decimal, from_hex, nearest_float, to_decimal

KINDS = ("system", "trace")
RESULTS = ("valid", "must_reject", "acceptable")
DIFFICULTIES = ("easy", "ordinary", "hard", "extreme")
RIGOURS = ("E", "A", "V", "F")
ROUTES = ("fmpq", "arb", "mpmath")
SYSTEM_LEVELS = ("solve", "lanczos", "hypergradient")
METHODS = (
    *("lancbio", "subbio", "amigo-cg", "amigo-gd", "soba", "stocbio", "bsa", "ttsa", "stable", "f2sa", "hjfbio"),
)
TOP = {
    *("format", "version", "id", "family", "kind", "levels", "result", "difficulty", "why", "equations", "rigour"),
    *("routes", "generator", "sizes", "mu", "L", "kappa", "inputs", "problem", "expected", "admissible", "sums"),
}
SYSTEM_INPUTS = {"A", "J", "b", "c", "v0", "q1", "k"}
SYSTEM_EXPECTED = {"v", "h", "y_star", "grad_phi", "alpha", "beta", "energy_error", "breakdown", "sensitivity"}
SYSTEM_ADMISSIBLE = {"model", "c", "solve", "hypergradient", "lanczos", "solve_scale", "hypergradient_scale"}
ROW_QUANTITIES = {
    *("x", "x_next", "y", "y_next", "z", "v", "v_next", "h", "b", "c", "dv", "alpha", "beta", "gamma", "delta"),
    *("sigma_next", "direction_y", "direction_v", "H_yy", "H_xy", "prediction"),
}
ROW_FACTS = {
    "k": int,
    "m": int,
    "columns": int,
    "restarted": bool,
    "indefinite": bool,
    "breakdown": bool,
    "singular": bool,
    "exact": bool,
}


def check_document(raw: Any, name: str) -> None:
    """Raise :class:`ArgumentError`, its argument ``"<name>: <field>"``, unless `raw` is a vector of version 1."""
    _Checker(name).document(raw)


class _Checker:
    def __init__(self, name: str) -> None:
        self.name = name

    def refuse(self, field: str, found: Any, expected: str) -> NoReturn:
        found = found if isinstance(found, str) and not found.startswith("'") else repr(found)[:80]
        raise ArgumentError(f"{self.name}: {field}" if field else self.name, found, expected)

    # -- the whole ---------------------------------------------------------------------------

    def document(self, raw: Any) -> None:
        if not isinstance(raw, dict):
            self.refuse("", type(raw).__name__, "a JSON object")
        for key, value in (("format", "lancbio-vector"), ("version", "1")):
            if raw.get(key) != value:
                self.refuse(key, raw.get(key), repr(value))
        self.keys("", raw, TOP)
        self.choice("kind", raw["kind"], KINDS)
        self.choice("result", raw["result"], RESULTS)
        self.choice("difficulty", raw["difficulty"], DIFFICULTIES)
        self.choice("rigour", raw["rigour"], RIGOURS)
        self.text("id", raw["id"], r"[a-z0-9]+(-[a-z0-9]+)*")
        self.text("family", raw["family"], r"[a-z0-9]+(-[a-z0-9]+)*")
        if not raw["id"].startswith(raw["family"] + "-"):
            self.refuse("id", raw["id"], f"one that begins with the family, {raw['family']}-")
        self.text("why", raw["why"])
        self.list("equations", raw["equations"], self.text)
        self.list("routes", raw["routes"], lambda field, value: self.choice(field, value, ROUTES))
        if raw["rigour"] in "EA" and len(set(raw["routes"])) < 2:
            self.refuse("routes", raw["routes"], "two independent routes")
        levels = SYSTEM_LEVELS if raw["kind"] == "system" else ("trace",)
        self.list("levels", raw["levels"], lambda field, value: self.choice(field, value, levels))
        if not raw["levels"] or len(set(raw["levels"])) < len(raw["levels"]):
            self.refuse("levels", raw["levels"], "at least one level, each once")
        self.generator(raw["generator"])
        self.keys("sizes", raw["sizes"], {"n_x", "n_y"})
        self.n_x = self.integer("sizes.n_x", raw["sizes"]["n_x"], 1)
        self.n_y = self.integer("sizes.n_y", raw["sizes"]["n_y"], 1)
        for key in ("mu", "L", "kappa"):
            self.keys(key, raw[key], {"value", "how"})
            self.text(f"{key}.how", raw[key]["how"])
            if raw[key]["value"] is not None:
                self.number(f"{key}.value", raw[key]["value"])
        if not isinstance(raw["sums"], dict):
            self.refuse("sums", type(raw["sums"]).__name__, "an object")
        for key, value in raw["sums"].items():
            self.text(f"sums.{key}", value, r"[0-9a-f]{16}")
        (self.system if raw["kind"] == "system" else self.trace)(raw)

    def generator(self, value: Any) -> None:
        self.keys("generator", value, {"recipe", "parameters", "version", "made_with"})
        for key in ("recipe", "version", "made_with"):
            self.text(f"generator.{key}", value[key])
        if not isinstance(value["parameters"], dict):
            self.refuse("generator.parameters", type(value["parameters"]).__name__, "an object")

    # -- kinds -------------------------------------------------------------------------------

    def system(self, raw: dict[str, Any]) -> None:
        inputs, expected, n_x, n_y = raw["inputs"], raw["expected"], self.n_x, self.n_y
        self.keys("inputs", inputs, SYSTEM_INPUTS)
        self.matrix("inputs.A", inputs["A"], (n_y, n_y))
        self.array("inputs.J", inputs["J"], (n_x, n_y))
        for key, size in (("b", n_y), ("c", n_x), ("v0", n_y)):
            self.array(f"inputs.{key}", inputs[key], (size,))
        if inputs["q1"] is not None or "lanczos" in raw["levels"]:
            self.array("inputs.q1", inputs["q1"], (n_y,))
        k = self.integer("inputs.k", inputs["k"], 0)
        self.problem(raw["problem"], point=True)
        self.keys("expected", expected, SYSTEM_EXPECTED)
        for key, size in (("v", n_y), ("h", n_x), ("y_star", n_y), ("grad_phi", n_x)):
            if expected[key] is not None:
                self.enclosure(f"expected.{key}", expected[key], (size,))
        for key, level in (("v", "solve"), ("h", "hypergradient"), ("alpha", "lanczos"), ("beta", "lanczos")):
            if expected[key] is None and level in raw["levels"] and raw["result"] == "valid":
                self.refuse(f"expected.{key}", None, f"an enclosure, for level {level}")
        breakdown = expected["breakdown"]
        if expected["alpha"] is None:
            k = 0
        steps = k if breakdown is None else min(k, self.integer("expected.breakdown", breakdown, 0))
        if expected["alpha"] is not None:
            self.enclosure("expected.alpha", expected["alpha"], (steps,))
            self.enclosure("expected.beta", expected["beta"], (steps,))
            self.numbers("expected.sensitivity", expected["sensitivity"], steps)
        if expected["energy_error"] is not None:
            self.enclosure("expected.energy_error", expected["energy_error"], None)
        admissible = raw["admissible"]
        self.keys("admissible", admissible, SYSTEM_ADMISSIBLE)
        self.text("admissible.model", admissible["model"])
        for key in ("c", "solve", "hypergradient", "solve_scale", "hypergradient_scale"):
            self.real(f"admissible.{key}", admissible[key])
        self.numbers("admissible.lanczos", admissible["lanczos"], steps, optional=True)

    def trace(self, raw: dict[str, Any]) -> None:
        inputs, expected = raw["inputs"], raw["expected"]
        self.keys("inputs", inputs, {"method", "options", "x0", "y0", "v0", "iterations", "sequence", "draws"})
        self.choice("inputs.method", inputs["method"], METHODS)
        self.data("inputs.options", inputs["options"])
        for key, size in (("x0", self.n_x), ("y0", self.n_y), ("v0", self.n_y)):
            self.array(f"inputs.{key}", inputs[key], (size,))
        count = self.integer("inputs.iterations", inputs["iterations"], 1)
        self.data("inputs.draws", inputs["draws"])
        if (inputs["sequence"] is None) == (raw["problem"] is None):
            self.refuse("inputs.sequence", "both or none of sequence and problem", "one of them")
        if inputs["sequence"] is not None:
            self.sequence(inputs["sequence"], count)
        self.problem(raw["problem"], point=False)
        self.keys("expected", expected, {"rows", "rounding"})
        self.numbers("expected.rounding", expected["rounding"], count)
        self.rows(expected["rows"], count)
        self.keys("admissible", raw["admissible"], {"model", "rows"})
        self.text("admissible.model", raw["admissible"]["model"])
        self.numbers("admissible.rows", raw["admissible"]["rows"], count)

    def sequence(self, value: Any, count: int) -> None:
        self.keys("inputs.sequence", value, {"A", "J", "b", "c"})
        shapes: dict[str, tuple[int, ...]]
        shapes = {"A": (self.n_y, self.n_y), "J": (self.n_x, self.n_y), "b": (self.n_y,), "c": (self.n_x,)}
        for key, shape in shapes.items():
            field = f"inputs.sequence.{key}"
            self.list(field, value[key], partial(self.array, shape=shape))
            if len(value[key]) != count:
                self.refuse(field, f"{len(value[key])} entries", f"{count}, one an iteration")

    def rows(self, value: Any, count: int) -> None:
        if not isinstance(value, list) or len(value) != count:
            self.refuse("expected.rows", value, f"a list of {count} objects")
        for i, row in enumerate(value):
            field = f"expected.rows[{i}]"
            if not isinstance(row, dict) or row.get("k") != i + 1:
                self.refuse(f"{field}.k", row.get("k") if isinstance(row, dict) else row, str(i + 1))
            for key, entry in row.items():
                if key in ROW_QUANTITIES:
                    self.enclosure(f"{field}.{key}", entry, None)
                elif key not in ROW_FACTS:
                    self.refuse(f"{field}.{key}", "an unknown quantity", ", ".join(sorted(ROW_QUANTITIES)))
                elif type(entry) is not ROW_FACTS[key]:
                    self.refuse(f"{field}.{key}", entry, f"a JSON {ROW_FACTS[key].__name__}")

    def problem(self, value: Any, *, point: bool) -> None:
        if value is None:
            return
        self.keys("problem", value, {"name", "formula", "data"} | ({"x", "y"} if point else set()))
        self.text("problem.name", value["name"])
        self.text("problem.formula", value["formula"])
        self.data("problem.data", value["data"])
        if point:
            self.array("problem.x", value["x"], (self.n_x,))
            self.array("problem.y", value["y"], (self.n_y,))

    # -- parts -------------------------------------------------------------------------------

    def keys(self, field: str, value: Any, names: set[str]) -> None:
        if not isinstance(value, dict):
            self.refuse(field, type(value).__name__, "an object")
        prefix = f"{field}." if field else ""
        for key in sorted(names - set(value)):
            self.refuse(prefix + key, "nothing", "this field")
        for key in sorted(set(value) - names):
            self.refuse(prefix + key, "an unknown field", ", ".join(sorted(names)))

    def data(self, field: str, value: Any) -> None:
        """Arrays, numbers, integers, strings, lists of integers; an object or null."""
        if value is None:
            return
        if not isinstance(value, dict):
            self.refuse(field, type(value).__name__, "an object or null")
        for key, entry in value.items():
            place = f"{field}.{key}"
            if isinstance(entry, dict) and "shape" in entry:
                self.array(place, entry, None)
            elif isinstance(entry, dict) and "hex" in entry:
                self.number(place, entry)
            elif isinstance(entry, dict):
                self.data(place, entry)
            elif isinstance(entry, list):
                self.list(place, entry, lambda spot, item: self.integer(spot, item))
            elif not isinstance(entry, str):
                self.integer(place, entry)

    def number(self, field: str, value: Any) -> float:
        self.keys(field, value, {"hex", "dec"})
        return self.pair(field, value["hex"], value["dec"])

    def pair(self, field: str, hex: Any, dec: Any, index: str = "") -> float:
        try:
            number = from_hex(hex)
        except ArgumentError as error:
            self.refuse(f"{field}.hex{index}", error.found, error.expected)
        if dec != to_decimal(number):
            self.refuse(f"{field}.dec{index}", dec, f"{to_decimal(number)!r}, the shortest decimal of {hex}")
        return number

    def array(self, field: str, value: Any, shape: tuple[int, ...] | None = None) -> None:
        self.keys(field, value, {"shape", "hex", "dec"})
        self.shaped(field, value, shape, ("hex", "dec"))
        for i, (hex, dec) in enumerate(zip(value["hex"], value["dec"], strict=True)):
            self.pair(field, hex, dec, f"[{i}]")

    def matrix(self, field: str, value: Any, shape: tuple[int, int]) -> None:
        if not isinstance(value, dict) or "row" not in value:
            return self.array(field, value, shape)
        self.keys(field, value, {"shape", "row", "col", "hex", "dec", "symmetric"})
        if value["shape"] != list(shape):
            self.refuse(f"{field}.shape", value["shape"], str(list(shape)))
        if value["symmetric"] is not True:
            self.refuse(f"{field}.symmetric", value["symmetric"], "true")
        count = len(value["row"]) if isinstance(value["row"], list) else 0
        for key in ("row", "col", "hex", "dec"):
            if not isinstance(value[key], list) or len(value[key]) != count:
                self.refuse(f"{field}.{key}", value[key], f"a list of {count} entries")
        seen = set()
        for i, (row, col) in enumerate(zip(value["row"], value["col"], strict=True)):
            self.integer(f"{field}.row[{i}]", row, 0)
            if not self.integer(f"{field}.col[{i}]", col, 0) <= row < shape[0] or (row, col) in seen:
                self.refuse(f"{field}.row[{i}]", (row, col), "a place of the lower triangle, each once")
            seen.add((row, col))
            self.pair(field, value["hex"][i], value["dec"][i], f"[{i}]")
        return None

    def enclosure(self, field: str, value: Any, shape: tuple[int, ...] | None) -> None:
        self.keys(field, value, {"shape", "mid", "rad", "float64"})
        self.shaped(field, value, shape, ("mid", "rad", "float64"))
        for i, (mid, rad, near) in enumerate(zip(value["mid"], value["rad"], value["float64"], strict=True)):
            numbers: dict[str, Any] = {}
            for key, text, read in (
                ("mid", mid, from_decimal),
                ("rad", rad, from_decimal),
                ("float64", near, from_hex),
            ):
                try:
                    numbers[key] = read(text)
                except ArgumentError as error:
                    self.refuse(f"{field}.{key}[{i}]", error.found, error.expected)
            low, high = numbers["mid"] - numbers["rad"], numbers["mid"] + numbers["rad"]
            if numbers["rad"] < 0:
                self.refuse(f"{field}.rad[{i}]", rad, "a radius of at least 0")
            if not nearest_float(low) <= numbers["float64"] <= nearest_float(high):
                self.refuse(f"{field}.float64[{i}]", near, f"the float64 nearest to {mid}")

    def shaped(self, field: str, value: Any, shape: tuple[int, ...] | None, keys: tuple[str, ...]) -> None:
        found = value["shape"]
        if not isinstance(found, list) or any(type(size) is not int or size < 0 for size in found) or len(found) > 2:
            self.refuse(f"{field}.shape", found, "a list of at most two integers")
        if shape is not None and found != list(shape):
            self.refuse(f"{field}.shape", found, str(list(shape)))
        count = math.prod(found)
        for key in keys:
            if not isinstance(value[key], list) or len(value[key]) != count:
                size = len(value[key]) if isinstance(value[key], list) else type(value[key]).__name__
                self.refuse(f"{field}.{key}", str(size), f"a list of {count} strings")

    def numbers(self, field: str, value: Any, count: int, *, optional: bool = False) -> None:
        self.list(field, value, lambda place, entry: None if optional and entry is None else self.real(place, entry))
        if len(value) != count:
            self.refuse(field, f"{len(value)} entries", str(count))

    def list(self, field: str, value: Any, check: Callable[[str, Any], Any]) -> None:
        if not isinstance(value, list):
            self.refuse(field, type(value).__name__, "a list")
        for i, entry in enumerate(value):
            check(f"{field}[{i}]", entry)

    def real(self, field: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
            self.refuse(field, value, "a number of at least 0")

    def integer(self, field: str, value: Any, least: int | None = None) -> int:
        if type(value) is not int or (least is not None and value < least):
            self.refuse(field, value, "an integer" + (f" of at least {least}" if least is not None else ""))
        return value

    def text(self, field: str, value: Any, pattern: str = r"(?s).+") -> None:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            self.refuse(field, value, "a text" if pattern == r"(?s).+" else f"a text of the form {pattern}")

    def choice(self, field: str, value: Any, options: tuple[str, ...]) -> None:
        if value not in options:
            self.refuse(field, value, "one of " + ", ".join(options))
