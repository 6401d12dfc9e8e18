"""Figures of a run (needs matplotlib). Colours are Okabe and Ito's, which the colour-blind can tell apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, ORANGE, GREY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#5F5F5F"
FIT_LINES = {
    "before": ("before", VERMILLION, ":"),
    "validation_only": ("validation only", ORANGE, "--"),
    "true_labels": ("true labels", GREY, "-."),
    "after_cleaning": ("after cleaning", GREEN, "-"),
}
STYLE: dict[str, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 10.5,
    "figure.titlesize": 12,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """`draw` under this module's style, whatever the caller's is."""

    @wraps(draw)
    def drawn(*arguments: Any) -> Figure:
        from matplotlib import rc_context

        with rc_context(STYLE):  # type: ignore[arg-type]  # its stub lists every key
            return draw(*arguments)

    return drawn


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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(10, 7.2), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    settings = summary["settings"]
    method = {"lancbio": "LancBiO", "subbio": "SubBiO"}[settings["method"]]
    job = "" if settings["job"] == "synthetic" else f" of {settings['job']}"
    figure.suptitle(f"{what}{job}: {method}, {summary['iterations']} outer iterations", x=0.015, ha="left")
    return figure, axes


def _curve(axes: Axes, k: np.ndarray, values: np.ndarray, title: str, label: str, *, log: bool = False) -> None:
    axes.plot(k, values, color=BLUE)
    axes.set(xlabel="outer iteration $k$", ylabel=label, title=title)
    if log and (values > 0).any():
        axes.set_yscale("log")
