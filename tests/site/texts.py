"""What a chapter prints and what its sentences quote, as JSON: ``python -m tests.site.texts docs/chapters/05-….md``.

In a process of its own, because the order in which products and sums are added is settled when NumPy and Numba load.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import types
from pathlib import Path

from tests.docs.pages import DOCS, cells

QUOTED = re.compile(r"\{glue:text\}`(\w+)(?::([^`]*))?`")


def texts(path: Path) -> list[str]:
    """Each printed line, then each quoted number as the page shows it."""
    glued: dict[str, object] = {}
    notebook = types.ModuleType("myst_nb")
    notebook.glue = lambda name, value, display=True: glued.__setitem__(name, value)  # type: ignore[attr-defined]
    sys.modules["myst_nb"] = notebook
    namespace: dict[str, object] = {"__name__": "chapter"}
    printed = io.StringIO()
    os.chdir(DOCS / "chapters")
    with contextlib.redirect_stdout(printed):
        for cell in cells(path):
            source = re.sub(r"(?m)^%.*$", "", cell.source)
            exec(compile("\n" * (cell.line - 1) + source, path.name, "exec"), namespace)
    quotes = QUOTED.findall(path.read_text(encoding="utf-8"))
    return printed.getvalue().splitlines() + [f"{name}: {glued[name]:{form}}" for name, form in quotes]


if __name__ == "__main__":
    import matplotlib

    matplotlib.use("template")
    print(json.dumps(texts(Path(sys.argv[1]).resolve())))
