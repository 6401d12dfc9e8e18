"""docs/oracle.md is what other languages are written from: its lines are those that are sent, and its answers pass."""

import json
import re
from pathlib import Path

import pytest

from lancbio_ref.oracle.candidates import make_reply
from lancbio_ref.oracle.faults import fault
from lancbio_ref.oracle.judge import judge
from lancbio_ref.oracle.levels import CASES, LEVELS, make_case, to_json
from lancbio_ref.oracle.vector import SEALS, load, vectors

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "oracle.md").read_text(encoding="utf-8")
LINES = [
    json.loads(line) for block in re.findall(r"```json\n(.*?)```", TEXT, flags=re.S) for line in block.splitlines()
]


def test_every_case_on_the_page_is_the_line_that_is_sent():
    cases = [line for line in LINES if "level" in line]
    assert [case["level"] for case in cases] == list(LEVELS)
    for case in cases:
        assert case == json.loads(to_json(make_case(load(case["id"]), case["level"])))


def test_every_answer_on_the_page_passes():
    ids = {line["level"]: line["id"] for line in LINES if "level" in line}
    names = dict(solve="v", hypergradient="h", lanczos="Q", trace="rows")
    answered = {level: next(a for a in LINES if "level" not in a and name in a) for level, name in names.items()}
    for level, answer in answered.items():
        vector = load(ids[level])
        verdict = judge(vector, level, make_reply(make_case(vector, level), answer))
        assert verdict.status == "passed", verdict.reason


def test_the_python_on_the_page_runs():
    for block in re.findall(r"```python\n(.*?)```", TEXT, flags=re.S):
        exec(compile(block, "docs/oracle.md", "exec"), {})


def test_the_fault_on_the_page_has_that_name():
    number, title = re.search(r'matches fault (L\d+) "(.*?)"', TEXT).groups()
    assert fault(number).title == title


@pytest.mark.parametrize("level", LEVELS)
def test_every_field_of_a_case_is_on_the_page(level):
    row = re.search(rf"^\| `{level}` \|.*$", TEXT, flags=re.M).group()
    for name in CASES[level]:
        assert f"`{name}`" in row


def every():
    return [vector for version in SEALS for vector in vectors(version)]


def test_every_problem_and_its_data_are_on_the_page():
    for vector in every():
        if vector.problem is None:
            continue
        row = re.search(rf"^\| `{vector.problem['name']}` \|.*$", TEXT, flags=re.M).group()
        for name in vector.problem["data"]:
            assert f"`{name}`" in row, (vector.id, name)


def test_every_method_its_options_and_its_needed_quantities_are_on_the_page():
    traces = [vector for vector in every() if vector.kind == "trace"]
    for vector in traces:
        row = re.search(rf"^\| `{vector.inputs['method']}` \|.*$", TEXT, flags=re.M)
        assert row, vector.id
        for name in vector.inputs["options"]:
            assert f"`{name}`" in TEXT, (vector.id, name)


def test_every_field_of_a_vector_is_on_the_page():
    for vector in every():
        for name in vector.raw:
            assert f"`{name}`" in TEXT, name
        for part in ("inputs", "expected", "admissible"):
            for name in vector.raw[part]:
                assert f"`{name}`" in TEXT, (vector.id, part, name)


def test_local_links_exist():
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)\)", TEXT)
    for target in targets:
        assert (ROOT / "docs" / target).exists(), target
    headings = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", TEXT, flags=re.M)
    }
    for anchor in re.findall(r"\]\(#([^)]+)\)", TEXT):
        assert anchor in headings
