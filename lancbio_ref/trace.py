"""The record of a run: a table with one row an outer iteration, and its columns as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

COLUMNS = ("k", "h_norm", "n_hvp", "n_cross", "n_grad", "n_grad_upper", "seconds", "status")


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
        self._rows.append(tuple(values[name] for name in self.columns))

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
