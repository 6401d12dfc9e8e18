"""The table of a comparison, and its files: every number is taken from the runs' own arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..files import plain, write_all, write_figure, write_json, write_text
from ..plotting import comparison_figure
from .settings import Settings

Runs = Mapping[tuple[int, str], Mapping[str, np.ndarray]]
COLUMNS = {  # array of a run: heading and format; the last entry is the one that counts
    "gradient": ("||grad phi||", "{:.2e}"),
    "distance": ("||h - grad phi||", "{:.2e}"),
    "h_norm": ("own ||h||", "{:.2e}"),
    "residual": ("||A v - b||", "{:.2e}"),
    "loss": ("loss", "{:.4g}"),
    "test_accuracy": ("accuracy", "{:.4f}"),
    "n_hvp": ("products", "{:.0f}"),
    "n_grad": ("gradients", "{:.0f}"),
    "seconds": ("seconds", "{:.2f}"),
}


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` in the types that JSON gives back, so that they can be compared with those read from a file."""
    return plain(dict(settings))


def summarize(comparison: Settings, runs: Runs, interrupted: bool) -> dict[str, Any]:
    """All runs and, for each method, mean and sample standard deviation over the seeds whose run did not fail.

    The deviation of a single run is null.
    """
    methods = {}
    for name in comparison.methods:
        mine = {seed: run for (seed, method), run in runs.items() if method == name}
        good = [run for run in mine.values() if str(run["outcome"]) != "FAILED"]
        settings = plain_settings(comparison.run_settings(comparison.seeds[0], name))
        del settings["seed"]
        columns = {}
        for column in COLUMNS:
            if values := [float(run[column][-1]) for run in good if column in run]:
                deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
                columns[column] = dict(mean=float(np.mean(values)), deviation=deviation, values=values)
        methods[name] = dict(
            settings=settings,
            finished=len(good),
            failed={str(seed): str(run["message"]) for seed, run in mine.items() if str(run["outcome"]) == "FAILED"},
            missing=[seed for seed in comparison.seeds if seed not in mine],
            outcomes={str(seed): str(run["outcome"]) for seed, run in mine.items()},
            verdicts={str(seed): str(run["verdict"]) for seed, run in mine.items() if "verdict" in run},
            doubts={str(seed): words for seed, run in mine.items() if (words := _doubt(run))},
            seeds=[seed for seed, run in mine.items() if str(run["outcome"]) != "FAILED"],
            columns=columns,
        )
    return dict(
        version=__version__,
        problem=comparison.problem,
        seeds=list(comparison.seeds),
        interrupted=interrupted,
        methods=methods,
    )


def _doubt(run: Mapping[str, np.ndarray]) -> str:
    """What the report says of a run that did not fail and yet has no gradient of φ to show; mostly nothing."""
    if str(run["outcome"]) == "DIVERGING":
        return str(run["message"])
    if "verdict" in run and str(run["verdict"]) != "AGREES":
        return f"{run['verdict']}: {run['verdict_message']}"
    return ""


def cells(summary: Mapping[str, Any]) -> list[list[str]]:
    """Methods down, quantities across, with a head; only the quantities that some method has."""
    methods = summary["methods"]
    columns = [name for name in COLUMNS if any(name in entry["columns"] for entry in methods.values())]
    rows = [["method", "runs", *(COLUMNS[name][0] for name in columns)]]
    for name, entry in methods.items():
        row = [name, f"{entry['finished']}/{len(summary['seeds'])}"]
        rows.append(row + [_cell(entry["columns"].get(column), COLUMNS[column][1]) for column in columns])
    return rows


def table(summary: Mapping[str, Any]) -> str:
    """`cells` in columns."""
    rows = cells(summary)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _cell(found: Mapping[str, Any] | None, form: str) -> str:
    if found is None:
        return "-"
    mean = form.format(found["mean"])
    return mean if math.isnan(found["deviation"]) else f"{mean} ± {form.format(found['deviation'])}"


def write_comparison(
    comparison: Settings, out: Path, runs: Runs, interrupted: bool
) -> tuple[dict[str, Any], list[str], bool]:
    """Write ``comparison.json``, ``table.txt`` and ``figure.png`` to the folder `out`.

    Returns
    -------
    summary : dict
    lines : list of str
        One about each file.
    all_written : bool
    """
    summary = summarize(comparison, runs, interrupted)
    drawn = any("recorded_k" in run for run in runs.values())
    by_method = {name: [run for (_, method), run in runs.items() if method == name] for name in summary["methods"]}
    lines, all_written = write_all(
        lambda: write_json(out / "comparison.json", summary),
        lambda: write_text(out / "table.txt", table(summary) + "\n"),
        lambda: (
            write_figure(out / "figure.png", lambda: comparison_figure(by_method, summary))
            if drawn
            else f"skipped {out / 'figure.png'}: no run has anything to draw"
        ),
    )
    return summary, lines, all_written


def comparison_report(summary: Mapping[str, Any], files: Sequence[str], kept: int) -> str:
    """What is printed at the end."""
    methods = summary["methods"]
    failed = [f"  {name}, seed {seed}: {text}" for name, m in methods.items() for seed, text in m["failed"].items()]
    certified = any("gradient" in entry["columns"] for entry in methods.values())
    missing = sum(len(entry["missing"]) for entry in methods.values())
    size = f"{len(methods)} methods, {len(summary['seeds'])} seeds"
    lines = [
        f"lancbio-ref {summary['version']}: {summary['problem']}, {size}",
        "",
        "  at the last iteration; mean ± standard deviation over the runs that did not fail",
        "  own ||h|| is the norm of the method's estimate of grad phi, which may be far from it"
        + (": see ||h - grad phi||" if certified else ": without --no-certify it is evaluated"),
        table(summary),
    ]
    if failed:
        lines += ["", "failed", *failed]
    if doubts := [
        f"  {name}, seed {seed}: {text}" for name, m in methods.items() for seed, text in m["doubts"].items()
    ]:
        lines += ["", "own h against a certified hyper-gradient at the last x, where they do not agree", *doubts]
    if summary["interrupted"]:
        lines += ["", f"interrupted: {missing} runs are missing; the same command with --resume makes them"]
    if kept:
        lines += ["", f"{kept} runs were there already and were not made again"]
    return "\n".join([*lines, "", *files])
