"""Figures of what an estimator learned; Matplotlib is imported when one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMES = 40


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots()[1]


def plot_path(path: list[dict[str, Any]], ax: Axes | None) -> Axes:
    """Validation loss (left axis) and hyper-gradient (right, logarithmic) of every evaluation."""
    ax = _axes(ax)
    evaluations = np.arange(1, len(path) + 1)
    ax.plot(evaluations, [entry["value"] for entry in path], "o-", color="C0")
    ax.set_xlabel("evaluations")
    ax.set_ylabel("validation loss", color="C0")
    right = ax.twinx()
    right.semilogy(evaluations, [max(entry["gradient_norm"], 1e-300) for entry in path], "s--", color="C1", alpha=0.7)
    right.set_ylabel("largest entry of the hyper-gradient", color="C1")
    return ax


def plot_penalties(penalties: np.ndarray, names: Any, ax: Axes | None) -> Axes:
    """Penalties in increasing order, named where there are names and not too many of them."""
    ax = _axes(ax)
    order = np.argsort(penalties)
    places = np.arange(penalties.size)
    ax.semilogy(places, penalties[order], "o")
    ax.set_ylabel("learned penalty")
    if penalties.size <= MOST_NAMES:
        labels = [str(i) for i in order] if names is None else [str(names[i]) for i in order]
        ax.set_xticks(places, labels, rotation=90)
    ax.set_xlabel("from kept to switched off")
    return ax
