"""What a reader sees of a chapter runs alone: every visible cell, in order, in a namespace of its own.

A reader copies what is shown, and hidden cells are not. Chapters 8 and 10 (a minute of runs on real data; whole runs of
the oracle) are run by ``make test-docs``; here their names are looked up.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import io

import pytest

from tests.docs.pages import CHAPTERS, cells, run_visible
from tests.thorough import sampled

LONG = ("08-the-field", "10-the-oracle")  # the others take seconds each


def undefined(sources: list[str]) -> list[str]:
    """Names that a cell reads and that neither it nor a cell before it defines, anywhere in its scopes."""
    known, missing = set(dir(builtins)), []
    for source in sources:
        nodes = list(ast.walk(ast.parse(source)))
        known |= {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
        known |= {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        known |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        for node in nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                known |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        missing += [
            n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and n.id not in known
        ]
    return missing


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_visible_cells_define_what_they_use(path):
    shown = [cell.source for cell in cells(path) if cell.visible]
    assert len(shown) >= 3 and undefined(shown) == []


def test_a_name_from_a_hidden_cell_is_found():
    assert undefined(["import numpy as np\nx = np.ones(3)", "plt.plot(x, [y for y in x])"]) == ["plt"]


@pytest.mark.parametrize("path", sampled([p for p in CHAPTERS if p.stem not in LONG], 4), ids=lambda path: path.stem)
def test_visible_cells_run_alone(path, capsys):
    assert run_visible(path)
    assert capsys.readouterr().out.strip() or path.stem.startswith("03")


def test_an_error_names_its_line_of_the_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```{code-cell}\n:tags: [remove-cell]\nx = 1\n```\n\n```{code-cell}\nprint(x)\n```\n")
    with pytest.raises(NameError) as caught, contextlib.redirect_stdout(io.StringIO()):
        run_visible(page)
    assert caught.traceback[-1].lineno + 1 == 9
