"""The catalogue: every entry changes the textbook in one place, is explained, and is caught by a vector."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle.correct import candidates
from lancbio_ref.oracle.edits import MODULES, Edit, edited, source
from lancbio_ref.oracle.faults import CATALOGUE, SETTINGS, fault
from lancbio_ref.oracle.levels import LEVELS, make_case
from tests.oracle.cases import at, excess, verdict

ROOT = Path(__file__).parents[2]
LETTER = {"S": "solve", "H": "hypergradient", "L": "lanczos", "T": "trace"}


def test_the_catalogue_is_complete():
    assert len(CATALOGUE) >= 30 and {entry.level for entry in CATALOGUE} == set(LEVELS)
    ids = [entry.id for entry in CATALOGUE]
    assert len(set(ids)) == len(ids)
    titles = [(entry.level, entry.methods, entry.title) for entry in CATALOGUE]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.id)
def test_every_entry_is_explained_and_changes_a_line(entry):
    assert re.fullmatch(r"[SHLT]\d\d", entry.id) and LETTER[entry.id[0]] == entry.level
    for text in (entry.title, entry.symptom, entry.cause, entry.remedy):
        assert len(text) > 5 and text == text.strip() and not text.endswith(".")
    assert (entry.level == "trace") == bool(entry.methods)
    for correct, wrong in entry.changes():
        assert correct or wrong
    assert entry.id in entry.describe() and entry.remedy in entry.describe()
    for variant in entry.variants:
        edited(entry.id, variant)  # raises where an edit does not fit
    for edit in entry.edits:
        assert re.fullmatch(r"faults.md, line \d+", edit.place)


def test_the_settings_fit():
    for name, edits in SETTINGS.items():
        edited(name, edits)


def test_an_edit_that_does_not_fit_is_named():
    for text in ("no such line", "norm"):
        with pytest.raises(ArgumentError) as caught:
            Edit("lanczos", text, "").apply(source("lanczos"))
        assert caught.value.argument == "textbook.lanczos"


def test_a_line_that_a_function_has_twice_does_not_fit():
    twice = Edit("baselines", "\n        A, J, b, c = point_of(problem, k, x, y)\n", "\n", "soba")
    assert (
        twice.apply(source("baselines")).count("point_of(problem, k, x, y)")
        == source("baselines").count("point_of(problem, k, x, y)") - 1
    )
    with pytest.raises(ArgumentError, match=r"textbook.baselines: found .* [0-9]+ times, expected it once"):
        Edit("baselines", twice.correct, "\n").apply(source("baselines"))


def test_the_modules_unedited_are_the_reference():
    assert {f"{name}.py" for name in MODULES} >= {"solve.py", "lanczos.py"}
    modules = edited("unedited", ())
    vector = at("solve")[0]
    answer = candidates(modules)["solve"]["cholesky"](make_case(vector, "solve"))
    assert verdict(vector, "solve", answer).status == "passed"


def test_the_documentation_shows_the_catalogue():
    page = ROOT / "docs" / "faults.md"
    shown = re.search(r"```{include} (\S+)", page.read_text(encoding="utf-8"))
    assert (page.parent / shown[1]).resolve() == ROOT / "lancbio_ref" / "oracle" / "faults.md"


def test_an_unknown_fault_is_refused():
    assert fault("L03").title.startswith("β_j")
    with pytest.raises(ArgumentError):
        fault("L99")


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.id)
def test_every_variant_gives_numbers(entry):
    """A fault that only raises would be named wherever a candidate raises."""
    vectors = [v for v in at(entry.level) if entry.level != "trace" or v.inputs["method"] in entry.methods]
    square = next(
        v for v in vectors if v.result == "valid" and v.n_y > 3 and (v.n_x == v.n_y or entry.level == "trace")
    )
    for variant in range(len(entry.variants)):
        answer = entry.run(make_case(square, entry.level), variant)
        assert "error" not in answer and "reject" not in answer, answer


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.id)
def test_every_fault_is_caught_a_hundred_times_over(entry):
    largest = 0.0
    for vector in at(entry.level):
        if entry.level == "trace" and vector.inputs["method"] not in entry.methods:
            continue
        found = verdict(vector, entry.level, entry.run(make_case(vector, entry.level)))
        largest = max(largest, excess(found))
        if largest > 100:
            return
    pytest.fail(f"{entry}: at most {largest:.1e} of what is admissible")
