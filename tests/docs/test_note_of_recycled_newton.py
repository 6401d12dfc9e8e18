"""The constants in the note on recycled Newton are those of the code, each once, and none is left out."""

import importlib
import re
from pathlib import Path

import pytest

NOTE = Path(__file__).parents[2] / "docs" / "notes" / "recycled-newton.md"
MODULES = (
    "krylov/recycled", "inverse/recycled", "methods/recycled_model", "methods/recycled_values",
    "methods/recycled_newton", "methods/recycled_end",
)  # fmt: skip
ROW = re.compile(r"(?m)^\| (\w+/\w+) \| `(\w+)` \| (\S+) \| \S.* \|$")


def number(text):
    base, _, power = text.partition("^")
    return float(base) ** float(power or 1)


@pytest.mark.parametrize("module", MODULES)
def test_the_constants_of_the_note_are_those_of_the_code(module):
    code = importlib.import_module("lancbio_ref." + module.replace("/", "."))
    ours = {name: value for name, value in vars(code).items() if name.isupper() and isinstance(value, int | float)}
    ours.pop("TYPE_CHECKING", None)
    rows = [(name, value) for where, name, value in ROW.findall(NOTE.read_text(encoding="utf-8")) if where == module]
    assert len(rows) == len(ours) and {name: number(value) for name, value in rows} == ours
