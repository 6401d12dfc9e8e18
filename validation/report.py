"""REPORT.md from the numbers in results/: every figure in it is one of theirs, formatted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common import CAVEAT, FAILS, HERE, HOLDS, figure_path, load, table

from lancbio_ref.files import write_text

SIGNS = {HOLDS: "holds", CAVEAT: "**holds with a caveat**", FAILS: "**does not hold**"}


def render(scripts: Sequence[Any]) -> str:
    """The report."""
    lines = [
        "# What was claimed, and what was measured",
        "",
        "Made by `make validate` (`validation/run.py`); the numbers are in `validation/results/`, the figures in"
        " `validation/figures/`. The claims are the paper's (Yang, Gao, Yuan, ICLR 2025) or this project's. Where sizes"
        " are smaller than the paper's, the section says so; `--full` takes the paper's. No method was tuned alone:"
        " steps are the paper's, or found by the same search for all.",
        "",
        "## Verdicts",
        "",
    ]
    rows, sections = [], []
    for script in scripts:
        for full in (False, True):
            found = load(script.NAME, full)
            if found is None:
                continue
            title = f"{script.TITLE}{', at full size' if full and not getattr(script, 'ONLY_FULL', False) else ''}"
            mine = script.verdicts(found)
            rows += [[title, verdict.claim, SIGNS[verdict.outcome]] for verdict in mine]
            sections += ["", f"## {title}", "", f"*{machine_line(found)}; `validation/{script.NAME}.py`*", ""]
            sections += [f"* {v.claim}: {SIGNS[v.outcome]}. {v.why}." for v in mine]
            sections += ["", script.section(found)]
            if hasattr(script, "figure"):
                path = figure_path(script.NAME, full).relative_to(HERE).as_posix()
                sections += ["", f"![{title}]({path})"]
        if load(script.NAME, getattr(script, "ONLY_FULL", False)) is None:
            sections += ["", f"## {script.TITLE}", "", "Not run: its data were not there, or its time."]
    return "\n".join([*lines, table(["", "claim", "verdict"], rows), *sections]) + "\n"


def machine_line(found: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    return f"{versions}; {found['seconds']:.0f} s"


def write_report(scripts: Sequence[Any]) -> str:
    """Write REPORT.md; a line about it."""
    text = render(scripts)
    write_text(HERE / "REPORT.md", text)
    return f"wrote {(HERE / 'REPORT.md').name}"
