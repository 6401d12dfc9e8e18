"""The pages of the contest are those of the runs: nothing between the marks is written by hand, and none is missing."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

VALIDATION = Path(__file__).parents[1] / "validation"


@pytest.fixture(scope="module")
def modules():
    sys.path.insert(0, str(VALIDATION))
    yield importlib.import_module("own_method"), importlib.import_module("contest.pages")
    sys.path.remove(str(VALIDATION))


def test_the_note_says_what_the_stored_runs_say(modules):
    own, pages = modules
    found = json.loads((VALIDATION / "results" / "own_method.json").read_text(encoding="utf-8"))
    note = pages.NOTE.read_text(encoding="utf-8")
    shown = {m[1]: m[0].split("\n", 1)[1].removesuffix("\n<!-- end -->") for m in pages.BLOCK.finditer(note)}
    assert shown == pages.blocks(own, found) and len(shown) == 4


def test_readme_says_what_its_bars_show(modules):
    _, pages = modules
    assert pages.bars(pages.headline().bars()) in pages.README.read_text(encoding="utf-8")


def test_the_bars_in_words_are_the_bars(modules):
    _, pages = modules
    words = pages.bars([("a", 12.5, "reached"), ("b", None, "work"), ("c", None, "biased")])
    assert words.endswith("a 12; b not within 30000, c never, for its gradient is biased.]")
    assert pages.BARS.fullmatch(words)
