"""The bars of README: work to a stationary point, from what validation/own_method.py has stored.

``python docs/headline.py`` writes docs/_static/headline.svg. One problem, seed 1, on which all of these have been run;
a bar without an end did not get there within the budget, or never does, for its gradient is biased.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

HERE = Path(__file__).parent
STORED = HERE.parent / "validation" / "results" / "own_method.json"
PROBLEM, TARGET, OWN, MOST = "synthetic-200-1e2", "1e-6", "recycled-newton", 12
WHOLE = 30_000  # W that a run was allowed


def bars():
    """(contestant, W or None, how the run ended) on `PROBLEM`, the least first; of the ablations none."""
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    found = [
        (run["contestant"], None if run["reached"][TARGET] is None else run["reached"][TARGET]["W"], run["end"])
        for run in stored["runs"]
        if run["problem"] == PROBLEM and run["seed"] == 1 and "reached" in run and f"{OWN}," not in run["contestant"]
        if run["end"] != "work" or run["W"] >= WHOLE  # one that was stopped before the others says less than they
    ]
    return sorted(found, key=lambda bar: (bar[1] is None, bar[1] or 0, bar[2] == "biased"))[:MOST]


def draw(path):
    plt.style.use(HERE / "lancbio.mplstyle")
    shown = bars()
    figure, ax = plt.subplots(figsize=(10.4, 0.9 + 0.27 * len(shown)))
    longest = 1.2 * max(work for _, work, _ in shown if work is not None)
    for row, (who, work, end) in enumerate(shown):
        words = f"{work:.0f}" if work else "never: biased" if end == "biased" else "not within 30 000"
        ax.barh(row, work or longest, color="C0" if who == OWN else "#BBBBBB", hatch=None if work else "//", height=0.7)
        ax.text((work or longest) * 1.04, row, words, va="center", fontsize=9)
    ax.set_yticks(range(len(shown)), [who for who, _, _ in shown])
    ax.invert_yaxis()
    ax.set(
        xscale="log", xlim=(100, 6 * longest), xlabel="products and gradients, weighted",
        title="to ‖∇φ‖ ≤ 10⁻⁶‖∇φ(x₀)‖, synthetic, n = 200, κ = 10²; methods with steps at the best of 49",
    )  # fmt: skip
    figure.savefig(path, metadata={"Date": None})
    return shown


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "_static" / "headline.svg"
    target.parent.mkdir(parents=True, exist_ok=True)
    print(*draw(target), sep="\n")
