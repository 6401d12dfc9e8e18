"""Figures of one run (needs matplotlib): its quantities down, and across what they are drawn against.

Colours are Okabe and Ito's, which the colour-blind can tell apart.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Abscissa = Literal["k", "n_hvp", "n_grad", "seconds"]

BLUE, VERMILLION, GREEN, ORANGE, GREY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#5F5F5F"
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
LABELS = {
    "h_norm": r"method's own $\|h_k\|_2$",
    "fun": r"$f(x_k, y_k)$",
    "residual": r"residual $\|A_k v_k - b_k\|_2$",
    "lower_grad_norm": r"$\|\nabla_y g(x_k, y_k)\|_2$",
}
ABSCISSAE = {
    "k": "outer iteration $k$",
    "n_hvp": "Hessian products",
    "n_grad": r"gradients $\nabla_y g$",
    "seconds": "time (s)",
}
WIDE = 10.0  # a quantity that is positive and has moved by such a factor is drawn on a logarithmic scale


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """`draw` under this module's style, whatever the caller's is; ImportError where matplotlib is not installed."""

    @wraps(draw)
    def drawn(*arguments: Any, **options: Any) -> Figure:
        try:
            from matplotlib import rc_context
        except ImportError as error:
            raise ImportError("a figure needs matplotlib (pip install matplotlib)") from error
        with rc_context(STYLE):  # type: ignore[arg-type]  # its stub lists every key
            return draw(*arguments, **options)

    return drawn


def canvas(size: tuple[float, float]) -> Figure:
    """A figure that belongs to no window: a notebook shows it where it is the last value of a cell."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
    FigureCanvasAgg(figure)
    vars(figure)["_repr_png_"] = partial(_png, figure)  # without pyplot, a notebook knows no other way to show it
    return figure


def _png(figure: Figure) -> bytes:
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=110)
        return file.getvalue()


@styled
def run_figure(
    columns: Mapping[str, np.ndarray],
    recorded: Mapping[str, np.ndarray],
    quantities: Sequence[str],
    against: Sequence[Abscissa],
    title: str = "",
    certified: tuple[float, float] | None = None,
) -> Figure:
    """One panel a quantity and an abscissa.

    Parameters
    ----------
    columns : mapping of str to ndarray
        Of the trace, an entry an iteration.
    recorded : mapping of str to ndarray
        Of the diagnostics, at iterations of their own; these are looked up in `columns` for products and seconds.
    quantities : sequence of str
        Of either; drawn from top to bottom.
    against : sequence of {"k", "n_hvp", "n_grad", "seconds"}
        Drawn from left to right.
    title : str
    certified : (float, float), optional
        ‖∇φ‖ at the last x and its bound, marked beside ‖h‖.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = canvas((1.2 + 3.9 * len(against), 0.8 + 2.3 * len(quantities)))
    axes = figure.subplots(len(quantities), len(against), squeeze=False, sharey="row", sharex="col")
    for i, name in enumerate(quantities):
        source = columns if name in columns else recorded
        values = np.asarray(source[name], dtype=np.float64)
        rows = np.isin(columns["k"], source["k"])  # an interrupt may leave one row of the diagnostics too many
        for j, abscissa in enumerate(against):
            _curve(axes[i, j], columns[abscissa][rows], values[: int(rows.sum())], name)
            axes[i, j].set_ylabel(LABELS.get(name, name) if j == 0 else "")
            if i == len(quantities) - 1:
                axes[i, j].set_xlabel(ABSCISSAE[abscissa])
            if name == "h_norm" and certified is not None and len(values):
                _mark(axes[i, j], columns[abscissa][-1], *certified, labelled=j == 0)
    figure.suptitle(title, x=0.015, ha="left")
    return figure


def _curve(axes: Axes, at: np.ndarray, values: np.ndarray, name: str) -> None:
    few = len(values) < 30
    axes.plot(at, values, color=BLUE, marker="o" if few else None, markersize=3.5)
    shown = values[np.isfinite(values)]
    if shown.size and shown.min() > 0 and (shown.max() > WIDE * shown.min() or name == "h_norm"):
        axes.set_yscale("log")


def _mark(axes: Axes, at: float, norm: float, bound: float, *, labelled: bool) -> None:
    """‖∇φ‖ at the last x, as far as it is known."""
    span = None if not np.isfinite(bound) else [[min(bound, norm)], [bound]]
    label = r"$\|\nabla\varphi\|_2$ at the last $x$" if labelled else None
    axes.errorbar([at], [norm], yerr=span, fmt="D", color=VERMILLION, markersize=6, capsize=3, label=label)
    if labelled:
        axes.legend(loc="best", fontsize=8.5)
