"""Figures of jobs and comparisons (needs matplotlib), in the colours and the style of `curves`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from .curves import BLUE, GREEN, GREY, ORANGE, VERMILLION, canvas, styled
from .methods import names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIT_LINES = {
    "before": ("before", VERMILLION, ":"),
    "validation_only": ("validation only", ORANGE, "--"),
    "true_labels": ("true labels", GREY, "-."),
    "after_cleaning": ("after cleaning", GREEN, "-"),
}
PALETTE = (BLUE, VERMILLION, GREEN, ORANGE, "#56B4E9", "#CC79A7", "#000000")  # Okabe and Ito's, without the yellow
MARKERS = "osD^vPX<>*h"
QUANTITIES = {
    "h_norm": r"method's own $\|h_k\|_2$",
    "residual": r"residual $\|A_k v_k - b_k\|_2$",
    "test_accuracy": "test accuracy (%)",
}
ABSCISSAE = {"recorded_k": "outer iteration $k$", "seconds": "time (s)", "n_hvp": "Hessian products"}


@styled
def cleaning_figure(trace: Mapping[str, np.ndarray], summary: Mapping[str, Any]) -> Figure:
    """Loss, ‖h‖, test accuracy and learned weights of a data-cleaning run.

    Parameters
    ----------
    trace : mapping of str to ndarray
        As in ``trace.npz``.
    summary : mapping
        As in ``summary.json``; the four accuracies are drawn where it has them.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _panels(summary, "Hyper-data cleaning")
    k, recorded = trace["k"], trace["recorded_k"]
    _curve(axes[0, 0], recorded, trace["loss"], "Validation loss", "mean cross entropy f (nats)")
    _curve(axes[0, 1], k, trace["h_norm"], "Hyper-gradient", r"$\|h_k\|_2$", log=True)

    accuracy = axes[1, 0]
    _curve(accuracy, recorded, 100 * trace["test_accuracy"], "Test accuracy", "correct (%)")
    accuracy.lines[0].set_label("iterates $y_k$")
    fits = {name: 100 * fit["test_accuracy"] for name, fit in summary.get("fits", {}).items()}
    for name, percent in fits.items():
        label, color, style = FIT_LINES[name]
        accuracy.axhline(
            percent, color=color, linestyle=style, linewidth=1.3, label=f"lower level solved, {label}: {percent:.1f}"
        )
    if fits:  # the four are close together and the first iterates far below: show where they differ
        lowest, highest = min(fits.values()), max(fits.values())
        accuracy.set_ylim(lowest - 1.2 * (highest - lowest) - 2, highest + 0.15 * (highest - lowest) + 0.5)
    accuracy.legend(loc="lower right", fontsize=8.5)

    weights, clean = expit(trace["x"]), ~trace["corrupted"]
    histogram, bins = axes[1, 1], np.linspace(0, 1, 41)
    histogram.hist(weights[clean], bins, color=BLUE, alpha=0.75, label=f"clean labels ({clean.sum()})")
    histogram.hist(
        weights[~clean],
        bins,
        histtype="step",
        hatch="////",
        color=VERMILLION,
        label=f"corrupted labels ({(~clean).sum()})",
    )
    histogram.set(xlabel=r"learned weight $\sigma(x_i)$", ylabel="training samples", xlim=(0, 1))
    histogram.set_title(f"Learned weights (AUC {summary['auc']:.3f})")
    histogram.legend(loc="center")
    return figure


