"""The chapters of the textbook as cells: what a reader sees, and what the site runs beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
CHAPTERS = sorted((DOCS / "chapters").glob("*.md"))
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.M | re.S)
TAGS = re.compile(r":tags: \[([^\]]*)\]\n")


@dataclass(frozen=True)
class Cell:
    """A code cell of a chapter: its source, the line of the page on which that begins, and whether it is shown."""

    source: str
    line: int
    visible: bool


def cells(path: Path) -> list[Cell]:
    """All code cells of a chapter, in order."""
    text, found = path.read_text(encoding="utf-8"), []
    for match in CELL.finditer(text):
        source, begin = match[1], match.start(1)
        tags = TAGS.match(source)
        if tags:
            source, begin = source[tags.end() :], begin + tags.end()
        visible = not (tags and re.search(r"\b(remove|hide)-(cell|input)\b", tags[1]))
        found.append(Cell(source, text.count("\n", 0, begin) + 1, visible))
    return found


def visible_source(path: Path) -> str:
    """The visible cells of a chapter as one program, each line where it stands on the page."""
    lines: list[str] = []
    for cell in cells(path):
        if cell.visible:
            lines += [""] * (cell.line - 1 - len(lines)) + cell.source.splitlines()
    return "\n".join(lines) + "\n"


def run_visible(path: Path) -> dict[str, object]:
    """What a chapter's visible cells leave in a fresh namespace; no window opens; figures and print options go."""
    import matplotlib
    import numpy as np

    before = matplotlib.get_backend()
    matplotlib.use("template")
    namespace: dict[str, object] = {"__name__": "chapter"}
    try:
        with np.printoptions():
            for cell in cells(path):
                if cell.visible:
                    exec(compile("\n" * (cell.line - 1) + cell.source, path.name, "exec"), namespace)
    finally:
        if "plt" in namespace:
            namespace["plt"].close("all")  # type: ignore[attr-defined]
        matplotlib.use(before)
    return namespace
