"""What the pages say of the contest: tables and means of docs/notes/recycled-newton.md, the words of README's bars.

Each stands in the note between ``<!-- contest NAME -->`` and ``<!-- end -->``, and is made anew from the runs; what is
outside is written by hand.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from common import load, save, save_figure

from lancbio_ref.files import write_text

from .contestants import OWN, RECYCLED
from .suite import SUITE, UNSEEN

ROOT = Path(__file__).resolve().parents[2]
NOTE, README, HEADLINE = ROOT / "docs/notes/recycled-newton.md", ROOT / "README.md", ROOT / "docs/headline.py"
BLOCK = re.compile(r"(?s)<!-- contest (\w+) -->\n.*?<!-- end -->")
BARS = re.compile(r"!\[Bars: [^\]]*\]")


def cell(value: float) -> str:
    return "–" if value == math.inf else f"{value:.0f}"


def blocks(contest: Any, found: dict[str, Any]) -> dict[str, str]:
    """Name → Markdown; `contest` is the module own_method, `found` its summary."""
    mine = [p for p in SUITE if p in contest.work(found, "1e-3").get(OWN, {})]
    return dict(
        table=table_of_work(contest, found, mine),
        means=means(contest, found, mine),
        parts=parts(contest, found),
        recycling=recycling(contest, found, mine),
    )


def table_of_work(contest: Any, found: dict[str, Any], mine: list[str]) -> str:
    """A row a problem; those that constants were chosen on first; † where a run is of the method as it once was."""
    each = {target: (contest.work(found, target)[OWN], contest.ratios(found, target)) for target in ("1e-3", "1e-6")}

    def row(problem: str) -> str:
        seeds = {run["seed"] for run in found["runs"] if run["problem"] == problem and run["contestant"] == OWN}
        old = any(run.get("before") for run in found["runs"] if run["problem"] == problem and run["contestant"] == OWN)
        cells = [f"{problem} ({len(seeds)}){'†' if old else ''}"]
        for work, ratios in each.values():
            best = (
                f"{(r := ratios[problem])} ({r.who}{'‡' if r.above and r.value < 1 else ''})"
                if problem in ratios
                else ""
            )
            cells += [cell(work[problem]), best]
        return f"| {' | '.join(cells)} |"

    head = [
        "| problem (seeds) | W to 10⁻³ | best rival / own | W to 10⁻⁶ | best rival / own |",
        "|---|---|---|---|---|",
    ]
    seen, unseen = ([row(p) for p in mine if (p in UNSEEN) == new] for new in (False, True))
    return "\n".join([*head, *seen, "| *not seen before* | | | | |", *unseen])


def means(contest: Any, found: dict[str, Any], mine: list[str]) -> str:
    """Geometric means in sample and out of it, and what is missing."""
    parts, least = [], (math.inf, "")
    for name, unseen in (("upper", False), ("lower", True)):
        words = []
        for target, column, shown in (("1e-3", "W", "10⁻³"), ("1e-6", "W", "10⁻⁶"), ("1e-6", "cpu", "")):
            ratios = {p: r for p, r in contest.ratios(found, target, column).items() if (p in UNSEEN) == unseen}
            whole = [ratio for ratio in ratios.values() if 0 < ratio.value < math.inf]
            mean = contest.geometric(ratio.value for ratio in whole)
            if column == "cpu":
                words.append(f"of processor time to 10⁻⁶ {mean:.2g}")
                continue
            bounds = sum(ratio.more for ratio in whole)
            words.append(
                f"**{mean:.2g}** to {shown} on {len(whole)}" + (f" ({bounds} of them bounds)" if bounds else "")
            )
            least = min([least, *((ratio.value, p) for p, ratio in ratios.items() if not ratio.more)])
        parts.append(f"of the {name} part {', '.join(words)}")
    absent = [p for p in SUITE if p not in mine]
    text = f"Geometric means of the ratios, {'; '.join(parts)}. The least of all is {least[0]:.1f} ({least[1]})."
    text += " The machine was shared: wall time is not reported."
    return text + (f" Not run: {', '.join(absent)} ({len(absent)} of {len(SUITE)})." if absent else "")


def parts(contest: Any, found: dict[str, Any]) -> str:
    """The ablations, W over that of the whole, and their means."""
    first = dict(found, runs=[run for run in found["runs"] if run["seed"] == 1])
    each = contest.work(first, "1e-6")
    names = [who for who in each if who.startswith(f"{OWN},") and who != RECYCLED]
    lines = [f"| problem | {' | '.join(n.removeprefix(f'{OWN}, ') for n in names)} |", "|---" * (len(names) + 1) + "|"]
    quotients: dict[str, list[float]] = {name: [] for name in names}
    for problem, whole in each.get(OWN, {}).items():
        if whole < math.inf and any(problem in each[name] for name in names):
            row = [problem]
            for name in names:
                value = each[name].get(problem, math.nan) / whole
                row.append("" if math.isnan(value) else "–" if value == math.inf else f"{value:.2f}")
                quotients[name] += [] if math.isnan(value) else [value]
            lines.append(f"| {' | '.join(row)} |")
    words = []
    for name, values in quotients.items():
        done = [value for value in values if value < math.inf]
        of = f" on the {len(done)} of {len(values)} that it finished" if len(done) < len(values) else ""
        words.append(f"{name.removeprefix(f'{OWN}, ')} {contest.geometric(done):.2f}{of}")
    return "\n".join([*lines, "", f"Geometric means: {', '.join(words)}."])


def recycling(contest: Any, found: dict[str, Any], mine: Iterable[str]) -> str:
    """L-BFGS-B with its solves recycled and without, and the whole method, seed 1."""
    each = contest.work(dict(found, runs=[run for run in found["runs"] if run["seed"] == 1]), "1e-6")
    lines = ["| problem | L-BFGS-B | with recycle=True | recycled-newton |", "|---|---|---|---|"]
    for problem in mine:
        if problem in each.get(RECYCLED, {}):
            row = [each[who].get(problem, math.nan) for who in ("L-BFGS-B", RECYCLED, OWN)]
            lines.append(f"| {problem} | {' | '.join(cell(value) for value in row)} |")
    return "\n".join(lines)


def bars(shown: list[tuple[str, float | None, str]]) -> str:
    """README's bars in words."""
    ended = [f"{who} {np.floor(work):.0f}" for who, work, _ in shown if work]
    late = [who for who, work, end in shown if not work and end != "biased"]
    never = [f"{who} never, for its gradient is biased" for who, work, end in shown if not work and end == "biased"]
    words = "; ".join([", ".join(ended), ", ".join([f"{' and '.join(late)} not within 30000", *never])])
    return f"![Bars: products and gradients to a stationary point. {words}.]"


def headline() -> Any:
    """The module docs/headline.py."""
    spec = importlib.util.spec_from_file_location("headline", HEADLINE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_pages(contest: Any) -> None:
    """Report, performance profiles, note, headline figure and README's words for it, from the lines."""
    from report import write_report  # they import own_method, which imports this
    from run import SCRIPTS

    save(contest.NAME, contest.summary(), False)
    found = load(contest.NAME, False)
    save_figure(contest.NAME, contest.figure(found), False)
    print(write_report(SCRIPTS))
    made, note = blocks(contest, found), NOTE.read_text(encoding="utf-8")
    write_text(NOTE, BLOCK.sub(lambda m: f"<!-- contest {m[1]} -->\n{made[m[1]]}\n<!-- end -->", note))
    words = bars(headline().draw(HEADLINE.parent / "_static" / "headline.svg"))
    write_text(README, BARS.sub(lambda _: words, README.read_text(encoding="utf-8")))
