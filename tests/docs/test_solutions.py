"""The solutions of the textbook: each verifies what it claims, and its functions pass their exercises."""

import re
import runpy
from pathlib import Path

import pytest

from lancbio_ref.cli import main
from lancbio_ref.oracle.exercises import EXERCISES
from tests.thorough import sampled

DOCS = Path(__file__).parents[2] / "docs"
CHAPTERS = sorted((DOCS / "chapters").glob("*.md"))
SOLUTIONS = sorted((DOCS / "solutions").glob("chapter_*.py"))


def test_there_are_eleven_chapters_each_with_solutions():
    numbers = [path.name[:2] for path in CHAPTERS]
    assert numbers == [f"{k:02}" for k in range(1, 12)]
    assert [path.stem.removeprefix("chapter_") for path in SOLUTIONS] == numbers


@pytest.mark.parametrize("path", sampled(SOLUTIONS, 4), ids=lambda path: path.stem)
def test_a_solution_verifies_what_it_claims(path):
    names = runpy.run_path(str(path))
    assert names["__doc__"].strip()
    names["verify"]()


@pytest.mark.parametrize(
    "path, name",
    sampled(
        (
            (path, exercise.name)
            for path in SOLUTIONS
            for exercise in EXERCISES.values()
            if f"def {exercise.signature}:" in path.read_text()
        ),
        3,
    ),
    ids=lambda value: value if isinstance(value, str) else value.stem,
)
def test_a_solution_passes_its_exercise(path, name, capsys):
    status = main(["check", "--exercise", name, str(path)])
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_has_a_claim_three_exercises_and_its_solutions(path):
    text = path.read_text()
    assert "**Claim.**" in text
    exercises = text[text.index("## Exercises") :]
    assert re.findall(r"(?m)^(\d)\. ", exercises) == ["1", "2", "3"]
    number = int(path.name[:2])
    assert f"[chapter {number}](../solutions.md#chapter-{number})" in exercises
    assert f"## Chapter {number}\n" in (DOCS / "solutions.md").read_text()


def test_every_exercise_of_the_command_is_set_and_solved():
    asked = {name for path in CHAPTERS for name in re.findall(r"--exercise ([\w-]+)", path.read_text())}
    solved = {e.name for e in EXERCISES.values() for path in SOLUTIONS if f"def {e.signature}:" in path.read_text()}
    assert set(EXERCISES) <= asked & solved
    assert asked <= set(EXERCISES) | {"NAME"}
