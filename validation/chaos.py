"""Whether a row of a table would come out again: the same run, its start moved by one rounding.

y_0 and v_0 are moved to neighbouring numbers (`common.nudged`), which is what one more rounding could have done. A run
has R = products + gradients, each made of sums of at most L terms (L samples), so that each is off by about L·u of its
terms, u = 2⁻⁵³. If none of these errors grows, together they explain a relative difference of R·L·u; a method that
divides differences of gradients by δ (hjfbio) makes them 1/δ times larger. Numbers are kept to six digits, of which the
last is worth up to 10⁻⁵. So the end of a run is *chaotic* where f(x_K, y_K) or ‖h_K‖ of the run and of its
repetitions differ, relatively, by more than

    10⁻⁵ + R·L·u/δ

(5·10⁻⁹ for the sum's second part at K = 150), or where one failed and another did not: something has grown by a
factor of 10⁷ or more on the way, and more digits than that are not the method's but the machine's.
Accuracies do not decide: an image on the boundary may fall to either side. Their spread is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from common import Task, in_parallel, kept_run, spread

U = 2.0**-53
SIX_DIGITS = 1e-5
DECIDE = ("loss", "h_norm")
ENDS = ("test_accuracy", "solved", "residual", *DECIDE)
FIRST, MORE = (1,), (2, 3)  # one repetition of every run, two more of those that it shows to be chaotic

Run = Mapping[str, Any]


def end(run: Run) -> dict[str, Any]:
    """What of a repetition is kept: its last numbers."""
    last = {key: run[key][-1] if isinstance(run[key], list) else run[key] for key in ENDS if key in run}
    return dict(outcome=run["outcome"]) | last


def explained(run: Run, longest: int) -> float:
    """10⁻⁵ + R·L·u/δ, `longest` being L."""
    operations = run["n_hvp"][-1] + run["n_grad"][-1]
    return SIX_DIGITS + operations * longest * U / run["options"].get("difference", 1.0)


def difference(values: Iterable[float | None]) -> float:
    """(largest − smallest)/smallest in absolute value; ∞ where some are not finite and others are."""
    found = np.array([np.inf if v is None else v for v in values], dtype=float)
    if not np.isfinite(found).all():
        return float("inf") if np.isfinite(found).any() else 0.0
    width, least = float(np.ptp(found)), float(np.abs(found).min())
    return 0.0 if width == 0 else width / least if least else float("inf")


def is_chaotic(run: Run, repeats: Sequence[Run], longest: int) -> bool:
    if any(one["outcome"] != run["outcome"] for one in repeats):
        return True
    if run["outcome"] == "FAILED":
        return False
    ends = [end(run), *repeats]
    return any(difference(one[column] for one in ends) > explained(run, longest) for column in DECIDE)


def repeated(
    tasks: Sequence[Task], longest: int, folder: str, label: str
) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """The runs of the tasks, and of every method the ends of its repetitions: one, and three where it is chaotic."""
    jobs = [(folder, replace(task, nudge=nudge)) for task in tasks for nudge in (0, *FIRST)]
    made = in_parallel(kept_run, jobs, label)
    each = 1 + len(FIRST)
    runs = made[::each]
    repeats = {task.method: [end(r) for r in made[each * i + 1 : each * (i + 1)]] for i, task in enumerate(tasks)}
    odd = [task for task, one in zip(tasks, runs, strict=True) if is_chaotic(one, repeats[task.method], longest)]
    jobs = [(folder, replace(task, nudge=nudge)) for task in odd for nudge in MORE]
    for (_, task), one in zip(jobs, in_parallel(kept_run, jobs, f"{label}, again") if jobs else [], strict=True):
        repeats[task.method].append(end(one))
    return runs, repeats


def chaotic(methods: Mapping[str, Sequence[Run]], repeats: Mapping[str, Sequence[Run]], longest: int) -> list[str]:
    """The methods of a table whose rows are chaotic."""
    return [m for m, mine in methods.items() if m in repeats and is_chaotic(mine[0], repeats[m], longest)]


def notes(methods: Mapping[str, Sequence[Run]], repeats: Mapping[str, Sequence[Run]], longest: int) -> list[str]:
    """Of every chaotic row, the spread of its end over the run and its repetitions."""
    lines = []
    for name in chaotic(methods, repeats, longest):
        ends = [end(methods[name][0]), *repeats[name]]
        failed = sum(one["outcome"] == "FAILED" for one in ends)
        whole = [one for one in ends if one["outcome"] != "FAILED"]
        shown = [
            f"{title} {spread([one[key] * factor for one in whole if one.get(key) is not None], form)}"
            for key, title, factor, form in (
                ("test_accuracy", "accuracy of y_K", 100, "{:.2f}"),
                ("solved", "at x_K, solved,", 100, "{:.2f}"),
                ("loss", "validation loss", 1, "{:.6g}"),
                ("residual", "‖A v − b‖", 1, "{:.6g}"),
                ("h_norm", "‖h_K‖", 1, "{:.6g}"),
            )
            if any(key in one for one in whole)
        ]
        lines.append(
            f"{name} is *chaotic*: {len(ends)} runs whose starts differ by one rounding, of which {failed or 'none'}"
            f" failed; median [smallest, largest]: {', '.join(shown)}."
        )
    return lines
