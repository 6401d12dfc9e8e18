"""The record of a run: a table with one row an outer iteration, and its columns as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from . import curves, html
from .errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("k", "h_norm", "n_hvp", "n_cross", "n_grad", "n_grad_upper", "seconds", "status")
SHOWN = 4  # rows at either end, in a notebook


class Trace(Sequence[dict[str, Any]]):
    """A row an outer iteration: ``len(trace)`` rows, ``trace[-1]`` the last one, as a dict by column.

    ``trace["h_norm"]`` is a column, as an array whose entry i belongs to row i; ``pandas.DataFrame(trace)`` is the same
    table. A column whose entries differ in shape, as those of T_k do, is an array of objects.

    Attributes
    ----------
    columns : tuple of str
        Their names; of a problem whose samples are read in blocks `n_passes` is one, the readings of its training data.
    diagnostics : Trace or None
        Rows of `k`, `fun` = f(x_k, y_k), `residual` = ‖A_kv_k − b_k‖₂ and `lower_grad_norm` = ‖∇_y g(x_k, y_k)‖₂, and
        the products (`n_hvp`) and gradients (`n_grad`) spent on them, which the run's own counts leave out.

    Examples
    --------
    >>> trace = Trace(("k", "h_norm"))
    >>> trace.append(k=1, h_norm=0.5)
    >>> trace["h_norm"], trace[0], len(trace)
    (array([0.5]), {'k': 1, 'h_norm': 0.5}, 1)
    """

    def __init__(self, columns: tuple[str, ...], diagnostics: Trace | None = None) -> None:
        self.columns, self.diagnostics = columns, diagnostics
        self._rows: list[tuple[Any, ...]] = []  # whole rows: an interrupt leaves no column longer than another

    def append(self, **values: object) -> None:
        """Add a row; every column must be there."""
        self._rows.append(tuple([values[name] for name in self.columns]))

    def truncate(self, rows: int) -> None:
        """Keep the first `rows` rows."""
        del self._rows[rows:]

    @overload
    def __getitem__(self, name: str) -> np.ndarray: ...

    @overload
    def __getitem__(self, name: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, name: slice) -> Trace: ...

    def __getitem__(self, name: Any) -> Any:
        if isinstance(name, slice):
            part = Trace(self.columns, self.diagnostics)
            part._rows = self._rows[name]
            return part
        if not isinstance(name, str):
            return dict(zip(self.columns, self._rows[name], strict=True))
        if name not in self.columns:
            raise KeyError(name)
        place = self.columns.index(name)
        values = [row[place] for row in self._rows]
        if len({np.shape(value) for value in values}) <= 1:
            return np.array(values)
        ragged = np.empty(len(values), dtype=object)  # Q_k and T_k grow
        for i, value in enumerate(values):
            ragged[i] = value
        return ragged

    def plot(
        self,
        quantities: Sequence[str] | None = None,
        against: Sequence[curves.Abscissa] | None = None,
        *,
        title: str = "",
        certified: tuple[float, float] | None = None,
    ) -> Figure:
        """The run as a figure, a row a quantity and a column an abscissa (needs matplotlib).

        Parameters
        ----------
        quantities : sequence of str, optional
            Columns of numbers, of this table or of its `diagnostics`; ‖h‖ and, where there are diagnostics
            (``minimize(..., diagnostics_every=10)``), f, the residual and ‖∇_y g‖ by default.
        against : sequence of {"k", "n_hvp", "n_grad", "seconds"}, optional
            Iterations, Hessian products and time by default; gradients ∇_y g in place of products of which there are
            none.
        title : str
        certified : (float, float), optional
            ‖∇φ‖ at the last x and its bound, to be marked beside ‖h‖.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it; ``savefig`` writes it.

        Raises
        ------
        ArgumentError
            A quantity that this run has not recorded, or that is no number; nothing to draw.
        ImportError
            matplotlib is not installed.
        """
        recorded = self.diagnostics if self.diagnostics is not None and len(self.diagnostics) else None
        own, beside = ({} if table is None else _scalars(table) for table in (self, recorded))
        if not len(self) or "k" not in own:
            raise ArgumentError("trace", f"{len(self)} rows", "the trace of a run, with an iteration at least")
        if quantities is None:
            quantities = [name for name in curves.LABELS if name in own or name in beside]
        known = [name for name in (*own, *beside) if name not in curves.ABSCISSAE and name != "status"]
        for name in quantities:
            if name not in known:
                more = "" if recorded else "; with minimize(..., diagnostics_every=10) also fun and residual"
                raise ArgumentError("quantities", repr(name), f"some of {', '.join(known)}{more}")
        spent: curves.Abscissa = "n_hvp" if own["n_hvp"].any() else "n_grad"
        places: Sequence[curves.Abscissa] = ("k", spent, "seconds") if against is None else against
        for place in places:
            if place not in curves.ABSCISSAE:
                raise ArgumentError("against", repr(place), f"some of {', '.join(curves.ABSCISSAE)}")
        return curves.run_figure(own, beside, quantities, places, title, certified)

    def __contains__(self, name: object) -> bool:
        """Whether it is the name of a column."""
        return name in self.columns

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(len(self._rows)))

    def __len__(self) -> int:
        return len(self._rows)

    def __bool__(self) -> bool:
        """A trace is one, however few rows it has."""
        return True

    def __repr__(self) -> str:
        return f"Trace of {len(self._rows)} rows: " + ", ".join(self.columns)

    def _repr_html_(self) -> str:
        return html.card("trace of " + html.counted(len(self), "iteration"), table=_ends(self))


def _scalars(trace: Trace) -> dict[str, np.ndarray]:
    """Its columns of numbers."""
    columns = {name: trace[name] for name in trace.columns}
    return {name: column for name, column in columns.items() if column.ndim == 1 and column.dtype.kind in "iuf"}


def _ends(trace: Trace) -> list[list[str]]:
    """Its columns of numbers as texts, with a head: the first rows and the last."""
    if not len(trace):
        return [list(trace.columns)]
    columns = _scalars(trace)
    rows = [[f"{value:.6g}" for value in row] for row in zip(*columns.values(), strict=True)]
    if len(rows) > 2 * SHOWN:
        rows = [*rows[:SHOWN], ["…"] * len(columns), *rows[-SHOWN:]]
    return [list(columns), *rows]