@styled
def synthetic_figure(trace: Mapping[str, np.ndarray], summary: Mapping[str, Any]) -> Figure:
    """Loss, ‖h‖, linear-system residual and lower-level gradient of a run on the synthetic problem.

    Parameters
    ----------
    trace : mapping of str to ndarray
        As in ``trace.npz``.
    summary : mapping
        As in ``summary.json``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _panels(summary, "Synthetic problem")
    recorded = trace["recorded_k"]
    _curve(axes[0, 0], recorded, trace["loss"], "Upper level", r"$f(x_k, y_k)$", log=bool((trace["loss"] > 0).all()))
    _curve(axes[0, 1], trace["k"], trace["h_norm"], "Hyper-gradient", r"$\|h_k\|_2$", log=True)
    _curve(axes[1, 0], recorded, trace["residual"], "Linear system", r"$\|A_k v_k - b_k\|_2$", log=True)
    _curve(axes[1, 1], recorded, trace["lower_grad_norm"], "Lower level", r"$\|\nabla_y g(x_k, y_k)\|_2$", log=True)
    return figure


def _panels(summary: Mapping[str, Any], what: str) -> tuple[Figure, Any]:
    figure = canvas((10, 7.2))
    axes = figure.subplots(2, 2)
    settings = summary["settings"]
    method = {"lancbio": "LancBiO", "subbio": "SubBiO"}[settings["method"]]
    job = "" if settings["job"] == "synthetic" else f" of {settings['job']}"
    figure.suptitle(f"{what}{job}: {method}, {summary['iterations']} outer iterations", x=0.015, ha="left")
    return figure, axes


def _few_words(axes: Axes, value: float, position: int | None = None) -> str:
    """Between powers of ten 2 and 5 alone, and where the axis is shorter than two of them: else labels overlap.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from lancbio_ref.plotting import _few_words
    >>> axes = SimpleNamespace(get_xlim=lambda: (0.01, 0.3))
    >>> [_few_words(axes, value) for value in (0.02, 0.03, 0.05)]
    ['0.02', '', '0.05']
    """
    low, high = axes.get_xlim()
    digit = round(value / 10 ** math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:g}" if digit in (2, 5) and high < 100 * low else ""


def _curve(axes: Axes, k: np.ndarray, values: np.ndarray, title: str, label: str, *, log: bool = False) -> None:
    axes.plot(k, values, color=BLUE)
    axes.set(xlabel="outer iteration $k$", ylabel=label, title=title)
    if log and (values > 0).any():
        axes.set_yscale("log")


@styled
def comparison_figure(runs: Mapping[str, Sequence[Mapping[str, np.ndarray]]], summary: Mapping[str, Any]) -> Figure:
    """‖h‖, residual and accuracy against iterations, time and Hessian products: median, and quartiles as a band.

    Methods differ in colour, dash and marker. Where seeds differ in time or products, the median of these at the same
    iteration is the abscissa. Failed runs are not drawn, but counted in the legend; a method without Hessian products
    is left out of the third column.

    Parameters
    ----------
    runs : mapping of str to sequence of mappings
        The runs' arrays, as in ``runs/METHOD-SEED.npz``, by method.
    summary : mapping
        As in ``comparison.json``: the title is made from `problem` and `seeds`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    present = [name for name in QUANTITIES if any(name in run for mine in runs.values() for run in mine)]
    figure = canvas((13, 3.3 * len(present) + 1.4))
    axes = figure.subplots(len(present), len(ABSCISSAE), squeeze=False, sharey="row")
    lines = {}
    places = [*names(), *(name for name in runs if name not in names())]
    for name, mine in runs.items():
        place = places.index(name)  # a method looks the same in every figure
        good = [run for run in mine if str(run["outcome"]) != "FAILED"]
        style: dict[str, Any] = dict(
            color=PALETTE[place % len(PALETTE)],
            linestyle="-" if place < len(PALETTE) else (0, (5, 2)),
            marker=MARKERS[place % len(MARKERS)],
            markersize=4.5,
            linewidth=1.4,
        )
        label = name if len(good) == len(mine) else f"{name} ({len(mine) - len(good)} of {len(mine)} failed)"
        (lines[label],) = axes[0, 0].plot([], [], **style)
        for i, quantity in enumerate(present):
            drawn = [run for run in good if quantity in run]
            for j, abscissa in enumerate(ABSCISSAE if drawn else ()):
                _band(axes[i, j], drawn, abscissa, quantity, style | dict(markevery=(0.01 * place, 0.15)))
    for i, quantity in enumerate(present):
        axes[i, 0].set_ylabel(QUANTITIES[quantity])
        for j, abscissa in enumerate(ABSCISSAE):
            axes[i, j].set_xlabel(ABSCISSAE[abscissa])
            if quantity != "test_accuracy" and any(len(line.get_ydata()) for line in axes[i, 0].lines):
                axes[i, j].set_yscale("log")
            if j > 0 and any(len(line.get_xdata()) for line in axes[i, j].lines):
                axes[i, j].set_xscale("log")
                axes[i, j].xaxis.set_minor_formatter(partial(_few_words, axes[i, j]))
    seeds = len(summary["seeds"])
    band = "" if seeds == 1 else f": median and quartiles of {seeds} seeds"
    figure.suptitle(f"{summary['problem']}{band}", x=0.015, ha="left")
    figure.legend(list(lines.values()), list(lines), loc="outside lower center", ncols=6, handlelength=3.5)
    return figure


def _band(
    axes: Axes, runs: Sequence[Mapping[str, np.ndarray]], abscissa: str, quantity: str, style: Mapping[str, Any]
) -> None:
    """The median over `runs` of one quantity at each iteration that one recorded, and the quartiles around it.

    A run that had come to its end stays where it was.
    """
    grid = np.unique(np.concatenate([run["recorded_k"] for run in runs]))

    def row(run: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        recorded, entries = run["recorded_k"], run[name]
        if entries.size != recorded.size:  # one an iteration
            entries = entries[recorded - 1]
        return entries[np.searchsorted(recorded, grid, side="right").clip(1) - 1]

    def rows(name: str) -> np.ndarray:
        return np.array([row(run, name) for run in runs], dtype=np.float64)

    x = grid if abscissa == "recorded_k" else np.median(rows(abscissa), axis=0)
    values = rows(quantity)
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
    shown = np.ones(x.size, dtype=bool)
    if quantity == "test_accuracy":
        low, middle, high = 100 * low, 100 * middle, 100 * high
    else:
        shown &= low > 0  # the axis is logarithmic
    if abscissa != "recorded_k":
        shown &= x > 0
    if shown.any():
        axes.plot(x[shown], middle[shown], **style)
        axes.fill_between(x[shown], low[shown], high[shown], color=style["color"], alpha=0.15, linewidth=0)
